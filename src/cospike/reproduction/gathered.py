"""What claims and tables are drawn from: the records of a reproduction, and the rows of the benchmark beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isnan
from typing import Any

from cospike.benchmark.aggregate import Interval, mean_interval
from cospike.benchmark.files import Cell, Row
from cospike.reproduction.record import Record
from cospike.reproduction.studies import recipe_of

MAIN = ("default", "paper", "vsc", "vae")
"""The models that all numbers are of, as tables name them."""


@dataclass(frozen=True)
class Results:
    """All that is known.

    Attributes:
        records: of runs, by name.
        rows: of a benchmark: of its measures they know more seeds.
    """

    records: Mapping[Cell, Record]
    rows: Mapping[Cell, Row] = field(default_factory=dict)

    @cached_property
    def data(self) -> tuple[str, ...]:
        """Names of the data sets that have a run of the main part, MNIST first."""
        names = {record.data for record in self.records.values() if record.part == "main"}
        return tuple(sorted(names, key=lambda name: (name != "mnist", name)))

    def of(self, data: str, model: str) -> list[Record]:
        """The records of a model, seed by seed."""
        return [one for one in self.records.values() if (one.data, one.model) == (data, model)]

    def findings(self, data: str, model: str, name: str) -> dict[int, Any]:
        """What a section found in each run of a model, by its seed."""
        return {one.seed: one.findings[name] for one in self.of(data, model) if name in one.findings}

    def values(self, data: str, model: str, measure: str) -> dict[int, float]:
        """A measure by seed: of the benchmark's rows if they have the model, else of the records."""
        recipe = recipe_of(data, model)
        name = recipe.name if recipe else model
        rows = {
            cell.seed: row.values[measure]
            for cell, row in self.rows.items()
            if (cell.data, cell.model) == (data, name) and measure in row.values
        }
        return rows or {one.seed: one.values[measure] for one in self.of(data, model) if measure in one.values}

    def interval(self, data: str, model: str, measure: str) -> Interval | None:
        """Mean and interval over seeds; None of what is not known."""
        values = self.values(data, model, measure)
        return mean_interval(list(values.values())) if values else None

    def paired(self, data: str, model: str, other: str, measure: str) -> Interval | None:
        """A model less another, seed by seed."""
        a, b = (self.values(data, name, measure) for name in (model, other))
        differences = [a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())]
        return mean_interval(differences) if differences else None


def shown(interval: Interval | None, *, percent: bool = False, digits: int | None = None) -> str:
    """A mean and half its interval; of two seeds both values, of one it alone; a dash of none.

    >>> shown(mean_interval([0.5, 0.6, 0.7]), percent=True), shown(mean_interval([2.0]), digits=0), shown(None)
    ('60.0 ± 24.8', '2', '–')
    """
    if interval is None:
        return "\N{EN DASH}"
    scale, digits = (100, 1 if digits is None else digits) if percent else (1, 1 if digits is None else digits)
    text = number(scale * interval.mean, digits)
    if interval.n == 1:
        return text
    if interval.n == 2:
        low, high = (number(scale * end, digits) for end in interval.shown)
        return f"{text} ({low}, {high})"
    return f"{text} ± {number(scale * interval.half, digits)}"


def number(value: float | None, digits: int = 2) -> str:
    """A number as a page shows it; a dash of what is not known.

    >>> number(-0.126), number(float("nan"))
    ('−0.13', '–')
    """
    if value is None or isnan(value):
        return "\N{EN DASH}"
    text = f"{value:z.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def bracketed(ends: Sequence[float | None] | None, digits: int = 2) -> str:
    """An estimate with its interval; a dash where it is not known.

    >>> bracketed([0.5, 0.4, 0.6]), bracketed([None, None, None])
    ('0.50 [0.40, 0.60]', '–')
    """
    value, low, high = ends or (None, None, None)
    if value is None:
        return "\N{EN DASH}"
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"
