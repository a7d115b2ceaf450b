"""`SparseRows`: rows of which most entries are 0, as counts of genes are; dense only a batch at a time.

Twenty thousand cells of thirty thousand genes are 2.4 GB as numbers and a seventh of that as compressed sparse rows
(CSR). Every split, and every part of one, is a choice of rows of the same arrays, so that nothing is copied.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

_KEPT = ("float32", "float64", "int32", "int64", "int16", "uint8")
"""Types of numbers that are left as they are; others become float32."""


ENTRIES_PER_PASS = 2**23
"""Of a tensor of samples that is made without gradients: 32 MB, of which a dozen may be needed."""

_ROWS_PER_PART = 1_000


class SparseRows:
    """Some rows of a matrix in CSR form, behind the few methods of a tensor that data need.

    Choosing rows (``rows[a:b]``, ``rows[mask]``) shares the arrays; `index_select`, `split` and `dense` give float32.

    Args:
        starts: where each row of the matrix starts in the next two, and the end of the last.
        columns: of the entries, row by row.
        values: of the entries; a column may stand in a row once.
        n_columns: of the matrix.
        rows: which rows of the matrix, in which order; default: all of them.

    >>> from scipy.sparse import csr_matrix
    >>> rows = SparseRows.from_csr(csr_matrix([[0, 2], [0, 0], [3, 0]]))[[2, 0]]
    >>> rows.shape, rows.dense()
    (torch.Size([2, 2]), tensor([[3., 0.],
            [0., 2.]]))
    """

    def __init__(
        self,
        starts: Int[Tensor, " row_and_end"],
        columns: Int[Tensor, " entry"],
        values: Shaped[Tensor, " entry"],
        n_columns: int,
        rows: Int[Tensor, " row"] | None = None,
    ) -> None:
        self.starts, self.columns, self.values, self.n_columns = starts, columns, values, n_columns
        self.rows = torch.arange(len(starts) - 1, device=starts.device) if rows is None else rows

    @classmethod
    def from_csr(cls, matrix: Any) -> "SparseRows":
        """All rows of a CSR matrix of SciPy, whose memory is shared, as far as it is without duplicates."""
        if not matrix.has_canonical_format:
            matrix = matrix.copy()
            matrix.sum_duplicates()
        kept = matrix.data if matrix.data.dtype.name in _KEPT else matrix.data.astype(np.float32)
        parts = (np.require(part, requirements="W") for part in (matrix.indptr, matrix.indices, kept))
        starts, columns, values = map(torch.from_numpy, parts)
        return cls(starts, columns, values, matrix.shape[1])

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)

    @property
    def shape(self) -> torch.Size:
        """Rows and columns."""
        return torch.Size((len(self), self.n_columns))

    @property
    def ndim(self) -> int:
        """Two."""
        return 2

    def is_floating_point(self) -> bool:
        """Whether what it gives is: it is float32."""
        return True

    def to(self, device: Any) -> "SparseRows":
        """The same on another device."""
        starts, columns, values, rows = (
            part.to(device) for part in (self.starts, self.columns, self.values, self.rows)
        )
        return SparseRows(starts, columns, values, self.n_columns, rows)

    def __getitem__(self, chosen: Any) -> "SparseRows":
        """Some of the rows, in the same memory."""
        if isinstance(chosen, list | np.ndarray):
            chosen = torch.as_tensor(chosen)
        return SparseRows(self.starts, self.columns, self.values, self.n_columns, self.rows[chosen])

    def every_row(self) -> "SparseRows":
        """All rows of the matrix that these were chosen from, in its order."""
        return SparseRows(self.starts, self.columns, self.values, self.n_columns)

    def index_select(self, dim: int, index: Int[Tensor, " chosen"]) -> Float[Tensor, "chosen column"]:
        """Some of the rows, dense."""
        if dim:
            raise ValueError("rows alone can be selected")
        return self[index].dense()

    def split(self, size: int) -> Iterator[Float[Tensor, "part column"]]:
        """All rows in parts of ``size``, each dense."""
        return (self[start : start + size].dense() for start in range(0, len(self), size))

    def dense(self) -> Float[Tensor, "row column"]:
        """All rows as a tensor of float32."""
        row, at = self._entries()
        out = torch.zeros(self.shape, device=self.values.device)
        out[row, self.columns[at].long()] = self.values[at].float()
        return out

    def content(self) -> Iterator[np.ndarray]:
        """What these rows hold, in parts that are the same for the same rows: of each entry row, column and value."""
        for start in range(0, len(self), _ROWS_PER_PART):
            part = self[start : start + _ROWS_PER_PART]
            row, at = part._entries()
            for entries in (row, self.columns[at].long(), self.values[at].float()):
                yield entries.cpu().numpy()

    def _entries(self) -> tuple[Int[Tensor, " entry"], Int[Tensor, " entry"]]:
        """Of every entry of these rows its row, counted from 0, and its place among all entries."""
        first = self.starts[self.rows].long()
        n = self.starts[self.rows + 1].long() - first
        row = torch.arange(len(self), device=n.device).repeat_interleave(n)
        before = n.cumsum(0) - n
        return row, torch.arange(len(row), device=n.device) + (first - before)[row]
