"""The run folder: everything a run leaves, none of it pickled, each file replaced whole or not at all.

config.json         everything needed to rebuild and repeat, with `schema_version`
weights.safetensors the chosen weights and the class patterns
state.safetensors   weights, optimizer, position and random state: an interrupted run resumes to the same bits
history.jsonl       a row an epoch
codes.npz           held-out and training codes
attributes.npz      what was measured on the held-out samples, such as the slant of a digit
references.safetensors  a supervised network, which judges what the model draws
previews.npz        a few held-out samples
metrics.json        {name: {value, unit, direction, how}}
interventions.json  what each latent does to attributes and to the judge
factors.csv         a row a latent
report.html
"""

import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as format_tensors
from torch import Tensor

from cospike._errors import InputError
from cospike._files import format_arrays, parse_arrays, write_atomic
from cospike.choices import no_run
from cospike.codes import Codes
from cospike.columns import Column, columns_from_json
from cospike.model import SparseVAE

SCHEMA_VERSION = 2
_CONFIG_ENTRIES = {
    "cospike": str,
    "torch": str,
    "model": dict,
    "objective": dict,
    "objective.name": str,
    "training": dict,
    "data": dict,
    "data.name": str,
    "data.class_names": list,
}
FILES = (
    "report.html",
    "factors.csv",
    "interventions.json",
    "metrics.json",
    "previews.npz",
    "references.safetensors",
    "attributes.npz",
    "codes.npz",
    "history.jsonl",
    "state.safetensors",
    "weights.safetensors",
    "config.json",
)


def open_run(run: Path, config: dict[str, Any], *, resume: bool = False, overwrite: bool = False) -> bool:
    """Make sure of a folder for training with ``config``; returns whether there is something to resume.

    Nothing in it changes before `begin_run`: a training that fails at once costs no older run.

    Raises:
        InputError: if the folder holds a run and neither flag is given, if it holds something that is no run, or
            if the run was started with other settings.
    """
    if check_folder(run, resume=resume, overwrite=overwrite) and resume:
        old = read_config(run)
        if (run / "previews.npz").is_file():  # finished: another version takes it as it is
            old |= {name: config[name] for name in ("cospike", "torch")}
        _check_same(old, config, run)
        return (run / "state.safetensors").is_file()
    try:
        run.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=run):
            pass
    except OSError as error:
        raise InputError(f"'out' must be a folder that can be written, got {run}: {error.strerror}.") from error
    return False


def recorded_training(run: Path) -> dict[str, Any]:
    """How the run in the folder was started; empty if there is none."""
    return dict(read_config(run)["training"]) if (run / "config.json").is_file() else {}


def begin_run(run: Path, config: dict[str, Any]) -> None:
    """Make the folder the run of ``config``: an older run's files go, whatever else a user keeps there stays."""
    for name in FILES:
        (run / name).unlink(missing_ok=True)
    write_atomic(run / "config.json", json.dumps(config, indent=2) + "\n")


def check_folder(run: Path, *, resume: bool = False, overwrite: bool = False) -> bool:
    """Whether ``run`` holds a run that the flags allow to go on with or to replace.

    Raises:
        InputError: as `open_run`. Nothing is changed.
    """
    if resume and overwrite:
        raise InputError("'resume' and 'overwrite' exclude each other: choose one.")
    if run.exists() and not run.is_dir():
        raise InputError(f"'out' must be a folder, got the file {run}.")
    if not run.is_dir() or not any(run.iterdir()):
        return False
    if not (run / "config.json").is_file():
        raise InputError(f"'out' must be a new folder or a run, got {run}, which holds other files. Choose another.")
    if not (resume or overwrite):
        raise InputError(f"'out' holds a run already: {run}. Continue it with --resume or replace it with --overwrite.")
    read_config(run)
    return True


def read_config(run: str | Path) -> dict[str, Any]:
    """The config of a run, checked to be one that this version reads."""
    config = _parse_json(_read(Path(run), "config.json"), Path(run) / "config.json")
    version = config.get("schema_version") if isinstance(config, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{Path(run) / 'config.json'} must have schema_version {SCHEMA_VERSION}, got {version}. "
            "Is it a run of another version of cospike?"
        )
    for path, kind in _CONFIG_ENTRIES.items():
        section, _, name = path.partition(".")
        entry = config.get(section)
        entry = entry.get(name) if name and isinstance(entry, dict) else None if name else entry
        if not isinstance(entry, kind):
            raise InputError(
                f"{Path(run) / 'config.json'} must have {path}, a {kind.__name__}, as a run of cospike has."
            )
    return dict(config)


def read_columns(run: str | Path) -> tuple[Column, ...]:
    """What the entries of a row are, of a run that was trained on a table; empty for any other.

    Raises:
        InputError: if the folder is no run, or what it says of columns is damaged or does not fit its model.
    """
    config = read_config(run)
    try:
        columns = columns_from_json(config["data"].get("columns", ()))
        if columns and config["model"].get("shape") != [sum(column.size + column.missing for column in columns)]:
            raise ValueError("it has columns that do not fit its model")
    except ValueError as error:
        raise InputError(f"{Path(run) / 'config.json'} is damaged: {error}.") from error
    return columns


def load(run: str | Path) -> SparseVAE:
    """The model of a run, with its chosen weights and its class patterns.

    Raises:
        InputError: if the folder is no run, or a file in it is damaged.
    """
    run = Path(run)
    config = read_config(run)
    weights, _ = read_tensors(run, "weights.safetensors")
    try:
        model = SparseVAE(**config["model"])
        if "dense_axes" in weights:
            model.turn(weights["dense_axes"].numpy())
        if classes := len(weights["pattern_counts"]):
            model.resize_class_patterns(classes)
        model.load_state_dict(weights)
    except (KeyError, RuntimeError, TypeError, InputError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{run / 'weights.safetensors'} does not fit config.json beside it: {reason}") from error
    model.class_names = tuple(config["data"]["class_names"])
    return model.eval()


def save_tensors(run: Path, name: str, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors, and a few strings, into one safetensors file."""
    write_atomic(
        run / name, format_tensors({key: part.detach().cpu().contiguous() for key, part in tensors.items()}, metadata)
    )


def read_tensors(run: Path, name: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and strings of a safetensors file."""
    content = _read(run, name)
    try:
        tensors = parse_tensors(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (SafetensorError, ValueError) as error:
        raise InputError(f"{run / name} is damaged: {error}.") from error
    return tensors, header.get("__metadata__") or {}


def write_history(run: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line."""
    write_atomic(run / "history.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def read_history(run: str | Path) -> list[dict[str, Any]]:
    """The rows of the history, an epoch each."""
    path = Path(run) / "history.jsonl"
    rows = [_parse_json(line, path) for line in path.read_bytes().splitlines()] if path.is_file() else []
    for row in rows:
        if not (
            isinstance(row, dict)
            and all(isinstance(value, int | float) for value in (row.get("seconds"), *row.values()))
        ):
            raise InputError(f"{path} must have an object of numbers in every line, with 'seconds' among them.")
    return rows


def save_arrays(run: Path, name: str, arrays: dict[str, np.ndarray]) -> None:
    """Write plain arrays into one `.npz` file."""
    write_atomic(run / name, format_arrays(arrays))


def read_arrays(run: str | Path, name: str) -> dict[str, np.ndarray]:
    """The arrays of a `.npz` file; objects that would need pickle are refused."""
    content = _read(Path(run), name)
    try:
        return parse_arrays(content)
    except ValueError as error:
        fix = "Delete it: a report does without" if name == "attributes.npz" else "Train again with --overwrite"
        raise InputError(f"{Path(run) / name} is damaged: {error}. {fix}.") from error


def save_codes(run: Path, codes: dict[str, Codes]) -> None:
    """Write the codes of several splits into `codes.npz`."""
    save_arrays(
        run, "codes.npz", {f"{split}.{key}": part for split, c in codes.items() for key, part in c.to_arrays().items()}
    )


def read_codes(run: str | Path, splits: Sequence[str] = ("test", "train")) -> tuple[Codes, ...]:
    """The codes of the splits named."""
    arrays = read_arrays(run, "codes.npz")
    try:
        return tuple(
            Codes.from_arrays(
                {key.partition(".")[2]: part for key, part in arrays.items() if key.startswith(f"{split}.")}
            )
            for split in splits
        )
    except (TypeError, KeyError, AttributeError, InputError) as error:
        raise InputError(f"{Path(run) / 'codes.npz'} is damaged: {error}") from error


def _read(run: Path, name: str) -> bytes:
    try:
        return (run / name).read_bytes()
    except FileNotFoundError as error:
        if name == "config.json":
            raise no_run(run) from error
        raise InputError(f"No {name} in {run}. Was the run finished? `--resume` goes on with it.") from error
    except OSError as error:
        raise InputError(f"Cannot read {run / name}: {error.strerror}.") from error


def _parse_json(content: bytes, path: Path) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise InputError(f"{path} must be JSON, got: {error}.") from error


def _check_same(old: dict[str, Any], new: dict[str, Any], run: Path, path: str = "") -> None:
    """Refuse to resume with other settings: the bits could not be the same."""
    for key in sorted(old.keys() | new.keys()):
        before, now = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(now, dict):
            _check_same(before, now, run, f"{path}{key}.")
        elif before != now:
            raise InputError(
                f"Cannot resume {run} with another {path}{key}: it was started with {before}, got {now}. "
                "Give the same settings, or start anew with --overwrite."
            )
