"""Families of classes that are known, against chance, loops and other samples."""

from dataclasses import replace

import numpy as np
import pytest

from cospike.codes import Codes
from cospike.families import class_overlap, find_groups, group_sharing

NAMES = ("sandal", "sneaker", "boot", "shirt", "coat", "bag")


def family_codes(seed: int, *, shared: float, n: int = 600) -> Codes:
    """Six classes, each with a latent of its own; the first three also have one in common, on with ``shared``."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 6
    means = np.hstack(
        [np.eye(6) * 0.8 + 0.05, np.where(np.arange(6) < 3, shared, 0.05)[:, None], np.full((6, 1), 0.95)]
    )
    means = means + np.random.default_rng(5).uniform(-0.04, 0.04, means.shape)
    probs = np.clip(means[labels] + 0.1 * rng.normal(size=(n, 8)), 0, 1)
    ones = np.ones_like(probs)
    return Codes(probs, ones, ones, labels, NAMES, np.full(8, 0.1))


def test_overlap_is_one_with_itself_and_is_a_naive_sum(make_codes):
    codes = family_codes(0, shared=0.7)
    overlap, means = class_overlap(codes), codes.class_means()
    np.testing.assert_allclose(np.diag(overlap), 1)
    np.testing.assert_allclose(overlap, overlap.T)
    pairs = list(zip(means[1], means[4], strict=True))
    assert overlap[1, 4] == pytest.approx(sum(map(min, pairs)) / sum(map(max, pairs)))
    nothing = class_overlap(make_codes(np.zeros((4, 3)), [0, 0, 1, 1]))
    assert not nothing.any()


def test_a_family_shares_more_than_chance_and_a_mixed_group_does_not():
    codes = family_codes(0, shared=0.9)
    family = group_sharing(codes, NAMES[:3])
    assert family.p_value == 1 / 20  # the first of all groups of three of six
    assert family.excess.low > 0.2
    assert family.inside - family.outside == pytest.approx(family.excess.value)
    assert family.excess.low < family.excess.value < family.excess.high
    assert family.gain is None
    mixed = group_sharing(codes, ("sandal", "coat", "bag"))
    assert mixed.excess.high < 0
    assert mixed.p_value > 0.4


def test_what_all_classes_share_makes_no_family():
    codes = family_codes(0, shared=0.05)
    assert class_overlap(codes)[0, 1] > 0.4  # through the latent that is on in every class
    assert abs(group_sharing(codes, NAMES[:3]).excess.value) < 0.05


def test_latents_that_nobody_uses_are_nothing_shared(make_codes):
    """Thirty of them, each on with .01 in all classes, would be more than the latent that two classes share."""
    labels = np.repeat([0, 1, 2, 3], 50)
    used = np.array([[1.0, 0, 0, 0.9], [0, 1.0, 0, 0.9], [0, 0, 1.0, 0.1], [0.9, 0.9, 0.9, 0]])[labels]
    alone, among = (
        group_sharing(make_codes(probs, labels, n_classes=4), make_codes(probs, labels, n_classes=4).class_names[:2])
        for probs in (used, np.hstack([used, np.full((200, 30), 0.01)]))
    )
    assert (among.inside, among.outside) == pytest.approx((alone.inside, alone.outside))


@pytest.mark.slow
def test_the_gain_is_that_over_the_same_samples_of_the_baseline():
    codes, plain = family_codes(0, shared=0.9), family_codes(1, shared=0.4)
    sharing, other = (group_sharing(one, NAMES[:3]) for one in (codes, plain))
    gain = group_sharing(codes, NAMES[:3], baseline=plain).gain
    assert gain.value == pytest.approx(sharing.excess.value - other.excess.value)
    assert 0 < gain.low < gain.value < gain.high
    none = group_sharing(codes, NAMES[:3], baseline=codes).gain
    assert none.value == none.low == none.high == 0


@pytest.mark.slow
def test_the_interval_covers_the_excess_of_more_samples():
    """Nominal 95 %: of 40 sets of 300 samples, at least 33 cover the excess of 60,000 (binomial, 3e-3)."""
    truth = group_sharing(family_codes(99, shared=0.6, n=60_000), NAMES[:3], n_bootstrap=10).excess.value
    found = [group_sharing(family_codes(i, shared=0.6, n=300), NAMES[:3], n_bootstrap=100) for i in range(40)]
    assert sum(one.excess.low <= truth <= one.excess.high for one in found) >= 33


@pytest.mark.slow
def test_groups_that_are_too_many_to_visit_are_drawn(make_codes):
    labels = np.arange(240) % 24
    codes = make_codes(np.eye(24)[labels] * 0.9 + (labels < 8)[:, None] * 0.05, labels)
    sharing = group_sharing(codes, codes.class_names[:8], n_bootstrap=10)  # of 735,471 groups
    assert sharing.p_value == 1 / 2_001  # itself among those drawn: never 0
    assert sharing == group_sharing(codes, codes.class_names[:8], n_bootstrap=10)


def test_a_family_is_found_and_none_is_made_of_what_all_share(make_codes):
    assert find_groups(family_codes(0, shared=0.9))[0] == NAMES[:3]
    labels = np.arange(240) % 4
    alike = make_codes(np.full((240, 3), 0.9), labels)  # all of it global
    assert find_groups(alike) == ()
    assert find_groups(make_codes(np.eye(4)[labels], labels)) == ()
    two = family_codes(0, shared=0.9)
    assert find_groups(two.select(two.labels < 2)) == ()


def test_no_group_lies_within_another_and_they_are_as_many_as_asked_for(make_codes):
    labels = np.arange(300) % 6
    patterns = np.repeat(np.eye(3), 2, axis=0) * 0.8 + 0.05  # three pairs
    codes = make_codes(patterns[labels], labels)
    groups = find_groups(codes)
    assert sorted(groups) == [("class 0", "class 1"), ("class 2", "class 3"), ("class 4", "class 5")]
    assert len(find_groups(codes, n_groups=1)) == 1
    shared = [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]
    nested = make_codes(0.8 * np.array(shared)[np.arange(300) % 5], np.arange(300) % 5)
    assert find_groups(nested) == (("class 0", "class 1"),)  # not the branch with class 2 as well


@pytest.mark.slow
def test_the_interval_is_fair_if_the_group_was_found_in_other_samples():
    """Classes that share almost alike. Nominal 95 %: of 80 at least 69 cover the truth (binomial, 2e-3)."""
    means = 0.2 + 0.5 * np.eye(6, 12) + np.random.default_rng(5).uniform(-0.05, 0.05, (6, 12))

    def draw(seed):
        probs = means[np.arange(240) % 6] + 0.3 * np.random.default_rng(seed).normal(size=(240, 12))
        ones = np.ones_like(probs)
        return Codes(np.clip(probs, 0, 1), ones, ones, np.arange(240) % 6, NAMES, np.full(12, 0.1))

    many = [draw(seed).class_means() for seed in range(1000, 1400)]
    means_drawn = np.mean(many, axis=0)  # of the clipped ones

    def truth(group):
        share = [[np.minimum(a, b).sum() / np.maximum(a, b).sum() for b in means_drawn] for a in means_drawn]
        inside = [NAMES.index(name) for name in group]
        pairs = [share[a][b] for a in inside for b in inside if a != b]
        return np.mean(pairs) - np.mean([share[a][b] for a in inside for b in range(6) if b not in inside])

    def covered(found_in, tested_on):
        hits = 0
        for seed, other in zip(found_in, tested_on, strict=True):
            (group,) = find_groups(draw(seed), n_groups=1, least=0)
            excess = group_sharing(draw(other), group, n_bootstrap=100).excess
            hits += excess.low <= truth(group) <= excess.high
        return hits

    other, same = covered(range(80), range(100, 180)), covered(range(80), range(80))
    assert other >= 69
    assert same < 69, "found and tested in one set of samples"


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (("sandel", "boot"), "Unknown class 'sandel' in 'group'. Did you mean 'sandal'"),
        (("sandal",), "must be 2 … 5 of the 6 classes"),
        (NAMES, "A group needs classes beside it"),
        ((), "got none"),
        ("boot", "must be names of classes, got 'boot'"),
    ],
)
def test_a_group_that_cannot_be_tested_is_refused(group, message):
    with pytest.raises(ValueError, match=message):
        group_sharing(family_codes(0, shared=0.5), group)


def test_two_classes_make_no_group_and_one_resample_no_interval():
    codes = family_codes(0, shared=0.5)
    with pytest.raises(ValueError, match="at least three classes with samples, got 2"):
        group_sharing(codes.select(codes.labels < 2), NAMES[:2])
    with pytest.raises(ValueError, match="'n_bootstrap' of group_sharing must be at least 2, got 1"):
        group_sharing(codes, NAMES[:2], n_bootstrap=1)


def test_a_baseline_of_other_samples_is_refused():
    codes = family_codes(0, shared=0.5)
    with pytest.raises(ValueError, match="'baseline' of group_sharing must code the same 600 samples"):
        group_sharing(codes, NAMES[:3], baseline=replace(codes, labels=codes.labels[::-1].copy()))
