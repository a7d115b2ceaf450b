"""`measure_recovery()` and `support_f1()`: codes against the causes that made the data. Arrays only.

How well latent i tells cause c in class y is the R² of a cubic polynomial, held out: fitted on one half of the
samples of the class, scored on the other. Its argument is the latent's value where it is active and 0 elsewhere,
since a latent that is off tells nothing of a cause; a cubic, since a latent may code a cause on a bent scale. R² is
taken within a class, so that telling the classes apart earns nothing, and no less than 0.

A cause is recovered by a latent of the *right kind* (`cospike.kinds.latent_kinds`): a copy of a global cause in
every class, or a latent that serves another purpose in every class, explains much and has understood nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped
from scipy.optimize import linear_sum_assignment

from cospike._errors import InputError
from cospike.codes import ACTIVE_THRESHOLD, Codes
from cospike.kinds import GLOBAL_KINDS, latent_kinds, uses
from cospike.synthetic import Cause

RECOVERED = 0.75
"""R² from which a cause counts as recovered."""

EXPLAINED = 0.25
"""R², in some class, from which a latent counts as telling a cause."""

_RIGHT_KINDS = {"global": GLOBAL_KINDS, "group": ("group",), "class-specific": ("class-specific",)}
_MIN_SAMPLES = 20


@dataclass(frozen=True)
class RecoveredCause:
    """The latent that tells a cause best.

    Attributes:
        cause: its name.
        kind: its kind.
        latent: the best latent of the same kind; None if there is no such latent.
        r2: its held-out R² within a class, mean over the classes that the cause concerns, 0 … 1.
        any_latent: the best latent of any kind.
        any_r2: its R².
    """

    cause: str
    kind: str
    latent: int | None
    r2: float
    any_latent: int
    any_r2: float


@dataclass(frozen=True)
class ExplainedLatent:
    """The cause that a latent tells best.

    Attributes:
        latent: its index.
        kind: its kind, one of `latent_kinds`.
        cause: the cause with the highest R², mean over the classes that use the latent (over all, if none does).
        r2: that R², 0 … 1.
        right_kind: whether the cause is of the latent's kind. None, undecided, if its R² is below `EXPLAINED` for
            every cause in every class, or its kind (occasional, dead) claims nothing.
    """

    latent: int
    kind: str
    cause: str
    r2: float
    right_kind: bool | None


@dataclass(frozen=True)
class Recovery:
    """What `measure_recovery` found, from both sides: a row a cause, and a row a latent."""

    causes: tuple[RecoveredCause, ...]
    latents: tuple[ExplainedLatent, ...]

    @property
    def recovered(self) -> float:
        """Share of the causes with a latent of the right kind and an R² of at least `RECOVERED`; higher is better."""
        return float(np.mean([row.r2 >= RECOVERED for row in self.causes]))

    @property
    def wrong_kind(self) -> float:
        """Share of the decided latents whose kind is not that of their cause; lower is better, NaN if none is decided.

        Read it beside `recovered`: a code that tells nothing is never wrong.
        """
        decided = [not row.right_kind for row in self.latents if row.right_kind is not None]
        return float(np.mean(decided)) if decided else float("nan")


def measure_recovery(
    codes: Codes, causes: Sequence[Cause], *, threshold: float = ACTIVE_THRESHOLD, seed: int = 0
) -> Recovery:
    """Judge codes against known causes.

    Args:
        codes: held-out codes; their labels name the class that each sample was made from, so the true ones.
        causes: what varied in the same samples, in the same order.
        threshold: a latent is active where its active_probs are above it.
        seed: of the halves.

    Raises:
        InputError: if there are no causes, they are of other samples, or a class that one concerns has fewer than 20.

    >>> rng = np.random.default_rng(0)
    >>> values, labels = rng.normal(size=40), np.repeat([0, 1], 20)
    >>> codes = Codes(
    ...     active_probs=np.ones((40, 1)), slab_loc=values[:, None] ** 3, slab_scale=np.ones((40, 1)),
    ...     labels=labels, class_names=("a", "b"), prior_probs=np.full(1, 0.5),
    ... )
    >>> measure_recovery(codes, [Cause("size", "global", (0, 1), values)]).causes[0].latent
    0
    """
    scores = _score(codes, causes, threshold, seed)
    kinds = latent_kinds(codes, threshold)
    return Recovery(
        causes=tuple(_recovered(cause, scores[:, :, k], kinds) for k, cause in enumerate(causes)),
        latents=_explained(codes, causes, scores, threshold),
    )


def support_f1(codes: Codes, z: Float[np.ndarray, "sample true"], *, threshold: float = ACTIVE_THRESHOLD) -> float:
    """How well the active sets are those of the true code: F1, 0 … 1, pooled over samples and latents.

    Latents are matched one to one with the columns of ``z`` so that the score is highest. What is active in a latent
    without a partner counts as false, so that copies cost; what is ≠ 0 in a column without one counts as missed.

    Args:
        codes: what is judged.
        z: the true code of the same samples, exactly 0 where a latent is off.
        threshold: a latent is active where its active_probs are above it.

    Raises:
        InputError: if the samples are not the same, or nothing is ≠ 0 in ``z``.
    """
    if len(z) != len(codes) or not z.any():
        raise InputError(
            f"'z' of support_f1 must be the code of the {len(codes)} samples of codes, not all 0, got {len(z)} rows of "
            f"which {np.count_nonzero(z.any(axis=1))} are not all 0. Give the z of the encoded samples."
        )
    active, truth = codes.active(threshold), z != 0
    together = active.T.astype(float) @ truth.astype(float)  # [latent, true], and F1 = 2 together / (active + truth)
    matched = together[linear_sum_assignment(together, maximize=True)].sum()
    return float(2 * matched / (active.sum() + truth.sum()))


def _score(
    codes: Codes, causes: Sequence[Cause], threshold: float, seed: int
) -> Float[np.ndarray, "class latent cause"]:
    """R² of each cause from each latent in each class; 0 where the cause does not act."""
    _check(codes, causes)
    values, rng = codes.values(codes.active(threshold)), np.random.default_rng(seed)
    scores = np.zeros((codes.n_classes, codes.n_latents, len(causes)))
    for label in range(codes.n_classes):
        acting = [k for k, cause in enumerate(causes) if label in cause.classes]
        rows = rng.permutation(np.flatnonzero(codes.labels == label))
        if acting:
            targets = np.stack([causes[k].values[rows] for k in acting], axis=1)
            for latent in range(codes.n_latents):
                scores[label, latent, acting] = _held_out_r2(values[rows, latent], targets)
    return scores


def _held_out_r2(x: Float[np.ndarray, " row"], targets: Float[np.ndarray, "row cause"]) -> Float[np.ndarray, " cause"]:
    """R² ≥ 0 of cubic polynomials of ``x``, fitted on the first half of the rows and scored on the second."""
    half = len(x) // 2
    low, high = x[:half].min(), x[:half].max()
    if low == high:
        return np.zeros(targets.shape[1])
    scaled = np.clip(2 * (x - low) / (high - low) - 1, -1, 1)  # beyond what was fitted, a cubic runs away
    powers = np.polynomial.chebyshev.chebvander(scaled, 3)
    weights = np.linalg.lstsq(powers[:half], targets[:half], rcond=None)[0]
    held_out = targets[half:]
    error = np.square(held_out - powers[half:] @ weights).sum(axis=0)
    spread = np.square(held_out - held_out.mean(axis=0)).sum(axis=0)
    return np.asarray(np.clip(1 - np.divide(error, spread, out=np.ones_like(error), where=spread > 0), 0, 1))


def _recovered(
    cause: Cause, scores: Float[np.ndarray, "class latent"], kinds: Shaped[np.ndarray, " latent"]
) -> RecoveredCause:
    r2 = scores[list(cause.classes)].mean(axis=0)
    right = np.flatnonzero(np.isin(kinds, _RIGHT_KINDS[cause.kind]))
    best, any_best = right[np.argmax(r2[right])] if len(right) else None, np.argmax(r2)
    return RecoveredCause(
        cause=cause.name,
        kind=cause.kind,
        latent=None if best is None else int(best),
        r2=0.0 if best is None else float(r2[best]),
        any_latent=int(any_best),
        any_r2=float(r2[any_best]),
    )


def _explained(
    codes: Codes, causes: Sequence[Cause], scores: Float[np.ndarray, "class latent cause"], threshold: float
) -> tuple[ExplainedLatent, ...]:
    used, kinds = uses(codes, threshold), latent_kinds(codes, threshold)
    rows = []
    for latent, kind in enumerate(kinds):
        classes = used[:, latent] if used[:, latent].any() else codes.class_counts() > 0
        r2 = scores[classes, latent].mean(axis=0)
        cause = causes[int(np.argmax(r2))]
        decided = kind not in ("occasional", "dead") and scores[classes, latent].max() >= EXPLAINED
        right = bool(kind in _RIGHT_KINDS[cause.kind]) if decided else None
        rows.append(ExplainedLatent(latent, str(kind), cause.name, float(r2.max()), right))
    return tuple(rows)


def _check(codes: Codes, causes: Sequence[Cause]) -> None:
    if not causes:
        raise InputError("'causes' of measure_recovery must be one or more, got none. Give those of the samples.")
    for cause in causes:
        samples = np.isin(codes.labels, cause.classes)
        if len(cause.values) != len(codes) or not np.isfinite(cause.values[samples]).all():
            raise InputError(
                f"'causes' of measure_recovery must be those of the {len(codes)} samples of codes, with a value where "
                f"they act, got {len(cause.values)} of {cause.name!r}, or gaps. Encode with the true labels."
            )
        if (fewest := min(np.sum(codes.labels == label) for label in cause.classes)) < _MIN_SAMPLES:
            raise InputError(
                f"'codes' of measure_recovery must have {_MIN_SAMPLES} samples of each class that {cause.name!r} "
                f"concerns, got {fewest}. Draw more samples."
            )
