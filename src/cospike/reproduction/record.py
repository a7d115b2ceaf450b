"""What is kept of a run: numbers as JSON, a few kilobytes, and figures. The run folder is gone by then."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, get_args

from cospike._errors import InputError
from cospike._files import format_json, write_atomic
from cospike._reading import parse_json, read_file
from cospike.benchmark.files import Cell, rounded
from cospike.reproduction.studies import Part

_NAME = re.compile(r"[\w.-]+-\d+\.json")


@dataclass(frozen=True)
class Record:
    """One run.

    Attributes:
        data: name of the data set.
        model: name of the model, with what was changed in it.
        seed: of weights, order and draws.
        part: what the run is for.
        about: what is different in it.
        fingerprint: of everything that decides the run, but versions.
        versions: of cospike and torch.
        values: by measure, rounded to 6 digits.
        findings: what each section found, by its name.
        stderr: of those measures that are means over samples or pairs.
        published: what others published at these settings.
        figures: names of files below figures/, by what they show.
    """

    data: str
    model: str
    seed: int
    part: Part
    about: str
    fingerprint: str
    versions: Mapping[str, str]
    values: Mapping[str, float]
    findings: Mapping[str, Any]
    stderr: Mapping[str, float] = field(default_factory=dict)
    published: Mapping[str, float] = field(default_factory=dict)
    figures: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> Cell:
        """What the run is called."""
        return Cell(self.data, self.model, self.seed)


def record_path(out: Path, place: Cell) -> Path:
    """Where the record of a run is kept."""
    return out / "records" / place.data / f"{place.model}-{place.seed}.json"


def write_record(out: Path, record: Record) -> None:
    """Keep it: numbers to 6 digits, a finding a line."""
    path = record_path(out, record.place)
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = asdict(record)
    findings = entries.pop("findings")
    parts = [f'"{name}": {format_json(_short(entry)).strip()}' for name, entry in entries.items()]
    found = ",\n  ".join(f'"{name}": {format_json(_short(entry)).strip()}' for name, entry in findings.items())
    write_atomic(path, "{\n " + ",\n ".join([*parts, '"findings": {\n  ' + found + "}"]) + "\n}\n")


def read_record(path: Path) -> Record:
    """The inverse; a measure that was not known is left out.

    Raises:
        InputError: if the file is damaged.
    """
    fix = "Delete it, and its run is done again"
    try:
        content = parse_json(read_file(path), finite=False)
        for name in ("values", "stderr"):
            content[name] = {key: value for key, value in content[name].items() if value is not None}
        record = Record(**content)
        _check(record)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise InputError(f"{path} is damaged: {error}. {fix}.") from error
    if record_path(path.parent.parent.parent, record.place) != path:
        raise InputError(f"{path} is damaged: it is of {record.place}. {fix}.")
    return record


def read_records(out: Path) -> dict[Cell, Record]:
    """All that are kept, in the order of their names; none in a new folder."""
    return {record.place: record for record in map(read_record, _paths(out))}


def _paths(out: Path) -> Iterator[Path]:
    folder = out / "records"
    for path in sorted(folder.glob("*/*.json")) if folder.is_dir() else ():
        if _NAME.fullmatch(path.name):
            yield path


def _check(record: Record) -> None:
    for name, kind in (("data", str), ("model", str), ("seed", int), ("about", str), ("fingerprint", str)):
        if not isinstance(getattr(record, name), kind):
            raise ValueError(f"{name} must be a {kind.__name__}")
    if record.part not in get_args(Part):
        raise ValueError(f"part must be one of {', '.join(get_args(Part))}")
    for name in ("values", "stderr", "published"):
        numbers = getattr(record, name)
        if not isinstance(numbers, dict) or not all(isinstance(one, int | float) for one in numbers.values()):
            raise ValueError(f"{name} must be numbers by name")
    for name in ("versions", "findings", "figures"):
        if not isinstance(getattr(record, name), dict):
            raise ValueError(f"{name} must be entries by name")
    if not all(isinstance(one, str) and Path(one).name == one for one in record.figures.values()):
        raise ValueError("figures must be names of files")


def _short(value: Any) -> Any:
    """Numbers to 6 digits."""
    if isinstance(value, Mapping):
        return {name: _short(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_short(part) for part in value]
    return rounded(value) if isinstance(value, float) and isfinite(value) else value
