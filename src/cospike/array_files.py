"""Arrays in files, `.npz` and `.npy`: rows and labels by the names that people give them. Nothing is unpickled."""

import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cospike._arrays import MAX_HEAD, map_array
from cospike._errors import InputError, TrainingWarning, did_you_mean
from cospike._files import parse_array, parse_head
from cospike._reading import ANY_SIZE, MAX_BINARY, open_file, read_file
from cospike._text import one_line
from cospike._types import UNLABELLED
from cospike.choices import expand, is_file, no_file
from cospike.columns import in_order

_MAX_BYTES = 2**33  # of all arrays together
_MAX_RATIO, _ALWAYS_FINE = 256, 2**28  # bytes of arrays for one of an archive; whatever the ratio
_METHODS = (
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
)  # all that NumPy writes; others are unpacked whole, whatever they say
_SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"} | dict.fromkeys(
    ("val", "valid", "validation"), "validation"
)
_ROWS = ("x", "images", "image", "data", "features", "inputs", "samples", "rows")
_LABELS = ("y", "labels", "label", "target", "targets", "classes", "class")
_BESIDE = ("{}-labels.npy", "{}_labels.npy", "{}.labels.npy")

Pair = tuple[np.ndarray, np.ndarray]
"""Rows and labels."""


class Arrays(NamedTuple):
    """What a file holds.

    Attributes:
        parts: rows and class indices of "train", and of "validation" and "test" if the file has them.
        class_names: by index; None where the labels are indices.
    """

    parts: dict[str, Pair]
    class_names: tuple[str, ...] | None


def read_array_file(path: Path, *, label: str | None = None) -> Arrays:
    """Rows and labels of a file; without labels, no class is known.

    An `.npz` has arrays named as ``x`` and ``y``, ``images`` and ``labels``, ``x_train``, ``y_train``, ``x_test`` … An
    `.npy` holds rows, which are mapped from disk; its labels lie beside it, ``x-labels.npy`` beside ``x.npy``.

    Args:
        path: of the file.
        label: of an `.npz` the name of its array of labels; of an `.npy` the path of the file of labels.

    Raises:
        InputError: if the file is damaged, needs pickle, does not fit in memory, or has no rows.
    """
    if not is_file(path):
        raise no_file(path)
    rows, labels = _read_npz(path, label) if path.suffix.lower() == ".npz" else _read_npy(path, label)
    if flat := [split for split, x in rows.items() if x.ndim < 2]:
        got = f"shape {rows[flat[0]].shape}"
        raise InputError(f"The rows of {path} must be an array [sample, …], got {got}. Give one row a sample.")
    labels = {split: _one_axis(labels[split], path) for split in labels if split in rows}
    names, indices = _indices(labels, path)
    unknown = {split: np.full(len(x), UNLABELLED) for split, x in rows.items()}
    return Arrays({split: (_channels_first(x), (unknown | indices)[split]) for split, x in rows.items()}, names)


def _read_npz(path: Path, label: str | None) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    with _readable(path), open_file(path, ANY_SIZE) as content, zipfile.ZipFile(content) as archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        if len(members) < len(archive.infolist()):
            raise ValueError("a name stands there twice")
        if label is not None and label not in members:
            raise InputError(f"'label' of load_dataset must be an array of {path.name}, got {label!r}. "
                             f"{did_you_mean(label, members)}")  # fmt: skip
        places = {name: _place(name) for name in members}
        if label is not None:
            places = {name: place for name, place in places.items() if place[1] != "y"} | {label: ("train", "y")}
        wanted: dict[tuple[str, str], zipfile.ZipInfo] = {}
        for name, place in places.items():
            if place[1]:
                wanted.setdefault(place, members[name])
        _check_bytes(path, archive, wanted.values(), path.stat().st_size)
        arrays = {place: parse_array(archive.read(member)) for place, member in wanted.items()}
    x, y = ({split: array for (split, role), array in arrays.items() if role == one} for one in "xy")
    if "train" not in x:
        got = one_line(", ".join(list(members)[:8])).strip() or "nothing"
        raise InputError(f"{path} must hold an array of rows, named as 'x' or 'x_train', got {got}. Rename it.")
    if left := [name for name, (_, role) in places.items() if not role]:
        warnings.warn(f"Left out of {path.name}: {one_line(', '.join(left[:8]))}.", TrainingWarning, stacklevel=2)
    return x, y


def _place(name: str) -> tuple[str, str]:
    """Which split an array is of, and whether it is rows or labels; empty for neither."""
    tokens = re.split(r"[^a-z]+", name.lower())
    split = next((_SPLITS[token] for token in tokens if token in _SPLITS), "train")
    rest = [token for token in tokens if token and token not in _SPLITS]
    if len(rest) != 1:
        return split, ""
    return split, "x" if rest[0] in _ROWS else "y" if rest[0] in _LABELS else ""


def _check_bytes(path: Path, archive: zipfile.ZipFile, members: Iterable[zipfile.ZipInfo], size: int) -> None:
    """Refuse what would not fit in memory, from the heads of the arrays: a small archive may unpack to a large one."""
    total = 0
    for member in members:
        if member.compress_type not in _METHODS:
            raise ValueError("it is not packed as NumPy packs")
        with archive.open(member) as file:
            total += max(member.file_size, parse_head(file.read(MAX_HEAD)).n_bytes)
    if total > _MAX_BYTES:
        raise InputError(
            f"The arrays of {path} must fit in memory, got {total / 2**30:.0f} GB. Keep a part of the rows."
        )
    if total > max(_ALWAYS_FINE, _MAX_RATIO * size):
        raise InputError(
            f"The arrays of {path} must have at most {_MAX_RATIO} times its size, got {total // size:,} times. "
            "numpy.savez writes them as they are; where does the file come from?"
        )


def _read_npy(path: Path, label: str | None) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    beside = [path.with_name(name.format(path.stem)) for name in _BESIDE]
    labels = expand(label) if label is not None else next(filter(is_file, beside), None)
    if label is not None and labels is not None and not is_file(labels):
        raise InputError(f"'label' of load_dataset must be the file of the labels of {path.name}, got {label!r}.")
    with _readable(path):
        rows = map_array(path)
    if labels is None:
        return {"train": rows}, {}
    with _readable(labels):
        return {"train": rows}, {"train": parse_array(read_file(labels, MAX_BINARY))}


def _one_axis(labels: np.ndarray, path: Path) -> np.ndarray:
    """Labels as a vector: one column counts as one."""
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim != 1:
        got = f"shape {labels.shape}"
        raise InputError(f"The labels of {path} must be one a row, got {got}. Of one-hot rows, take numpy.argmax.")
    return labels


def _indices(labels: dict[str, np.ndarray], path: Path) -> tuple[tuple[str, ...] | None, dict[str, np.ndarray]]:
    """Class indices, of texts by the order of their names; None for the names where they are indices already."""
    kinds = {part.dtype.kind for part in labels.values()}
    if kinds <= set("iu"):
        return None, labels
    if kinds <= {"f"} and all((part == np.floor(part)).all() for part in labels.values()):
        return None, {split: part.astype(np.int64) for split, part in labels.items()}
    if not kinds <= {"U", "b"} or len(kinds) > 1:
        raise InputError(f"The labels of {path} must be class indices or names, got {', '.join(sorted(kinds))}.")
    texts = {split: part.astype(str) for split, part in labels.items()}
    names = sorted({str(text) for part in texts.values() for text in np.unique(part)} - {""}, key=in_order)
    index = {name: i for i, name in enumerate(names)} | {"": UNLABELLED}
    return tuple(names), {split: np.array([index[str(text)] for text in part]) for split, part in texts.items()}


def _channels_first(x: np.ndarray) -> np.ndarray:
    """Pictures with their channel before height and width, as torch has them."""
    last = x.ndim == 4 and x.shape[3] in (1, 3) and x.shape[1] not in (1, 3)
    return x.transpose(0, 3, 1, 2) if last else x


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    except Exception as error:  # zipfile and NumPy meet flipped bytes with anything, KeyError to NotImplementedError
        raise InputError(
            f"{path} must be whole and hold plain arrays of NumPy; objects, which need pickle, are refused."
        ) from error
