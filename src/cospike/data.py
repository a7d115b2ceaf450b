"""`Dataset`: images or table rows in memory, one tensor a split, and the ways to get one.

By name or from a folder of IDX files (`load_dataset`), or from one's own arrays (`from_arrays`). The published sets
keep their test rows and hold out the last sixth of their training rows (10,000 of MNIST's 60,000); of the sets that
are drawn on demand, each split is a draw of its own. Everywhere else what has to be held out is drawn by a seed, in
proportion to every class.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from cospike._arrays import MAX_UNNAMED, default_names, name_rows, to_array, to_labels
from cospike._errors import InputError
from cospike.choices import is_folder, unknown_data
from cospike.idx import read_idx
from cospike.sources import PUBLISHED, DatasetNotFoundError, load_published
from cospike.splits import deal
from cospike.synthetic import SPLITS, SYNTHETIC

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
    """A data set by name, or from a folder of IDX files.

    The names: 'mnist', 'fashion-mnist', 'digits', and, drawn on demand, 'shapes' and 'sparse-linear'. A folder holds
    one `train-images*` and one `train-labels*`, and may hold `t10k-…` or `test-…` of both. ``seed`` decides which rows
    of digits and of a folder are held out: for validation and, without test files, for the test. What is drawn on
    demand is the same whatever the ``seed``: `cospike.synthetic.SPLITS` says how to draw it again with its causes.

    Raises:
        DatasetNotFoundError: if a published set is neither here nor within reach.
        InputError: if the name is unknown or a file cannot be used.

    >>> load_dataset("digits").shape
    (1, 8, 8)
    """
    _check_seed(seed, "load_dataset")
    if isinstance(name_or_folder, str) and name_or_folder in PUBLISHED:
        images, names = load_published(name_or_folder), PUBLISHED[name_or_folder].class_names
        (x, y), test, n_kept = images[:2], images[2:], len(images[0]) * 5 // 6
        last = (x[n_kept:], y[n_kept:])
        return from_arrays(x[:n_kept], y[:n_kept], name=name_or_folder, class_names=names, validation=last, test=test)
    if isinstance(name_or_folder, str) and (make := SYNTHETIC.get(name_or_folder)):
        parts = {split: make(n, seed=draw) for split, (n, draw) in SPLITS.items()}
        (x, y), validation, test = ((part.x, part.labels) for part in parts.values())
        names = parts["train"].class_names
        return from_arrays(x, y, name=name_or_folder, class_names=names, validation=validation, test=test)
    if name_or_folder == "digits":
        from sklearn.datasets import load_digits  # noqa: PLC0415

        digits = load_digits()  # 1,797 images of 8 × 8 with grey levels 0 … 16
        return from_arrays(digits.images / 16, digits.target, name="digits", seed=seed)
    if isinstance(name_or_folder, str | Path) and is_folder(name_or_folder):
        return _load_folder(Path(name_or_folder).expanduser(), seed)
    raise unknown_data(str(name_or_folder))


def load_default(*, seed: int = 0) -> tuple[Dataset, str | None]:
    """What to use when no data set is named: MNIST, else digits and a line that says so."""
    try:
        return load_dataset("mnist", seed=seed), None
    except DatasetNotFoundError:
        notice = "MNIST is neither here nor within reach: these are scikit-learn's digits; `cospike data fetch mnist`."
        return load_dataset("digits", seed=seed), notice


def from_arrays(
    x: Array,
    y: Array,
    *,
    name: str = "arrays",
    class_names: Iterable[object] | None = None,
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
        validation: a tuple of rows and labels to choose by, or the share of ``x`` to hold out.
        test: a tuple of rows and labels to report on, or the share of ``x`` to hold out.
        seed: decides which rows are held out as a share: of every class in proportion, and of a class with a row
            for every split at least one, even where that makes a small share larger.

    Raises:
        InputError: if the arrays disagree, are empty or hold what is neither a finite number nor a class.
    """
    _check_seed(seed, "from_arrays")
    rows = _check_rows(x, y, arguments=("x", "y"))
    parts, sizes = {"train": rows}, dict[str, int]()
    for argument, part in (("test", test), ("validation", validation)):
        if isinstance(part, tuple) and len(part) == 2:
            arguments = (f"{argument}[0]", f"{argument}[1]")
            parts[argument] = _check_rows(*part, arguments=arguments, event=rows.x.shape[1:])
        else:
            sizes[argument] = _count(part, n_rows=len(rows.y), n_taken=sum(sizes.values()), argument=argument)
    names = _check_labels([part.y for part in parts.values()], class_names)
    if sizes:  # else the rows keep their order
        dealt = zip([*sizes, "train"], deal(rows.y, list(sizes.values()), seed=seed), strict=True)
        parts |= {split: _Rows(rows.x[chosen], rows.y[chosen]) for split, chosen in dealt}
    return Dataset(name=name, class_names=names, **{split: _to_split(part) for split, part in parts.items()})


class _Rows(NamedTuple):
    """Rows that passed the checks, before they become a tensor: float32, or grey levels in a quarter of the memory."""

    x: np.ndarray
    y: np.ndarray


def _check_rows(x: Array, y: Array, *, arguments: tuple[str, str], event: tuple[int, ...] | None = None) -> _Rows:
    """Rows and labels as NumPy arrays that make sense together, each row of shape ``event`` if that is known."""
    rows = to_array(x, arguments[0], "from_arrays")
    rows = rows[:, None] if rows.ndim == 3 else rows
    for passes, expected, got, fix in (
        (rows.ndim > 1 and rows.size, "[sample, …], not empty", f"shape {rows.shape}", "Give one row a sample."),
        (rows.dtype == np.uint8 or rows.dtype.kind == "f", "uint8 or floating-point", rows.dtype, "Convert it."),
        (event in (None, rows.shape[1:]), f"rows of shape {event}, as x", rows.shape[1:], "Reshape them."),
    ):
        if not passes:
            raise _refusal(arguments[0], expected, got, fix)
    labels = to_labels(y, len(rows), arguments[1], "from_arrays")
    if rows.dtype != np.uint8:
        given = rows
        with np.errstate(over="ignore"):  # what is too large for float32 is found below, as infinite
            rows = np.array(given, dtype=np.float32)
        if (wrong := ~np.isfinite(rows).reshape(len(rows), -1).all(axis=1)).any():
            got = f"NaN or infinity in {name_rows(np.flatnonzero(wrong))}"
            fix = "Fill or drop them."
            if np.isfinite(given).all():
                got, fix = f"what is too large in {name_rows(np.flatnonzero(wrong))}", "Scale it."
            raise _refusal(arguments[0], "finite float32", got, fix)
    return _Rows(rows, labels)


def _check_labels(labels: Sequence[np.ndarray], class_names: Iterable[object] | None) -> tuple[str, ...]:
    """The names of the classes, which must cover every label and differ."""
    everywhere = np.concatenate(labels)
    if class_names is None:
        return default_names(everywhere, "y", "from_arrays", limit=min(MAX_UNNAMED, len(everywhere)))
    if not isinstance(class_names, Iterable):
        got = type(class_names).__name__
        raise _refusal("class_names", "names of the classes, in a list", got, "Name each class once.")
    names = tuple(map(str, class_names))
    if len(set(names)) < len(names):
        got = f"{max(names, key=names.count)!r} more than once"
        raise _refusal("class_names", "distinct", got, "Name each class once.")
    if (highest := int(everywhere.max())) >= len(names):
        fix = "Number the classes from 0, as numpy.unique(labels, return_inverse=True) does, and name each of them."
        got = f"{everywhere.min()} … {highest}"
        raise _refusal("y", f"in -1 … {len(names) - 1} (-1: not known)", got, fix)
    return names


def _refusal(argument: str, expected: str, got: object, fix: str, *, of: str = "from_arrays") -> InputError:
    return InputError(f"'{argument}' of {of} must be {expected}, got {got}. {fix}")


_bad_source = partial(_refusal, "name_or_folder", of="load_dataset")


def _check_seed(seed: int, of: str) -> None:
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise _refusal("seed", "at least 0", repr(seed), "Give a whole number.", of=of)


def _count(share: object, *, n_rows: int, n_taken: int, argument: str) -> int:
    """How many rows a share of ``n_rows`` is, of which some are taken and one must be left."""
    got = f"a {type(share).__name__}"
    if isinstance(share, int | float | np.floating):
        if 0 < share < 1 and (count := max(1, round(float(share) * n_rows))) < n_rows - n_taken:
            return count
        got = f"{share:.3g} of {n_rows} rows"
    expected, fix = "a share that leaves every split a row, or a tuple (x, y)", "Give more rows or another share."
    raise _refusal(argument, expected, got, fix)


def _to_split(rows: _Rows) -> Split:
    """The tensors of a split, which share no memory with what the user gave."""
    x = np.divide(rows.x, np.float32(255)) if rows.x.dtype == np.uint8 else rows.x
    return Split(x=torch.from_numpy(x), y=torch.from_numpy(rows.y.astype(np.int64)))


def _load_folder(folder: Path, seed: int) -> Dataset:
    """A data set from a folder of IDX files."""
    pairs = {stem: _read_pair(folder, stem) for stem in ("train", "t10k", "test")}
    if (train := pairs["train"]) is None:
        got = f"{folder} without train-images* and train-labels*"
        raise _bad_source("a folder of IDX files", got, "Name the folder that holds them.")
    test = pairs["t10k"] or pairs["test"]
    seen = np.unique(np.concatenate([pair[1] for pair in (train, test) if pair]))
    if 2 * len(seen) <= (highest := max(seen.tolist(), default=-1)):
        got, fix = f"{folder} with {len(seen)} of them up to {highest}", "Number them anew; drop rows to be ignored."
        raise _bad_source("a folder whose labels number the classes from 0", got, fix)
    name = os.fsencode(folder.resolve().name).decode(errors="replace")  # a name need not be text; in a run it is
    return from_arrays(*train, name=name, validation=1 / 6, test=test or 1 / 6, seed=seed)


def _read_pair(folder: Path, stem: str) -> tuple[np.ndarray, np.ndarray] | None:
    """The images and labels of one part of a folder; None if it has neither."""
    found = {kind: sorted(folder.glob(f"{stem}-{kind}*")) for kind in ("images", "labels")}
    if not any(found.values()):
        return None
    for kind, files in found.items():
        if len(files) != 1:
            expected, got = f"a folder with one {stem}-{kind}* beside its pair", f"{folder} with {len(files)}"
            raise _bad_source(expected, got, "Keep one of them." if files else "Add it.")
    [images], [labels] = found.values()
    x, y = read_idx(images, ndim=3), read_idx(labels, ndim=1)
    if len(x) != len(y):
        got = f"{len(x)} images in {images} and {len(y)} labels in {labels}"
        raise _bad_source("a folder with one label an image", got, "Are they of the same set?")
    return x, y
