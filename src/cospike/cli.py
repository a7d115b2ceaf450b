"""What `cospike` can be told to do. Results go to standard output, progress and notes to standard error."""

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

# How long OpenMP's threads spin for each other before they sleep, set before torch loads. Without an end a busy machine
# is five times as slow; without spinning an idle one takes half again as long (docs/design/0014-speed-of-a-step.md).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from cyclopts import App, Parameter

from cospike._text import one_line
from cospike._version import __version__
from cospike.choices import check_data
from cospike.options import DEMO_OBJECTIVES, ObjectiveName, Options, check_source, whole
from cospike.results import Result

if TYPE_CHECKING:
    from cospike.data import Dataset
    from cospike.metrics import Measurement

_Flag = Parameter(negative="")
_Whole = Annotated[int, Parameter(converter=whole)]
_ImageSize = Annotated[tuple[int, ...] | None, Parameter(converter=whole, consume_multiple=(1, 2), negative="")]
_Objectives = Annotated[tuple[ObjectiveName, ...], Parameter(consume_multiple=(1, None), negative="")]
_Options = Annotated[Options, Parameter(name="*", consume_multiple=True)]

app = App(
    name="cospike",
    version=__version__,
    help="""Sparse generative models whose active latents agree within a class, and the tools to read them.

    Start here: it needs no download, takes a minute, and ends by naming a report to open.

    ```
    cospike train digits --out runs/digits
    ```
    """,
    help_epilogue="""Results go to standard output, progress and notes to standard error; a pipe gets no colours.

    Exit codes: 0 done; 1 another process of a training was lost; 2 something given cannot be used, said in one line;
    130 interrupted, with what is done saved; 141 nobody reads what is printed.""",
    help_format="markdown",
    result_action="return_value",
    exit_on_error=False,  # `entry.main` prints every mistake alike
    print_error=False,
    suppress_keyboard_interrupt=False,
)
app.meta.exit_on_error = app.meta.print_error = app.meta.suppress_keyboard_interrupt = False
data_app = App(name="data", help="Data sets that cospike knows: list them, or fetch one.")
app.command(data_app)


@app.command
def train(
    data: str | None = None,
    *,
    out: Path,
    label: str | None = None,
    layer: str | None = None,
    image_size: _ImageSize = None,
    objective: ObjectiveName = "class-consistent",
    resume: Annotated[bool, _Flag] = False,
    overwrite: Annotated[bool, _Flag] = False,
    options: _Options = Options(),  # noqa: B008
) -> Result | None:
    """Train a model on DATA, measure it on held-out rows, and write a report.

    ```
    cospike train digits --out runs/digits
    cospike train photos/ --out runs/photos --epochs 40 --seed 1
    cospike train flowers.csv --label species --out runs/flowers
    ```

    Args:
        data: mnist, fashion-mnist, digits, shapes, sparse-linear; a table (CSV, TSV, Parquet, Feather); cells (.h5ad);
            arrays (.npz, .npy); a folder of IDX files, or of sub-folders of pictures (default: mnist if it is at hand,
            else digits).
        out: The folder of the run. Every epoch is saved there.
        label: Of a table, or of cells, the column that names the classes, where what is empty is of no class; of
            arrays, the name of the array of labels in an .npz, the file of labels of an .npy.
        layer: Of cells, the layer that holds the counts (default: X).
        image_size: Of a folder of pictures, height and width, or one number for both (default: what all have, if that
            is at most 64; else their median height and width, the longer one scaled to 64). They are cut to its shape.
        objective: What to minimise.
        resume: Go on with the run in OUT, to the same bits; start it if there is none.
        overwrite: Replace the run in OUT.
        options: Settings.
    """
    check_source(data, label, (objective,), image_size, layer)
    from cospike.experiment import build_objective, train_run
    from cospike.folders import writing
    from cospike.html_report import report as write_report
    from cospike.progress import working
    from cospike.run_folders import check_folder

    dataset = load_data(data, options, label=label, layer=layer, image_size=image_size)
    built = build_objective(objective, options)
    check_folder(out, resume=resume, overwrite=overwrite)
    with writing(out):
        evaluation = train_run(dataset, out, objective=built, options=options, resume=resume, overwrite=overwrite)
        if evaluation is None:  # another process says the rest
            return None
        with working("writing the report"):
            path = write_report(out)
    return _measured({objective: evaluation.metrics}, {objective: out}, path)


@app.command
def compare(
    data: str | None = None,
    *,
    out: Path,
    label: str | None = None,
    layer: str | None = None,
    image_size: _ImageSize = None,
    objectives: _Objectives = DEMO_OBJECTIVES,
    resume: Annotated[bool, _Flag] = False,
    overwrite: Annotated[bool, _Flag] = False,
    options: _Options = Options(),  # noqa: B008
) -> Result | None:
    """Train several objectives alike (same network, data, epochs and seed) and set them side by side.

    ```
    cospike compare digits --out runs/compare --epochs 20
    cospike compare mnist --out runs/mnist --objectives vae class-consistent --resume
    ```

    Args:
        data: As in `cospike train`.
        out: A folder; each objective has its run below it.
        label: As in `cospike train`.
        layer: As in `cospike train`.
        image_size: As in `cospike train`.
        objectives: What to train; the report is that of the last one.
        resume: Go on where a comparison was interrupted.
        overwrite: Replace the runs below OUT.
        options: Settings of all runs.
    """
    check_source(data, label, objectives, image_size, layer)
    from cospike.experiment import compare as compare_objectives
    from cospike.folders import writing
    from cospike.html_report import report as write_report
    from cospike.progress import working
    from cospike.run_folders import check_folder

    dataset = load_data(data, options, label=label, layer=layer, image_size=image_size)
    folders = [out / name for name in objectives]
    for folder in folders:
        check_folder(folder, resume=resume, overwrite=overwrite)
    with writing(*folders):
        evaluations = compare_objectives(
            dataset, out, objectives=objectives, options=options, resume=resume, overwrite=overwrite
        )
        if not evaluations:  # another process says the rest
            return None
        *others, last = folders
        with working("writing the report"):
            path = write_report(last, compare=others)
    measures = {name: evaluation.metrics for name, evaluation in evaluations.items()}
    return _measured(measures, dict(zip(objectives, folders, strict=True)), path)


@app.command
def benchmark(
    *data: str,
    out: Path,
    models: Annotated[tuple[str, ...] | None, Parameter(consume_multiple=(1, None), negative="")] = None,
    seeds: _Whole | None = None,
    epochs: _Whole | None = None,
    quick: Annotated[bool, _Flag] = False,
    jobs: _Whole | None = None,
    keep_runs: Annotated[bool, _Flag] = False,
) -> Result:
    """Train MODELS on every DATA set with several seeds; write a table with intervals, a page and figures.

    Each finished run is a row in OUT/rows.jsonl, and is not trained again unless its recipe changes: run the same
    command again after an interruption. Without DATA, what was last asked for in OUT is done again. Other settings
    than those of the rows in OUT, such as other --epochs, train anew and replace the rows.

    The first of these takes a minute; the second, hours on few cores.

    ```
    cospike benchmark digits --quick --out runs/quick
    cospike benchmark mnist fashion-mnist --out runs/benchmark
    ```

    Args:
        data: mnist, fashion-mnist, digits, shapes, sparse-linear, or folders of IDX files.
        out: The folder of the benchmark: rows.jsonl, table.csv, table.md, index.html and the figures.
        models: What to train (default: all that `recipes.py` names, from vae to class-consistent, and a classifier).
        seeds: How many, from 0 (default: 5).
        epochs: Of every run (default: 24, or as many as make 2,400 steps).
        quick: A minute: digits unless DATA is given, 2 seeds, few epochs, the main models.
        jobs: Processes at a time (default: one a core).
        keep_runs: Keep the run folders, which `cospike report` reads.
    """
    from cospike.benchmark.recipes import QUICK, check_models

    check_data(*data)
    check_models(models or ())
    from cospike.benchmark.grid import find_grid, run_benchmark
    from cospike.benchmark.page import write_benchmark
    from cospike.benchmark.terminal import print_benchmark
    from cospike.folders import writing
    from cospike.progress import working

    preset = QUICK if quick else {}
    training = preset.get("training", {}) | ({} if epochs is None else {"epochs": epochs})
    given = {"models": models, "seeds": seeds, "training": training}
    given = preset | {name: value for name, value in given.items() if value is not None}
    grid = find_grid(out, data or ("digits",) * quick, **given)
    with writing(out / "runs", again="run the same command again"):
        done = run_benchmark(grid, out, jobs=jobs, keep_runs=keep_runs)
        with working("writing tables and figures"):
            sections = write_benchmark(out, done.rows, done.definitions, failures=done.failures)
    n_failed = len(done.failures)
    failure = f"{n_failed} of {done.n_cells} runs failed. The same command tries them again." if n_failed else ""
    page = out / "index.html"

    def show() -> None:
        print_benchmark(sections)
        print(page)

    return Result({"page": str(page), "runs": done.n_cells, "failed": n_failed}, show, failure)


def _measured(measures: Mapping[str, "Mapping[str, Measurement]"], runs: Mapping[str, Path], report: Path) -> Result:
    from cospike.tables import print_measures

    def show() -> None:
        print_measures(measures)
        print(report)

    plain = {name: {measure: asdict(one) for measure, one in of_run.items()} for name, of_run in measures.items()}
    folders = {name: str(run) for name, run in runs.items()}
    return Result({"report": str(report), "runs": folders, "measures": plain}, show)


def load_data(name: str | None, options: Options, **given: Any) -> "Dataset":
    """The data set of a name, or the default one, split by the seed of the options."""
    from cospike.data import load_dataset, load_default

    seed = options.seed if options.split_seed is None else options.split_seed
    if name is not None:
        return load_dataset(name, seed=seed, **given)
    dataset, notice = load_default(seed=seed)
    if notice:
        note(notice)
    return dataset


def note(text: str) -> None:
    """Say something that is no result."""
    print(one_line(text), file=sys.stderr)
