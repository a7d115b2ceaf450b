"""Data in folders and files that are no tables: pictures, IDX files, arrays, as rows and labels of each split."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cospike._errors import InputError
from cospike.array_files import Pair, read_array_file
from cospike.choices import is_folder
from cospike.idx import read_idx
from cospike.pictures import has_pictures, read_pictures

_HELD_OUT = 0.2


class Parts(NamedTuple):
    """Rows and labels; of the splits that are held out, these or the share to hold out."""

    train: Pair
    class_names: tuple[str, ...] | None
    validation: Pair | float = _HELD_OUT
    test: Pair | float = _HELD_OUT


def read_parts(path: Path, *, label: str | None = None, image_size: Sequence[int] | None = None) -> Parts:
    """What a folder, or a file of arrays, holds.

    Args:
        path: of the folder or file.
        label: of arrays, as `read_array_file` takes it.
        image_size: of pictures, as `read_pictures` takes it.

    Raises:
        InputError: if it holds nothing to train on, or an argument is meant for other data.
    """
    pictured = is_folder(path) and not any(path.glob("train-images*")) and has_pictures(path)
    if image_size is not None and not pictured:
        got = " ".join(map(str, image_size))
        raise InputError(
            f"'image_size' of load_dataset is for folders of pictures, got {got} for {path}. Leave it out."
        )
    if label is not None and is_folder(path):
        raise InputError(f"'label' of load_dataset is for tables and arrays, got {label!r} for {path}. Leave it out.")
    if pictured:
        pictures = read_pictures(path, size=image_size)
        return Parts((pictures.x, pictures.y), pictures.class_names)
    if is_folder(path):
        train, test = read_idx_folder(path)
        return Parts(train, None, 1 / 6, test or 1 / 6)
    arrays = read_array_file(path, label=label)
    parts = arrays.parts
    return Parts(parts["train"], arrays.class_names, *(parts.get(name, _HELD_OUT) for name in ("validation", "test")))


def read_idx_folder(folder: Path) -> tuple[Pair, Pair | None]:
    """The training pair of a folder of IDX files, and the test pair if it has one.

    Raises:
        InputError: if it has no training pair, or files that cannot be used.
    """
    pairs = {stem: _read_pair(folder, stem) for stem in ("train", "t10k", "test")}
    if (train := pairs["train"]) is None:
        got = f"{folder} without train-images* and train-labels*"
        fix = "Name the folder that holds them, or one with a sub-folder of pictures for each class."
        raise _refusal("a folder of IDX files", got, fix)
    test = pairs["t10k"] or pairs["test"]
    seen = np.unique(np.concatenate([pair[1] for pair in (train, test) if pair]))
    if 2 * len(seen) <= (highest := max(seen.tolist(), default=-1)):
        got, fix = f"{folder} with {len(seen)} of them up to {highest}", "Number them anew; drop rows to be ignored."
        raise _refusal("a folder whose labels number the classes from 0", got, fix)
    return train, test


def _read_pair(folder: Path, stem: str) -> Pair | None:
    """The images and labels of one part of a folder; None if it has neither."""
    found = {kind: sorted(folder.glob(f"{stem}-{kind}*")) for kind in ("images", "labels")}
    if not any(found.values()):
        return None
    for kind, files in found.items():
        if len(files) != 1:
            expected, got = f"a folder with one {stem}-{kind}* beside its pair", f"{folder} with {len(files)}"
            raise _refusal(expected, got, "Keep one of them." if files else "Add it.")
    [images], [labels] = found.values()
    x, y = read_idx(images, ndim=3), read_idx(labels, ndim=1)
    if len(x) != len(y):
        got = f"{len(x)} images in {images} and {len(y)} labels in {labels}"
        raise _refusal("a folder with one label an image", got, "Are they of the same set?")
    return x, y


def _refusal(expected: str, got: str, fix: str) -> InputError:
    return InputError(f"'name_or_folder' of load_dataset must be {expected}, got {got}. {fix}")
