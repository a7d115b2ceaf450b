"""The pages of a benchmark: `table.csv`, `table.md`, `index.html` and the frontiers, from its rows alone.

Nothing is trained or measured here, and the same rows give the same bytes. The templates hold every word.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import jinja2
import numpy as np

from cospike import plots
from cospike._files import write_atomic
from cospike._text import cell
from cospike.benchmark.aggregate import Comparison, Interval, compare_frontiers, mean_interval
from cospike.benchmark.files import Row
from cospike.benchmark.frontier import Mark, frontier_figure
from cospike.benchmark.recipes import FAMILIES, MODELS
from cospike.metrics import Measurement, is_earned

COLUMNS = {
    "neg_elbo": "\N{MINUS SIGN}ELBO",
    "neg_elbo_mixture": "\N{MINUS SIGN}ELBO, mixture",
    "neg_iwae": "\N{MINUS SIGN}IWAE",
    "jaccard_within": "within",
    "jaccard_within_specific": "within, specific",
    "jaccard_between_specific": "between, specific",
    "consistency_gap_specific": "gap",
    "n_global_worth": "global",
    "classes_with_own": "classes with own",
    "probe_active_probs": "probe, pattern",
    "probe_active_probs_exact": "probe, exact",
    "probe_codes": "probe, codes",
    "active_per_sample_exact": "L0",
    "reconstruction": "recon.",
    "seconds": "time",
}
"""The measures of the table, with their heads."""

_COST, _HEIGHT = "neg_elbo", "consistency_gap_specific"
_GAP = (_HEIGHT, "consistency gap, global latents aside (more is better)")
_FRONTIERS = {
    "gap": ((_COST, "\N{MINUS SIGN}ELBO, nats a sample (less is better)"), _GAP),
    "gap-iwae": (("neg_iwae", "importance-weighted bound, nats a sample (less is better)"), _GAP),
    "sparsity": (
        ("reconstruction", "reconstruction, nats a sample (less is better)"),
        ("active_per_sample_exact", "active latents a sample, L0 (fewer is sparser)"),
    ),
}
"""What stands against what: the measure on each axis, and its words."""


class Shown(NamedTuple):
    """A mean over seeds as it is shown, half its interval or the values of two seeds, and whether none is better."""

    text: str
    half: str
    both: str
    best: bool

    @property
    def around(self) -> str:
        """What it is uncertain by; nothing of one seed."""
        return f"± {self.half}" if self.half else f"({self.both})" if self.both else ""


@dataclass(frozen=True)
class Section:
    """All that is shown of one data set.

    Attributes:
        data: its name.
        values: by model, in the order of the table, and by measure, in the order of its definitions.
        definitions: unit, direction and how of every measure; one without a definition is in `values` alone.
        table: the text of every cell, by model and measure.
        frontiers: an SVG a trade-off, by name; empty without two models to draw.
        comparison: the default's family (b) against the paper's (a), if both have settings.
    """

    data: str
    values: dict[str, dict[str, Interval]]
    definitions: Mapping[str, Mapping[str, str]]
    table: dict[str, dict[str, Shown]]
    frontiers: dict[str, str]
    comparison: Comparison | None

    @property
    def of_two(self) -> bool:
        """Whether the table has means of two seeds, with both values in place of an interval."""
        return any(cell.both for cells in self.table.values() for cell in cells.values())


def summarise(rows: Sequence[Row], definitions: Mapping[str, Mapping[str, str]]) -> list[Section]:
    """A section a data set, in the order of the rows."""
    sections = []
    for data in dict.fromkeys(row.data for row in rows):
        own = [row for row in rows if row.data == data]
        values = {name: _intervals([row for row in own if row.model == name]) for name in MODELS}
        values = {name: intervals for name, intervals in values.items() if intervals}
        known = {name: entry for name, entry in definitions.items() if any(name in one for one in values.values())}
        frontiers = {kind: _frontier(data, values, known, *axes) for kind, axes in _FRONTIERS.items()}
        table = _table(values, known)
        sections.append(Section(data, values, known, table, frontiers, compare_families(own)))
    return sections


def write_benchmark(
    out: Path, rows: Sequence[Row], definitions: Mapping[str, Mapping[str, str]], *, failures: Sequence[str] = ()
) -> list[Section]:
    """Write tables, page and figures of ``rows`` into ``out``; returns what they show."""
    with plots.style():
        sections = summarise(rows, definitions)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cospike"),
        autoescape=jinja2.select_autoescape(("html.j2",)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = {
        "sections": sections,
        "columns": COLUMNS,
        "models": {name: MODELS[name] for name in MODELS if any(name in section.values for section in sections)},
        "n_rows": len(rows),
        "n_seeds": len({row.seed for row in rows}),
        "versions": sorted({f"{package} {version}" for row in rows for package, version in row.versions.items()}),
        "failures": failures,
    }
    for name in ("index.html", "table.md"):
        write_atomic(out / name, environment.get_template(f"benchmark.{name.partition('.')[2]}.j2").render(words))
    write_atomic(out / "table.csv", format_csv(sections))
    for old in out.glob("frontier-*.svg"):
        old.unlink()
    for section in sections:
        for kind, svg in section.frontiers.items():
            if svg:
                write_atomic(out / f"frontier-{kind}-{section.data}.svg", card(svg))
    return sections


def format_csv(sections: Sequence[Section]) -> str:
    """Every measure of every model: mean and 95 % interval over seeds, a line each."""
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("data", "model", "measure", "unit", "better", "seeds", "mean", "low", "high"))
    for section in sections:
        for model, intervals in section.values.items():
            for measure, one in intervals.items():
                entry = section.definitions.get(measure, {"unit": "", "direction": ""})
                numbers = [f"{number:.6g}" if isfinite(number) else "" for number in (one.mean, one.low, one.high)]
                names = map(cell, (section.data, model, measure, entry["unit"], entry["direction"]))
                writer.writerow((*names, one.n, *numbers))
    return buffer.getvalue()


def compare_families(rows: Sequence[Row]) -> Comparison | None:
    """The gap of the paper's family (a) and the default's (b) at equal −ELBO; None without two settings of each.

    A setting counts if it has both measures and latents that could agree; a seed, if all these settings have it.
    """
    by_cell = {(row.model, row.seed): row.values for row in rows if {_COST, _HEIGHT} <= set(row.values)}
    settings = {
        name
        for name in {model for model, _ in by_cell}
        if _earned(_HEIGHT, _intervals([row for row in rows if row.model == name]))
    }
    families = [[name for name in FAMILIES[family] if name in settings] for family in ("paper", "class-consistent")]
    seeds = [
        seed
        for seed in sorted({seed for _, seed in by_cell})
        if all((name, seed) in by_cell for names in families for name in names)
    ]
    if min(map(len, families)) < 2 or not seeds:
        return None
    sides = [
        np.array([[by_cell[name, seed][measure] for seed in seeds] for name in names])
        for names in families
        for measure in (_COST, _HEIGHT)
    ]
    return compare_frontiers(*sides)


def _intervals(rows: Sequence[Row]) -> dict[str, Interval]:
    names = dict.fromkeys(name for row in rows for name in row.values)
    return {name: mean_interval([row.values[name] for row in rows if name in row.values]) for name in names}


def _table(
    values: Mapping[str, Mapping[str, Interval]], definitions: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, Shown]]:
    best = {}
    for measure in COLUMNS:
        ranked = [
            intervals[measure].mean
            for model, intervals in values.items()
            if measure in intervals
            and "neg_elbo" in intervals  # a ceiling wins nothing
            and _earned(measure, intervals)
        ]
        direction = definitions.get(measure, {}).get("direction")
        if len(ranked) > 1 and direction in ("higher", "lower") and measure != "seconds":  # of a machine that was busy
            best[measure] = max(ranked) if direction == "higher" else min(ranked)
    return {
        model: {
            measure: _show(intervals[measure], definitions[measure]["unit"], best.get(measure) if earned else None)
            for measure in COLUMNS
            if measure in intervals and measure in definitions
            if (earned := _earned(measure, intervals)) or "_specific" not in measure  # of no latents: no number
        }
        for model, intervals in values.items()
    }


def _earned(measure: str, intervals: Mapping[str, Interval]) -> bool:
    return is_earned(measure, {name: Measurement(one.mean, "", "neither", "") for name, one in intervals.items()})


def _show(interval: Interval, unit: str, best: float | None) -> Shown:
    scale, digits = (100, 1) if unit == "fraction" else (1, 0 if unit == "seconds" and interval.mean >= 10 else 1)
    text, half, low, high = (
        f"{scale * number:.{digits}f}" if isfinite(number) else ""
        for number in (interval.mean, interval.half, *interval.shown)
    )
    of_two = interval.n == 2
    return Shown(text, "" if of_two else half, f"{low} … {high}" if of_two else "", interval.mean == best)


def _frontier(
    data: str,
    values: Mapping[str, Mapping[str, Interval]],
    definitions: Mapping[str, Mapping[str, str]],
    x_axis: tuple[str, str],
    y_axis: tuple[str, str],
) -> str:
    (x, x_label), (y, y_label) = x_axis, y_axis
    marks = {
        model: Mark(MODELS[model].label, *(_ends(intervals[axis]) for axis in (x, y)))
        for model, intervals in values.items()
        if {x, y} <= set(intervals) & set(definitions) and _earned(y, intervals)
    }
    if len(marks) < 2:
        return ""
    log = definitions[y]["unit"] == "latents"
    figure = frontier_figure(marks, FAMILIES, x_label=x_label, y_label=y_label, log_y=log)
    shown = "; ".join(f"{model} {mark.x[0]:.4g}, {mark.y[0]:.3g}" for model, mark in marks.items())
    return plots.to_svg(figure, f"{y} against {x} on {data}: {shown}")


def _ends(interval: Interval) -> tuple[float, float, float]:
    return interval.mean, *interval.shown


def card(svg: str) -> str:
    """A figure as a file of its own, on white, with fonts and ink that the page would give it."""
    width, height = re.findall(r'(?:width|height)="(\d+)"', svg)[:2]
    style = 'color="#1c2128" fill="#1c2128" font-family="system-ui, sans-serif"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {style}>'
    return f'{head}\n<rect width="100%" height="100%" fill="#fff"/>\n{svg}\n</svg>\n'
