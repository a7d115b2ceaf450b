"""What a report shows of counts of genes: bars a gene for what a latent does, and the genes that tell a cell.

Nothing is chosen for its looks: genes by the nats that a cell of 10,000 counts tells of a latent, or of what it is,
by each of them (`cospike.programs`).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from cospike import plots
from cospike._types import UNLABELLED
from cospike.columns import COUNTS_PER_CELL, Column
from cospike.factors import Factor
from cospike.generation import generate
from cospike.programs import poisson_nats, program
from cospike.report_columns import Rows
from cospike.report_figures import RunView

_MAX_BARS, _MAX_ROWS, _SAMPLES, _MOVED = 12, 20, 3, 4


def effect_figure(view: RunView, factor: Factor) -> str:
    """The bars of a latent: log2 fold changes, and the counts of a cell of 10,000 without and with it."""
    found = program(view.model, view.codes, factor)
    if found is None:
        return ""
    shown = np.argsort(-found.nats, kind="stable")[:_MAX_BARS]
    changes, names = found.log2_fold_change[shown], [view.columns[gene].name for gene in shown]
    texts = [f"{_count(found.count_off[gene])} \N{RIGHTWARDS ARROW} {_count(found.count_on[gene])}" for gene in shown]
    figure = plots.effect_figure(names, changes, np.zeros((len(shown), 2)), texts, [plots.BLUE] * len(shown))
    told = ", ".join(f"{name} {text}" for name, text in zip(names, texts, strict=True))
    return plots.to_svg(figure, f"What latent {factor.latent} changes, counts of 10,000: {told}")


def reconstructions(view: RunView) -> Iterator[Rows]:
    """Of each class a held-out cell, beside what the model makes of its code."""
    index, x = view.previews["index"], view.previews["x"]
    labels = view.codes.labels[index]
    for label in np.unique(labels[labels != UNLABELLED]):
        row = int(np.flatnonzero(labels == label)[0])
        made = view.model.decode_mean(view.codes.values()[index[row : row + 1]])
        cell = x[row : row + 1] * (COUNTS_PER_CELL / x[row].sum())
        yield _rows(view, view.codes.class_names[label], ("cell", "model"), np.concatenate([cell, made]), made)


def class_samples(view: RunView) -> Iterator[Rows]:
    """New cells of each class, from its pattern."""
    if view.model.class_patterns is None:
        return
    for label, name in enumerate(view.codes.class_names):
        made = generate(view.model, _SAMPLES, label=int(view.classes[label]), seed=label)
        yield _rows(view, name, ("1", "2", "3"), made, made)


def prior_samples(view: RunView) -> Rows:
    """New cells of no class in particular."""
    made = generate(view.model, _SAMPLES)
    return _rows(view, "", ("1", "2", "3"), made, made)


def moved(view: RunView, before: Float[np.ndarray, " gene"], after: Float[np.ndarray, " gene"]) -> list[str]:
    """The genes that tell two cells from each other most, in words."""
    largest = np.argsort(-poisson_nats(after, before), kind="stable")[:_MOVED]
    return [
        f"{view.columns[gene].name} {_count(before[gene])} \N{RIGHTWARDS ARROW} {_count(after[gene])}"
        for gene in largest
    ]


def describe(_: Sequence[Column]) -> list[tuple[str, str, str]]:
    """Of thirty thousand genes nothing."""
    return []


def _rows(
    view: RunView,
    title: str,
    heads: tuple[str, ...],
    shown: Float[np.ndarray, "head gene"],
    made: Float[np.ndarray, "sample gene"],
) -> Rows:
    """The genes by which what the model makes differs most from the average cell of the training."""
    average = COUNTS_PER_CELL * view.model.decoder.baseline.exp().cpu().numpy()
    told = np.argsort(-poisson_nats(made, average).mean(0), kind="stable")[:_MAX_ROWS]
    rows = tuple((view.columns[gene].name, tuple(_count(value) for value in shown[:, gene])) for gene in told)
    return Rows(title, heads, rows, len(view.columns) - len(rows))


def _count(value: float | np.floating) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
