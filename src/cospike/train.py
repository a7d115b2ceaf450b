"""`fit`: a training from its settings to what it leaves in a run folder."""

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cospike import runs
from cospike._errors import InputError
from cospike._types import UNLABELLED
from cospike._version import __version__
from cospike.axes import orthogonal_axes
from cospike.codes import Codes
from cospike.columns import columns_to_json
from cospike.data import Dataset, Split
from cospike.device import Precision, check_compile, check_precision, default_precision, n_processes, open_fabric
from cospike.encoding import check_shape, check_values, encode_dataset
from cospike.held_out import save_held_out
from cospike.model import SparseVAE
from cospike.objective import Objective
from cospike.progress import Interrupt, TrainingDisplay
from cospike.schedule import steps_per_epoch
from cospike.share import is_alike
from cospike.splits import in_turns
from cospike.trainer import Trainer

_STEPS = 2_400  # what codes need to settle; small data pass by more often
_ROWS_FOR_AXES = 2_000  # two hundred of each of ten classes: an angle is then good to a degree


def fit(
    model: SparseVAE,
    data: Dataset,
    *,
    objective: Objective | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
    patience: int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    precision: Precision | None = None,
    compile: bool | None = None,  # noqa: A002  # as torch calls it
    accelerator: str = "auto",
    progress: bool | None = None,
) -> list[dict[str, Any]]:
    """Train ``model`` in place, and leave a run folder in ``out``.

    Started by ``torchrun --nproc-per-node 2``, two processes train one model, each on half of every batch, to what one
    would have trained, but for rounding: noise belongs to a place in a batch, and class averages are those of all of
    it. The first writes ``out``; all return the same.

    Args:
        model: what to train; at the end it carries the class patterns of the training data, and if the objective looks
            at labels, its dense block is turned to axes in which its effects are orthogonal (`cospike.axes`).
        data: only ``train`` sets weights; ``validation`` alone decides about stopping; ``test`` is encoded at the end.
        objective: default `Objective.class_consistent()`.
        epochs: passes over the training data; default 24, or as many as make 2,400 steps.
        batch_size: rows a step; default 250, or a tenth of the training data if that is less.
        learning_rate: of Adam, at the start, default 0.0025; it falls to 0 along a line over the second half.
        seed: of the order of the data and of every draw.
        patience: stop after so many epochs, all of them past the warm-up, without a better validation loss, and
            keep the best weights; default: train to the end and keep the last ones.
        out: run folder. Written after every epoch, each file whole or not at all.
        resume: go on with an interrupted run in ``out`` (to the same bits), or start if there is none.
        overwrite: replace the run in ``out``.
        precision: "32-true", or "bf16-mixed", which multiplies matrices in bfloat16 and is else in float32; default
            `default_precision`, and for a run that is resumed its own. Codes and bounds are always of float32.
        compile: compile the step: it takes ten to twenty seconds and a C++ compiler, and pays in trainings of minutes
            (docs/performance.md); default: no, and for a run that is resumed as it began.
        accelerator: "auto", "cpu", "cuda", "mps".
        progress: show a progress display; default: if the terminal shows it.

    Returns:
        The history, a row an epoch: terms in nats a sample, before their prices.

    Raises:
        InputError: for data or settings that cannot be trained on; nothing is written then.
        FloatingPointError: if a term becomes NaN; it is named, and ``out`` keeps the last good weights.
        KeyboardInterrupt: on Ctrl-C or SIGTERM, after the state is saved.
        LostProcessError: if another of the processes that train together died, or does not answer.
    """
    objective = objective or Objective.class_consistent()
    run = Path(out) if out is not None else None
    begun = runs.recorded_training(run) if resume and run else {}
    precision = precision or begun.get("precision") or default_precision(model, accelerator)
    compile = bool(begun.get("compile")) if compile is None else compile  # noqa: A001
    training = {
        **default_training(len(data.train), epochs=epochs, batch_size=batch_size, learning_rate=learning_rate),
        "seed": seed,
        "patience": patience,
        "precision": precision,
        **({"compile": True} if compile else {}),
    }
    _check(model, data, objective, training)
    config = _config(model, data, objective, training)
    fabric = open_fabric(accelerator, precision, together=True)
    first = fabric.global_rank == 0
    progress = progress if first else False
    resuming = run is not None and runs.open_run(run, config, resume=resume, overwrite=overwrite)
    trainer = Trainer(fabric, model, data, objective, config, run if first else None)
    if run is not None and resuming:
        trainer.load(run)
    if fabric.world_size > 1:
        _check_agreement(trainer)
    model.dense_axes = None  # those of an earlier training
    with (
        Interrupt() as interrupt,
        TrainingDisplay(f"{objective.name} on {data.name}", training["epochs"], show=progress) as display,
    ):
        trainer.train(interrupt, display)
    encode = partial(encode_dataset, model, accelerator=accelerator, progress=progress)
    if objective.needs_labels and model.n_dense:
        _turn(model, data.train, encode)
    _finish(model, data, trainer.run, encode)
    return trainer.history


def default_training(
    n_rows: int, *, epochs: int | None = None, batch_size: int | None = None, learning_rate: float | None = None
) -> dict[str, Any]:
    """How `fit` trains on ``n_rows``: what is given, and its defaults for the rest.

    >>> default_training(50_000)
    {'epochs': 24, 'batch_size': 250, 'learning_rate': 0.0025}
    >>> default_training(1_000, learning_rate=0.01)
    {'epochs': 240, 'batch_size': 100, 'learning_rate': 0.01}
    """
    if batch_size is None:
        batch_size = min(250, max(1, n_rows // 10))
    if epochs is None:
        epochs = max(24, math.ceil(_STEPS / steps_per_epoch(n_rows, max(1, batch_size))))
    return {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": 2.5e-3 if learning_rate is None else learning_rate,
    }


def _turn(model: SparseVAE, split: Split, encode: Callable[[Split], Codes]) -> None:
    """Give the dense block axes to be read in; slopes are taken of some samples, the classes as equally as can be."""
    labelled = (split.y != UNLABELLED).nonzero().squeeze(1)
    turns = in_turns(split.y[labelled].numpy(), np.random.default_rng(0))
    rows = labelled[torch.from_numpy(turns[:_ROWS_FOR_AXES])]
    codes = encode(Split(split.x[rows], split.y[rows]))
    model.turn(orthogonal_axes(model, codes.values(codes.active()), codes.labels, model.n_dense))


def _finish(model: SparseVAE, data: Dataset, run: Path | None, encode: Callable[[Split], Codes]) -> None:
    """Give the model its class patterns, and the run what it is read from."""
    model.class_names = data.class_names
    train = encode(data.train)
    model.set_class_patterns(train)
    if run is None:
        return
    test = encode(data.test)
    runs.save_tensors(run, "weights.safetensors", model.state_dict())
    runs.save_codes(run, {"test": test, "train": train})
    save_held_out(run, data, test)


def _config(model: SparseVAE, data: Dataset, objective: Objective, training: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema_version": runs.SCHEMA_VERSION,
        "cospike": __version__,
        "torch": torch.__version__,
        "model": model.settings,
        "objective": objective.to_dict(),
        "training": training,
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "class_names": list(data.class_names),
            "rows": {name: len(getattr(data, name)) for name in ("train", "validation", "test")},
            **({"columns": columns_to_json(data.columns)} if data.columns else {}),
        },
    }


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


def _check(model: SparseVAE, data: Dataset, objective: Objective, training: dict[str, Any]) -> None:
    """Refuse what cannot be trained on, with the reason, before anything is written."""
    for name in ("epochs", "batch_size", "patience"):
        if training[name] is not None and training[name] < 1:
            raise InputError(f"'{name}' of fit must be at least 1, got {training[name]}.")
    if training["seed"] < 0:
        raise InputError(f"'seed' of fit must be at least 0, got {training['seed']}.")
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


def _check_agreement(trainer: Trainer) -> None:
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
            f"{data.class_names[label]!r} in {data.name}. Add samples, leave it out, or mark it as unlabelled (-1)."
        )
