"""`CountDistribution`: the likelihood of counts, as of the molecules of each gene in a cell, given how many there are.

    x_g ~ NB(mean μ_g = ℓ π_g, variance μ_g + μ_g² / θ_g),   π = softmax of what the decoder gives,   ℓ = Σ_g x_g

The library size ℓ, all that was counted in a cell, says more of the measurement than of the cell, and is taken as
known: log p(x | z, ℓ), in nats. So does scvi-tools, whose parameters these are (Lopez, Regier, Cole, Jordan, Yosef,
*Deep generative modeling for single-cell transcriptomics*, Nature Methods 2018; `log_nb_positive`), with one θ a gene.
With t = ln μ − ln θ,

    ln p(x) = x t − (θ + x) ln(1 + e^t) + ln Γ(x + θ) − ln Γ(θ) − ln Γ(x + 1),

whose last three terms are 0 where nothing was counted, which is nearly everywhere.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import softplus

from cospike.columns import COUNTS_PER_CELL

_LOG_DISPERSIONS = (-10.0, 10.0)  # of so large a θ, counts are Poisson's; of so small a one, nearly always 0
_SMALLEST = 1e-30  # a library; of an empty cell everything is 0, and its likelihood 1
_STIRLING_FROM = 32.0  # from there on, float32 knows the series better than the difference of two large numbers


def log_normalise(x: Float[Tensor, "*batch gene"]) -> Float[Tensor, "*batch gene"]:
    """ln(1 + counts in a cell of 10,000), the usual way to look at counts; of an empty cell 0.

    >>> log_normalise(torch.tensor([[1.0, 3.0]])).expm1().round()
    tensor([[2500., 7500.]])
    """
    return (x * (COUNTS_PER_CELL / x.sum(-1, keepdim=True).clamp_min(_SMALLEST))).log1p()


class LogNormalise(nn.Module):
    """`log_normalise` as the first layer of a network."""

    def forward(self, x: Float[Tensor, "*batch gene"]) -> Float[Tensor, "*batch gene"]:
        """Of each row."""
        return log_normalise(x)


class CountDistribution(Distribution):
    """Negative binomials of all genes of a cell, given its library size; an event is a cell.

    Args:
        logits: of the share of each gene.
        log_dispersion: ln θ of each gene. θ is what scvi-tools calls the inverse dispersion: the larger, the nearer to
            a Poisson distribution.

    >>> CountDistribution(torch.zeros(1, 2), torch.zeros(2)).log_prob(torch.tensor([[1.0, 1.0]]))  # twice ln ¼
    tensor([-2.7726])
    """

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012  # as torch has it
    has_rsample = False

    def __init__(self, logits: Float[Tensor, "*batch gene"], log_dispersion: Float[Tensor, " gene"]) -> None:
        self.log_shares = logits.log_softmax(-1)
        self.log_dispersion = log_dispersion.clamp(*_LOG_DISPERSIONS)
        super().__init__(logits.shape[:-1], logits.shape[-1:], validate_args=False)

    def log_prob(self, value: Float[Tensor, "*shape"]) -> Float[Tensor, "*batch"]:
        """In nats a cell, given its library size, the sum of ``value``."""
        log_shares, x = torch.broadcast_tensors(self.log_shares, value)
        log_library = x.sum(-1, keepdim=True).clamp_min(_SMALLEST).log()
        t = log_shares + (log_library - self.log_dispersion)
        counted = x.reshape(-1, x.shape[-1])
        row, gene = counted.nonzero(as_tuple=True)
        ways = torch.zeros_like(t).view_as(counted)
        ways = ways.index_put((row, gene), _log_ways(counted[row, gene], self.log_dispersion[gene]))
        # Gene by gene before the sum: the two parts are large, and cancel.
        total: Tensor = (x * t - (self.log_dispersion.exp() + x) * softplus(t) + ways.view_as(t)).sum(-1)
        return total

    @property
    def mean(self) -> Float[Tensor, "*batch gene"]:
        """Of a cell of 10,000 counts."""
        return COUNTS_PER_CELL * self.log_shares.exp()

    def expand(self, batch_shape: Any, _instance: Any = None) -> "CountDistribution":
        """The same distribution over a larger batch shape."""
        return CountDistribution(self.log_shares.expand((*batch_shape, *self.event_shape)), self.log_dispersion)


def _log_ways(x: Float[Tensor, " entry"], log_dispersion: Float[Tensor, " entry"]) -> Float[Tensor, " entry"]:
    """The term ln Γ(x + θ) − ln Γ(θ) − ln Γ(x + 1); of a large θ by Stirling's series, to 1e-7."""
    theta = log_dispersion.exp()
    small, large = theta.clamp_max(_STIRLING_FROM), theta.clamp_min(_STIRLING_FROM)
    series = x * large.log() + (large + x - 0.5) * (x / large).log1p() - x
    series = series + 1 / (12 * (large + x)) - 1 / (12 * large)
    rising = torch.where(theta > _STIRLING_FROM, series, (x + small).lgamma() - small.lgamma())
    return rising - (x + 1).lgamma()
