"""95 % intervals of shares, ratios of shares and means. Arrays only."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import norm as normal
from scipy.stats import t as student


class Estimate(NamedTuple):
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


_FEWEST = 5
UNKNOWN = Estimate(float("nan"), float("nan"), float("nan"))


def wilson_interval(
    share: Float[np.ndarray, "*axes"], n: Int[np.ndarray, "*#axes"]
) -> tuple[Float[np.ndarray, "*axes"], Float[np.ndarray, "*axes"]]:
    """Lower and upper ends of the 95 % interval of a share of ``n`` samples (Wilson, JASA 1927); NaN where n is 0."""
    z2 = normal.ppf(0.975) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return np.maximum(centre - half, 0), np.minimum(centre + half, 1)


def lift(active: int, n: int, other_active: int, n_others: int) -> Estimate:
    """P(active | one part of the samples) / P(active), of ``n`` samples in the part and ``n_others`` outside.

    With w the part's share of the samples, it is 1 / (w + (1 − w) r), r the ratio of the shares outside and inside, and
    its interval follows from that of r: the method of variance estimates recovery from Wilson's intervals of the two
    (Donner, Zou, *Closed-form confidence intervals for functions of the normal mean and standard deviation*, Stat.
    Methods Med. Res. 2012), which holds where one of them is 0. It is that of other samples with the same class
    frequencies: w is taken as given. NaN where nothing is active inside.

    >>> lift(50, 100, 0, 100)
    Estimate(value=2.0, low=1.85..., high=2.0)
    """
    if not active:
        return UNKNOWN
    if not n_others:
        return Estimate(1.0, 1.0, 1.0)
    shares = np.array([other_active / n_others, active / n])
    (low0, low1), (high0, high1) = wilson_interval(shares, np.array([n_others, n]))
    p0, p1 = shares
    highest = (p0 * p1 + _root(p0 * p1, high0 * low1 * (2 * p0 - high0) * (2 * p1 - low1))) / (low1 * (2 * p1 - low1))
    steep = high1 * (2 * p1 - high1)  # not above 0: so few samples that the ratio has no lower end
    lowest = (p0 * p1 - _root(p0 * p1, low0 * high1 * (2 * p0 - low0) * (2 * p1 - high1))) / steep if steep > 0 else 0.0
    share = n / (n + n_others)
    value, low, high = (1 / (share + (1 - share) * ratio) for ratio in (p0 / p1, highest, max(lowest, 0.0)))
    return Estimate(float(value), float(low), float(high))


def mean_interval(values: Float[np.ndarray, " sample"]) -> Estimate:
    """The mean of the values that are known, with Student's interval; its ends are NaN for fewer than five."""
    known = values[np.isfinite(values)]
    if not len(known):
        return UNKNOWN
    mean = float(known.mean())
    if len(known) < _FEWEST:
        return Estimate(mean, float("nan"), float("nan"))
    half = float(student.ppf(0.975, len(known) - 1) * known.std(ddof=1) / len(known) ** 0.5)
    return Estimate(mean, mean - half, mean + half)


def bounded_mean_interval(values: Float[np.ndarray, " sample"]) -> Estimate:
    """The mean of values in −1 … 1, most of them perhaps 0, with an interval that rare large ones do not escape.

    The parts above and below 0 each have Wilson's interval, as if they were shares: of all values in 0 … 1 with one
    mean, those that are 0 or 1 vary most. So it errs on the wide side. NaN without values.
    """
    if not len(values):
        return UNKNOWN
    parts = []
    for part in (np.maximum(values, 0), np.maximum(-values, 0)):
        share, n = np.clip(part.mean(keepdims=True), 0, 1), np.array([len(part)])
        low, high = wilson_interval(share, n)
        parts.append(Estimate(float(share[0]), float(low[0]), float(high[0])))
    return difference(*parts)


def difference(a: Estimate, b: Estimate) -> Estimate:
    """The difference of independent estimates, its interval recovered from theirs (Zou, Donner, Stat. Med. 2008)."""
    value = a.value - b.value
    down, up = ((x - y) ** 2 for x, y in ((a.value, a.low), (a.high, a.value)))
    other_down, other_up = ((x - y) ** 2 for x, y in ((b.high, b.value), (b.value, b.low)))
    return Estimate(value, value - (down + other_down) ** 0.5, value + (up + other_up) ** 0.5)


def _root(product: float, subtrahend: float) -> float:
    return float(np.sqrt(max(product**2 - subtrahend, 0.0)))
