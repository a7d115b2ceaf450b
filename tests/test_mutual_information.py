"""The table of information against scikit-learn, closed forms, and loops over rows."""

from itertools import product
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy
from sklearn.metrics import mutual_info_score

from cospike._errors import InputError
from cospike.mutual_information import estimate_information, factor_symbols, latent_symbols, which_discrete


def sparse_codes(rng, n=200, latents=5):
    """Latents of which the first is always off, the last never, and which lie ever farther from 0."""
    return rng.normal(np.arange(latents), size=(n, latents)) * (rng.random((n, latents)) < np.linspace(0, 1, latents))


def cut(column, bins):
    """Equal-width bins by NumPy's histogram edges, of what is not 0."""
    symbols, active = np.zeros(len(column), dtype=int), column != 0
    if active.any():
        edges = np.histogram_bin_edges(column[active], bins)
        symbols[active] = 1 + np.clip(np.searchsorted(edges, column[active], side="right") - 1, 0, bins - 1)
    return symbols


@pytest.mark.parametrize("seed", range(4))
def test_information_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    codes = sparse_codes(rng)
    factors = np.column_stack([rng.integers(4, size=200), codes[:, 4] + rng.normal(size=200), rng.random(200)])
    found = estimate_information(codes, factors, bins=7)
    symbols = [factors[:, 0], cut(factors[:, 1], 7), cut(factors[:, 2], 7)]
    for i, k in product(range(5), range(3)):
        assert found.mutual[i, k] == pytest.approx(mutual_info_score(cut(codes[:, i], 7), symbols[k]), abs=1e-12)
    expected = [entropy(np.unique(column, return_counts=True)[1]) for column in symbols]
    assert found.entropy == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_an_exact_zero_is_a_symbol_of_its_own(seed):
    codes = sparse_codes(np.random.default_rng(seed))
    found = latent_symbols(codes, 6)
    assert ((found == 0) == (codes == 0)).all()
    assert (found == np.column_stack([cut(column, 6) for column in codes.T])).all()
    assert set(np.unique(found[:, 4])) == set(range(1, 7))


def test_the_support_alone_tells_what_it_tells():
    labels = np.arange(1000) % 10
    codes = np.where(labels == 0, np.random.default_rng(0).uniform(-1, 1, 1000), 0)[:, None]
    share = np.array([0.1, 0.9])
    assert estimate_information(codes, (labels == 0)[:, None]).mutual[0, 0] == pytest.approx(entropy(share))


def test_of_two_gaussians_it_nears_the_closed_form():
    rng, rho = np.random.default_rng(0), 0.8
    x, noise = rng.normal(size=(2, 100_000))
    found = estimate_information(x[:, None], (rho * x + np.sqrt(1 - rho**2) * noise)[:, None], bins=40)
    assert found.mutual[0, 0] == pytest.approx(-log(1 - rho**2) / 2, abs=0.02)


def test_of_independent_symbols_it_is_too_high_by_the_known_bias():
    rng = np.random.default_rng(1)
    codes, factors = rng.integers(1, 9, (1000, 40)).astype(float), rng.integers(6, size=(1000, 10))
    found = estimate_information(codes, factors).mutual
    assert found.mean() == pytest.approx((8 - 1) * (6 - 1) / (2 * 1000), rel=0.05)


def test_rows_in_which_a_factor_does_not_act_do_not_count_for_it():
    rng = np.random.default_rng(2)
    codes, labels = rng.integers(1, 5, (400, 3)).astype(float), rng.integers(3, size=400)
    gaps = rng.random(400) < 0.4
    both = np.column_stack([np.where(gaps, np.nan, labels), labels])
    found, rest = estimate_information(codes, both), estimate_information(codes[~gaps], labels[~gaps, None])
    assert found.mutual[:, 0] == pytest.approx(rest.mutual[:, 0])
    assert found.entropy[0] == pytest.approx(rest.entropy[0])
    assert found.mutual[:, 1] == pytest.approx(estimate_information(codes, labels[:, None]).mutual[:, 0])
    assert (factor_symbols(both[:, 0], 5, is_discrete=True) == np.where(gaps, -1, labels)).all()


def test_what_is_constant_tells_nothing_and_has_no_gap():
    rng = np.random.default_rng(3)
    codes = np.column_stack([np.zeros(90), np.full(90, 0.1), rng.normal(size=90)])
    factors = np.column_stack([rng.integers(3, size=90), np.full(90, 7.0), np.full(90, np.nan)])
    found = estimate_information(codes, factors)
    assert (found.mutual[:2] == 0).all()
    assert found.entropy[1:].tolist() == [0, 0]
    assert np.isnan(found.gap()).tolist() == [False, True, True]
    assert found.idle.tolist() == [True, True, False]
    assert np.isnan(found.modularity()).all(), "one factor varies"
    assert np.isnan(found.compactness_ratio()).all(), "one latent varies"


def test_rounding_is_not_information():
    for n in range(3, 100):
        rng = np.random.default_rng(n)
        codes = np.column_stack([np.zeros(n), rng.normal(size=n)])
        assert estimate_information(codes, rng.integers(4, size=(n, 1))).mutual[0, 0] == 0


def test_a_latent_of_small_range_is_idle():
    codes = np.random.default_rng(4).uniform(-1, 1, (100, 3)) * [1, 0.06, 0.04]
    assert estimate_information(codes, np.arange(100)[:, None] % 3).idle.tolist() == [False, False, True]


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_order_sign_scale_names_and_copies_of_the_rows_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    codes, factors = sparse_codes(rng), rng.integers(4, size=(200, 3))
    order, names = rng.permutation(5), rng.permutation(4)
    scale = rng.uniform(0.5, 2, 5) * rng.choice([-1, 1], 5)
    rows = rng.permutation(np.tile(np.arange(200), 2))
    one = estimate_information(codes, factors)
    two = estimate_information((codes * scale)[rows][:, order], names[factors][rows])
    assert two.mutual == pytest.approx(one.mutual[order], abs=1e-9)
    assert two.entropy == pytest.approx(one.entropy)
    assert (one.mutual <= np.minimum(one.entropy, np.log(21)) + 1e-9).all()


def test_integers_and_few_values_are_discrete():
    rng = np.random.default_rng(5)
    floats = np.column_stack([rng.normal(size=60), rng.integers(20, size=60), rng.integers(60, size=60)])
    floats[0, 1] = np.nan
    assert which_discrete(floats, of="f").tolist() == [False, True, False]
    assert which_discrete(rng.integers(60, size=(60, 2)), of="f").tolist() == [True, True]
    assert which_discrete(floats, discrete=[True, False, True], of="f").tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("codes", "factors", "options", "message"),
    [
        (np.zeros((0, 2)), np.zeros((0, 1)), {}, r"'codes' of estimate_information must be finite"),
        (np.full((3, 2), np.nan), np.zeros((3, 1)), {}, r"'codes' of estimate_information must be finite"),
        (np.zeros((3, 2)), np.zeros((4, 1)), {}, r"\[sample, factor\] with the 3 rows of codes, got \(4, 1\)"),
        (np.zeros((3, 2)), np.zeros((3, 0)), {}, r"Give one column a factor"),
        (np.zeros((3, 2)), np.full((3, 1), np.inf), {}, r"or NaN where one does not act, got infinity"),
        (np.zeros((3, 2)), np.zeros((3, 1)), {"bins": 1}, r"'bins' of estimate_information must be at least 2, got 1"),
        (np.zeros((3, 2)), np.zeros((3, 1)), {"discrete": [True, False]}, r"each of the 1 factors, got 2"),
    ],
)
def test_misuse(codes, factors, options, message, unchecked):
    with pytest.raises(InputError, match=message):
        estimate_information(codes, factors, **options)
