"""Classes as a family: how much they share their latents, and whether some share more than others do. Arrays only.

Two classes share Σ min / Σ max of their patterns, the mean active_probs (a weighted Jaccard index). Global latents are
left out of a test, as what all classes share makes no family, and so are dead ones: many that nobody uses, each with a
probability of a percent in all classes, would add up to something shared.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from cospike._errors import InputError, check_number, did_you_mean
from cospike.codes import Codes, check_codes
from cospike.intervals import Estimate
from cospike.kinds import GLOBAL_KINDS, latent_kinds

_MAX_GROUPS = 2_000


@dataclass(frozen=True)
class Sharing:
    """Whether a group of classes shares latents among itself that it does not share with the rest.

    Attributes:
        group: the classes.
        inside: mean overlap of two of them, 0 … 1.
        outside: mean overlap of one of them and one of the rest.
        excess: inside − outside; its interval is that of other samples (basic bootstrap).
        p_value: the share of all groups of as many classes (of this one and 2,000 drawn, if there are more) whose
            excess is as large: what chance has to say about the choice of the group. Of few classes it cannot be
            small: a pair of four classes has a p of at least 1/6.
        gain: the excess less that of the baseline, on the same samples and the same resamples; None without one.
    """

    group: tuple[str, ...]
    inside: float
    outside: float
    excess: Estimate
    p_value: float
    gain: Estimate | None = None


def class_overlap(codes: Codes) -> Float[np.ndarray, "class class"]:
    """How much two classes share their latents: Σ min / Σ max of their mean active_probs (weighted Jaccard), 0 … 1.

    Two classes that use nothing, or have no samples, share nothing: 0.
    """
    return _overlap(np.nan_to_num(codes.class_means()))


def class_tree(overlap: Float[np.ndarray, "class class"]) -> Float[np.ndarray, "branch 4"]:
    """Classes joined by average linkage on 1 − overlap, as `scipy.cluster.hierarchy` has it; of two classes or more."""
    distances = squareform(np.maximum(1 - (overlap + overlap.T) / 2, 0), checks=False)
    return np.asarray(linkage(distances, method="average", optimal_ordering=True))


def find_groups(codes: Codes, *, n_groups: int = 3, least: float = 0.1) -> tuple[tuple[str, ...], ...]:
    """Groups of classes that share latents which the rest does not, to be tested on other samples.

    Branches of `class_tree`, global latents aside, by their excess (see `Sharing`): the largest first, none of them
    within another. Found and tested on one set of samples, noise that looks like sharing is taken for it twice:
    find them in training codes, and call `group_sharing` with held-out ones.

    Args:
        codes: of training samples.
        n_groups: how many groups at most.
        least: the excess from which a branch is worth a name.

    Returns:
        The names of each group; none of fewer than three classes.
    """
    check_codes(codes, "find_groups")
    check_number(n_groups, "n_groups", "find_groups", whole=True)
    check_number(least, "least", "find_groups")
    present = np.flatnonzero(codes.class_counts())
    if len(present) < 3:
        return ()
    overlap = _overlap(_Patterns.of(codes, present).means)
    branches = list(np.eye(len(present), dtype=bool))
    for a, b in class_tree(overlap)[:-1, :2].astype(int):  # the last one joins all
        branches.append(branches[a] | branches[b])
    ranked = sorted(branches[len(present) :], key=lambda inside: -_excess(overlap, inside))
    found: list[Bool[np.ndarray, " class"]] = []
    for inside in ranked:
        if (
            len(found) < n_groups
            and _excess(overlap, inside) >= least
            and not any((inside & one).any() for one in found)
        ):
            found.append(inside)
    return tuple(tuple(codes.class_names[label] for label in present[inside]) for inside in found)


def group_sharing(
    codes: Codes, group: Sequence[str], *, baseline: Codes | None = None, n_bootstrap: int = 1_000, seed: int = 0
) -> Sharing:
    """Whether a group of classes, named before anyone looked at these codes, shares more than chance.

    Of a group that `find_groups` found in the codes of other samples, the interval is fair and the p-value is not: it
    was chosen among all groups, by the same model.

    Args:
        codes: held-out codes.
        group: names of at least two classes, and at most all but one.
        baseline: codes of the same samples by another model, such as plain VSC.
        n_bootstrap: resamples of the samples, within each class.
        seed: of resamples, and of groups where there are too many to visit.

    Raises:
        InputError: for an unknown class or one without samples, too few or all of them, or other samples.

    >>> labels = np.repeat([0, 1, 2, 3], 50)
    >>> patterns = np.array([[1.0, 1, 0, 0], [1.0, 0, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1]])
    >>> codes = Codes(
    ...     active_probs=patterns[labels], slab_loc=np.ones((200, 4)), slab_scale=np.ones((200, 4)), labels=labels,
    ...     class_names=("sandal", "boot", "shirt", "coat"), prior_probs=np.full(4, 0.1),
    ... )
    >>> found = group_sharing(codes, ("sandal", "boot"))
    >>> round(found.inside, 3), round(found.outside, 3), round(found.p_value, 3)
    (0.333, 0.083, 0.333)
    """
    check_codes(codes, "group_sharing")
    if baseline is not None:
        check_codes(baseline, "group_sharing", "baseline")
    check_number(n_bootstrap, "n_bootstrap", "group_sharing", whole=True)
    if n_bootstrap < 2:
        raise InputError(f"'n_bootstrap' of group_sharing must be at least 2, got {n_bootstrap}. Try 1000.")
    present = np.flatnonzero(codes.class_counts())
    inside = _members(codes, group, present)[present]
    if baseline is not None and not (
        np.array_equal(baseline.labels, codes.labels) and baseline.class_names == codes.class_names
    ):
        raise InputError(
            f"'baseline' of group_sharing must code the same {len(codes)} samples as codes, got {len(baseline)} "
            "or other labels or class names. Encode one split with both models."
        )
    mine, theirs = (None if one is None else _Patterns.of(one, present) for one in (codes, baseline))
    assert mine is not None
    overlap = _overlap(mine.means)
    excess = _excess(overlap, inside)
    chance = np.array([_excess(overlap, other) for other in _groups(inside, seed)])
    drawn = mine.bootstrap(inside, n_bootstrap, seed)
    gain = None
    if theirs is not None:
        difference = excess - _excess(_overlap(theirs.means), inside)
        gain = _estimate(difference, drawn - theirs.bootstrap(inside, n_bootstrap, seed))
    pairs = _pairs(inside)
    return Sharing(
        group=tuple(codes.class_names[label] for label in present[inside]),
        inside=float(overlap[pairs[0]].mean()),
        outside=float(overlap[pairs[1]].mean()),
        excess=_estimate(excess, drawn),
        p_value=float(np.mean(chance >= excess - 1e-12)),
        gain=gain,
    )


@dataclass(frozen=True)
class _Patterns:
    """The active_probs of each class that has samples, without the global and the dead latents."""

    by_class: tuple[Float[np.ndarray, "_ latent"], ...]  # of as many samples as each class has

    @classmethod
    def of(cls, codes: Codes, present: Int[np.ndarray, " class"]) -> "_Patterns":
        specific = codes.active_probs[:, ~np.isin(latent_kinds(codes), (*GLOBAL_KINDS, "dead"))]
        return cls(tuple(specific[codes.labels == label] for label in present))

    @property
    def means(self) -> Float[np.ndarray, "class latent"]:
        return np.stack([rows.mean(axis=0) for rows in self.by_class])

    def bootstrap(self, inside: Bool[np.ndarray, " class"], n: int, seed: int) -> Float[np.ndarray, " resample"]:
        """The excess in resamples of each class: how often a row is drawn is multinomial."""
        rng = np.random.default_rng(seed)
        means = []
        for rows in self.by_class:
            weights = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=n)
            means.append(weights @ rows / len(rows))
        return np.array([_excess(_overlap(np.stack(patterns)), inside) for patterns in zip(*means, strict=True)])


def _members(codes: Codes, group: Sequence[str], present: Int[np.ndarray, " class"]) -> Bool[np.ndarray, " class"]:
    if len(present) < 3:
        raise InputError(
            f"'codes' of group_sharing must have at least three classes with samples, got {len(present)}. "
            "A group needs classes beside it to be compared with."
        )
    if isinstance(group, str) or not isinstance(group, Iterable) or not all(isinstance(name, str) for name in group):
        names = ", ".join(codes.class_names[:2])
        got = " ".join(repr(group)[:60].split())
        raise InputError(f"'group' of group_sharing must be names of classes, got {got}. Try ({names}).")
    for name in group:
        if name not in codes.class_names:
            raise InputError(f"Unknown class {name!r} in 'group'. {did_you_mean(name, codes.class_names)}")
    members = np.isin(codes.class_names, list(group))
    if not 2 <= members.sum() < len(present) or not np.isin(np.flatnonzero(members), present).all():
        raise InputError(
            f"'group' of group_sharing must be 2 … {len(present) - 1} of the {len(present)} classes that have samples, "
            f"got {', '.join(group) or 'none'}. A group needs classes beside it to be compared with."
        )
    return members


def _groups(inside: Bool[np.ndarray, " class"], seed: int) -> Iterator[Bool[np.ndarray, " class"]]:
    """Every group of as many classes; or the group itself, so that no p-value is 0, and as many as can be visited."""
    n_classes, size = len(inside), int(inside.sum())
    if comb(n_classes, size) <= _MAX_GROUPS:
        for group in combinations(range(n_classes), size):
            yield np.isin(np.arange(n_classes), group)
    else:
        yield inside
        rng = np.random.default_rng((seed, 1))
        for _ in range(_MAX_GROUPS):
            yield np.isin(np.arange(n_classes), rng.choice(n_classes, size, replace=False))


def _overlap(means: Float[np.ndarray, "class latent"]) -> Float[np.ndarray, "class class"]:
    shared = np.stack([np.minimum(row, means).sum(1) for row in means])
    either = np.stack([np.maximum(row, means).sum(1) for row in means])
    return np.asarray(np.divide(shared, either, out=np.zeros_like(shared), where=either > 0))


def _pairs(
    inside: Bool[np.ndarray, " class"],
) -> tuple[Bool[np.ndarray, "class class"], Bool[np.ndarray, "class class"]]:
    """Pairs of two members, and of a member with one of the rest."""
    return np.outer(inside, inside) & ~np.eye(len(inside), dtype=bool), np.outer(inside, ~inside)


def _excess(overlap: Float[np.ndarray, "class class"], inside: Bool[np.ndarray, " class"]) -> float:
    both, one = _pairs(inside)
    return float(overlap[both].mean() - overlap[one].mean())


def _estimate(value: float, drawn: Float[np.ndarray, " resample"]) -> Estimate:
    """The basic bootstrap: noise biases min and max in resamples as in samples, and that cancels.

    All but where the patterns of two classes are one and the same: then a 95 % interval covers nine times in ten.
    """
    low, high = 2 * value - np.quantile(drawn, (0.975, 0.025))
    return Estimate(value, float(low), float(high))
