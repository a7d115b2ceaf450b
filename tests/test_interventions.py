"""Interventions on a decoder known by hand: what changes, what only seems to, and whom it touches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cospike.associations import associate
from cospike.codes import Codes
from cospike.factors import explain
from cospike.interventions import N_SAMPLES, intervene, within_class_spread

N_CLASSES, EACH = 4, 100
LABELS = np.repeat(np.arange(N_CLASSES), EACH)


def own_latents(seed=0, extra=0):
    """A latent a class, on in its own samples only with values in 1 … 2, and further ones that are never on."""
    rng = np.random.default_rng(seed)
    z = np.zeros((len(LABELS), N_CLASSES + extra))
    z[np.arange(len(z)), LABELS] = rng.uniform(1, 2, len(z))
    return z


def by_share(x):
    """A judge that is sure of class k where pixel k alone is bright, and at a loss before a blank picture."""
    total = x.sum(axis=1, keepdims=True)
    return np.where(total > 0, x / np.where(total > 0, total, 1), 1 / x.shape[1])


def found_by_latent(decode, codes, **settings):
    return {one.latent: one for one in intervene(decode, codes, explain(None, codes), **settings)}


def test_the_switch_and_the_range_change_what_the_decoder_says_they_do():
    z = own_latents()
    codes = Codes.from_values(z, LABELS)
    weights = np.array([1.0, -2.0, 3.0, 0.5])
    factors = {factor.latent: factor for factor in explain(None, codes)}
    found = found_by_latent(lambda z: z * weights + 7, codes, measure=lambda x: {f"p{k}": x[:, k] for k in range(4)})
    for latent, one in found.items():
        change = one.changes[0]
        assert change.attribute == f"p{latent}"
        span = weights[latent] * (factors[latent].high - factors[latent].low)
        assert change.sweep.value == pytest.approx(span)
        own = z[codes.labels == latent, latent]
        values = weights[latent] * own
        assert change.on.value == pytest.approx(values.mean(), abs=4 * values.std() / N_SAMPLES**0.5)
        assert change.scale == pytest.approx(np.abs(weights[latent]) * own.std() / 2, rel=0.01)  # of four classes
        assert [other.size for other in one.changes[1:]] == [0, 0, 0]


def test_what_goes_along_without_doing_anything_changes_nothing():
    """Tempting, but wrong: a latent that follows an attribute perfectly, and that the decoder does not look at."""
    z = np.abs(np.random.default_rng(0).normal(size=(len(LABELS), 2))) + 0.1
    z[:, 1] = 2 * z[:, 0]
    codes = Codes.from_values(z, LABELS)
    size = z[:, 0]
    assert {one.latent: one.rho for one in associate(codes, {"size": size})} == pytest.approx({0: 1.0, 1: 1.0})
    found = found_by_latent(lambda z: z[:, :1], codes, measure=lambda x: {"size": x[:, 0]})
    assert found[0].changes[0].size > 1
    assert found[1].changes[0].size == 0
    assert found[1].changes[0].sweep == (0, 0, 0)


def test_a_latent_is_targeted_if_its_own_classes_need_it_and_no_other_does():
    """Perfect, worthless, and tempting: on in one class by majority, and needed by the others too."""
    z = own_latents(extra=2)
    z[LABELS == 0, 4] = 1.0  # on in class 0, and of no consequence
    z[:, 5] = (np.arange(len(z)) % 100 < np.where(LABELS == 0, 60, 40)).astype(float)

    def decode(z):
        shared = z[:, 5:6]
        return z[:, :4] * (1 + shared) + (shared > 0) * 0.0 + np.roll(z[:, :4], 1, axis=1) * (1 - shared)

    found = found_by_latent(decode, Codes.from_values(z, LABELS), predict=by_share)
    assert found[4].targeted.value == 0
    assert found[4].targeted.low < 0 < found[4].targeted.high
    # With the shared latent a class is told for certain, without it from an even chance with its neighbour.
    assert found[5].loss.value == pytest.approx(0.3, abs=0.03)
    assert found[5].other_loss.value == pytest.approx(0.2, abs=0.03)
    assert found[5].targeted.value == pytest.approx(0.1, abs=0.05)
    plain = found_by_latent(lambda z: z[:, :4], Codes.from_values(own_latents(), LABELS), predict=by_share)
    for one in plain.values():
        assert one.loss.value == pytest.approx(1 - 1 / N_CLASSES)  # from certain to a blank picture
        assert one.other_loss.value == 0
        assert one.targeted.value == pytest.approx(1 - 1 / N_CLASSES)
        assert 0.3 < one.given.value < 0.7  # its value against that of the class's own


@pytest.mark.parametrize("minds", [True, False])
def test_the_control_is_what_any_change_of_that_size_does(minds):
    """A latent that all have takes whole numbers; a change as large as that of an own latent, ½, ends on a half."""
    on = (own_latents() > 0) & (np.arange(len(LABELS))[:, None] % 4 < 3)  # in three of four samples of its class
    z = np.column_stack([on / 2, np.random.default_rng(2).integers(1, 4, len(on))])  # at 1 and 3, half find no way

    def judge(x):
        at_a_loss = minds * (np.abs(x[:, 4:] - x[:, 4:].round()) > 0.1)
        return np.where(at_a_loss, 1 / N_CLASSES, by_share(x[:, :4]))

    found = found_by_latent(lambda z: z, Codes.from_values(z, LABELS), predict=judge)
    for latent in range(N_CLASSES):
        assert found[latent].targeted.value == pytest.approx(0.75**2)
        assert found[latent].control.value == pytest.approx(0.75**2 * minds, abs=0.006)
        assert found[latent].control.low < 0.75**2 * minds < found[latent].control.high


def test_the_control_changes_as_much_by_other_latents_within_what_they_show():
    rng, seen = np.random.default_rng(3), []
    z = np.column_stack(
        [own_latents(), np.where(rng.random((400, 3)) < 0.8, rng.uniform(1, 4, (400, 3)) * [1, 3, 9], 0)]
    )
    codes = Codes.from_values(z, LABELS)

    def judge(x):
        seen.append(x)
        return np.full((len(x), N_CLASSES), 1 / N_CLASSES)

    found_by_latent(lambda z: z, codes, predict=judge)
    before, off, other = seen[:3]
    [latent] = np.flatnonzero((before != 0).sum(axis=0) - (off != 0).sum(axis=0) > 300)
    x = before[before[:, latent] != 0]
    moved = (other != x).any(axis=1)
    assert moved.mean() > 0.3, "of the rest, none gets so far"
    sizes = [np.linalg.norm(new[moved] - x[moved], axis=1) for new in (off, other)]
    np.testing.assert_allclose(*sizes)
    np.testing.assert_array_equal(other[:, latent], x[:, latent])
    np.testing.assert_array_equal(other != 0, x != 0)
    on = np.where(z != 0, z, np.nan)
    assert ((other >= np.nanmin(on, axis=0) - 1e-9) | (other == 0)).all()
    assert (other <= np.nanmax(on, axis=0) + 1e-9).all()
    together = (other != x).sum(axis=1)[moved] == (x != 0).sum(axis=1)[moved] - 1
    assert together.mean() > 0.97, "all that are on, but for one at the end of its range"
    spread = np.abs(other - x)[moved & (x[:, 4:] != 0).all(axis=1)].mean(axis=0) / np.sqrt(np.nanmean(on**2, axis=0))
    others = [place for place in (4, 5, 6) if place != latent]
    assert spread[others[0]] == pytest.approx(spread[others[1]], rel=0.3), "in units of their size"


def test_without_other_latents_that_can_change_as_much_there_is_no_control():
    plain = found_by_latent(lambda z: z, Codes.from_values(own_latents(), LABELS), predict=by_share)
    sometimes = own_latents() * (np.arange(len(LABELS))[:, None] % 4 < 3)
    narrow = np.column_stack([sometimes, np.random.default_rng(4).uniform(1.0, 1.1, len(LABELS))])
    unmoved = found_by_latent(lambda z: z[:, :4], Codes.from_values(narrow, LABELS), predict=by_share)
    for found in (plain, unmoved):
        assert all(found[latent].targeted.value > 0.4 for latent in range(4))
        assert all(np.isnan(found[latent].control).all() for latent in range(4))


def test_what_all_classes_use_targets_none():
    z = np.column_stack([own_latents(), np.ones(len(LABELS))])
    found = found_by_latent(lambda z: z[:, :4], Codes.from_values(z, LABELS), predict=by_share)
    assert np.isnan(found[4].targeted.value)
    assert np.isnan(found[4].given.value)


@pytest.mark.slow
def test_the_interval_of_a_change_covers_at_its_rate():
    """Over many draws of the samples, against the mean of the values that the latent takes."""
    rng, hits = np.random.default_rng(1), []
    for seed in range(300):
        z = rng.exponential(size=(200, 1)) + 0.5
        codes = Codes.from_values(z, np.arange(200) % 2)
        (one,) = intervene(lambda z: z, codes, explain(None, codes), measure=lambda x: {"x": x[:, 0]}, seed=seed)
        hits.append(one.changes[0].on.low <= 1.5 <= one.changes[0].on.high)
    assert 0.90 <= np.mean(hits) <= 0.98  # Student's interval of 32 skewed values


@settings(max_examples=20)
@given(st.permutations(range(N_CLASSES)), st.integers(0, 5))
def test_names_and_order_of_latents_do_not_matter(order, seed):
    z = own_latents(seed)
    weights = np.arange(1.0, 5.0)
    ask = {"measure": lambda x: {"sum": x.sum(axis=1)}, "predict": by_share}
    plain = found_by_latent(lambda z: z * weights, Codes.from_values(z, LABELS), **ask)
    back = np.argsort(order)
    shuffled = found_by_latent(lambda z: z[:, back] * weights, Codes.from_values(z[:, order], LABELS), **ask)
    for place, latent in enumerate(order):
        assert shuffled[place].targeted == pytest.approx(plain[latent].targeted)
        assert shuffled[place].changes[0].sweep == pytest.approx(plain[latent].changes[0].sweep)


def test_dead_latents_are_left_out_and_unlabelled_samples_are_changed_but_not_judged():
    z = own_latents(extra=1)
    codes = Codes.from_values(z, np.full(len(z), -1), class_names=("a", "b", "c", "d"))
    found = found_by_latent(lambda z: z[:, :4], codes, measure=lambda x: {"x": x[:, 0]}, predict=by_share)
    assert sorted(found) == [0, 1, 2, 3]
    assert found[0].changes[0].on.value > 1
    assert np.isnan(found[0].loss.value)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            {"predict": lambda x: x[:, :2]},
            r"'predict' of intervene must give P\(class\) \[\d+, 4\], each in 0 … 1, got shape",
        ),
        ({"predict": lambda x: x - 5}, r"each in 0 … 1, got shape .*, from -\d"),
        ({"predict": lambda x: x * np.nan}, "each in 0 … 1, got shape"),
        ({"measure": lambda x: {"x": x[:1, 0]}}, "'measure' of intervene must give a number for each of"),
        ({"measure": lambda x: x[:, 0]}, "'measure' of intervene must give numbers by the name"),
    ],
)
def test_what_gives_something_else_is_refused(ask, message):
    codes = Codes.from_values(own_latents(), LABELS)
    with pytest.raises(ValueError, match=message):
        intervene(lambda z: z, codes, explain(None, codes), **ask)


def test_factors_of_other_codes_are_refused():
    codes = Codes.from_values(own_latents(extra=1), LABELS)
    fewer = Codes.from_values(own_latents(), LABELS)
    with pytest.raises(ValueError, match="'factors' of intervene must be of the 4 latents of codes"):
        intervene(lambda z: z, fewer, explain(None, codes))


def test_scales_may_be_those_of_the_data():
    z = own_latents()
    codes = Codes.from_values(z, LABELS)
    own = z[codes.labels == 0, 0]
    spread = within_class_spread(z[:, 0], LABELS)
    assert spread == pytest.approx((np.square(own - own.mean()).sum() / (400 - 4)) ** 0.5)
    found = found_by_latent(lambda z: z, codes, measure=lambda x: {"x": x[:, 0]}, scales={"x": 10 * spread})
    plain = found_by_latent(lambda z: z, codes, measure=lambda x: {"x": x[:, 0]})
    assert plain[0].changes[0].size == pytest.approx(10 * found[0].changes[0].size, rel=1e-6)


@pytest.mark.parametrize("labels", [None, np.zeros(20, dtype=int)])
def test_nothing_in_use_and_no_classes_are_no_mistake(labels):
    nothing = Codes.from_values(np.zeros((20, 3)), labels)
    ask = {"measure": lambda x: {"x": x[:, 0]}, "predict": lambda x: np.ones((len(x), 1))}
    assert intervene(lambda z: z, nothing, explain(None, nothing), **ask) == ()
    some = Codes.from_values(np.abs(np.random.default_rng(0).normal(size=(20, 3))), labels)
    assert len(intervene(lambda z: z, some, explain(None, some), **ask)) == 3
    assert intervene(lambda z: z, some, (), **ask) == ()
