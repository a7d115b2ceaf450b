"""Figures: arrays in, matplotlib figures out. Nothing is measured here.

A figure unit is a CSS pixel (72 dpi), text and axes are black on nothing, and `to_svg` turns that black into
`currentColor`: one figure reads on white, on black and on paper. Colour maps are safe for colour-blind readers. No
pyplot: figures are local objects, and `style` puts every setting back.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from io import StringIO
from itertools import groupby

import matplotlib as mpl
import numpy as np
from jaxtyping import Bool, Float
from matplotlib import style as mpl_style
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from cospike.mosaic import mosaic, tile

BLUE, VERMILLION, INK = "#3a86c8", "#d55e00", "#000000"  # the first two are legible on white and on black
PATTERN_MAP, OVERLAP_MAP, DIFFERENCE_MAP = "viridis", "cividis", "RdBu_r"

_FONT, _SMALL = 11.0, 9.5
_STYLE = {
    "figure.dpi": 72,
    "font.size": _FONT,
    "xtick.labelsize": _FONT,
    "ytick.labelsize": _FONT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "axes.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "cospike",
}
_CARD = 340  # width of what fits on a phone


@contextmanager
def style() -> Iterator[None]:
    """The settings under which figures are made and written, whatever the user's own are; put back at the end."""
    with mpl_style.context(["default", _STYLE]):
        yield


def to_svg(figure: Figure, alt: str) -> str:
    """An `<svg>` element for an HTML page, with ``alt`` for those who do not see it; the same bytes every time."""
    buffer = StringIO()
    with style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # the reader's fonts draw the text
        figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator")))
    svg = buffer.getvalue()
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    body = re.sub(r"<defs>\s*<style.*?</defs>|<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'(style="[^"]*?);? ?font-family: [^";]*', r"\1", body)  # the page has its own
    body = body.replace(f"stroke: {INK}", "stroke: currentColor").replace(f"fill: {INK}", "fill: currentColor")
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', body))
    body = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", body)
    width, height = (round(side * 72) for side in figure.get_size_inches())
    box = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg role="img" aria-label="{escape(alt)}" {box} xmlns:xlink="http://www.w3.org/1999/xlink">{body}'


def pattern_figure(
    means: Float[np.ndarray, "class latent"],
    class_names: Sequence[str],
    latents: Sequence[int],
    kinds: Sequence[str],
) -> Figure:
    """Mean active_probs of classes × latents; a bracket names each run of latents of one kind."""
    (n_classes, n_latents), cell = means.shape, 26 if means.shape[1] <= 30 else 17
    row = 24 if n_classes <= 20 else 15
    left, right, bottom, top = _margin(class_names), 74, 40, 34
    spans = [(kind, first, length, length * cell < 6.2 * len(kind)) for kind, first, length in _spans(kinds)]
    if narrow := [len(kind) for kind, *_, upright in spans if upright]:
        top = 18 + round(6.4 * max(narrow))
    figure = _figure(left + cell * n_latents + right, top + row * n_classes + bottom)
    axes = _axes(figure, left, top, cell * n_latents, row * n_classes)
    image = axes.imshow(means, cmap=PATTERN_MAP, vmin=0, vmax=1, aspect="auto", interpolation="none")
    _labels(axes, class_names, [str(latent) for latent in latents], size=_FONT if cell > 20 else 8)
    _cell_lines(axes, means.shape)
    axes.set_xlabel("latent", fontsize=_FONT, labelpad=5)
    for kind, first, length, upright in spans:
        axes.plot((first - 0.4, first + length - 0.6), [-0.5 - 6 / row] * 2, color=INK, lw=1.2, clip_on=False)
        text = axes.text(first + (length - 1) / 2, -0.5 - 11 / row, kind, ha="center", va="bottom", fontsize=_FONT)
        if upright:
            text.set(rotation=90, rotation_mode="anchor", ha="left", va="center")
    axes.set(xlim=(-0.5, n_latents - 0.5), ylim=(n_classes - 0.5, -0.5))
    bar = _axes(figure, left + cell * n_latents + 18, top, 10, min(row * n_classes, 160))
    figure.colorbar(image, cax=bar, ticks=[0, 0.5, 1]).outline.set_visible(False)
    return figure


def overlap_figure(
    overlap: Float[np.ndarray, "class class"],
    class_names: Sequence[str],
    branches: Sequence[tuple[Sequence[float], Sequence[float]]],
) -> Figure:
    """The overlap of classes, both axes in leaf order, with the tree of ``branches`` on top.

    A branch is four points: their places in leaf order (0 is the first class), and their distances 1 − overlap.
    """
    n = len(overlap)
    cell = 34 if n <= 12 else 16
    margin, tree = _margin(class_names), 70
    figure = _figure(margin + cell * n + 14, tree + 6 + cell * n + margin)
    axes = _axes(figure, margin, tree + 6, cell * n, cell * n)
    axes.imshow(overlap, cmap=OVERLAP_MAP, vmin=0, vmax=1, aspect="auto", interpolation="none")
    _labels(axes, class_names, class_names, size=_FONT if cell > 20 else _SMALL)
    if any(len(name) > 2 for name in class_names):
        for label in axes.get_xticklabels():
            label.set(rotation=90, rotation_mode="anchor", ha="right", va="center")
    _cell_lines(axes, overlap.shape)
    if n <= 12:
        for (i, j), value in np.ndenumerate(overlap):
            color = "#ffffff" if value < 0.55 else "#111111"
            axes.text(j, i, f"{100 * value:.0f}", ha="center", va="center", color=color, fontsize=_SMALL)
    top = _axes(figure, margin, 4, cell * n, tree - 4)
    for places, distances in branches:
        top.plot(places, distances, color=INK, lw=1, solid_joinstyle="miter")
    top.set(xlim=(-0.5, n - 0.5), ylim=(0, 1.04 * max([1e-6, *(max(ys) for _, ys in branches)])))
    top.axis("off")
    return figure


def picture_figure(
    pictures: Float[np.ndarray, "row column height width channel"],
    row_names: Sequence[str],
    column_names: Sequence[str] = (),
    *,
    column_breaks: Sequence[int] = (),
    rows_per_name: int = 1,
    marked: Bool[np.ndarray, "row column"] | None = None,
) -> Figure:
    """A grid of pictures (values 0 … 1, one channel or three), a name before every ``rows_per_name`` rows.

    A wider gap stands before the columns in ``column_breaks``, and between named rows; what is ``marked`` has a frame.
    """
    row_breaks = range(rows_per_name, len(pictures), rows_per_name) if rows_per_name > 1 else ()
    tiles = tile(np.broadcast_to(pictures, (*pictures.shape[:-1], 3)))
    canvas, y, x = mosaic(tiles, row_breaks, column_breaks)
    left, top = _margin(row_names), 18 if column_names else 2
    shown = min(_CARD - left - 4, 44 * pictures.shape[1] + 8)  # few columns: no larger than elsewhere
    height = shown * canvas.shape[0] / canvas.shape[1]
    figure = _figure(_CARD, top + height + 2)
    axes = _axes(figure, left, top, shown, height)
    axes.imshow(canvas, interpolation="none", aspect="auto")
    tall, wide = tiles.shape[2:4]
    for i, j in np.argwhere(np.zeros((0, 0)) if marked is None else marked):
        corner = (x[j] - wide / 2, y[i] - tall / 2)
        axes.add_patch(Rectangle(corner, wide, tall, fill=False, ec=VERMILLION, lw=1.4, clip_on=False))
    centres = y.reshape(-1, rows_per_name).mean(axis=1)
    axes.set_yticks(centres, [_short(name) for name in row_names], parse_math=False)
    axes.set_xticks(x[: len(column_names)], list(column_names), fontsize=_SMALL)
    axes.tick_params(labeltop=True, labelbottom=False, pad=3)
    axes.spines[:].set_visible(False)
    return figure


def difference_pictures(
    difference: Float[np.ndarray, "row height width channel"],
) -> Float[np.ndarray, "row height width 3"]:
    """Signed differences as pictures: red where light is added, blue where it is taken away, white for none.

    The channels are averaged; the strongest change of all rows has the strongest colour.
    """
    mean = difference.mean(axis=-1)
    limit = max(float(np.abs(mean).max(initial=0.0)), 1e-12)
    return np.asarray(mpl.colormaps[DIFFERENCE_MAP](0.5 + mean / (2 * limit))[..., :3])


def profile_figure(
    rows: Float[np.ndarray, "row line column"],
    row_names: Sequence[str],
    *,
    colors: Sequence[str],
    dashed: Sequence[int] = (),
    marked: Bool[np.ndarray, "row line"] | None = None,
) -> Figure:
    """Data that are not pictures: one small panel a row, a line over the columns for each of its vectors.

    What is ``marked`` is dotted.
    """
    n_rows, n_lines, n_columns = rows.shape
    left, panel = _margin(row_names), 54
    figure = _figure(_CARD, 6 + panel * n_rows + 18)
    low, high = float(rows.min()), float(rows.max())
    pad = 0.06 * (high - low) or 1.0
    for i, row in enumerate(rows):
        axes = _axes(figure, left, 6 + panel * i, _CARD - left - 6, panel - 6)
        for j in range(n_lines):
            dotted = marked is not None and marked[i, j]
            axes.plot(
                np.arange(n_columns), row[j], color=colors[j], lw=1.1,
                ls=":" if dotted else "--" if j in dashed else "-",
                drawstyle="steps-mid" if n_columns <= 30 else "default",
            )  # fmt: skip
        axes.set(ylim=(low - pad, high + pad), xlim=(-0.5, n_columns - 0.5), yticks=[])
        axes.set_ylabel(_short(row_names[i]), rotation=0, ha="right", va="center", labelpad=4, parse_math=False)
        _open(axes)
        axes.tick_params(labelbottom=i == n_rows - 1)
    return figure


def effect_figure(
    names: Sequence[str],
    changes: Float[np.ndarray, " column"],
    ends: Float[np.ndarray, "column 2"],
    texts: Sequence[str],
    colors: Sequence[str],
) -> Figure:
    """A bar a column of a table, a thin line between the ends of what a range does, and a text at the right."""
    left, right, height = _margin(names, 22), _margin(texts) + 2, 20 * len(names)
    axes, places = _axes(figure := _figure(_CARD, height + 8), left, 4, _CARD - left - right, height), range(len(names))
    axes.barh(places, changes, height=0.62, color=colors)
    axes.hlines(places, *ends.T, color=INK, lw=1.2)
    axes.axvline(0, color=INK, lw=0.6)
    _labels(axes, names, (), size=_FONT, length=22)
    axes.invert_yaxis()
    for place, text in enumerate(texts):
        axes.text(1.03, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize=_SMALL)
    return figure


def blend(n: int) -> list[str]:
    """``n`` colours from blue (low) to vermillion (high), of one lightness, so that each shows on any page."""
    low, high = np.array(to_rgb(BLUE)), np.array(to_rgb(VERMILLION))
    return [to_hex(low + (high - low) * share) for share in np.linspace(0, 1, n)]


def curve_figure(epochs: Sequence[int], train: Sequence[float], validation: Sequence[float]) -> Figure:
    """One term over epochs: training dotted, validation solid."""
    figure = _figure(300, 120)
    axes = _axes(figure, 44, 8, 246, 90)
    marker = "o" if len(epochs) == 1 else ""
    axes.plot(epochs, train, color=BLUE, ls=":", lw=1.6, marker=marker, ms=4)
    axes.plot(epochs, validation, color=VERMILLION, lw=1.4, marker=marker, ms=4)
    _open(axes)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.grid(axis="y", color=INK, alpha=0.12, lw=0.6)
    return figure


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width / 72, height / 72), dpi=72)


def _axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in pixels from the upper left corner."""
    full_width, full_height = figure.get_size_inches() * 72
    place = (left / full_width, 1 - (top + height) / full_height, width / full_width, height / full_height)
    return figure.add_axes(place)


def _open(axes: Axes) -> None:
    """A panel of lines without a frame."""
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.tick_params(labelsize=_SMALL, pad=4)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_alpha(0.35)


def _labels(axes: Axes, rows: Sequence[str], columns: Sequence[str], *, size: float, length: int = 14) -> None:
    axes.set_yticks(range(len(rows)), [_short(name, length) for name in rows], parse_math=False)
    axes.set_xticks(range(len(columns)), [_short(name) for name in columns], parse_math=False, fontsize=size)
    axes.tick_params(pad=4)
    axes.spines[:].set_visible(False)


def _cell_lines(axes: Axes, shape: tuple[int, ...]) -> None:
    """Thin lines between cells, in white: they separate on any page."""
    axes.hlines(np.arange(1, shape[0]) - 0.5, -0.5, shape[1] - 0.5, color="#ffffff", lw=0.6, alpha=0.5)
    axes.vlines(np.arange(1, shape[1]) - 0.5, -0.5, shape[0] - 0.5, color="#ffffff", lw=0.6, alpha=0.5)


def _spans(kinds: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Each run of equal kinds, with its first place and its length."""
    first = 0
    for kind, run in groupby(kinds):
        length = len(list(run))
        yield kind, first, length
        first += length


def _short(name: str, length: int = 14) -> str:
    text, tail = " ".join(name.split()), length // 2  # the end stays: names often differ there
    return text if len(text) <= length else f"{text[: length - tail - 1].rstrip()}…{text[-tail:].lstrip()}"


def _margin(names: Sequence[str], length: int = 14) -> int:
    """Room for the longest name, in pixels."""
    return 10 + round(7 * max((len(_short(name, length)) for name in names), default=0))
