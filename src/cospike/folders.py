"""Folders of data: those of IDX files."""

from pathlib import Path

import numpy as np

from cospike._errors import InputError
from cospike.idx import read_idx

Pair = tuple[np.ndarray, np.ndarray]
"""Images and labels."""


def read_idx_folder(folder: Path) -> tuple[Pair, Pair | None]:
    """The training pair of a folder of IDX files, and the test pair if it has one.

    Raises:
        InputError: if it has no training pair, or files that cannot be used.
    """
    pairs = {stem: _read_pair(folder, stem) for stem in ("train", "t10k", "test")}
    if (train := pairs["train"]) is None:
        got = f"{folder} without train-images* and train-labels*"
        raise _refusal("a folder of IDX files", got, "Name the folder that holds them.")
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
