"""Partners that are known, that are not there, and that only look like it; the figures against slow definitions."""

from itertools import combinations, permutations
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from cospike import exchanges, matching
from cospike._errors import InputError
from cospike.codes import Codes
from cospike.kinds import latent_kinds
from cospike.matching import STABLE, Match, Matching, Reading, effect_similarities, match_latents, stability

N, N_LATENTS, N_OUTPUTS = 400, 8, 30
LABELS = np.arange(N) % 4
KINDS = ["always-on", "group", *["class-specific"] * 4, "occasional", "dead"]


def make_reading(z, weights, labels=LABELS, *, decode=None) -> Reading:
    """A run whose decoder is linear, and whose latents are off exactly where z is 0."""
    codes = Codes.from_values(z, labels, class_names=tuple("abcd") if max(labels) < 4 else None)
    return Reading((lambda z: z @ weights) if decode is None else decode, codes)


def draw_z(seed) -> np.ndarray:
    """Codes with a latent of every kind, in the order of `KINDS`."""
    rng = np.random.default_rng(seed)
    on = np.zeros((N, N_LATENTS), dtype=bool)
    on[:, 0] = True
    on[:, 1] = (LABELS < 2) & (rng.random(N) < 0.9)
    for label in range(4):
        on[:, 2 + label] = (label == LABELS) & (rng.random(N) < 0.8)
    on[:, 6] = rng.random(N) < 0.2
    return np.where(on, rng.normal(1, 1, on.shape), 0)


def draw_weights(seed) -> np.ndarray:
    return np.random.default_rng((seed, 1)).normal(size=(N_LATENTS, N_OUTPUTS))


Z, WEIGHTS = draw_z(0), draw_weights(0)
RUN = make_reading(Z, WEIGHTS)


def changed(order, signs=1.0, *, z=Z, weights=WEIGHTS) -> Reading:
    """The same run with its latents in another order, and on other scales."""
    signs = np.broadcast_to(signs, z.shape[1])
    return make_reading((z * signs)[:, order], (weights / signs[:, None])[order])


def similarities(first, second, **options) -> dict[int, float]:
    return {row.latent: row.similarity for row in match_latents(first, second, **options).matches}


# --- perfect, worthless, tempting but wrong


def test_the_same_run_in_another_order_of_other_signs_and_scales_is_found_whole():
    rng = np.random.default_rng(1)
    order = rng.permutation(N_LATENTS)
    found = match_latents(RUN, changed(order, rng.uniform(0.1, 9, N_LATENTS) * rng.choice([-1, 1], N_LATENTS)))
    assert [row.latent for row in found.matches] == list(range(N_LATENTS))
    assert [(row.kind, row.partner_kind) for row in found.matches[:-1]] == [(kind, kind) for kind in KINDS[:-1]]
    assert [order[row.partner] for row in found.matches[:-1]] == list(range(N_LATENTS - 1))
    assert [row.similarity for row in found.matches[:-1]] == pytest.approx([1.0] * (N_LATENTS - 1))
    assert found.matches[-1] == Match(7, None, 0.0, "dead", None)
    assert (found.kinds_ari, found.same_kind, len(found.alike)) == (1, 1, 7)


def test_an_unrelated_run_has_nothing_alike():
    found = match_latents(RUN, make_reading(draw_z(2), draw_weights(2)))
    assert max(row.similarity for row in found.matches) < 0.3
    assert found.alike == ()
    assert isnan(found.kinds_ari)
    assert isnan(found.same_kind)


def test_the_same_samples_or_the_same_effect_or_its_opposite_do_not_make_a_partner():
    rng, serves = np.random.default_rng(3), LABELS == 0
    values, effect = np.where(serves, rng.normal(1, 1, N), 0), rng.normal(size=N_OUTPUTS)
    other = rng.normal(size=N_OUTPUTS)
    other -= (other @ effect) / (effect @ effect) * effect
    first = make_reading(values[:, None], effect[None])
    true = np.where(serves & (rng.random(N) < 0.7), values + rng.normal(0, 0.4, N), 0)  # some spikes lost, and noise
    same_samples, elsewhere, opposite = (values, other), (np.roll(values, 1), effect), (values, -effect)
    runs = [same_samples, elsewhere, opposite, (true, effect)]
    second = make_reading(np.stack([z for z, _ in runs], axis=1), np.stack([w for _, w in runs]))
    [row] = match_latents(first, second).matches
    assert row.partner == 3
    assert 0.6 < row.similarity < 0.99
    tempting = make_reading(second.codes.values()[:, :3], np.stack([effect for _, effect in runs[:3]]))
    assert similarities(first, tempting)[0] < 1e-9


def test_two_poor_pairs_do_not_displace_a_good_one():
    z = np.repeat(np.random.default_rng(8).normal(size=(N, 1)), 2, axis=1)
    second = np.array([[0.7, 0.45, 0.3**0.5, 0], [0.5, 0, 0, 0.75**0.5]])  # of length 1
    found = match_latents(make_reading(z, np.eye(2, 4)), make_reading(z, second)).matches
    assert (found[0].partner, found[0].similarity) == (0, pytest.approx(0.7, abs=0.01)), "though .7 < .5 + .45"
    assert found[1].partner is None


def test_a_decoder_that_ignores_a_latent_leaves_it_without_a_partner():
    weights = WEIGHTS.copy()
    weights[0] = 0
    assert match_latents(RUN, make_reading(Z, weights)).matches[0].partner is None


def test_latents_that_are_always_on_are_told_apart_by_their_values():
    values = np.random.default_rng(4).normal(size=(N, 3))
    values -= values.mean(axis=0)
    weights = np.ones((3, 2)) + 0.1 * np.eye(3, 2)  # nearly one direction
    found = match_latents(make_reading(values, weights), make_reading(values[:, [2, 0, 1]], weights[[2, 0, 1]]))
    assert [row.partner for row in found.matches] == [1, 2, 0]
    assert isnan(found.kinds_ari), "of one kind there is nothing to agree upon"
    assert found.same_kind == 1


def test_a_latent_divided_by_classes_is_as_similar_to_a_part_as_the_root_of_its_share():
    labels = np.arange(2_000) % 4
    z = np.random.default_rng(10).normal(2, 1, size=(2_000, 1)) * (labels < 3)[:, None]
    parts = np.hstack([z * (labels == 2)[:, None], z * (labels < 2)[:, None]])
    whole = make_reading(z, np.ones((1, N_OUTPUTS)), labels)
    split = make_reading(parts, np.ones((2, N_OUTPUTS)), labels)
    [row] = match_latents(whole, split).matches
    assert row.partner == 1
    assert row.similarity == pytest.approx(np.sqrt(2 / 3), abs=0.02)
    assert [one.partner for one in match_latents(split, whole).matches] == [None, 0]
    rest = effect_similarities([whole, split])[0, 1][0, 0]
    assert row.similarity**2 + rest**2 == pytest.approx(1)


def test_to_draw_the_same_class_is_not_to_vary_it_alike():
    """Bars that stand where the sample leans, drawn by one latent, whose value makes them wider, or brighter."""
    rng, place = np.random.default_rng(11), np.arange(40)
    lean, size, unrelated = rng.normal(0, 2, N), rng.normal(3, 0.5, N), rng.normal(3, 0.5, N)
    own = LABELS == 0

    def run(values, draw):
        def decode(z):
            on, width, light = z[:, 1] != 0, *draw(z[:, 1:])
            bar = light / (1 + np.exp(2 * (np.abs(place - 20 - z[:, :1]) - width)))
            return np.where(on[:, None], bar, 0.0)

        return make_reading(np.stack([lean, np.where(own, values, 0)], axis=1), None, decode=decode)

    wide = lambda z: (1 + 2 * z, 1.0)  # noqa: E731
    first = run(size, wide)
    same = run(-3 * size, lambda z: wide(-z / 3))
    others = [run(unrelated, wide), run(unrelated, lambda z: (7.0, z / 3))]
    for other in (same, *others):
        assert naive_similarity(first, other, give_others=False)[1, 1] > STABLE, (
            "switching off does not tell them apart"
        )
    assert similarities(first, same)[1] == pytest.approx(1)
    for other in others:
        assert effect_similarities([first, other])[0, 1][1, 1] < 0.25  # of a hundred samples, 0 ± .1
    never = run(np.full(N, 3.0), wide)
    assert match_latents(first, never).matches[1].partner is None
    assert match_latents(never, never).matches[1] == Match(1, None, 0.0, "class-specific", None)


# --- the figures themselves


PAIRS = np.repeat(np.arange(30), 2)
"""Classes of two samples, so that the other sample of a class is known."""


def naive_similarity(first, second, *, give_others=True) -> np.ndarray:
    """By the definition, a sample and a latent at a time; or of what switching off changes."""

    def changes(run):
        z = run.codes.values()
        rows = np.zeros((z.shape[1], len(z), run.model(z[:1]).size))
        for latent in range(z.shape[1]):
            for n in range(len(z)):
                given = z[n].copy()
                given[latent] = z[n + 1 if n % 2 == 0 else n - 1, latent] if give_others else 0
                rows[latent, n] = (run.model(z[n : n + 1]) - run.model(given[None])).ravel()
        return rows.reshape(z.shape[1], -1)

    cosines = np.zeros((first.codes.n_latents, second.codes.n_latents))
    for i, one in enumerate(changes(first)):
        for j, other in enumerate(changes(second)):
            if one.any() and other.any():
                cosines[i, j] = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    return np.maximum(cosines, 0)


@pytest.mark.parametrize("seed", range(3))
def test_similarity_and_partners_are_as_defined(seed):
    """Of decoders that are not linear, with outputs of several axes; the best of all assignments."""
    rng = np.random.default_rng(seed)
    z = np.where(rng.random((60, 5)) < 0.6, rng.normal(size=(60, 5)), 0)
    mixed = z[:, :4] + rng.normal(0, 0.5, (60, 4)) * (z[:, :4] != 0)
    weights = rng.normal(size=(5, 12))
    runs = [
        make_reading(code, w, PAIRS, decode=lambda z, w=w: expit(z @ w - 1).reshape(-1, 1, 3, 4))
        for code, w in [(z, weights), (mixed, weights[:4] + rng.normal(0, 0.7, (4, 12)))]
    ]
    expected = naive_similarity(*runs)
    found = match_latents(*runs).matches
    for row in found:
        assert row.similarity == pytest.approx(0 if row.partner is None else expected[row.latent, row.partner])
    best = max(sum(expected[i, j] ** 2 for j, i in enumerate(order)) for order in permutations(range(5), 4))
    assert sum(row.similarity**2 for row in found) == pytest.approx(best)
    kinds, partner_kinds = (latent_kinds(run.codes) for run in runs)
    assert [row.kind for row in found] == list(kinds)
    assert all(row.partner is None or row.partner_kind == partner_kinds[row.partner] for row in found)


def test_of_a_linear_decoder_it_is_the_correlation_within_classes_times_the_cosine_of_directions():
    """Whatever the means of the classes are."""
    rng, n = np.random.default_rng(5), 2_000
    labels, (z, other) = np.arange(n) % 4, rng.normal(size=(2, n, 1))
    weights, turned = rng.normal(1, 1, (2, 1, N_OUTPUTS))
    other += z
    cosine = float(weights[0] @ turned[0] / np.sqrt(weights[0] @ weights[0] * (turned[0] @ turned[0])))
    means = rng.normal(0, 9, (2, 4, 1))
    first, second = (
        make_reading(v + m[labels], w, labels) for v, m, w in zip((z, other), means, (weights, turned), strict=True)
    )
    assert similarities(first, second)[0] == pytest.approx(cosine / np.sqrt(2), abs=0.04)


def test_many_small_passes_are_one_large_one(monkeypatch):
    few, noise = slice(60), np.random.default_rng(6).normal(0, 0.5, Z.shape)
    runs = [make_reading(z[few], WEIGHTS, LABELS[few]) for z in (Z, Z + noise * (Z != 0))]
    at_once = similarities(*runs)
    for numbers in (7 * 2 * N_LATENTS * N_OUTPUTS, 1):
        monkeypatch.setattr(exchanges, "_NUMBERS_AT_ONCE", numbers)
        assert similarities(*runs) == pytest.approx(at_once)


def test_of_many_samples_a_share_is_decoded_and_rare_classes_keep_theirs():
    rng, decoded = np.random.default_rng(7), []
    labels = rng.permutation(np.where(np.arange(20_000) < 12, 3, np.arange(20_000) % 3))
    z = np.stack([rng.normal(size=20_000), np.where(labels == 3, rng.normal(size=20_000), 0)], axis=1)

    def decode(z):
        decoded.append(len(z))
        return z @ WEIGHTS[:2]

    first, second = make_reading(z, None, labels, decode=decode), make_reading(z, WEIGHTS[:2], labels)
    for seed in range(8):  # by chance, one in three would have none of the rare class, and as many a single one
        decoded.clear()
        assert similarities(first, second, seed=seed) == pytest.approx({0: 1, 1: 1})
        assert sum(decoded) <= 1 + 3 * 2_000
    noisy = make_reading(z + rng.normal(size=z.shape) * (z != 0), WEIGHTS[:2], labels)
    assert similarities(first, noisy) == similarities(first, noisy)
    assert similarities(first, noisy)[0] != similarities(first, noisy, seed=1)[0]
    assert similarities(first, noisy)[0] == pytest.approx(0.7, abs=0.07)


def test_what_is_below_the_threshold_is_off():
    codes = Codes.from_values(Z, LABELS, class_names=tuple("abcd"))
    faint = Reading(RUN.model, Codes(**{**vars(codes), "active_probs": 0.4 * codes.active_probs}))
    assert [row.partner for row in match_latents(RUN, faint).matches] == [None] * N_LATENTS
    assert {row.kind for row in match_latents(faint, faint).matches} == {"dead"}
    found = match_latents(RUN, faint, threshold=0.3)
    assert found.same_kind == 1
    assert sum(row.similarity for row in found.matches) == pytest.approx(7)
    assert stability([RUN, faint], threshold=0.3).similarity.sum() == pytest.approx(7)


# --- laws


def noisy_runs(seed) -> tuple[Reading, Reading]:
    rng = np.random.default_rng((seed, 2))
    z = np.where(rng.random(Z.shape) < 0.8, Z + rng.normal(0, 0.5, Z.shape) * (Z != 0), 0)
    n_latents = int(rng.integers(1, N_LATENTS + 1))
    weights = WEIGHTS + rng.normal(size=WEIGHTS.shape)
    return RUN, make_reading(z[:, :n_latents], weights[:n_latents])


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(0, 1000))
def test_another_order_and_sign_of_the_second_run_only_renames_its_latents(seed, other):
    first, second = noisy_runs(seed)
    rng, n_latents = np.random.default_rng(other), second.codes.n_latents
    order, signs = rng.permutation(n_latents), rng.choice([-1.0, 1.0], n_latents)
    weights = second.model(np.eye(n_latents))
    renamed = changed(order, signs, z=second.codes.values(), weights=weights)
    one, two = match_latents(first, second), match_latents(first, renamed)
    assert [row.partner for row in one.matches] == [
        None if row.partner is None else order[row.partner] for row in two.matches
    ]
    assert [row.similarity for row in one.matches] == pytest.approx([row.similarity for row in two.matches])
    assert one.kinds_ari == pytest.approx(two.kinds_ari, nan_ok=True)


@settings(max_examples=25)
@given(st.integers(0, 1000))
def test_which_run_comes_first_does_not_matter(seed):
    first, second = noisy_runs(seed)
    one, two = match_latents(first, second), match_latents(second, first)
    pairs = {(row.latent, row.partner): row.similarity for row in one.matches if row.partner is not None}
    assert pairs == pytest.approx({(r.partner, r.latent): r.similarity for r in two.matches if r.partner is not None})
    assert all(0 < similarity <= 1 for similarity in pairs.values())
    assert (len(one.matches), len(two.matches)) == (N_LATENTS, second.codes.n_latents)
    assert one.kinds_ari == pytest.approx(two.kinds_ari, nan_ok=True)
    assert one.same_kind == pytest.approx(two.same_kind, nan_ok=True)


# --- kinds


def with_kinds(*pairs, similarity=1.0) -> Matching:
    return Matching(tuple(Match(i, i, similarity, one, other) for i, (one, other) in enumerate(pairs)))


def rand_index(first, second) -> float:
    """Adjusted by its expectation: the mean over all orders of one side (Hubert and Arabie 1985)."""

    def index(first, second):
        pairs = list(combinations(range(len(first)), 2))
        return np.mean([(first[i] == first[j]) == (second[i] == second[j]) for i, j in pairs])

    chance = np.mean([index(first, order) for order in permutations(second)])
    return float((index(first, second) - chance) / (1 - chance))


@pytest.mark.parametrize("seed", range(4))
def test_the_adjusted_rand_index_is_the_rand_index_less_that_of_chance(seed):
    rng = np.random.default_rng(seed)
    first = ["global", "group", *rng.choice(["global", "group", "class-specific"], 4)]
    second = [kind if rng.random() < 0.6 else "occasional" for kind in first]
    assert with_kinds(*zip(first, second, strict=True)).kinds_ari == pytest.approx(rand_index(first, second))


def test_global_and_always_on_are_one_kind():
    found = with_kinds(("global", "always-on"), ("always-on", "always-on"), ("group", "group"), ("group", "group"))
    assert (found.kinds_ari, found.same_kind) == (1, 1)


def test_other_names_for_the_same_partition_are_seen_by_the_names_alone():
    found = with_kinds(*[("global", "group")] * 3, *[("class-specific", "occasional")] * 3)
    assert (found.kinds_ari, found.same_kind) == (1, 0)


@pytest.mark.parametrize(
    "pairs",
    [[], [("group", "group")], [("group", "global")] * 3, [("group", "group"), ("global", "class-specific")]],
    ids=["none", "one", "one kind", "all of different kinds"],
)
def test_where_kinds_cannot_disagree_there_is_no_index(pairs):
    assert isnan(with_kinds(*pairs).kinds_ari)


def test_dead_latents_and_pairs_that_are_left_over_have_no_say():
    found = with_kinds(*[("global", "global")] * 2, *[("group", "group")] * 2)
    left_over = with_kinds(*[("global", "group")] * 4, similarity=0.49)
    dead = with_kinds(("dead", "group"), ("global", "dead"), ("dead", "dead"))
    alone = Matching((Match(9, None, 0.0, "group", None),))
    together = Matching(found.matches + left_over.matches + dead.matches + alone.matches)
    assert together.alike == found.matches
    assert (together.kinds_ari, together.same_kind) == (1, 1)


# --- several runs


def test_stability_is_the_mean_over_the_other_runs():
    lost = Z.copy()
    lost[:, 2] = 0
    without_one, shuffled = make_reading(lost, WEIGHTS), changed(np.roll(np.arange(N_LATENTS), 3), -1.0)
    found = stability([RUN, shuffled, without_one, make_reading(Z[:, :2], WEIGHTS[:2])])
    assert found.similarity == pytest.approx([1, 1, 1 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 0], abs=0.02)
    assert (found.similarity >= matching.STABLE).tolist() == [True] * 2 + [False] * 6
    assert (found.kinds_ari, found.same_kind) == (1, 1)


def test_stability_is_that_of_each_pair_of_runs():
    runs, rng = [RUN], np.random.default_rng(9)
    for _ in range(3):  # some latents lose so many spikes that no class uses them any more
        kept = rng.random(Z.shape) < rng.choice([0.5, 1], N_LATENTS)
        runs.append(make_reading(np.where(kept, Z, 0), WEIGHTS))
    each = {(i, j): match_latents(runs[i], runs[j]) for i, j in combinations(range(4), 2)}
    found = stability(runs)
    mean = np.mean([[row.similarity for row in each[0, other].matches] for other in (1, 2, 3)], axis=0)
    assert found.similarity == pytest.approx(mean)
    for score in ("kinds_ari", "same_kind"):
        scores = {pair: getattr(matching, score) for pair, matching in each.items()}
        of_the_first = [scores[0, other] for other in (1, 2, 3)]
        assert np.nanmean(of_the_first) != pytest.approx(np.nanmean(list(scores.values()))), "so that it matters"
        assert getattr(found, score) == pytest.approx(np.nanmean(list(scores.values())))


def test_runs_that_share_nothing_have_no_scores():
    found = stability([make_reading(np.zeros((N, 3)), WEIGHTS[:3])] * 2)
    assert found.similarity.tolist() == [0, 0, 0]
    assert isnan(found.kinds_ari)
    assert isnan(found.same_kind)


# --- misuse


def test_fewer_than_two_runs_or_no_samples_are_refused():
    for runs in ([], [RUN]):
        with pytest.raises(InputError, match=f"'runs' of stability must be two or more, got {len(runs)}"):
            stability(runs)
    empty = Reading(RUN.model, RUN.codes.select(slice(0)))
    with pytest.raises(InputError, match="match_latents must be of one or more samples, got none"):
        match_latents(empty, empty)


def test_other_samples_are_refused():
    fewer = Reading(RUN.model, RUN.codes.select(slice(100)))
    relabelled = make_reading(Z, WEIGHTS, np.roll(LABELS, 1))
    renamed = Reading(RUN.model, Codes(**{**vars(RUN.codes), "class_names": tuple("abce")}))
    for other in (fewer, relabelled, renamed):
        with pytest.raises(InputError, match="of match_latents must be of the same 400 samples"):
            match_latents(RUN, other)
        with pytest.raises(InputError, match="of stability must be of the same 400 samples"):
            stability([RUN, RUN, other])


def test_outputs_of_other_shapes_are_refused():
    with pytest.raises(InputError, match=r"outputs of one shape, got \[\(30,\), \(29,\)\]"):
        match_latents(RUN, make_reading(Z, WEIGHTS[:, 1:]))
    with pytest.raises(InputError, match="The decoder must give finite numbers"):
        match_latents(RUN, make_reading(Z, WEIGHTS * np.nan))


def test_codes_of_another_model_are_refused():
    class Model:
        n_latents = 5

        def decode_mean(self, z):
            return z @ WEIGHTS[:5]

    with pytest.raises(InputError, match="must have the 5 latents of its model, got 8"):
        match_latents(RUN, Reading(Model(), RUN.codes))
