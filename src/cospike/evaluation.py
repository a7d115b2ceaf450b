"""`evaluate()`: all that a run folder tells about its model, without the data."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from cospike import runs
from cospike._errors import InputError
from cospike.factors import Factor, explain, format_factors
from cospike.likelihood import bounds
from cospike.metrics import Measurement, measure


class Evaluation(NamedTuple):
    """The measures of a run by name, and its factor table."""

    metrics: dict[str, Measurement]
    factors: tuple[Factor, ...]


def evaluate(run: str | Path) -> Evaluation:
    """Measure and explain the held-out codes of a run, and write `metrics.json` and `factors.csv` beside them."""
    run = Path(run)
    model = runs.load(run)
    test, train = runs.read_codes(run)
    seconds = sum(row["seconds"] for row in runs.read_history(run))
    metrics = {
        **measure(test, train=train),
        **bounds(model, test),
        "seconds": Measurement(round(seconds, 2), "seconds", "lower", "training, all epochs, with validation"),
    }
    factors = explain(model, test)
    runs.write_atomic(
        run / "metrics.json", json.dumps({name: asdict(m) for name, m in metrics.items()}, indent=2) + "\n"
    )
    runs.write_atomic(run / "factors.csv", format_factors(factors, test.class_names))
    return Evaluation(metrics, factors)


def read_metrics(run: str | Path) -> dict[str, Measurement]:
    """The measures of a run as `metrics.json` holds them; measured now if it has none."""
    path = Path(run) / "metrics.json"
    if not path.is_file():
        return evaluate(run).metrics
    try:
        stored: dict[str, dict[str, Any]] = json.loads(path.read_bytes())
        return {name: Measurement(**entry) for name, entry in stored.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged: {error}. Delete it to have the run measured again.") from error
