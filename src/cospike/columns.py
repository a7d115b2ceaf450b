"""`Column`: what becomes of a column of a table, and back. Arrays only.

A number is standardised, a choice of two becomes 0 or 1, a choice of more becomes shares that are 1 for one category. A
cell that is missing is filled, and told by an indicator of its own. The numbers are those that scikit-learn's
`StandardScaler` and `SimpleImputer` learn of the training rows, and the categories those of its `OneHotEncoder`; they
are kept as JSON in the `config.json` of a run, where a fitted transformer would need pickle.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Int

from cospike._errors import InputError
from cospike._types import MAX_NAME

MAX_CATEGORIES = 50
"""Categories of a column; of more, the rarest become one, `OTHER`."""

OTHER, ABSENT = "(other)", "(missing)"
"""The category of rare ones, and of cells that are missing where nothing else tells cells apart."""

COUNTS_PER_CELL = 10_000.0
"""Of the cell that a mean count is of, and of what an encoder sees, as `scanpy.pp.normalize_total(target_sum=1e4)`."""

_FEW = 20  # rows; of so few, that all differ means nothing
_LARGEST = 1e100  # of a number: its square is one too
_KINDS = ("gaussian", "bernoulli", "categorical", "count")

Cells: TypeAlias = np.ndarray
"""A column as it is read: float64 with NaN for what is missing, or objects, each a text or None."""


@dataclass(frozen=True)
class Column:
    """A column of a table, and all that is needed to encode another row as those of the training were.

    Attributes:
        name: in the table.
        kind: "gaussian" for a number, "bernoulli" for a choice of two, "categorical" for one of more; "count" for a
            gene, of which all columns are then.
        missing: whether an indicator follows, which is 1 where the cell is missing.
        loc: mean of a number in the training rows.
        scale: its standard deviation; 1 if it is 0.
        categories: of a choice, in their order; of two, the second is coded as 1.
        fill: the category that a missing cell gets, the most frequent one; a number gets its mean.
    """

    name: str
    kind: str
    missing: bool = False
    loc: float = 0.0
    scale: float = 1.0
    categories: tuple[str, ...] = ()
    fill: str = ""

    @property
    def size(self) -> int:
        """Entries of a row, without the indicator."""
        return len(self.categories) if self.kind == "categorical" else 1

    @property
    def block(self) -> list[Any]:
        """Its part of the likelihood, as `cospike.mixed.Block`."""
        return [self.kind, self.size, self.missing]


def fit_column(name: str, cells: Cells, train: Int[np.ndarray, " training_row"]) -> Column | str:
    """How to encode a column, or in a few words why it is of no use.

    Args:
        name: of the column.
        cells: of all rows; they decide what the column is.
        train: the training rows, of which its numbers are learned.
    """
    present = ~is_missing(cells)
    if not present.any():
        return "empty"
    missing = not present.all()
    texts = None if cells.dtype == float else cells
    distinct = np.unique(cells[present]) if texts is None else sorted(set(cells[present]))
    if texts is None and (largest := float(np.abs(cells[present]).max())) > _LARGEST:
        got = "infinity" if np.isinf(largest) else f"{largest:.3g}"
        raise InputError(
            f"The column {name!r} must hold finite numbers of at most {_LARGEST:g}, got {got}. "
            "Leave the cell empty, or scale the column."
        )
    if texts is not None and max(map(len, distinct)) > MAX_NAME:
        return f"a text of over {MAX_NAME:,} characters"
    if len(distinct) == 1:
        return _of_one_value(name, cells, present, train) if missing else "the same in every row"
    if reason := _identifies(cells, present, distinct):
        return reason
    if len(distinct) == 2 or texts is not None:
        return _choice(name, as_texts(cells), train, missing=missing)
    rows = train[present[train]] if present[train].any() else np.flatnonzero(present)
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415  # slow to load

    scaler = StandardScaler().fit(cells[rows, None])
    return Column(name, "gaussian", missing, loc=float(scaler.mean_[0]), scale=float(scaler.scale_[0]))


def is_missing(cells: Cells) -> Bool[np.ndarray, " row"]:
    """Which cells hold nothing."""
    return np.isnan(cells) if cells.dtype == float else np.asarray(cells == None, dtype=bool)  # noqa: E711


def as_texts(cells: Cells) -> Cells:
    """Objects, texts or None; of a number the shortest text that is that number."""
    if cells.dtype != float:
        return cells
    texts = [None if np.isnan(x) else str(int(x)) if x.is_integer() else repr(x) for x in cells.tolist()]
    return np.array(texts, dtype=object)


def _identifies(cells: Cells, present: Bool[np.ndarray, " row"], distinct: Sequence[Any] | np.ndarray) -> str:
    """Why a column names rows rather than describes them; empty if it does not."""
    n, n_distinct = int(present.sum()), len(distinct)
    if n < _FEW:
        return ""
    if cells.dtype != float:
        own = n_distinct == n or n_distinct > max(MAX_CATEGORIES, n // 2)
        return "a text of its own in nearly every row" if own else ""
    counted = n_distinct == n == len(cells) and bool((np.diff(distinct) == 1).all())
    return "the number of the row" if counted else ""


def _of_one_value(
    name: str, cells: Cells, present: Bool[np.ndarray, " row"], train: Int[np.ndarray, " training_row"]
) -> Column:
    """All that tells cells apart is whether they are there."""
    return _choice(name, np.where(present, as_texts(cells), ABSENT), train, missing=False)


def _choice(name: str, texts: Cells, train: Int[np.ndarray, " training_row"], *, missing: bool) -> Column:
    from sklearn.impute import SimpleImputer  # noqa: PLC0415  # slow to load

    counts = Counter(texts[~is_missing(texts)])
    categories = sorted(counts, key=in_order)
    if len(categories) > MAX_CATEGORIES:
        frequent = {text for text, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[: MAX_CATEGORIES - 1]}
        categories = [*(text for text in categories if text in frequent), OTHER]
        texts = with_others(texts, categories)
    known = texts[train] if (~is_missing(texts[train])).any() else texts
    imputer = SimpleImputer(missing_values=None, strategy="most_frequent").fit(known[:, None])
    kind = "bernoulli" if len(categories) == 2 else "categorical"
    return Column(name, kind, missing, categories=tuple(categories), fill=str(imputer.statistics_[0]))


def in_order(text: str) -> tuple[bool, float, str]:
    """Numbers by their size, before other texts."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    return (True, 0.0, text) if math.isnan(number) else (False, number, text)


def with_others(texts: Cells, categories: Sequence[str]) -> Cells:
    """Texts, of which those that are no category become `OTHER`."""
    known = set(categories)
    return np.array([text if text is None or text in known else OTHER for text in texts], dtype=object)


def columns_to_json(columns: Sequence[Column]) -> list[dict[str, Any]] | dict[str, list[str]]:
    """As JSON, without what is a default; of thirty thousand genes the names alone."""
    if columns and columns[0].kind == "count":
        return {"count": [one.name for one in columns]}
    plain = asdict(Column("", ""))
    kept = ({key: value for key, value in asdict(one).items() if value != plain[key]} for one in columns)
    return [one | ({"categories": list(one["categories"])} if "categories" in one else {}) for one in kept]


def columns_from_json(entries: Any) -> tuple[Column, ...]:
    """The inverse.

    Raises:
        ValueError: if that is something else.
    """
    if isinstance(entries, dict):
        entries = [{"name": name, "kind": kind} for kind, names in entries.items() for name in names]
    try:
        columns = tuple(Column(**one | {"categories": tuple(one.get("categories", ()))}) for one in entries)
    except (TypeError, AttributeError) as error:
        raise ValueError("it has columns that are none") from error
    for one in columns:
        numbers = (one.loc, one.scale)
        fine = all(isinstance(text, str) for text in (one.name, one.fill, *one.categories)) and one.kind in _KINDS
        fine = fine and all(type(number) in (int, float) and math.isfinite(number) for number in numbers)
        choices = dict.fromkeys(("gaussian", "count"), one.categories == ())
        choices["bernoulli"] = len(one.categories) == 2
        if not fine or one.scale <= 0 or type(one.missing) is not bool:
            raise ValueError("it has columns that are none")
        if not choices.get(one.kind, len(one.categories) > 2):
            raise ValueError(f"the column {one.name!r} has {len(one.categories)} categories")
    if len({one.name for one in columns}) < len(columns):
        raise ValueError("it has two columns of one name")
    return columns
