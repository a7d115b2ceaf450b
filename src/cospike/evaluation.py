"""`evaluate()`: all that a run folder tells about its model, without the data."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from cospike import runs
from cospike._errors import InputError
from cospike._files import format_json, write_atomic
from cospike._reading import parse_json, read_file
from cospike.codes import Codes
from cospike.evidence import (
    Evidence,
    columns_of,
    directions_of_latents,
    format_interventions,
    gather_evidence,
    measure_evidence,
    names_of_latents,
    read_interventions,
)
from cospike.factors import Factor, explain, format_factors
from cospike.likelihood import bounds
from cospike.metrics import Measurement, measure, parse_measurements
from cospike.references import read_references


class Evaluation(NamedTuple):
    """The measures of a run by name, its factor table, the evidence for it, and the classes that this speaks of."""

    metrics: dict[str, Measurement]
    factors: tuple[Factor, ...]
    evidence: Evidence
    class_names: tuple[str, ...]


def evaluate(run: str | Path, *, write: bool = True) -> Evaluation:
    """Measure and explain the held-out codes of a run, and `save` what came out.

    Args:
        run: the folder of a finished run.
        write: leave `metrics.json`, `interventions.json` and `factors.csv` there.
    """
    run = Path(run)
    model = runs.load(run)
    test, train = runs.read_codes(run)
    if {codes.n_latents for codes in (test, train)} != {model.n_latents} or test.class_names != model.class_names:
        raise InputError(f"{run / 'codes.npz'} does not fit config.json beside it: other latents or classes.")
    metrics = measure(test, train=train) | bounds(model, test)
    if history := runs.read_history(run):
        seconds = round(sum(row["seconds"] for row in history), 2)
        metrics["seconds"] = Measurement(seconds, "seconds", "lower", "training, all epochs, with validation")
    if references := read_references(run, model.shape, test.n_classes):
        metrics |= references.metrics
    factors = explain(model, test)
    evidence = gather_evidence(run, model, test, factors)
    evaluation = Evaluation(metrics | measure_evidence(evidence, factors), factors, evidence, test.class_names)
    if write:
        save(run, evaluation)
    return evaluation


def save(run: Path, evaluation: Evaluation) -> None:
    """Write `metrics.json`, `interventions.json` and `factors.csv`."""
    table = format_factors(evaluation.factors, evaluation.class_names, beside=columns_of(evaluation.evidence))
    write_atomic(run / "metrics.json", format_metrics(evaluation.metrics))
    write_atomic(run / "interventions.json", format_interventions(evaluation.evidence.interventions))
    write_atomic(run / "factors.csv", table)


def format_metrics(metrics: Mapping[str, Measurement]) -> str:
    """The measures as JSON: {name: {value, unit, direction, how, stderr}}."""
    return format_json({name: asdict(measurement) for name, measurement in metrics.items()}, indent=2)


def read_evidence(run: Path, codes: Codes, factors: Sequence[Factor]) -> Evidence:
    """What is known of the latents of a run; its latents are changed now if that has not been done.

    Args:
        run: the folder.
        codes: of its held-out samples.
        factors: of all its latents.

    Raises:
        InputError: if a file is damaged, or of another run.
    """
    interventions = read_interventions(run)
    if interventions is None:
        interventions = evaluate(run).evidence.interventions
    if interventions.keys() != {factor.latent for factor in factors if factor.kind != "dead"}:
        raise InputError(
            f"{run / 'interventions.json'} must be of the latents of codes.npz beside it, got others. Delete it to "
            "have the run measured again."
        )
    return Evidence(names_of_latents(run, codes), interventions, directions_of_latents(run, codes))


def read_metrics(run: str | Path) -> dict[str, Measurement]:
    """The measures of a run as `metrics.json` holds them; measured now if it has none."""
    path = Path(run) / "metrics.json"
    if not path.is_file():
        return evaluate(run).metrics
    try:
        return parse_measurements(parse_json(read_file(path), finite=False))
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged: {error}. Delete it to have the run measured again.") from error
