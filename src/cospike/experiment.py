"""One run from options to measures, and several objectives side by side on the same network, data and seed."""

from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Literal

from cospike._errors import InputError
from cospike._reading import refuse_links
from cospike.data import Dataset
from cospike.device import check_compile, is_first
from cospike.evaluation import Evaluation, evaluate
from cospike.model import SparseVAE
from cospike.objective import PRESETS, Objective
from cospike.options import DEMO_OBJECTIVES, Options, model_settings
from cospike.progress import working
from cospike.run_folders import check_folder
from cospike.trackers import log_measures
from cospike.train import fit
from cospike.training_checks import check_objective

_PRICES = ("within", "between", "equivocation", "sharing", "pairwise", "distance", "beta")


def train_run(
    data: Dataset,
    out: Path,
    *,
    objective: Objective,
    options: Options | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Evaluation | None:
    """Build a model, train it into the folder ``out``, and measure it on held-out data.

    Of several processes that train together the first alone measures; the others get None.
    """
    options = options or Options()
    fit(
        build_model(data, objective, options),
        data,
        objective=objective,
        out=out,
        resume=resume,
        overwrite=overwrite,
        logger=options.logger,
        **options.training,
    )
    if not is_first():
        return None
    with working(f"measuring {objective.name} on held-out data"):
        evaluation = evaluate(out)
    if options.logger:
        log_measures(options.logger, out, evaluation.metrics)
    return evaluation


def compare(
    data: Dataset,
    out: Path,
    *,
    objectives: Sequence[str] = DEMO_OBJECTIVES,
    options: Options | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> dict[str, Evaluation]:
    """One run a preset, each in its folder below ``out``: same network, data, training and seed.

    What would stop a later run (a setting that no preset has, a model that an objective is not for, a folder in the
    way) is refused before the first. Of several processes that train together, the first alone gets them.
    """
    options = options or Options()
    if not objectives or len(set(objectives)) < len(objectives):
        raise InputError(
            f"'objectives' of compare must name one or more different presets, got {', '.join(objectives)}."
        )
    built = {name: build_objective(name, options, among=objectives) for name in objectives}
    for name, objective in built.items():
        check_objective(build_model(data, objective, options), data, objective)
        refuse_links(out / name)
        check_folder(out / name, resume=resume, overwrite=overwrite)
        if options.compile:
            check_compile(objective)
    evaluations = {
        name: train_run(data, out / name, objective=objective, options=options, resume=resume, overwrite=overwrite)
        for name, objective in built.items()
    }
    return {name: evaluation for name, evaluation in evaluations.items() if evaluation}


def build_model(data: Dataset, objective: Objective, options: Options) -> SparseVAE:
    """The model that the options ask for, and the objective's preset where they are silent."""
    return SparseVAE(
        data.shape,
        options.n_latents,
        network=options.network or default_network(data.shape),
        hidden=options.hidden,
        likelihood=options.likelihood or data.likelihood,
        active_prior=options.active_prior,
        n_classes=data.n_classes,
        n_pseudo_inputs=options.n_pseudo_inputs,
        seed=options.seed,
        **model_settings(objective.name, options.n_latents, n_dense=options.n_dense, prior=options.prior),
    )


def default_network(shape: tuple[int, ...]) -> Literal["mlp", "conv"]:
    """Convolutional for images in colour, or larger than those of MNIST.

    >>> default_network((1, 28, 28)), default_network((1, 64, 28)), default_network((3, 8, 8)), default_network((5,))
    ('mlp', 'conv', 'conv', 'mlp')
    """
    return "conv" if len(shape) == 3 and (shape[0] > 1 or max(shape[1:]) > 28) else "mlp"


def build_objective(name: str, options: Options, *, among: Sequence[str] = ()) -> Objective:
    """The preset ``name`` with the prices that the options give, less those meant for others ``among`` the presets.

    Raises:
        InputError: for a price that none of them has.
    """
    given = {price: value for price in _PRICES if (value := getattr(options, price)) is not None}
    accepted = {other: signature(PRESETS[other]).parameters for other in among if other in PRESETS}
    own = {
        price: value
        for price, value in given.items()
        if price in accepted.get(name, ()) or not any(price in parameters for parameters in accepted.values())
    }
    return Objective.preset(name, **own)
