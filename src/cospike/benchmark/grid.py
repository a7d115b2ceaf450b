"""Models × data sets × seeds, run by run: each finished run is a row, and what has a row is not trained again.

The work goes through joblib, so its back ends apply (`joblib.parallel_config`). Only this process writes rows; the
workers write run folders, from which an interrupted run goes on.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib

from cospike._errors import InputError
from cospike._reading import refuse_links
from cospike.benchmark.files import (
    Grid,
    Row,
    one_process,
    read_definitions,
    read_grid,
    read_rows,
    remove_run,
    run_folder,
    write_definitions,
    write_grid,
    write_rows,
)
from cospike.benchmark.parallel import RunsDisplay, in_parallel
from cospike.benchmark.recipes import CLASSIFIER, MODELS
from cospike.benchmark.run import Job, configure, do, fingerprint
from cospike.data import Dataset, load_dataset


@dataclass(frozen=True)
class Benchmark:
    """A grid with what is known of it.

    Attributes:
        n_cells: runs that were asked for.
        rows: those of the grid, in its order; what failed has none.
        definitions: unit, direction and how of every measure.
        failures: a line a failed run.
    """

    n_cells: int
    rows: tuple[Row, ...]
    definitions: dict[str, dict[str, str]]
    failures: tuple[str, ...] = ()


def find_grid(out: Path, data: Sequence[str] = (), **given: Any) -> Grid:
    """The grid of ``data``, or without data the one last asked for in ``out``, with what is given in its place.

    Of ``training`` only the settings that are given replace stored ones.

    Raises:
        InputError: if no data are named and nothing was asked for in ``out`` yet.
    """
    given = {name: value for name, value in given.items() if value is not None}
    if data:
        return Grid(data=tuple(data), **given)
    if (stored := read_grid(out)) is None:
        raise InputError(
            f"'data' of a benchmark must be named the first time, and {out} holds none. "
            "Try `cospike benchmark digits --out …`, or mnist, fashion-mnist."
        )
    return replace(stored, **given | {"training": {**stored.training, **given.get("training", {})}})


def run_benchmark(grid: Grid, out: Path, *, jobs: int | None = None, keep_runs: bool = False) -> Benchmark:
    """Train and measure what is missing in ``out``, or was trained by another recipe.

    Args:
        grid: what to run.
        out: the folder of the benchmark; rows of other grids in it stay.
        jobs: processes; default: one a core. The cores are shared out among them.
        keep_runs: leave the folder of every run below ``out``/runs.

    Raises:
        InputError: for unknown data, a damaged row, or an ``out`` that another process works in.
        KeyboardInterrupt: on Ctrl-C; what is finished is kept, and a run half done goes on the next time.
    """
    cores = joblib.cpu_count()
    jobs = cores if jobs is None else jobs
    if jobs < 1:
        raise InputError(f"'jobs' of a benchmark must be at least 1, got {jobs}.")
    datasets = _load(grid.data)
    with one_process(out):
        rows, definitions = read_rows(out), read_definitions(out)
        wanted = list(_jobs(grid, datasets, out, threads=max(1, cores // jobs)))
        prints = {job.cell: fingerprint(job.config) for job in wanted}
        todo = [job for job in wanted if job.cell not in rows or rows[job.cell].fingerprint != prints[job.cell]]
        write_grid(out, grid)
        failures = []
        with RunsDisplay(len(wanted), len(wanted) - len(todo)) as display:
            for outcome in in_parallel(do, todo, jobs, display, name=lambda job: str(job.cell)):
                display.end(str(outcome.cell), outcome.error)
                if outcome.row is None:
                    failures.append(f"{outcome.cell}: {outcome.error}")
                    continue
                rows[outcome.cell] = outcome.row
                write_rows(out, rows)
                # The classifier's accuracy has the name of a probe: the probe's own definition stays.
                ceiling = MODELS[outcome.cell.model].preset == CLASSIFIER
                definitions = outcome.definitions | definitions if ceiling else definitions | outcome.definitions
                write_definitions(out, definitions)
                if not keep_runs:
                    remove_run(out, outcome.cell)
    fresh = [rows[cell] for cell, wants in prints.items() if cell in rows and rows[cell].fingerprint == wants]
    return Benchmark(len(wanted), tuple(fresh), definitions, tuple(failures))


def _load(sources: Iterable[str]) -> dict[str, Dataset]:
    """Every data set by what it was called; two of one name could not be told apart in a table."""
    datasets = {source: load_dataset(source) for source in sources}
    names = [data.name for data in datasets.values()]
    if len(set(names)) < len(names):
        raise InputError(f"'data' of a benchmark must have different names, got {', '.join(names)}. Rename a folder.")
    return datasets


def _jobs(grid: Grid, datasets: dict[str, Dataset], out: Path, *, threads: int) -> Iterator[Job]:
    sources = {data.name: source for source, data in datasets.items()}
    first = {
        (data.name, model): configure(MODELS[model], data, seed=0, model=grid.model, training=grid.training)
        for data in datasets.values()
        for model in grid.models
    }
    refuse_links(*(out / "runs" / name for name in sources))
    for cell in grid.cells(sources):
        config = first[cell.data, cell.model]
        seeded = {part: {**config[part], "seed": cell.seed} for part in ("model", "training")}
        yield Job(cell, sources[cell.data], config | seeded, run_folder(out, cell), threads)
