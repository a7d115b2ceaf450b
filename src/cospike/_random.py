"""Randomness that is ours alone: the caller's generators are left as they were; and noise that is keyed, not drawn on.

What is drawn in training depends on the seed, the epoch, the step and the place of a row in the batch, and on nothing
that was drawn before. So a run that is interrupted anywhere goes on with the same noise, and a batch has the same noise
in whatever processes its rows lie.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_ROWS_PER_KEY = 128  # a generator starts anew every so many rows: with fewer, starting would take longer than drawing


class Noise(NamedTuple):
    """What a draw of latents is made of, for each row and latent: uniform in (0, 1], and standard normal."""

    uniform: Tensor
    normal: Tensor


def draw_noise(key: tuple[int, ...], rows: range, n_rows: int, n_latents: int, *, like: Tensor) -> Noise:
    """The noise of some ``rows`` of a batch of ``n_rows``, the same whoever draws it.

    Args:
        key: whole numbers, none negative, that tell this batch from all others.
        rows: which of its rows, consecutive.
        n_rows: of the whole batch.
        n_latents: numbers a row.
        like: its type of number, and where it is.
    """
    first, last = rows.start // _ROWS_PER_KEY, -(-rows.stop // _ROWS_PER_KEY)
    seeds = np.random.SeedSequence(key).generate_state(max(last, 1), np.uint64) >> 1  # a signed number, to torch
    generator = torch.Generator(device=like.device)
    parts = []
    for block in range(first, last):
        generator.manual_seed(int(seeds[block]))
        size = min(_ROWS_PER_KEY, n_rows - block * _ROWS_PER_KEY)  # all of it: how many are drawn changes what is drawn
        uniform, normal = like.new_empty(2, size, n_latents).unbind()
        # In (0, 1], so that γ rounded to 1 is never drawn as off, and a γ below the grain of the draw never as on.
        parts.append((uniform.uniform_(generator=generator).neg_().add_(1.0), normal.normal_(generator=generator)))
    if not parts:
        return Noise(*like.new_empty(2, 0, n_latents).unbind())
    own = slice(rows.start - first * _ROWS_PER_KEY, rows.stop - first * _ROWS_PER_KEY)
    return Noise(*(torch.cat(kind)[own] for kind in zip(*parts, strict=True)))


@contextmanager
def private_random_state(seed: int) -> Iterator[None]:
    """Draw from torch's default generators, started at ``seed``, and put them back at the end."""
    before = _random_state()
    try:
        torch.manual_seed(seed)
        yield
    finally:
        torch.set_rng_state(before["cpu"])
        if "cuda" in before:
            torch.cuda.set_rng_state(before["cuda"])
        if "mps" in before:
            torch.mps.set_rng_state(before["mps"])


def _random_state() -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state
