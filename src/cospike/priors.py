"""Priors over the latents: modules that return `SpikeSlab`.

`FixedPrior` is p(z), what a code costs whoever reads it. A *conditional* prior stands beside it in training and says
what is expected of a sample: from its class (`ClassPrior`), or from a learned input like it (`PseudoInputPrior`). Its
patterns are themselves held to the sparsity of the fixed prior (`cospike.information.prior_information`).
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import one_hot

from cospike._errors import InputError
from cospike._types import UNLABELLED
from cospike.divergence import ALWAYS_ON_LOGIT
from cospike.spike_slab import SpikeSlab


class FixedPrior(nn.Module):
    """p(z) = Π [α N(0, 1) + (1 − α) δ₀]: the fixed prior of VSC (arXiv 1812.07238, eq. 5), and a dense block.

    Args:
        n_latents: number of latents.
        active_prob: α, the share of samples in which a latent is expected to be on.
        n_dense: the first so many latents have α = 1, the prior of a VAE; all of them make one.
    """

    logits: Tensor

    def __init__(self, n_latents: int, active_prob: float, *, n_dense: int = 0) -> None:
        super().__init__()
        if not 1e-6 <= active_prob <= 1 - 1e-6:  # what float32 tells from 0 and 1
            raise InputError(
                f"'active_prior' of SparseVAE must lie in 1e-6 … 1 - 1e-6, got {active_prob}. "
                "0.01 keeps codes sparse; for a VAE, without spikes, set n_dense to n_latents."
            )
        logits = torch.full((n_latents,), math.log(active_prob) - math.log1p(-active_prob))
        logits[:n_dense] = ALWAYS_ON_LOGIT
        self.register_buffer("logits", logits, persistent=False)

    def forward(self) -> SpikeSlab:
        """The prior of every latent: `SpikeSlab` [latent]."""
        one = torch.ones_like(self.logits)
        return SpikeSlab(self.logits, torch.zeros_like(one), one, validate_args=False)


class ClassPrior(nn.Module):
    """p(z | y) = Π [α_y N(0, 1) + (1 − α_y) δ₀]: every class has its own α for each latent, learned.

    A class's pattern is thus remembered between batches, which matters where a batch holds few samples of a class.

    Args:
        n_latents: number of latents.
        n_classes: number of classes.
        n_dense: the first so many latents are always on.
    """

    def __init__(self, n_latents: int, n_classes: int, *, n_dense: int = 0) -> None:
        super().__init__()
        self.n_dense = n_dense
        self.logits = nn.Parameter(torch.zeros(n_classes, n_latents - n_dense))

    def forward(
        self, x: Float[Tensor, "batch *event"], labels: Int[Tensor, " batch"], encode: Callable[[Tensor], SpikeSlab]
    ) -> SpikeSlab:
        """The pattern of the class of each row; where it is not known, the mean pattern of all classes."""
        mean_on, mean_off = self.logits.sigmoid().mean(0), (-self.logits).sigmoid().mean(0)
        table = torch.cat([self.logits, (mean_on.log() - mean_off.log())[None]])  # row −1 is the unlabelled one's
        assert UNLABELLED == -1
        logits = table[labels]
        logits = torch.cat([logits.new_full((len(logits), self.n_dense), ALWAYS_ON_LOGIT), logits], dim=1)
        return SpikeSlab(logits, torch.zeros_like(logits), torch.ones_like(logits), validate_args=False)


class PseudoInputPrior(nn.Module):
    """p(z) = q(z | x_u): the code of a learned pseudo-input chosen for each sample (VSC, UAI 2019, section 3.2).

    A linear layer whose outputs have unit sum chooses: the largest is taken, and its gradient is that of the shares.
    VSC relaxes the step to sigmoid(60 (u − ½)). That passes no gradient to a choice among twenty, whose shares start
    near 1/20, and lets blends of pseudo-inputs follow each sample; then no component of the prior is near any code.
    As the choice looks at the sample, this is a device of training; the bound on p(x) is that of
    `SparseVAE.prior_components`.

    Args:
        shape: axes of one observation.
        n_pseudo_inputs: how many there are to choose from (20 in VSC).
    """

    def __init__(self, shape: tuple[int, ...], n_pseudo_inputs: int) -> None:
        super().__init__()
        n_values = math.prod(shape)
        self.choice = nn.Linear(n_values, n_pseudo_inputs)
        self.pseudo_inputs = nn.Parameter(torch.rand(n_pseudo_inputs, n_values))

    def forward(
        self, x: Float[Tensor, "batch *event"], labels: Int[Tensor, " batch"], encode: Callable[[Tensor], SpikeSlab]
    ) -> SpikeSlab:
        """The code of the pseudo-input that each row chooses; labels are not looked at."""
        share = self.choice(x.flatten(1)).softmax(1)
        chosen = share + (one_hot(share.argmax(1), share.shape[1]).to(share.dtype) - share).detach()
        return encode((chosen @ self.pseudo_inputs).view(x.shape))


def default_active_prior(shape: tuple[int, ...], *, counts: bool = False) -> float:
    """The α of a model that is given none: 0.01 for 28 × 28 values and more, up to 0.1 for fewer; of counts 0.05.

    A latent that is on costs ln(1/α) nats. An observation of few values has few nats to win: at 0.01 the codes of
    8 × 8 digits are mostly empty. The rule is ours, a starting point.

    >>> default_active_prior((1, 28, 28)), default_active_prior((1, 8, 8))
    (0.01, 0.1)
    """
    return 0.05 if counts else min(0.1, max(0.01, 0.01 * 28 * 28 / max(1, math.prod(shape))))


def default_n_dense(shape: tuple[int, ...], n_latents: int, *, counts: bool = False) -> int:
    """The number of dense latents of a model that is given none: 6 for 28 × 28 values and more and for counts, else 1.

    Of few values, a few dense latents describe all there is, and leave nothing for the sparse ones to tell. At most a
    tenth of the latents are dense. The rule is ours, a starting point (docs/design/0004-dense-block.md).

    >>> default_n_dense((1, 28, 28), 60), default_n_dense((1, 8, 8), 60), default_n_dense((5,), 5)
    (6, 1, 0)
    """
    return min(6 if counts or math.prod(shape) >= 28 * 28 else 1, n_latents // 10)
