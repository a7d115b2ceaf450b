"""What `cospike encode` is given, as rows that the model of a run takes."""

from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import torch

from cospike import runs
from cospike._arrays import map_array
from cospike._arrays import to_labels as to_class_indices
from cospike._errors import InputError, did_you_mean
from cospike._types import UNLABELLED
from cospike.cells import read_anndata, read_cells
from cospike.choices import CELL_SUFFIXES, TABLE_SUFFIXES, check_data, is_cells, is_table
from cospike.columns import Column
from cospike.data import Array, Dataset, Split, load_dataset
from cospike.frames import read_frame, to_labels, to_rows
from cospike.options import SplitName
from cospike.sparse_rows import SparseRows
from cospike.stored_rows import Rows, StoredRows

_WITHOUT_SPLITS = (*TABLE_SUFFIXES, *CELL_SUFFIXES, ".npy")


class Source(NamedTuple):
    """Rows to encode, the split that they are of, and the names of their classes."""

    rows: Split | Array
    split: str = ""
    class_names: tuple[str, ...] = ()


def find_sources(
    run: Path, data: str, label: str | None, layer: str | None, split: SplitName | None, split_seed: int | None
) -> tuple[list[Source], str | None]:
    """What is to be encoded, and a remark if it is what the run was trained on but split otherwise."""
    path = Path(data)
    if path.suffix.lower() in _WITHOUT_SPLITS:
        if split is not None or split_seed is not None:
            raise InputError(
                f"'split' of encode is for data that have splits, which {path.name} has not. Leave it out."
            )
        if layer is not None and not is_cells(path):
            raise InputError(f"'layer' of encode is for cells, got {layer!r} for {path.name}. Leave it out.")
        read = _cells if is_cells(path) else _table if is_table(path) else _array
        return [read(run, path, label, layer)], None
    if label is not None or layer is not None:
        raise InputError(
            f"'label' and 'layer' of encode are for tables, cells and .npy files, not for {data}. Leave them out."
        )
    check_data(data)
    if split is not None and split not in get_args(SplitName):
        raise InputError(f"Unknown split {split!r} of encode. {did_you_mean(split, get_args(SplitName))}")
    config = runs.read_config(run)
    dataset = load_dataset(data, seed=_seed(config, split_seed))
    names = get_args(SplitName) if split is None else (split,)
    sources = [Source(getattr(dataset, name), name, dataset.class_names) for name in names]
    return sources, _remark(run, config, dataset)


def _table(run: Path, path: Path, label: str | None, layer: str | None) -> Source:
    """All rows of a table, in the columns that a run was trained on."""
    columns, names = _learned(run, path, "table")
    frame = read_frame(path)
    y, names = (None, names) if label is None else to_labels(frame, label, names)
    return Source(_split(torch.from_numpy(to_rows(frame, columns)), y), class_names=names)


def _cells(run: Path, path: Path, label: str | None, layer: str | None) -> Source:
    """All cells of a file, in the genes that a run was trained on."""
    columns, names = _learned(run, path, "file of cells")
    genes = [column.name for column in columns]
    cells = read_cells(
        read_anndata(path, "encode"), label=label, layer=layer, unlabelled=None, of="encode", genes=genes
    )
    new = [name for name in cells.class_names if name not in names]
    index = np.array([(*names, *new).index(name) for name in cells.class_names] + [UNLABELLED], dtype=np.int64)
    return Source(_split(SparseRows.from_csr(cells.counts), index[cells.y]), class_names=(*names, *new))


def _array(run: Path, path: Path, label: str | None, layer: str | None) -> Source:
    """The array of an .npy file, where it is; its labels are indices of classes."""
    rows, names = _mapped(path), tuple(runs.read_config(run)["data"]["class_names"])
    if label is None:
        return Source(rows)
    y = to_class_indices(_mapped(Path(label), "label"), len(rows), "label", "encode").astype(np.int64)
    more = map(str, range(len(names), int(y.max(initial=UNLABELLED)) + 1))
    return Source(_split(StoredRows(rows[:, None] if rows.ndim == 3 else rows), y), class_names=(*names, *more))


def _learned(run: Path, path: Path, kind: str) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """The columns and the classes that a run was trained on."""
    columns = runs.read_columns(run)
    if not columns or (columns[0].kind == "count") != is_cells(path):
        raise InputError(f"'data' of encode must be as what {run} was trained on, which was no {kind}, got {path}.")
    return columns, tuple(runs.read_config(run)["data"]["class_names"])


def _split(x: Rows, y: np.ndarray | None) -> Split:
    return Split(x, torch.full((len(x),), UNLABELLED) if y is None else torch.from_numpy(y))


def _seed(config: dict[str, Any], split_seed: int | None) -> int:
    """What a run's data were split by, as far as the run knows: the seed of its training."""
    return int(config["training"].get("seed", 0)) if split_seed is None else split_seed


def _remark(run: Path, config: dict[str, Any], dataset: Dataset) -> str | None:
    known = config["data"]
    if known["name"] != dataset.name or known.get("fingerprint") == dataset.fingerprint:
        return None
    return (
        f"{dataset.name} is not what {run} was trained on, or is split otherwise: its test rows may have been trained "
        "on. --split-seed sets the split."
    )


def _mapped(path: Path, argument: str = "data") -> np.ndarray:
    """The array of an .npy file, where it is."""
    try:
        return map_array(path)
    except OSError as error:
        raise InputError(
            f"'{argument}' of encode must be a file that can be read, got {path}: {error.strerror}."
        ) from error
    except (ValueError, EOFError, TypeError) as error:
        raise InputError(
            f"'{argument}' of encode must be an .npy file of numbers, got {path}, which holds none."
        ) from error
