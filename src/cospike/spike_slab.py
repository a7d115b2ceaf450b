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
from cospike.divergence import ALWAYS_ON_LOGIT, kl_bernoulli, kl_normal

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
        uniform = self._uniform(shape, generator)
        return torch.where(uniform <= self.active_probs, self.rsample_slabs(sample_shape, generator=generator), 0.0)

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
        spike = self.rsample_spikes(sample_shape, spikes=spikes, sharpness=sharpness, generator=generator)
        return spike * self.rsample_slabs(sample_shape, generator=generator)

    def rsample_spikes(
        self,
        sample_shape: Any = (),
        *,
        spikes: Spikes = "second-order",
        sharpness: float = 200.0,
        generator: Generator | None = None,
    ) -> Tensor:
        """Draw what is active, 1 or 0, with gradients as in `rsample`."""
        shape = self._extended_shape(sample_shape)
        check_spikes(spikes, "SpikeSlab.rsample")
        probs, uniform = self.active_probs, self._uniform(shape, generator)
        if spikes == "second-order":
            drawn: Tensor = _SecondOrderSpike.apply(self.active_logits, uniform)  # type: ignore[no-untyped-call]
            return drawn
        relaxed = (sharpness * (probs - uniform)).sigmoid()
        spike = relaxed if spikes == "relaxed" else relaxed + ((uniform <= probs).to(probs.dtype) - relaxed).detach()
        return torch.where(self.active_logits >= ALWAYS_ON_LOGIT, 1.0, spike)

    def rsample_slabs(self, sample_shape: Any = (), *, generator: Generator | None = None) -> Tensor:
        """Draw the values that active latents have, with gradients."""
        noise = self.loc.new_empty(self._extended_shape(sample_shape)).normal_(generator=generator)
        return torch.addcmul(self.loc, self.scale, noise)

    def _uniform(self, shape: Size, generator: Generator | None) -> Tensor:
        """In (0, 1], so that γ rounded to 1 is never drawn as off, and a γ below the grain of the draw never as on."""
        return self.loc.new_empty(shape).uniform_(generator=generator).neg_().add_(1.0)


class _SecondOrderSpike(torch.autograd.Function):
    """Heun's slope in the logit: half the weight of the end that was not drawn, over the probability of the drawn one.

    That is γ (1 − γ) / 2P(drawn) = |spike − γ| / 2: 0 for a latent that never switches off, whose γ rounds to 1.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, uniform: Tensor) -> Tensor:
        probs = logits.sigmoid()
        spike = (uniform <= probs).to(probs.dtype)
        ctx.save_for_backward(probs, spike)
        return spike

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        probs, spike = ctx.saved_tensors
        return torch.sub(spike, probs).abs_().mul_(0.5).mul_(upstream).sum_to_size(probs.shape), None


def check_spikes(spikes: str, of: str) -> None:
    """Refuse what is no way through a spike, in the name of the callable that was given it."""
    if spikes not in get_args(Spikes):
        raise InputError(f"Unknown spikes {spikes!r} of {of}. {did_you_mean(spikes, get_args(Spikes))}")


def spike_kl(q: SpikeSlab, p: SpikeSlab) -> Float[Tensor, "*shape"]:
    """KL of the spikes alone, in nats per latent."""
    return kl_bernoulli(q.active_logits, p.active_logits)


def slab_kl(q: SpikeSlab, p: SpikeSlab) -> Float[Tensor, "*shape"]:
    """γ times the KL of the slabs, in nats per latent: a latent that is off costs nothing."""
    return q.active_probs * kl_normal(q.loc, q.scale, p.loc, p.scale)


def kl_spike_slab(q: SpikeSlab, p: SpikeSlab) -> Float[Tensor, "*shape"]:
    """KL(q ‖ p) in nats per latent; behind `torch.distributions.kl_divergence`."""
    return spike_kl(q, p) + slab_kl(q, p)


register_kl(SpikeSlab, SpikeSlab)(kl_spike_slab)
