"""`find_counterfactual()`: the smallest change of a code that meets a goal ("give this 2 a loop"). Arrays only."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from numbers import Integral
from types import NoneType
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from cospike._errors import InputError, check_function, check_number, check_type, did_you_mean
from cospike._types import SampleLatent
from cospike.attributes import UNITS, measure_attributes
from cospike.codes import Codes, check_codes
from cospike.decoding import Decode, HasDecoder, decoder_of
from cospike.plausibility import Plausibility

Goal: TypeAlias = Callable[[Float[np.ndarray, "candidate *event"]], Real[np.ndarray, " candidate"]]
"""From outputs to how far each is towards a goal, which is met at 0 and above; -inf where that cannot be told.

True and False will do as well, though a goal that says what is nearer is found by fewer changes.
"""

QUANTILES = (0.1, 0.5, 0.9)
_ROWS_PER_PASS = 4096


class Change(NamedTuple):
    """A latent that is set to another value; 0 is off."""

    latent: int
    before: float
    after: float


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """A code that meets a goal, beside the one it was made from.

    Attributes:
        row: the sample.
        changes: the latents that were set, in order; none if the goal was met already.
        before: the sample, decoded.
        after: the changed code, decoded.
        effect: summed absolute change of the output, in units of the data (of images: full pixels).
        inside: whether the changed code is among the data, as `Plausibility` has it.
    """

    row: int
    changes: tuple[Change, ...]
    before: Float[np.ndarray, "*event"]
    after: Float[np.ndarray, "*event"]
    effect: float
    inside: bool


def find_counterfactual(
    model: HasDecoder | Decode,
    codes: Codes,
    row: int,
    goal: Goal,
    *,
    max_changes: int = 3,
    beam: int = 20,
    plausibility: Plausibility | None = None,
) -> Counterfactual | None:
    """The smallest change of a code whose output meets a goal.

    Smallest is: the fewest latents; among as few, one that stays inside the data; among these, the smallest change of
    the output. A latent is switched off, or set to one of `QUANTILES` of the values that it shows where it is active.
    All single changes are tried, and then what one more change makes of the ``beam`` codes nearest to the goal: so
    one change is found wherever one will do, and of several changes none can be taken back. It decodes at most
    4 n_latents codes for one change, 4 · beam · n_latents for each further one, and 2 ** max_changes to take back.

    A goal says nothing of what is to stay. Where a 2 with a loop must still be a 2, combine two:
    ``lambda x: np.minimum(looped(x), still_two(x))``, with goals of about the same scale.

    Args:
        model: what ``codes`` come from, or its function from codes to data.
        codes: held-out codes.
        row: the sample to change.
        goal: what the output is to meet, such as `at_least("n_loops", 1)`.
        max_changes: how many latents may change.
        beam: codes kept for a further change.
        plausibility: fitted before, for many samples; default: fitted on ``codes``.

    Returns:
        What was found, or None if nothing that was tried meets the goal.

    Raises:
        InputError: for a row that is not there, numbers below 1, or a goal that does not give a number an output.

    >>> codes = Codes.from_values(np.array([[1.0, 0.0], [1.2, 3.0], [0.8, 2.0]]))
    >>> found = find_counterfactual(lambda z: z.sum(axis=1), codes, 0, lambda x: x - 2.5)
    >>> [(change.latent, change.before, round(change.after, 1)) for change in found.changes]
    [(1, 0.0, 2.0)]
    """
    of = "find_counterfactual"
    check_codes(codes, of)
    check_function(goal, "goal", of, 'Give at_least("n_loops", 1), or a function from outputs to scores.')
    check_type(row, Integral, "row", of, "a whole number", "It indexes the codes.")
    known = (Plausibility, NoneType)
    check_type(plausibility, known, "plausibility", of, "a Plausibility", "Give Plausibility.fit(codes).")
    for name, value in (("max_changes", max_changes), ("beam", beam)):
        check_number(value, name, of, whole=True)
        if value < 1:
            raise InputError(f"'{name}' of find_counterfactual must be at least 1, got {value}. Try the default.")
    if not 0 <= row < len(codes):
        raise InputError(
            f"'row' of find_counterfactual must be one of 0 … {len(codes) - 1}, got {row}. It indexes the codes."
        )
    values = codes.values()
    start, moves = values[row], _moves(values)
    search = _Search(start, decoder_of(model), goal, Plausibility.fit(codes) if plausibility is None else plausibility)
    frontier = start[None]
    found, _ = search.judge(frontier)
    for _ in range(max_changes):
        if found is not None:
            break
        found, nearest = search.judge(_one_more_change(frontier, start, moves))
        frontier = nearest[:beam]
    return None if found is None else search.describe(row, found)


def at_least(attribute: str, value: float, *, kind: Literal["strokes", "clothes"] = "strokes") -> Goal:
    """The goal of images of which an attribute is at least ``value``, in the units of `cospike.attributes.UNITS`.

    An image without that attribute, as a blank one, does not meet it.

    Raises:
        InputError: for an unknown attribute.
    """
    return _attribute_goal(attribute, value, kind, sign=1)


def at_most(attribute: str, value: float, *, kind: Literal["strokes", "clothes"] = "strokes") -> Goal:
    """The goal of images of which an attribute is at most ``value``; otherwise as `at_least`."""
    return _attribute_goal(attribute, value, kind, sign=-1)


def judged(
    predict: Callable[[Float[np.ndarray, "candidate *event"]], Float[np.ndarray, "candidate class"]],
    label: int,
    *,
    probability: float = 0.5,
) -> Goal:
    """The goal of outputs that a classifier gives to class ``label`` with at least ``probability``.

    Raises:
        InputError: by the goal returned, if the classifier does not give a row of probabilities an output.
    """

    def goal(x: Float[np.ndarray, "candidate *event"]) -> Float[np.ndarray, " candidate"]:
        probs = np.asarray(predict(x))
        if probs.ndim != 2 or len(probs) != len(x) or not 0 <= label < probs.shape[1]:
            raise InputError(
                f"'predict' of judged must give probabilities [{len(x)}, more than {label} classes], got shape "
                f"{probs.shape}. Give a function such as predict_proba."
            )
        return np.asarray(probs[:, label] - probability)

    return goal


def _attribute_goal(attribute: str, value: float, kind: Literal["strokes", "clothes"], *, sign: int) -> Goal:
    if kind not in UNITS:
        raise InputError(f"Unknown kind {kind!r} of a goal. {did_you_mean(str(kind), UNITS)}")
    if attribute not in UNITS[kind]:
        raise InputError(f"Unknown attribute {attribute!r} of {kind}. {did_you_mean(attribute, UNITS[kind])}")

    def goal(x: Float[np.ndarray, "candidate *event"]) -> Float[np.ndarray, " candidate"]:
        measured = measure_attributes(x, kind=kind, jobs=1, cache=False)[attribute]
        return np.where(np.isnan(measured), -np.inf, sign * (measured - value))

    return goal


class _Moves(NamedTuple):
    """A latent each, and what it is set to."""

    latents: Int[np.ndarray, " move"]
    values: Float[np.ndarray, " move"]


def _moves(values: SampleLatent) -> _Moves:
    """Off, and values that samples show, for each latent that is ever on."""
    latents = np.flatnonzero((values != 0).any(axis=0))
    shown = [np.quantile(z[z != 0], QUANTILES, method="nearest") for z in values.T[latents]]
    return _Moves(np.repeat(latents, 1 + len(QUANTILES)), np.array([[0, *row] for row in shown]).reshape(-1))


def _one_more_change(
    frontier: Float[np.ndarray, "parent latent"], start: Float[np.ndarray, " latent"], moves: _Moves
) -> Float[np.ndarray, "candidate latent"]:
    """Each code with each latent that is still as it was set to another value, every code once."""
    new = (frontier == start)[:, moves.latents] & (moves.values != start[moves.latents])
    parents, moved = np.nonzero(new)
    z = frontier[parents]
    z[np.arange(len(z)), moves.latents[moved]] = moves.values[moved]
    return np.unique(z, axis=0)


def _parts(z: Float[np.ndarray, " latent"], start: Float[np.ndarray, " latent"]) -> Float[np.ndarray, "part latent"]:
    """Each selection of the changes of a code, none and all of them included."""
    changed = np.flatnonzero(z != start)
    taken = np.array(list(product((False, True), repeat=len(changed))), dtype=bool).reshape(2 ** len(changed), -1)
    parts = np.repeat(start[None], len(taken), axis=0)
    parts[:, changed] = np.where(taken, z[changed], start[changed])
    return parts


@dataclass(frozen=True, eq=False)
class _Search:
    """What candidates are held against."""

    start: Float[np.ndarray, " latent"]
    decode: Decode
    goal: Goal
    data: Plausibility

    def judge(self, z: SampleLatent) -> tuple[Float[np.ndarray, " latent"] | None, SampleLatent]:
        """The smallest change among the codes that meet the goal, if any does, and all codes, the nearest first."""
        scores, effects = self._try(z)
        order = np.lexsort((effects, -scores))
        if not (scores >= 0).any():
            return None, z[order]
        best = self._smallest(z, scores, effects)
        parts = _parts(best, self.start)  # fewer changes may do, if the beam passed them by
        return self._smallest(parts, *self._try(parts)), z[order]

    def describe(self, row: int, z: Float[np.ndarray, " latent"]) -> Counterfactual:
        """A code, beside the one it was made from."""
        before, after = self.decode(np.stack([self.start, z]))
        changed = np.flatnonzero(z != self.start)
        return Counterfactual(
            row=row,
            changes=tuple(Change(int(i), float(self.start[i]), float(z[i])) for i in changed),
            before=np.asarray(before),  # a number too is an array
            after=np.asarray(after),
            effect=float(np.abs(after - before).sum()),
            inside=bool(self.data.inside(z[None])[0]),
        )

    def _smallest(
        self, z: SampleLatent, scores: Float[np.ndarray, " sample"], effects: Float[np.ndarray, " sample"]
    ) -> Float[np.ndarray, " latent"]:
        meets = scores >= 0
        z, effects = z[meets], effects[meets]
        n_changes = (z != self.start).sum(axis=1)
        return np.asarray(z[np.lexsort((effects, ~self.data.inside(z), n_changes))[0]])

    def _try(self, z: SampleLatent) -> tuple[Float[np.ndarray, " sample"], Float[np.ndarray, " sample"]]:
        """How far each code is towards the goal, and how much of the output it changes."""
        before = self.decode(self.start[None])
        scores, effects = [np.empty(0)], [np.empty(0)]
        for first in range(0, len(z), _ROWS_PER_PASS):
            x = self.decode(z[first : first + _ROWS_PER_PASS])
            scores.append(_checked(self.goal(x), len(x)))
            effects.append(np.abs(x - before).reshape(len(x), -1).sum(axis=1))
        return np.concatenate(scores), np.concatenate(effects)


def _checked(scores: Real[np.ndarray, "..."] | Bool[np.ndarray, "..."], n: int) -> Float[np.ndarray, " candidate"]:
    scores = np.asarray(scores)
    if scores.shape != (n,) or scores.dtype.kind not in "fiub" or np.isnan(scores).any() or np.isposinf(scores).any():
        raise InputError(
            f"'goal' of find_counterfactual must give a number, or -inf, for each of {n} outputs, got {scores.dtype} "
            f"of shape {scores.shape}, or NaN. Give a function from outputs to one score each, met at 0 and above."
        )
    return scores - 0.5 if scores.dtype == bool else scores.astype(float)
