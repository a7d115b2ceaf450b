"""Directions of a block against a known answer, the laws of a rotation and of ranks, scikit-learn, and chance."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ortho_group, rankdata
from sklearn.linear_model import LinearRegression

from cospike.associations import MIN_SAMPLES, associate
from cospike.codes import Codes
from cospike.directions import block_directions

W = np.array([0.6, 0.0, -0.8, 0.0])
SIZES = (300, 351, 400, 449, 500)  # of five classes
R = 0.8  # Pearson's correlation of the attribute with the direction


def draw(seed, n_classes, per_class, n_latents=4):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), per_class)
    return rng, rng.normal(size=(len(labels), n_latents)), labels


@pytest.fixture(scope="module")
def block():
    """Five classes, whose attribute and latents differ in their means, and the attribute as W·z and noise."""
    rng, z, _ = draw(0, 5, 400)
    labels = np.repeat(np.arange(5), SIZES)
    attribute = R * z @ W + np.sqrt(1 - R**2) * rng.normal(size=len(z)) + 10 * labels
    return z + 3 * rng.normal(size=(5, 4))[labels], labels, attribute


def only(z, labels, attribute, **options):
    (found,) = block_directions(Codes.from_values(z, labels), {"size": attribute}, **options)
    return found


def test_it_finds_the_direction_and_how_well_it_tells(block):
    found = only(*block)
    np.testing.assert_allclose(found.weights, W, atol=0.05)
    assert np.linalg.norm(found.weights) == pytest.approx(1)
    spearman = 6 / np.pi * np.arcsin(R / 2)  # of two Gaussian variables with Pearson's R
    assert found.rho.low < spearman < found.rho.high
    assert found.rho.value == pytest.approx(spearman, abs=0.02)
    assert np.average(found.rho_by_class, weights=SIZES) == pytest.approx(found.rho.value)
    assert (found.n_classes, found.n_judged, found.latents) == (5, 5, (0, 1, 2, 3))
    assert list(found.parts) == [2, 0]


def test_a_turned_block_has_the_same_rho_and_turned_weights(block):
    z, labels, attribute = block
    turn = ortho_group.rvs(4, random_state=1)
    found, turned = only(z, labels, attribute), only(z @ turn, labels, attribute)
    np.testing.assert_allclose(turned.weights, turn.T @ found.weights, atol=1e-9)
    np.testing.assert_allclose(turned.rho, found.rho, atol=1e-9)
    np.testing.assert_allclose(turned.rho_by_class, found.rho_by_class, atol=1e-9)
    assert abs(turned.best_latent_rho) != pytest.approx(abs(found.best_latent_rho), abs=0.01)  # a convention


def test_the_fit_is_scikit_learns_with_an_intercept_for_each_class(block):
    z, labels, attribute = block
    ranks = np.concatenate([rankdata(attribute[labels == label]) / SIZES[label] for label in range(5)])
    slopes = LinearRegression(fit_intercept=False).fit(np.hstack([z, np.eye(5)[labels]]), ranks).coef_[:4]
    np.testing.assert_allclose(only(*block).weights, slopes / np.linalg.norm(slopes), atol=1e-9)


def test_nothing_is_found_where_there_is_nothing():
    """Eight latents and 80 samples suit anything, but not the other half: the mean is 0, the intervals hold."""
    values, margins, covered, flattered = [], [], 0, []
    for seed in range(200):
        rng, z, labels = draw(seed, 2, 40, 8)
        attribute = rng.normal(size=80)
        found = only(z, labels, attribute)
        values.append(found.rho.value)
        margins.append((found.rho.high - found.rho.low) / 2)
        covered += found.rho.low <= 0 <= found.rho.high
        flattered.append(np.corrcoef(rankdata(z @ found.weights), rankdata(attribute))[0, 1])
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(200)
    assert covered >= 180  # of 200, each with probability .95 (binomial, 2e-3)
    assert np.mean(margins) == pytest.approx(1.96 * np.std(values), rel=0.25)  # no wider than they need be
    assert np.mean(flattered) > 0.2


def test_differences_between_classes_do_not_count(block):
    z, labels, attribute = block
    found, moved = only(*block), only(z + 7.0 * labels[:, None], labels, attribute - 50 * labels)
    np.testing.assert_allclose(moved.weights, found.weights, atol=1e-9)
    np.testing.assert_allclose(moved.rho, found.rho, atol=1e-9)
    between = only(z + 7.0 * labels[:, None], labels, labels + 1e-3 * np.random.default_rng(0).normal(size=len(z)))
    assert between.rho.low < 0 < between.rho.high


def test_only_the_order_of_an_attribute_counts(block):
    z, labels, attribute = block
    assert only(z, labels, np.exp(attribute / 10)) == only(z, labels, attribute)


def test_a_class_in_which_it_runs_the_other_way_is_none_in_which_it_is_strong():
    _, z, labels = draw(3, 4, 100)
    found = only(z, labels, np.where(labels == 2, -1, 1) * (z @ W))
    assert found.rho_by_class[2] < -0.9
    assert (found.n_classes, found.n_judged) == (3, 4)
    assert found.rho.value == pytest.approx(0.5, abs=0.05)


def test_the_best_latent_is_that_of_the_associations(block):
    z, labels, attribute = block
    found, best = only(*block), associate(Codes.from_values(z, labels), {"size": attribute})[0]
    assert (found.best_latent, found.best_latent_rho) == (best.latent, pytest.approx(best.rho))
    assert found.best_latent_rho == pytest.approx(-6 / np.pi * np.arcsin(R * 0.8 / 2), abs=0.03)


def test_latents_that_say_the_same_share_the_weight(block):
    z, labels, attribute = block
    twice = only(np.hstack([z, z[:, 2:3]]), labels, attribute)
    assert twice.weights[2] == pytest.approx(twice.weights[4])
    np.testing.assert_allclose(twice.rho, only(*block).rho, atol=1e-9)


def test_what_is_not_known_is_left_out_and_costs_the_rest_nothing(block):
    z, labels, attribute = block
    alone = only(*block)
    gaps = attribute.copy()
    gaps[MIN_SAMPLES - 1 : SIZES[0]] = np.nan  # all but too few of the first class
    still = np.where(labels == 1, 4.0, gaps)
    codes = Codes.from_values(
        np.vstack([z, 9 + np.zeros((30, 4))]), np.append(labels, np.full(30, -1)), class_names="abcdef"
    )
    attributes = {"size": attribute, "gaps": gaps, "still": still, "flat": np.ones(2000), "none": np.full(2000, np.nan)}
    attributes = {name: np.append(values, 5 * np.arange(30)) for name, values in attributes.items()}
    found = {one.attribute: one for one in block_directions(codes, attributes)}
    assert found.keys() == {"size", "gaps", "still"}
    assert replace(found["size"], rho_by_class=alone.rho_by_class) == alone
    assert np.isnan(found["gaps"].rho_by_class).tolist() == [True, False, False, False, False, True]
    assert np.isnan(found["still"].rho_by_class).tolist() == [True, True, False, False, False, True]
    assert found["still"].n_judged == 3
    kept = labels > 1
    trimmed = only(z[kept], labels[kept], attribute[kept])
    np.testing.assert_allclose(found["still"].weights, trimmed.weights, atol=1e-9)
    assert found["still"].rho.value == pytest.approx(trimmed.rho.value, abs=0.02)  # other halves


def test_samples_in_which_a_latent_is_off_are_left_out(block):
    z, labels, attribute = block
    off = np.arange(len(z)) % 200 == 0
    codes = Codes.from_values(z, labels)
    probs = np.where(off[:, None], [0.1, 1, 1, 1], codes.active_probs)
    wild = replace(codes, active_probs=probs, slab_loc=np.where(off[:, None], 1e6, z))
    (found,) = block_directions(wild, {"size": attribute})
    np.testing.assert_allclose(found.weights, W, atol=0.05)
    assert found.best_latent_rho == pytest.approx(only(*block).best_latent_rho, abs=0.02)


def test_without_a_block_there_is_no_direction(block):
    z, labels, attribute = block
    assert block_directions(Codes.from_values(z * [1, 0, 0, 0], labels), {"size": attribute}) == ()
    assert block_directions(Codes.from_values(z, labels), {}) == ()
    assert block_directions(Codes.from_values(z), {"size": attribute}) == ()  # no classes
    assert block_directions(Codes.from_values(np.ones((2000, 3)), labels), {"size": attribute}) == ()  # do not vary
    constant = np.hstack([np.ones((2000, 1)), z])
    assert only(constant, labels, attribute).best_latent == 3


def test_the_strongest_comes_first_and_the_seed_is_that_of_the_halves(block):
    z, labels, attribute = block
    codes, attributes = (
        Codes.from_values(z, labels),
        {"noise": np.random.default_rng(0).random(2000), "size": attribute},
    )
    found = block_directions(codes, attributes)
    assert [one.attribute for one in found] == ["size", "noise"]
    again, other = (block_directions(codes, attributes, seed=seed) for seed in (0, 1))
    assert again == found
    assert other[0].weights == pytest.approx(found[0].weights)
    assert 0 < abs(other[0].rho.value - found[0].rho.value) < 0.01


def test_a_seed_below_zero_is_refused(block):
    with pytest.raises(ValueError, match=r"'seed' of block_directions must be at least 0, got -1\. Leave it out"):
        only(*block, seed=-1)


def test_a_latent_at_its_prior_is_no_part_of_a_direction():
    """Its means vary by a thousandth of its slab: a weight per unit would be all but the whole of the vector."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(1_500, 3))
    values = z[:, 0] + 0.3 * z[:, 1] + 0.2 * rng.normal(size=1_500)
    dead = np.hstack([z[:, :2], 0.003 * z[:, 2:]])
    ones = np.ones_like(z)
    codes = Codes(ones, dead, ones * [0.2, 0.2, 1.0], np.arange(1_500) % 3, ("a", "b", "c"), np.full(3, 0.5))
    (found,) = block_directions(codes, {"size": values})
    assert found.latents == (0, 1)
    assert found.parts[0] == pytest.approx(0.958, abs=0.03)
