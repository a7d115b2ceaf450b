"""`encode_dataset()`: from samples to `Codes`, and what every pass over data needs."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cospike._arrays import check_tensor, default_names, name_rows, to_array, to_labels
from cospike._errors import InputError, check_number, check_type
from cospike._random import private_random_state
from cospike._types import UNLABELLED, Labels
from cospike.codes import Codes
from cospike.data import Array, Split
from cospike.device import Precision, check_precision, open_fabric
from cospike.model import SparseVAE
from cospike.progress import counting
from cospike.sparse_rows import ENTRIES_PER_PASS
from cospike.stored_rows import LazyRows, Rows

ROWS_PER_PASS = 2_000
"""Rows of a pass without gradients, where they are small: enough for the plug-in split, little memory."""

_VALUES = {
    "bernoulli": (0.0, 1.0, "Bernoulli", "Scale them, or use likelihood='gaussian'."),
    "gaussian": (-1e12, 1e12, "Gaussian", "Standardise them: their squares must fit in float32, with room to spare."),
    "negative-binomial": (0.0, 2.0**24, "negative-binomial", "Give counts as they were measured."),
}
"""By likelihood: the values that it can have, and what to do about others."""


def rows_per_pass(shape: Sequence[int]) -> int:
    """Rows of a pass without gradients: fewer of samples that are large.

    >>> rows_per_pass((1, 28, 28)), rows_per_pass((30_000,))
    (2000, 279)
    """
    return max(1, min(ROWS_PER_PASS, ENTRIES_PER_PASS // max(1, math.prod(shape))))


@contextmanager
def evaluating(model: SparseVAE) -> Iterator[None]:
    """Evaluation mode, and back."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def encode_dataset(
    model: SparseVAE,
    split: Split | Array,
    *,
    labels: Sequence[int] | np.ndarray | None = None,
    seed: int = 0,
    precision: Precision = "32-true",
    accelerator: str = "auto",
    progress: bool | None = None,
) -> Codes:
    """The codes of every sample of ``split``, with the reconstruction cost of one exact draw.

    Only a few thousand samples are in memory at once: of an array that NumPy maps from disk, ``np.load("x.npy",
    mmap_mode="r")``, nothing else is read, and none of it twice.

    Args:
        model: a trained model.
        split: samples and labels; or an array of samples alone, floating-point or uint8 grey levels, which are divided
            by 255. Of a model of grey images it may lack the channel, as in `from_arrays`.
        labels: class index of each row of an array, −1 where it is not known; default: of none.
        seed: of the draw behind ``reconstruction``.
        precision: "32-true", or "bf16-mixed", which is faster and coarser.
        accelerator: as in `fit`.
        progress: show a bar of what takes over a second; default: if the terminal shows it.

    Returns:
        Arrays from here on: twelve bytes a latent a sample.

    Raises:
        InputError: if the samples are not of the model's shape, or have values that its likelihood cannot have, which
            is found out as they are read.
    """
    check_precision(precision, "encode_dataset")
    check_number(seed, "seed", "encode_dataset", whole=True)
    check_type(model, SparseVAE, "model", "encode_dataset", "a SparseVAE", "`load` of a run folder gives one.")
    rows, y = _rows_of(model, split, labels)
    known = int(y.max()) < len(model.class_names)
    names = model.class_names if known else default_names(y, "labels", "encode_dataset")
    fabric = open_fabric(accelerator, precision, of="encode_dataset")
    module = fabric.setup_module(model)
    n = len(rows)
    active_probs, loc, scale = (np.empty((n, model.n_latents), dtype=np.float32) for _ in range(3))
    reconstruction = np.empty(n, dtype=np.float32)
    with (
        private_random_state(seed),
        evaluating(model),
        torch.no_grad(),
        counting("encoding", n, show=progress) as advance,
    ):
        for start in range(0, n, size := rows_per_pass(model.shape)):
            part = slice(start, min(start + size, n))
            x = _as_tensor(rows[part])
            check_values(model, x, "the split", first=start)
            x = x.to(fabric.device)
            output = module(x)
            q = output.posterior
            found = (q.active_probs, q.loc, q.scale, -output.likelihood.log_prob(x))
            for kept, values in zip((active_probs, loc, scale, reconstruction), found, strict=True):
                kept[part] = values.cpu().numpy()
            advance(len(x))
    return Codes(
        active_probs=active_probs,
        slab_loc=loc,
        slab_scale=scale,
        labels=y,
        class_names=names,
        prior_probs=model.prior().active_probs.cpu().numpy(),
        reconstruction=reconstruction,
    )


def _rows_of(model: SparseVAE, split: Split | Array, labels: Any) -> tuple[Array | LazyRows, Labels]:
    """Samples of the model's shape, where they are, and their labels."""
    fix = "np.asarray(values) makes one, np.load(path, mmap_mode='r') one of what is too large for the memory."
    check_type(split, (Split, np.ndarray, Tensor), "split", "encode_dataset", "a Split or an array [sample, …]", fix)
    rows: Array | LazyRows = split.x if isinstance(split, Split) else split
    if isinstance(split, Split):
        if labels is not None:
            raise _refusal("labels", "left out where the samples are a Split", type(labels).__name__, "It has its own.")
        labels = split.y.numpy()
    else:
        rows = _plain(split)
        rows = rows[:, None] if rows.ndim == 3 == len(model.shape) and model.shape[0] == 1 else rows
    if not isinstance(rows, LazyRows) and not _is_float(rows) and not _is_grey(rows):
        raise _refusal("split", "floating-point or uint8", rows.dtype, "Convert it.")
    if not rows.ndim:
        raise _refusal("split", "an array [sample, …]", "a single number", "Give one row a sample.")
    if not len(rows):
        raise InputError("'split' of encode_dataset must have at least one row, got none.")
    if (shape := tuple(rows.shape[1:])) != model.shape:
        fix = "Reshape them, or take the model of these samples."
        raise _refusal("split", f"rows of shape {model.shape}, as 'model' was made for", shape, fix)
    if labels is None:
        return rows, np.full(len(rows), UNLABELLED)
    return rows, to_labels(labels, len(rows), "labels", "encode_dataset")


def _plain(rows: Array) -> Array:
    """Where it is, without what NumPy or torch may have beside numbers: a mask, or no memory."""
    if not isinstance(rows, Tensor):  # a view of what is mapped from disk
        return to_array(rows, "split", "encode_dataset") if isinstance(rows, np.ma.MaskedArray) else rows
    check_tensor(rows, "split", "encode_dataset")
    return rows


def _is_float(rows: Array) -> bool:
    return rows.is_floating_point() if isinstance(rows, Tensor) else rows.dtype.kind == "f"


def _is_grey(rows: Array) -> bool:
    return rows.dtype in (torch.uint8, np.uint8)


def _refusal(argument: str, expected: str, got: object, fix: str) -> InputError:
    return InputError(f"'{argument}' of encode_dataset must be {expected}, got {got}. {fix}")


def _as_tensor(rows: Array | LazyRows) -> Tensor:
    """Rows as the model takes them, read now if they lie on disk; grey levels in 0 … 1."""
    if isinstance(rows, LazyRows):
        return rows.dense()
    if isinstance(rows, Tensor):
        return rows / 255 if _is_grey(rows) else rows.float()
    if _is_grey(rows):
        return torch.from_numpy(np.divide(np.asarray(rows), np.float32(255), order="C"))
    with np.errstate(over="ignore"):  # what is too large for float32 is found next, as infinite
        return torch.from_numpy(np.array(rows, dtype=np.float32, order="C"))


def check_shape(model: SparseVAE, shape: tuple[int, ...]) -> None:
    """Refuse rows of another shape than the model's."""
    if shape != model.shape:
        raise InputError(f"'shape' of SparseVAE must be that of the data, {shape}, got {model.shape}.")


def check_values(model: SparseVAE, x: Rows, name: str, *, first: int = 0) -> None:
    """Refuse values that the model's likelihood cannot have: those of ``name``, whose rows count from ``first``."""
    if isinstance(x, LazyRows):
        for part in x.split(rows_per_pass(model.shape)):
            check_values(model, part, name, first=first)
            first += len(part)
        return
    low, high = x.aminmax()
    if not (low.isfinite() and high.isfinite()):
        bad = (~x.isfinite()).flatten(1).any(1).nonzero().squeeze(1) + first
        raise InputError(
            f"The values of {name} must be finite in float32, got NaN or infinity in {name_rows(bad.tolist())}. "
            "Fill or drop them, and scale what is too large."
        )
    mixed = model.decoder.mixed  # its columns of numbers are Gaussian
    lowest, highest, likelihood, fix = _VALUES["gaussian" if mixed is not None else model.settings["likelihood"]]
    if low < lowest or high > highest:
        bad = ((x < lowest) | (x > highest)).flatten(1).any(1).nonzero().squeeze(1) + first
        raise InputError(
            f"The values of {name} must lie in {lowest:g} … {highest:g} for a {likelihood} likelihood, got "
            f"{low:.4g} … {high:.4g}, out of it in {name_rows(bad.tolist())}. {fix}"
        )
    if likelihood == "negative-binomial":
        _check_counts(x, name, first)
    if mixed is not None and len(shares := x[:, mixed.shares.to(x.device)].flatten()):
        low, high = shares.aminmax()
        if low < 0 or high > 1:
            raise InputError(
                f"The shares and indicators of {name} must lie in 0 … 1, got {low:.4g} … {high:.4g}. "
                "Do the blocks of the likelihood fit the columns?"
            )


def _check_counts(x: Tensor, name: str, first: int) -> None:
    """Refuse what was not counted, and rows in which nothing was."""
    for bad, expected, got, fix in (
        (
            x != x.round(),
            "be whole numbers",
            "others",
            "Are they logarithms, or scaled? Give counts as they were measured.",
        ),
        (x.sum(1, keepdim=True) == 0, "have a count in every row", "none", "Drop such rows."),
    ):
        if (rows := bad.any(1).nonzero().squeeze(1)).numel():
            raise InputError(
                f"The values of {name} must {expected} for a negative-binomial likelihood, got {got} in "
                f"{name_rows((rows + first).tolist())}. {fix}"
            )
