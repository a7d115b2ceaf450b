"""Rows of a table as a model takes them, entry by entry, and back. Arrays only."""

import warnings
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from cospike._errors import InputError, TrainingWarning
from cospike.columns import ABSENT, COUNTS_PER_CELL, OTHER, Cells, Column, as_texts, in_order, is_missing, with_others

_FARTHEST = 1e9  # standard deviations from the mean: its square is a float32


def encode_columns(columns: Sequence[Column], table: Mapping[str, Cells]) -> Float[np.ndarray, "row entry"]:
    """Rows as a model takes them, float32. A category that training had not counts as a missing cell.

    Raises:
        InputError: if a column is lacking, or holds texts where there were numbers.

    Warns:
        TrainingWarning: of such categories, by column.
    """
    parts: list[np.ndarray] = []
    for column in columns:
        if column.name not in table:
            raise InputError(f"The table lacks the column {column.name!r}, which the model was trained with.")
        cells = table[column.name]
        is_number = column.kind in ("gaussian", "count")
        if not is_number:
            cells = _without_unknown(column, as_texts(cells))
        absent = is_missing(cells)
        parts.append(_standardised(column, cells) if is_number else _chosen(column, cells))
        if column.missing:
            parts.append(absent[:, None])
    return np.concatenate(parts, axis=1, dtype=np.float32)


def _without_unknown(column: Column, texts: Cells) -> Cells:
    """Empty cells instead of categories that training had not, which are told."""
    known = {*column.categories, None}
    if OTHER in known or not (unknown := set(texts[~is_missing(texts)]) - known):
        return texts
    told = ", ".join(map(repr, sorted(unknown, key=in_order)[:5])) + (" and more" if len(unknown) > 5 else "")
    is_unknown = np.array([text in unknown for text in texts])
    warnings.warn(
        f"The column {column.name!r} has what no training row had, {told}, in {is_unknown.sum():,} of {len(texts):,} "
        "rows: they count as missing.",
        TrainingWarning,
        stacklevel=4,
    )
    kept = texts.copy()
    kept[is_unknown] = None
    return kept


def _standardised(column: Column, cells: Cells) -> Float[np.ndarray, "row 1"]:
    if cells.dtype != float and not is_missing(cells).all():
        raise InputError(f"The column {column.name!r} must hold numbers, as in training, got texts.")
    values = np.nan_to_num((cells.astype(float) - column.loc) / column.scale, nan=0.0, posinf=np.inf, neginf=-np.inf)
    if (farthest := float(np.abs(values).max(initial=0.0))) > _FARTHEST:
        raise InputError(
            f"The column {column.name!r} must hold numbers like those of the training rows, got one that lies "
            f"{farthest:.0e} standard deviations from their mean. Leave the cell empty, or take logarithms."
        )
    return values[:, None]


def _chosen(column: Column, cells: Cells) -> Bool[np.ndarray, "row category"]:
    texts = as_texts(cells)
    if ABSENT in column.categories:
        texts = np.where(is_missing(texts), ABSENT, texts)
    texts = np.where(is_missing(texts), column.fill, texts)
    if OTHER in column.categories:
        texts = with_others(texts, column.categories)
    shown = column.categories[1:] if column.kind == "bernoulli" else column.categories
    return np.stack([texts == category for category in shown], axis=1).astype(bool)


def entries_of(columns: Sequence[Column]) -> Iterator[tuple[Column, slice]]:
    """Each column with its entries of a row, without the indicator, which is the next one."""
    start = 0
    for column in columns:
        yield column, slice(start, start + column.size)
        start += column.size + column.missing


def decode_columns(
    columns: Sequence[Column], x: Float[np.ndarray, "row entry"], *, drop_missing: bool = False
) -> dict[str, np.ndarray]:
    """Rows of a model as a table, in the columns' own units: numbers, and of a choice the likeliest category.

    Args:
        columns: of the table.
        x: rows as `encode_columns` makes them, or means that a decoder gives.
        drop_missing: leave out what is more likely missing than not: NaN, or None.
    """
    table: dict[str, np.ndarray] = {}
    for column, at in entries_of(columns):
        if column.kind in ("gaussian", "count"):
            values: np.ndarray = x[:, at.start].astype(float) * column.scale + column.loc
        else:
            shares = x[:, at]
            best = shares[:, 0] > 0.5 if column.kind == "bernoulli" else shares.argmax(axis=1)
            values = np.array(column.categories, dtype=object)[best.astype(int)]
        if column.missing and drop_missing:
            empty = np.array(np.nan if column.kind == "gaussian" else None)
            values = np.where(x[:, at.stop] > 0.5, empty, values)
        table[column.name] = values
    return table


def column_attributes(columns: Sequence[Column], x: Float[np.ndarray, "row entry"]) -> dict[str, np.ndarray]:
    """What a latent is held against: numbers in their own units, and of choices the share of each category.

    A choice of two is named by its second category, as "smoker: yes"; cells that are missing are NaN, and whether they
    are is an attribute too, as "age: missing". Of counts it is what they are in a cell of 10,000.
    """
    if columns and columns[0].kind == "count":
        x = x * (COUNTS_PER_CELL / np.maximum(x.sum(axis=1, keepdims=True), 1.0))
    attributes: dict[str, np.ndarray] = {}
    for column, at in entries_of(columns):
        absent = x[:, at.stop] > 0.5 if column.missing else np.zeros(len(x), dtype=bool)
        for name, entry in zip(entry_names(column), range(at.start, at.stop), strict=True):
            values = x[:, entry].astype(float) * column.scale + column.loc
            attributes[name] = np.where(absent, np.nan, values)
        if column.missing:
            attributes[f"{column.name}: missing"] = x[:, at.stop].astype(float)
    return attributes


def entry_names(column: Column) -> list[str]:
    """What to call each entry of a column, without the indicator."""
    if column.kind in ("gaussian", "count"):
        return [column.name]
    shown = column.categories[1:] if column.kind == "bernoulli" else column.categories
    return [f"{column.name}: {category}" for category in shown]
