"""Many seeds in few numbers: means with their 95 % intervals, and two families of models compared along a trade-off.

Arrays only. An interval says how far another set of seeds could lie, on this data and this split, and nothing more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over seeds, its 95 % interval, and the range of the values.

    Of a single seed there is no interval, and ``low`` and ``high`` are NaN.
    """

    mean: float
    low: float
    high: float
    n: int
    least: float
    most: float

    @property
    def half(self) -> float:
        """Half its width; NaN for a single seed."""
        return (self.high - self.low) / 2

    @property
    def shown(self) -> tuple[float, float]:
        """Its ends; of two seeds, the two values.

        Student's t of a single degree of freedom is 12.7: an interval from two values is wider than the scale of most
        measures, and says less than the two.
        """
        return (self.least, self.most) if self.n == 2 else (self.low, self.high)


@dataclass(frozen=True)
class Comparison:
    """By how much family b lies above family a, at equal cost, where both reach that cost.

    Attributes:
        levels: costs, equally spaced over what both families cover with every seed; none if there is no such overlap,
            though single seeds may have one.
        a: mean height of family a at each level.
        b: mean height of family b at each level.
        differences: b − a at each level, over seeds that are paired, with the interval of each level by itself.
        verdict: without overlap, which family is both cheaper and higher: "a", "b" or "neither"; "overlap" with one.
        n_seeds: seeds for which every setting of both families is known.
    """

    levels: tuple[float, ...]
    a: tuple[float, ...]
    b: tuple[float, ...]
    differences: tuple[Interval, ...]
    verdict: str
    n_seeds: int


def mean_interval(values: Sequence[float]) -> Interval:
    """Mean and 95 % interval by Student's t: mean ± t(.975, n − 1) · s / √n.

    >>> interval = mean_interval([1.0, 2.0, 3.0])
    >>> interval.mean, round(interval.half, 3)  # 4.303 / √3
    (2.0, 2.484)
    """
    x = np.asarray(values, dtype=float)
    ends = float(x.min()), float(x.max())
    if len(x) < 2:
        return Interval(float(x.mean()), np.nan, np.nan, len(x), *ends)
    half = student.ppf((1 + LEVEL) / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x))
    return Interval(float(x.mean()), float(x.mean() - half), float(x.mean() + half), len(x), *ends)


def compare_frontiers(
    cost_a: Float[np.ndarray, "setting_a seed"],
    height_a: Float[np.ndarray, "setting_a seed"],
    cost_b: Float[np.ndarray, "setting_b seed"],
    height_b: Float[np.ndarray, "setting_b seed"],
    *,
    n_levels: int = 5,
) -> Comparison:
    """Two families of models, each the frontier of its settings for every seed, at equal cost.

    A frontier is straight between settings that no cheaper one reaches the height of, and level beyond the last of
    them; other settings do not lower it. It ends at the cheapest and the dearest setting: no value is extrapolated.
    The intervals are Student's t of the paired differences: what a seed adds to both families cancels.

    Args:
        cost_a: lower is better, such as a bound in nats.
        height_a: higher is better, such as a consistency gap.
        cost_b: as ``cost_a``, of the other family and the same seeds.
        height_b: as ``height_a``.
        n_levels: how many costs to compare at.
    """
    low = max(cost_a.min(axis=0).max(), cost_b.min(axis=0).max())
    high = min(cost_a.max(axis=0).min(), cost_b.max(axis=0).min())
    n_seeds = cost_a.shape[1]
    if not low < high:
        verdict = _dominant(cost_a, height_a, cost_b, height_b)
        return Comparison((), (), (), (), verdict, n_seeds)
    levels = np.linspace(low, high, n_levels)
    a, b = _reached(cost_a, height_a, levels), _reached(cost_b, height_b, levels)
    return Comparison(
        levels=tuple(map(float, levels)),
        a=tuple(map(float, a.mean(axis=0))),
        b=tuple(map(float, b.mean(axis=0))),
        differences=tuple(mean_interval(at_level) for at_level in (b - a).T.tolist()),
        verdict="overlap",
        n_seeds=n_seeds,
    )


def _reached(
    cost: Float[np.ndarray, "setting seed"],
    height: Float[np.ndarray, "setting seed"],
    levels: Float[np.ndarray, " level"],
) -> Float[np.ndarray, "seed level"]:
    """The height of every seed's frontier at each cost."""
    return np.stack([np.interp(levels, *_frontier(x, y)) for x, y in zip(cost.T, height.T, strict=True)])


def _frontier(
    cost: Float[np.ndarray, " setting"], height: Float[np.ndarray, " setting"]
) -> tuple[Float[np.ndarray, " kept"], Float[np.ndarray, " kept"]]:
    """Settings higher than all that cost no more, in the order of their cost."""
    order = np.lexsort((-height, cost))  # of equal cost, the highest first
    x, y = cost[order], height[order]
    kept = y > np.concatenate(([-np.inf], np.maximum.accumulate(y)[:-1]))
    return x[kept], y[kept]


def _dominant(cost_a: np.ndarray, height_a: np.ndarray, cost_b: np.ndarray, height_b: np.ndarray) -> str:
    """The family all of whose settings are, in the mean over seeds, both cheaper and higher than all of the other's."""
    a, b = (cost_a.mean(axis=1), height_a.mean(axis=1)), (cost_b.mean(axis=1), height_b.mean(axis=1))
    if a[0].max() <= b[0].min() and a[1].min() >= b[1].max():
        return "a"
    if b[0].max() <= a[0].min() and b[1].min() >= a[1].max():
        return "b"
    return "neither"
