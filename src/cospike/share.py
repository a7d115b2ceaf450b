"""`Share`: the rows of a batch that one of several processes has, and sums over all of them.

The processes train one model. The loss of a batch is the sum of what each of them contributes: to a mean over rows, the
part of the sum that its own rows make; to what follows from averages of the whole batch, which all of them compute
alike, an equal part. So the gradients of a weight, summed over the processes, are those that one process has of the
whole batch, wherever its rows lie.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from cospike._errors import LostProcessError


@dataclass(frozen=True)
class Share:
    """Some rows of a batch.

    Attributes:
        n_rows: of the whole batch.
        rank: which of the processes this is, from 0.
        n_processes: how many there are.

    >>> [Share(10, rank, 4).rows for rank in range(4)]
    [range(0, 3), range(3, 6), range(6, 8), range(8, 10)]
    """

    n_rows: int | Tensor
    rank: int = 0
    n_processes: int = 1

    @property
    def rows(self) -> range:
        """Where they lie in the batch: consecutive, and as many as others have, to within one."""
        least, rest = divmod(int(self.n_rows), self.n_processes)
        start = self.rank * least + min(self.rank, rest)
        return range(start, start + least + (self.rank < rest))

    def mean(self, values: Tensor) -> Tensor:
        """What these rows contribute to a mean over the batch, of a value (or several) a row."""
        return values.sum(0) / self.n_rows

    def equal(self, value: Tensor) -> Tensor:
        """What each process contributes of something that all compute alike."""
        return value if self.n_processes == 1 else value / self.n_processes

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the processes, in each of them, with its gradient: the sum of theirs."""
        if self.n_processes == 1:
            return values
        total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]  # so in torch
        return total

    def gather(self, values: Tensor) -> Tensor:
        """The rows of all processes, in the order of the batch, with gradients."""
        if self.n_processes == 1:
            return values
        zeros = values.new_zeros(int(self.n_rows), *values.shape[1:])
        where = torch.tensor(self.rows, device=values.device)
        return self.sum(zeros.index_copy(0, where, values))


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return sum_over_processes(values)[0]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        return sum_over_processes(upstream)[0]


def sum_over_processes(*parts: Tensor) -> tuple[Tensor, ...]:
    """Each of ``parts``, which have one type of number, summed over the processes; they travel as one message.

    Raises:
        LostProcessError: if one of the others is gone, or does not answer in time.
    """
    message = torch.cat([part.detach().reshape(-1) for part in parts])
    try:
        dist.all_reduce(message)
    except RuntimeError as error:
        reason = str(error).splitlines()[0].rpartition("cc:")[2].rpartition("] ")[2].split(". ")[0]
        raise LostProcessError(
            f"Another of the {dist.get_world_size()} processes died, or does not answer ({reason})."
        ) from error
    sums = message.split([part.numel() for part in parts])
    return tuple(total.view(part.shape) for total, part in zip(sums, parts, strict=True))


def is_alike(text: str, n_processes: int, *, device: torch.device) -> bool:
    """Whether all processes give the same text."""
    digits = torch.tensor(list(hashlib.sha256(text.encode()).digest()), device=device)
    total, squares = sum_over_processes(digits, digits.square())
    return torch.equal(total.square(), squares * n_processes)  # by Cauchy and Schwarz, only where all are equal
