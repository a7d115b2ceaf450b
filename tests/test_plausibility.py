"""What is inside the data and what is off it, where both are known; and how many new codes the mark leaves inside."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cospike.codes import Codes
from cospike.plausibility import Pattern, Plausibility

RATES = np.array([[0.98, 0.9, 0.05, 0.5, 0.0], [0.98, 0.05, 0.9, 0.5, 0.0]])  # always on, two own latents, a coin, dead
MEANS = np.array([[1.0, 3.0, 2.0, -1.0, 1.0], [-1.0, 2.0, -3.0, -1.0, 1.0]])


def draw(rng, n, rates=RATES):
    labels = rng.integers(2, size=n)
    values = rng.normal(MEANS[labels], 0.3)
    return np.where(rng.random(values.shape) < rates[labels], values, 0.0), labels


def fit(rng, n, rates=RATES, **settings_):
    return Plausibility.fit(Codes.from_values(*draw(rng, n, rates)), **settings_)


@pytest.fixture(scope="module")
def data():
    return fit(np.random.default_rng(1), 4000)


# --- how many are inside


@pytest.mark.parametrize(("n", "coverage"), [(40, 0.99), (120, 0.99), (400, 0.99), (400, 0.9)])
@pytest.mark.parametrize(("rates", "excess"), [(np.round(RATES), 0.003), (RATES, 0.01)], ids=["no ties", "ties"])
def test_new_codes_are_inside_as_often_as_was_asked(n, coverage, rates, excess):
    """Never less often; a little more, where spikes make many codes equally surprising and so tie at the limit."""
    n_fits, rng = 150, np.random.default_rng(0)
    inside = [fit(rng, n, rates, coverage=coverage).inside(draw(rng, 1000, rates)[0]).mean() for _ in range(n_fits)]
    expected = min(np.ceil(coverage * (n + 1)), n) / (n + 1)  # of fewer than 99 samples, the limit is the last
    noise = 3 * np.std(inside) / n_fits**0.5
    assert expected - noise <= np.mean(inside) <= expected + excess + noise


def test_thousands_of_samples_leave_99_of_100_inside(data):
    new, _ = draw(np.random.default_rng(2), 20_000)
    assert 0.985 <= data.inside(new).mean() <= 0.997  # the limit itself varies by .0016, and ties add


# --- what is inside


def test_known_points_are_on_their_side(data):
    typical = np.where(np.arange(5) < 3, MEANS * (RATES > 0.5), 0.0)
    assert data.inside(typical).all()

    def share(change):
        changed = typical.copy()
        change(changed)
        return data.inside(changed).tolist()

    def set_(latent, value):
        return lambda codes: codes.__setitem__((slice(None), latent), value)

    assert share(set_(0, [1.3, -1.3])) == [True, True]  # another value that the class shows
    assert share(set_(3, -1.0)) == [True, True]  # a latent that may be on or off
    assert share(set_(0, 0.0)) == [True, True], "an always-on latent that is off in one sample of fifty"
    assert share(set_(0, [2.5, -2.5])) == [False, False]  # five standard deviations
    assert share(set_(0, [-1.0, 1.0])) == [False, False]  # the value of the other class
    assert share(set_(4, 1.0)) == [False, False]  # what is never on
    assert share(lambda codes: codes.__imul__(3)) == [False, False]
    assert not data.inside(typical.mean(axis=0, keepdims=True)).any()  # halfway between two classes


def test_one_odd_latent_is_not_lost_among_many():
    """The rarest of 60 latents: in the sum over them, one spike of a class that never shows it would drown."""
    rng = np.random.default_rng(4)
    rates = np.r_[np.full(59, 0.3), 0.0]
    values = np.where(rng.random((3000, 60)) < rates, rng.normal(2, 1, (3000, 60)), 0)
    data = Plausibility.fit(Codes.from_values(values))
    odd = values[:200].copy()
    odd[:, 59] = 2.0
    assert data.inside(values[:200]).mean() > 0.97
    assert not data.inside(odd).any()


# --- what the figures mean


def test_the_surprise_is_that_of_the_next_sample():
    """Against SciPy's Student t and the predictive of a Beta(1, 1), of one class."""
    rng = np.random.default_rng(5)
    values = np.array([[2.0], [0.0], [1.0], [3.0], [0.0], [2.5]])
    data = Plausibility.fit(Codes.from_values(values))
    on = values[values != 0] / np.sqrt((values[values != 0] ** 2).mean())
    k, mean = len(on), on.sum() / (len(on) + 1)
    squares = 1 + (on**2).sum() - (k + 1) * mean**2
    t = stats.t(k + 1, mean, np.sqrt(squares / (k + 1) * (k + 2) / (k + 1)))
    z = np.r_[0.0, rng.normal(2, 3, size=20)][:, None]
    u = z[1:, 0] / np.sqrt((values[values != 0] ** 2).mean())
    expected = np.r_[-np.log(3 / 8), t.logpdf(mean) - t.logpdf(u) - np.log(5 / 8)]
    np.testing.assert_allclose(data.score(z), expected, rtol=1e-10)


def test_the_next_value_is_drawn_as_the_posterior_says():
    """Against Monte Carlo over the posterior of mean and variance, found by weighing draws of the prior."""
    rng, values = np.random.default_rng(6), np.array([[0.8], [1.4], [0.5]])
    variance = 1 / rng.gamma(0.5, 2.0, size=2_000_000)  # one sample's weight, about a variance of 1
    mean = rng.normal(0, np.sqrt(variance))
    weight = np.prod(stats.norm.pdf(values, mean, np.sqrt(variance)), axis=0)
    points = np.array([0.2, 0.675, 2.0, 4.0])
    density = np.array([np.average(stats.norm.pdf(u, mean, np.sqrt(variance)), weights=weight) for u in points])
    found = Pattern.of(values).surprise(points[:, None])[:, 0] + np.log(4 / 5)
    np.testing.assert_allclose(found - found[1], np.log(density[1]) - np.log(density), atol=0.02)
    assert found[1] == pytest.approx(0, abs=1e-12), "the mode"


def test_a_sample_left_out_is_one_that_was_never_there():
    z, _ = draw(np.random.default_rng(7), 30)
    found = Pattern.of(z).without(z).surprise(z)
    for row in range(len(z)):
        others = Pattern.of(np.delete(z, row, axis=0))
        np.testing.assert_allclose(found[row], others.surprise(z[row : row + 1])[0], rtol=1e-9, atol=1e-12)


def test_a_latent_that_never_was_on_is_as_likely_as_one_in_n_plus_two():
    never, off = np.eye(5)[[4]] * 1e-9, np.zeros((1, 5))
    pattern = Pattern.of(np.zeros((98, 5)))
    assert pattern.surprise(never)[0, 4] == pytest.approx(np.log(100))
    assert pattern.surprise(off)[0, 4] == pytest.approx(-np.log(0.99))


# --- laws


@given(seed=st.integers(0, 2**32 - 1), scale=st.lists(st.sampled_from([-8, 0.25, 1, 2]), min_size=5, max_size=5))
@settings(max_examples=40)
def test_neither_units_nor_order_nor_names_of_classes_matter(seed, scale):
    rng = np.random.default_rng(seed)
    values, labels = draw(rng, 60)
    z = draw(rng, 20)[0]
    data, order = Plausibility.fit(Codes.from_values(values, labels)), rng.permutation(60)
    scale = np.where((values != 0).any(axis=0), scale, 1)  # one that is never on has no unit
    other = Plausibility.fit(Codes.from_values((values * scale)[order], (1 - labels)[order]))
    np.testing.assert_allclose(other.score(z * scale), data.score(z), rtol=1e-7, atol=1e-9)
    assert other.limit == pytest.approx(data.limit, rel=1e-7)
    assert (data.score(z) >= 0).all()


def test_samples_without_a_label_make_no_pattern_beside_labelled_ones():
    rng = np.random.default_rng(8)
    values, labels = draw(rng, 400)
    half = np.where(np.arange(400) < 200, labels, -1)
    data, labelled = (Plausibility.fit(Codes.from_values(values, given_)) for given_ in (half, labels))
    assert len(data.patterns) == len(labelled.patterns) == 2
    assert sum(pattern.n for pattern in data.patterns) == 200


def test_codes_without_any_label_are_one_class():
    values, _ = draw(np.random.default_rng(9), 300)
    without, one = (Plausibility.fit(Codes.from_values(values, labels)) for labels in (None, np.zeros(300, dtype=int)))
    assert without.limit == one.limit
    np.testing.assert_array_equal(without.score(values), one.score(values))


def test_a_class_without_samples_and_a_class_of_one_are_no_trouble():
    values, labels = draw(np.random.default_rng(10), 200)
    labels[:] = 2
    labels[0] = 0
    data = Plausibility.fit(Codes.from_values(values, labels))
    assert len(data.patterns) == 2
    assert np.isfinite(data.score(values)).all()


# --- what is refused


@pytest.mark.parametrize(("coverage", "n"), [(0.0, 5), (1.0, 5), (float("nan"), 5), (0.99, 0)])
def test_what_cannot_be_fitted_is_refused(coverage, n):
    with pytest.raises(ValueError, match=r"of Plausibility.fit must"):
        Plausibility.fit(Codes.from_values(np.ones((n, 2))), coverage=coverage)


@pytest.mark.parametrize("z", [np.ones((3, 4)), np.full((1, 5), np.nan)])
def test_what_is_no_code_is_refused(data, z):
    with pytest.raises(ValueError, match=r"'z' of Plausibility.score must be finite codes \[sample, 5\]"):
        data.inside(z)
