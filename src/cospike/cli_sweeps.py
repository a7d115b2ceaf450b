"""The command `cospike sweep`, which joins the app of `cospike.cli`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from cospike._errors import InputError, failed_write
from cospike.cli import app, load_data, note
from cospike.options import ObjectiveName, Options, check_source, whole
from cospike.results import Result

_Whole = Annotated[int, Parameter(converter=whole)]
_ImageSize = Annotated[tuple[int, ...] | None, Parameter(converter=whole, consume_multiple=(1, 2), negative="")]
_Search = Annotated[tuple[str, ...], Parameter(consume_multiple=(1, None), negative="", show_default=False)]
_Options = Annotated[Options, Parameter(name="*", consume_multiple=True)]

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

    searched = parse_search(search)
    _check(trials, lost_after, storage)
    from cospike.sweeps.results import to_dict
    from cospike.sweeps.run import make_plan, run_sweep, write_config
    from cospike.sweeps.terminal import print_frontier

    dataset = load_data(data, options, label=label, layer=layer, image_size=image_size)
    out = Path("sweeps", dataset.name) if out is None else out
    plan = make_plan(dataset, objective, options, searched)
    try:
        found = run_sweep(
            plan, out, n_trials=trials, storage=storage, name=name, lost_after=lost_after, say=note
        )  # fmt: skip
        config = write_config(out, found, apply, plan) if apply else None
    except OSError as error:
        if error.filename is None:
            raise
        raise failed_write(error, out, "run the same command again") from error

    def show() -> None:
        print_frontier(found)
        print(config or out / "frontier.png")

    return Result({**to_dict(found, trials), "config": config and str(config)}, show)


def _check(trials: int, lost_after: float, storage: str | None) -> None:
    """Refuse at once what needs no data to be found wrong."""
    if not 0 <= trials <= 1_000_000:
        raise InputError(f"'--trials' must lie in 0 … 1,000,000, got {trials}. 0 shows what is there.")
    if not _SHORTEST <= lost_after < 1e6:
        raise InputError(f"'--lost-after' must be seconds from {_SHORTEST:g} on, got {lost_after:g}. Try 60.")
    from cospike._extras import need

    need("sweep", ("optuna", "sqlalchemy"), of="cospike sweep")
    from cospike.sweeps.storage import parse_address

    if storage is not None:
        parse_address(storage)
    from cospike.device import n_processes

    if n_processes() > 1:
        raise InputError("A sweep is shared out by starting `cospike sweep` several times, not by torchrun.")
