"""From an observation to the distribution of its latents: a trunk, and one head that returns `SpikeSlab`."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import hardtanh

from cospike.divergence import ALWAYS_ON_LOGIT
from cospike.spike_slab import SpikeSlab

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
    """q(z | x): a trunk and a head for the slab's mean, the log of its scale, and the logit of every spike there is.

    Args:
        trunk: maps an observation to ``n_features``.
        n_features: width of the trunk's output.
        n_latents: number of latents.
        n_dense: how many of them, the first ones, are active in every sample and have no spike.
    """

    def __init__(self, trunk: nn.Module, n_features: int, n_latents: int, *, n_dense: int = 0) -> None:
        super().__init__()
        self.trunk = trunk
        self.sizes = (n_latents, n_latents, n_latents - n_dense)
        self.head = nn.Linear(n_features, sum(self.sizes))

    def forward(self, x: Float[Tensor, "batch *event"]) -> SpikeSlab:
        """The distribution of every latent of every row."""
        loc, log_scale, logits = self.head(self.trunk(x)).float().split(self.sizes, dim=1)
        # hardtanh is a clamp that is four times as fast on its way back.
        scale = hardtanh(log_scale, -_MAX_LOG_SCALE, _MAX_LOG_SCALE).exp()
        if n_dense := loc.shape[1] - logits.shape[1]:
            always = logits.new_full((logits.shape[0], n_dense), ALWAYS_ON_LOGIT)  # `len` would fix an export's batch
            logits = torch.cat([always, logits], dim=1)
        return SpikeSlab(logits, loc, scale, validate_args=False)
