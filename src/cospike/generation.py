"""New samples: from the prior or from a class's own pattern, exact zeros included, with any latent set by hand."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cospike._errors import InputError, did_you_mean
from cospike.model import SparseVAE
from cospike.spike_slab import SpikeSlab


def generate(
    model: SparseVAE,
    n: int,
    *,
    label: int | str | None = None,
    set: Mapping[int, float] | None = None,  # noqa: A002
    seed: int = 0,
) -> Float[np.ndarray, "sample *event"]:
    """Draw codes and decode them to the mean of their likelihood.

    Args:
        model: a trained model.
        n: how many samples.
        label: index or name of a class, to draw from its pattern; default: from the prior.
        set: values of some latents; 0 switches one off.
        seed: of the draw.

    Returns:
        One picture (or table row) a sample.
    """
    return model.decode_mean(draw_codes(model, n, label=label, set=set, seed=seed).cpu().numpy())


def draw_codes(
    model: SparseVAE,
    n: int,
    *,
    label: int | str | None = None,
    set: Mapping[int, float] | None = None,  # noqa: A002
    seed: int = 0,
) -> Float[Tensor, "sample latent"]:
    """The codes behind `generate`: a latent that is off is exactly 0.

    Raises:
        InputError: for an unknown class or latent, or a model without class patterns.
    """
    if n < 1:
        raise InputError(f"'n' of generate must be at least 1, got {n}.")
    generator = torch.Generator(model.device).manual_seed(seed)
    z = _prior_rows(model, n, generator) if label is None else _pattern(model, label).sample((n,), generator=generator)
    for latent, value in (set or {}).items():
        if not isinstance(latent, int | np.integer) or not 0 <= latent < model.n_latents:
            raise InputError(f"'set' of generate must name latents 0 … {model.n_latents - 1}, got {latent!r}.")
        if not isinstance(value, int | float | np.number) or not math.isfinite(value):
            raise InputError(f"'set' of generate must have a finite number for latent {latent}, got {value!r}.")
        z[:, latent] = value
    return z


@torch.no_grad()
def _prior_rows(model: SparseVAE, n: int, generator: torch.Generator) -> Tensor:
    """Draws from the prior of training, a uniform mixture of one or more components."""
    components = model.prior_components()
    chosen = torch.randint(len(components.loc), (n,), generator=generator, device=model.device)
    parts = (part[chosen] for part in (components.active_logits, components.loc, components.scale))
    return SpikeSlab(*parts, validate_args=False).sample(generator=generator)


def _pattern(model: SparseVAE, label: int | str) -> SpikeSlab:
    patterns = model.class_patterns
    if patterns is None:
        raise InputError("'label' of generate needs the class patterns that `fit` leaves in a model. Train it first.")
    if isinstance(label, str):
        if label not in model.class_names:
            raise InputError(f"Unknown class {label!r} of generate. {did_you_mean(label, model.class_names)}")
        label = model.class_names.index(label)
    if isinstance(label, bool) or not isinstance(label, int | np.integer):
        got = type(label).__name__
        raise InputError(f"'label' of generate must be the name or the index of a class, got {got}.")
    if not 0 <= label < patterns.batch_shape[0]:
        raise InputError(f"'label' of generate must lie in 0 … {patterns.batch_shape[0] - 1}, got {label}.")
    return SpikeSlab(patterns.active_logits[label], patterns.loc[label], patterns.scale[label], validate_args=False)
