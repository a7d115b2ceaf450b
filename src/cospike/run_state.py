"""What an interrupted training has to keep, as named tensors: `pack` and `unpack` are each other's inverse."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

from cospike.model import SparseVAE

_MOMENTS = {"step", "exp_avg", "exp_avg_sq"}  # of Adam


def pack(
    model: SparseVAE, optimizer: Optimizer, *, best: dict[str, Tensor], totals: dict[str, Tensor]
) -> dict[str, Tensor]:
    """All tensors of a training under names of their own.

    Args:
        model: with its weights.
        optimizer: with the moments of every weight.
        best: the best weights so far, if they are kept.
        totals: of the terms of an epoch that is not done.
    """
    state = optimizer.state_dict()["state"]
    return {
        **{f"model.{name}": part for name, part in model.state_dict().items()},
        **{f"best.{name}": part for name, part in best.items()},
        **{f"optimizer.{i}.{name}": part for i, moments in state.items() for name, part in moments.items()},
        **{f"totals.{name}": part for name, part in totals.items()},
    }


def unpack(
    tensors: dict[str, Tensor], model: SparseVAE, optimizer: Optimizer
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Give model and optimizer what `pack` took of them; the best weights and the totals come back.

    Raises:
        KeyError, ValueError, RuntimeError: if the tensors are of another model; a fused step would read and write past
            the end of moments that are too short.
    """

    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

    weights = part("model.")
    model.resize_class_patterns(len(weights["pattern_counts"]))
    model.dense_axes = None  # a state is of before the turn
    model.load_state_dict(weights)
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in part("optimizer.").items():
        index, _, key = name.partition(".")
        moments.setdefault(int(index), {})[key] = tensor
    best, totals = part("best."), part("totals.")
    _check(moments, [weight for group in optimizer.param_groups for weight in group["params"]])
    if best and _shapes(best) != _shapes(weights):
        raise ValueError("its best weights are of another model")
    if not all(total.dim() == 0 and bool(total.isfinite()) for total in totals.values()):
        raise ValueError("its totals are no finite numbers")
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return best, totals


def _check(moments: dict[int, dict[str, Tensor]], weights: Sequence[Tensor]) -> None:
    for index, found in moments.items():
        if not 0 <= index < len(weights) or found.keys() != _MOMENTS:
            raise ValueError("its moments are of another optimizer")
        for name, moment in found.items():
            shape = () if name == "step" else weights[index].shape
            kind = torch.float32 if name == "step" else weights[index].dtype  # a count has no other
            if moment.shape != shape or moment.dtype != kind or not bool(moment.isfinite().all()):
                raise ValueError(f"its moment {index}.{name} is not that of a weight")


def _shapes(tensors: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
