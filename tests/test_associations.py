"""Associations against scipy's correlation, and on causes that act in some classes."""

import numpy as np
import pytest
from scipy import stats

from cospike.associations import MIN_SAMPLES, associate
from cospike.codes import Codes


@pytest.fixture(scope="module")
def coded():
    """Latent 0 tells size in all three classes, latent 1 the slant of class 2 alone, latent 2 only the class."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 200)
    size, slant = rng.normal(size=(2, 600))
    size += labels  # differs between classes too
    z = np.stack([np.exp(size) + 0.1 * rng.normal(size=600), slant, labels + 0.1 * rng.normal(size=600) + 1], axis=1)
    z[:, 1] = np.where(labels == 2, -slant + 0.3 * rng.normal(size=600), 0)
    return Codes.from_values(z, labels), {"size": size, "slant": slant}


def test_it_is_scipys_correlation_within_each_class(coded):
    codes, attributes = coded
    found = {(one.latent, one.attribute): one for one in associate(codes, attributes)}
    for (latent, name), one in found.items():
        for label, rho in enumerate(one.rho_by_class):
            rows = (codes.labels == label) & codes.active()[:, latent]
            if rows.any():
                assert rho == pytest.approx(stats.spearmanr(codes.slab_loc[rows, latent], attributes[name][rows])[0])
            else:
                assert np.isnan(rho)
                assert not one.significant_by_class[label]


def test_a_global_a_class_specific_and_a_tempting_latent(coded):
    codes, attributes = coded
    found = {(one.latent, one.attribute): one for one in associate(codes, attributes)}
    assert found[0, "size"].rho > 0.95
    assert found[0, "size"].n_classes == 3
    assert found[1, "slant"].rho < -0.9
    assert found[1, "slant"].n_classes == 1
    assert found[1, "slant"].significant_by_class == (False, False, True)
    # Over all samples the last latent goes with size, as both go with the class; within a class it does not.
    assert stats.spearmanr(codes.slab_loc[:, 2], attributes["size"])[0] > 0.5
    assert abs(found[2, "size"].rho) < 0.15
    assert found[2, "size"].n_classes == 0
    assert [(one.latent, one.attribute) for one in associate(codes, attributes)][:2] == [(0, "size"), (1, "slant")]


@pytest.mark.slow
def test_false_discoveries_are_held_over_all_pairs():
    """Forty latents and ten attributes that have nothing to do with each other: any verdict at all is rare."""
    rng = np.random.default_rng(1)
    some = 0
    for _ in range(20):
        codes = Codes.from_values(rng.normal(size=(120, 40)), np.repeat([0, 1], 60))
        found = associate(codes, {str(k): rng.normal(size=120) for k in range(10)})
        some += any(any(one.significant_by_class) for one in found)
    assert some <= 4  # of 20, each with probability .05 (binomial, 3e-3)


def test_what_cannot_be_compared_is_left_out():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(100, 2))
    z[MIN_SAMPLES - 1 :, 0] = 0  # too few in which it is active
    codes = Codes.from_values(z, np.zeros(100, dtype=int))
    gaps = np.where(np.arange(100) < 90, np.nan, 1.0)
    found = associate(codes, {"gaps": gaps, "flat": np.ones(100), "noise": rng.normal(size=100)})
    assert [(one.latent, one.attribute) for one in found] == [(1, "noise")]
    assert associate(codes, {}) == ()


def test_attributes_of_other_samples_are_refused(coded):
    with pytest.raises(
        ValueError, match=r"for each of the 600 samples of codes, got float64 of shape \(5,\) for 'size'"
    ):
        associate(coded[0], {"size": np.zeros(5)})
    with pytest.raises(ValueError, match=r"must be a number .*got <U5 of shape \(600,\) for 'word'"):
        associate(coded[0], {"word": np.full(600, "thick")})


def test_gaps_of_one_attribute_cost_the_others_nothing(coded):
    codes, attributes = coded
    gaps = np.where(np.arange(600) % 3, attributes["size"], np.nan)
    found = {(one.latent, one.attribute): one for one in associate(codes, attributes | {"gaps": gaps})}
    alone = {(one.latent, one.attribute): one for one in associate(codes, attributes)}
    assert found[0, "size"].rho_by_class == alone[0, "size"].rho_by_class
    rows = (codes.labels == 1) & np.isfinite(gaps)
    assert found[0, "gaps"].rho_by_class[1] == pytest.approx(stats.spearmanr(codes.slab_loc[rows, 0], gaps[rows])[0])
