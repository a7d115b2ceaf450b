"""Priors over the latents; each is a module that returns `SpikeSlab` [latent]."""

import math

import torch
from torch import nn

from cospike._errors import InputError
from cospike.spike_slab import ALWAYS_ON_LOGIT, SpikeSlab


class FixedPrior(nn.Module):
    """p(z) = Π [α N(0, 1) + (1 − α) δ₀]: the fixed prior of VSC (arXiv 1812.07238, eq. 5).

    Args:
        n_latents: number of latents.
        active_prob: α, the share of samples in which a latent is expected to be on. With 1 there are no spikes,
            and the model is a VAE.
    """

    logits: torch.Tensor

    def __init__(self, n_latents: int, active_prob: float) -> None:
        super().__init__()
        if not (1e-6 <= active_prob <= 1 - 1e-6 or active_prob == 1):  # what float32 tells from 0 and 1
            raise InputError(
                f"'active_prior' of SparseVAE must lie in 1e-6 … 1 - 1e-6, or be 1, got {active_prob}. "
                "0.01 keeps codes sparse; 1 is a VAE without spikes."
            )
        self.active_prob = active_prob
        logit = math.log(active_prob) - math.log1p(-active_prob) if active_prob < 1 else ALWAYS_ON_LOGIT
        self.register_buffer("logits", torch.full((n_latents,), logit), persistent=False)

    def forward(self) -> SpikeSlab:
        """The prior of every latent."""
        one = torch.ones_like(self.logits)
        return SpikeSlab(self.logits, torch.zeros_like(one), one, validate_args=False)
