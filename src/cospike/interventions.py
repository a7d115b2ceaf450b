"""`intervene()`: what a latent does, found by doing it. Arrays only.

A correlation of a latent with an attribute says that they vary together; here the latent alone is changed, and what was
decoded before and after is compared. It is switched off in samples where it is active; it runs over the range that its
classes show; and samples of other classes that lack it are given a value of it. Attributes are measured on what comes
out, and a classifier that never saw a code judges it: *targeted* is a latent without which samples of its own classes
are no longer taken for what they are, and those of other classes still are (after Karvonen et al., *Evaluating Sparse
Autoencoders on Targeted Concept Erasure Tasks*, arXiv 2411.18895, where the latents of a concept are ablated together).
Beside it stands its control, a change of the same size by other latents: `cospike.judging` has both.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import NoneType
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int, Real

from cospike._errors import InputError, check_function, check_number, check_type
from cospike._types import Labels
from cospike.associations import WORTH_A_NAME
from cospike.codes import ACTIVE_THRESHOLD, Codes, check_codes
from cospike.decoding import Decode, HasDecoder, decoder_of
from cospike.factors import Factor
from cospike.intervals import UNKNOWN, Estimate, mean_interval
from cospike.judging import Predict, Scene, balanced_rows, judge
from cospike.kinds import uses

Measure: TypeAlias = Callable[[Float[np.ndarray, "sample *event"]], Mapping[str, Real[np.ndarray, " sample"]]]
"""From observations to attributes by name, as `cospike.measure_attributes`."""

N_SAMPLES = 32
"""Samples of a latent on whose outputs attributes are measured."""

_VALUES_AT_ONCE = 2**24  # of outputs that are measured together


@dataclass(frozen=True)
class AttributeChange:
    """What a latent does to an attribute, in the attribute's own units.

    Attributes:
        attribute: its name.
        on: with the latent less without it, mean over samples in which it is active.
        sweep: at the upper end of its range (`Factor.high`) less at the lower, in the same samples.
        scale: standard deviation of the attribute within a class, in the data or what is decoded, for comparison.
    """

    attribute: str
    on: Estimate
    sweep: Estimate
    scale: float

    @property
    def size(self) -> float:
        """The larger of the two in units of ``scale``, as far as its interval leaves 0 out; 0 if neither's does."""
        return max(map(self._size, (self.on, self.sweep)))

    @property
    def by_sweep(self) -> bool:
        """Whether the larger of the two is what the range does, not the switch."""
        return self._size(self.sweep) > self._size(self.on)

    def _size(self, one: Estimate) -> float:
        return abs(one.value) / self.scale if (one.low > 0 or one.high < 0) and self.scale > 0 else 0.0


@dataclass(frozen=True)
class Intervention:
    """What changing a latent changes.

    Attributes:
        latent: its index.
        changes: of each attribute; those that it changes most come first.
        loss: how much probability the classifier takes from the true class once the latent is off, mean over samples of
            the classes that use it; unknown without a classifier, or if no class uses it.
        other_loss: the same over samples of all other classes.
        targeted: loss − other_loss; 1 where its own classes are not recognised without it, and no other is
            touched.
        given: how much probability the classes that use it win in samples of others that are given the latent.
        control: what targeted would be of a change of the output that is as large, in the same samples, and made by the
            other latents that are on there (`cospike.judging`); unknown where these cannot change it so much.
    """

    latent: int
    changes: tuple[AttributeChange, ...]
    loss: Estimate
    other_loss: Estimate
    targeted: Estimate
    given: Estimate
    control: Estimate = UNKNOWN

    @property
    def named(self) -> AttributeChange | None:
        """The attribute that it changes most, if that is worth a name: from .3 standard deviations."""
        return self.changes[0] if self.changes and self.changes[0].size >= WORTH_A_NAME else None


def intervene(
    model: HasDecoder | Decode,
    codes: Codes,
    factors: Sequence[Factor],
    *,
    measure: Measure | None = None,
    predict: Predict | None = None,
    scales: Mapping[str, float] | None = None,
    threshold: float = ACTIVE_THRESHOLD,
    seed: int = 0,
) -> tuple[Intervention, ...]:
    """Change each latent that is not dead, by itself, and see what follows.

    Args:
        model: what the codes come from, or its function from codes to data.
        codes: held-out codes.
        factors: `explain` of them.
        measure: attributes of outputs; none are measured without it.
        predict: a classifier of outputs, best one that was trained on data; none is asked without it.
        scales: standard deviation of each attribute within a class, best `within_class_spread` of those of the data;
            default: of what unchanged codes are decoded to.
        threshold: a latent is active where its active_probs are above it.
        seed: of the samples, and of the values that are given.

    Returns:
        In the order of ``factors``. Intervals are of other samples, 95 % each, not corrected for their number; those of
        probabilities err on the wide side (`cospike.intervals.bounded_mean_interval`).

    Raises:
        InputError: if the factors are of other codes, or ``measure`` or ``predict`` gives something else than asked.

    >>> labels = np.repeat([0, 1], 50)
    >>> codes = Codes.from_values(np.eye(2)[labels] * np.random.default_rng(0).uniform(1, 2, (100, 1)), labels)
    >>> from cospike.factors import explain
    >>> found = intervene(lambda z: z, codes, explain(None, codes), measure=lambda x: {"first": x[:, 0]})
    >>> found[0].latent, found[0].changes[0].on.value > 1, found[1].changes[0].on.value
    (0, True, 0.0)
    """
    _check(codes, factors, measure, predict, scales, threshold)
    living = [factor for factor in factors if factor.kind != "dead"]
    if any(factor.latent >= codes.n_latents for factor in factors):
        raise InputError(
            f"'factors' of intervene must be of the {codes.n_latents} latents of codes. Explain these codes."
        )
    if not living:
        return ()
    scene = Scene(decoder_of(model), codes, codes.values(codes.active(threshold)), uses(codes, threshold), seed)
    found = [Intervention(factor.latent, (), *[UNKNOWN] * 4) for factor in living]
    if predict is not None and codes.class_counts().any():
        verdicts = judge(scene, [one.latent for one in found], predict)
        found = [replace(one, **verdict._asdict()) for one, verdict in zip(found, verdicts, strict=True)]
    if measure is not None:
        changes = _changes(scene, living, measure, scales)
        found = [replace(one, changes=changes[one.latent]) for one in found]
    return tuple(found)


def within_class_spread(values: Real[np.ndarray, " sample"], labels: Labels) -> float:
    """Standard deviation of the known values about the mean of their class; NaN if no class has two."""
    known = np.isfinite(values)
    groups = [values[known & (labels == label)].astype(float) for label in np.unique(labels[known])]
    degrees = sum(len(group) - 1 for group in groups)
    squares = sum(float(np.square(group - group.mean()).sum()) for group in groups)
    return (squares / degrees) ** 0.5 if degrees > 0 else float("nan")


def _changes(
    scene: Scene, factors: Sequence[Factor], measure: Measure, scales: Mapping[str, float] | None
) -> dict[int, tuple[AttributeChange, ...]]:
    """In few calls of ``measure``: it may divide what it is given between processes."""
    rows = {factor.latent: _active_rows(scene, factor.latent) for factor in factors}
    width = scene.decode(scene.z[:1])[0].size
    each = max(1, _VALUES_AT_ONCE // (4 * N_SAMPLES * width))
    blocks: dict[int, dict[str, Float[np.ndarray, "setting row"]]] = {}
    for start in range(0, len(factors), each):
        group = factors[start : start + each]
        z = [
            scene.with_latent(rows[factor.latent], factor.latent, value)
            for factor in group
            for value in (scene.z[rows[factor.latent], factor.latent], 0.0, factor.low, factor.high)
        ]
        measured = _measured(measure, scene.decode(np.concatenate(z)))
        ends = np.cumsum([4 * len(rows[factor.latent]) for factor in group])[:-1]
        parts = {name: np.split(values, ends) for name, values in measured.items()}
        for i, factor in enumerate(group):
            blocks[factor.latent] = {name: part[i].reshape(4, -1) for name, part in parts.items()}
    if scales is None:
        plain = balanced_rows(scene)
        measured = _measured(measure, scene.decode(scene.z[plain]))
        scales = {name: within_class_spread(x, scene.codes.labels[plain]) for name, x in measured.items()}
    changes = {}
    for latent, block in blocks.items():
        found = [
            AttributeChange(name, mean_interval(on - off), mean_interval(high - low), scales.get(name, float("nan")))
            for name, (on, off, low, high) in block.items()
        ]
        changes[latent] = tuple(sorted(found, key=lambda change: -change.size))
    return changes


def _active_rows(scene: Scene, latent: int) -> Int[np.ndarray, " row"]:
    """Some samples in which a latent is active: of the classes that use it, if any does."""
    active = scene.z[:, latent] != 0
    own = active & scene.own(latent)
    rows = np.flatnonzero(own if own.any() else active)
    return np.random.default_rng((scene.seed, latent)).permutation(rows)[:N_SAMPLES]


def _check(
    codes: Codes,
    factors: Sequence[Factor],
    measure: Measure | None,
    predict: Predict | None,
    scales: Mapping[str, float] | None,
    threshold: float,
) -> None:
    of = "intervene"
    check_codes(codes, of)
    fix = "Give explain(model, codes)."
    check_type(factors, Iterable, "factors", of, "factors of these codes", fix)
    for factor in factors:
        check_type(factor, Factor, "factors", of, "factors of these codes", fix)
    if measure is not None:
        check_function(measure, "measure", of, "Give measure_attributes, or lambda x: {name: numbers}.")
    if predict is not None:
        check_function(predict, "predict", of, "Give a function such as predict_proba.")
    check_type(scales, (Mapping, NoneType), "scales", of, "numbers by the name of an attribute", "Give a dict.")
    check_number(threshold, "threshold", of)


def _measured(measure: Measure, x: Float[np.ndarray, "row *event"]) -> dict[str, Float[np.ndarray, " row"]]:
    found = measure(x)
    if not isinstance(found, Mapping):
        raise InputError(
            f"'measure' of intervene must give numbers by the name of an attribute, got {type(found).__name__}. "
            'Return {"name": array}.'
        )
    measured = {name: np.asarray(values, dtype=float) for name, values in found.items()}
    for name, values in measured.items():
        if values.shape != x.shape[:1]:
            raise InputError(
                f"'measure' of intervene must give a number for each of {len(x)} outputs, got shape {values.shape} "
                f"for {name!r}."
            )
    return measured
