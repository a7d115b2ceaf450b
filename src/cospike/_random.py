"""Randomness that is ours alone: the caller's generators are left as they were."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def private_random_state(seed: int | None = None) -> Iterator[None]:
    """Draw from torch's default generators, started at ``seed``, and put them back at the end."""
    before = random_state()
    try:
        if seed is not None:
            torch.manual_seed(seed)
        yield
    finally:
        set_random_state(before)


def random_state() -> dict[str, Tensor]:
    """The state of torch's default generators, to be saved with a run."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_random_state(state: dict[str, Tensor]) -> None:
    """The inverse of `random_state`."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])
    if "mps" in state:
        torch.mps.set_rng_state(state["mps"])
