"""What is said when a term of the objective is no finite number any more: which, when, and on which rows."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from cospike._arrays import name_rows
from cospike._random import private_random_state
from cospike.encoding import evaluating
from cospike.model import SparseVAE
from cospike.spike_slab import slab_kl


class Step(NamedTuple):
    """A step of training: its place in the epoch, from 1, the training rows that it was taken on, and its terms."""

    number: int
    rows: Int[Tensor, " batch"]
    parts: dict[str, Tensor]


def name_failure(parts: Mapping[str, Tensor]) -> str:
    """The terms that are not finite, and what the last of them became; empty if all are.

    >>> name_failure({"loss": torch.tensor(torch.nan), "slab_kl": torch.tensor(torch.inf)})
    "The term 'slab_kl' became inf"
    """
    bad = [name for name, part in parts.items() if not bool(part.isfinite())]
    if not bad:
        return ""
    names = [repr(name) for name in bad if name != "loss"] or ["'loss'"]
    what = f"The term {names[0]}" if len(names) == 1 else f"The terms {', '.join(names)}"
    return f"{what} became {float(parts[bad[-1]])}"


@torch.no_grad()
def rows_at_fault(model: SparseVAE, x: Tensor, labels: Int[Tensor, " batch"]) -> Bool[Tensor, " batch"]:
    """Which rows alone, whatever the others of the batch, have something that is not finite with these weights."""
    with private_random_state(0), evaluating(model):
        output = model(x, labels)
    q = output.posterior
    costs = slab_kl(q, output.prior if output.pattern is None else output.pattern) + q.active_logits.abs()
    fine: Tensor = (costs.sum(1) + output.likelihood.log_prob(x)).isfinite()
    return ~fine


def blame(step: Step, at_fault: Bool[Tensor, " batch"], weights: str) -> str:
    """Where a step failed, and whether it is for its rows or for its weights."""
    named = "none of them alone is to blame."
    if at_fault.any():
        named = f"{name_rows(step.rows[at_fault].tolist())} alone: look at the values there."
    return f"Training {name_rows(step.rows.tolist())} were in that step. With {weights}, {named}"
