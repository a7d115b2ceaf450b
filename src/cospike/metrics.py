"""`measure()`: how well codes agree within a class, differ between classes, and what their pattern tells.

Arrays only. `DEFINITIONS` says what each number is. The spike information is the split

    E_x KL(γ_x ‖ α) = E_x KL(γ_x ‖ γ̄_y) + E_y KL(γ̄_y ‖ γ̄) + KL(γ̄ ‖ α) = within + between + sparsity

with γ active_probs, γ̄_y their mean over a class and γ̄ over all samples. ``_specific`` leaves the global latents
out: shared by all, they agree without saying anything of a class. ``_exact`` draws the spikes from active_probs: a γ
of .49 is never active by the threshold, and half the time in truth. Read none alone: a constant code agrees fully.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, SupportsFloat, TypeAlias, get_args

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import entr, rel_entr

from cospike import probes
from cospike._errors import InputError, check_number
from cospike._types import UNLABELLED, Labels
from cospike.codes import ACTIVE_THRESHOLD, Codes, check_codes
from cospike.kinds import GLOBAL_KINDS, OWN_KINDS, latent_kinds, uses

N_PAIRS, PROBE_ROWS = 200_000, 10_000
K_LATENTS = {"probe_1_latent": 1, "probe_2_latents": 2, "probe_5_latents": 5}
N_LABELS = {f"probe_{n}_labels": n for n in (10, 100, 1000)}

Direction: TypeAlias = Literal["higher", "lower", "neither"]
_PAIRS = f"{N_PAIRS:,} pairs (a sample drawn from all, then its partner)"
_JACCARD = f"mean Jaccard index (two empty sets: 0) of the active sets ({{active}}), {_PAIRS}, of two samples of"
_USED = "(mean active_probs of the class > {threshold:g})"
_SPLIT = "plug-in, labelled samples, sum over latents:"
_FITTED = f"first {PROBE_ROWS:,} labelled training rows"
_PROBE = f"accuracy of a logistic regression (standardised, C = 1, {_FITTED})"
_ON_CODES = "on codes, 0 where not active ({active})"

DEFINITIONS: dict[str, tuple[str, Direction, str]] = {
    "jaccard_within": ("fraction", "higher", f"{_JACCARD} one class"),
    "jaccard_between": ("fraction", "lower", f"{_JACCARD} different classes"),
    "consistency_gap": ("fraction", "higher", "jaccard_within - jaccard_between ({active})"),
    "n_global": ("latents", "neither", f"latents used by at least 80 % of classes {_USED}"),
    "n_group": ("latents", "neither", f"latents used by several classes, fewer than 80 % {_USED}"),
    "n_class_specific": ("latents", "neither", f"latents used by exactly one class {_USED}"),
    "classes_with_own": ("classes", "higher", f"classes that use a group or class-specific latent {_USED}"),
    "latents_in_use": ("latents", "neither", "latents active ({active}) in more than 1 % of samples"),
    "active_per_sample": ("latents", "neither", "mean number of active latents ({active})"),
    "n_always_on": ("latents", "neither", "latents active ({active}) in at least 99 % of samples"),
    "n_dead": ("latents", "neither", "latents active ({active}) in no sample"),
    "use_entropy": (
        "fraction",
        "neither",
        "entropy of use over latents ({active}), as a share of ln of their number; 1: all alike",
    ),
    "hoyer": (
        "fraction",
        "neither",
        "(√d - ‖z‖₁ / ‖z‖₂) / (√d - 1) of codes, 0 where not active ({active}), mean over samples with an active "
        "latent; 1: one of d latents, 0: all alike",
    ),
    "within": ("nats", "lower", f"{_SPLIT} mean KL of active_probs to their class mean"),
    "between": ("nats", "neither", f"{_SPLIT} mean KL of the class mean to the overall mean"),
    "sparsity": ("nats", "neither", f"{_SPLIT} KL of the overall mean to the prior"),
    "pairwise_jsd_within": ("nats", "lower", f"Jensen-Shannon divergence in a class, mean over latents and {_PAIRS}"),
    "probe_active_probs": ("fraction", "higher", f"{_PROBE} on {{probs}}"),
    "probe_codes": ("fraction", "higher", f"{_PROBE} {_ON_CODES}"),
    "probe_neighbours": (
        "fraction",
        "higher",
        f"accuracy of the {probes.N_NEIGHBOURS} nearest neighbours ({_FITTED}) {_ON_CODES}",
    ),
    **{
        name: (
            "fraction",
            "higher",
            f"balanced accuracy of telling a class from the rest by the {k} latents that differ most, mean over "
            f"classes, by logistic regression (equal weights, {_FITTED}); chance: 0.5; {_ON_CODES}",
        )
        for name, k in K_LATENTS.items()
    },
    **{
        name: (
            "fraction",
            "higher",
            f"accuracy of a logistic regression (standardised, C = 1) fitted on {n} training rows, the classes as "
            f"equal as can be; mean of {probes.N_DRAWS} draws of the rows, stderr over the draws; {_ON_CODES}",
        )
        for name, n in N_LABELS.items()
    },
}
"""Unit, better direction and definition of every measure; a suffixed name has those of its stem."""


@dataclass(frozen=True)
class Measurement:
    """One number, its unit, which way is better, how it was computed, and, of drawn pairs, its standard error."""

    value: float
    unit: str
    direction: Direction
    how: str
    stderr: float | None = None


def parse_measurements(stored: Mapping[str, Mapping[str, Any]]) -> dict[str, Measurement]:
    """Measurements from plain values, such as those of JSON.

    Raises ValueError if one has no number, text or known direction; TypeError or AttributeError for other things.
    """
    metrics = {name: Measurement(**entry) for name, entry in stored.items()}
    for name, one in metrics.items():
        typed = map(isinstance, (one.value, one.stderr, one.unit + one.how), (int | float, int | float | None, str))
        if not all(typed) or one.direction not in get_args(Direction):
            raise ValueError(f"{name} has no number or no known direction")
    return metrics


_Estimate: TypeAlias = SupportsFloat | tuple[float, float]  # a value, or a mean over pairs with its error


def measure(
    codes: Codes, *, train: Codes | None = None, threshold: float = ACTIVE_THRESHOLD, seed: int = 0
) -> dict[str, Measurement]:
    """Every measure of `DEFINITIONS` that ``codes`` can tell, by name.

    Left out, rather than NaN, are: without labels, all that is not of use and sparsity alone, the only ones in which
    unlabelled rows count; without an active latent, or with one latent in all, ``use_entropy`` and ``hoyer``; where no
    class has two samples, ``jaccard_within`` and ``pairwise_jsd_within``; with one class, ``jaccard_between``;
    ``consistency_gap`` in both cases; the probes without ``train``, on which they are fitted, or where its first rows
    are of one class or over 1,000, and those with fewer labels than there are classes, or more than rows. A latent is
    active above ``threshold``, and used by a class whose mean is above it; ``seed`` draws pairs, spikes and labels.

    Raises:
        InputError: if ``codes`` is empty, ``train`` has other latents or classes, or ``threshold`` is not in [0, 1).

    >>> codes = Codes(
    ...     active_probs=np.eye(2)[[0, 0, 1, 1]], slab_loc=np.ones((4, 2)), slab_scale=np.ones((4, 2)),
    ...     labels=np.array([0, 0, 1, 1]), class_names=("zero", "one"), prior_probs=np.full(2, 0.5),
    ... )
    >>> measure(codes)["consistency_gap"].value, latent_kinds(codes).tolist()
    (1.0, ['class-specific', 'class-specific'])
    """
    check_codes(codes, "measure")
    check_codes(codes if train is None else train, "measure", "train")
    if 0 in (shape := codes.active_probs.shape):
        raise InputError(f"'codes' of measure must have rows and latents, got shape {shape}. Is the set empty?")
    check_number(threshold, "threshold", "measure")
    if not 0 <= threshold < 1:
        raise InputError(f"'threshold' of measure must be in [0, 1), got {threshold}. Try {ACTIVE_THRESHOLD}.")
    if train is not None and (train.n_latents, train.class_names) != (codes.n_latents, codes.class_names):
        expected = f"the {codes.n_latents} latents and the {codes.n_classes} classes of codes"
        got = f"{train.n_latents} and {train.n_classes}, of which some may have other names"
        raise InputError(f"'train' of measure must have {expected}, got {got}. Encode both with one model.")
    labelled, estimates = codes.select(codes.labels != UNLABELLED), _use(codes, threshold, seed)
    if len(labelled):
        estimates = _agreement(labelled, threshold, seed) | estimates | _information(labelled)
        estimates |= _probes(labelled, train, threshold, seed) if train is not None else {}
    return {name: _describe(name, estimate, threshold) for name, estimate in estimates.items()}


def is_earned(name: str, metrics: Mapping[str, Measurement]) -> bool:
    """Whether a figure can win: agreement on what all classes share, as all samples of a VAE agree, says nothing."""
    if not name.startswith(("jaccard", "consistency")):
        return True
    return any(count in metrics and metrics[count].value > 0 for count in ("n_group", "n_class_specific"))


def _describe(name: str, estimate: _Estimate, threshold: float) -> Measurement:
    value, stderr = estimate if isinstance(estimate, tuple) else (estimate, None)
    stem, exact = name.removesuffix("_exact"), name.endswith("_exact")
    specific = stem not in DEFINITIONS  # n_class_specific is a stem
    unit, direction, how = DEFINITIONS[stem.removesuffix("_specific") if specific else stem]
    drawn = "spikes drawn exactly" if exact else ""
    how = how.format(
        active=drawn or f"active_probs > {threshold:g}", probs=drawn or "active_probs", threshold=threshold
    )
    how += ", without the global latents" if specific else ""
    if stderr is not None and not name.startswith("probe"):
        how += f"; {N_PAIRS:,} seeded pairs of distinct samples, stderr is the sampling error of the pairs only"
    return Measurement(float(value), unit, direction, how, stderr)


def draw_pairs(labels: Labels, seed: int) -> dict[str, Int[np.ndarray, "2 pair"]]:
    """Seeded pairs of distinct samples, ``within`` a class and ``between`` two, where there are any.

    The first is uniform among samples with a partner, the second among its partners: blocks in the order of classes.
    """
    order = np.argsort(labels, kind="stable")
    _, starts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    start, size = np.repeat(starts, sizes), np.repeat(sizes, sizes)
    rng = np.random.default_rng((seed, 1))  # not the stream of sample_active(seed)
    pairs = {}
    if (size > 1).any():
        first = rng.choice(np.flatnonzero(size > 1), N_PAIRS)
        second = start[first] + rng.integers(size[first] - 1)
        second += second >= first
        pairs["within"] = order[np.stack([first, second])]
    if len(sizes) > 1:
        first = rng.integers(len(order), size=N_PAIRS)
        second = rng.integers(len(order) - size[first])
        second += np.where(second >= start[first], size[first], 0)
        pairs["between"] = order[np.stack([first, second])]
    return pairs


def _pair_mean(f: Callable[..., np.ndarray], x: np.ndarray, pairs: Int[np.ndarray, "2 pair"]) -> tuple[float, float]:
    chunks = np.array_split(pairs, 20, axis=1)  # so that a wide code does not fill the memory
    scores = np.concatenate([f(x[first], x[second]) for first, second in chunks])
    return float(scores.mean()), float(scores.std(ddof=1) / len(scores) ** 0.5)


def _jaccard(a: Bool[np.ndarray, "*axes"], b: Bool[np.ndarray, "*axes"]) -> np.ndarray:
    return np.asarray(np.count_nonzero(a & b, axis=-1) / np.maximum(np.count_nonzero(a | b, axis=-1), 1))


def _entropy(p: Float[np.ndarray, "*axes"]) -> Float[np.ndarray, "*axes"]:
    return np.asarray(entr(p) + entr(1 - p))  # of Bernoullis, in nats; 0 at 0 and 1


def js_pairs(p: Float[np.ndarray, "*axes"], q: Float[np.ndarray, "*axes"]) -> np.ndarray:
    """Jensen-Shannon divergences of rows of Bernoullis, mean over latents, in nats."""
    return np.asarray((_entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2).mean(axis=-1))


def _agreement(codes: Codes, threshold: float, seed: int) -> dict[str, _Estimate]:
    pairs = draw_pairs(codes.labels, seed)
    specific = ~np.isin(latent_kinds(codes, threshold), GLOBAL_KINDS)
    estimates: dict[str, _Estimate] = {}
    for drawn, spikes in ("", codes.active(threshold)), ("_exact", codes.sample_active(seed)):
        for which, active in ("", spikes), ("_specific", spikes[:, specific]):
            means = {kind: _pair_mean(_jaccard, active, pairs[kind]) for kind in pairs}
            estimates |= {f"jaccard_{kind}{which}{drawn}": mean for kind, mean in means.items()}
            if len(means) == 2:
                (within, error), (between, other_error) = means["within"], means["between"]
                estimates[f"consistency_gap{which}{drawn}"] = within - between, np.hypot(error, other_error)
    if "within" in pairs:
        estimates["pairwise_jsd_within"] = _pair_mean(js_pairs, codes.active_probs.astype(float), pairs["within"])
    return estimates


def _use(codes: Codes, threshold: float, seed: int) -> dict[str, _Estimate]:
    kinds, used, active = latent_kinds(codes, threshold), uses(codes, threshold), codes.active(threshold)
    share, values = active.mean(axis=0), codes.values(active)[active.any(axis=1)]
    by_class: dict[str, _Estimate] = {
        "n_global": np.isin(kinds, GLOBAL_KINDS).sum(),
        "n_group": (kinds == "group").sum(),
        "n_class_specific": (kinds == "class-specific").sum(),
        "classes_with_own": used[:, np.isin(kinds, OWN_KINDS)].any(axis=1).sum(),
    }
    of_use: dict[str, _Estimate] = {
        "latents_in_use": (share > 0.01).sum(),
        "n_always_on": (share >= 0.99).sum(),
        "n_dead": (share == 0).sum(),
        "active_per_sample": active.sum(axis=1).mean(),
        "active_per_sample_exact": codes.sample_active(seed).sum(axis=1).mean(),
    }
    if active.any() and codes.n_latents > 1:
        norms = np.abs(values).sum(axis=1) / np.maximum(np.linalg.norm(values, axis=1), np.finfo(float).tiny)
        of_use["use_entropy"] = entr(share / share.sum()).sum() / np.log(codes.n_latents)
        of_use["hoyer"] = ((codes.n_latents**0.5 - norms) / (codes.n_latents**0.5 - 1)).mean()
    return (by_class if codes.class_counts().any() else {}) | of_use


def _information(codes: Codes) -> dict[str, _Estimate]:
    probs, prior = codes.active_probs.astype(float), codes.prior_probs.astype(float)
    mean, class_means = probs.mean(axis=0), np.nan_to_num(codes.class_means())
    of_sample = _entropy(probs).sum(axis=1).mean()
    of_class = codes.class_counts() / len(codes) @ _entropy(class_means).sum(axis=1)
    return {  # none is negative but by rounding
        "within": max(of_class - of_sample, 0.0),
        "between": max(_entropy(mean).sum() - of_class, 0.0),
        "sparsity": max((rel_entr(mean, prior) + rel_entr(1 - mean, 1 - prior)).sum(), 0.0),
    }


def _probes(codes: Codes, train: Codes, threshold: float, seed: int) -> dict[str, _Estimate]:
    train = train.select(np.flatnonzero(train.labels != UNLABELLED)[:PROBE_ROWS])
    if not 2 <= len(np.unique(train.labels)) <= probes.MOST_CLASSES:
        return {}
    train_spikes, spikes = train.sample_active(seed + 1), codes.sample_active(seed)  # no draw is shared
    fitted, held_out = (probes.Rows(one.values(one.active(threshold)), one.labels) for one in (train, codes))
    inputs = {
        "probe_active_probs": (train.active_probs, codes.active_probs),
        "probe_codes": (fitted.x, held_out.x),
        "probe_active_probs_exact": (train_spikes, spikes),
        "probe_codes_exact": (train.values(train_spikes), codes.values(spikes)),
    }
    scores: dict[str, _Estimate] = {
        name: probes.logistic_accuracy(probes.Rows(x, train.labels), probes.Rows(other, codes.labels))
        for name, (x, other) in inputs.items()
    }
    scores["probe_neighbours"] = probes.neighbour_accuracy(fitted, held_out)
    if np.isin(codes.labels, train.labels).any() and len(np.unique(codes.labels)) > 1:
        for name, k in K_LATENTS.items():
            scores[name] = probes.sparse_accuracy(fitted, held_out, n_columns=k)
    for name, n in N_LABELS.items():
        if len(np.unique(train.labels)) <= n <= len(train):  # every class has a label
            scores[name] = probes.few_labels_accuracy(fitted, held_out, n_labels=n, seed=seed)
    return scores
