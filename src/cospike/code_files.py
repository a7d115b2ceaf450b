"""`write_codes()`: the codes of data that a run was not trained on, or was, as a table or as arrays, part by part.

A table (.parquet, .csv) has a row a sample: ``id``, the row in the data; ``split``, where the data have splits;
``label``, the name of its class, empty where it is not known; and ``latent_0`` …, exactly 0 where a latent is off. In
a .csv, a name that a spreadsheet would take for a formula has an apostrophe before it. An .npz holds the arrays of
`Codes`, with the doubt that a table leaves out: ``Codes.from_arrays(dict(np.load(path)))``.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, get_args

import numpy as np
import torch

from cospike import runs
from cospike._arrays import map_array
from cospike._errors import InputError, did_you_mean
from cospike._extras import need
from cospike._files import format_arrays, replacing, write_atomic
from cospike._text import cell
from cospike._types import UNLABELLED
from cospike.choices import check_data, is_table
from cospike.codes import Codes
from cospike.data import Array, Dataset, Split, load_dataset
from cospike.encoding import check_shape, encode_dataset
from cospike.frames import read_frame, to_labels, to_rows
from cospike.model import SparseVAE
from cospike.options import SplitName
from cospike.progress import counting

FORMATS = (".parquet", ".csv", ".npz")

_ROWS_PER_PART = 20_000


class _Source(NamedTuple):
    """Rows to encode, the split that they are of, and the names of their classes."""

    rows: Split | Array
    split: str = ""
    class_names: tuple[str, ...] = ()


class _Writer(Protocol):
    """What takes the rows of a table as they come."""

    def write(self, source: _Source, first: int, codes: Codes) -> None:
        """Add the codes of rows from ``first`` on."""
        ...


def write_codes(
    run: str | Path,
    data: str,
    out: Path,
    *,
    label: str | None = None,
    split: SplitName | None = None,
    split_seed: int | None = None,
    accelerator: str = "auto",
    progress: bool | None = None,
) -> str | None:
    """Encode data with the model of a run, and write what comes out; returns a remark on the splits, if there is one.

    Args:
        run: the folder of a run.
        data: a name or a folder, as `load_dataset` takes it; a table with the columns that the run was trained on; or
            an .npy file of samples, which is read part by part.
        out: a file that ends in .parquet, which needs the extra `tables`, .csv or .npz.
        label: of a table, the column that names the classes; default: no row has a class.
        split: which one of the data, where they have splits; default: all three.
        split_seed: of data that come without a split; default: what the run was trained with.
        accelerator: as in `fit`.
        progress: show a bar of what takes over a second; default: if the terminal shows it.
    """
    if out.suffix not in FORMATS:
        raise InputError(f"'out' of encode must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, got {out}.")
    if out.suffix == ".parquet":
        need("tables", ("pyarrow",), of="A .parquet file")
    if not out.parent.is_dir():
        raise InputError(f"'out' of encode must lie in a folder that is there, got {out}. Make {out.parent} first.")
    model, (sources, remark) = runs.load(run), _sources(Path(run), data, label, split, split_seed)
    for source in sources:
        rows = source.rows.x if isinstance(source.rows, Split) else source.rows
        if not (rows.ndim == 3 == len(model.shape) and model.shape[0] == 1):  # the encoder gives those a channel
            check_shape(model, tuple(rows.shape[1:]))
    if out.suffix == ".npz":
        codes = _joined([_encoded(model, source, source.rows, accelerator, progress) for source in sources])
        write_atomic(out, format_arrays(codes.to_arrays()))
        return remark
    total = sum(len(source.rows) for source in sources)
    has_splits = bool(sources[0].split)
    with (
        counting(f"encoding {data}", total, show=progress) as advance,
        replacing(out) as temporary,
        _WRITERS[out.suffix](temporary, model.n_latents, has_splits) as writer,
    ):
        for source in sources:
            for first in range(0, len(source.rows), _ROWS_PER_PART):
                part = _part(source.rows, slice(first, first + _ROWS_PER_PART))
                writer.write(source, first, _encoded(model, source, part, accelerator, False))
                advance(len(part))
    return remark


def _sources(
    run: Path, data: str, label: str | None, split: SplitName | None, split_seed: int | None
) -> tuple[list[_Source], str | None]:
    """What is to be encoded, and a remark if it is what the run was trained on but split otherwise."""
    if label is not None and not is_table(data):
        raise InputError(f"'label' of encode is for tables, got {label!r} for {data}. Leave it out.")
    if data.endswith(".npy") or is_table(data):
        if split is not None or split_seed is not None:
            raise InputError(
                f"'split' of encode is for data that have splits, which {Path(data).name} has not. Leave it out."
            )
        return [_table(run, Path(data), label) if is_table(data) else _Source(_mapped(Path(data)))], None
    check_data(data)
    if split is not None and split not in get_args(SplitName):
        raise InputError(f"Unknown split {split!r} of encode. {did_you_mean(split, get_args(SplitName))}")
    config = runs.read_config(run)
    dataset = load_dataset(data, seed=_seed(config, split_seed))
    names = get_args(SplitName) if split is None else (split,)
    sources = [_Source(getattr(dataset, name), name, dataset.class_names) for name in names]
    return sources, _remark(run, config, dataset)


def _table(run: Path, path: Path, label: str | None) -> _Source:
    """All rows of a table, in the columns that a run was trained on."""
    columns, frame = runs.read_columns(run), read_frame(path)
    if not columns:
        raise InputError(f"'data' of encode must be as what {run} was trained on, which was no table, got {path}.")
    rows, known = to_rows(frame, columns), tuple(runs.read_config(run)["data"]["class_names"])
    y, names = (None, known) if label is None else to_labels(frame, label, known)
    labels = torch.full((len(rows),), UNLABELLED) if y is None else torch.from_numpy(y)
    return _Source(Split(torch.from_numpy(rows), labels), class_names=names)


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


def _mapped(path: Path) -> np.ndarray:
    """The array of an .npy file, where it is."""
    try:
        return map_array(path)
    except OSError as error:
        raise InputError(f"'data' of encode must be a file that can be read, got {path}: {error.strerror}.") from error
    except (ValueError, EOFError, TypeError) as error:
        raise InputError(f"'data' of encode must be an .npy file of numbers, got {path}, which holds none.") from error


def _part(rows: Split | Array, part: slice) -> Split | Array:
    return Split(rows.x[part], rows.y[part]) if isinstance(rows, Split) else rows[part]


def _encoded(model: SparseVAE, source: _Source, rows: Split | Array, accelerator: str, progress: bool | None) -> Codes:
    codes = encode_dataset(model, rows, accelerator=accelerator, progress=progress)
    return replace(codes, class_names=source.class_names or codes.class_names)


def _joined(parts: Sequence[Codes]) -> Codes:
    """The codes of several splits as one."""
    per_sample = ("active_probs", "slab_loc", "slab_scale", "labels", "reconstruction")
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in per_sample}
    return Codes.from_arrays(parts[0].to_arrays() | arrays)


def _columns(n_latents: int, has_splits: bool) -> list[str]:
    return ["id", *["split"] * has_splits, "label", *(f"latent_{latent}" for latent in range(n_latents))]


def _labels(codes: Codes) -> list[str | None]:
    names: list[str | None] = [*codes.class_names, None]  # the last entry is that of −1
    return [names[label] for label in codes.labels]


class _CsvWriter:
    """Rows of text; numbers with as many digits as tell one float32 from the next."""

    def __init__(self, lines: Any, has_splits: bool) -> None:
        self._lines, self._has_splits = lines, has_splits

    def write(self, source: _Source, first: int, codes: Codes) -> None:
        values = codes.values().astype(np.float32).astype(str)
        for row, (label, cells) in enumerate(zip(_labels(codes), values, strict=True), start=first):
            self._lines.writerow([row, *[source.split] * self._has_splits, cell(label or ""), *cells])


@contextmanager
def _csv_writer(path: Path, n_latents: int, has_splits: bool) -> Iterator[_Writer]:
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(_columns(n_latents, has_splits))
        yield _CsvWriter(lines, has_splits)


class _ParquetWriter:
    """Groups of rows; numbers are float32."""

    def __init__(self, file: Any, schema: Any) -> None:
        self._file, self._schema = file, schema

    def write(self, source: _Source, first: int, codes: Codes) -> None:
        import pyarrow as pa  # noqa: PLC0415  # an extra

        columns: dict[str, Any] = {"id": np.arange(first, first + len(codes)), "label": _labels(codes)}
        if "split" in self._schema.names:
            columns["split"] = [source.split] * len(codes)
        columns |= {f"latent_{latent}": column for latent, column in enumerate(codes.values().astype(np.float32).T)}
        self._file.write_table(pa.table({name: columns[name] for name in self._schema.names}, schema=self._schema))


@contextmanager
def _parquet_writer(path: Path, n_latents: int, has_splits: bool) -> Iterator[_Writer]:
    import pyarrow as pa  # noqa: PLC0415  # an extra
    from pyarrow import parquet  # noqa: PLC0415

    types = {"id": pa.int64(), "split": pa.string(), "label": pa.string()}
    schema = pa.schema([(name, types.get(name, pa.float32())) for name in _columns(n_latents, has_splits)])
    with parquet.ParquetWriter(path, schema) as file:
        yield _ParquetWriter(file, schema)


_WRITERS = {".csv": _csv_writer, ".parquet": _parquet_writer}
