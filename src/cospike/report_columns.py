"""What a report shows of a table: bars a column for what a latent does, and rows in the columns' own units.

Nothing is chosen for its looks: columns by how much they change, samples as they come.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from cospike import plots
from cospike._types import UNLABELLED
from cospike.column_entries import entries_of, entry_names
from cospike.columns import Column
from cospike.factors import Factor, traversed_codes
from cospike.generation import generate
from cospike.report_figures import RunView

_MAX_BARS, _MAX_ROWS, _SAMPLES, _MOVED = 12, 30, 3, 4
_ROWS_PER_EFFECT = 200


class Rows(NamedTuple):
    """A small table: what heads its columns, then a name and texts a row; ``n_more`` rows are not shown."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    n_more: int


class Effect(NamedTuple):
    """What a latent does to a column: a change in standard deviations of a number, or in the share of a category.

    Attributes:
        name: of the column; of a choice, with the category that gains most.
        change: with the latent less without it; of one that is always on, at the high end of its range less at the low.
        ends: the change at the low and at the high end of its range; of one that is always on, 0 and ``change``.
        text: the change in the column's own units.
        is_share: whether it is that of a share.
    """

    name: str
    change: float
    ends: tuple[float, float]
    text: str
    is_share: bool


def effects(view: RunView, factor: Factor) -> list[Effect]:
    """What a latent does to each column, the largest changes first: means over held-out samples in which it is on."""
    rows = np.flatnonzero(view.codes.active()[:, factor.latent])
    owners = view.shown_owners(factor)
    own = rows[np.isin(view.codes.labels[rows], owners)] if owners else rows
    rows = np.random.default_rng(0).permutation(own if len(own) else rows)[:_ROWS_PER_EFFECT]
    off, low, high = np.moveaxis(traversed_codes(view.codes, factor, rows, steps=2), 1, 0)
    on = view.codes.values()[rows]
    if factor.kind == "always-on":
        off, on = low, high
    means = [view.model.decode_mean(z).mean(axis=0) for z in (off, on, low, high)]
    change, *ends = (mean - means[0] for mean in means[1:])
    found = [_effect(column, at, change, ends) for column, at in entries_of(view.columns)]
    return sorted(found, key=lambda one: -max(map(abs, (one.change, *one.ends))))


def _effect(column: Column, at: slice, change: np.ndarray, ends: Sequence[np.ndarray]) -> Effect:
    best = at.start + int(change[at].argmax())
    name, value = entry_names(column)[best - at.start], float(change[best])
    is_share = column.kind != "gaussian"
    text = f"{100 * value:+z.0f} %" if is_share else f"{value * column.scale:+z.{_decimals(column)}f}"
    return Effect(name, value, (float(ends[0][best]), float(ends[1][best])), _minus(text), is_share)


def effect_figure(view: RunView, factor: Factor) -> str:
    """The bars of a latent."""
    shown = effects(view, factor)[:_MAX_BARS]
    figure = plots.effect_figure(
        [one.name for one in shown],
        np.array([one.change for one in shown]),
        np.array([one.ends for one in shown]),
        [one.text for one in shown],
        [plots.VERMILLION if one.is_share else plots.BLUE for one in shown],
    )
    told = ", ".join(f"{one.name} {one.text}" for one in shown)
    return plots.to_svg(figure, f"What latent {factor.latent} changes: {told}")


def reconstructions(view: RunView) -> Iterator[Rows]:
    """Of each class a held-out row, beside what the model makes of its code."""
    index, x = view.previews["index"], view.previews["x"]
    labels = view.codes.labels[index]
    made = view.model.decode_mean(view.codes.values()[index])
    for label in np.unique(labels[labels != UNLABELLED]):
        row = np.flatnonzero(labels == label)[0]
        texts = [_texts(view.columns, one[row : row + 1]) for one in (x, made)]
        yield _rows(view, view.codes.class_names[label], ("sample", "model"), texts)


def class_samples(view: RunView) -> Iterator[Rows]:
    """New rows of each class, from its pattern."""
    if view.model.class_patterns is None:
        return
    for label, name in enumerate(view.codes.class_names):
        rows = generate(view.model, _SAMPLES, label=int(view.classes[label]), seed=label)
        yield _rows(view, name, ("1", "2", "3"), [_texts(view.columns, rows[i : i + 1]) for i in range(_SAMPLES)])


def prior_samples(view: RunView) -> Rows:
    """New rows of no class in particular."""
    rows = generate(view.model, _SAMPLES)
    return _rows(view, "", ("1", "2", "3"), [_texts(view.columns, rows[i : i + 1]) for i in range(_SAMPLES)])


def moved(view: RunView, before: Float[np.ndarray, " entry"], after: Float[np.ndarray, " entry"]) -> list[str]:
    """The columns that differ most between two rows, in words."""
    sizes = [float(np.abs(after[at] - before[at]).max()) for _, at in entries_of(view.columns)]
    texts = [_texts(view.columns, one[None]) for one in (before, after)]
    largest = np.argsort(sizes, kind="stable")[::-1][:_MOVED]
    shown = [(view.columns[i].name, texts[0][i], texts[1][i]) for i in sorted(largest)]
    return [f"{name} {old} \N{RIGHTWARDS ARROW} {new}" for name, old, new in shown if old != new]


def describe(columns: Sequence[Column]) -> list[tuple[str, str, str]]:
    """Of each column its name, what it is, and what is known of it."""
    told = []
    for one in columns:
        number = f"mean {_number(one, one.loc)}, standard deviation {_number(one, one.scale)}"
        known = number if one.kind == "gaussian" else ", ".join(one.categories)
        told.append((one.name, one.kind + (", may be missing" if one.missing else ""), known))
    return told


def _rows(view: RunView, title: str, heads: tuple[str, ...], texts: Sequence[Sequence[str]]) -> Rows:
    cells = zip(*texts, strict=True)
    shown = tuple((column.name, row) for column, row in zip(view.columns, cells, strict=True))[:_MAX_ROWS]
    return Rows(title, heads, shown, len(view.columns) - len(shown))


def _texts(columns: Sequence[Column], x: Float[np.ndarray, "1 entry"]) -> list[str]:
    """A row in words, a text a column: of a choice that is not sure, with the share of the likeliest category."""
    texts = []
    for column, at in entries_of(columns):
        shares = x[0, at]
        if column.missing and x[0, at.stop] > 0.5:
            texts.append("missing")
        elif column.kind == "gaussian":
            texts.append(_number(column, float(shares[0]) * column.scale + column.loc))
        else:
            shares = np.array([1 - shares[0], shares[0]]) if column.kind == "bernoulli" else shares
            best, share = int(shares.argmax()), round(100 * float(shares.max()))
            texts.append(column.categories[best] + (f" ({share} %)" if share < 100 else ""))
    return texts


def _number(column: Column, value: float) -> str:
    return _minus(f"{value:z.{_decimals(column)}f}")


def _decimals(column: Column) -> int:
    """As many as tell a tenth of a standard deviation."""
    return min(12, max(0, 1 - math.floor(math.log10(column.scale))))


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
