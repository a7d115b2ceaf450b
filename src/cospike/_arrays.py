"""What a user gives as an array or as labels: made one of NumPy, or refused in one line that says how to make it one.

Nothing is guessed: what is masked is neither filled nor dropped, and labels that are no whole numbers are not numbered.
"""

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cospike._errors import InputError
from cospike._files import parse_head
from cospike._reading import ANY_SIZE, open_file
from cospike._types import MAX_CLASSES, MAX_NAME, UNLABELLED, Labels

MAX_UNNAMED = 10_000
"""Classes named after their indices: a larger label is most likely no class index."""

MAX_HEAD = 4_096
"""Bytes of a file that are looked at for the head of an array: more than one of numbers or text has."""

_N_NAMED = 5  # rows in a message


def to_array(values: Any, argument: str, of: str, *, each: str = "row") -> np.ndarray:
    """An array of NumPy, from one, from nested lists, or from what converts itself, such as a table of pandas.

    Args:
        values: what was given.
        argument: as what.
        of: to what.
        each: what a sample has one of.

    Raises:
        InputError: if it is sparse, masked, ragged, or no array at all.

    >>> to_array([[1.0], [2.0, 3.0]], "x", "from_arrays")
    Traceback (most recent call last):
    cospike._errors.InputError: 'x' of from_arrays must be an array, got a ragged list. Make its rows alike.
    """
    kind = type(values).__name__
    if hasattr(values, "detach"):
        values = _of_torch(values, argument, of)
    if hasattr(values, "tocsr"):
        raise InputError(f"'{argument}' of {of} must be a dense array, got {kind}. Its `toarray()` is one.")
    if isinstance(values, np.ma.MaskedArray):
        if np.ma.is_masked(values):
            got = f"{int(np.sum(np.ma.getmask(values)))} masked values"
            raise InputError(
                f"'{argument}' of {of} must have no masked values, got {got}. Fill or drop them, or their rows."
            )
        values = values.data
    if values is None or isinstance(values, str | bytes | dict | set):
        got = "None" if values is None else kind
        raise InputError(f"'{argument}' of {of} must be an array, got {got}. Give one {each} a sample.")
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError):
        fix = "Make its rows alike."
        raise InputError(f"'{argument}' of {of} must be an array, got a ragged {kind}. {fix}") from None


def map_array(path: Path) -> np.ndarray:
    """The array of an `.npy` file, mapped from disk: it cannot be written, and takes memory as it is read.

    Raises:
        InputError: as `open_file`.
        OSError: if it cannot be opened.
        ValueError: if it is no array of numbers or text, or no whole one.
    """
    with open_file(path, ANY_SIZE) as file:
        head = parse_head(file.read(MAX_HEAD))
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if head.size + head.n_bytes > len(mapped):
        raise ValueError("it is shorter than its head says")
    return np.ndarray(head.shape, head.dtype, mapped, head.size, order="F" if head.by_columns else "C")


def check_tensor(tensor: Any, argument: str, of: str) -> None:
    """Refuse a tensor of torch that has no plain numbers in memory."""
    dense = str(tensor.layout) == "torch.strided"
    if not dense or tensor.is_quantized or tensor.is_meta:
        got = "one of meta device" if tensor.is_meta else "a quantised one" if tensor.is_quantized else tensor.layout
        fix = "Give its values." if dense else "Its `to_dense()` is one."
        raise InputError(f"'{argument}' of {of} must be a dense tensor of numbers, got {got}. {fix}")


def _of_torch(tensor: Any, argument: str, of: str) -> np.ndarray:
    """Its numbers, those of half a precision as float32; torch is not loaded for it."""
    check_tensor(tensor, argument, of)
    tensor = tensor.detach().cpu()
    return np.asarray((tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy())


def to_labels(values: Any, n_rows: int, argument: str, of: str) -> Labels:
    """Class indices, one of each of ``n_rows``, −1 where the class is not known.

    Raises:
        InputError: if they are anything else, with what makes indices of them.
    """
    labels = to_array(values, argument, of, each="label")
    if labels.dtype.kind not in "iu" or labels.shape != (n_rows,):
        shape = labels.shape
        got = f"{labels.dtype} of shape {shape}"
        if labels.ndim == 2 and shape[0] == n_rows and shape[1] > 1:
            fix = "Of one-hot rows, `labels.argmax(1)` are indices."
        elif labels.ndim == 2 and shape == (n_rows, 1):
            fix = "`labels[:, 0]` has no second axis."
        elif shape != (n_rows,):
            fix = "Give one label a row."
        elif labels.dtype.kind == "b" or (labels.dtype.kind == "f" and (labels == np.round(labels)).all()):
            fix = "`labels.astype(int)` makes whole numbers of them."
        else:
            fix = "`names, labels = numpy.unique(labels, return_inverse=True)` makes names and indices of names."
        raise InputError(f"'{argument}' of {of} must be {n_rows} class indices, got {got}. {fix}")
    if n_rows and int(labels.min()) < UNLABELLED:
        raise InputError(
            f"'{argument}' of {of} must be at least -1 (-1: not known), got {int(labels.min())}. Number the classes "
            "from 0."
        )
    if n_rows and (highest := int(labels.max())) >= 2**63:
        raise InputError(
            f"'{argument}' of {of} must be class indices, got {highest}. -1 says that a class is not known."
        )
    return labels.astype(np.int64, copy=False)


def default_names(labels: Labels, argument: str, of: str, *, limit: int = MAX_UNNAMED) -> tuple[str, ...]:
    """The indices up to the largest as names.

    Raises:
        InputError: if they are ``limit`` or more, so that the labels are most likely no class indices.
    """
    if (highest := int(labels.max(initial=UNLABELLED))) >= limit:
        raise InputError(
            f"'{argument}' of {of} must be below {limit:,} where classes have no names, got {highest}. Number the "
            "classes from 0, as numpy.unique(labels, return_inverse=True) does, and name each of them."
        )
    return tuple(map(str, range(highest + 1)))


def check_names(names: Sequence[str], argument: str, of: str) -> None:
    """Refuse names of classes with which a run would be trained, and could not be read again.

    Raises:
        InputError: if there are too many, or one is too long, or no text that a file can hold.
    """
    must = f"'{argument}' of {of} must be"
    if len(names) > MAX_CLASSES:
        raise InputError(f"{must} at most {MAX_CLASSES:,} names, got {len(names):,}. Join classes.")
    for name in names:
        if len(name) > MAX_NAME:
            got = f"{name[:20]!r} and {len(name) - 20:,} more"
            raise InputError(f"{must} names of up to {MAX_NAME:,} characters, got {got}. Rename it.")
        if any("\ud800" <= mark <= "\udfff" for mark in name):
            raise InputError(f"{must} texts, got {name!a}, which has half a character. Rename it.")


def name_rows(rows: Sequence[int] | np.ndarray) -> str:
    """The first few rows, and how many more there are.

    >>> name_rows([7]), name_rows([7, 9]), name_rows(range(20))
    ('row 7', 'rows 7, 9', 'rows 0, 1, 2, 3, 4 and 15 more')
    """
    named, n_more = ", ".join(str(int(row)) for row in rows[:_N_NAMED]), len(rows) - _N_NAMED
    return f"row{'s' * (len(rows) > 1)} {named}{f' and {n_more} more' if n_more > 0 else ''}"
