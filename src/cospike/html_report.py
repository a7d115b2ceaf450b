"""`report()`: one self-contained page that says what the latents of a run are, and what each of them does.

`report_figures` chooses what is shown, `plots` draws it, and the templates hold every word. The page loads nothing
and runs nothing: its content security policy forbids both.
"""

from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from cospike import (
    __version__,
    plots,
    report_columns,
    report_figures,
    report_genes,
    report_samples,
    report_tables,
    runs,
)
from cospike._errors import InputError, failed_write
from cospike._files import write_atomic
from cospike._reading import read_file
from cospike.associations import STRONG, WORTH_A_NAME
from cospike.codes import Codes
from cospike.directions import WORTH_A_PART
from cospike.evaluation import read_evidence, read_metrics
from cospike.matching import STABLE, Stability
from cospike.metrics import Measurement, is_earned
from cospike.references import read_references
from cospike.report_figures import RunView
from cospike.report_words import count_kinds, environment, shown_changes, shown_value
from cospike.seeds import differ_in_seed, stability_of

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
            html = _render(run, view, columns, _stability(run, compare))
        write_atomic(run / "report.html", html.encode(errors="replace"))  # names of files need not be text
    except OSError as error:
        raise failed_write(error, run / "report.html", "report again") from error
    return run / "report.html"


def link_explorer(run: Path) -> None:
    """Let the report of a run link to `explorer.html`, as it would if it were written again; nothing else changes.

    Args:
        run: the folder, which need not have a report; one that an older version wrote stays as it is.
    """
    path = run / "report.html"
    if path.is_file():
        page, (told, link) = read_file(path), _explorer_texts()
        if page.count(told) == 1:
            write_atomic(path, page.replace(told, link))


def _explorer_texts() -> tuple[bytes, bytes]:
    """What a report says of the explorer: how it is had, and where it is."""
    words: Any = environment().get_template("words.j2").make_module()
    told, link = (str(words.explorer(there)).encode() for there in (False, True))
    return told, link


def _stability(run: Path, others: Sequence[str | Path]) -> Stability | None:
    """How much comes back in those runs that differ in their seed alone; None if there are none."""
    seeds = [Path(other) for other in others if differ_in_seed(run, Path(other))]
    return stability_of(run, seeds) if seeds else None


def _render(run: Path, view: RunView, columns: Sequence[_Column], stability: Stability | None) -> str:
    order, overlap = report_figures.overlap(view)
    held_out, train = runs.read_codes(run)
    evidence = read_evidence(run, view.codes, view.factors)
    references = read_references(run, view.model.shape, len(view.uses))
    turned = report_samples.counterfactuals(view, references.classifier.predict_probs) if references else []
    drawn = report_figures.most_important(view.used, view.n_traversals)
    of_columns: Any = report_genes if view.of_genes else report_columns
    shown: Any = of_columns if view.columns else report_samples  # as rows of a table, or as pictures and profiles
    traverse = of_columns.effect_figure if view.columns else report_samples.traversal
    template = environment().get_template("report.html.j2")
    return template.render(
        version=__version__,
        view=view,
        has_explorer=(run / "explorer.html").is_file(),
        n=count_kinds(view.factors),
        value={name: measured.value for name, measured in columns[0].metrics.items()},
        columns=_column_names(columns),
        measures=_measures([column.metrics for column in columns]),
        differences=_differences([column.config for column in columns]),
        settings=list(_flatten(view.config)),
        pattern=report_figures.pattern(view, order),
        overlap=overlap,
        families=report_tables.families(*map(view.shown_classes, (train, held_out))) if overlap else [],
        disentanglement=_disentanglement(run, held_out),
        traversals=[(factor, traverse(view, factor)) for factor in drawn],
        reconstructions=list(shown.reconstructions(view)),
        class_samples=list(shown.class_samples(view)),
        drawn=[factor.latent for factor in drawn],
        names=evidence.associations,
        directions=evidence.named_directions,
        strong=STRONG,
        named_from=WORTH_A_NAME,
        part_from=WORTH_A_PART,
        interventions=evidence.interventions,
        changes=shown_changes(evidence.interventions, view),
        stability=stability,
        stable=STABLE,
        turned=turned,
        turned_figure=report_samples.counterfactual_figure(view, turned) if turned and not view.columns else None,
        moved=[of_columns.moved(view, one.found.before, one.found.after) for one in turned if view.columns],
        described=of_columns.describe(view.columns),
        prior_samples=shown.prior_samples(view),
        curves=list(report_figures.curves(view.history)),
    )


def _disentanglement(run: Path, held_out: Codes) -> report_tables.Disentanglement | None:
    """Against the attributes that the run keeps; None if it keeps none."""
    if not (run / "attributes.npz").is_file():
        return None
    return report_tables.disentanglement(held_out, runs.read_arrays(run, "attributes.npz"))


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
        texts = [shown_value(column[name]) if name in column else "—" for column in columns]
        ranked = [column[name] for column in columns if name in column and is_earned(name, column)]
        best = ""
        if measured.direction != "neither" and len(set(texts) - {"—"}) > 1 and ranked:
            best = shown_value((max if measured.direction == "higher" else min)(ranked, key=lambda one: one.value))
        cells = [(text, text == best and is_earned(name, column)) for text, column in zip(texts, columns, strict=True)]
        rows[name] = {"measured": measured, "cells": cells}
    return rows


def _flatten(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as dotted names and texts; class names and columns, which may be a thousand, are left out."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        elif name == "likelihood" and isinstance(value, list):
            yield prefix + name, "one for each column"
        elif name not in ("class_names", "columns"):
            yield prefix + name, "none" if value is None else str(value)


def _differences(configs: Sequence[dict[str, Any]]) -> list[str]:
    """The settings, beside the objective's, in which the runs differ: what else a comparison compares."""
    flat = [dict(_flatten({name: config[name] for name in ("model", "training", "data")})) for config in configs]
    return [name for name in flat[0] if len({one.get(name) for one in flat}) > 1]
