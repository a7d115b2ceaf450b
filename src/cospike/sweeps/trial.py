"""One trial: from settings to measures of the validation rows. The test rows are not there."""

import math
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from inspect import signature
from time import perf_counter
from typing import Any

import torch

from cospike._errors import InputError, TrainingWarning
from cospike._types import UNLABELLED
from cospike.data import Dataset
from cospike.device import default_precision
from cospike.encoding import encode_dataset
from cospike.experiment import build_model, build_objective
from cospike.likelihood import bounds
from cospike.metrics import measure
from cospike.objective import PRESETS
from cospike.options import Options
from cospike.sweeps.results import to_options
from cospike.sweeps.space import Space, corners
from cospike.sweeps.storage import DIRECTIONS
from cospike.train import default_training, fit
from cospike.training_checks import check_training

MEASURES = (
    *DIRECTIONS,
    "neg_elbo_mixture",
    "jaccard_within_specific",
    "classes_with_own",
    "latents_in_use",
    "active_per_sample_exact",
    "bayes_accuracy",
)
"""What is kept of a trial, the objectives first."""

_SHARE = 1 / 3  # of the epochs of a full training: what a trial has where nothing is said
_PRICES = {
    "class-consistent": ("within", "equivocation"),
    "paper": ("pairwise",),
    "vae": ("beta",),
}


@dataclass(frozen=True)
class Setup:
    """What all trials of a sweep share.

    Attributes:
        data: with the validation rows in the place of the test rows.
        fingerprint: of the data as they are.
        objective: name of a preset.
        options: of every trial, but for what is searched.
    """

    data: Dataset
    fingerprint: str
    objective: str
    options: Options


def prepare(data: Dataset, objective: str, options: Options, searched: Collection[str] = ()) -> Setup:
    """Take the test rows away, and decide how long a trial trains.

    Args:
        data: what is trained on.
        objective: name of a preset.
        options: of every trial.
        searched: names of the options that are searched.

    Raises:
        InputError: if the validation rows cannot tell the objectives, or an option has no place in this sweep.
    """
    for field in fields(Options):
        if field.name in searched and getattr(options, field.name) != field.default:
            raise InputError(
                f"'--search' must name options that are not given, got {field.name} as both. Leave one out."
            )
    if options.logger is not None:
        raise InputError("'--logger' follows one training, got a sweep of many. Leave it out.")
    labels = data.validation.y[data.validation.y != UNLABELLED]
    if len(torch.unique(labels)) < 2 or int(torch.bincount(labels).max()) < 2:
        raise InputError(
            f"A sweep compares samples of a class and of different classes, got {len(labels)} labelled validation rows "
            f"in {data.name}. Give more labels."
        )
    if options.epochs is None:
        full = default_training(len(data.train), batch_size=options.batch_size)["epochs"]
        options = replace(options, epochs=max(1, round(full * _SHARE)))
    return Setup(replace(data, test=data.validation), data.fingerprint, objective, options)


def default_params(setup: Setup) -> dict[str, float]:
    """The settings that are searched where nothing is said, at their defaults for the data and the objective."""
    prices = _PRICES.get(setup.objective, ())
    defaults = {name: signature(PRESETS[setup.objective]).parameters[name].default for name in prices}
    settings = _build(setup, {})[0].settings
    dense = {"active_prior": settings["active_prior"]} if settings["n_dense"] < settings["n_latents"] else {}
    rate = default_training(len(setup.data.train))["learning_rate"]
    candidates = {"n_latents": Options.n_latents, **dense, **defaults, "learning_rate": rate}
    return {name: value for name, value in candidates.items() if getattr(setup.options, name) == getattr(Options, name)}


def check_space(setup: Setup, space: Space) -> None:
    """Refuse what could not be trained, before any trial is: at both ends of every range and at every choice.

    Raises:
        InputError: with the reason.
    """
    for params in corners(space):
        model, objective, options = _build(setup, params)
        training = default_training(
            len(setup.data.train),
            epochs=options.epochs, batch_size=options.batch_size, learning_rate=options.learning_rate,
        )  # fmt: skip
        extra = {"seed": options.seed, "patience": options.patience, "compile": options.compile}
        precision = options.precision or default_precision(model, options.accelerator)
        check_training(model, setup.data, objective, {**training, **extra, "precision": precision})


def train(setup: Setup, params: Mapping[str, Any]) -> dict[str, float]:
    """Train with ``params``, and measure the validation rows.

    Returns:
        Those of `MEASURES` that there are, and ``seconds``.

    Raises:
        FloatingPointError: if the training, or an objective, is not finite.
        KeyboardInterrupt: on Ctrl-C or SIGTERM.
    """
    begun = perf_counter()
    model, objective, options = _build(setup, params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)  # a table of many trials shows which of them collapsed
        fit(model, setup.data, objective=objective, progress=False, **options.training)
    codes = encode_dataset(model, setup.data.validation, accelerator=options.accelerator, progress=False)
    found = measure(codes) | bounds(model, codes)
    values = {name: found[name].value for name in MEASURES if name in found}
    for name in DIRECTIONS:
        if not math.isfinite(values.get(name, math.nan)):
            raise FloatingPointError(f"{name} of the validation rows is not finite.")
    return {name: value for name, value in values.items() if math.isfinite(value)} | {"seconds": perf_counter() - begun}


def _build(setup: Setup, params: Mapping[str, Any]) -> tuple[Any, Any, Options]:
    options = replace(setup.options, **to_options(params))
    objective = build_objective(setup.objective, options)
    return build_model(setup.data, objective, options), objective, options
