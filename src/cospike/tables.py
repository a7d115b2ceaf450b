"""Measures on a terminal: a table that a person reads, and that a pipe can take apart."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from cospike.metrics import Measurement, is_earned

HEADLINES = (
    "jaccard_within",
    "jaccard_between",
    "consistency_gap",
    "jaccard_within_specific",
    "jaccard_between_specific",
    "probe_active_probs",
    "probe_codes",
    "bayes_accuracy",
    "n_global",
    "n_group",
    "n_class_specific",
    "classes_with_own",
    "latents_in_use",
    "active_per_sample",
    "neg_elbo",
    "neg_elbo_given_class",
    "neg_elbo_mixture",
    "reconstruction",
    "seconds",
)
"""The measures that a first look needs, in reading order."""

_ARROWS = {"higher": "↑", "lower": "↓", "neither": " "}


def print_measures(runs: Mapping[str, Mapping[str, Measurement]], *, everything: bool = False) -> None:
    """Print a row a measure and a column a run; the best of several is bold."""
    names = [name for name in HEADLINES if any(name in measures for measures in runs.values())]
    if everything:
        names += sorted({name for measures in runs.values() for name in measures} - set(names))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("held-out data")
    table.add_column("", width=1)
    for run in runs:
        table.add_column(run, justify="right")
    table.add_column("unit", style="dim")
    for name in names:
        known = [measures[name] for measures in runs.values() if name in measures]
        earned = [measures[name] for measures in runs.values() if name in measures and is_earned(name, measures)]
        best = _best(earned) if len(runs) > 1 and earned else None
        cells = [_cell(name, measures, best) for measures in runs.values()]
        table.add_row(name, _ARROWS[known[0].direction], *cells, known[0].unit)
    Console(highlight=False).print(table)


def _cell(name: str, measures: Mapping[str, Measurement], best: float | None) -> str:
    if name not in measures:
        return "-"
    text = _format(measures[name])
    return f"[bold]{text}[/bold]" if measures[name].value == best and is_earned(name, measures) else text


def _best(measures: list[Measurement]) -> float | None:
    values = [measure.value for measure in measures]
    direction = measures[0].direction
    return None if direction == "neither" else max(values) if direction == "higher" else min(values)


def _format(measure: Measurement) -> str:
    if measure.unit in ("latents", "classes") and measure.value == int(measure.value):
        return f"{measure.value:.0f}"
    if measure.unit == "fraction":
        return f"{measure.value:.3f}"
    return f"{measure.value:.1f}" if abs(measure.value) >= 10 else f"{measure.value:.3g}"
