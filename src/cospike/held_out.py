"""What a run keeps of the data, so that it can be read without them: attributes, references, a few samples."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from cospike import runs
from cospike._errors import InputError
from cospike._files import write_atomic
from cospike._types import UNLABELLED
from cospike.attributes import attribute_kind, measure_attributes
from cospike.codes import Codes
from cospike.column_entries import column_attributes
from cospike.columns import Column
from cospike.data import Dataset
from cospike.references import measure_references

_MAX_COLUMNS = 200  # of a table, as attributes: more are more correlations than a report can wait for
_PREVIEWS_PER_CLASS, _PREVIEWS, _PREVIEW_ENTRIES = 8, 2_000, 4_000_000  # at least; at most, and of small samples
_ROWS_PER_PART = 20_000


def save_held_out(run: Path, data: Dataset, codes: Codes) -> None:
    """Write `attributes.npz`, `references.safetensors` and, last of all that a run leaves, `previews.npz`.

    Args:
        run: the folder.
        data: what was trained on.
        codes: of its test rows.
    """
    if measure := attribute_measure(data.name, data.shape, data.columns):
        parts = [measure(part.numpy()) for part in data.test.x.split(_ROWS_PER_PART)]
        runs.save_arrays(
            run, "attributes.npz", {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        )
    if references := measure_references(data):
        write_atomic(run / "references.safetensors", references.to_bytes())
    rows = _preview_rows(codes, min(_PREVIEWS, _PREVIEW_ENTRIES // math.prod(data.shape)))
    runs.save_arrays(
        run, "previews.npz", {"index": rows, "x": data.test.x.index_select(0, torch.from_numpy(rows)).numpy()}
    )


def read_previews(run: Path, shape: tuple[int, ...], n_samples: int | None = None) -> dict[str, np.ndarray]:
    """The samples that a run keeps, as ``x``, and which rows of its test codes they are, as ``index``.

    Args:
        run: the folder.
        shape: of a sample of its model.
        n_samples: how many codes there are; default: not known.

    Raises:
        InputError: if the file is damaged, or does not fit model and codes.
    """
    arrays = runs.read_arrays(run, "previews.npz")
    if lacking := {"index", "x"} - arrays.keys():
        wrong = f"lacks '{min(lacking)}'"
    elif (index := arrays["index"]).ndim != 1 or index.dtype.kind not in "iu":
        wrong = f"must have rows of the codes in 'index', got {index.dtype} of shape {index.shape}"
    elif n_samples is not None and len(index) and not 0 <= index.min() <= index.max() < n_samples:
        wrong = f"must have an 'index' in 0 … {n_samples - 1}, got {index.min()} … {index.max()}"
    elif (x := arrays["x"]).shape != (expected := (len(index), *shape)):
        wrong = f"must have 'x' of shape {expected}, got {x.shape}"
    elif x.dtype.kind not in "fiu" or not np.isfinite(x).all():
        wrong = "must have finite numbers in 'x'"
    else:
        return arrays
    raise InputError(f"{run / 'previews.npz'} {wrong}. Train again.")


def attribute_measure(
    name: str, shape: tuple[int, ...], columns: Sequence[Column] = (), *, cache: bool = True
) -> Callable[[np.ndarray], dict[str, np.ndarray]] | None:
    """How a run measures the attributes of its samples, and of what it draws; None if it measures none.

    Args:
        name: of the data.
        shape: of a sample.
        columns: of a table, whose attributes have their names and units.
        cache: as in `measure_attributes`.
    """
    kind = attribute_kind(name, shape)
    if kind is None or (kind == "columns" and shape[0] > _MAX_COLUMNS):
        return None
    return partial(column_attributes, columns) if columns else partial(measure_attributes, kind=kind, cache=cache)


def _preview_rows(codes: Codes, n: int) -> np.ndarray:
    """About ``n`` samples, as many of each class and of the unlabelled ones, drawn by a fixed seed."""
    order = np.random.default_rng(0).permutation(len(codes))
    labels = codes.labels[order]
    each = max(_PREVIEWS_PER_CLASS, n // max(1, len(np.unique(labels))))
    return np.concatenate([order[labels == label][:each] for label in range(UNLABELLED, codes.n_classes)])
