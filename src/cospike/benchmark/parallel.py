"""Many runs in several processes, and a display of them: what a benchmark and a reproduction share."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cospike._errors import InputError
from cospike._text import one_line

_Job = TypeVar("_Job")
_Outcome = TypeVar("_Outcome")


def in_parallel(
    do: Callable[[_Job], _Outcome],
    todo: Sequence[_Job],
    jobs: int,
    display: "RunsDisplay",
    *,
    name: Callable[[_Job], str],
) -> Iterator[_Outcome]:
    """Outcomes as they come; the rest goes on without a run that failed, but not without a worker.

    Raises:
        InputError: if a process was killed.
        KeyboardInterrupt: on Ctrl-C.
    """
    if not todo:
        return
    parallel = joblib.Parallel(
        n_jobs=min(jobs, len(todo)), return_as="generator_unordered", pre_dispatch="n_jobs", batch_size=1
    )
    try:
        yield from parallel(joblib.delayed(do)(job) for job in display.watch(todo, name))
    except KeyboardInterrupt:  # that of a worker tells how to go on with one run
        raise KeyboardInterrupt("What is finished is kept, and the same command goes on from there.") from None
    except TerminatedWorkerError as error:
        raise InputError(
            "A process was killed, most likely for want of memory. What is finished is kept: run the same command with "
            "fewer --jobs."
        ) from error


class RunsDisplay:
    """Runs done, running and left: a bar where a terminal shows it, else a line a run; on standard error."""

    def __init__(self, total: int, done: int) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._total, self._done = total, done
        self._running: dict[str, float] = {}
        # The estimate is over all runs: they differ, and a recent one says little of the next.
        columns = (TextColumn("runs"), MofNCompleteColumn(), BarColumn(None), TimeRemainingColumn(), TextColumn("left"))
        self._bar = Progress(*columns, console=self._console, speed_estimate_period=1e9)
        self._task = self._bar.add_task("", total=total - done)
        self._live = Live(self._bar, console=self._console, refresh_per_second=2) if self._console.is_terminal else None

    def __enter__(self) -> "RunsDisplay":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            self._live.update(self._bar)
            self._live.stop()

    def watch(self, todo: Iterable[_Job], name: Callable[[_Job], str]) -> Iterator[_Job]:
        """The jobs, each known to run from when it is asked for."""
        for job in todo:
            self._running[name(job)] = time.monotonic()
            self._show()
            yield job

    def end(self, name: str, error: str = "") -> None:
        """One run more is done, or has failed."""
        seconds = time.monotonic() - self._running.pop(name, time.monotonic())
        self._done += 1
        self._bar.advance(self._task)
        if error:
            self._console.print(f"cospike: {escape(name)} failed: {escape(one_line(error))}", soft_wrap=True)
        elif not self._live:
            place = f"{self._done} of {self._total}"
            self._console.print(f"cospike: {name}, {seconds:.0f} s ({place})", soft_wrap=True, markup=False)
        self._show()

    def _show(self) -> None:
        if self._live:
            running = "".join(f"\n  {escape(name)}" for name in self._running)
            self._live.update(Group(self._bar, f"[dim]{len(self._running)} running:{running}[/dim]"))
