"""Figures that only a reproduction has: arrays in, matplotlib figures out."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cospike.plots import BLUE, INK, PATTERN_MAP, VERMILLION

_COLORS = (VERMILLION, BLUE, "#b5519c", "#2a9d6f", "#7a8490")
_LINES = ("-", "--", "-.", ":", (0, (1, 1)))


def sample_figure(
    probs: Float[np.ndarray, "sample latent"], bounds: Sequence[int], class_names: Sequence[str], *, width: float = 340
) -> Figure:
    """active_probs of samples × latents; a line and a name for each class, whose first rows are in ``bounds``."""
    figure, (axes,) = _panels(1, width, 330, left=10 + 7 * max(map(len, class_names)), bottom=34)
    axes.imshow(probs, cmap=PATTERN_MAP, vmin=0, vmax=1, aspect="auto", interpolation="none")
    ends = [*bounds[1:], len(probs)]
    axes.hlines([first - 0.5 for first in bounds[1:]], -0.5, probs.shape[1] - 0.5, color="#ffffff", lw=0.8)
    axes.set_yticks([(first + end - 1) / 2 for first, end in zip(bounds, ends, strict=True)], list(class_names))
    axes.set_xticks([])
    axes.set_xlabel(f"{probs.shape[1]} latents, shared ones first")
    return figure


def divergence_figure(edges: Float[np.ndarray, " edge"], shares: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """How the divergences of pairs lie: a panel a model, within a class and between two, cumulated."""
    figure, panels = _panels(len(shares), 190 * len(shares) + 40, 190, left=44, bottom=44, top=22)
    for axes, (model, kinds) in zip(panels, shares.items(), strict=True):
        for (kind, found), color, line in zip(kinds.items(), (VERMILLION, BLUE), _LINES, strict=False):
            axes.plot(np.maximum(edges[1:], edges[1]), np.cumsum(found), color=color, ls=line, lw=1.6, label=kind)
        axes.set(xscale="log", xlim=(edges[1], edges[-1]), ylim=(0, 1.02), title=model)
        axes.title.set_fontsize(11)
        axes.set_xlabel("divergence, nats")
        axes.minorticks_off()
        _open(axes)
    panels[0].set_ylabel("share of pairs")
    panels[0].legend(frameon=False, loc="upper left", fontsize=9.5)
    return figure


def line_figure(
    x: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    *,
    x_label: str,
    y_label: str,
    names: Sequence[str] = (),
) -> Figure:
    """A line a measure over a setting; settings with ``names`` stand at equal distances."""
    figure, (axes,) = _panels(1, 340, 210, left=50, bottom=44, top=10)
    places = np.arange(len(x)) if names else np.asarray(x)
    for (name, values), color, line in zip(lines.items(), _COLORS, _LINES, strict=False):
        axes.plot(places, values, color=color, ls=line, lw=1.6, marker="o", ms=4, label=name)
    if names:
        axes.set_xticks(places, list(names))
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.legend(frameon=False, fontsize=9.5)
    _open(axes)
    return figure


def _panels(
    n: int, width: float, height: float, *, left: float, bottom: float, top: float = 8
) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    each = (width - left - 10) / n
    panels = [
        figure.add_axes(
            (
                (left + i * each) / width,
                bottom / height,
                (each - (14 if n > 1 else 0)) / width,
                1 - (bottom + top) / height,
            )
        )
        for i in range(n)
    ]
    for axes in panels[1:]:
        axes.set_yticklabels([])
    return figure, panels


def _open(axes: Axes) -> None:
    axes.tick_params(length=0, pad=4)
    axes.grid(color=INK, alpha=0.1, lw=0.6)
    axes.spines[:].set_visible(False)
