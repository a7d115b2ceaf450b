"""`intervene()`: what a latent does, found by doing it. Arrays only.

A correlation of a latent with an attribute says that they vary together; here the latent alone is changed, and what was
decoded before and after is compared. It is switched off in samples where it is active; it runs over the range that its
classes show; and samples of other classes that lack it are given a value of it. Attributes are measured on what comes
out, and a classifier that never saw a code judges it: *targeted* is a latent without which samples of its own classes
are no longer taken for what they are, and those of other classes still are (after Karvonen et al., *Evaluating Sparse
Autoencoders on Targeted Concept Erasure Tasks*, arXiv 2411.18895, where the latents of a concept are ablated together).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from cospike._errors import InputError
from cospike._types import UNLABELLED, Labels
from cospike.associations import WORTH_A_NAME
from cospike.codes import ACTIVE_THRESHOLD, Codes
from cospike.decoding import Decode, HasDecoder, decoder_of
from cospike.factors import Factor
from cospike.intervals import UNKNOWN, Estimate, bounded_mean_interval, difference, mean_interval
from cospike.kinds import uses
from cospike.splits import in_turns

Measure: TypeAlias = Callable[[Float[np.ndarray, "sample *event"]], Mapping[str, Real[np.ndarray, " sample"]]]
"""From observations to attributes by name, as `cospike.measure_attributes`."""

Predict: TypeAlias = Callable[[Float[np.ndarray, "sample *event"]], Float[np.ndarray, "sample class"]]
"""From observations to P(class), in the order of the codes' class names."""

N_SAMPLES = 32
"""Samples of a latent on whose outputs attributes are measured."""

N_BALANCED = 500
"""Samples on whose outputs the classifier is asked, the classes as equally as can be."""

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
    """

    latent: int
    changes: tuple[AttributeChange, ...]
    loss: Estimate
    other_loss: Estimate
    targeted: Estimate
    given: Estimate

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
    living = [factor for factor in factors if factor.kind != "dead"]
    if any(factor.latent >= codes.n_latents for factor in factors):
        raise InputError(
            f"'factors' of intervene must be of the {codes.n_latents} latents of codes. Explain these codes."
        )
    if not living:
        return ()
    scene = _Scene(decoder_of(model), codes, codes.values(codes.active(threshold)), uses(codes, threshold), seed)
    found = [Intervention(factor.latent, (), *[UNKNOWN] * 4) for factor in living]
    if predict is not None and codes.class_counts().any():
        found = list(_judged(scene, found, predict))
    if measure is not None:
        changes = _changes(scene, living, measure, scales)
        found = [replace(one, changes=changes[one.latent]) for one in found]
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Scene:
    """What all start from."""

    decode: Decode
    codes: Codes
    z: Float[np.ndarray, "sample latent"]
    used: Bool[np.ndarray, "class latent"]
    seed: int

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


def within_class_spread(values: Real[np.ndarray, " sample"], labels: Labels) -> float:
    """Standard deviation of the known values about the mean of their class; NaN if no class has two."""
    known = np.isfinite(values)
    groups = [values[known & (labels == label)].astype(float) for label in np.unique(labels[known])]
    degrees = sum(len(group) - 1 for group in groups)
    squares = sum(float(np.square(group - group.mean()).sum()) for group in groups)
    return (squares / degrees) ** 0.5 if degrees > 0 else float("nan")


def _changes(
    scene: _Scene, factors: Sequence[Factor], measure: Measure, scales: Mapping[str, float] | None
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
        plain = _balanced_rows(scene)
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


def _active_rows(scene: _Scene, latent: int) -> Int[np.ndarray, " row"]:
    """Some samples in which a latent is active: of the classes that use it, if any does."""
    active = scene.z[:, latent] != 0
    own = active & scene.own(latent)
    rows = np.flatnonzero(own if own.any() else active)
    return np.random.default_rng((scene.seed, latent)).permutation(rows)[:N_SAMPLES]


def _judged(scene: _Scene, found: Sequence[Intervention], predict: Predict) -> Iterator[Intervention]:
    rows = _balanced_rows(scene)
    labels, z = scene.codes.labels[rows], scene.z[rows]
    before = _predicted(scene, predict, z)
    truth = np.arange(len(rows)), labels
    rng = np.random.default_rng((scene.seed, 1))
    for one in found:
        owners = scene.used[:, one.latent]
        own = owners[labels]
        active = z[:, one.latent] != 0
        lacks = ~own & ~active
        lost = np.zeros(len(rows))  # where it is off already, switching it off changes nothing
        if active.any():
            off = _predicted(scene, predict, scene.with_latent(rows[active], one.latent, 0.0))
            lost[active] = before[truth][active] - off[np.arange(len(off)), labels[active]]
        loss, other_loss = bounded_mean_interval(lost[own]), bounded_mean_interval(lost[~own])
        yield replace(
            one,
            loss=loss,
            other_loss=other_loss,
            targeted=difference(loss, other_loss),
            given=_given(scene, predict, rows[lacks], before[lacks], one.latent, owners, rng),
        )


def _given(
    scene: _Scene,
    predict: Predict,
    rows: Int[np.ndarray, " row"],
    before: Float[np.ndarray, "row class"],
    latent: int,
    owners: Bool[np.ndarray, " class"],
    rng: np.random.Generator,
) -> Estimate:
    values = scene.z[(scene.z[:, latent] != 0) & scene.own(latent), latent]
    if not len(rows) or not len(values):
        return UNKNOWN
    after = _predicted(scene, predict, scene.with_latent(rows, latent, rng.choice(values, len(rows))))
    return bounded_mean_interval(np.clip((after - before)[:, owners].sum(axis=1), -1, 1))


def _balanced_rows(scene: _Scene) -> Int[np.ndarray, " row"]:
    """Labelled samples, if there are any, the classes as equally as can be."""
    labels = scene.codes.labels
    rows = np.flatnonzero(labels != UNLABELLED) if scene.codes.class_counts().any() else np.arange(len(labels))
    return np.sort(rows[in_turns(labels[rows], np.random.default_rng(scene.seed))[:N_BALANCED]])


def _predicted(scene: _Scene, predict: Predict, z: Float[np.ndarray, "row latent"]) -> Float[np.ndarray, "row class"]:
    probs = np.asarray(predict(scene.decode(z)), dtype=float)
    if probs.shape != (len(z), scene.codes.n_classes) or not ((probs >= 0) & (probs <= 1)).all():
        raise InputError(
            f"'predict' of intervene must give P(class) [{len(z)}, {scene.codes.n_classes}], each in 0 … 1, got shape "
            f"{probs.shape}, from {probs.min(initial=np.inf):.3g} to {probs.max(initial=-np.inf):.3g}. Order its "
            "columns as the class names of codes."
        )
    return probs


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
