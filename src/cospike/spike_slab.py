"""`SpikeSlab`: a latent that is exactly 0, or drawn from a Gaussian slab.

    q(z) = γ N(z; μ, σ²) + (1 − γ) δ₀(z),    γ = sigmoid(active_logits)

Its density is taken against Lebesgue measure plus a point mass at 0: `log_prob(0)` is ln(1 − γ), elsewhere it is
ln γ + ln N(z; μ, σ²). The KL of two of them is closed (Tonolini, Jensen, Murray-Smith, *Variational Sparse
Coding*, UAI 2019, eq. 4 in general form): that of the spikes plus γ times that of the slabs.
"""

import math
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import torch
from jaxtyping import Float
from torch import Generator, Size, Tensor
from torch.distributions import Distribution, constraints, register_kl
from torch.nn.functional import logsigmoid

from cospike._errors import InputError, did_you_mean
from cospike._random import Noise
from cospike.divergence import ALWAYS_ON_LOGIT, kl_bernoulli

Spikes: TypeAlias = Literal["second-order", "straight-through", "relaxed"]
"""How a gradient passes the spike, see `SpikeSlab.rsample`; but for "relaxed", the spike itself is exact."""


class SpikeSlab(Distribution):
    """A spike-and-slab distribution, one per latent (``event_shape`` is empty: nothing is summed).

    Args:
        active_logits: logit of P(latent ≠ 0) = the paper's γ.
        loc: mean μ of the slab.
        scale: standard deviation σ > 0 of the slab.
        validate_args: check the arguments, as in every torch distribution.

    >>> q = SpikeSlab(torch.tensor([-2.0, 2.0]), torch.tensor([1.0, 1.0]), torch.tensor([0.5, 0.5]))
    >>> q.mean
    tensor([0.1192, 0.8808])
    >>> _ = torch.manual_seed(0)
    >>> (q.sample((10_000,)) == 0).float().mean(0)   # exact zeros, with probability 1 − γ
    tensor([0.8..., 0.1...])
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "active_logits": constraints.real,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True

    def __init__(
        self,
        active_logits: Float[Tensor, "*#shape"],
        loc: Float[Tensor, "*#shape"],
        scale: Float[Tensor, "*#shape"],
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.active_logits: Tensor
        self.loc: Tensor
        self.scale: Tensor
        self.active_logits, self.loc, self.scale = torch.broadcast_tensors(active_logits, loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def active_probs(self) -> Tensor:
        """P(latent ≠ 0)."""
        return self.active_logits.sigmoid()

    @property
    def mean(self) -> Tensor:
        """E z = γ μ."""
        return self.active_probs * self.loc

    @property
    def variance(self) -> Tensor:
        """Var z = γ (σ² + (1 − γ) μ²)."""
        off = (-self.active_logits).sigmoid()
        return self.active_probs * (self.scale.square() + off * self.loc.square())

    def expand(self, batch_shape: Any, _instance: Any = None) -> "SpikeSlab":
        """The same distribution over a larger batch shape."""
        parts = (part.expand(batch_shape) for part in (self.active_logits, self.loc, self.scale))
        return SpikeSlab(*parts, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density in nats against Lebesgue measure plus a point mass at 0; finite, with gradients, at 0."""
        standardised = (value - self.loc) / self.scale
        slab = -0.5 * standardised.square() - self.scale.log() - 0.5 * math.log(2.0 * math.pi)
        return torch.where(value == 0, logsigmoid(-self.active_logits), logsigmoid(self.active_logits) + slab)

    def tempered(self, share: float) -> "SpikeSlab":
        """The same spikes with slabs N(λμ, λσ² + 1 − λ), λ = ``share``: at 0 they say nothing (VSC, eq. 7)."""
        if share == 1:
            return self
        scale = (share * self.scale.square() + 1.0 - share).sqrt()
        return SpikeSlab(self.active_logits, share * self.loc, scale, validate_args=False)

    @torch.no_grad()
    def sample(self, sample_shape: Any = (), *, generator: Generator | None = None) -> Tensor:
        """Draw exactly: a latent is 0 with probability 1 − γ. Without gradients."""
        shape = self._extended_shape(sample_shape)
        uniform, normal = self._noise(shape, generator)
        return torch.where(uniform <= self.active_probs, torch.addcmul(self.loc, self.scale, normal), 0.0)

    def rsample(
        self,
        sample_shape: Any = (),
        *,
        spikes: Spikes = "second-order",
        sharpness: float = 200.0,
        generator: Generator | None = None,
    ) -> Tensor:
        """Draw as `sample` does, with gradients: z = T(γ − η) (μ + σ ε), η uniform, ε normal (VSC, eq. 6, with 1 − η).

        The gradient in γ of E f(z) is f(μ + σ ε) − f(0). "second-order" takes the step T exactly, and that difference
        by the trapezoid rule from the slopes of f at both ends, of which the drawn one stands in for the pair by its
        inverse probability: unbiased where f is quadratic in the spike (Heun's method, as in ReinMax of Liu et al.,
        *Bridging Discrete and Backpropagation*, NeurIPS 2023). In the logit all weights are at most ½.

        "relaxed" replaces T with sigmoid(``sharpness`` · x), as VSC does, and "straight-through" the gradient of T
        alone. A latent that never switches off (`ALWAYS_ON_LOGIT`) has no gradient in its spike.
        """
        return self.rsample_parts(sample_shape, spikes=spikes, sharpness=sharpness, generator=generator)[1]

    def rsample_parts(
        self,
        sample_shape: Any = (),
        *,
        spikes: Spikes = "second-order",
        sharpness: float = 200.0,
        generator: Generator | None = None,
        noise: Noise | None = None,
    ) -> tuple[Tensor, Tensor]:
        """What is active, 1 or 0, and the draw as `rsample` makes it, of ``noise`` if given. Differentiable once."""
        check_spikes(spikes, "SpikeSlab.rsample")
        uniform, normal = noise or self._noise(self._extended_shape(sample_shape), generator)
        if spikes == "second-order":
            parts = self.active_logits, self.loc, self.scale, uniform, normal
            drawn: tuple[Tensor, Tensor] = _SecondOrderDraw.apply(*parts)  # type: ignore[no-untyped-call]  # so in torch
            return drawn
        probs = self.active_probs
        spike = (sharpness * (probs - uniform)).sigmoid()
        if spikes == "straight-through":
            spike = spike + ((uniform <= probs).to(spike.dtype) - spike).detach()
        spike = torch.where(self.active_logits >= ALWAYS_ON_LOGIT, 1.0, spike)
        return spike, spike * torch.addcmul(self.loc, self.scale, normal)

    def _noise(self, shape: Size, generator: Generator | None) -> Noise:
        """Uniform in (0, 1], so that γ rounded to 1 is never drawn as off, and a γ below its grain never as on."""
        uniform = self.loc.new_empty(shape).uniform_(generator=generator).neg_().add_(1.0)
        return Noise(uniform, self.loc.new_empty(shape).normal_(generator=generator))


class _SecondOrderDraw(torch.autograd.Function):
    """The spike, and what is drawn with it.

    Heun's slope in the logit is half the weight of the end that was not drawn, over the probability of the one that
    was: γ (1 − γ) / 2P(drawn) = |spike − γ| / 2. It is 0 for a latent that never switches off, whose γ rounds to 1.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, loc: Tensor, scale: Tensor, uniform: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        probs = logits.sigmoid()
        spike, slab = (uniform <= probs).to(probs.dtype), torch.addcmul(loc, scale, noise)
        ctx.save_for_backward(probs, spike, slab, noise)
        return spike, spike * slab

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, to_spike: Tensor, to_draw: Tensor) -> tuple[Tensor | None, ...]:
        probs, spike, slab, noise = ctx.saved_tensors
        to_slab = to_draw * spike
        to_logits = torch.sub(spike, probs).abs_().mul_(0.5).mul_(torch.addcmul(to_spike, to_draw, slab))
        shape = probs.shape  # of one draw
        return (
            to_logits.sum_to_size(shape),
            to_slab.sum_to_size(shape),
            (to_slab * noise).sum_to_size(shape),
            None,
            None,
        )


class _SlabKL(torch.autograd.Function):
    """γ KL(N(μ, σ²) ‖ N(m, s²)), which has few products on its way back; from its operations, twenty passes."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, loc: Tensor, scale: Tensor, prior_loc: Tensor, prior_scale: Tensor) -> Tensor:
        on, ratio, shift = logits.sigmoid(), scale / prior_scale, (loc - prior_loc) / prior_scale
        kl = torch.addcmul(ratio.square(), shift, shift).sub_(1.0).mul_(0.5).sub_(ratio.log())
        weighted = on * kl
        ctx.save_for_backward(on, ratio, shift, weighted, prior_loc, prior_scale)
        return weighted

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        on, ratio, shift, weighted, prior_loc, prior_scale = ctx.saved_tensors
        per_scale = (upstream * on).div_(prior_scale)
        to_loc, to_prior_loc, to_prior_scale = per_scale * shift, None, None
        if ctx.needs_input_grad[3]:
            to_prior_loc = (-to_loc).sum_to_size(prior_loc.shape)
        if ctx.needs_input_grad[4]:
            to_prior_scale = (per_scale * (1.0 - ratio.square() - shift.square())).sum_to_size(prior_scale.shape)
        to_scale, to_logits = (
            per_scale.mul_(ratio - ratio.reciprocal()),
            torch.rsub(on, 1.0).mul(weighted).mul_(upstream),
        )
        own = (part.sum_to_size(on.shape) for part in (to_logits, to_loc, to_scale))
        return *own, to_prior_loc, to_prior_scale


def check_spikes(spikes: str, of: str) -> None:
    """Refuse what is no way through a spike, in the name of the callable that was given it."""
    if spikes not in get_args(Spikes):
        raise InputError(f"Unknown spikes {spikes!r} of {of}. {did_you_mean(str(spikes), get_args(Spikes))}")


def spike_kl(q: SpikeSlab, p: SpikeSlab) -> Float[Tensor, "*shape"]:
    """KL of the spikes alone, in nats per latent."""
    return kl_bernoulli(q.active_logits, p.active_logits)


def slab_kl(q: SpikeSlab, p: SpikeSlab) -> Float[Tensor, "*shape"]:
    """γ times the KL of the slabs, in nats per latent: a latent that is off costs nothing. Differentiable once."""
    parts = q.active_logits, q.loc, q.scale, p.loc, p.scale
    weighted: Tensor = _SlabKL.apply(*parts)  # type: ignore[no-untyped-call]  # so in torch
    return weighted


def kl_spike_slab(q: SpikeSlab, p: SpikeSlab) -> Float[Tensor, "*shape"]:
    """KL(q ‖ p) in nats per latent; behind `torch.distributions.kl_divergence`."""
    return spike_kl(q, p) + slab_kl(q, p)


register_kl(SpikeSlab, SpikeSlab)(kl_spike_slab)
