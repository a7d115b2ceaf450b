"""Models × data sets × seeds, run by run: each finished run is a row, and what has a row is not trained again.

The work goes through joblib, so its back ends apply (`joblib.parallel_config`). Only this process writes rows; the
workers write run folders, from which an interrupted run goes on.
"""

import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cospike._errors import InputError
from cospike._reading import refuse_links
from cospike._text import one_line
from cospike.benchmark.files import (
    Cell,
    Grid,
    Row,
    one_process,
    read_definitions,
    read_grid,
    read_rows,
    write_definitions,
    write_grid,
    write_rows,
)
from cospike.benchmark.recipes import CLASSIFIER, MODELS
from cospike.benchmark.run import Job, Outcome, configure, do, fingerprint
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
        with _Display(len(wanted), len(wanted) - len(todo)) as display:
            for outcome in _outcomes(todo, jobs, display):
                display.end(outcome)
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
                    _remove_run(out, outcome.cell)
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
        yield Job(cell, sources[cell.data], config | seeded, _run_folder(out, cell), threads)


def _outcomes(todo: Sequence[Job], jobs: int, display: "_Display") -> Iterator[Outcome]:
    """Outcomes as they come; the rest of the grid goes on without a run that failed, but not without a worker."""
    if not todo:
        return
    parallel = joblib.Parallel(
        n_jobs=min(jobs, len(todo)), return_as="generator_unordered", pre_dispatch="n_jobs", batch_size=1
    )
    try:
        yield from parallel(joblib.delayed(do)(job) for job in display.watch(todo))
    except KeyboardInterrupt:  # that of a worker tells how to go on with one run
        raise KeyboardInterrupt("What is finished is kept, and the same command goes on from there.") from None
    except TerminatedWorkerError as error:
        raise InputError(
            "A process of the benchmark was killed, most likely for want of memory. What is finished is kept: "
            "run the same command with fewer --jobs."
        ) from error


def _run_folder(out: Path, cell: Cell) -> Path:
    return out / "runs" / cell.data / f"{cell.model}-{cell.seed}"


def _remove_run(out: Path, cell: Cell) -> None:
    """The folder of a run that has its row."""
    run = _run_folder(out, cell)
    shutil.rmtree(run, ignore_errors=True)
    with suppress(OSError):  # not empty, or never there
        run.parent.rmdir()


class _Display:
    """Runs done, running and left: a bar where a terminal shows it, else a line a run; on standard error."""

    def __init__(self, total: int, done: int) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._total, self._done = total, done
        self._running: dict[Cell, float] = {}
        # The estimate is over the whole benchmark: runs differ, and a recent one says little of the next.
        columns = (TextColumn("runs"), MofNCompleteColumn(), BarColumn(None), TimeRemainingColumn(), TextColumn("left"))
        self._bar = Progress(*columns, console=self._console, speed_estimate_period=1e9)
        self._task = self._bar.add_task("", total=total - done)
        self._live = Live(self._bar, console=self._console, refresh_per_second=2) if self._console.is_terminal else None

    def __enter__(self) -> "_Display":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            self._live.update(self._bar)
            self._live.stop()

    def watch(self, todo: Iterable[Job]) -> Iterator[Job]:
        """The jobs, each known to run from when it is asked for."""
        for job in todo:
            self._running[job.cell] = time.monotonic()
            self._show()
            yield job

    def end(self, outcome: Outcome) -> None:
        """One run more is done, or has failed."""
        seconds = time.monotonic() - self._running.pop(outcome.cell, time.monotonic())
        self._done += 1
        self._bar.advance(self._task)
        if outcome.row is None:
            self._console.print(
                f"cospike: {escape(str(outcome.cell))} failed: {escape(one_line(outcome.error))}", soft_wrap=True
            )
        elif not self._live:
            place = f"{self._done} of {self._total}"
            self._console.print(f"cospike: {outcome.cell}, {seconds:.0f} s ({place})", soft_wrap=True, markup=False)
        self._show()

    def _show(self) -> None:
        if self._live:
            running = "".join(f"\n  {escape(str(cell))}" for cell in self._running)
            self._live.update(Group(self._bar, f"[dim]{len(self._running)} running:{running}[/dim]"))
