"""A sweep from what was asked for to what it leaves: `trials.csv`, `frontier.png`, configs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cospike._errors import InputError
from cospike._files import write_atomic
from cospike.data import Dataset
from cospike.options import Options
from cospike.progress import working
from cospike.sweeps.figure import to_png
from cospike.sweeps.records import finished, read_trials
from cospike.sweeps.results import Trial, format_config, format_csv, pick
from cospike.sweeps.space import Space, default_space
from cospike.sweeps.storage import opened
from cospike.sweeps.trial import Setup, check_space, default_params, prepare, train
from cospike.sweeps.worker import Worker

_IN_A_FILE = "sweep"  # the name of the only study there


@dataclass(frozen=True)
class Plan:
    """What is swept.

    Attributes:
        setup: what all trials share.
        space: what is searched.
        first: of the settings that are searched, the defaults; those of the first trial.
    """

    setup: Setup
    space: Space
    first: Mapping[str, float]

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that decides trials, as it comes back from a storage; where they are trained does not."""
        options = asdict(self.setup.options)
        parts = {
            "data": [self.setup.data.name, self.setup.fingerprint],
            "objective": self.setup.objective,
            "options": {name: value for name, value in options.items() if name not in ("accelerator", "logger")},
            "search": {name: str(part) for name, part in self.space.items()},
        }
        return dict(json.loads(json.dumps(parts)))


def make_plan(data: Dataset, objective: str, options: Options, searched: Space) -> Plan:
    """What is searched, with the defaults for what nothing was said of.

    Raises:
        InputError: for what no trial could be trained on, or with.
    """
    setup = prepare(data, objective, options, searched)
    defaults = default_params(setup)
    space = {**default_space({name: value for name, value in defaults.items() if name not in searched}), **searched}
    check_space(setup, space)
    return Plan(setup, space, {name: value for name, value in defaults.items() if value in space[name]})


def run_sweep(
    plan: Plan,
    out: Path,
    *,
    n_trials: int,
    storage: str | None = None,
    name: str | None = None,
    lost_after: float = 60.0,
    say: Callable[[str], None],
) -> tuple[Trial, ...]:
    """Do, as one worker of maybe several, what is left of a sweep, and write what came out.

    Args:
        plan: what is swept.
        out: the folder of the sweep.
        n_trials: how many are to be finished in the end; 0 only looks.
        storage: address of a PostgreSQL database; default: a file in ``out``.
        name: of the sweep in that database; default: that of the data.
        lost_after: as `Worker` takes it.
        say: takes a line for the user.

    Returns:
        All trials that are finished, by number.

    Raises:
        InputError: as `opened`, if the storage goes out of reach, and if all trials failed.
        KeyboardInterrupt: on Ctrl-C; nothing that was finished is lost.
        OSError: if a file cannot be written.
    """

    def train_one(params: Mapping[str, Any]) -> dict[str, float]:
        with working("training a trial"):
            return train(plan.setup, params)

    if name is not None and storage is None:
        raise InputError("'--name' tells sweeps in one database apart, got it without --storage. Choose another --out.")
    study_name = _IN_A_FILE if storage is None else name or plan.setup.data.name
    with opened(storage, out, name=study_name, settings=plan.settings, first=dict(plan.first)) as study:
        seed = plan.setup.options.seed
        worker = Worker(
            study, plan.space, train_one, n_trials=n_trials, seed=seed, lost_after=lost_after, say=say
        )  # fmt: skip
        if n_trials:
            worker.work()
        trials = finished(read_trials(study), plan.space)
    write_atomic(out / "trials.csv", format_csv(trials))
    if any(trial.error is None for trial in trials):
        write_atomic(out / "frontier.png", to_png(trials))
    elif trials:
        raise InputError(f"All {len(trials)} trials failed; the first: {trials[0].error}")
    return trials


def write_config(out: Path, trials: tuple[Trial, ...], which: str, plan: Plan) -> Path:
    """The settings of a trial, "best" or a number, as a file for `cospike train --config`."""
    trial = pick(trials, which)
    path = out / ("best.yaml" if which == "best" else f"trial-{trial.number}.yaml")
    write_atomic(path, format_config(trial, objective=plan.setup.objective, options=plan.setup.options))
    return path
