"""One run from options to measures, and several objectives side by side on the same network, data and seed."""

from collections.abc import Sequence
from pathlib import Path

from cospike.data import Dataset
from cospike.evaluation import Evaluation, evaluate
from cospike.model import SparseVAE
from cospike.objective import Objective
from cospike.options import Options
from cospike.train import fit

DEMO_OBJECTIVES = ("vsc", "paper", "class-consistent")
"""What `compare` trains by default: the last one is the one whose report is written."""

_PRICES = ("within", "between", "sharing", "pairwise", "distance", "beta")


def train_run(
    data: Dataset,
    out: Path,
    *,
    objective: str = "class-consistent",
    options: Options | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Evaluation:
    """Build a model, train it into the folder ``out``, and measure it on held-out data."""
    options = options or Options()
    prices = {name: value for name in _PRICES if (value := getattr(options, name)) is not None}
    model = SparseVAE(
        data.shape,
        options.n_latents,
        network=options.network,
        hidden=options.hidden,
        likelihood=options.likelihood,
        active_prior=1.0 if objective == "vae" and options.active_prior is None else options.active_prior,
        seed=options.seed,
    )
    fit(
        model,
        data,
        objective=Objective.preset(objective, **prices),
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        seed=options.seed,
        patience=options.patience,
        out=out,
        resume=resume,
        overwrite=overwrite,
        precision=options.precision,
        accelerator=options.accelerator,
    )
    return evaluate(out)


def compare(
    data: Dataset,
    out: Path,
    *,
    objectives: Sequence[str] = DEMO_OBJECTIVES,
    options: Options | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> dict[str, Evaluation]:
    """One run a preset, each in its folder below ``out``: same network, data, training and seed."""
    evaluations = {}
    for name in objectives:
        evaluations[name] = train_run(
            data, out / name, objective=name, options=options, resume=resume, overwrite=overwrite
        )
    return evaluations
