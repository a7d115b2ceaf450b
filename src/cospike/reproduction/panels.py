"""The figures of a run: which classes, latents and samples are shown. Nothing is chosen for its looks."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from cospike import plots
from cospike.benchmark.page import card
from cospike.factors import Factor, traversed_codes
from cospike.kinds import GLOBAL_KINDS, KINDS, OWN_KINDS
from cospike.report_figures import RunView, overlap, pattern
from cospike.report_samples import traversal
from cospike.reproduction.figures import sample_figure

_ROWS_PER_CLASS, _N_GLOBAL, _STEPS = 20, 3, 6
_SWEEP = 5


def run_figures(view: RunView, control: dict[str, dict[str, Any]], worth: np.ndarray) -> Iterator[tuple[str, str]]:
    """The figures of a run of the main part, as files of SVG, by what they show."""
    with plots.style():
        order, classes = overlap(view)
        yield "samples", _samples(view, order)
        if classes is not None:
            yield "overlap", classes
        if (by_class := pattern(view, order)) is not None:
            yield "pattern", by_class
        if view.are_images:
            shared = sorted(
                (one for one in view.factors if one.kind in GLOBAL_KINDS), key=lambda one: -worth[one.latent]
            )
            for number, factor in enumerate(shared[:_N_GLOBAL], 1):
                yield f"global-{number}", traversal(view, factor)
            for name, draw in (("own", _own), ("control", lambda one: _control(one, control))):
                if (svg := draw(view)) is not None:
                    yield name, svg


def pattern_only(view: RunView) -> Iterator[tuple[str, str]]:
    """The pattern of every class, of a run that shows what goes wrong."""
    with plots.style():
        order, _ = overlap(view)
        if (by_class := pattern(view, order)) is not None:
            yield "pattern", by_class


def as_file(svg: str) -> str:
    """A figure as a file of its own, on white."""
    return card(svg)


def _samples(view: RunView, order: Sequence[int]) -> str:
    """Samples × latents, the classes in the order of the tree, latents from what all share to what none uses."""
    codes = view.codes
    rows = [np.flatnonzero(codes.labels == label)[:_ROWS_PER_CLASS] for label in order]
    place = {factor.latent: (KINDS.index(factor.kind), number) for number, factor in enumerate(view.factors)}
    latents = sorted(range(codes.n_latents), key=lambda latent: place[latent])
    bounds = np.concatenate([[0], np.cumsum([len(part) for part in rows])[:-1]]).astype(int).tolist()
    names = [codes.class_names[label] for label in order]
    figure = sample_figure(codes.active_probs[np.concatenate(rows)][:, latents].astype(float), bounds, names)
    return plots.to_svg(figure, f"Heat map of samples of {', '.join(names)} by {codes.n_latents} latents: active_probs")


def _own(view: RunView) -> str | None:
    """A row a class: its own latent of fewest classes, which then does most; off, low to high, and the change."""
    own = [factor for factor in view.factors if factor.kind in OWN_KINDS]
    own.sort(key=lambda factor: (len(factor.classes), -factor.usage * factor.effect))
    shown: list[tuple[str, Factor, int]] = []
    for label, name in enumerate(view.codes.class_names):
        for factor in own:
            rows = np.flatnonzero((view.codes.labels == label) & view.codes.active()[:, factor.latent])
            if name in factor.classes and len(rows):
                shown.append((f"{name}: {factor.latent}", factor, int(rows[0])))
                break
    if not shown:
        return None
    z = np.concatenate([traversed_codes(view.codes, factor, [row], steps=_STEPS) for _, factor, row in shown])
    pictures = _decoded(view, z)
    far = [1 if abs(factor.low) > abs(factor.high) else _STEPS for _, factor, _ in shown]
    change = plots.difference_pictures(np.stack([row[end] - row[0] for row, end in zip(pictures, far, strict=True)]))
    figure = plots.picture_figure(
        np.concatenate([pictures, change[:, None]], axis=1),
        [name for name, *_ in shown],
        ["off", "low", *[""] * (_STEPS - 2), "high", "change"],
        column_breaks=(1, _STEPS + 1),
    )
    return plots.to_svg(
        figure, "A latent of each class's own, off and from low to high: " + ", ".join(n for n, *_ in shown)
    )


def _control(view: RunView, control: dict[str, dict[str, Any]]) -> str | None:
    """A row an attribute: who gives its value and who takes it, what comes out, and the latent swept."""
    codes, rows = view.codes, []
    values, factors = codes.values(), {factor.latent: factor for factor in view.factors}
    for found in control.values():
        latent = found["latent"]
        on = np.flatnonzero(values[:, latent] != 0)
        label = codes.labels[on[0]]
        on = on[codes.labels[on] == label][:50]
        giver, taker = on[np.argmax(values[on, latent])], on[np.argmin(values[on, latent])]
        made = values[taker].copy()
        made[latent] = values[giver, latent]
        swept = np.repeat(values[[taker]], _SWEEP, axis=0)
        swept[:, latent] = np.linspace(factors[latent].low, factors[latent].high, _SWEEP)
        rows.append(np.concatenate([values[[giver, taker]], made[None], swept]))
    if not rows:
        return None
    names = [f"{name.replace('_', ' ')}: {found['latent']}" for name, found in control.items()]
    columns = ["from", "to", "made", "low", *[""] * (_SWEEP - 2), "high"]
    figure = plots.picture_figure(_decoded(view, np.stack(rows)), names, columns, column_breaks=(2, 3))
    return plots.to_svg(figure, "Latents taken from one sample to another, and swept: " + ", ".join(names))


def _decoded(view: RunView, z: np.ndarray) -> np.ndarray:
    """Pictures [row, column, height, width, 3] of codes [row, column, latent]."""
    decode: Callable[[np.ndarray], np.ndarray] = view.model.decode_mean
    outputs = decode(z.reshape(-1, z.shape[-1])).reshape(*z.shape[:2], *view.model.shape)
    pictures = view.pictures(outputs)
    return np.broadcast_to(pictures, (*pictures.shape[:-1], 3))
