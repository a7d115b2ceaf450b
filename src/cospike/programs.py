"""Gene programs: what each latent of a model of counts does to each gene, in the cells that use it.

A latent is switched off in cells in which it is on, and nothing else is changed. The share of a gene in the cell is
π_g, and what is told of it

    log2 fold change   log₂ π̄_g(on) − log₂ π̄_g(off), of means over cells
    nats               KL of a Poisson distribution of mean 10⁴ π̄_g(on) to one of 10⁴ π̄_g(off):
                       what a cell of 10,000 counts tells of the latent by this gene

The first says by how much, whether anything is counted or not; the second is what genes are ranked by: of genes that
are hardly seen, no change is worth much.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from cospike._errors import InputError
from cospike.codes import Codes
from cospike.columns import COUNTS_PER_CELL
from cospike.counts import CountDistribution
from cospike.encoding import rows_per_pass
from cospike.factors import Factor, traversed_codes
from cospike.model import SparseVAE

_CELLS = 200
"""Of a latent, or of a latent in a class."""


class Program(NamedTuple):
    """What a latent does to the genes of some cells.

    Attributes:
        latent: its index.
        cells: the class of the cells, or "" for all of them.
        log2_fold_change: of each gene.
        count_on: of each gene in a cell of 10,000 counts, with the latent: mean over cells.
        count_off: without it.
        n_cells: how many cells it was measured on.
    """

    latent: int
    cells: str
    log2_fold_change: Float[np.ndarray, " gene"]
    count_on: Float[np.ndarray, " gene"]
    count_off: Float[np.ndarray, " gene"]
    n_cells: int

    @property
    def nats(self) -> Float[np.ndarray, " gene"]:
        """What a cell of 10,000 counts tells of the latent by each gene (module docstring); at least 0."""
        return poisson_nats(self.count_on, self.count_off)

    def top(self, n: int, *, up: bool = True) -> Int[np.ndarray, " rank"]:
        """Up to ``n`` genes that tell most, of those that the latent adds to, or takes from."""
        moves = self.count_on > self.count_off if up else self.count_on < self.count_off
        ranked = np.argsort(-self.nats, kind="stable")
        return np.asarray(ranked[moves[ranked]][:n])


def poisson_nats(
    mean: Float[np.ndarray, "*#sample gene"], other: Float[np.ndarray, "*#sample gene"]
) -> Float[np.ndarray, "*sample gene"]:
    """KL of Poisson distributions of these means to others, gene by gene.

    >>> poisson_nats(np.array([2.0, 0.0]), np.array([1.0, 3.0])).round(3)
    array([0.386, 3.   ])
    """
    on, off = (np.maximum(counts, 1e-12) for counts in (mean, other))
    return np.asarray(np.maximum(on * np.log(on / off) - on + off, 0.0))


def program(model: SparseVAE, codes: Codes, factor: Factor, *, cells: str = "") -> Program | None:
    """What a latent does to each gene.

    Args:
        model: of counts.
        codes: of the cells to change, such as held-out ones.
        factor: the latent, as `explain` reads it.
        cells: the class whose cells are changed; "": those of all classes that the factor names.

    Returns:
        None if the latent is on in no such cell. Of one that is always on, what its range changes: at the high end
        less at the low end.

    Raises:
        InputError: if the model is not one of counts, or there is no such class.
    """
    if model.settings["likelihood"] != "negative-binomial":
        got = model.settings["likelihood"]
        raise InputError(f"'model' of program must have a negative-binomial likelihood, got {got!r:.40}.")
    names = (cells,) if cells else tuple(name for name in factor.classes if name in codes.class_names)
    if cells and cells not in codes.class_names:
        raise InputError(f"'cells' of program must be a class of the codes, got {cells!r}.")
    rows = np.flatnonzero(codes.active()[:, factor.latent])
    if names:
        rows = rows[np.isin(codes.labels[rows], [codes.class_names.index(name) for name in names])]
    if not len(rows):
        return None
    rows = np.random.default_rng(0).permutation(rows)[:_CELLS]
    off, low, high = np.moveaxis(traversed_codes(codes, factor, rows, steps=2), 1, 0)
    off, on = (low, high) if factor.kind == "always-on" else (off, codes.values()[rows])
    return Program(factor.latent, cells, *_changes(model, on, off), len(rows))


def programs(model: SparseVAE, codes: Codes, factors: Sequence[Factor]) -> list[Program]:
    """Of every latent in use what it does in each of its classes; of one without, or of all, what it does in all."""
    found = []
    for factor in factors:
        everywhere = factor.kind in ("always-on", "global") or not factor.classes
        for cells in ("",) if everywhere else factor.classes:
            if factor.kind != "dead" and (one := program(model, codes, factor, cells=cells)):
                found.append(one)
    return found


@torch.no_grad()
def _changes(
    model: SparseVAE, on: Float[np.ndarray, "cell latent"], off: Float[np.ndarray, "cell latent"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The log2 fold change of every gene, and its mean counts with and without."""
    means = []
    for z in (on, off):
        total = np.full(model.shape, -np.inf)
        for part in np.array_split(z, math.ceil(len(z) / rows_per_pass(model.shape))):
            likelihood = model.decode(torch.as_tensor(part, dtype=torch.float32, device=model.device))
            assert isinstance(likelihood, CountDistribution)
            total = np.logaddexp(total, likelihood.log_shares.double().logsumexp(0).cpu().numpy())
        means.append(total - math.log(len(z)))
    change = (means[0] - means[1]) / math.log(2)
    count_on, count_off = (COUNTS_PER_CELL * np.exp(mean) for mean in means)
    return change, count_on, count_off
