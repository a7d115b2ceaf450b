"""Labels of any type as class indices."""

from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from cospike._errors import InputError
from cospike._types import UNLABELLED


def number_classes(y: Any, n_rows: int, unlabelled: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """The classes among labels, sorted, and of each row the index of its own.

    Args:
        y: a label a row, or None for rows without labels.
        n_rows: how many there must be.
        unlabelled: as of `is_unlabelled`.

    Returns:
        The labels [class] in their own type, and indices [row]: −1 where a row has no label.

    Raises:
        InputError: if there are more or fewer labels than rows, or one is missing and no marker says that it may.
        ValueError: of scikit-learn, if they are no labels of classes.
    """
    labels = np.full(n_rows, UNLABELLED)
    if y is None:
        return np.empty(0, dtype=int), labels
    y = column_or_1d(y, warn=True)
    if len(y) != n_rows:
        raise InputError(f"'y' of fit must have {n_rows} labels, one a row of X, got {len(y)}.")
    known = ~is_unlabelled(y, unlabelled)
    if n_missing := sum(map(_is_missing, y[known].tolist())):
        raise InputError(
            f"'y' of fit must have a label in each row, got none in {n_missing}. "
            "`unlabelled=numpy.nan` takes rows without a label."
        )
    check_classification_targets(y[known])
    classes, labels[known] = np.unique(y[known], return_inverse=True)
    return classes, labels


def is_unlabelled(y: np.ndarray, marker: Any) -> np.ndarray:
    """Whether the label of each row says that there is none: it is ``marker``, or for NaN any way to say so."""
    if marker is None:
        return np.zeros(len(y), dtype=bool)
    if isinstance(marker, float) and np.isnan(marker):
        return np.array([_is_missing(label) for label in y.tolist()], dtype=bool)
    return np.array([type(label) is type(marker) and label == marker for label in y.tolist()], dtype=bool)


def _is_missing(label: Any) -> bool:
    """Whether a label is None, or the NaN of Python, NumPy or pandas."""
    return not isinstance(label, str) and (label is None or str(label) in {"nan", "<NA>", "NaT"})
