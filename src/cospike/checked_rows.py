"""Rows and labels as they are given, checked until they make sense together; and how many of them are held out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from cospike._arrays import MAX_UNNAMED, check_names, default_names, name_rows, to_array, to_labels
from cospike._errors import InputError
from cospike.records import Split
from cospike.stored_rows import StoredRows, is_mapped

IN_MEMORY = 2**31
"""Bytes of float32 above which rows that lie on the disk stay there."""

Array: TypeAlias = np.ndarray | Tensor
"""What a user gives: its shape is checked here, with a message that helps, not by its type."""


class CheckedRows(NamedTuple):
    """Rows that passed the checks, before they become a tensor: float32, or grey levels in a quarter of the memory.

    What lies on the disk and would be larger than `IN_MEMORY` stays there.
    """

    x: np.ndarray | StoredRows
    y: np.ndarray


def check_rows(x: Array, y: Array, *, arguments: tuple[str, str], event: tuple[int, ...] | None = None) -> CheckedRows:
    """Rows and labels as NumPy arrays that make sense together, each row of shape ``event`` if that is known."""
    rows = to_array(x, arguments[0], "from_arrays")
    rows = rows[:, None] if rows.ndim == 3 else rows
    for passes, expected, got, fix in (
        (rows.ndim > 1 and rows.size, "[sample, …], not empty", f"shape {rows.shape}", "Give one row a sample."),
        (rows.dtype == np.uint8 or rows.dtype.kind == "f", "uint8 or floating-point", rows.dtype, "Convert it."),
        (event in (None, rows.shape[1:]), f"rows of shape {event}, as x", rows.shape[1:], "Reshape them."),
    ):
        if not passes:
            raise refusal(arguments[0], expected, got, fix)
    labels = to_labels(y, len(rows), arguments[1], "from_arrays")
    if is_mapped(rows) and 4 * rows.size > IN_MEMORY:
        stored, first = StoredRows(rows), 0
        for part in stored.parts() if rows.dtype != np.uint8 else ():
            _to_float32(part, first, arguments[0])
            first += len(part)
        return CheckedRows(stored, labels)
    return CheckedRows(rows if rows.dtype == np.uint8 else _to_float32(rows, 0, arguments[0]), labels)


def _to_float32(given: np.ndarray, first: int, argument: str) -> np.ndarray:
    """A copy, of rows that count from ``first``; what it does not hold is refused."""
    with np.errstate(over="ignore"):  # what is too large for float32 is found below, as infinite
        rows = np.array(given, dtype=np.float32)
    if (wrong := ~np.isfinite(rows).reshape(len(rows), -1).all(axis=1)).any():
        at = name_rows(np.flatnonzero(wrong) + first)
        if np.isfinite(given).all():
            raise refusal(argument, "finite float32", f"what is too large in {at}", "Scale it.")
        raise refusal(argument, "finite float32", f"NaN or infinity in {at}", "Fill or drop them.")
    return rows


def check_labels(labels: Sequence[np.ndarray], class_names: Iterable[object] | None) -> tuple[str, ...]:
    """The names of the classes, which must cover every label and differ."""
    everywhere = np.concatenate(labels)
    if class_names is None:
        return default_names(everywhere, "y", "from_arrays", limit=min(MAX_UNNAMED, len(everywhere)))
    if not isinstance(class_names, Iterable):
        got = type(class_names).__name__
        raise refusal("class_names", "names of the classes, in a list", got, "Name each class once.")
    names = tuple(map(str, class_names))
    check_names(names, "class_names", "from_arrays")
    if len(set(names)) < len(names):
        got = f"{Counter(names).most_common(1)[0][0]!r} more than once"
        raise refusal("class_names", "distinct", got, "Name each class once.")
    if (highest := int(everywhere.max())) >= len(names):
        fix = "Number the classes from 0, as numpy.unique(labels, return_inverse=True) does, and name each of them."
        got = f"{everywhere.min()} … {highest}"
        raise refusal("y", f"in -1 … {len(names) - 1} (-1: not known)", got, fix)
    return names


def refusal(argument: str, expected: str, got: object, fix: str, *, of: str = "from_arrays") -> InputError:
    """An argument that cannot be used, in one line."""
    return InputError(f"'{argument}' of {of} must be {expected}, got {got}. {fix}")


def check_seed(seed: int, of: str) -> None:
    """Refuse what numbers no draw."""
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise refusal("seed", "at least 0", repr(seed), "Give a whole number.", of=of)


def count_share(share: object, *, n_rows: int, n_taken: int, argument: str, of: str = "from_arrays") -> int:
    """How many rows a share of ``n_rows`` is, of which some are taken and one must be left."""
    got = f"a {type(share).__name__}"
    if isinstance(share, int | float | np.floating):
        if 0 < share < 1 and (count := max(1, round(float(share) * n_rows))) < n_rows - n_taken:
            return count
        got = f"{share:.3g} of {n_rows} rows"
    expected, fix = "a share that leaves every split a row, or a tuple (x, y)", "Give more rows or another share."
    raise refusal(argument, expected, got, fix, of=of)


def to_split(rows: CheckedRows) -> Split:
    """The tensors of a split, which share no memory with what the user gave; but what stays on the disk."""
    y = torch.from_numpy(rows.y.astype(np.int64))
    if isinstance(rows.x, StoredRows):
        return Split(x=rows.x, y=y)
    x = np.divide(rows.x, np.float32(255)) if rows.x.dtype == np.uint8 else rows.x
    return Split(x=torch.from_numpy(x), y=y)
