"""The tables of a report that take some work: disentanglement from three sides, and families of classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
from jaxtyping import Shaped

from cospike._types import UNLABELLED
from cospike.class_views import Score, View, measure_disentanglement
from cospike.codes import Codes
from cospike.disentanglement_table import METRICS, Metric
from cospike.families import Sharing, find_groups, group_sharing

N_SAMPLES = 2_000
"""Held-out samples on which disentanglement is measured: a page is waited for."""

N_RESAMPLES = 5
"""For its intervals; Student's t makes up for so few."""

_MAX_FITS = 150  # predictors to fit, of each kind
_N_BOOTSTRAP = 400  # of a group of classes


@dataclass(frozen=True, eq=False)
class Disentanglement:
    """The scores of the metrics that could be measured.

    Attributes:
        attributes: the factors beside the class.
        n: number of samples.
        rows: of each metric what it is, and its score in each view that has one; none if it would take too long.
    """

    attributes: tuple[str, ...]
    n: int
    rows: dict[str, tuple[Metric, dict[View, Score]]]


def disentanglement(
    codes: Codes, attributes: Mapping[str, Shaped[np.ndarray, " sample"]], *, seed: int = 0
) -> Disentanglement | None:
    """Of the class and the attributes, on at most `N_SAMPLES` held-out samples drawn by ``seed``.

    None without labels, or where nothing can be told apart. Without rows where the attributes of all classes are too
    many for a page that is waited for.
    """
    labelled = np.flatnonzero(codes.labels != UNLABELLED)
    n_classes = np.count_nonzero(codes.class_counts())
    if not len(labelled):
        return None
    if (len(attributes) + 1) * (n_classes + 1) > _MAX_FITS:
        return Disentanglement(tuple(attributes), 0, {})
    rows = np.sort(np.random.default_rng(seed).permutation(labelled)[:N_SAMPLES])
    known = {name: values[rows] for name, values in attributes.items() if np.isfinite(values[rows]).any()}
    scores = measure_disentanglement(codes.select(rows), known, seed=seed, n_resamples=N_RESAMPLES)
    by_metric = {
        name: (metric, {view: scores[f"{name}_{view}"] for view in get_args(View) if f"{name}_{view}" in scores})
        for name, metric in METRICS.items()
    }
    found = {name: entry for name, entry in by_metric.items() if entry[1]}
    return Disentanglement(tuple(known), len(rows), found) if found else None


def families(train: Codes, held_out: Codes) -> list[Sharing]:
    """Groups that the training codes suggest, and what the held-out ones say of them, the largest difference first.

    Classes that have no samples in one of the two, or whose names do not tell them apart, make none.
    """
    if len(set(train.class_names)) < train.n_classes or not (train.class_counts() * held_out.class_counts()).all():
        return []
    found = [group_sharing(held_out, group, n_bootstrap=_N_BOOTSTRAP) for group in find_groups(train)]
    return sorted(found, key=lambda one: -one.excess.value)
