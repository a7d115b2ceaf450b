"""From an observation to the distribution of its latents: a trunk, and one head that returns `SpikeSlab`."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cospike.spike_slab import ALWAYS_ON_LOGIT, SpikeSlab

_MAX_LOG_SCALE = 7.0  # a slab wider or narrower than e^±7 is a diverging one; the bound keeps its KL finite


def mlp_trunk(shape: tuple[int, ...], hidden: Sequence[int]) -> tuple[nn.Sequential, int]:
    """Fully connected layers with ReLU over the flattened observation, and their output width."""
    widths = [math.prod(shape), *hidden]
    layers: list[nn.Module] = [nn.Flatten()]
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers), widths[-1]


def conv_trunk(shape: tuple[int, ...], hidden: Sequence[int]) -> tuple[nn.Sequential, int]:
    """Two strided convolutions (32 and 64 channels), then the fully connected layers of `mlp_trunk`."""
    channels, height, width = shape
    convolutions = [
        nn.Conv2d(channels, 32, kernel_size=3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, kernel_size=3, stride=2, padding=1),
        nn.ReLU(),
    ]
    top, n_out = mlp_trunk((64, -(-height // 4), -(-width // 4)), hidden)
    return nn.Sequential(*convolutions, *top), n_out


class Encoder(nn.Module):
    """q(z | x): a trunk and a head for the spike's logit, the slab's mean and the log of its scale.

    Args:
        trunk: maps an observation to ``n_features``.
        n_features: width of the trunk's output.
        n_latents: number of latents.
        always_on: leave the spikes out: every latent is active in every sample, as in a VAE.
    """

    def __init__(self, trunk: nn.Module, n_features: int, n_latents: int, *, always_on: bool) -> None:
        super().__init__()
        self.trunk = trunk
        self.always_on = always_on
        self.head = nn.Linear(n_features, (2 if always_on else 3) * n_latents)

    def forward(self, x: Float[Tensor, "batch *event"]) -> SpikeSlab:
        """The distribution of every latent of every row."""
        parts = self.head(self.trunk(x)).float()
        if self.always_on:
            loc, log_scale = parts.chunk(2, dim=1)
            logits = torch.full_like(loc, ALWAYS_ON_LOGIT)
        else:
            loc, log_scale, logits = parts.chunk(3, dim=1)
        scale = log_scale.clamp(-_MAX_LOG_SCALE, _MAX_LOG_SCALE).exp()
        return SpikeSlab(logits, loc, scale, validate_args=False)
