"""`evaluate()`: all that a run folder tells about its model, without the data."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, get_args

from cospike import runs
from cospike._errors import InputError
from cospike._files import write_atomic
from cospike.associations import Association, associate
from cospike.codes import Codes
from cospike.factors import Factor, explain, format_factors
from cospike.likelihood import bounds
from cospike.metrics import Direction, Measurement, measure

_WORTH_A_NAME = 0.3


class Evaluation(NamedTuple):
    """The measures of a run by name, its factor table, and the classes that this speaks of."""

    metrics: dict[str, Measurement]
    factors: tuple[Factor, ...]
    class_names: tuple[str, ...]


def evaluate(run: str | Path, *, write: bool = True) -> Evaluation:
    """Measure and explain the held-out codes of a run, and `save` what came out.

    Args:
        run: the folder of a finished run.
        write: leave `metrics.json` and `factors.csv` there.
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
    evaluation = Evaluation(metrics, explain(model, test), test.class_names)
    if write:
        save(run, evaluation)
    return evaluation


def save(run: Path, evaluation: Evaluation) -> None:
    """Write `metrics.json` and `factors.csv`."""
    write_atomic(run / "metrics.json", format_metrics(evaluation.metrics))
    write_atomic(run / "factors.csv", format_factors(evaluation.factors, evaluation.class_names))


def names_of_latents(run: Path, codes: Codes) -> dict[int, Association]:
    """For each latent the attribute that it goes with most, if any: |ρ| ≥ .3, and significant within some class.

    Args:
        run: the folder of a run; without an `attributes.npz` in it nothing is known.
        codes: of its held-out samples.
    """
    path = run / "attributes.npz"
    if not path.is_file():
        return {}
    attributes = runs.read_arrays(run, path.name)
    try:
        found = associate(codes, attributes)
    except InputError as error:
        raise InputError(f"{path} does not fit codes.npz beside it: {error} The report does without it.") from error
    best: dict[int, Association] = {}
    for one in found:  # the strongest first
        if abs(one.rho) >= _WORTH_A_NAME and any(one.significant_by_class):
            best.setdefault(one.latent, one)
    return best


def format_metrics(metrics: Mapping[str, Measurement]) -> str:
    """The measures as JSON: {name: {value, unit, direction, how, stderr}}."""
    return json.dumps({name: asdict(measurement) for name, measurement in metrics.items()}, indent=2) + "\n"


def read_metrics(run: str | Path) -> dict[str, Measurement]:
    """The measures of a run as `metrics.json` holds them; measured now if it has none."""
    path = Path(run) / "metrics.json"
    if not path.is_file():
        return evaluate(run).metrics
    try:
        stored: dict[str, dict[str, Any]] = json.loads(path.read_bytes())
        metrics = {name: Measurement(**entry) for name, entry in stored.items()}
        for name, measurement in metrics.items():
            if not isinstance(measurement.value, int | float) or measurement.direction not in get_args(Direction):
                raise ValueError(f"{name} has no number or no known direction")
        return metrics
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged: {error}. Delete it to have the run measured again.") from error
