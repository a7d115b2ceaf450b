"""Text files of tables: which character separates the cells, whether numbers have a comma, and what is no table."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from cospike._errors import InputError
from cospike._reading import MAX_BINARY, open_file
from cospike._types import MAX_NAME

MAX_COLUMNS = 2**17
"""Columns of a table: more than any has that is meant."""

_DELIMITERS = (",", ";", "\t", "|")
_LOOKED_AT, _CELLS_LOOKED_AT = 200, 2**20  # rows that decide about the comma, and cells, if these are fewer
_LONGEST_LINE = 2**24  # characters
_WITH_COMMA, _WITH_POINT = (re.compile(rf"[-+]?\d*\{mark}\d+([eE][-+]?\d+)?") for mark in (",", "."))


class Delimited(NamedTuple):
    """How a text file is to be read: its columns, what separates cells, and what stands before the decimals."""

    names: tuple[str, ...]
    delimiter: str
    decimal: str


def read_dialect(path: Path) -> Delimited:
    """Look at the first rows of a text file.

    Raises:
        InputError: if it is empty, no UTF-8, or has no line of names.
    """
    with _readable(path):
        # The one that makes most columns of the first line; a comma, if none makes two.
        delimiter = max(_DELIMITERS, key=lambda mark: _n_columns(path, mark))
        first = _first_rows(path, delimiter)
    if not first:
        raise InputError(f"{path} is empty. A table has a line of column names, and a row a sample.")
    header, *rows = first
    names = tuple(name.strip() or f"column {i}" for i, name in enumerate(header, 1))
    if numbers := [name for name in names if _is_number(name)]:
        raise InputError(
            f"The first line of {path} must hold the names of the columns, got {', '.join(numbers[:3])}. "
            "Put a line of names before the first row."
        )
    check_names(names, str(path))
    cells = [cell.strip() for row in rows for cell in row]
    comma = any(map(_WITH_COMMA.fullmatch, cells)) and not any(map(_WITH_POINT.fullmatch, cells))
    return Delimited(names, delimiter, "," if comma else ".")


def _n_columns(path: Path, mark: str) -> int:
    """Cells of the first line; 0 if there is none, or it cannot be read so: whole, it may be too long for a cell."""
    try:
        return len(next(_rows(path, mark), ()))
    except csv.Error:
        return 0


def _first_rows(path: Path, mark: str) -> list[list[str]]:
    rows, n_cells = [], 0
    for row in islice(_rows(path, mark), _LOOKED_AT):
        rows.append(row)
        n_cells += len(row)
        if n_cells > _CELLS_LOOKED_AT:
            break
    return rows


def check_lines(path: Path, dialect: Delimited) -> int:
    """Refuse a file in which a row has more or fewer cells than there are columns: cells would be in wrong places.

    Returns:
        How many rows there are.

    Raises:
        InputError: that names the row, the first below the names being 1; or if there is no row at all.
    """
    n_rows = 0
    with _readable(path):
        for n_rows, row in enumerate(islice(_rows(path, dialect.delimiter), 1, None), 1):
            if len(row) != len(dialect.names):
                raise InputError(
                    f"Every row of {path} must have the {len(dialect.names)} cells of its first line, got {len(row)} "
                    f"in row {n_rows}. Is the file whole, and is a cell with {dialect.delimiter!r} in it quoted?"
                )
    if not n_rows:
        raise InputError(f"{path} has names of columns, but no row. A table has a row a sample.")
    return n_rows


def check_names(names: tuple[str, ...], where: str) -> None:
    """Refuse two columns of one name, names that are none, and more columns than a table has.

    Raises:
        InputError: that names the first such.
    """
    if len(names) > MAX_COLUMNS:
        raise InputError(f"{where} must have at most {MAX_COLUMNS:,} columns, got {len(names):,}. Leave some out.")
    if twice := next((name for name, n in Counter(names).items() if n > 1), None):
        raise InputError(f"The columns of {where} must have different names, got {twice!r} twice. Rename one.")
    if long := next((name for name in names if len(name) > MAX_NAME), None):
        raise InputError(
            f"The columns of {where} must have names of up to {MAX_NAME:,} characters, got {long[:20]!r} and "
            f"{len(long) - 20:,} more. Rename it."
        )


def _rows(path: Path, delimiter: str) -> Iterator[list[str]]:
    """The rows of a file, blank lines aside."""
    with TextIOWrapper(open_file(path, MAX_BINARY), encoding="utf-8-sig", newline="") as file:
        for row in csv.reader(_lines(file), delimiter=delimiter, skipinitialspace=True):
            if len(row) > MAX_COLUMNS:
                raise csv.Error(f"a row of over {MAX_COLUMNS:,} cells")
            if row:
                yield row


def _lines(file: TextIOWrapper) -> Iterator[str]:
    """One by one, and none of gigabytes, as a file of holes is."""
    while line := file.readline(_LONGEST_LINE + 1):
        if len(line) > _LONGEST_LINE:
            raise csv.Error(f"a line of over {_LONGEST_LINE:,} characters")
        yield line


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be text in UTF-8, which it is not. Save it as CSV in UTF-8.") from error
    except csv.Error as error:
        raise InputError(f"{path} must be a table as text, got: {error}. Save it as CSV.") from error
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
