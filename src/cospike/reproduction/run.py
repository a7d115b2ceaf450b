"""One run of a reproduction, in whichever process: trained, or taken up again, and then recorded."""

import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cospike import __version__, runs
from cospike._errors import TrainingWarning
from cospike._files import write_atomic
from cospike.benchmark.files import Cell
from cospike.benchmark.run import configure, fingerprint, holds, load_kept, reason, threads, train
from cospike.data import Dataset
from cospike.evaluation import Evaluation, evaluate
from cospike.held_out import attribute_measure
from cospike.importance import latent_worth, n_global_worth
from cospike.kinds import GLOBAL_KINDS, OWN_KINDS, latent_kinds
from cospike.likelihood import bounds
from cospike.metrics import Measurement, measure
from cospike.report_figures import RunView
from cospike.reproduction import activation, categories, control, global_factors, honesty, own_factors, published
from cospike.reproduction.panels import as_file, pattern_only, run_figures
from cospike.reproduction.record import Record
from cospike.reproduction.studies import Study

SHOWN = ("default", "paper", "vsc")
"""Models with figures: of seed 0."""

_ROWS_OF_WORTH = 1_000  # as the benchmark takes


@dataclass(frozen=True)
class Job:
    """A run to be done.

    Attributes:
        study: what it is.
        config: {model, objective, training, data}: everything that decides it.
        run: its folder.
        figures: the folder of its figures.
        threads: of torch.
    """

    study: Study
    config: dict[str, Any]
    run: Path
    figures: Path
    threads: int


@dataclass(frozen=True)
class Outcome:
    """What came of a job: a record, or what went wrong in one line."""

    place: Cell
    record: Record | None = None
    error: str = ""


def configure_study(study: Study, data: Dataset) -> dict[str, Any]:
    """Everything that decides the run, as `config.json` of a run folder holds it."""
    config = configure(study.recipe, data, seed=study.place.seed, model=study.model, training=study.training)
    config["objective"] |= study.objective
    return dict(json.loads(json.dumps(config)))


def do(job: Job) -> Outcome:
    """Train, or go on training, and record; a failure is one line, so that the other runs go on."""
    try:
        with threads(job.threads), warnings.catch_warnings():
            warnings.simplefilter("ignore", TrainingWarning)  # a collapse is what some runs are to show
            data = load_kept(job.study.place.data)
            if not is_finished(job.config, job.run):
                train(job.config, data, job.run)
            return Outcome(job.study.place, record(job, data))
    except Exception as error:  # torch, disk, memory: one run of hours of others, which its failure must not end
        return Outcome(job.study.place, error=reason(error))


def record(job: Job, data: Dataset) -> Record:
    """What is kept of a finished run, and the figures that the page shows of it."""
    study, place = job.study, job.study.place
    if study.part in ("main", "control"):
        metrics, findings, drawn = _record_main(job, data)
    else:
        metrics, findings, drawn = _record_other(job, data)
    figures = {}
    for name, svg in drawn:
        figures[name] = f"{place.data}-{place.model}-{name}.svg"
        job.figures.mkdir(parents=True, exist_ok=True)
        write_atomic(job.figures / figures[name], as_file(svg))
    return Record(
        *place,
        part=study.part,
        about=study.about,
        fingerprint=fingerprint(job.config),
        versions={"cospike": __version__, "torch": torch.__version__},
        values={name: one.value for name, one in metrics.items()},
        stderr={name: one.stderr for name, one in metrics.items() if one.stderr is not None},
        findings=findings,
        published=dict(study.published),
        figures=figures,
    )


_Kept = tuple[dict[str, Measurement], dict[str, Any], Iterator[tuple[str, str]]]


def _record_main(job: Job, data: Dataset) -> _Kept:
    """Every section, of a model that all numbers are of."""
    evaluation, model = evaluate(job.run, write=False), runs.load(job.run)
    test, train_codes = runs.read_codes(job.run)
    attributes = runs.read_arrays(job.run, "attributes.npz") if (job.run / "attributes.npz").is_file() else {}
    worth = latent_worth(model, data.test, n_rows=_ROWS_OF_WORTH)
    kinds = latent_kinds(test)
    measured = attribute_measure(data.name, data.shape, cache=False)
    controlled = control.controllability(model, test, attributes, measured) if measured else {}
    findings = {
        "activation": activation.spread(test),
        "combinations": activation.combinations(test, np.isin(kinds, GLOBAL_KINDS), np.isin(kinds, OWN_KINDS)),
        **_factors_found(evaluation, test, attributes, worth),
        "categories": categories.category_sharing(test, train_codes),
        "control": controlled,
        "thresholds": honesty.by_threshold(test),
        "one_pattern": honesty.one_pattern(test),
    }
    metrics = evaluation.metrics | {"n_global_worth": n_global_worth(worth, test)}
    shown = job.study.place.seed == 0 and job.study.place.model in SHOWN
    drawn = run_figures(RunView.read(job.run), controlled, worth) if shown else iter(())
    return metrics, findings, drawn


def _factors_found(
    evaluation: Evaluation, test: Any, attributes: Mapping[str, np.ndarray], worth: np.ndarray
) -> dict[str, Any]:
    factors, evidence = evaluation.factors, evaluation.evidence
    return {
        "global": global_factors.global_latents(factors, worth),
        "ties": global_factors.attribute_ties(test, attributes, factors, evidence, worth),
        "block": global_factors.block_ties(evidence),
        "own": own_factors.own_latents(factors, evidence),
    }


def _record_other(job: Job, data: Dataset) -> _Kept:
    """Numbers alone, of a run that shows what a setting changes; of what goes wrong, the patterns too."""
    model = runs.load(job.run)
    test, train_codes = runs.read_codes(job.run)
    metrics = {**measure(test, train=train_codes), **bounds(model, test)}
    findings: dict[str, Any] = {"one_pattern": honesty.one_pattern(test)}
    if job.study.part == "published":
        exact = {name: metrics[name].value for name in ("neg_elbo", "reconstruction")}
        findings["published"] = published.figures(model, data.test, test, train_codes, exact)
    return metrics, findings, pattern_only(RunView.read(job.run)) if job.study.part == "honest" else iter(())


def is_finished(config: Mapping[str, Any], run: Path) -> bool:
    """Whether the folder holds this very run, trained to its end: what it leaves last is there."""
    return (run / "previews.npz").is_file() and holds(run, config)
