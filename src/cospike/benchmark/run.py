"""One run of a benchmark, in whichever process: from a configuration that says everything, to a row.

The configuration is that of a run folder, so that an interrupted run is known again and goes on where it was.
"""

import hashlib
import json
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from cospike import __version__, runs
from cospike._errors import InputError, TrainingWarning
from cospike.benchmark.files import Cell, Row, rounded
from cospike.benchmark.recipes import CLASSIFIER, Recipe
from cospike.classifier import accuracy, fit_classifier
from cospike.data import Dataset, Split, load_dataset
from cospike.importance import importance_bounds, latent_worth, n_global_worth
from cospike.likelihood import bounds
from cospike.metrics import Measurement, measure
from cospike.model import SparseVAE
from cospike.objective import Objective
from cospike.options import Options, model_settings
from cospike.train import default_training, fit

_ROWS, _DRAWS = 1_000, 50  # of the importance-weighted bounds: a second or two on one core


@dataclass(frozen=True)
class Job:
    """A run to be done.

    Attributes:
        cell: its place in the grid.
        source: the data, as `load_dataset` takes it.
        config: {model, objective, training, data}: everything that decides it.
        run: its folder.
        threads: of torch.
    """

    cell: Cell
    source: str
    config: dict[str, Any]
    run: Path
    threads: int


@dataclass(frozen=True)
class Outcome:
    """What came of a job: a row and what its measures are, or what went wrong in one line."""

    cell: Cell
    row: Row | None = None
    definitions: dict[str, dict[str, str]] = field(default_factory=dict)
    error: str = ""


def configure(
    recipe: Recipe,
    data: Dataset,
    *,
    seed: int,
    model: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything that decides a run, as `config.json` of a run folder holds it.

    Args:
        recipe: which model.
        data: on what.
        seed: of weights, order and draws.
        model: settings of `SparseVAE`; those of preset and recipe come first.
        training: ``epochs``, ``batch_size`` and ``learning_rate``, where they are not the default.
    """
    supervised = recipe.preset == CLASSIFIER
    objective = {"name": CLASSIFIER} if supervised else Objective.preset(recipe.preset, **recipe.objective).to_dict()
    shared = {"n_classes": data.n_classes, **(model or {})}
    of_preset = model_settings(recipe.preset, shared.get("n_latents", Options.n_latents))
    try:
        with torch.device("meta"):  # no memory for what a stored grid asks for, before anyone looks at it
            settings = SparseVAE(data.shape, **{**shared, **of_preset, **recipe.model}, seed=seed).settings
        trained = default_training(len(data.train), **(training or {}))
    except (TypeError, RuntimeError, OverflowError) as error:
        reason = str(error).splitlines()[0].rstrip(".")  # torch's have a stack below
        raise InputError(f"'model' and 'training' of a benchmark must be settings of runs, got: {reason}.") from error
    config = {
        "model": settings,
        "objective": objective,
        "training": trained | {"seed": seed},
        "data": {"name": data.name, "fingerprint": data.fingerprint},
    }
    return dict(json.loads(json.dumps(config)))  # as it comes back from a file


def fingerprint(config: Mapping[str, Any]) -> str:
    """The first 16 hexadecimal digits of the SHA-256 over model, objective, training and data, but not versions.

    Of `config.json` in a run folder it is the same as of what `configure` gave for that run. What an objective does
    not charge is left out, so that a price that it learns to know later does not ask for the run again.
    """
    charged = {name: value for name, value in config["objective"].items() if value}
    training = {name: config["training"].get(name) for name in ("epochs", "batch_size", "learning_rate", "seed")}
    parts = [config["model"], charged, training, config["data"]["fingerprint"]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def do(job: Job) -> Outcome:
    """Train, or go on training, and measure; a failure is one line, so that the other runs go on."""
    try:
        with threads(job.threads), warnings.catch_warnings():
            warnings.simplefilter("ignore", TrainingWarning)  # a table of many runs shows which of them collapsed
            data = load_kept(job.source)
            values = _classify(job, data) if job.config["objective"]["name"] == CLASSIFIER else _fit(job, data)
    except Exception as error:  # torch, disk, memory: one run of hours of others, which its failure must not end
        return Outcome(job.cell, error=reason(error))
    row = Row(
        *job.cell,
        fingerprint=fingerprint(job.config),
        versions={"cospike": __version__, "torch": torch.__version__},
        values={name: rounded(measured.value) for name, measured in values.items()},
        stderr={name: rounded(m.stderr) for name, m in values.items() if m.stderr is not None},
    )
    definitions = {name: {"unit": m.unit, "direction": m.direction, "how": m.how} for name, m in values.items()}
    return Outcome(job.cell, row, definitions)


def _classify(job: Job, data: Dataset) -> dict[str, Measurement]:
    begun = time.perf_counter()
    network = {name: job.config["model"][name] for name in ("network", "hidden")}
    training = {name: job.config["training"][name] for name in ("epochs", "batch_size", "learning_rate", "seed")}
    measured = accuracy(fit_classifier(data, **network, **training), data.test)
    ceiling = {} if measured is None else {"probe_codes": measured}  # the name of what it is the ceiling of
    return ceiling | _seconds(time.perf_counter() - begun)


def reason(error: Exception) -> str:
    """What went wrong, in one line."""
    said = " ".join(str(error).split()) or "no reason given"
    return said if isinstance(error, InputError | FloatingPointError) else f"{type(error).__name__}: {said}"


def train(config: Mapping[str, Any], data: Dataset, run: Path) -> tuple[SparseVAE, list[dict[str, float]]]:
    """Train the run of a configuration, or go on with what its folder has of it: the model, and its history."""
    if not holds(run, config):
        shutil.rmtree(run, ignore_errors=True)
    model = SparseVAE(**config["model"])
    history = fit(
        model,
        data,
        objective=Objective.from_dict(config["objective"]),
        **config["training"],
        precision="32-true",  # rows of every machine stand in one table
        out=run,
        resume=True,
        progress=False,
    )
    return model, history


def _fit(job: Job, data: Dataset) -> dict[str, Measurement]:
    model, history = train(job.config, data, job.run)
    test, of_training = runs.read_codes(job.run)
    return {
        **measure(test, train=of_training),
        **bounds(model, test),
        **_importance(model, data.test, test),
        **_seconds(sum(row["seconds"] for row in history)),
    }


def _importance(model: SparseVAE, split: Split, codes: Any) -> dict[str, Measurement]:
    """What takes draws and passes of the decoder: on some rows only, for a small part of the time of training."""
    values = importance_bounds(model, split, n_samples=_DRAWS, n_rows=_ROWS)
    if codes.class_counts().any():
        values["n_global_worth"] = n_global_worth(latent_worth(model, split, n_rows=_ROWS), codes)
    return values


def _seconds(seconds: float) -> dict[str, Measurement]:
    return {"seconds": Measurement(seconds, "seconds", "lower", "training, all epochs, beside the other runs")}


def holds(run: Path, config: Mapping[str, Any]) -> bool:
    """Whether a folder holds this very run, begun by the same versions: no other goes on to the same bits."""
    try:
        stored = runs.read_config(run)
        same_versions = (stored["cospike"], stored["torch"]) == (__version__, torch.__version__)
        return same_versions and fingerprint(stored) == fingerprint(config)
    except (InputError, KeyError, AttributeError):
        return False


@lru_cache(maxsize=1)
def load_kept(source: str) -> Dataset:
    """A worker keeps the data of its last run: the next is mostly on the same."""
    return load_dataset(source)


@contextmanager
def threads(n: int) -> Iterator[None]:
    """As many threads of torch as there are cores for one of several runs, and as before at the end."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
