"""What a page says of disentanglement and of families, against the verbs on the same samples."""

from dataclasses import replace

import numpy as np
import pytest

from cospike.class_views import measure_disentanglement
from cospike.codes import Codes
from cospike.families import group_sharing
from cospike.report_tables import N_RESAMPLES, N_SAMPLES, disentanglement, families

pytestmark = pytest.mark.slow


def draw(seed, n, labels=None) -> Codes:
    """Four classes with a latent each, the first two with one in common."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 4 if labels is None else labels
    means = np.hstack([0.05 + 0.8 * np.eye(4), [[0.8], [0.8], [0.05], [0.05]]])
    probs = np.clip(means[labels] + 0.1 * rng.normal(size=(n, 5)), 0, 1)
    slab = rng.normal(size=(n, 5))
    return Codes(probs, slab, np.ones_like(slab), labels, ("a", "b", "c", "d"), np.full(5, 0.1))


def test_it_is_what_the_verb_says_of_all_samples_while_they_are_few():
    codes = draw(0, 400)
    attributes = {"slant": codes.slab_loc[:, 4], "nothing": np.full(400, np.nan)}
    found = disentanglement(codes, attributes)
    assert (found.n, found.attributes) == (400, ("slant",))
    expected = measure_disentanglement(codes, {"slant": attributes["slant"]}, n_resamples=N_RESAMPLES)
    shown = {f"{name}_{view}": score for name, (_, views) in found.rows.items() for view, score in views.items()}
    assert shown == expected


def test_of_many_samples_it_takes_as_many_as_it_says_all_of_them_labelled():
    codes = draw(0, N_SAMPLES + 3000)
    labels = np.where(np.arange(len(codes)) < 1000, -1, codes.labels)
    found = disentanglement(replace(codes, labels=labels), {})
    assert found.n == N_SAMPLES
    assert {score.n for _, views in found.rows.values() for score in views.values()} == {N_SAMPLES}


def test_what_would_take_minutes_or_cannot_be_told_is_left_out():
    codes = draw(0, 200)
    many = {f"column {k}": codes.slab_loc[:, 0] for k in range(200)}
    assert disentanglement(codes, many).rows == {}
    assert disentanglement(replace(codes, labels=np.full(200, -1)), {}) is None


def test_groups_are_of_the_training_samples_and_figures_of_the_held_out_ones():
    train, held_out = draw(0, 2000), draw(1, 400)
    (family,) = families(train, held_out)
    assert family.group == ("a", "b")
    assert family.excess.value == group_sharing(held_out, ("a", "b"), n_bootstrap=2).excess.value
    other = replace(held_out, labels=(held_out.labels + 1) % 4)  # the held-out samples disagree
    assert [one.group for one in families(train, other)] == [("a", "b")]


def test_classes_that_cannot_be_told_apart_or_have_no_samples_make_no_family():
    train, held_out = draw(0, 2000), draw(1, 400)
    same = ("a", "b", "b", "d")
    assert families(replace(train, class_names=same), replace(held_out, class_names=same)) == []
    assert families(train, held_out.select(held_out.labels != 3)) == []
