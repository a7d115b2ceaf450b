"""What an interrupted training has to keep, as named tensors: `pack` and `unpack` are each other's inverse."""

from torch import Tensor
from torch.optim import Optimizer

from cospike.model import SparseVAE


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
        KeyError, ValueError, RuntimeError: if the tensors are of another model.
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
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return part("best."), part("totals.")
