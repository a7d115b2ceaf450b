"""Means, intervals and frontiers against scipy.stats and families whose difference is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cospike.benchmark.aggregate import compare_frontiers, mean_interval

finite = st.floats(-1e3, 1e3).map(lambda value: round(value, 3))


@given(st.lists(finite, min_size=2, max_size=8).filter(lambda values: np.ptp(values) > 0.01))
def test_the_interval_is_that_of_scipys_t_test(values):
    interval = mean_interval(values)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert interval.mean == pytest.approx(np.mean(values))
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert interval.n == len(values)


def test_of_one_seed_there_is_no_interval():
    interval = mean_interval([2.5])
    assert interval.mean == 2.5
    assert np.isnan([interval.low, interval.high, interval.half]).all()


def family(slope, height, costs, seeds=5, *, noise=0.0, seed=0):
    """Settings on a line, the same for every seed but for a height of its own."""
    own = noise * np.random.default_rng(seed).normal(size=seeds)
    cost = np.tile(np.array(costs, dtype=float)[:, None], (1, seeds))
    return cost, height + slope * cost + own


def test_the_difference_of_two_lines_is_found_at_every_level():
    a, b = family(0.01, 0.0, (100, 110, 130)), family(0.02, 0.5, (105, 140))
    comparison = compare_frontiers(*a, *b)
    assert comparison.levels == pytest.approx((105, 111.25, 117.5, 123.75, 130))
    expected = [0.5 + 0.01 * level for level in comparison.levels]
    assert [one.mean for one in comparison.differences] == pytest.approx(expected)
    assert np.subtract(comparison.b, comparison.a) == pytest.approx(expected)
    assert all(one.half == pytest.approx(0) for one in comparison.differences)  # every seed says the same
    assert comparison.verdict == "overlap"


def test_the_order_of_settings_is_that_of_their_cost():
    a, b = family(0.01, 0.0, (100, 130)), family(0.02, 0.5, (100, 115, 130))
    turned = tuple(part[[2, 0, 1]] for part in b)
    assert compare_frontiers(*a, *turned) == compare_frontiers(*a, *b)


def test_seeds_are_drawn_for_both_families_together():
    """What a seed adds to both families leaves the difference certain; what it adds to one does not."""
    a, b = (family(0.0, height, (100, 120), noise=1.0) for height in (0.0, 0.4))
    assert all(one.half < 1e-9 for one in compare_frontiers(*a, *b).differences)
    other = family(0.0, 0.4, (100, 120), noise=1.0, seed=1)
    assert all(one.half > 0.1 for one in compare_frontiers(*a, *other).differences)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_of_a_difference_is_that_of_scipys_paired_t_test(seeds):
    a, b = family(0.0, 0.0, (100, 120), seeds, noise=1.0), family(0.0, 0.4, (100, 120), seeds, noise=1.0, seed=1)
    expected = stats.ttest_rel(b[1][0], a[1][0]).confidence_interval(0.95)
    for one in compare_frontiers(*a, *b).differences:
        assert (one.low, one.high) == pytest.approx((expected.low, expected.high))
        assert one.n == seeds


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_of_a_difference_covers_it_as_often_as_it_says(seeds):
    b, n = family(0.0, 0.4, (100, 120), seeds), 500
    hits = 0
    for seed in range(n):
        (one, *_) = compare_frontiers(*family(0.0, 0.0, (100, 120), seeds, noise=1.0, seed=seed), *b).differences
        hits += one.low <= 0.4 <= one.high
    assert hits / n == pytest.approx(0.95, abs=0.03)  # three standard errors


prices = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=6)


@given(prices, prices, st.data())
def test_a_dominated_setting_changes_nothing(a, b, data):
    """Dearer than a setting and no higher, but no dearer than all."""
    sides = [np.array(side, dtype=float).T[..., None] for side in (a, b)]
    (cost_a, height_a), (cost_b, height_b) = sides
    better = data.draw(st.integers(0, len(b) - 1))
    cost = data.draw(st.floats(cost_b[better, 0], cost_b.max()))
    height = data.draw(st.floats(-5, height_b[better, 0]))
    more = np.vstack([cost_b, [[cost]]]), np.vstack([height_b, [[height]]])
    before, after = (compare_frontiers(cost_a, height_a, *side) for side in ((cost_b, height_b), more))
    assert (after.levels, after.a) == (before.levels, before.a)
    assert after.b == pytest.approx(before.b)


def test_a_frontier_joins_what_no_cheaper_setting_reaches():
    cost, height = np.array([[120.0], [100], [110], [110], [130]]), np.array([[0.5], [0.2], [0.1], [0.0], [0.4]])
    flat = family(0.0, 0.0, (100, 130), 1)
    comparison = compare_frontiers(*flat, cost, height, n_levels=4)
    assert comparison.levels == pytest.approx((100, 110, 120, 130))
    assert comparison.b == pytest.approx((0.2, 0.35, 0.5, 0.5))


@pytest.mark.parametrize(
    ("cost", "height", "verdict"),
    [((200, 210), 0.9, "a"), ((50, 60), 0.9, "neither"), ((50, 60), 2.0, "b"), ((200, 210), 2.0, "neither")],
)
def test_without_an_overlap_it_says_which_family_dominates(cost, height, verdict):
    a, b = family(0.0, 1.0, (100, 110)), family(0.0, height, cost)
    comparison = compare_frontiers(*a, *b)
    assert comparison.verdict == verdict
    assert comparison.levels == comparison.differences == ()


def test_the_overlap_is_that_of_every_seed():
    (cost, height), b = family(0.01, 0.0, (100, 130), 2), family(0.02, 0.5, (90, 140), 2)
    cost = cost + np.array([[0.0, 10.0], [0.0, 10.0]])  # from 110 with the second seed, to 130 with the first
    assert compare_frontiers(cost, height, *b).levels[::4] == pytest.approx((110, 130))
    one_seed = compare_frontiers(cost[:, :1], height[:, :1], b[0][:, :1], b[1][:, :1])
    assert np.isnan([one.low for one in one_seed.differences]).all()


@given(st.lists(finite, min_size=1, max_size=5))
def test_what_is_shown_of_two_seeds_are_both_and_of_others_the_interval(values):
    interval = mean_interval(values)
    expected = (min(values), max(values)) if len(values) == 2 else (interval.low, interval.high)
    assert interval.shown == pytest.approx(expected, nan_ok=True)
