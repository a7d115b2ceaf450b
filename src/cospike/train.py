"""`fit`: a training from its settings to what it leaves in a run folder."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cospike import run_folders, runs
from cospike._types import UNLABELLED
from cospike._version import __version__
from cospike.axes import orthogonal_axes
from cospike.codes import Codes
from cospike.collapse import warn_of_collapse
from cospike.columns import columns_to_json
from cospike.data import Dataset, Split
from cospike.device import Precision, default_precision, open_fabric
from cospike.encoding import encode_dataset, rows_per_pass
from cospike.folders import one_writer
from cospike.held_out import save_held_out
from cospike.model import SparseVAE
from cospike.objective import Objective
from cospike.progress import Interrupt, TrainingDisplay
from cospike.schedule import steps_per_epoch
from cospike.splits import in_turns
from cospike.trackers import Tracker
from cospike.trainer import Trainer
from cospike.training_checks import check_agreement, check_training, check_types

_STEPS = 2_400  # what codes need to settle; small data pass by more often
_EPOCHS_OF_COUNTS = 60  # a cell has thousands of entries: of small data, more passes learn each by heart
_ROWS_FOR_AXES = 2_000  # two hundred of each of ten classes: an angle is then good to a degree
_PASSES_FOR_AXES = 4  # at most, of samples that are large


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
    logger: Any = None,
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
        epochs: passes over the training data; default 24, or as many as make 2,400 steps, of counts up to 60.
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
        logger: "tensorboard", "mlflow" or "wandb" (extras of these names), which get settings and history
            (`cospike.tracker_services` says where they keep them); or an object with `log_hyperparams` and
            `log_metrics`, as those of `lightning_fabric.loggers` have.

    Returns:
        The history, a row an epoch: terms in nats a sample, before their prices.

    Warns:
        TrainingWarning: if the spikes have collapsed (`cospike.collapse`), with what to change.

    Raises:
        InputError: for data or settings that cannot be trained on, a folder that another process is writing, or a
            disk without room; nothing is written then.
        OSError: if a file cannot be written, as on a disk that has filled up; what was saved before is whole, and
            ``resume`` goes on from there.
        FloatingPointError: if a term is not finite any more; it is named, with its step and the training rows in it.
            ``out`` keeps the last good weights, and so does ``model``.
        KeyboardInterrupt: on Ctrl-C or SIGTERM, after the state is saved.
        LostProcessError: if another of the processes that train together died, or does not answer.
    """
    objective = Objective.class_consistent() if objective is None else objective
    check_types(model, data, objective, (epochs, batch_size, patience, learning_rate), seed, out)
    run = Path(out) if out is not None else None
    begun = run_folders.recorded_training(run) if resume and run else {}
    precision = precision or begun.get("precision") or default_precision(model, accelerator)
    compile = bool(begun.get("compile")) if compile is None else compile  # noqa: A001
    training = {
        **default_training(
            len(data.train),
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            counts=_of_counts(model),
        ),
        "seed": seed,
        "patience": patience,
        "precision": precision,
        **({"compile": True} if compile else {}),
    }
    check_training(model, data, objective, training)
    config = _config(model, data, objective, training)
    fabric = open_fabric(accelerator, precision, together=True)
    first = fabric.global_rank == 0
    tracker = Tracker(logger if first else None, run, config)
    progress = progress if first else False
    if run is not None:
        run_folders.check_folder(run, resume=resume, overwrite=overwrite)  # what is no run is not even locked
    with nullcontext() if run is None else one_writer(run):
        room = _least_bytes(model, data)
        resuming = run is not None and run_folders.open_run(run, config, resume=resume, overwrite=overwrite, room=room)
        if _of_counts(model):
            model.start_from(_total(model, data.train))
        trainer = Trainer(fabric, model, data, objective, config, run if first else None, tracker)
        if run is not None and resuming:
            trainer.load(run)
        if fabric.world_size > 1:
            check_agreement(trainer)
        model.dense_axes = None  # those of an earlier training
        with (
            Interrupt() as interrupt,
            TrainingDisplay(f"{objective.name} on {data.name}", training["epochs"], show=progress) as display,
        ):
            try:
                trainer.train(interrupt, display)
            finally:
                tracker.close()
        encode = partial(encode_dataset, model, accelerator=accelerator, progress=progress)
        if objective.needs_labels and model.n_dense:
            _turn(model, data.train, encode)
        train = _finish(model, data, trainer.run, encode)
    if first:
        warn_of_collapse(train, f"{objective.name!r} on {data.name}")
    return trainer.history


def default_training(
    n_rows: int,
    *,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    counts: bool = False,
) -> dict[str, Any]:
    """How `fit` trains on ``n_rows``, which may be ``counts``: what is given, and its defaults for the rest.

    >>> default_training(50_000)
    {'epochs': 24, 'batch_size': 250, 'learning_rate': 0.0025}
    >>> default_training(1_000, learning_rate=0.01)
    {'epochs': 240, 'batch_size': 100, 'learning_rate': 0.01}
    """
    if batch_size is None:
        batch_size = min(250, max(1, n_rows // 10))
    if epochs is None:
        epochs = max(24, math.ceil(_STEPS / steps_per_epoch(n_rows, max(1, batch_size))))
        epochs = min(epochs, _EPOCHS_OF_COUNTS) if counts else epochs
    return {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": 2.5e-3 if learning_rate is None else learning_rate,
    }


def _of_counts(model: SparseVAE) -> bool:
    return bool(model.settings["likelihood"] == "negative-binomial")


def _total(model: SparseVAE, split: Split) -> Tensor:
    """All rows together."""
    return sum((part.sum(0) for part in split.x.split(rows_per_pass(model.shape))), torch.zeros(model.shape))


def _least_bytes(model: SparseVAE, data: Dataset) -> int:
    """What a run takes on the disk: weights, in the state once more with two moments each, and codes."""
    weights: int = sum(part.numel() * part.element_size() for part in model.state_dict().values())
    return 4 * weights + (len(data.train) + len(data.test)) * (3 * model.n_latents + 3) * 4


def _turn(model: SparseVAE, split: Split, encode: Callable[[Split], Codes]) -> None:
    """Give the dense block axes to be read in; slopes are taken of some samples, the classes as equally as can be."""
    labelled = (split.y != UNLABELLED).nonzero().squeeze(1)
    turns = in_turns(split.y[labelled].numpy(), np.random.default_rng(0))
    n = min(_ROWS_FOR_AXES, _PASSES_FOR_AXES * rows_per_pass(model.shape))
    rows = labelled[torch.from_numpy(turns[:n])]
    codes = encode(Split(split.x[rows], split.y[rows]))
    model.turn(orthogonal_axes(model, codes.values(codes.active()), codes.labels, model.n_dense))


def _finish(model: SparseVAE, data: Dataset, run: Path | None, encode: Callable[[Split], Codes]) -> Codes:
    """Give the model its class patterns, and the run what it is read from; returns the training codes."""
    model.class_names, model.columns = data.class_names, data.columns
    train = encode(data.train)
    model.set_class_patterns(train)
    if run is None:
        return train
    test = encode(data.test)
    runs.save_tensors(run, "weights.safetensors", model.state_dict())
    runs.save_codes(run, {"test": test, "train": train})
    save_held_out(run, data, test)
    return train


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
