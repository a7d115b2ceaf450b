"""`Dataset`: images or table rows in memory, one tensor a split, and the ways to get one.

By name or from a folder of IDX files (`load_dataset`), or from one's own arrays (`from_arrays`). The published sets
and the folders keep their test rows and hold out the last sixth of their training rows (10,000 of MNIST's 60,000);
what has no test rows of its own is shuffled by a seed and cut.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from cospike._errors import InputError, did_you_mean
from cospike._types import UNLABELLED
from cospike.idx import read_idx
from cospike.sources import PUBLISHED, DatasetNotFoundError, load_published

Array: TypeAlias = np.ndarray | Tensor
"""What a user gives: its shape is checked here, with a message that helps, not by its type."""


@dataclass(frozen=True, eq=False)
class Split:
    """Rows and their labels.

    Attributes:
        x: one row a sample; grey levels lie in [0, 1], a grey image has the shape 1 × height × width.
        y: class index of each sample; −1 where it is not known.
    """

    x: Float[Tensor, "sample *event"]
    y: Int64[Tensor, " sample"]

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.y)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in three splits: to learn from, to choose by, to report on.

    >>> data = from_arrays(np.eye(10), np.arange(10) % 2, class_names=("even", "odd"))
    >>> len(data.train), len(data.validation), len(data.test), data.shape
    (6, 2, 2, (10,))
    """

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.train.x.shape[1:])

    @property
    def n_classes(self) -> int:
        """Number of named classes."""
        return len(self.class_names)

    @cached_property
    def fingerprint(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 over class names, rows and labels, split by split."""
        digest = hashlib.sha256(repr(self.class_names).encode())
        for split in (self.train, self.validation, self.test):
            digest.update(repr(tuple(split.x.shape)).encode())
            for values in (split.x, split.y):
                digest.update(np.ascontiguousarray(values.numpy()).data)
        return digest.hexdigest()[:16]


def load_dataset(name_or_folder: str | Path, *, seed: int = 0) -> Dataset:
    """A data set by name ('mnist', 'fashion-mnist', 'digits'), or from a folder of IDX files.

    A folder holds one `train-images*` and one `train-labels*`, and may hold `t10k-…` or `test-…` of both. ``seed``
    decides the splits of what has no test rows of its own: digits, and a folder without test files.

    Raises:
        DatasetNotFoundError: if a published set is neither here nor within reach.
        InputError: if the name is unknown or a file cannot be used.

    >>> load_dataset("digits").shape
    (1, 8, 8)
    """
    if isinstance(name_or_folder, str) and name_or_folder in PUBLISHED:
        images = load_published(name_or_folder)
        class_names = PUBLISHED[name_or_folder].class_names
        return _hold_out_last(images[:2], images[2:], name=name_or_folder, class_names=class_names)
    if name_or_folder == "digits":
        return _load_digits(seed)
    if (folder := Path(name_or_folder).expanduser()).is_dir():
        return _load_folder(folder, seed)
    raise InputError(
        "'name_or_folder' of load_dataset must be a known name or a folder of IDX files, "
        f"got {str(name_or_folder)!r}. {did_you_mean(str(name_or_folder), [*PUBLISHED, 'digits'])}"
    )


def load_default(*, seed: int = 0) -> tuple[Dataset, str | None]:
    """What to use when no data set is named: MNIST, else digits and a line that says so."""
    try:
        return load_dataset("mnist"), None
    except DatasetNotFoundError:
        notice = (
            "MNIST is neither here nor within reach, so these are scikit-learn's digits; `cospike data fetch mnist`."
        )
        return load_dataset("digits", seed=seed), notice


def from_arrays(
    x: Array,
    y: Array,
    *,
    name: str = "arrays",
    class_names: Sequence[str] | None = None,
    validation: float | tuple[Array, Array] = 0.2,
    test: float | tuple[Array, Array] = 0.2,
    seed: int = 0,
) -> Dataset:
    """A data set from arrays of NumPy or torch, which are copied.

    Args:
        x: [sample, …], floating-point, or uint8 grey levels, which are divided by 255. Three axes are taken for
            grey images [sample, height, width] and gain a channel.
        y: [sample], class indices; −1 where the class is not known.
        name: what to call it.
        class_names: name of each class index (default: the indices up to the largest).
        validation: rows and labels to choose by, or the share of ``x`` to hold out.
        test: rows and labels to report on, or the share of ``x`` to hold out.
        seed: decides which rows are held out as a share.

    Raises:
        InputError: if the arrays disagree, are empty or hold what is neither a finite number nor a class.
    """
    rows = _check_rows(x, y, arguments=("x", "y"))
    n_rows, event = len(rows.y), rows.x.shape[1:]
    held_out = {"test": test, "validation": validation}
    if not all(isinstance(part, tuple) for part in held_out.values()):
        order = np.random.default_rng(seed).permutation(n_rows)
        rows = _Rows(rows.x[order], rows.y[order])
    parts = {}
    for argument, part in held_out.items():
        if isinstance(part, tuple):
            parts[argument] = _check_rows(*part, arguments=(f"{argument}[0]", f"{argument}[1]"), event=event)
        else:
            rows, parts[argument] = _cut(rows, part, n_rows=n_rows, argument=argument)
    parts["train"] = rows
    names = _check_labels([part.y for part in parts.values()], class_names)
    return Dataset(name=name, class_names=names, **{split: _to_split(part) for split, part in parts.items()})


class _Rows(NamedTuple):
    """Rows that passed the checks, before they become a tensor: float32, or grey levels in a quarter of the memory."""

    x: np.ndarray
    y: np.ndarray


def _check_rows(x: Array, y: Array, *, arguments: tuple[str, str], event: tuple[int, ...] | None = None) -> _Rows:
    """Rows and labels as NumPy arrays that make sense together, each row of shape ``event`` if that is known."""
    rows, labels = _as_numpy(x), _as_numpy(y)
    rows = rows[:, None] if rows.ndim == 3 else rows
    for argument, passes, expected, got, fix in (
        (0, rows.ndim > 1 and rows.size, "[sample, …], not empty", f"shape {rows.shape}", "Give one row a sample."),
        (0, rows.dtype == np.uint8 or rows.dtype.kind == "f", "uint8 or floating-point", rows.dtype, "Convert it."),
        (0, event in (None, rows.shape[1:]), f"rows of shape {event}, as x", rows.shape[1:], "Reshape them."),
        (1, labels.dtype.kind in "iu", "class indices (integers)", labels.dtype, "See numpy.unique(return_inverse)."),
        (1, labels.shape == rows.shape[:1], f"{len(rows)} labels", f"shape {labels.shape}", "Give one label a row."),
    ):
        if not passes:
            raise InputError(f"'{arguments[argument]}' of from_arrays must be {expected}, got {got}. {fix}")
    if rows.dtype != np.uint8:
        with np.errstate(over="ignore"):  # what is too large for float32 is found below, as infinite
            rows = np.array(rows, dtype=np.float32)
        if wrong := int(np.sum(~np.isfinite(rows))):
            got = f"{wrong} NaN or infinite values"
            raise InputError(f"'{arguments[0]}' of from_arrays must be finite float32, got {got}. Fill or drop them.")
    return _Rows(rows, labels)


def _check_labels(labels: Sequence[np.ndarray], class_names: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the classes, which must cover every label."""
    lowest, highest = min(int(part.min()) for part in labels), max(int(part.max()) for part in labels)
    if class_names is None:
        class_names = [str(label) for label in range(highest + 1)]
    if not UNLABELLED <= lowest <= highest < len(class_names):
        raise InputError(
            f"'y' of from_arrays must lie in -1 … {len(class_names) - 1} (-1: unlabelled), got {lowest} … {highest}. "
            "Number the classes from 0 and name each of them."
        )
    return tuple(class_names)


def _cut(rows: _Rows, share: float, *, n_rows: int, argument: str) -> tuple[_Rows, _Rows]:
    """The rows without the last ones, which are held out: a share of all ``n_rows``."""
    count = round(share * n_rows)
    if not 0 < count < len(rows.y):
        raise InputError(
            f"'{argument}' of from_arrays must be a share that leaves every split a row, got {share} of {n_rows} rows. "
            "Give more rows or another share."
        )
    return _Rows(rows.x[:-count], rows.y[:-count]), _Rows(rows.x[-count:], rows.y[-count:])


def _to_split(rows: _Rows) -> Split:
    """The tensors of a split, which share no memory with what the user gave."""
    x = np.divide(rows.x, np.float32(255)) if rows.x.dtype == np.uint8 else rows.x
    return Split(x=torch.from_numpy(x), y=torch.from_numpy(rows.y.astype(np.int64)))


def _as_numpy(values: Array) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        return (values.float() if values.is_floating_point() else values).numpy()
    return np.asarray(values)


def _load_digits(seed: int) -> Dataset:
    """Scikit-learn's digits, 1,797 images of 8 × 8 with grey levels 0 … 16."""
    from sklearn.datasets import load_digits  # noqa: PLC0415

    digits = load_digits()
    return from_arrays(digits.images / 16, digits.target, name="digits", class_names=tuple("0123456789"), seed=seed)


def _load_folder(folder: Path, seed: int) -> Dataset:
    """A data set from a folder of IDX files."""
    pairs = {stem: _read_pair(folder, stem) for stem in ("train", "t10k", "test")}
    if (train := pairs["train"]) is None:
        raise InputError(
            f"'name_or_folder' of load_dataset must hold IDX files, got {folder} without train-images* and "
            "train-labels*. Name the folder that holds them."
        )
    name = folder.resolve().name
    if test := pairs["t10k"] or pairs["test"]:
        return _hold_out_last(train, test, name=name)
    return from_arrays(*train, name=name, validation=1 / 6, test=1 / 6, seed=seed)


def _read_pair(folder: Path, stem: str) -> tuple[np.ndarray, np.ndarray] | None:
    """The images and labels of one part of a folder; None if it has neither."""
    found = {kind: sorted(folder.glob(f"{stem}-{kind}*")) for kind in ("images", "labels")}
    if not any(found.values()):
        return None
    for kind, files in found.items():
        if len(files) != 1:
            raise InputError(
                f"'name_or_folder' of load_dataset must hold one {stem}-{kind}* beside its pair, "
                f"got {folder} with {len(files)}. {'Keep one of them' if files else 'Add it'}."
            )
    [images], [labels] = found.values()
    x, y = read_idx(images, ndim=3), read_idx(labels, ndim=1)
    if len(x) != len(y):
        raise InputError(
            f"'name_or_folder' of load_dataset must hold one label an image, got {len(x)} images in {images} and "
            f"{len(y)} labels in {labels}. Are they of the same set?"
        )
    return x, y


def _hold_out_last(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    *,
    name: str,
    class_names: Sequence[str] | None = None,
) -> Dataset:
    """A data set with test rows of its own; validation is the last sixth of the training rows."""
    (x, y), count = train, max(1, len(train[1]) // 6)
    validation = (x[-count:], y[-count:])
    return from_arrays(x[:-count], y[:-count], name=name, class_names=class_names, validation=validation, test=test)
