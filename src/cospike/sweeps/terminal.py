"""The frontier of a sweep on a terminal; the CSV file has every trial."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cospike._text import one_line
from cospike.sweeps.results import Trial, choose_best

_COLUMNS = {"neg_elbo": ("\N{MINUS SIGN}ELBO ↓", ".1f"), "consistency_gap_specific": ("gap ↑", ".3f")}


def print_frontier(trials: Sequence[Trial]) -> None:
    """Print a row a trial of the frontier, cheapest first; the best is bold."""
    best = choose_best(trials)
    shown = sorted((trial for trial in trials if trial.on_frontier), key=lambda trial: trial.measures["neg_elbo"])
    params = list(dict.fromkeys(name for trial in shown for name in trial.params))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for head in ("trial", *(head for head, _ in _COLUMNS.values()), *params):
        table.add_column(_escape(head).replace("_", "\n"), justify="right", no_wrap=True)
    for trial in shown:
        measures = [format(trial.measures[name], form) for name, (_, form) in _COLUMNS.items()]
        settings = [_number(trial.params.get(name)) for name in params]
        table.add_row(str(trial.number), *measures, *settings, style="bold" if trial is best else "")
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=200)  # a pipe has no width
    console.print(table)
    n_failed = sum(trial.error is not None for trial in trials)
    failed = f", of which {n_failed} failed" if n_failed else ""
    console.print(
        f"[dim]validation rows; the frontier, {len(shown)} of {len(trials)} trials{failed}; "
        "bold: nearest to the best of both[/dim]"
    )


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "-" if value is None else _escape(str(value))


def _escape(text: str) -> str:
    return escape(one_line(text))
