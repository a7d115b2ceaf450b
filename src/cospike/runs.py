"""The run folder: everything a run leaves, none of it pickled, each file replaced whole or not at all.

config.json         everything needed to rebuild and repeat, with `schema_version`
weights.safetensors the chosen weights and the class patterns
state.safetensors   weights, optimizer and position: an interrupted run resumes to the same bits
history.jsonl       a row an epoch
codes.npz           held-out and training codes
attributes.npz      what was measured on the held-out samples, such as the slant of a digit
references.safetensors  a supervised network, which judges what the model draws
previews.npz        some 2,000 held-out samples, as many of each class
metrics.json        {name: {value, unit, direction, how}}
interventions.json  what each latent does to attributes and to the judge
factors.csv         a row a latent
report.html
explorer.html       its live form, if it was asked for
.lock               only while it is trained: keeps other processes away (`cospike.folders`)
onnx/               encoder and decoder for use without Python, if they were asked for; samples.png or .csv likewise
tensorboard/        history and settings for that tracker, if `fit` was told to
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as format_tensors
from torch import Tensor

from cospike import _schema
from cospike._errors import InputError
from cospike._files import format_arrays, parse_arrays, write_atomic
from cospike._reading import MAX_BINARY, MAX_TEXT, parse_json, read_file
from cospike._types import MAX_CLASSES, MAX_NAME
from cospike.choices import no_run
from cospike.codes import Codes
from cospike.columns import Column, columns_from_json
from cospike.folders import check_idle
from cospike.model import SparseVAE
from cospike.tensors import check_fit, parse_tensors

SCHEMA_VERSION = _schema.VERSION
_MAX_AXES = 32  # of a sample
_PER_LAYER = 4  # tensors of a hidden layer, with its mirror's
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
    "onnx/encoder.onnx",
    "onnx/decoder.onnx",
    "samples.png",
    "samples.csv",
    "tracker.json",
    "explorer.html",
    "report.html",
    "factors.csv",
    "interventions.json",
    "metrics.json",
    "previews.npz",
    "references.safetensors",
    "attributes.npz",
    "codes.npz",
    "state.safetensors",
    "history.jsonl",
    "weights.safetensors",
    "config.json",
)
"""In the order in which they go: without its history, a state would be resumed to half of one."""


def read_config(run: str | Path) -> dict[str, Any]:
    """The config of a run, checked to be one that this version reads."""
    path = Path(run) / "config.json"
    config = _schema.migrate(_parse_json(_read(path.parent, path.name), path), path)
    for entry_path, kind in _CONFIG_ENTRIES.items():
        section, _, name = entry_path.partition(".")
        entry = config.get(section)
        entry = entry.get(name) if name and isinstance(entry, dict) else None if name else entry
        if not isinstance(entry, kind):
            raise InputError(f"{path} must have {entry_path}, a {kind.__name__}, as a run of cospike has.")
    names = config["data"]["class_names"]
    if len(names) > MAX_CLASSES or not all(isinstance(name, str) and len(name) <= MAX_NAME for name in names):
        raise InputError(
            f"{path} must have up to {MAX_CLASSES:,} names of classes, each of up to {MAX_NAME:,} characters. "
            "Is it a run of cospike?"
        )
    return config


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
        check_fit(lambda: _model_for(config, weights), weights)
        model = SparseVAE(**config["model"])
        if "dense_axes" in weights:
            model.turn(weights["dense_axes"].numpy())
        model.resize_class_patterns(len(weights["pattern_counts"]))
        model.load_state_dict(weights)
    except (KeyError, RuntimeError, TypeError, ValueError, OverflowError, AttributeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")  # torch's have a stack below
        raise InputError(f"{run / 'weights.safetensors'} does not fit config.json beside it: {reason}.") from error
    model.class_names, model.columns = tuple(config["data"]["class_names"]), read_columns(run)
    return model.eval()


def _model_for(config: dict[str, Any], weights: dict[str, Tensor]) -> SparseVAE:
    """The model of a config with room for ``weights``; there is not enough for what is no size at all."""
    shape, hidden, n_latents = (config["model"][name] for name in ("shape", "hidden", "n_latents"))
    if not (isinstance(shape, list) and isinstance(hidden, list) and 0 < len(shape) <= _MAX_AXES):
        raise ValueError("its shape and hidden must be lists")
    if not all(type(size) is int for size in (*shape, *hidden, n_latents)):
        raise ValueError("its sizes must be whole numbers")
    if _PER_LAYER * len(hidden) > len(weights):  # each layer of a model takes kilobytes, even without weights
        raise ValueError(f"it has too few tensors for {len(hidden)} hidden layers")
    if (n_patterns := len(weights["pattern_counts"])) not in (0, n_classes := len(config["data"]["class_names"])):
        raise ValueError(f"it has patterns of {n_patterns} classes, of which {n_classes} have names")
    model = SparseVAE(**config["model"])
    model.resize_class_patterns(n_patterns)
    if "dense_axes" in weights:
        model.dense_axes = torch.empty(model.n_dense, model.n_dense)
    return model


def save_tensors(run: Path, name: str, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors, and a few strings, into one safetensors file."""
    parts = {key: part.detach().cpu().contiguous() for key, part in tensors.items()}
    write_atomic(run / name, format_tensors(parts, metadata))


def read_tensors(run: Path, name: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and strings of a safetensors file."""
    try:
        return parse_tensors(_read(run, name))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{run / name} is damaged: {error}.") from error


def write_history(run: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line."""
    write_atomic(run / "history.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def read_history(run: str | Path) -> list[dict[str, Any]]:
    """The rows of the history, an epoch each."""
    path = Path(run) / "history.jsonl"
    lines = _read(path.parent, path.name).splitlines() if path.is_file() else []
    rows = [_parse_json(line, path) for line in lines]
    for row in rows:
        if not isinstance(row, dict) or not {type(value) for value in (row.get("seconds"), *row.values())} <= {
            int,
            float,
        }:
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
    """The codes of the splits named.

    Raises:
        InputError: if they are damaged, or not there, as while the run is being trained.
    """
    check_idle(Path(run))
    arrays = read_arrays(run, "codes.npz")
    try:
        return tuple(
            Codes.from_arrays(
                {key.partition(".")[2]: part for key, part in arrays.items() if key.startswith(f"{split}.")}
            )
            for split in splits
        )
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise InputError(f"{Path(run) / 'codes.npz'} is damaged: {error}") from error


def _read(run: Path, name: str) -> bytes:
    try:
        return read_file(run / name, MAX_TEXT if ".json" in name else MAX_BINARY)
    except FileNotFoundError as error:
        if name == "config.json":
            raise no_run(run) from error
        raise InputError(f"No {name} in {run}. Was the run finished? `--resume` goes on with it.") from error
    except OSError as error:
        raise InputError(f"Cannot read {run / name}: {error.strerror}.") from error


def _parse_json(content: bytes, path: Path) -> Any:
    try:
        return parse_json(content)
    except ValueError as error:
        raise InputError(f"{path} must be JSON, got: {error}.") from error
