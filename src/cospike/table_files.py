"""Files of tables: CSV, Parquet and Feather, into data frames, and refused in one line where they are none.

A file may come from anywhere: what it decodes to is limited by its size, its buffers are validated, and what pandas
keeps beside a Parquet file is not looked at.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

from cospike._ceiling import limited_memory
from cospike._errors import InputError
from cospike._reading import MAX_BINARY, open_file
from cospike.choices import is_file, no_file
from cospike.delimited import check_lines, check_names, read_dialect

Frame: TypeAlias = Any
"""A pandas data frame; pandas is an extra."""

_MAX_CELLS = 2**28  # two gigabytes as float64
_FEW_CELLS, _PER_BYTE = 2**24, 256  # what any file may hold; for each of its bytes
_MAX_BYTES = 2**32  # of a text file
_TEXTS, _PARQUET = (".csv", ".tsv"), (".parquet", ".pq")


def need(module: str) -> Any:
    """A library that tables need.

    Raises:
        InputError: that names the extra, if it is not there.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(f"Tables need {module.partition('.')[0]}: pip install 'cospike[tables]'.") from error


def column_names(path: Path) -> tuple[str, ...]:
    """The names of the columns of a file, of which little else is read."""
    if path.suffix.lower() in _TEXTS:
        _check_file(path)
        return read_dialect(path).names
    with _readable(path), _open(path) as file:
        return tuple((file.schema_arrow if path.suffix.lower() in _PARQUET else file.schema).names)


def read_file(path: Path) -> Frame:
    """The table in a file, its columns named differently.

    Raises:
        InputError: if it is no whole table, or too large for the memory.
    """
    return _read_text(path) if path.suffix.lower() in _TEXTS else _read_binary(path)


def _read_text(path: Path) -> Frame:
    pandas = need("pandas")
    _check_file(path)
    if (size := path.stat().st_size) > _MAX_BYTES:
        raise _too_large(path, f"{size / 2**30:.0f} GB")
    dialect = read_dialect(path)
    _check_cells(path, check_lines(path, dialect) * len(dialect.names), size)
    with _readable(path), open_file(path, MAX_BINARY) as file:
        return pandas.read_csv(
            file,
            sep=dialect.delimiter,
            decimal=dialect.decimal,
            header=0,
            names=list(dialect.names),
            index_col=False,
            skipinitialspace=True,
            encoding="utf-8-sig",
            na_values=["?"],
            low_memory=False,
        )


def _read_binary(path: Path) -> Frame:
    need("pandas")
    arrow = need("pyarrow")
    with _readable(path), _open(path) as file:
        size = path.stat().st_size
        parquet = path.suffix.lower() in _PARQUET
        schema = file.schema_arrow if parquet else file.schema
        check_names(tuple(schema.names), str(path))
        if parquet:  # tells before anything is decoded
            _check_cells(path, file.metadata.num_rows * len(schema.names), size)
        batches, n_rows = [], 0
        for batch in file.iter_batches() if parquet else map(file.get_batch, range(file.num_record_batches)):
            n_rows += batch.num_rows
            _check_cells(path, n_rows * len(schema.names), size)
            batch.validate(full=True)
            batches.append(batch)
        return arrow.Table.from_batches(batches, schema=schema).to_pandas(ignore_metadata=True)


def _check_cells(path: Path, n: int, size: int) -> None:
    if n > min(_MAX_CELLS, max(_FEW_CELLS, _PER_BYTE * size)):
        raise _too_large(path, f"{n:,} cells")


def _too_large(path: Path, size: str) -> InputError:
    return InputError(f"{path} must fit in memory, got {size}. Train on a sample of its rows.")


def _check_file(path: Path) -> None:
    if not is_file(path):
        raise no_file(path)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """One line for whatever pandas and pyarrow raise of a file that is none of theirs, or a damaged one."""
    _check_file(path)
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise _too_large(path, "more than there is") from error
    except (OSError, ValueError, KeyError, TypeError, NotImplementedError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path} must be a whole table, got: {reason.rstrip('.')}. Write it anew.") from error


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    parquet = path.suffix.lower() in _PARQUET
    read = need("pyarrow.parquet").ParquetFile if parquet else need("pyarrow.ipc").open_file
    with open_file(path, MAX_BINARY) as content, limited_memory(path.stat().st_size), read(content) as file:
        yield file
