"""MLflow and Weights & Biases, as loggers of one run, each with what it needs to find that run again.

Both know a run by a name of theirs, which lies in `tracker.json` of the run's folder: a training that goes on goes on
there too, and one that replaces another is a run of its own. Where they write is their own affair: MLflow where
MLFLOW_TRACKING_URI says, in the experiment of MLFLOW_EXPERIMENT_NAME; Weights & Biases on this machine, for
`wandb sync`, unless WANDB_MODE is online.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from cospike._files import write_atomic
from cospike._reading import parse_json, read_file

IDENTITIES = "tracker.json"
"""In the folder of a run: what the trackers call it."""

PROJECT = "cospike"

_LONGEST = 64  # of a name of theirs, which becomes part of a path


class MLflowRun:
    """A run of MLflow."""

    def __init__(self, run: Path) -> None:
        from mlflow import MlflowClient  # noqa: PLC0415  # an extra

        self._client = MlflowClient()
        self._id = known = _identity(run, "mlflow")
        if not known:
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
            experiment = self._client.get_experiment_by_name(name)
            number = experiment.experiment_id if experiment else self._client.create_experiment(name)
            self._id = self._client.create_run(number, run_name=run.resolve().name).info.run_id
            _keep(run, "mlflow", self._id)
        self._client.update_run(self._id, status="RUNNING")

    def log_hyperparams(self, params: Mapping[str, Any]) -> None:
        """Take the settings of a run."""
        for name, value in flatten(params).items():
            self._client.log_param(self._id, name, value)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Take numbers of one epoch."""
        for name, value in metrics.items():
            self._client.log_metric(self._id, name, value, step=step)

    def finalize(self, status: str) -> None:
        """Say that nothing more comes for now."""
        self._client.set_terminated(self._id, "FINISHED" if status == "success" else "FAILED")


class WandbRun:
    """A run of Weights & Biases."""

    def __init__(self, run: Path) -> None:
        import wandb  # noqa: PLC0415  # an extra

        known = _identity(run, "wandb")
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=known or uuid4().hex[:12],
            name=run.resolve().name,
            dir=run,
            mode=None if "WANDB_MODE" in os.environ else "offline",
            resume="allow",
            settings=wandb.Settings(
                silent=True, console="off", x_disable_stats=True, disable_git=True, disable_code=True
            ),
        )
        if not known:
            _keep(run, "wandb", self._run.id)

    def log_hyperparams(self, params: Mapping[str, Any]) -> None:
        """Take the settings of a run."""
        config: Any = self._run.config
        config.update(flatten(params), allow_val_change=True)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Take numbers of one epoch; of none, they are the run's own."""
        if step is None:
            summary: Any = self._run.summary
            summary.update(dict(metrics))
        else:
            self._run.log(dict(metrics), step=step)

    def finalize(self, status: str) -> None:
        """Say that nothing more comes for now."""
        self._run.finish(exit_code=0 if status == "success" else 1)


def flatten(params: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Settings by their path, as a tracker's table has them.

    >>> flatten({"training": {"epochs": 3}, "hidden": (4, 5)})
    {'training/epochs': 3, 'hidden': '(4, 5)'}
    """
    flat: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{above}{name}/")
        else:
            flat[f"{above}{name}"] = value if isinstance(value, str | int | float | bool) else str(value)
    return flat


def _identities(run: Path) -> dict[str, Any]:
    path = run / IDENTITIES
    try:
        known = parse_json(read_file(path))
    except (OSError, ValueError):  # none, or a damaged one: the tracker gets a new run
        return {}
    return known if isinstance(known, dict) else {}


def _identity(run: Path, tracker: str) -> str:
    """What a tracker calls the run; empty if it does not know it."""
    known = _identities(run).get(tracker)
    return known if isinstance(known, str) and known.isalnum() and len(known) <= _LONGEST else ""


def _keep(run: Path, tracker: str, identity: str) -> None:
    write_atomic(run / IDENTITIES, json.dumps(_identities(run) | {tracker: identity}) + "\n")
