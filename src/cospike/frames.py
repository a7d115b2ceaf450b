"""Tables: CSV, Parquet and Feather files or data frames, read into rows of numbers, classes and columns.

What a column is (a number, a choice) is decided by all rows, and what is learned of it (a mean, a scale) by the
training rows alone. Nothing in a file is run or unpickled.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from cospike._errors import InputError, TrainingWarning, did_you_mean
from cospike._types import UNLABELLED
from cospike.choices import expand
from cospike.column_entries import decode_columns, encode_columns
from cospike.columns import MAX_CATEGORIES, OTHER, Cells, Column, as_texts, fit_column, in_order, is_missing
from cospike.delimited import check_names
from cospike.splits import deal
from cospike.table_files import Frame, column_names, need, read_file

_USUAL = ("label", "labels", "class", "classes", "target", "species", "category", "outcome", "diagnosis", "y")
_HELD_OUT = 0.2  # for validation, and again for the test


class Table(NamedTuple):
    """A table as arrays.

    Attributes:
        x: encoded rows.
        y: class index of each row; −1 where it is not known.
        class_names: by index.
        columns: what the entries of a row are.
        parts: row numbers of the splits: train, validation, test.
    """

    x: Float[np.ndarray, "row entry"]
    y: Int64[np.ndarray, " row"]
    class_names: tuple[str, ...]
    columns: tuple[Column, ...]
    parts: dict[str, np.ndarray]


def check_table(path: str | Path, label: str | None, *, needs_label: bool) -> None:
    """Refuse a label that is no column, or none where one is needed, from the names of the columns alone.

    Raises:
        InputError: for these, and for a file that cannot be read.
    """
    names = column_names(expand(path))
    if label is None and needs_label:
        usual = [name for name in names if name.lower() in _USUAL]
        known = f"Is it {usual[0]!r}?" if usual else f"The columns: {some_of(names)}."
        raise InputError(
            f"'label' of train must name the column of the classes in {Path(path).name}, got none. {known} "
            "Without classes, train with the objective vsc."
        )
    if label is not None and label not in names:
        raise _no_column(Path(path).name, names, label)


def read_table(source: Any, *, label: str | None, name: str, seed: int) -> Table:
    """A file or data frame as arrays, with its splits.

    Args:
        source: a path, a data frame of pandas or polars, or a dictionary of columns.
        label: the column of the classes; None for none.
        name: what to call the table in messages.
        seed: decides which rows are held out: of every class in proportion, a fifth to choose by and a fifth to report.

    Raises:
        InputError: if it is no table that can be trained on.
    """
    frame = read_frame(source)
    names = tuple(map(str, frame.columns))
    if label is not None and label not in names:
        raise _no_column(name, names, label)
    n_held_out = round(_HELD_OUT * len(frame))
    if n_held_out < 1:
        raise InputError(f"{name} must have at least three rows, one for each split, got {len(frame)}. Add rows.")
    y, class_names = classes_of(frame[label], label, name) if label is not None else (_unknown(len(frame)), ())
    parts = dict(zip(("test", "validation", "train"), deal(y, [n_held_out] * 2, seed=seed), strict=True))
    columns, cells = _fit_columns(frame.drop(columns=[label] if label else []), parts["train"], name)
    return Table(encode_columns(columns, cells), y, class_names, columns, parts)


def to_rows(table: Any, columns: Sequence[Column]) -> Float[np.ndarray, "row entry"]:
    """Other rows, encoded as those that the columns were learned of; further columns in the table do not count.

    Args:
        table: the path of a file, a data frame of pandas or polars, or a dictionary of columns.
        columns: of a `Dataset`, or of a run (`read_columns`).

    Raises:
        InputError: if a column is lacking, or is of another kind.
    """
    frame = read_frame(table)
    wanted = [column.name for column in columns if column.name in frame.columns]
    cells = {}
    for name in wanted:
        if isinstance(read := to_cells(frame[name]), str):
            raise InputError(f"The column {name!r} must be as in training, got {read}. Convert it.")
        cells[name] = read
    return encode_columns(columns, cells)


def to_labels(table: Any, label: str, class_names: Sequence[str]) -> tuple[Int64[np.ndarray, " row"], tuple[str, ...]]:
    """Class indices of other rows, −1 where a cell is empty; classes that the model has not seen come after its own.

    Args:
        table: as `to_rows` takes it.
        label: the column that names the classes.
        class_names: of the model.

    Raises:
        InputError: if there is no such column, or it names no classes.
    """
    frame = read_frame(table)
    if label not in frame.columns:
        raise _no_column("the table", tuple(frame.columns), label)
    if isinstance(cells := to_cells(frame[label]), str):
        raise InputError(f"The column {label!r} must name classes, got {cells}.")
    texts = as_texts(cells)
    new = sorted(set(texts[~is_missing(texts)]) - set(class_names), key=in_order)
    index = {name: i for i, name in enumerate((*class_names, *new))}
    return np.array([UNLABELLED if text is None else index[text] for text in texts], dtype=np.int64), tuple(index)


def to_table(rows: Float[np.ndarray, "row entry"], columns: Sequence[Column], *, drop_missing: bool = False) -> Frame:
    """Rows of a model as a pandas data frame in the columns' own units; of a choice the likeliest category.

    Args:
        rows: as `to_rows` makes them, or as `generate` and a decoder do.
        columns: of a `Dataset`, or of a run (`read_columns`).
        drop_missing: leave cells empty that are more likely missing than not.

    Raises:
        InputError: if the rows have another number of entries.
    """
    width = sum(column.size + column.missing for column in columns)
    if np.ndim(rows) != 2 or np.shape(rows)[1] != width:
        raise InputError(
            f"'rows' of to_table must have the {width} entries of the columns, got shape {np.shape(rows)}. "
            "Are the columns those of this model?"
        )
    return need("pandas").DataFrame(decode_columns(columns, np.asarray(rows), drop_missing=drop_missing))


def read_frame(source: Any) -> Frame:
    """A pandas data frame from a path, another frame or a dictionary, its columns named differently by texts."""
    pandas = need("pandas")
    if isinstance(source, str | Path):
        return read_file(expand(source))
    if isinstance(source, Mapping):
        try:
            source = pandas.DataFrame(source)
        except ValueError as error:
            raise InputError(
                f"A table must have columns of one length, got: {error}. Fill the shorter ones."
            ) from error
    if not isinstance(source, pandas.DataFrame):
        convert = getattr(source, "to_pandas", None)
        if convert is None:
            raise InputError(
                f"A table must be a path, a data frame or a dictionary of columns, got {type(source).__name__}. "
                "pandas.DataFrame makes one of much."
            )
        source = convert()
    if source.columns.nlevels > 1:
        raise InputError("The columns of a table must have one name each, got several levels. Join them.")
    frame = source.set_axis([str(name) for name in source.columns], axis=1)
    check_names(tuple(frame.columns), "a table")
    return frame


def _no_column(name: str, names: Sequence[str], label: str) -> InputError:
    near = did_you_mean(label, names)
    fix = near if near.startswith("Did") else f"The columns: {some_of(names)}."
    return InputError(f"'label' of load_dataset must be a column of {name}, got {label!r}. {fix}")


def some_of(names: Sequence[str]) -> str:
    """The first dozen names, and how many more there are."""
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def to_cells(series: Any) -> Cells | str:
    """A column as float64 or as texts and None; or in a few words what it is, if it is neither."""
    pandas = need("pandas")
    kinds = pandas.api.types
    if kinds.is_bool_dtype(series.dtype):
        return _texts(series)
    if kinds.is_numeric_dtype(series.dtype):
        if kinds.is_complex_dtype(series.dtype):
            return "complex numbers; split them in two"
        return np.asarray(series.to_numpy(dtype=float, na_value=np.nan))
    if kinds.infer_dtype(series, skipna=True) in ("decimal", "floating", "integer", "mixed-integer-float"):
        return np.asarray(series.astype(float).to_numpy())
    if kinds.is_datetime64_any_dtype(series.dtype) or kinds.is_timedelta64_dtype(series.dtype):
        return "dates or times; turn them into numbers"
    return _texts(series)


def _texts(series: Any) -> Cells | str:
    cells = series.astype(object).where(series.notna(), None).tolist()
    if not all(issubclass(kind, str | bool | int | float | np.generic | None) for kind in set(map(type, cells))):
        return "neither numbers nor texts"
    return np.array([None if cell is None else str(cell) for cell in cells], dtype=object)


def _fit_columns(frame: Frame, train: np.ndarray, name: str) -> tuple[tuple[Column, ...], dict[str, Cells]]:
    """Every column of use, and its cells; what is left out, or shortened, is told in a line."""
    columns, kept, left_out = [], {}, {}
    for title in frame.columns:
        cells = to_cells(frame[title])
        fitted = cells if isinstance(cells, str) else fit_column(title, _check_texts(title, cells), train)
        if isinstance(fitted, str) or isinstance(cells, str):
            left_out[title] = fitted
        else:
            columns.append(fitted)
            kept[title] = cells
    if left_out:
        told = some_of([f"{title!r} ({reason})" for title, reason in left_out.items()])
        _warn(f"Left out of {name}: {told}.")
    if many := [one.name for one in columns if OTHER in one.categories]:
        told = some_of(list(map(repr, many)))
        _warn(f"More than {MAX_CATEGORIES} categories in {told} of {name}: the rarest count as {OTHER!r}.")
    if not columns:
        raise InputError(f"{name} must have a column to learn from beside the classes, got none. Add one.")
    return tuple(columns), kept


def _warn(text: str) -> None:
    warnings.warn(text, TrainingWarning, stacklevel=2)


def _check_texts(name: str, cells: Cells) -> Cells:
    """Refuse what was meant to be numbers, but for a few cells: as texts, they would say nothing."""
    if cells.dtype == float:
        return cells
    distinct = sorted(set(cells[~is_missing(cells)]))
    words = [text for text in distinct if in_order(text)[0]]
    if len(distinct) > MAX_CATEGORIES and len(words) < len(distinct) / 10:
        got = f"{words[0]!r} too" if words else "numbers written as texts"
        raise InputError(
            f"The column {name!r} must hold numbers or choices, got {got}. Convert it, or empty such cells."
        )
    return cells


def classes_of(series: Any, label: str, name: str) -> tuple[Int64[np.ndarray, " row"], tuple[str, ...]]:
    """Class indices and names, from the column of the classes."""
    cells = to_cells(series)
    if isinstance(cells, str):
        raise InputError(f"The column {label!r} of {name} must name classes, got {cells}.")
    texts = as_texts(cells)
    known = texts[~is_missing(texts)]
    names = sorted(set(known), key=in_order)
    if not names:
        raise InputError(f"The column {label!r} of {name} must name classes, got nothing in any row.")
    if len(names) > max(2, len(known) // 2):
        raise InputError(
            f"The column {label!r} of {name} must name classes, got {len(names)} different ones in {len(known)} rows. "
            "Choose a column of classes, or join values into a few."
        )
    index = {text: i for i, text in enumerate(names)}
    return np.array([UNLABELLED if text is None else index[text] for text in texts], dtype=np.int64), tuple(names)


def _unknown(n: int) -> Int64[np.ndarray, " row"]:
    return np.full(n, UNLABELLED, dtype=np.int64)
