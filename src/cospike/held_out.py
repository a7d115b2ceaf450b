"""What a run keeps of the data, so that it can be read without them: attributes, references, a few samples."""

from pathlib import Path

import numpy as np
import torch

from cospike import runs
from cospike._files import write_atomic
from cospike._types import UNLABELLED
from cospike.attributes import AttributeKind, attribute_kind, measure_attributes
from cospike.codes import Codes
from cospike.data import Dataset
from cospike.references import measure_references

_MAX_COLUMNS = 200  # of a table, as attributes: more are more correlations than a report can wait for
_PREVIEWS_PER_CLASS = 8


def save_held_out(run: Path, data: Dataset, codes: Codes) -> None:
    """Write `attributes.npz`, `references.safetensors` and, last of all that a run leaves, `previews.npz`.

    Args:
        run: the folder.
        data: what was trained on.
        codes: of its test rows.
    """
    if kind := kept_attributes(data.name, data.shape):
        runs.save_arrays(run, "attributes.npz", measure_attributes(data.test.x.numpy(), kind=kind))
    if references := measure_references(data):
        write_atomic(run / "references.safetensors", references.to_bytes())
    rows = _preview_rows(codes)
    runs.save_arrays(run, "previews.npz", {"index": rows, "x": data.test.x[torch.from_numpy(rows)].numpy()})


def kept_attributes(name: str, shape: tuple[int, ...]) -> AttributeKind | None:
    """What a run keeps of the attributes of its samples, and measures on what it draws; None for none."""
    kind = attribute_kind(name, shape)
    return None if kind == "columns" and shape[0] > _MAX_COLUMNS else kind


def _preview_rows(codes: Codes) -> np.ndarray:
    """A few samples of each class, and of the unlabelled ones, drawn by a fixed seed."""
    order = np.random.default_rng(0).permutation(len(codes))
    labels = codes.labels[order]
    return np.concatenate(
        [order[labels == label][:_PREVIEWS_PER_CLASS] for label in range(UNLABELLED, codes.n_classes)]
    )
