"""Figures of a benchmark: models on a trade-off, every one named where it stands."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from cospike.plots import BLUE, INK, VERMILLION

_STYLES = ((VERMILLION, "o"), (BLUE, "s"), ("#b5519c", "D"), ("#2a9d6f", "^"))  # a shape too: not by colour alone
_OTHER = ("#7a8490", "v")  # of models that belong to no family
_WIDTH, _HEIGHT = 540, 410
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 34, 48
_SIZE, _CHARACTER, _LINE = 11.0, 6.0, 13.0  # of a label: font, mean width of a letter, height, in pixels


class Mark(NamedTuple):
    """A model: its name in a figure, and what it reaches, as mean, low and high (NaN: no interval)."""

    label: str
    x: tuple[float, float, float]
    y: tuple[float, float, float]


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: float
    low: float
    right: float
    high: float

    def overlap(self, others: Sequence["Box"]) -> float:
        """Area in common with others."""
        left, low, right, high = np.array(others).reshape(-1, 4).T
        width = np.minimum(self.right, right) - np.maximum(self.left, left)
        height = np.minimum(self.high, high) - np.maximum(self.low, low)
        return float((width.clip(0) * height.clip(0)).sum())


def frontier_figure(
    marks: Mapping[str, Mark],
    families: Mapping[str, Sequence[str]],
    *,
    x_label: str,
    y_label: str,
    log_y: bool = False,
) -> Figure:
    """A point a model with bars for its intervals, and a line a family.

    Args:
        marks: by model.
        families: the models of each line, in its order, by what the line is called; a model without a mark is left
            out, and one of two families has the style of none.
        x_label: what ``x`` is, and which way is better.
        y_label: what ``y`` is, and which way is better.
        log_y: a logarithmic vertical axis.
    """
    figure = Figure(figsize=(_WIDTH / 72, _HEIGHT / 72), dpi=72)
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    axes = figure.add_axes((_LEFT / _WIDTH, _BOTTOM / _HEIGHT, width / _WIDTH, height / _HEIGHT))
    _frame(axes, list(marks.values()), x_label, y_label, log_y)
    styles = _styles(families)
    present = {family: [name for name in names if name in marks] for family, names in families.items()}
    for (family, names), (color, _) in zip(present.items(), _STYLES, strict=False):
        x, y = ([getattr(marks[name], axis)[0] for name in names] for axis in "xy")
        axes.plot(x, y, color=color, lw=1.6, alpha=0.75, zorder=2, gid=family)
    for name, mark in marks.items():
        color, marker = styles.get(name, _OTHER)
        for start, end in _intervals([mark]):
            axes.plot(*zip(start, end, strict=True), color=color, lw=1.1, alpha=0.7, zorder=3, solid_capstyle="butt")
        axes.plot(mark.x[0], mark.y[0], color=color, marker=marker, ms=7, mec="#ffffff", mew=0.8, ls="", zorder=4)
    _name_families(
        figure, [family for family, names in present.items() if any(name in styles for name in names)], families
    )
    _name_marks(axes, marks, present, styles, (width, height))
    return figure


def _styles(families: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, str]]:
    members = [name for names in families.values() for name in names]
    return {
        name: style
        for names, style in zip(families.values(), _STYLES, strict=False)
        for name in names
        if members.count(name) == 1
    }


def _frame(axes: Axes, marks: Sequence[Mark], x_label: str, y_label: str, log_y: bool) -> None:
    """Axes that show every mean, and of the bars what fits: an interval from two seeds can be wider than all else."""
    axes.set_xlim(_limits([mark.x for mark in marks]))
    if log_y:
        low, high = _limits([tuple(np.log(np.maximum(mark.y, 1e-12))) for mark in marks])
        axes.set_yscale("log")
        axes.set_ylim(np.exp(low), np.exp(high))
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(_limits([mark.y for mark in marks]))
        axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_locator(MaxNLocator(7))
    axes.tick_params(which="both", length=0, pad=5)
    axes.grid(color=INK, alpha=0.1, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(x_label, labelpad=7)
    axes.set_ylabel(y_label, labelpad=7)


def _limits(values: Sequence[tuple[float, ...]]) -> tuple[float, float]:
    means = np.array([value[0] for value in values])
    span = np.ptp(means) or abs(means[0]) * 0.1 or 1.0
    ends = np.array([part for value in values for part in value if np.isfinite(part)])
    low, high = (np.clip(end, means.min() - 0.1 * span, means.max() + 0.1 * span) for end in (ends.min(), ends.max()))
    return float(low - 0.09 * span), float(high + 0.09 * span)


def _name_families(figure: Figure, shown: Sequence[str], families: Mapping[str, Sequence[str]]) -> None:
    """The families in a row above the axes, each after its mark."""
    left = _LEFT + 4.0
    for family, (color, marker) in zip(families, _STYLES, strict=False):
        if family in shown:
            y = 1 - 14 / _HEIGHT
            mark = Line2D([left / _WIDTH], [y], color=color, marker=marker, ms=7, mec="#ffffff", mew=0.8, ls="")
            figure.add_artist(mark)
            figure.text(
                (left + 9) / _WIDTH, y, family, color=color, fontsize=_SIZE, va="center_baseline", parse_math=False
            )
            left += 9 + _CHARACTER * len(family) + 22


def _name_marks(
    axes: Axes,
    marks: Mapping[str, Mark],
    families: Mapping[str, Sequence[str]],
    styles: Mapping[str, tuple[str, str]],
    size: tuple[float, float],
) -> None:
    """A label beside each mark, where it covers the least; the crowded ones choose first."""
    places = {name: _pixels(axes, mark.x[0], mark.y[0], size) for name, mark in marks.items()}
    lines = [pair for names in families.values() for pair in pairwise([places[name] for name in names])]
    lines += [(_pixels(axes, *start, size), _pixels(axes, *end, size)) for start, end in _intervals(marks.values())]
    obstacles = [Box(x - 6, y - 6, x + 6, y + 6) for x, y in places.values()]
    obstacles += [box for line in lines for box in _along(*line)]
    taken: list[Box] = []
    for name in sorted(marks, key=lambda name: _room(places[name], places.values())):
        color, _ = styles.get(name, _OTHER)
        offset, box = min(
            _candidates(marks[name].label, *places[name]), key=lambda one: _cost(one[0], one[1], taken, obstacles, size)
        )
        taken.append(box)
        leader = {"arrowstyle": "-", "color": color, "lw": 0.7, "shrinkA": 0, "shrinkB": 5}
        axes.annotate(
            marks[name].label, (marks[name].x[0], marks[name].y[0]), offset, textcoords="offset pixels",
            color=color, fontsize=_SIZE, ha="center", va="center", parse_math=False, zorder=5, annotation_clip=False,
            arrowprops=leader if abs(offset[1]) > 26 else None,
        )  # fmt: skip


def _pixels(axes: Axes, x: float, y: float, size: tuple[float, float]) -> tuple[float, float]:
    """A place in pixels from the lower left corner of the axes; what is far outside is brought near."""
    y = max(y, 1e-12) if axes.get_yscale() == "log" else y
    shares = np.clip(axes.transLimits.transform(axes.transScale.transform((x, y))), -1, 2)
    return float(shares[0] * size[0]), float(shares[1] * size[1])


def _intervals(marks: Iterable[Mark]) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    """The ends of every bar."""
    for _, (x, left, right), (y, low, high) in marks:
        for start, end in (((left, y), (right, y)), ((x, low), (x, high))):
            if np.isfinite((*start, *end)).all():
                yield start, end


def _room(place: tuple[float, float], places: Iterable[tuple[float, float]]) -> float:
    """Distance to the nearest other mark."""
    return min((float(np.hypot(place[0] - x, place[1] - y)) for x, y in places if (x, y) != place), default=0.0)


def _candidates(text: str, x: float, y: float) -> Iterator[tuple[tuple[float, float], Box]]:
    """Where a label may stand: eight ways round, and away from the mark by degrees."""
    half = _CHARACTER * len(text) / 2
    ways = [(i, j) for i, j in product((-1, 0, 1), repeat=2) if i or j]
    for gap, (i, j) in product((9.0, 15.0, 24.0, 36.0, 50.0), ways):
        dx = i * (half + (gap if not j else 0.5 * gap))
        dy = j * (_LINE / 2 + (gap - 3 if not i else 0.6 * gap))
        yield (dx, dy), Box(x + dx - half, y + dy - _LINE / 2, x + dx + half, y + dy + _LINE / 2)


def _cost(
    offset: tuple[float, float],
    box: Box,
    taken: Sequence[Box],
    obstacles: Sequence[Box],
    size: tuple[float, float],
) -> float:
    """What a place for a label is worth avoiding for: cut off, on another label, on a mark or line, or far away."""
    outside = max(-box.left, 0) + max(-box.low, 0) + max(box.right - size[0], 0) + max(box.high - size[1], 0)
    on_labels, on_marks = box.overlap(taken), box.overlap(obstacles)
    return 1e4 * outside + 1e3 * on_labels + 10 * on_marks + float(np.hypot(*offset))


def _along(start: tuple[float, float], end: tuple[float, float]) -> list[Box]:
    """Small boxes on a line, for labels to keep clear of."""
    n = max(2, int(np.hypot(end[0] - start[0], end[1] - start[1]) // 8))
    points: Float[np.ndarray, "point 2"] = np.linspace(start, end, n)
    return [Box(x - 2, y - 2, x + 2, y + 2) for x, y in points]
