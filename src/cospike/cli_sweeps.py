"""The command `cospike sweep`, which joins the app of `cospike.cli`."""

import json as json_format
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from cospike._errors import InputError, failed_write
from cospike.cli import app, load_data, note
from cospike.options import ObjectiveName, Options, check_source, whole
from cospike.results import Result

if TYPE_CHECKING:
    from cospike.sweeps.results import Trial
    from cospike.sweeps.trial import Setup

_Whole = Annotated[int, Parameter(converter=whole)]
_ImageSize = Annotated[tuple[int, ...] | None, Parameter(converter=whole, consume_multiple=(1, 2), negative="")]
_Search = Annotated[tuple[str, ...], Parameter(consume_multiple=(1, None), negative="", show_default=False)]
_Options = Annotated[Options, Parameter(name="*", consume_multiple=True)]

_AGAIN = "run the same command again"
_SHORTEST = 5.0  # seconds of silence that a worker may need to import what it trains with


@app.command
def sweep(
    data: str,
    *,
    trials: _Whole = 40,
    out: Path | None = None,
    search: _Search = (),
    objective: ObjectiveName = "class-consistent",
    storage: str | None = None,
    name: str | None = None,
    apply: str | None = None,
    label: str | None = None,
    layer: str | None = None,
    image_size: _ImageSize = None,
    lost_after: float = 60.0,
    options: _Options = Options(),  # noqa: B008
) -> Result:
    """Search settings for DATA by two measures at once: −ELBO, and the consistency gap, global latents aside.

    Both are of the validation rows; the test rows are never seen. The same command goes on where it was interrupted,
    and several at once, on one machine or with --storage on many, share the trials out. OUT gets trials.csv and
    frontier.png.

    ```
    cospike sweep digits --trials 5 --epochs 20
    cospike sweep mnist --trials 40 --apply best
    cospike train mnist --config sweeps/mnist/best.yaml --out runs/best
    ```

    Args:
        data: As in `cospike train`.
        trials: How many are to be finished in the end, those of earlier commands and other workers among them.
        out: The folder of the sweep (default: sweeps/DATA).
        search: NAME=LOW:HIGH, a range (on a log scale if above 0; NAME=LOW:HIGH:linear is not), or NAME=A,B,C,
            choices; any option of Model, Objective and Training below. Default: n_latents=20:120, and from a quarter to
            four times of their defaults active_prior, learning_rate and the prices of the objective: within and
            equivocation; pairwise; beta. What is given as an option itself is not searched.
        objective: What to minimise in every trial.
        storage: postgresql://USER@HOST/DATABASE, for workers on several machines (default: a file in OUT).
        name: Of the sweep in that database (default: DATA).
        apply: Write the settings of a trial as OUT/best.yaml, for `cospike train --config`: best, the trial of the
            frontier that is nearest to the best of both measures, or the number of one.
        label: As in `cospike train`.
        layer: As in `cospike train`.
        image_size: As in `cospike train`.
        lost_after: Seconds without a sign of life after which a worker is taken for dead, and its trial is begun anew.
        options: Settings of all trials; of --epochs the default is a third of a training's.
    """
    check_source(data, label, (objective,), image_size, layer)
    from cospike.sweeps.space import parse_search

    space = parse_search(search)
    _check_numbers(trials, lost_after)
    from cospike._extras import need

    need("sweep", ("optuna", "sqlalchemy"), of="cospike sweep")
    from cospike.sweeps.storage import parse_address

    if storage is not None:
        parse_address(storage)
    from cospike.device import n_processes
    from cospike.sweeps.space import default_space
    from cospike.sweeps.trial import check_space, default_params, prepare

    if n_processes() > 1:
        raise InputError("A sweep is shared out by starting `cospike sweep` several times, not by torchrun.")
    setup = prepare(
        load_data(data, options, label=label, layer=layer, image_size=image_size), objective, options, space
    )
    out = Path("sweeps", setup.data.name) if out is None else out
    defaults = default_params(setup)
    space = {**default_space({name: value for name, value in defaults.items() if name not in space}), **space}
    check_space(setup, space)
    settings = _settings(setup, space)
    first = {name: value for name, value in defaults.items() if name in space and value in space[name]}
    try:
        found = _work(setup, space, settings, first, out, storage, name or setup.data.name, trials, lost_after)
        _write(out, found)
        path = _apply(out, found, apply, setup, options) if apply else None
    except OSError as error:
        if error.filename is None:
            raise
        raise failed_write(error, out, _AGAIN) from error
    from cospike.sweeps.results import to_dict
    from cospike.sweeps.terminal import print_frontier

    def show() -> None:
        print_frontier(found)
        print(path or out / "frontier.png")

    return Result(to_dict(found, trials), show)


def _check_numbers(trials: int, lost_after: float) -> None:
    if not 0 <= trials <= 1_000_000:
        raise InputError(f"'--trials' must lie in 0 … 1,000,000, got {trials}. 0 shows what is there.")
    if not _SHORTEST <= lost_after < 1e6:
        raise InputError(f"'--lost-after' must be seconds from {_SHORTEST:g} on, got {lost_after:g}. Try 60.")


def _settings(setup: "Setup", space: Any) -> dict[str, Any]:
    """Everything that decides trials, as it comes back from a storage."""
    shared = {name: value for name, value in asdict(setup.options).items() if name not in ("accelerator", "logger")}
    parts = {
        "data": [setup.data.name, setup.fingerprint],
        "objective": setup.objective,
        "options": shared,
        "search": {name: str(part) for name, part in space.items()},
    }
    return dict(json_format.loads(json_format.dumps(parts)))


def _work(
    setup: "Setup",
    space: Any,
    settings: dict[str, Any],
    first: dict[str, Any],
    out: Path,
    address: str | None,
    name: str,
    trials: int,
    lost_after: float,
) -> "tuple[Trial, ...]":
    from cospike.progress import working
    from cospike.sweeps.records import finished
    from cospike.sweeps.storage import opened
    from cospike.sweeps.trial import train
    from cospike.sweeps.worker import Worker

    def train_one(params: Mapping[str, Any]) -> dict[str, float]:
        with working("training a trial"):
            return train(setup, params)

    study_name = name if address else "sweep"
    with opened(address, out, name=study_name, settings=settings, first=first) as study:
        worker = Worker(
            study,
            space,
            train_one,
            n_trials=trials,
            seed=setup.options.seed,
            lost_after=lost_after,
            say=note,
        )
        if trials:
            worker.work()
        return finished(study.get_trials(deepcopy=False), space)


def _write(out: Path, found: "tuple[Trial, ...]") -> None:
    from cospike._files import write_atomic
    from cospike.sweeps.figure import to_png
    from cospike.sweeps.results import format_csv

    write_atomic(out / "trials.csv", format_csv(found))
    if any(trial.error is None for trial in found):
        write_atomic(out / "frontier.png", to_png(found))
    elif found:
        raise InputError(f"All {len(found)} trials failed; the first: {found[0].error}")


def _apply(out: Path, found: "tuple[Trial, ...]", which: str, setup: "Setup", options: Options) -> Path:
    from cospike._files import write_atomic
    from cospike.sweeps.results import format_config, pick

    trial = pick(found, which)
    shared = replace(options, epochs=setup.options.epochs)
    path = out / ("best.yaml" if which == "best" else f"trial-{trial.number}.yaml")
    write_atomic(path, format_config(trial, objective=setup.objective, options=shared))
    return path
