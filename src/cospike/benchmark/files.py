"""What a benchmark leaves in its folder, and how it is read again.

grid.json      the grid that was asked for last
rows.jsonl     a row a run: what was trained, under a fingerprint of all that decides it, and what came out
measures.json  {measure: {unit, direction, how}}
runs/          folders of runs that are not finished, and a lock
table.csv, table.md, index.html, frontier-*.svg

A row is 2 kB and its run is gone: rows are what a repository can hold. Files are replaced whole or not at all, by one
process at a time.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

from cospike._errors import InputError, did_you_mean
from cospike._files import remove_temporaries, write_atomic
from cospike._reading import parse_json, read_file, refuse_links
from cospike._text import one_line
from cospike.benchmark.recipes import MODELS, check_models
from cospike.folders import LOCK, one_writer
from cospike.model import SparseVAE

_TRAINING = ("epochs", "batch_size", "learning_rate")
_MAX_GRID = 2**16  # bytes
_MAX_SEEDS = 1_000_000  # a list of all runs is made
_WRITTEN = ("grid.json", "rows.jsonl", "measures.json", "table.*", "index.html", "frontier-*.svg")
_DIGITS = 6  # significant ones, of a value in a row


class Cell(NamedTuple):
    """A place in the grid: one run."""

    data: str
    model: str
    seed: int

    def __str__(self) -> str:
        """As a line of progress names it."""
        return f"{self.model} on {one_line(self.data)}, seed {self.seed}"


@dataclass(frozen=True)
class Grid:
    """Models × data sets × seeds.

    Attributes:
        data: names of data sets, or folders, as `load_dataset` takes them.
        models: names in `MODELS`.
        seeds: how many; they count from 0.
        model: settings of `SparseVAE` that all runs share; those of a recipe come first.
        training: ``epochs``, ``batch_size`` and ``learning_rate`` of all runs, where not those that `fit` has.

    Raises:
        InputError: for a grid without a run, an unknown model, or settings without names.

    >>> len(Grid(data=("digits",), models=("vsc", "classifier"), seeds=3).cells(["digits"]))
    6
    """

    data: tuple[str, ...]
    models: tuple[str, ...] = tuple(MODELS)
    seeds: int = 5
    model: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what names no run, or a run twice."""
        for name in ("data", "models"):
            if not (given := getattr(self, name)) or len(set(given)) < len(given):
                raise InputError(
                    f"'{name}' of a benchmark must be one or more different names, got {', '.join(given) or 'none'}."
                )
        check_models(self.models)
        for name, known in (("model", signature(SparseVAE).parameters), ("training", _TRAINING)):
            _check_settings(name, getattr(self, name), list(known))
        for name, number in {"seeds": self.seeds, "epochs": self.training.get("epochs", 1)}.items():
            if number < 1:
                raise InputError(f"'{name}' of a benchmark must be at least 1, got {number}.")
        if self.seeds > _MAX_SEEDS:
            raise InputError(f"'seeds' of a benchmark must be at most {_MAX_SEEDS:,}, got {self.seeds}.")

    def cells(self, data_names: Iterable[str]) -> list[Cell]:
        """Every run, seed by seed: what is done when only half is done is still a comparison of all models."""
        names = list(data_names)
        return [Cell(data, model, seed) for seed in range(self.seeds) for data in names for model in self.models]


def _check_settings(name: str, given: Any, known: Sequence[str]) -> None:
    if not isinstance(given, Mapping):
        raise InputError(f"'{name}' of a benchmark must be settings by name, got {given!r}.")
    for setting in given:
        if setting not in known:
            raise InputError(f"Unknown setting {setting!r} of '{name}' of a benchmark. {did_you_mean(setting, known)}")


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        data: name of the data set.
        model: name of the recipe.
        seed: of weights, order and draws.
        fingerprint: of everything that decides the run, but versions.
        versions: of cospike and torch.
        values: by measure, rounded to 6 digits.
        stderr: of those measures that are means over samples or pairs.
    """

    data: str
    model: str
    seed: int
    fingerprint: str
    versions: Mapping[str, str]
    values: Mapping[str, float]
    stderr: Mapping[str, float] = field(default_factory=dict)

    @property
    def cell(self) -> Cell:
        """Its place in the grid."""
        return Cell(self.data, self.model, self.seed)


def rounded(value: float) -> float:
    """To 6 significant digits.

    >>> rounded(134.81234567), rounded(0.000123456789)
    (134.812, 0.000123457)
    """
    return float(f"{value:.{_DIGITS}g}")


@contextmanager
def one_process(out: Path) -> Iterator[None]:
    """Keep every other benchmark away from ``out``; the lock goes with the process, however that ends.

    Raises:
        InputError: if ``out`` cannot be written, or another process is at work in it.
    """
    refuse_links(out / "runs", out / "runs" / LOCK)
    with one_writer(out / "runs"):
        remove_temporaries(out, _WRITTEN)
        yield


def run_folder(out: Path, cell: Cell) -> Path:
    """Where a run lies until it is finished."""
    return out / "runs" / cell.data / f"{cell.model}-{cell.seed}"


def remove_run(out: Path, cell: Cell) -> None:
    """The folder of a run of which all that is kept is kept elsewhere."""
    run = run_folder(out, cell)
    shutil.rmtree(run, ignore_errors=True)
    with suppress(OSError):  # not empty, or never there
        run.parent.rmdir()


def read_grid(out: Path) -> Grid | None:
    """The grid that was asked for last; None in a new folder."""
    path = out / "grid.json"
    if not path.is_file():
        return None
    fix = "Delete it, and name data sets and models again"
    stored = _parse(read_file(path, _MAX_GRID), path, fix)
    try:
        settings: dict[str, Any] = {name: tuple(p) if isinstance(p, list) else p for name, p in stored.items()}
        return Grid(**settings)
    except (TypeError, InputError) as error:
        raise InputError(f"{path} is damaged: {str(error).rstrip('.')}. {fix}.") from error


def write_grid(out: Path, grid: Grid) -> None:
    """Keep what was asked for."""
    write_atomic(out / "grid.json", json.dumps(asdict(grid)) + "\n")


def read_rows(out: Path) -> dict[Cell, Row]:
    """Every row by its place in the grid; none in a new folder.

    Raises:
        InputError: if a line is no row; it names the line, and what to do.
    """
    path = out / "rows.jsonl"
    rows: dict[Cell, Row] = {}
    for number, line in enumerate(read_file(path).splitlines() if path.is_file() else (), start=1):
        where = f"Line {number} of {path}"
        fix = "Delete that line, and its run is trained again"
        content = _parse(line, where, fix)
        try:
            row = Row(**content)
            _check_row(row)
        except (TypeError, ValueError) as error:
            raise InputError(f"{where} is damaged: {error}. {fix}.") from error
        rows[row.cell] = row
    return rows


def write_rows(out: Path, rows: Mapping[Cell, Row]) -> None:
    """One JSON object a line, sorted, so that a new run changes few lines of the file."""
    lines = [json.dumps(asdict(rows[cell]), ensure_ascii=False) + "\n" for cell in sorted(rows)]
    write_atomic(out / "rows.jsonl", "".join(lines))


def read_definitions(out: Path) -> dict[str, dict[str, str]]:
    """Unit, better direction and definition of every measure that a row has; none in a new folder.

    Raises:
        InputError: if the file is damaged. Only a run knows what it measures, so without the file one is needed again.
    """
    path = out / "measures.json"
    if not path.is_file():
        return {}
    fix = "Delete it, and a model's lines in rows.jsonl: its runs are done again and define their measures"
    definitions: dict[str, dict[str, str]] = _parse(read_file(path), path, fix)
    for name, entry in definitions.items():
        texts = [entry.get(part) for part in ("unit", "direction", "how")] if isinstance(entry, dict) else [None]
        if not all(isinstance(text, str) for text in texts):
            raise InputError(f"{path} is damaged: {name} must have unit, direction and how. {fix}.")
    return definitions


def write_definitions(out: Path, definitions: Mapping[str, Mapping[str, str]]) -> None:
    """Keep what the measures are."""
    write_atomic(out / "measures.json", json.dumps(definitions, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def _check_row(row: Row) -> None:
    for name, kind in (("data", str), ("model", str), ("seed", int), ("fingerprint", str)):
        if not isinstance(getattr(row, name), kind):
            raise ValueError(f"{name} must be a {kind.__name__}")
    if Path(row.data).name != row.data or "\\" in row.data:  # it is a part of the names of figures
        raise ValueError("data must be a name, not a path")
    for name in ("values", "stderr"):
        numbers = getattr(row, name)
        if not isinstance(numbers, dict) or not all(isinstance(value, int | float) for value in numbers.values()):
            raise ValueError(f"{name} must be numbers by measure")
    if not isinstance(row.versions, dict):
        raise ValueError("versions must be names by package")


def _parse(content: bytes, where: object, fix: str) -> dict[str, Any]:
    try:
        value = parse_json(content, finite=False)  # what a row could not measure is NaN
    except ValueError as error:
        raise InputError(f"{where} must be JSON, got: {error}. {fix}.") from error
    if not isinstance(value, dict):
        raise InputError(f"{where} must be a JSON object, got {type(value).__name__}. {fix}.")
    return value
