"""The supervised ceiling: it learns what can be learnt, and nothing where there is nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cospike.classifier import accuracy, fit_classifier
from cospike.data import from_arrays

SETTINGS = {"hidden": (16,), "epochs": 30, "batch_size": 50, "learning_rate": 1e-2}


def rings(n=600, *, shuffled=False, unlabelled=0):
    """Two rings, which no linear classifier parts."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=n)
    angle = rng.uniform(0, 2 * np.pi, n)
    points = (1 + 2 * labels + 0.2 * rng.normal(size=n))[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    labels = rng.permutation(labels) if shuffled else labels
    labels[:unlabelled] = -1
    return from_arrays(points.astype(np.float32), labels, class_names=("inner", "outer"))


def test_it_learns_what_can_be_learnt_and_says_what_it_is():
    measured = accuracy(fit_classifier(rings(), **SETTINGS), rings().test)
    assert measured.value > 0.97
    assert (measured.unit, measured.direction) == ("fraction", "higher")
    assert "supervised network itself" in measured.how


def test_of_labels_at_random_it_knows_nothing_on_test_rows():
    data = rings(shuffled=True)
    assert accuracy(fit_classifier(data, **SETTINGS), data.test).value == pytest.approx(0.5, abs=0.15)


def test_unlabelled_rows_do_not_count():
    data = rings(unlabelled=200)
    assert accuracy(fit_classifier(data, **SETTINGS), data.test).value > 0.95


def test_without_labelled_test_rows_there_is_no_accuracy():
    data = rings()
    network = fit_classifier(data, **SETTINGS | {"epochs": 1})
    assert accuracy(network, replace(data.test, y=torch.full_like(data.test.y, -1))) is None


def test_the_seed_decides_and_the_callers_draws_do_not_change(digits):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    short = SETTINGS | {"epochs": 1}
    first, same = (fit_classifier(digits, **short) for _ in range(2))
    other = fit_classifier(digits, **short, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    weights = [network.layers[-1].weight for network in (first, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
