"""Intervals against scipy, against resampling, and by how often they cover the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cospike.intervals import lift, mean_interval, wilson_interval


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
    assert np.isnan(mean_interval(np.array([1.0]))[1:]).all()
