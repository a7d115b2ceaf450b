"""`report()`: one self-contained page that says what the latents of a run are, and what each of them does.

`report_figures` chooses what is shown, `plots` draws it, and the templates hold every word. The page loads nothing
and runs nothing: its content security policy forbids both.
"""

from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from cospike import __version__, plots, report_figures, runs
from cospike._errors import InputError
from cospike._files import write_atomic
from cospike.evaluation import names_of_latents, read_metrics
from cospike.kinds import KINDS
from cospike.metrics import Measurement, is_earned
from cospike.report_figures import RunView

_NEEDED = {"active_per_sample", "latents_in_use", "neg_elbo"}  # every run has these


class _Column(NamedTuple):
    """A run in the table of measures."""

    folder: str
    config: dict[str, Any]
    metrics: dict[str, Measurement]

    @classmethod
    def read(cls, run: Path) -> "_Column":
        config, metrics = runs.read_config(run), read_metrics(run)
        if lacking := _NEEDED - metrics.keys():
            raise InputError(
                f"{run / 'metrics.json'} lacks {', '.join(sorted(lacking))}. Delete it to have the run measured again."
            )
        finite = {name: one for name, one in metrics.items() if isfinite(one.value)}
        return cls(run.resolve().name, config, finite)


def report(run: str | Path, *, compare: Sequence[str | Path] = ()) -> Path:
    """Write `report.html` into a run folder, from that folder alone: no data set, no network.

    Args:
        run: folder of a finished run.
        compare: folders of other runs, whose measures stand beside this run's.

    Returns:
        The path of the page: one file that loads nothing, and has the same bytes for the same run.

    Raises:
        InputError: if a folder is no finished run, or cannot be written into.
    """
    run = Path(run)
    try:
        view = RunView.read(run)
        columns = [_Column.read(Path(folder)) for folder in (run, *compare)]
        with plots.style():
            html = _render(run, view, columns)
        write_atomic(run / "report.html", html)
    except OSError as error:
        raise InputError(f"Cannot write the report of {run}: {error.strerror}.") from error
    return run / "report.html"


def _render(run: Path, view: RunView, columns: Sequence[_Column]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cospike"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    kinds = [factor.kind for factor in view.factors]
    order, overlap = report_figures.overlap(view)
    drawn = report_figures.most_important(view.used, view.n_traversals)
    return environment.get_template("report.html.j2").render(
        version=__version__,
        view=view,
        n={kind: kinds.count(kind) for kind in KINDS},
        value={name: measured.value for name, measured in columns[0].metrics.items()},
        columns=_column_names(columns),
        measures=_measures([column.metrics for column in columns]),
        differences=_differences([column.config for column in columns]),
        settings=list(_flatten(view.config)),
        pattern=report_figures.pattern(view, order),
        overlap=overlap,
        traversals=[(factor, report_figures.traversal(view, factor)) for factor in drawn],
        reconstructions=list(report_figures.reconstructions(view)),
        class_samples=list(report_figures.class_samples(view)),
        names=names_of_latents(run, view.codes),
        prior_samples=report_figures.prior_samples(view),
        curves=list(report_figures.curves(view.history)),
    )


def _column_names(columns: Sequence[_Column]) -> list[str]:
    """Each run by its objective, and by its folder too where that does not tell it from another."""
    names = [str(column.config["objective"]["name"]) for column in columns]
    return [
        f"{name} ({column.folder})" if names.count(name) > 1 else name
        for name, column in zip(names, columns, strict=True)
    ]


def _measures(columns: Sequence[dict[str, Measurement]]) -> dict[str, dict[str, Any]]:
    """Of each measure of the first run: itself, and for each column a text and whether it is best, as far as shown."""
    rows = {}
    for name, measured in columns[0].items():
        texts = [_shown(column[name]) if name in column else "—" for column in columns]
        ranked = [column[name] for column in columns if name in column and is_earned(name, column)]
        best = ""
        if measured.direction != "neither" and len(set(texts) - {"—"}) > 1 and ranked:
            best = _shown((max if measured.direction == "higher" else min)(ranked, key=lambda one: one.value))
        cells = [(text, text == best and is_earned(name, column)) for text, column in zip(texts, columns, strict=True)]
        rows[name] = {"measured": measured, "cells": cells}
    return rows


def _shown(measured: Measurement) -> str:
    """A value with the digits that matter; fractions in percent."""
    value = measured.value
    if measured.unit == "fraction":
        return f"{100 * value:.1f}"
    if measured.unit == "seconds":
        return f"{value:.0f}"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}" if abs(value) >= 1 else f"{value:.3g}"


def _flatten(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as dotted names and texts; the class names, of which there may be a thousand, are left out."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        elif name != "class_names":
            yield prefix + name, "none" if value is None else str(value)


def _differences(configs: Sequence[dict[str, Any]]) -> list[str]:
    """The settings, beside the objective's, in which the runs differ: what else a comparison compares."""
    flat = [dict(_flatten({name: config[name] for name in ("model", "training", "data")})) for config in configs]
    return [name for name in flat[0] if len({one.get(name) for one in flat}) > 1]
