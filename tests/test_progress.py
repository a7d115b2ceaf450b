"""Displays: what a name of someone's data does to them, which is nothing."""

import io

import pytest
from rich.console import Console

from cospike import progress
from cospike.benchmark.files import Cell
from cospike.progress import TrainingDisplay, counting, working

HOSTILE = "a {task.__class__} {0} {} {x!r:>9} {{ [bold]b[/] [/nothing] \x1b[2J\x1b]0;title\x07 \u202e\nend"
SHOWN = "a {task.__class__} {0} {} {x!r:>9} {{ [bold]b[/] [/nothing] \ufffd[2J\ufffd]0;title\ufffd \ufffd end"


@pytest.fixture
def screen(monkeypatch):
    """What a terminal is sent, its own colours and movements aside."""
    sent = io.StringIO()

    def console(**_):
        return Console(file=sent, force_terminal=True, width=400, color_system=None, legacy_windows=False)

    monkeypatch.setattr(progress, "Console", console)
    return sent


def test_a_name_is_shown_as_it_is(screen):
    with TrainingDisplay(HOSTILE, 3) as display:
        display.show(0, 0.5, {"loss": 1.0})
    assert f"{SHOWN}, epoch" in screen.getvalue()
    assert "\x1b[2J" not in screen.getvalue()
    with working(HOSTILE):
        pass
    with counting(HOSTILE, 2, show=False) as advance:
        advance(1)
    assert "\x1b]0" not in screen.getvalue()


def test_a_bar_of_what_is_counted_shows_it_too(screen, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_WITHOUT_A_BAR", -1.0)
    with counting(HOSTILE, 2) as advance:
        advance(1)
        advance(1)
    assert SHOWN in screen.getvalue()


def test_a_run_of_a_benchmark_is_one_line():
    assert str(Cell("\x1b[2Jx\n", "vsc", 1)) == "vsc on \ufffd[2Jx , seed 1"
