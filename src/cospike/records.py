"""`Dataset`: images, table rows or counts in memory, one block a split."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from cospike.columns import Column
from cospike.sparse_rows import SparseRows
from cospike.stored_rows import LazyRows, StoredRows


@dataclass(frozen=True, eq=False)
class Split:
    """Rows and their labels.

    Attributes:
        x: one row a sample; grey levels lie in [0, 1], a grey image has the shape 1 × height × width. What is mostly
            0, as counts are, may be `SparseRows`; what is too large for memory, `StoredRows`.
        y: class index of each sample; −1 where it is not known.
    """

    x: Float[Tensor, "sample *event"] | SparseRows | StoredRows
    y: Int64[Tensor, " sample"]

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.y)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in three splits: to learn from, to choose by, to report on.

    >>> import torch
    >>> parts = (Split(torch.rand(n, 10), torch.arange(n) % 2) for n in (6, 2, 2))
    >>> data = Dataset("noise", *parts, class_names=("even", "odd"))
    >>> data.shape, data.n_classes, data.likelihood
    ((10,), 2, 'bernoulli')
    """

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    columns: tuple[Column, ...] = ()  # of a table, or genes: what the entries of a row are

    @property
    def likelihood(self) -> str | list[list[Any]]:
        """What suits the data, for `SparseVAE`: blocks for the columns of a table, else a name."""
        if self.columns and self.columns[0].kind == "count":
            return "negative-binomial"
        return [column.block for column in self.columns] or "bernoulli"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.train.x.shape[1:])

    @property
    def n_classes(self) -> int:
        """Number of named classes."""
        return len(self.class_names)

    @cached_property
    def fingerprint(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 over class names, rows and labels, split by split."""
        digest = hashlib.sha256(repr(self.class_names).encode())
        for split in (self.train, self.validation, self.test):
            digest.update(repr(tuple(split.x.shape)).encode())
            parts = split.x.content() if isinstance(split.x, LazyRows) else (split.x.numpy(),)
            for values in chain(parts, (split.y.numpy(),)):
                digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()[:16]
