"""What `fit` refuses: data and settings that cannot be trained on, with the reason, before anything is written."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from cospike._errors import InputError, check_number, check_type
from cospike._types import UNLABELLED
from cospike.data import Dataset
from cospike.device import check_compile, check_precision, n_processes
from cospike.encoding import check_shape, check_values
from cospike.model import SparseVAE
from cospike.objective import Objective
from cospike.schedule import steps_per_epoch
from cospike.share import is_alike
from cospike.trainer import Trainer


def check_objective(model: SparseVAE, data: Dataset, objective: Objective) -> None:
    """Refuse an objective that is meant for another model."""
    if objective.name == "vae" and not model.is_dense:
        raise InputError(
            f"The objective 'vae' does not fit 'n_dense' = {model.n_dense} of SparseVAE: a VAE has no spikes. "
            f"Set n_dense={model.n_latents}, or use Objective.vsc()."
        )
    if objective.pooled and model.conditional_prior is None:
        raise InputError(
            f"The objective {objective.name!r} does not fit 'prior' = 'fixed' of SparseVAE: it charges nothing for "
            "what a pattern says. Set prior='pseudo-inputs', or use Objective.vsc()."
        )
    if model.settings["prior"] == "per-class" and model.settings["n_classes"] != data.n_classes:
        raise InputError(
            f"'n_classes' of SparseVAE must be the {data.n_classes} of {data.name}, got {model.settings['n_classes']}."
        )


def check_types(
    model: object, data: object, objective: object, numbers: Sequence[object], seed: object, out: object
) -> None:
    """Refuse what is of a wrong type, before anything is computed from it."""
    check_type(model, SparseVAE, "model", "fit", "a SparseVAE", "SparseVAE(data.shape) is one.")
    fix = "`from_arrays(x, y)` and `load_dataset(name)` make one."
    check_type(data, Dataset, "data", "fit", "a Dataset", fix)
    check_type(objective, Objective, "objective", "fit", "an Objective", "Objective.preset(name) is one.")
    for name, value in zip(("epochs", "batch_size", "patience", "learning_rate"), numbers, strict=True):
        if value is not None:
            check_number(value, name, "fit", whole=name != "learning_rate")
    check_number(seed, "seed", "fit", whole=True)
    if out is not None:
        check_type(out, (str, Path), "out", "fit", "the path of a folder", "Leave it out to write nothing.")


def check_training(model: SparseVAE, data: Dataset, objective: Objective, training: dict[str, Any]) -> None:
    """Refuse what cannot be trained on, with the reason, before anything is written."""
    for name in ("epochs", "batch_size", "patience"):
        if training[name] is not None and training[name] < 1:
            raise InputError(f"'{name}' of fit must be at least 1, got {training[name]}.")
    if not 0 <= training["seed"] < 2**63:
        raise InputError(f"'seed' of fit must lie in 0 … 2**63 - 1, got {training['seed']}.")
    if not 0 < training["learning_rate"] < float("inf"):
        raise InputError(f"'learning_rate' of fit must be above 0, got {training['learning_rate']}.")
    if training["batch_size"] > len(data.train):
        raise InputError(
            f"'batch_size' of fit must be at most the {len(data.train)} training rows of {data.name}, "
            f"got {training['batch_size']}."
        )
    if n_processes() > 1:
        _check_processes(data, training)
    check_precision(training["precision"], "fit")
    if training.get("compile"):
        check_compile(objective, all_labelled=bool((data.train.y != UNLABELLED).all()))
    check_objective(model, data, objective)
    for split in (data.train, data.validation, data.test):
        check_shape(model, tuple(split.x.shape[1:]))
        check_values(model, split.x, data.name)
    if objective.needs_labels:
        _check_classes(data, objective)


def _check_processes(data: Dataset, training: dict[str, Any]) -> None:
    if steps_per_epoch(len(data.train), training["batch_size"]) * n_processes() > len(data.train):
        raise InputError(
            f"'batch_size' of fit must be at least the {n_processes()} processes that torchrun started, "
            f"got {training['batch_size']}. Start fewer, or take larger batches."
        )
    if training.get("compile"):
        raise InputError("'compile' of fit is for one process. Leave it out, or start without torchrun.")


def check_agreement(trainer: Trainer) -> None:
    """Make sure that all processes are about to train the same, from the same step on."""
    if not is_alike(
        json.dumps([trainer.config, trainer.epoch, trainer.step], sort_keys=True),
        trainer.n_processes,
        device=trainer.fabric.device,
    ):
        raise InputError(
            f"The {trainer.n_processes} processes of fit must be given the same data, settings and folder, got "
            "different ones. Is 'out' a folder that all of them share?"
        )


def _check_classes(data: Dataset, objective: Objective) -> None:
    counts = torch.bincount(data.train.y[data.train.y != UNLABELLED], minlength=data.n_classes)
    if (present := int((counts > 0).sum())) < 2:
        raise InputError(
            f"The objective {objective.name!r} needs labelled samples of at least two classes, "
            f"got {present} in the training rows of {data.name}. Train with the objective 'vsc' instead."
        )
    everywhere = torch.cat([split.y for split in (data.train, data.validation, data.test)])
    rows = torch.bincount(everywhere[everywhere != UNLABELLED], minlength=data.n_classes)
    if (lonely := torch.nonzero((counts < 2) & (rows > 0))).numel():
        label = int(lonely[0])
        raise InputError(
            f"A class needs at least two training samples to agree, got {int(counts[label])} of "
            f"{data.class_names[label]!r} in {data.name}. Add samples, leave it out, "
            "or take its label away: -1 in arrays, an empty cell in a table."
        )
