"""Intervals against scipy, against resampling, and by how often they cover the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cospike.intervals import Estimate, bounded_mean_interval, difference, lift, mean_interval, wilson_interval


@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (3, 10), (980, 1000)])
def test_intervals_of_shares_are_scipys(k, n):
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    low, high = wilson_interval(np.array([k / n]), np.array([n]))
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high))
    assert np.isnan(wilson_interval(np.array([np.nan]), np.array([0]))).all()


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_intervals_of_shares_cover_at_their_rate(share):
    """Exactly, summed over the binomial distribution; Wilson's is 95 % on average over shares, not at each."""
    rates = []
    for p in np.linspace(0.8 * share, min(1.2 * share, 0.98), 40):
        k = np.arange(201)
        low, high = wilson_interval(k / 200, np.full(201, 200))
        rates.append(stats.binom.pmf(k, 200, p)[(low <= p) & (p <= high)].sum())
    assert np.mean(rates) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(("inside", "outside"), [(0.9, 0.05), (0.6, 0.3), (0.97, 0.002), (0.5, 0.5)])
def test_intervals_of_lift_cover_at_their_rate(inside, outside):
    n, n_others, draws = 150, 850, 4000
    rng = np.random.default_rng(0)
    truth = inside / ((n * inside + n_others * outside) / (n + n_others))
    found = [
        lift(int(a), n, int(b), n_others)
        for a, b in zip(rng.binomial(n, inside, draws), rng.binomial(n_others, outside, draws), strict=True)
    ]
    assert np.mean([low <= truth <= high for _, low, high in found]) == pytest.approx(0.95, abs=0.025)


@given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_a_lift_lies_in_its_interval_and_that_between_the_ends_of_the_scale(active, idle, other_active, other_idle):
    n, n_others = active + idle, other_active + other_idle
    value, low, high = lift(active, n, other_active, n_others)
    assert value == pytest.approx((active / n) / ((active + other_active) / (n + n_others)))
    assert -1e-9 <= low - 1e-9 <= value <= high + 1e-9 <= (n + n_others) / n + 2e-9


def test_without_anything_active_or_anything_outside_the_lift_says_so():
    assert np.isnan(lift(0, 5, 3, 5)).all()
    assert lift(3, 5, 0, 0) == (1.0, 1.0, 1.0)


def test_means_have_students_interval():
    values = np.random.default_rng(0).normal(2.0, 1.0, 12)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval()
    assert mean_interval(np.append(values, np.nan)) == pytest.approx((values.mean(), expected.low, expected.high))
    assert np.isnan(mean_interval(np.array([np.nan]))).all()
    assert np.isnan(mean_interval(np.ones(4))[1:]).all()  # four that agree decide nothing


@pytest.mark.parametrize(("n", "rare", "size"), [(50, 0.02, 1.0), (36, 0.05, 0.9), (50, 0.4, 0.7), (50, 0.05, -1.0)])
def test_bounded_means_are_covered_also_where_large_values_are_rare(n, rare, size):
    """Student's interval covers 63 % of the first."""
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(1000):
        low, high = bounded_mean_interval(size * (rng.random(n) < rare))[1:]
        hits.append(low <= size * rare <= high)
    assert np.mean(hits) >= 0.93


def test_a_difference_is_zous_and_for_means_of_one_spread_the_root_of_squares():
    a, b = Estimate(3.0, 2.0, 5.0), Estimate(1.0, 0.5, 2.0)
    assert difference(a, b) == pytest.approx((2.0, 2 - 2**0.5, 2 + (4 + 0.25) ** 0.5))
    rng = np.random.default_rng(0)
    draws = rng.normal(1.0, 1.0, (2000, 30)), rng.normal(0.0, 3.0, (2000, 40))
    hits = [
        low <= 1.0 <= high
        for one, other in zip(*draws, strict=True)
        for _, low, high in [difference(mean_interval(one), mean_interval(other))]
    ]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.015)
