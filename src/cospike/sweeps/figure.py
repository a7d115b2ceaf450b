"""The frontier of a sweep as a figure: every trial a point, those that none beats joined by a line."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from matplotlib.figure import Figure

from cospike.plots import BLUE, INK, VERMILLION, style
from cospike.sweeps.results import Trial, choose_best

_DPI = 144  # of the picture; sizes are in pixels of 72 dpi


def frontier_figure(trials: Sequence[Trial]) -> Figure:
    """A point a complete trial: −ELBO to the right, gap upwards, the frontier as steps between what was reached.

    Args:
        trials: of which at least one is complete.
    """
    done = [trial for trial in trials if trial.error is None]
    x, y = np.array([[trial.measures["neg_elbo"], trial.measures["consistency_gap_specific"]] for trial in done]).T
    on = np.array([trial.on_frontier for trial in done])
    order = np.argsort(x[on], kind="stable")
    figure = Figure(figsize=(7.5, 5.5), dpi=72, layout="constrained")
    axes = figure.subplots()
    axes.plot(x[~on], y[~on], "o", color=BLUE, ms=5, alpha=0.55, mew=0, label="trial")
    axes.step(x[on][order], y[on][order], where="post", color=VERMILLION, lw=1.2, alpha=0.8, zorder=2)
    axes.plot(x[on], y[on], "o", color=VERMILLION, ms=7, mec="#ffffff", mew=0.8, label="frontier", zorder=3)
    best = choose_best(trials)
    for trial in (trial for trial in done if trial.on_frontier):
        axes.annotate(
            str(trial.number), (trial.measures["neg_elbo"], trial.measures["consistency_gap_specific"]),
            (0, 7), textcoords="offset points", ha="center", fontsize=9.5, color=INK,
            fontweight="bold" if trial is best else "normal",
        )  # fmt: skip
    axes.margins(0.07, 0.09)
    axes.grid(color=INK, alpha=0.1, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("\N{MINUS SIGN}ELBO, nats a sample of the validation rows (less is better)")
    axes.set_ylabel("consistency gap, global latents aside (more is better)")
    figure.legend(loc="outside upper left", ncols=2, frameon=False, handletextpad=0.3)
    return figure


def to_png(trials: Sequence[Trial]) -> bytes:
    """`frontier_figure` as a picture."""
    buffer = BytesIO()
    with style():
        frontier_figure(trials).savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()
