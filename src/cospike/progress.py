"""What a person sees and does while something takes its time: displays on the terminal, and Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import monotonic
from types import FrameType, TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cospike._text import one_line

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
_SECONDS_WITHOUT_A_BAR = 1.0  # what is done by then needs none


class TrainingDisplay:
    """A bar of epochs above the terms of the objective; on standard error, and only where a terminal shows it.

    Args:
        title: what is trained.
        epochs: how many there are.
        show: whether to show anything; default: if standard error is a terminal.
    """

    def __init__(self, title: str, epochs: int, *, show: bool | None = None) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}, epoch"),
            MofNCompleteColumn(),
            BarColumn(None),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task(_plain(title), total=epochs)
        self._validation = ""
        visible = console.is_terminal if show is None else show
        self._live = Live(self._bar, console=console, refresh_per_second=4) if visible else None

    def __enter__(self) -> "TrainingDisplay":
        """Start the display."""
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state on the terminal."""
        if self._live:
            self._live.stop()

    def show(self, epoch: int, share: float, terms: Mapping[str, float]) -> None:
        """Show the mean terms of the ``share`` of an epoch that is done."""
        if not self._live:
            return
        self._bar.update(self._task, completed=epoch)
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name in terms:
            table.add_column(name.replace("_", " "), justify="right")
        table.add_row(*(f"{value:.4g}" for value in terms.values()))
        note = f"[dim]nats a sample, {share:.0%} of epoch {epoch + 1}{self._validation}[/dim]"
        self._live.update(Group(self._bar, table, note))

    def end_epoch(self, row: Mapping[str, Any]) -> None:
        """Move the bar on, and remember the validation loss."""
        self._validation = f"; validation loss {row['validation_loss']:.2f}"
        self._bar.update(self._task, completed=row["epoch"])


def working(text: str) -> AbstractContextManager[object]:
    """Show ``text`` beside a spinner while something takes its time; nothing where no terminal shows it."""
    console = Console(stderr=True)
    return console.status(_plain(text)) if console.is_terminal else nullcontext()


@contextmanager
def counting(text: str, total: int, *, show: bool | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error that is gone at the end, of what takes over a second; call what it gives with each part.

    Args:
        text: what is done.
        total: of how much.
        show: whether to show anything; default: if standard error is a terminal.
    """
    console = Console(stderr=True)
    visible = console.is_terminal if show is None else show
    columns = (TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn(), TimeRemainingColumn())
    bar, due = Progress(*columns, console=console, transient=True), monotonic() + _SECONDS_WITHOUT_A_BAR
    task = bar.add_task(_plain(text), total=total)

    def advance(part: int) -> None:
        bar.advance(task, part)
        if visible and not bar.live.is_started and monotonic() > due:
            bar.start()

    try:
        yield advance
    finally:
        if bar.live.is_started:  # else it would print an empty line
            bar.stop()


def _plain(text: str) -> str:
    """Names of others, which a terminal, rich's markup and the format of a column would take for their own."""
    return escape(one_line(text))


class Interrupt:
    """Turns the first Ctrl-C into a request, so that a step is never cut in half; a second one interrupts at once.

    SIGTERM, by which schedulers end a job, is taken alike.
    """

    def __init__(self) -> None:
        self.requested = False

    def __enter__(self) -> "Interrupt":
        """Listen, if this is the main thread: no other can."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._request) for number in _INTERRUPTS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hand the signals back."""
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._previous.items():
                signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
