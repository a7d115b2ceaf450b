"""The smallest change that meets a goal: against all changes there are, where a decoder is linear and latents few."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cospike import counterfactuals
from cospike.attributes import measure_attributes
from cospike.codes import Codes
from cospike.counterfactuals import at_least, at_most, find_counterfactual, judged
from cospike.plausibility import Plausibility


def make_problem(seed, n_latents=4):
    """Sparse codes, and the weights of a linear decoder to three columns."""
    rng = np.random.default_rng(seed)
    values = np.where(rng.random((30, n_latents)) < 0.5, rng.normal(1, 1, (30, n_latents)), 0.0)
    return Codes.from_values(values, rng.integers(2, size=30)), rng.normal(size=(n_latents, 3))


def brute_force(codes, weights, row, goal, max_changes):
    """(number of changes, off the data, effect) of the smallest of all changes, each decoded by itself."""
    values = codes.values()
    data, start, options = Plausibility.fit(codes), values[row], []
    for column in values.T:
        shown = np.sort(column[column != 0])
        chosen = [shown[round(q * (len(shown) - 1))] for q in (0.1, 0.5, 0.9)] if len(shown) else []
        options.append([0.0, *chosen])
    for n in range(max_changes + 1):
        found = []
        for latents in combinations(range(len(start)), n):
            for new in product(*(options[latent] for latent in latents)):
                z = start.copy()
                z[list(latents)] = new
                if goal((z @ weights)[None])[0] >= 0:
                    found.append((n, not data.inside(z[None])[0], np.abs((z - start) @ weights).sum()))
        if found:
            return min(found)
    return None


def towards(level):
    return lambda x: x[:, 0] - level


# --- the smallest change


@given(seed=st.integers(0, 2**32 - 1), row=st.integers(0, 29), level=st.floats(-1, 6))
@settings(max_examples=80)
def test_it_is_the_smallest_of_all_changes(seed, row, level):
    codes, weights = make_problem(seed)
    found = find_counterfactual(lambda z: z @ weights, codes, row, towards(level), max_changes=2, beam=1000)
    expected = brute_force(codes, weights, row, towards(level), 2)
    if expected is None:
        assert found is None
    else:
        assert (len(found.changes), not found.inside) == expected[:2]
        assert found.effect == pytest.approx(expected[2])


@given(seed=st.integers(0, 2**32 - 1), row=st.integers(0, 29), level=st.floats(2, 9), beam=st.integers(1, 4))
@settings(max_examples=80)
def test_what_is_found_meets_the_goal_and_is_what_it_says(seed, row, level, beam):
    codes, weights = make_problem(seed, n_latents=7)
    found = find_counterfactual(lambda z: z @ weights, codes, row, towards(level), beam=beam)
    if found is None:
        return
    z = codes.values()[row].copy()
    for latent, before, after in found.changes:
        assert z[latent] == before != after
        assert after == 0 or after in codes.values()[:, latent], "a value that a sample shows"
        z[latent] = after
    assert len({change.latent for change in found.changes}) == len(found.changes) <= 3
    np.testing.assert_allclose(found.after, z @ weights)
    np.testing.assert_allclose(found.before, codes.values()[row] @ weights)
    assert found.after[0] >= level - 1e-12
    assert found.effect == pytest.approx(np.abs(found.after - found.before).sum())
    assert found.inside == Plausibility.fit(codes).inside(z[None])[0]
    for n_back in range(1, len(found.changes) + 1):  # none of the changes can be taken back
        for taken_back in combinations(found.changes, n_back):
            fewer = z.copy()
            for latent, before, _ in taken_back:
                fewer[latent] = before
            assert (fewer @ weights)[0] < level


def test_what_the_beam_passed_by_is_taken_back():
    """The goal's own path ends in three changes of which two do."""
    codes = Codes.from_values(np.vstack([np.full(4, 0.5), np.eye(4) + 0.5]))

    def goal(x):  # the first latent looks best and is of no use
        on = x > 1
        return np.where(on[:, 1] & on[:, 2], 0.0, -4.0 + 2 * on[:, 0] + on[:, 1])

    found = find_counterfactual(lambda z: z, codes, 0, goal, beam=1)
    assert [change.latent for change in found.changes] == [1, 2]


def test_fewer_changes_come_before_a_small_effect_and_what_is_inside():
    """The third change, of no use, hides what the first of the other two does besides."""
    codes = Codes.from_values(np.vstack([np.full(4, 0.5), np.eye(4) + 0.5]))

    def decode(z):
        return np.hstack([z, 10 * (z[:, 1:2] - z[:, :1])])

    def goal(x):
        on = x[:, :4] > 1
        return np.where(on[:, 1] & on[:, 2], 0.0, -4.0 + 2 * on[:, 0] + on[:, 1])

    found = find_counterfactual(decode, codes, 0, goal, beam=1)
    assert [change.latent for change in found.changes] == [1, 2]
    assert found.effect == pytest.approx(12)
    with_the_third = decode(codes.values()[:1] + np.array([1, 1, 1, 0])) - decode(codes.values()[:1])
    assert np.abs(with_the_third).sum() == pytest.approx(3), "so that it would be the smaller effect"


def test_inside_the_data_comes_before_a_small_effect():
    rng = np.random.default_rng(0)
    values = np.where(np.tile([True, True, False], (200, 1)), rng.normal(2, 1, (200, 3)), 0.0)
    values[0, 2] = 2.1  # on in one sample only
    codes, weights = Codes.from_values(values), np.array([[1.0, 0.5], [1.0, 0.5], [1.0, 0.0]])
    row = int(np.argmin(values[:, :2].sum(axis=1)))
    goal = towards(values[row].sum() + 1.0)
    found = find_counterfactual(lambda z: z @ weights, codes, row, goal)
    assert goal(((values[row] + [0, 0, 2.1]) @ weights)[None])[0] >= 0, "the rare latent would do, at an effect of 2.1"
    assert found.inside
    assert [change.latent != 2 for change in found.changes] == [True]
    assert found.effect > 2.1


def test_an_effect_is_a_sum_of_absolute_changes():
    codes = Codes.from_values(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    weights = np.array([[2.0, 0.0, 0.0], [1.0, 1.0, 1.0]])  # 2 against 3; of squares it would be 4 against 3
    found = find_counterfactual(lambda z: z @ weights, codes, 0, towards(1.0))
    assert ([change.latent for change in found.changes], found.effect) == ([0], 2.0)


def test_a_goal_that_is_met_takes_no_change():
    codes, weights = make_problem(0)
    found = find_counterfactual(lambda z: z @ weights, codes, 3, lambda x: np.ones(len(x)))
    assert (found.changes, found.effect, found.row) == ((), 0, 3)
    np.testing.assert_array_equal(found.before, found.after)


def test_an_impossible_goal_finds_nothing():
    codes, weights = make_problem(0)
    for never in (lambda x: np.full(len(x), -np.inf), lambda x: np.full(len(x), -1), lambda x: x[:, 0] > 1e9):
        assert find_counterfactual(lambda z: z @ weights, codes, 3, never, max_changes=9) is None
    assert find_counterfactual(lambda z: z, Codes.from_values(np.zeros((3, 2))), 0, towards(1)) is None, "all dead"


def test_true_and_false_will_do():
    codes, weights = make_problem(1)
    scores, truths = (
        find_counterfactual(lambda z: z @ weights, codes, 2, goal, max_changes=1)
        for goal in (towards(0.5), lambda x: x[:, 0] >= 0.5)
    )
    assert scores.changes == truths.changes != ()


def test_of_codes_that_are_as_near_the_goal_the_smallest_effects_are_kept():
    codes = Codes.from_values(np.vstack([np.zeros(3), np.eye(3)]))
    weights, both = np.diag([1.0, 2.0, 3.0]), lambda x: (x[:, 0] > 0) & (x[:, 1] > 0)
    found = find_counterfactual(lambda z: z @ weights, codes, 0, both, max_changes=2, beam=1)
    assert [change.latent for change in found.changes] == [0, 1]


def test_what_is_inside_is_for_the_plausibility_that_is_given_to_say():
    codes, weights = make_problem(1)
    elsewhere = Plausibility.fit(Codes.from_values(codes.values() + 1000.0))
    ask = {"max_changes": 1, "beam": 5}
    plain, other = (
        find_counterfactual(lambda z: z @ weights, codes, 2, towards(0.5), plausibility=one, **ask)
        for one in (None, elsewhere)
    )
    assert (plain.inside, other.inside) == (True, False)


def test_many_small_passes_find_what_one_large_one_does(monkeypatch):
    codes, weights = make_problem(5, n_latents=6)
    found = []
    for rows in (4096, 3):
        monkeypatch.setattr(counterfactuals, "_ROWS_PER_PASS", rows)
        found.append(find_counterfactual(lambda z: z @ weights, codes, 0, towards(4.0)))
    assert found[0].changes == found[1].changes != ()
    assert found[0].effect == pytest.approx(found[1].effect)


@pytest.mark.parametrize("beam", [1, 5])
def test_no_more_is_decoded_than_is_said(beam):
    codes, weights = make_problem(2, n_latents=6)
    counts = []

    def never(x):
        counts.append(len(x))
        assert len(np.unique(x.round(9), axis=0)) == len(x), "no code twice"
        return np.full(len(x), -1.0)

    find_counterfactual(lambda z: z @ weights, codes, 0, never, beam=beam)
    assert counts[0] == 1
    assert 12 <= counts[1] <= 4 * 6
    assert all(0 < count <= 4 * beam * 6 for count in counts[2:])
    assert len(counts) == 4


# --- goals


@pytest.fixture(scope="module")
def strokes():
    """A bar, a ring and a blank image, as a decoder would draw them."""
    distance = np.hypot(*np.mgrid[-10:11, -10:11])
    ring = (np.abs(distance - 7) < 1.5).astype(float)
    bar = np.zeros((21, 21))
    bar[3:18, 9:12] = 1.0
    return np.stack([bar, ring, np.zeros((21, 21))])[:, None]


def test_goals_measure_attributes_in_their_units(strokes):
    assert (at_least("n_loops", 1)(strokes) >= 0).tolist() == [False, True, False]
    assert (at_most("n_loops", 0)(strokes[:2]) >= 0).tolist() == [True, False]
    assert at_least("height", 10)(strokes)[0] == -at_most("height", 10)(strokes)[0] == pytest.approx(5, abs=1)
    assert at_least("thickness", 0)(strokes)[2] == at_most("thickness", 99)(strokes)[2] == -np.inf, "blank: has none"


def test_goals_of_clothes_are_measured_as_clothes(strokes):
    measured = measure_attributes(strokes, kind="clothes", cache=False)["aspect"]
    goal = at_least("aspect", 2, kind="clothes")
    np.testing.assert_allclose(goal(strokes[:2]), measured[:2] - 2)
    assert goal(strokes).argmax() == 0, "the bar"


def test_a_ring_gives_a_bar_a_loop(strokes):
    bar, ring = strokes[:2]
    codes = Codes.from_values(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]))
    decode = lambda z: np.clip(np.tensordot(z, np.stack([bar, ring]), axes=1), 0, 1)  # noqa: E731
    found = find_counterfactual(decode, codes, 0, at_least("n_loops", 1))
    assert [tuple(change) for change in found.changes] == [(1, 0.0, 1.0)]
    assert found.after.shape == bar.shape
    assert found.effect == pytest.approx((np.clip(bar + ring, 0, 1) - bar).sum())


def test_a_classifier_is_a_goal():
    codes, weights = make_problem(3)

    def predict(x):
        p = 1 / (1 + np.exp(-x[:, 0]))
        return np.stack([1 - p, p], axis=1)

    at = np.array([[-2.0, 0.0], [0.0, 0.0], [3.0, 0.0]])
    for ask, limit in (({}, 0.5), ({"probability": 0.7}, 0.7)):
        np.testing.assert_allclose(judged(predict, 1, **ask)(at), predict(at)[:, 1] - limit)
    found = find_counterfactual(lambda z: z @ weights, codes, 1, judged(predict, 1, probability=0.7))
    assert predict(found.before[None])[0, 1] < 0.7 <= predict(found.after[None])[0, 1]


# --- what is refused


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("row", "settings_", "message"),
    [
        (30, {}, r"'row' of find_counterfactual must be one of 0 … 29, got 30"),
        (-1, {}, "'row' of find_counterfactual"),
        (0, {"max_changes": 0}, "'max_changes' of find_counterfactual must be at least 1, got 0"),
        (0, {"beam": 0}, "'beam' of find_counterfactual must be at least 1, got 0"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(row, settings_, message):
    codes, weights = make_problem(0)
    with pytest.raises(ValueError, match=message):
        find_counterfactual(lambda z: z @ weights, codes, row, towards(1), **settings_)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "goal",
    [
        lambda x: x,
        lambda x: x[:-1, 0],
        lambda x: 1.0,
        lambda x: np.full(len(x), np.nan),
        lambda x: np.full(len(x), np.inf),
        lambda x: np.array(["a"] * len(x)),
    ],
)
def test_a_goal_that_gives_no_number_an_output_is_refused(goal):
    codes, weights = make_problem(0)
    with pytest.raises(ValueError, match="'goal' of find_counterfactual must give a number"):
        find_counterfactual(lambda z: z @ weights, codes, 0, goal)


@pytest.mark.usefixtures("unchecked")
def test_unknown_attributes_and_classifiers_are_refused():
    with pytest.raises(ValueError, match=r"Unknown attribute 'n_loop' of strokes. Did you mean 'n_loops'"):
        at_least("n_loop", 1)
    with pytest.raises(ValueError, match="Unknown kind 'columns'"):
        at_most("column 0", 1, kind="columns")
    for predict, label in ((lambda x: x, 3), (lambda x: x[:, 0], 0), (lambda x: x[:1], 0)):
        with pytest.raises(ValueError, match="'predict' of judged must give probabilities"):
            judged(predict, label)(np.ones((2, 3)))
