"""Held-out predictions against closed forms, other implementations, and codes that tell nothing."""

from itertools import combinations
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import entr
from sklearn.metrics import roc_auc_score

from cospike.readouts import concordance, read_by_forest, read_linearly


def channel(n=8000, error=0.1, seed=0):
    """A bit, and a copy of it that is wrong with the given probability."""
    rng = np.random.default_rng(seed)
    bit = rng.integers(2, size=n)
    return np.where(rng.random(n) < error, 1 - bit, bit)[:, None].astype(float), bit[:, None]


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(2, 30))
def test_concordance_is_that_of_all_pairs_ties_a_half(seed, n_values, n):
    rng = np.random.default_rng(seed)
    told, truth = rng.integers(n_values, size=(2, n)).astype(float)
    pairs = [(a, b) for a, b in combinations(range(n), 2) if truth[a] != truth[b]]
    wins = [0.5 if told[a] == told[b] else (told[a] < told[b]) == (truth[a] < truth[b]) for a, b in pairs]
    assert concordance(told, truth) == pytest.approx(np.mean(wins) if wins else 0.5)


@pytest.mark.parametrize("seed", range(3))
def test_concordance_with_two_values_is_the_area_under_the_roc(seed):
    rng = np.random.default_rng(seed)
    truth = rng.random(500) < 0.2
    told = (truth + rng.normal(size=500)).round(1)
    assert concordance(told, truth.astype(float)) == pytest.approx(roc_auc_score(truth, told))


def test_a_noisy_bit_is_explained_as_far_as_its_channel_goes():
    codes, bit = channel()
    linear, forest = read_linearly(codes, bit), read_by_forest(codes, bit)
    assert linear.explained[0] == pytest.approx(1 - entr([0.1, 0.9]).sum() / log(2), abs=0.03)
    assert linear.concordance[0] == pytest.approx(0.9, abs=0.01)
    assert forest.explained[0] == pytest.approx(1 - 0.1 / 0.5, abs=0.03)


def test_a_noisy_value_is_explained_as_far_as_its_noise_allows():
    rng = np.random.default_rng(0)
    value = rng.uniform(-1, 1, 8000)
    codes = np.column_stack([value + rng.normal(0, 0.5, 8000), rng.normal(size=8000)])
    linear = read_linearly(codes, value[:, None])
    spread = 1 / 3
    assert linear.explained[0] == pytest.approx(spread / (spread + 0.25), abs=0.02)
    forest = read_by_forest(codes, value[:, None])
    assert forest.explained[0] == pytest.approx(linear.explained[0], abs=0.08)
    assert forest.importance[0, 0] > 0.9


def test_what_is_fitted_to_noise_is_not_credited():
    rng = np.random.default_rng(1)
    codes = rng.normal(size=(120, 40))
    factors = np.column_stack([rng.normal(size=(120, 4)), rng.integers(3, size=(120, 4))])
    kinds = [False] * 4 + [True] * 4
    assert read_linearly(codes, factors, discrete=kinds).explained.mean() < 0.02, "on the rows of the fit nearly 1"
    assert read_by_forest(codes, factors, discrete=kinds).explained.mean() < 0.05
    assert read_linearly(codes, factors, discrete=kinds).concordance.mean() == pytest.approx(0.5, abs=0.06)


def test_a_forest_shares_the_importance_of_copies_and_sees_what_is_not_linear():
    rng = np.random.default_rng(2)
    value = rng.uniform(-1, 1, 3000)
    codes = np.column_stack([value, value + rng.normal(0, 0.05, 3000), rng.normal(size=(3000, 2))])
    importance = read_by_forest(codes, (value**2)[:, None]).importance[:, 0]
    assert importance.sum() == pytest.approx(1)
    assert importance[:2].sum() > 0.9
    assert importance[:2].min() > 0.2
    assert read_by_forest(codes, (value**2)[:, None]).explained[0] > 0.9
    assert read_linearly(codes, (value**2)[:, None]).explained[0] < 0.05


def test_a_value_of_one_row_is_left_out_and_others_are_in_both_halves():
    codes = np.repeat(np.eye(3), 2, axis=0)
    rare = np.array([0, 0, 1, 1, 2, 2])[:, None]
    assert read_linearly(codes, rare).concordance.tolist() == [1]
    codes, rare = np.vstack([codes, np.ones((1, 3))]), np.vstack([rare, [[3]]])
    assert read_linearly(codes, rare).concordance.tolist() == [1]
    assert read_by_forest(codes, rare).importance.shape == (3, 1)


def test_what_does_not_vary_is_undefined():
    codes = np.random.default_rng(3).normal(size=(20, 2))
    factors = np.column_stack([np.full(20, 3.0), np.full(20, np.nan), np.eye(20)[0], np.arange(20.0)])
    kinds = [True, True, True, False]
    for readout in (read_linearly(codes, factors, discrete=kinds), read_by_forest(codes, factors, discrete=kinds)):
        assert np.isnan(readout.explained).tolist() == [True, True, True, False]
    assert np.isnan(read_by_forest(codes, factors, discrete=kinds).importance).all(axis=0).tolist() == [
        True,
        True,
        True,
        False,
    ]


def test_the_seed_decides():
    rng = np.random.default_rng(4)
    codes, factors = rng.normal(size=(200, 5)), rng.normal(size=(200, 2))
    for read in (read_linearly, read_by_forest):
        one, same, other = (read(codes, factors + codes[:, :2], seed=seed).explained for seed in (0, 0, 1))
        assert (one == same).all()
        assert (one != other).all()
