"""Probes: how much of the class a simple reader finds in the columns of an array. NumPy and scikit-learn only.

A probe is fitted on training rows and scored on held-out ones. It says what can be read, not what a model knows: labels
shape class-consistent codes, so that their probes stand beside those of the input and of a supervised network.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped

from cospike._types import Labels
from cospike.splits import in_turns

N_NEIGHBOURS = 10
N_DRAWS = 5
"""Sets of labels drawn for a probe that has few of them."""

MOST_CLASSES = 1_000
"""Of more, regressions take longer than the training that they judge: time grows as classes times rows."""


class Rows(NamedTuple):
    """What a probe reads, and what it is to name: every row has a class."""

    x: Shaped[np.ndarray, "row column"]
    labels: Labels

    def select(self, rows: np.ndarray) -> "Rows":
        """Some of the rows."""
        return Rows(self.x[rows], self.labels[rows])


def logistic_accuracy(train: Rows, held_out: Rows) -> float:
    """Accuracy of a logistic regression on standardised columns, C = 1.

    >>> rows = Rows(np.array([[0.0], [0.1], [0.9], [1.0]]), np.array([0, 0, 1, 1]))
    >>> logistic_accuracy(rows, rows)
    1.0
    """
    with quietly():
        return float(
            _logistic().fit(train.x.astype(float), train.labels).score(held_out.x.astype(float), held_out.labels)
        )


def neighbour_accuracy(train: Rows, held_out: Rows, *, n_neighbours: int = N_NEIGHBOURS) -> float:
    """Accuracy of the majority of the nearest training rows, by Euclidean distance; at most all of them vote."""
    from sklearn.neighbors import KNeighborsClassifier  # noqa: PLC0415  (loads slowly)

    with quietly():
        vote = KNeighborsClassifier(min(n_neighbours, len(train.labels)), algorithm="brute")
        return float(vote.fit(train.x.astype(float), train.labels).score(held_out.x.astype(float), held_out.labels))


def sparse_accuracy(train: Rows, held_out: Rows, *, n_columns: int) -> float:
    """How well a class is told from the rest by ``n_columns`` columns: balanced accuracy, mean over the classes.

    Those whose standardised means differ most between the class and the rest, and a logistic regression on them with
    both sides weighted alike (k-sparse probes: Gurnee et al., *Finding Neurons in a Haystack*, TMLR 2023). Chance is ½.
    A class that training or held-out rows lack, or have nothing beside, is left out; NaN if that leaves none.
    """
    centre, scale = train.x.mean(axis=0), train.x.std(axis=0)
    x, other = ((rows.x - centre) / np.where(scale > 0, scale, 1) for rows in (train, held_out))
    scores = []
    with quietly():
        for label in np.intersect1d(train.labels, held_out.labels):
            mine, theirs = train.labels == label, held_out.labels == label
            if mine.all() or theirs.all():
                continue
            best = np.argsort(-np.abs(x[mine].mean(axis=0) - x[~mine].mean(axis=0)), kind="stable")[:n_columns]
            named = _logistic(class_weight="balanced").fit(x[:, best], mine).predict(other[:, best])
            scores.append((named[theirs].mean() + 1 - named[~theirs].mean()) / 2)
    return float(np.mean(scores)) if scores else float("nan")


def few_labels_accuracy(train: Rows, held_out: Rows, *, n_labels: int, seed: int) -> tuple[float, float]:
    """`logistic_accuracy` with ``n_labels`` training rows, the classes as equally as can be.

    Returns:
        Mean over `N_DRAWS` draws of the rows, and its standard error over the draws.
    """
    rng = np.random.default_rng(seed)
    order = [in_turns(train.labels, rng)[:n_labels] for _ in range(N_DRAWS)]
    scores = [logistic_accuracy(train.select(rows), held_out) for rows in order]
    return float(np.mean(scores)), float(np.std(scores, ddof=1) / N_DRAWS**0.5)


def _logistic(**settings: Any) -> Any:
    from sklearn import linear_model, pipeline, preprocessing  # noqa: PLC0415  (loads slowly)

    return pipeline.make_pipeline(
        preprocessing.StandardScaler(), linear_model.LogisticRegression(max_iter=1000, **settings)
    )


@contextmanager
def quietly() -> Iterator[None]:
    """One thread, as more gain nothing on matrices this small, and no remarks on fits that are what they are."""
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415  (loads slowly)

    with warnings.catch_warnings(), _threads().limit(limits=1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # where it stops, it is a probe all the same
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        yield


@cache
def _threads() -> Any:
    """The threads of what probes call, looked for once: it takes as long as a small fit."""
    from sklearn import ensemble, linear_model, neighbors  # noqa: F401, PLC0415  (with all the libraries they load)
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415

    return ThreadpoolController()
