"""`encode_dataset()`: from samples to `Codes`, and what every pass over data needs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from cospike._errors import InputError
from cospike._random import private_random_state
from cospike.codes import Codes
from cospike.data import Split
from cospike.device import Precision, open_fabric
from cospike.model import SparseVAE

ROWS_PER_PASS = 2_000
"""Rows of a pass without gradients: enough for the plug-in split, little memory."""


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
    model: SparseVAE, split: Split, *, seed: int = 0, precision: Precision = "32-true", accelerator: str = "auto"
) -> Codes:
    """The codes of every sample of ``split``, with the reconstruction cost of one exact draw.

    Args:
        model: a trained model.
        split: samples and labels.
        seed: of the draw behind ``reconstruction``.
        precision: "32-true", or "bf16-mixed", which is faster and coarser.
        accelerator: as in `fit`.

    Returns:
        Arrays from here on.
    """
    fabric = open_fabric(accelerator, precision)
    if not len(split):
        raise InputError("'split' of encode_dataset must have at least one row, got none.")
    check_shape(model, split)
    check_values(model, split.x, "the split")
    module = fabric.setup_module(model)
    parts: list[tuple[Tensor, ...]] = []
    with private_random_state(seed), evaluating(model), torch.no_grad():
        for x in split.x.split(ROWS_PER_PASS):
            x = x.to(fabric.device)  # noqa: PLW2901
            output = module(x)
            q = output.posterior
            parts.append((q.active_probs, q.loc, q.scale, -output.likelihood.log_prob(x)))
    active_probs, loc, scale, reconstruction = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
    labels = split.y.numpy()
    n_classes = int(labels.max()) + 1
    return Codes(
        active_probs=active_probs,
        slab_loc=loc,
        slab_scale=scale,
        labels=labels,
        class_names=model.class_names if len(model.class_names) >= n_classes else tuple(map(str, range(n_classes))),
        prior_probs=model.prior().active_probs.cpu().numpy(),
        reconstruction=reconstruction,
    )


def check_shape(model: SparseVAE, split: Split) -> None:
    """Refuse rows of another shape than the model's."""
    if (shape := tuple(split.x.shape[1:])) != model.shape:
        raise InputError(f"'shape' of SparseVAE must be that of the data, {shape}, got {model.shape}.")


def check_values(model: SparseVAE, x: Tensor, name: str) -> None:
    """Refuse values that the model's likelihood cannot have; ``name`` says whose they are."""
    low, high = x.aminmax()
    if not (low.isfinite() and high.isfinite()):
        raise InputError(f"The values of {name} must be finite, got NaN or infinity. Fill or drop those rows first.")
    if model.settings["likelihood"] == "bernoulli" and (low < 0 or high > 1):
        raise InputError(
            f"The values of {name} must lie in 0 … 1 for a Bernoulli likelihood, got {low:.4g} … {high:.4g}. "
            "Scale them, or use likelihood='gaussian'."
        )
