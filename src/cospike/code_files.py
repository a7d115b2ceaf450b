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
from typing import Any, Protocol

import numpy as np

from cospike import runs
from cospike._errors import InputError
from cospike._extras import need
from cospike._files import format_arrays, replacing, write_atomic
from cospike._text import cell
from cospike.code_sources import Source, find_sources
from cospike.codes import Codes
from cospike.data import Array, Split
from cospike.encoding import check_shape, encode_dataset
from cospike.model import SparseVAE
from cospike.options import SplitName
from cospike.progress import counting

FORMATS = (".parquet", ".csv", ".npz")

_ROWS_PER_PART = 20_000


class _Writer(Protocol):
    """What takes the rows of a table as they come."""

    def write(self, source: Source, first: int, codes: Codes) -> None:
        """Add the codes of rows from ``first`` on."""
        ...


def write_codes(
    run: str | Path,
    data: str,
    out: Path,
    *,
    label: str | None = None,
    layer: str | None = None,
    split: SplitName | None = None,
    split_seed: int | None = None,
    accelerator: str = "auto",
    progress: bool | None = None,
) -> str | None:
    """Encode data with the model of a run, and write what comes out; returns a remark on the splits, if there is one.

    Args:
        run: the folder of a run.
        data: a name or a folder, as `load_dataset` takes it; a table with the columns, or an .h5ad file with the genes,
            that the run was trained on; or an .npy file of samples, which is read part by part.
        out: a file that ends in .parquet, which needs the extra `tables`, .csv or .npz.
        label: of a table or of cells, the column that names the classes; of an .npy file, that of the labels. Default:
            no row has a class.
        layer: of cells, the layer that holds the counts; default: X.
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
    model, (sources, remark) = runs.load(run), find_sources(Path(run), data, label, layer, split, split_seed)
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


def _part(rows: Split | Array, part: slice) -> Split | Array:
    return Split(rows.x[part], rows.y[part]) if isinstance(rows, Split) else rows[part]


def _encoded(model: SparseVAE, source: Source, rows: Split | Array, accelerator: str, progress: bool | None) -> Codes:
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

    def write(self, source: Source, first: int, codes: Codes) -> None:
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

    def write(self, source: Source, first: int, codes: Codes) -> None:
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
