"""The figures of a report that show samples: traversals, counterfactuals, reconstructions, and new ones.

Nothing is chosen for its looks: samples are taken as they come.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from cospike import plots
from cospike._types import UNLABELLED
from cospike.counterfactuals import Counterfactual, find_counterfactual, judged
from cospike.factors import Factor, traversed_codes
from cospike.families import class_overlap
from cospike.generation import generate
from cospike.judging import Predict
from cospike.report_figures import RunView

_COLUMNS, _STEPS, _CLASSES_PER_CARD = 8, 6, 5  # pictures a row, values of a slab
_MAX_COUNTERFACTUALS = 12


def traversal(view: RunView, factor: Factor) -> str:
    """What a factor does to a few samples: its spike off, its slab from low to high, and the difference.

    A latent that is always on is not switched off, and the difference is that of the ends of its range. What leaves the
    data is marked.
    """
    rows, n_off = _typical_rows(view, factor), int(factor.kind != "always-on")
    z = traversed_codes(view.codes, factor, rows, steps=_STEPS)[:, 1 - n_off :]
    outputs = view.model.decode_mean(z.reshape(-1, z.shape[-1])).reshape(*z.shape[:2], *view.model.shape)
    outside = ~view.data.inside(z.reshape(-1, z.shape[-1])).reshape(z.shape[:2])
    names = [view.codes.class_names[label] if label != UNLABELLED else "" for label in view.codes.labels[rows]]
    alt = f"Latent {factor.latent}, {'off, then ' * n_off}{factor.low:.1f} to {factor.high:.1f}, in samples of "
    alt += ", ".join(names)
    if not view.are_images:
        lines = outputs.reshape(*outputs.shape[:2], -1)
        colors = [plots.INK] * n_off + plots.blend(_STEPS)
        figure = plots.profile_figure(lines, names, colors=colors, dashed=range(n_off), marked=outside)
        return plots.to_svg(figure, alt)
    pictures = view.pictures(outputs)
    pictures = np.broadcast_to(pictures, (*pictures.shape[:-1], 3))
    low, high = (f"{value:z.1f}".replace("-", "\N{MINUS SIGN}") for value in (factor.low, factor.high))
    far = n_off if n_off and abs(factor.low) > abs(factor.high) else -1  # the end that differs most from off
    change = plots.difference_pictures(pictures[:, far] - pictures[:, 0])
    columns = ["off"] * n_off + [low, *[""] * (_STEPS - 2), high, "change"]
    figure = plots.picture_figure(
        np.concatenate([pictures, change[:, None]], axis=1),
        names,
        columns,
        column_breaks=(*range(1, n_off + 1), _STEPS + n_off),
        marked=np.pad(outside, ((0, 0), (0, 1))),
    )
    return plots.to_svg(figure, f"{alt}; last, the change from the first to {low if far == 1 else high}")


def _typical_rows(view: RunView, factor: Factor) -> Int[np.ndarray, " row"]:
    """The first samples in which the latent is active: of several classes that use it, or more of a few."""
    active = view.codes.active()[:, factor.latent]
    if not (owners := view.shown_owners(factor)):
        return np.flatnonzero(active)[:3]
    chosen = [owners[round(place)] for place in np.linspace(0, len(owners) - 1, min(5, len(owners)))]
    each = max(1, 3 // len(chosen))
    rows = [np.flatnonzero(active & (view.codes.labels == label))[:each] for label in chosen]
    return np.concatenate(rows)


def reconstructions(view: RunView) -> Iterator[str]:
    """A few held-out samples of each class, above what the model makes of their codes."""
    index, x = view.previews["index"], view.previews["x"]
    made = view.model.decode_mean(view.codes.values()[index])
    labels = view.codes.labels[index]
    for group in _cards(np.unique(labels[labels != UNLABELLED])):
        names = [view.codes.class_names[label] for label in group]
        rows = [np.flatnonzero(labels == label)[:_COLUMNS] for label in group]
        alt = f"Held-out samples of {', '.join(names)}, and their reconstructions"
        if view.are_images:
            pairs = np.stack([_padded(part[row]) for row in rows for part in (x, made)])
            figure = plots.picture_figure(view.pictures(pairs), names, rows_per_name=2)
        else:
            lines = np.stack([np.stack([x[row[0]], made[row[0]]]).reshape(2, -1) for row in rows])
            figure = plots.profile_figure(lines, names, colors=[plots.INK, plots.VERMILLION])
        yield plots.to_svg(figure, alt)


def class_samples(view: RunView) -> Iterator[str]:
    """New samples of each class, from its pattern."""
    if view.model.class_patterns is None:
        return
    for group in _cards(np.arange(view.codes.n_classes)):
        names = [view.codes.class_names[label] for label in group]
        samples = [generate(view.model, _COLUMNS, label=int(view.classes[label]), seed=int(label)) for label in group]
        yield plots.to_svg(_sample_figure(view, np.stack(samples), names), f"New samples of {', '.join(names)}")


def prior_samples(view: RunView) -> str:
    """New samples of no class in particular."""
    rows = 3 if view.are_images else 1
    samples = generate(view.model, rows * _COLUMNS).reshape(rows, _COLUMNS, *view.model.shape)
    return plots.to_svg(_sample_figure(view, samples, [""] * rows), "New samples from the fixed prior")


def _sample_figure(view: RunView, samples: Float[np.ndarray, "row sample *event"], names: Sequence[str]) -> Figure:
    if view.are_images:
        return plots.picture_figure(view.pictures(samples), names)
    lines = samples.reshape(*samples.shape[:2], -1)
    return plots.profile_figure(lines, names, colors=[plots.BLUE] * _COLUMNS)


def _padded(samples: Float[np.ndarray, "sample *event"]) -> Float[np.ndarray, "column *event"]:
    """A full row of pictures; NaN, which is not drawn, where there are no more."""
    missing = np.full((_COLUMNS - len(samples), *samples.shape[1:]), np.nan, dtype=samples.dtype)
    return np.concatenate([samples, missing])


def _cards(labels: Int[np.ndarray, " class"]) -> list[np.ndarray]:
    return np.array_split(labels, -(-len(labels) // _CLASSES_PER_CARD)) if len(labels) else []


class Turned(NamedTuple):
    """A sample of one class, changed until it is taken for another."""

    label: str
    other: str
    found: Counterfactual


def counterfactuals(view: RunView, predict: Predict) -> list[Turned]:
    """The smallest change of a code that makes a supervised network take a sample for the class nearest to its own.

    Of each class the first held-out sample that the network still names right once it is decoded; classes for which
    nothing is found within three latents are left out, and what would be more than a dozen.
    """
    codes, decode = view.codes, view.model.decode_mean
    overlap = class_overlap(codes) - 2 * np.eye(codes.n_classes)
    turned: list[Turned] = []
    for label in range(codes.n_classes if codes.n_classes > 1 else 0):
        rows = np.flatnonzero(codes.labels == label)[:20]
        right = predict(decode(codes.values()[rows])).argmax(axis=1) == view.classes[label]
        other = int(overlap[label].argmax())
        if right.any() and len(turned) < _MAX_COUNTERFACTUALS:
            goal = judged(predict, int(view.classes[other]))
            found = find_counterfactual(view.model, codes, int(rows[right][0]), goal, plausibility=view.data)
            if found and found.changes:
                turned.append(Turned(codes.class_names[label], codes.class_names[other], found))
    return turned


def counterfactual_figure(view: RunView, turned: Sequence[Turned]) -> str:
    """Before, after, and the difference, a row each; what leaves the data is marked."""
    names = [f"{one.label} \N{RIGHTWARDS ARROW} {one.other}" for one in turned]
    alt = f"Samples before and after the smallest change of their codes: {', '.join(names)}"
    pairs = np.stack([np.stack([one.found.before, one.found.after]) for one in turned])
    outside = np.array([[False, not one.found.inside] for one in turned])
    if not view.are_images:
        colors = [plots.INK, plots.VERMILLION]
        lines = pairs.reshape(*pairs.shape[:2], -1)
        return plots.to_svg(plots.profile_figure(lines, names, colors=colors, marked=outside), alt)
    pictures = view.pictures(pairs)
    pictures = np.broadcast_to(pictures, (*pictures.shape[:-1], 3))
    change = plots.difference_pictures(pictures[:, 1] - pictures[:, 0])
    figure = plots.picture_figure(
        np.concatenate([pictures, change[:, None]], axis=1),
        names,
        ("before", "after", "change"),
        column_breaks=(2,),
        marked=np.pad(outside, ((0, 0), (0, 1))),
    )
    return plots.to_svg(figure, alt)
