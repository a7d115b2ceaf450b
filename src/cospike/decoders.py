"""From latents to a likelihood of the observation: trunks that mirror the encoders', and heads."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

from jaxtyping import Float
from torch import Tensor, nn, zeros
from torch.distributions import Bernoulli, Distribution, Independent, Normal

LikelihoodName: TypeAlias = Literal["bernoulli", "gaussian"]


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

    Args:
        trunk: maps [batch, latent] to [batch, *shape].
        shape: the axes of one observation.
        likelihood: "bernoulli" takes values in [0, 1] and reads a grey level as a mean; "gaussian" takes any
            number and learns one standard deviation for all entries (one for each would be won by constant ones).
    """

    def __init__(self, trunk: nn.Module, shape: tuple[int, ...], likelihood: LikelihoodName) -> None:
        super().__init__()
        self.trunk, self.shape, self.likelihood = trunk, shape, likelihood
        if likelihood == "gaussian":
            self.log_scale = nn.Parameter(zeros(()))

    def forward(self, z: Float[Tensor, "batch latent"]) -> Distribution:
        """The likelihood of each row."""
        out = self.trunk(z).float()
        base = (
            Bernoulli(logits=out, validate_args=False)
            if self.likelihood == "bernoulli"
            else Normal(out, self.log_scale.exp(), validate_args=False)
        )
        return Independent(base, len(self.shape), validate_args=False)
