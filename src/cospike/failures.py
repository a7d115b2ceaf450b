"""What is said when a term of the objective is no finite number any more: which, when, and on which rows."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from cospike._random import private_random_state
from cospike.encoding import evaluating
from cospike.model import SparseVAE
from cospike.spike_slab import slab_kl

_N_NAMED = 5  # rows


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


def name_rows(rows: Int[Tensor, " row"]) -> str:
    """The first few rows, and how many more there are.

    >>> name_rows(torch.arange(3)), name_rows(torch.arange(20))
    ('0, 1, 2', '0, 1, 2, 3, 4 and 15 more')
    """
    named, n_more = ", ".join(map(str, rows[:_N_NAMED].tolist())), len(rows) - _N_NAMED
    return f"{named} and {n_more} more" if n_more > 0 else named


@torch.no_grad()
def rows_at_fault(model: SparseVAE, x: Tensor, labels: Int[Tensor, " batch"]) -> Bool[Tensor, " batch"]:
    """Which rows alone, whatever the others of the batch, have something that is not finite with these weights."""
    with private_random_state(), evaluating(model):
        output = model(x, labels)
    q = output.posterior
    costs = slab_kl(q, output.prior if output.pattern is None else output.pattern) + q.active_logits.abs()
    fine: Tensor = (costs.sum(1) + output.likelihood.log_prob(x)).isfinite()
    return ~fine


def blame(step: Step, at_fault: Bool[Tensor, " batch"], weights: str) -> str:
    """Where a step failed, and whether it is for its rows or for its weights."""
    if alone := int(at_fault.sum()):
        named = f"row{'s' * (alone > 1)} {name_rows(step.rows[at_fault])} alone: look at the values there."
    else:
        named = "none of them alone is to blame."
    return f"Training rows {name_rows(step.rows)} were in that step. With {weights}, {named}"
