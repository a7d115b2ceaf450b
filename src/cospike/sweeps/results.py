"""What a sweep found: its trials, the frontier among them, and the config of one of them."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from io import StringIO
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from cospike._errors import InputError
from cospike._text import cell
from cospike.options import Options
from cospike.sweeps.storage import DIRECTIONS

_MADE = ("accelerator", "logger", "epochs")  # not of a config: where it was made, and how cheaply


@dataclass(frozen=True)
class Trial:
    """A trial that is finished.

    Attributes:
        number: of the trial in the storage.
        params: settings that were searched.
        measures: of the validation rows; none of a trial that failed.
        on_frontier: whether no other is better in one objective, and as good in the other.
        error: why it failed.
    """

    number: int
    params: Mapping[str, Any]
    measures: Mapping[str, float]
    on_frontier: bool = False
    error: str | None = None


def frontier(values: Float[np.ndarray, "trial 2"]) -> Bool[np.ndarray, " trial"]:
    """Which rows no other beats: of columns that are both better when lower.

    Of rows that are equal, all are on the frontier, or none.

    >>> frontier(np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0]])).tolist()
    [True, True, False]
    """
    lower = (values[:, None] <= values[None]).all(axis=2) & (values[:, None] < values[None]).any(axis=2)
    return np.asarray(~lower.any(axis=0))


def costs(trials: Sequence[Trial]) -> Float[np.ndarray, "trial 2"]:
    """The objectives of complete trials, both better when lower."""
    signs = [-1.0 if direction == "maximize" else 1.0 for direction in DIRECTIONS.values()]
    rows = [[sign * trial.measures[name] for name, sign in zip(DIRECTIONS, signs, strict=True)] for trial in trials]
    return np.array(rows, dtype=float).reshape(len(trials), len(DIRECTIONS))


def choose_best(trials: Sequence[Trial]) -> Trial | None:
    """The trial of the frontier that is nearest to the corner where both objectives are as good as any trial's.

    Each objective is measured in the range that the frontier has of it. Of one trial it is that one; None if there
    is none.
    """
    best = [trial for trial in trials if trial.on_frontier]
    if not best:
        return None
    values = costs(best)
    low = values.min(axis=0)
    span = np.ptp(values, axis=0)
    distance = np.linalg.norm((values - low) / np.where(span > 0, span, 1.0), axis=1)
    return best[int(distance.argmin())]


def pick(trials: Sequence[Trial], which: str) -> Trial:
    """The trial that was asked for: "best", or a number.

    Raises:
        InputError: if there is none, or it failed.
    """
    done = {str(trial.number): trial for trial in trials if trial.error is None}
    found = choose_best(trials) if which == "best" else done.get(which)
    if found is None:
        known = ", ".join(done) or "none yet"
        raise InputError(f"'--apply' must be best or a finished trial, got {which!r:.40}. Finished: {known:.300}.")
    return found


def to_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as `Options` has them: one width of a layer is that of the only one."""
    return {name: (value,) if name == "hidden" else value for name, value in params.items()}


def format_config(trial: Trial, *, objective: str, options: Options) -> str:
    """A YAML file for `cospike train --config`: the settings of a trial, and what all trials shared.

    The epochs are left out unless they were searched: a trial is short, and a training should not be.
    """
    import yaml  # noqa: PLC0415

    given = {field.name: getattr(options, field.name) for field in fields(Options) if field.name not in _MADE}
    shared = {name: value for name, value in given.items() if value != getattr(Options, name)}
    settings = {"objective": objective, **shared, **to_options(trial.params)}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}
    cost, gap = (trial.measures[name] for name in DIRECTIONS)
    epochs = trial.params.get("epochs", options.epochs)
    return (
        f"# Trial {trial.number}: -ELBO {cost:.2f} nats, gap {gap:.3f}, of the validation rows after {epochs} epochs.\n"
        f"# A training has its usual epochs, unless there are some below; --epochs {epochs} repeats the trial.\n"
        f"{yaml.safe_dump(plain, sort_keys=False)}"
    )


def format_csv(trials: Sequence[Trial]) -> str:
    """A line a trial: number, frontier, measures, settings, error."""
    measures = list(dict.fromkeys(name for trial in trials for name in trial.measures))
    params = list(dict.fromkeys(name for trial in trials for name in trial.params))
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("trial", "frontier", *measures, *map(cell, params), "error"))
    for trial in trials:
        values = [trial.measures.get(name, "") for name in measures]
        settings = [cell(str(trial.params.get(name, ""))) for name in params]
        writer.writerow((trial.number, int(trial.on_frontier), *values, *settings, cell(trial.error or "")))
    return buffer.getvalue()


def to_dict(trials: Sequence[Trial], n_asked: int) -> dict[str, Any]:
    """What `--json` prints."""
    best = choose_best(trials)
    return {
        "objectives": DIRECTIONS,
        "asked": n_asked,
        "trials": [asdict(trial) for trial in trials],
        "frontier": [trial.number for trial in trials if trial.on_frontier],
        "best": None if best is None else best.number,
    }
