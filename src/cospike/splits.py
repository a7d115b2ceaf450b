"""Which rows are taken: held out in proportion to every class, or in turns, one of each class. Arrays only."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Integer


def deal(y: Integer[np.ndarray, " sample"], sizes: Sequence[int], *, seed: int) -> list[Int[np.ndarray, " row"]]:
    """The row numbers of each split held out, then of the rest, every class in proportion.

    Each class is spread evenly over [0, 1) in random order, and a split takes the rows that lie lowest. Of a class
    with a row for every split, the first comes before all others and one is kept for each later split.
    """
    rng = np.random.default_rng(seed)
    _, y, counts = np.unique(y, return_inverse=True, return_counts=True)
    rest, parts = rng.permutation(len(y)), []
    rest = rest[np.argsort(y[rest], kind="stable")]  # class by class, at random within a class
    for n_later, size in zip(range(len(sizes), 0, -1), sizes, strict=True):
        label = y[rest]
        left = np.bincount(label, minlength=len(counts))
        rank = np.arange(len(rest)) - (np.cumsum(left) - left)[label]
        place = (rank + rng.random(len(left))[label]) / left[label]
        enough = (counts > len(sizes))[label]
        place[enough & (rank == 0)] = -1
        place[enough & (rank >= left[label] - n_later)] = 2
        taken = np.argsort(place, kind="stable")[: np.clip(size, np.sum(place < 0), np.sum(place < 2))]
        parts.append(rng.permutation(rest[taken]))
        rest = np.delete(rest, taken)
    return [*parts, rng.permutation(rest)]


def in_turns(labels: Integer[np.ndarray, " sample"], rng: np.random.Generator) -> Int[np.ndarray, " row"]:
    """All rows in an order that takes one of each class before any class has its second.

    >>> 3 in in_turns(np.array([7, 7, 7, 8]), np.random.default_rng(0))[:2]
    True
    """
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, starts, sizes = np.unique(labels[by_class], return_index=True, return_counts=True)
    turn = np.arange(len(labels)) - np.repeat(starts, sizes)
    return np.asarray(by_class[np.argsort(turn, kind="stable")])
