"""`StoredRows`: rows of an array on disk, of which a batch at a time is in memory."""

import mmap
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from cospike.sparse_rows import ENTRIES_PER_PASS, SparseRows


def is_mapped(array: object) -> bool:
    """Whether an array lies in a file, as `numpy.load(path, mmap_mode="r")` gives it.

    >>> is_mapped(np.zeros(3))
    False
    """
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array.obj if isinstance(array, memoryview) else array, mmap.mmap)


class StoredRows:
    """Some rows of an array on disk, behind the few methods of a tensor that data need.

    Choosing rows reads nothing; `index_select`, `split` and `dense` give float32, of grey levels in 0 … 1. Those of a
    step of training lie all over the file: what fits into the system's cache is read once.

    Args:
        array: [row, …] of float32, float64, float16 or uint8.
        rows: which of its rows, in which order; default: all of them.
        device: where what is read goes.
    """

    def __init__(
        self,
        array: Shaped[np.ndarray, "stored *event"],
        rows: Int[Tensor, " row"] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.array, self.device = array, device
        self.rows = torch.arange(len(array)) if rows is None else rows

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)

    @property
    def shape(self) -> torch.Size:
        """Rows, and the shape of one."""
        return torch.Size((len(self), *self.array.shape[1:]))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.array.ndim

    def is_floating_point(self) -> bool:
        """Whether what it gives is: it is float32."""
        return True

    def to(self, device: Any) -> "StoredRows":
        """The same, whose batches go to a device; the rows stay on the disk."""
        return StoredRows(self.array, self.rows, device)

    def __getitem__(self, chosen: Any) -> "StoredRows":
        """Some of the rows; nothing is read."""
        if isinstance(chosen, list | np.ndarray):
            chosen = torch.as_tensor(chosen)
        return StoredRows(self.array, self.rows[chosen.cpu() if isinstance(chosen, Tensor) else chosen], self.device)

    def index_select(self, dim: int, index: Int[Tensor, " chosen"]) -> Float[Tensor, "chosen *event"]:
        """Some of the rows, read now."""
        if dim:
            raise ValueError("rows alone can be selected")
        return self[index].dense()

    def split(self, size: int) -> Iterator[Float[Tensor, "part *event"]]:
        """All rows in parts of ``size``, each read when its turn comes."""
        return (self[start : start + size].dense() for start in range(0, len(self), size))

    def dense(self) -> Float[Tensor, "row *event"]:
        """All rows as a tensor of float32, in memory."""
        index = self.rows.numpy()
        in_order = np.argsort(index, kind="stable")  # a disk reads forwards
        read = np.empty((len(index), *self.array.shape[1:]), dtype=np.float32)
        read[in_order] = self.array[index[in_order]]
        if self.array.dtype == np.uint8:
            read /= np.float32(255)
        return torch.from_numpy(read).to(self.device)

    def parts(self) -> Iterator[np.ndarray]:
        """All rows as they are stored, a part at a time."""
        size = max(1, ENTRIES_PER_PASS // max(1, int(np.prod(self.array.shape[1:]))))
        for start in range(0, len(self), size):
            yield self.array[self.rows[start : start + size].numpy()]

    def content(self) -> Iterator[np.ndarray]:
        """What these rows hold, in parts that are the same for the same rows."""
        return self.parts()


LazyRows: TypeAlias = SparseRows | StoredRows
"""Samples of which a batch at a time is a tensor."""

Rows: TypeAlias = Tensor | LazyRows
"""Samples."""
