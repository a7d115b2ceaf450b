"""What a classifier says of pictures in which one latent was changed: loss, *targeted*, its control. Arrays only.

A latent that is switched off changes the output n by Δ(n). A change of the same size that has nothing to do with the
latent may confuse the classifier as much, so *targeted* stands beside a control: the same samples, where all other
latents that are on move together in a random direction, each in units of its root mean square and within the values
that it shows, as far as the output changes by |Δ(n)| (Euclidean). So it is drawn by the same decoder, in the same
samples, is as large, leaves the latent as it is, and switches nothing on or off. White noise of that size would be an
easy control, which no network minds, and a step towards the picture of another sample a hard one, as it changes the
class (design page 10 has figures).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from cospike._errors import InputError
from cospike._types import UNLABELLED, Labels
from cospike.codes import Codes
from cospike.decoding import Decode
from cospike.intervals import UNKNOWN, Estimate, bounded_mean_interval, difference
from cospike.splits import in_turns

Predict: TypeAlias = Callable[[Float[np.ndarray, "sample *event"]], Float[np.ndarray, "sample class"]]
"""From observations to P(class), in the order of the codes' class names."""

N_BALANCED = 500
"""Samples on whose outputs the classifier is asked, the classes as equally as can be."""

_STEPS = 2.0 ** np.arange(-4, 7)  # of the control, in root mean squares of the latents


@dataclass(frozen=True, eq=False)
class Scene:
    """What all changes start from.

    Attributes:
        decode: from codes to outputs.
        codes: held-out codes.
        z: their values, 0 where a latent is off.
        used: which classes use which latents.
        seed: of all that is drawn.
    """

    decode: Decode
    codes: Codes
    z: Float[np.ndarray, "sample latent"]
    used: Bool[np.ndarray, "class latent"]
    seed: int

    @cached_property
    def scale(self) -> Float[np.ndarray, " latent"]:
        """Root mean square of each latent where it is on; 0 of one that never is."""
        return np.asarray(np.sqrt((self.z**2).sum(axis=0) / np.maximum((self.z != 0).sum(axis=0), 1)))

    @cached_property
    def range(self) -> tuple[Float[np.ndarray, " latent"], Float[np.ndarray, " latent"]]:
        """The lowest and the highest value of each latent where it is on."""
        on = self.z != 0
        return np.where(on, self.z, np.inf).min(axis=0), np.where(on, self.z, -np.inf).max(axis=0)

    def own(self, latent: int) -> Bool[np.ndarray, " sample"]:
        """Samples of the classes that use a latent."""
        known = self.codes.labels != UNLABELLED
        own = np.zeros(len(known), dtype=bool)
        own[known] = self.used[self.codes.labels[known], latent]
        return own

    def with_latent(
        self, rows: Int[np.ndarray, " row"], latent: int, values: float | Float[np.ndarray, " row"]
    ) -> Float[np.ndarray, "row latent"]:
        """The codes of some samples, one of their latents changed."""
        z = np.array(self.z[rows])
        z[:, latent] = values
        return z


class Verdict(NamedTuple):
    """What the classifier says of a latent: see `cospike.interventions.Intervention`."""

    loss: Estimate
    other_loss: Estimate
    targeted: Estimate
    given: Estimate
    control: Estimate


def balanced_rows(scene: Scene) -> Int[np.ndarray, " row"]:
    """Labelled samples, if there are any, the classes as equally as can be."""
    labels = scene.codes.labels
    rows = np.flatnonzero(labels != UNLABELLED) if scene.codes.class_counts().any() else np.arange(len(labels))
    return np.sort(rows[in_turns(labels[rows], np.random.default_rng(scene.seed))[:N_BALANCED]])


def judge(scene: Scene, latents: Sequence[int], predict: Predict) -> Iterator[Verdict]:
    """Switch each latent off, give it to others, and change as much without it.

    Raises:
        InputError: if ``predict`` gives something else than probabilities of the classes.
    """
    rows = balanced_rows(scene)
    labels, z = scene.codes.labels[rows], scene.z[rows]
    x = scene.decode(z)
    before = _predicted(scene, predict, x)
    true = _true(before, labels)
    rng = np.random.default_rng((scene.seed, 1))
    for latent in latents:
        owners = scene.used[:, latent]
        own, active = owners[labels], z[:, latent] != 0
        lost, as_much = np.zeros((2, len(rows)))  # where it is off already, switching it off changes nothing
        if active.any():
            off = scene.decode(scene.with_latent(rows[active], latent, 0.0))
            lost[active] = true[active] - _true(_predicted(scene, predict, off), labels[active])
            other, reached = _changed_as_much(scene, z[active], x[active], off, latent)
            as_much[active] = true[active] - _true(_predicted(scene, predict, other), labels[active])
            as_much[active] += np.where(reached, 0, np.nan)
        lacks = ~own & ~active
        loss, other_loss = bounded_mean_interval(lost[own]), bounded_mean_interval(lost[~own])
        yield Verdict(
            loss,
            other_loss,
            difference(loss, other_loss),
            _given(scene, predict, rows[lacks], before[lacks], latent, rng),
            difference(*(_mean_control(as_much[part], active[part]) for part in (own, ~own))),
        )


def _mean_control(as_much: Float[np.ndarray, " row"], active: Bool[np.ndarray, " row"]) -> Estimate:
    """Over the rows that got so far, and as large a share of those in which the latent is off, which lose nothing."""
    known = as_much[active & np.isfinite(as_much)]
    share = len(known) / active.sum() if active.any() else 1
    return bounded_mean_interval(np.append(known, np.zeros(round(share * (~active).sum()))))


def _changed_as_much(
    scene: Scene,
    z: Float[np.ndarray, "row latent"],
    x: Float[np.ndarray, "row *event"],
    off: Float[np.ndarray, "row *event"],
    latent: int,
) -> tuple[Float[np.ndarray, "row *event"], Bool[np.ndarray, " row"]]:
    """Outputs as far from ``x`` as ``off`` is, by other latents, and for which rows they get so far.

    Steps double until the output has changed enough; then it is taken back towards ``x``, along a straight line. So
    it stays between two outputs of the decoder.
    """
    rng = np.random.default_rng((scene.seed, 2, latent))
    direction = rng.normal(size=z.shape) * scene.scale * (z != 0)
    direction[:, latent] = 0
    sizes, changed = _lengths(off - x), np.array(x, dtype=float)
    reached = sizes == 0
    for step in _STEPS:
        rows = np.flatnonzero(~reached)
        if not len(rows):
            break
        moved = np.clip(z[rows] + step * direction[rows], *scene.range)
        change = scene.decode(np.where(z[rows] != 0, moved, 0)) - x[rows]
        lengths = _lengths(change)
        enough = lengths >= sizes[rows]
        shares = (sizes[rows][enough] / lengths[enough]).reshape(-1, *[1] * (x.ndim - 1))
        changed[rows[enough]] += shares * change[enough]
        reached[rows[enough]] = True
    return changed.astype(x.dtype), reached


def _lengths(change: Float[np.ndarray, "row *event"]) -> Float[np.ndarray, " row"]:
    return np.asarray(np.linalg.norm(change.reshape(len(change), -1).astype(float), axis=1))


def _given(
    scene: Scene,
    predict: Predict,
    rows: Int[np.ndarray, " row"],
    before: Float[np.ndarray, "row class"],
    latent: int,
    rng: np.random.Generator,
) -> Estimate:
    values = scene.z[(scene.z[:, latent] != 0) & scene.own(latent), latent]
    if not len(rows) or not len(values):
        return UNKNOWN
    after = _predicted(scene, predict, scene.decode(scene.with_latent(rows, latent, rng.choice(values, len(rows)))))
    return bounded_mean_interval(np.clip((after - before)[:, scene.used[:, latent]].sum(axis=1), -1, 1))


def _true(probs: Float[np.ndarray, "row class"], labels: Labels) -> Float[np.ndarray, " row"]:
    """The probability of the true class."""
    return np.asarray(probs[np.arange(len(labels)), labels])


def _predicted(scene: Scene, predict: Predict, x: Float[np.ndarray, "row *event"]) -> Float[np.ndarray, "row class"]:
    probs, n_classes = np.asarray(predict(x)), scene.codes.n_classes
    if probs.dtype.kind not in "fiub":
        raise InputError(
            f"'predict' of intervene must give numbers, got {probs.dtype}. Give P(class), not class names."
        )
    if probs.shape != (len(x), n_classes) or not ((probs >= 0) & (probs <= 1)).all():
        raise InputError(
            f"'predict' of intervene must give P(class) [{len(x)}, {n_classes}], each in 0 … 1, got shape "
            f"{probs.shape}, from {probs.min(initial=np.inf):.3g} to {probs.max(initial=-np.inf):.3g}. Order its "
            "columns as the class names of codes."
        )
    return probs.astype(float)
