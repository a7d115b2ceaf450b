"""From latents to a likelihood of the observation: trunks that mirror the encoders', and heads."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, Normal

from cospike.counts import CountDistribution
from cospike.mixed import MixedHead

if TYPE_CHECKING:
    _IndependentBernoulli: TypeAlias = Independent[Bernoulli]
else:
    _IndependentBernoulli = Independent  # torch 2.6 has no generic one

LikelihoodName: TypeAlias = Literal["bernoulli", "gaussian", "negative-binomial"]

_LOG_SCALES = (-14.0, 28.0)
"""Of a Gaussian likelihood: from the grain of float32 beside 1 to the largest values that are taken. Where the decoder
draws all there is, the scale would go to 0, and its gradient out of all bounds."""


def mlp_mirror(shape: tuple[int, ...], hidden: Sequence[int], n_latents: int) -> nn.Sequential:
    """The mirror of `mlp_trunk`."""
    widths = [n_latents, *reversed(hidden)]
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], math.prod(shape)), nn.Unflatten(1, shape))


def conv_mirror(shape: tuple[int, ...], hidden: Sequence[int], n_latents: int) -> nn.Sequential:
    """The mirror of `conv_trunk`; sizes that 4 does not divide are cropped at the end."""
    channels, height, width = shape
    return nn.Sequential(
        mlp_mirror((64, -(-height // 4), -(-width // 4)), hidden, n_latents),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 32, kernel_size=4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(32, channels, kernel_size=4, stride=2, padding=1),
        _Crop(height, width),
    )


class _Crop(nn.Module):
    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, x: Tensor) -> Tensor:
        return x[..., : self.height, : self.width]


class Decoder(nn.Module):
    """p(x | z): a trunk and a likelihood over the whole observation, so that `log_prob` is nats per row.

    Of counts it starts from a ``baseline``, the logarithms of the shares of all training rows together, which latents
    then move: they need not learn what an average row is (docs/design/0017-counts.md).

    Args:
        trunk: maps [batch, latent] to [batch, *shape].
        shape: the axes of one observation.
        likelihood: "bernoulli" takes values in [0, 1] and reads a grey level as a mean; "gaussian" takes any
            number and learns one standard deviation for all entries (one for each would be won by constant ones);
            "negative-binomial" takes counts and learns a dispersion for each entry (`cospike.counts`); blocks are for
            the columns of a table (`cospike.mixed`), and their Gaussians learn one together too.
    """

    baseline: Tensor

    def __init__(
        self, trunk: nn.Module, shape: tuple[int, ...], likelihood: LikelihoodName | Sequence[Sequence[Any]]
    ) -> None:
        super().__init__()
        self.trunk, self.shape, self.likelihood = trunk, shape, likelihood
        self.mixed = None if isinstance(likelihood, str) else MixedHead(likelihood)
        if likelihood == "negative-binomial":
            self.log_dispersion = nn.Parameter(torch.zeros(shape))
            self.register_buffer("baseline", torch.zeros(shape))
        elif likelihood != "bernoulli":
            self.log_scale = nn.Parameter(torch.zeros(()))

    def forward(self, z: Float[Tensor, "batch latent"]) -> Distribution:
        """The likelihood of each row."""
        out = self.trunk(z).float()
        if self.mixed is not None:
            mixed: Distribution = self.mixed(out, self.log_scale.clamp(*_LOG_SCALES))
            return mixed
        if self.likelihood == "negative-binomial":
            return CountDistribution(out + self.baseline, self.log_dispersion)
        if self.likelihood == "bernoulli":
            return GreyBernoulli(out, len(self.shape))
        scale = self.log_scale.clamp(*_LOG_SCALES).exp()
        return Independent(Normal(out, scale, validate_args=False), len(self.shape), validate_args=False)


class GreyBernoulli(_IndependentBernoulli):
    """Independent Bernoullis over the last ``n_axes`` axes, for grey levels too: a value in 0 … 1 counts as a mean.

    Args:
        logits: of each entry.
        n_axes: the axes of one observation, at least one.

    >>> GreyBernoulli(torch.zeros(2, 3), 1).log_prob(torch.full((2, 3), 0.5))   # three times ln ½
    tensor([-2.0794, -2.0794])
    """

    def __init__(self, logits: Float[Tensor, "*shape"], n_axes: int) -> None:
        super().__init__(Bernoulli(logits=logits, validate_args=False), n_axes, validate_args=False)

    def log_prob(self, value: Float[Tensor, "*shape"]) -> Float[Tensor, "*batch"]:
        """In nats an observation. Differentiable once, in the logits."""
        logits, value = torch.broadcast_tensors(self.base_dist.logits, value)
        dtype = torch.promote_types(logits.dtype, torch.float32)  # of half a precision, products end at 0
        axis = logits.dim() - self.reinterpreted_batch_ndims
        parts = (part.to(dtype).flatten(axis) for part in (logits, value))
        rows: Tensor = _GreyLogProb.apply(*parts)  # type: ignore[no-untyped-call]  # so in torch
        return rows

    def expand(self, batch_shape: Any, _instance: Any = None) -> "GreyBernoulli":
        """The same distribution over a larger batch shape."""
        return GreyBernoulli(self.base_dist.logits.expand((*batch_shape, *self.event_shape)), len(self.event_shape))


class _GreyLogProb(torch.autograd.Function):
    """Σ x l − ln(1 + e^l) over the last axis, in half of the time of torch's, which is a tenth of a step.

    ln(1 + e^l) = max(l, 0) − ln σ(|l|), and a logarithm costs as much as five sigmoids: the σ(|l|), none below ½, are
    multiplied first, up to 64 of them, and one logarithm is taken of the product.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, value: Tensor) -> Tensor:
        ctx.save_for_backward(logits, value)
        products = logits.abs().sigmoid_().unflatten(-1, (math.gcd(logits.shape[-1], 64), -1)).prod(-2)
        linear = (value * logits).sum(-1) - logits.relu().sum(-1)
        result: Tensor = linear + products.log_().sum(-1)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        logits, value = ctx.saved_tensors
        return (value - logits.sigmoid()).mul_(upstream[..., None]), None
