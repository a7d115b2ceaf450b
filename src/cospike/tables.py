"""Measures on a terminal: a table that a person reads, and that a pipe can take apart."""

from collections.abc import Mapping, Sequence
from math import isfinite

from rich.console import Console
from rich.markup import escape as escape_markup
from rich.table import Table

from cospike._text import one_line, signed
from cospike.associations import STRONG
from cospike.class_views import Score
from cospike.evidence import Evidence
from cospike.factors import Factor
from cospike.families import Sharing
from cospike.inspection import Inspection
from cospike.intervals import UNKNOWN
from cospike.interventions import Intervention
from cospike.matching import ALIKE, STABLE, Stability
from cospike.metrics import Measurement, is_earned

HEADLINES = (
    "jaccard_within",
    "jaccard_between",
    "consistency_gap",
    "jaccard_within_specific",
    "jaccard_between_specific",
    "probe_active_probs",
    "probe_codes",
    "probe_input",
    "probe_supervised",
    "bayes_accuracy",
    "n_global",
    "n_group",
    "n_class_specific",
    "classes_with_own",
    "targeted_ablation",
    "targeted_control",
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
        table.add_column(_escape(run), justify="right")
    table.add_column("unit", style="dim")
    for name in names:
        known = [measures[name] for measures in runs.values() if name in measures]
        earned = [measures[name] for measures in runs.values() if name in measures and is_earned(name, measures)]
        best = _best(earned) if len(runs) > 1 and earned else None
        cells = [_cell(name, measures, best) for measures in runs.values()]
        table.add_row(_escape(name), _ARROWS[known[0].direction], *cells, _escape(known[0].unit))
    _console().print(table)


def print_inspection(name: str, inspection: Inspection, *, factors: bool = False) -> None:
    """Print what `cospike measure` was asked for; the factor table too if latents were matched."""
    print_measures({name: inspection.evaluation.metrics}, everything=True)
    if factors or inspection.stability is not None:
        _print_factors(inspection.evaluation.factors, inspection.evaluation.evidence, inspection.stability)
        _print_directions(inspection.evaluation.evidence)
    if inspection.disentanglement is not None:
        _print_disentanglement(inspection.disentanglement)
    if inspection.sharing is not None:
        _print_sharing(inspection.sharing)


def _print_factors(factors: Sequence[Factor], evidence: Evidence, stability: Stability | None) -> None:
    table = _table("latent", "kind", "used by", "on in", "lift", "goes with", "changes", "targeted", "control")
    if stability is not None:
        table.add_column("comes back", justify="right")
    for factor in factors:
        if factor.kind == "dead":
            continue
        association, one = evidence.associations.get(factor.latent), evidence.interventions.get(factor.latent)
        targeted, control = (one.targeted, one.control) if one else (UNKNOWN, UNKNOWN)
        cells = [
            str(factor.latent),
            factor.kind + (" ?" if factor.undecided else ""),
            ", ".join(factor.classes) if len(factor.classes) < len(factor.active_by_class) else "all",
            f"{factor.usage:.0%}",
            f"{factor.lift:.1f}" if isfinite(factor.lift) else "-",
            f"{association.attribute} {association.rho:+.2f}" if association else "-",
            _change(one),
            *(f"{part.value:.2f}" if isfinite(part.value) else "-" for part in (targeted, control)),
        ]
        if stability is not None:
            similarity = stability.similarity[factor.latent]
            cells.append(f"{similarity:.2f}" if similarity >= STABLE else f"[dim]{similarity:.2f} ?[/dim]")
        table.add_row(*map(_escape, cells[:9]), *cells[9:])
    console = _console()
    console.print(table)
    if stability is not None:
        ari = f"{stability.kinds_ari:.2f}" if isfinite(stability.kinds_ari) else "not defined"
        console.print(
            f"kinds of partners from a similarity of {ALIKE}: adjusted Rand index {ari}, over all pairs of runs"
        )
        console.print(
            "comes back: cosine of the changes that another value of the latent makes, taken from a sample of the class"
        )


def _escape(text: str) -> str:
    """A name as it is, whatever a terminal or its markup would make of it."""
    return escape_markup(one_line(text))


def _change(one: Intervention | None) -> str:
    """The attribute that a latent changes most: by its range, or by being switched on."""
    change = one.named if one else None
    if change is None:
        return "-"
    if change.by_sweep:
        return f"{change.attribute} ↔ {signed(change.sweep.value)}"
    return f"{change.attribute} {signed(change.on.value)}"


def _print_directions(evidence: Evidence) -> None:
    """A row an attribute that the always-on latents follow; nothing if there is none."""
    if not evidence.named_directions:
        return
    table = _table("direction", "rho", "95 % interval", f"classes ≥ {STRONG}", "made of", "best single latent")
    for one in evidence.named_directions:
        table.add_row(
            _escape(one.attribute),
            f"{one.rho.value:.2f}",
            f"{one.rho.low:.2f} … {one.rho.high:.2f}",
            f"{one.n_classes} of {one.n_judged}",
            ", ".join(f"{latent} ({weight:+.2f})" for latent, weight in one.parts.items()),
            f"{one.best_latent} ({one.best_latent_rho:+.2f})",
        )
    console = _console()
    console.print(table)
    console.print("direction: of the always-on latents; rho: how closely the attribute follows it, in other samples")


def _print_disentanglement(scores: Mapping[str, Score]) -> None:
    """A row a metric, a column a view."""
    views = list(dict.fromkeys(score.view for score in scores.values()))
    table = _table("disentanglement", *(view.replace("_", " ") for view in views))
    for metric in dict.fromkeys(name.removesuffix(f"_{score.view}") for name, score in scores.items()):
        table.add_row(metric, *(_with_interval(scores.get(f"{metric}_{view}")) for view in views))
    console = _console()
    console.print(table)
    console.print("value and 95 % interval, of other samples with the same model")


def _with_interval(score: Score | None) -> str:
    if score is None:
        return "-"
    return f"{score.value:.3f}" + (f" [dim]{ends[0]:.3f} … {ends[1]:.3f}[/dim]" if (ends := score.interval) else "")


def _print_sharing(sharing: Sharing) -> None:
    table = _table(", ".join(map(_escape, sharing.group)), "", "95 % interval")
    table.add_row("overlap of two of them", f"{sharing.inside:.3f}", "")
    table.add_row("overlap with the rest", f"{sharing.outside:.3f}", "")
    for name, estimate in (("difference", sharing.excess), ("… more than the baseline's", sharing.gain)):
        if estimate is not None:
            table.add_row(name, f"{estimate.value:+.3f}", f"{estimate.low:+.3f} … {estimate.high:+.3f}")
    table.add_row("groups of as many classes that differ as much", f"{sharing.p_value:.1%}", "")
    _console().print(table)


def _console() -> Console:
    """A pipe has no width: rows stay in one line there."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=200)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(first)
    for name in others:
        table.add_column(
            name, justify="left" if name in ("kind", "used by", "goes with", "changes", "made of") else "right"
        )
    return table


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
