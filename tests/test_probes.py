"""Probes against scikit-learn, naive loops and codes whose readers are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from cospike.probes import Rows, few_labels_accuracy, logistic_accuracy, neighbour_accuracy, quietly, sparse_accuracy
from cospike.splits import in_turns


def noisy_rows(seed: int, n: int = 600, n_classes: int = 4) -> Rows:
    """Ten columns; each class raises one of the first four by 1, and column 4 + k by ½ for class k < 2."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_classes, size=n)
    x = rng.normal(size=(n, 10))
    x[np.arange(n), labels] += 1.0
    x[labels < 2, 4] += 0.5
    return Rows(x, labels)


def test_neighbours_vote_as_in_a_naive_loop():
    train, held_out = noisy_rows(0), noisy_rows(1, n=100)
    right = 0
    for row, label in zip(held_out.x, held_out.labels, strict=True):
        nearest = train.labels[np.argsort(((train.x - row) ** 2).sum(1))[:10]]
        right += np.bincount(nearest, minlength=4).argmax() == label
    assert neighbour_accuracy(train, held_out) == right / 100


def test_more_neighbours_than_rows_are_all_rows():
    rows = Rows(np.array([[0.0], [0.2], [1.0]]), np.array([0, 0, 1]))
    assert neighbour_accuracy(rows, rows) == pytest.approx(2 / 3)


@pytest.mark.parametrize("k", [1, 3])
def test_a_sparse_probe_is_scikit_learns_on_the_columns_that_differ_most(k):
    train, held_out = noisy_rows(2), noisy_rows(3)
    x, other = ((rows.x - train.x.mean(0)) / train.x.std(0) for rows in (train, held_out))
    scores = []
    for label in range(4):
        gaps = [abs(column[train.labels == label].mean() - column[train.labels != label].mean()) for column in x.T]
        best = sorted(range(10), key=lambda column: -gaps[column])[:k]
        fitted = LogisticRegression(class_weight="balanced").fit(x[:, best], train.labels == label)
        scores.append(balanced_accuracy_score(held_out.labels == label, fitted.predict(other[:, best])))
    assert sparse_accuracy(train, held_out, n_columns=k) == pytest.approx(np.mean(scores), abs=5e-3)


def test_perfect_worthless_and_tempting_codes_for_a_sparse_probe():
    labels = np.arange(400) % 4
    latent_of_its_own = Rows(np.eye(4)[labels], labels)
    assert sparse_accuracy(latent_of_its_own, latent_of_its_own, n_columns=1) == 1
    constant = Rows(np.ones((400, 3)), labels)
    assert sparse_accuracy(constant, constant, n_columns=1) == 0.5
    # Two latents name four classes: a whole code tells them apart, no single latent does.
    binary = Rows(np.stack([labels // 2, labels % 2], axis=1), labels)
    assert logistic_accuracy(binary, binary) == 1
    assert sparse_accuracy(binary, binary, n_columns=1) == pytest.approx((1 + 2 / 3) / 2)
    assert sparse_accuracy(binary, binary, n_columns=2) == 1


def test_what_a_sparse_probe_cannot_tell_from_anything_is_left_out():
    one, two = Rows(np.ones((3, 1)), np.zeros(3, int)), Rows(np.eye(2), np.arange(2))
    assert np.isnan(sparse_accuracy(two, one, n_columns=1))
    assert sparse_accuracy(two, Rows(np.eye(2)[[0, 1, 1]], np.array([0, 1, 7])), n_columns=1) == pytest.approx(0.875)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(0, 99))
def test_any_first_rows_hold_the_classes_as_equally_as_can_be(labels, seed):
    order = in_turns(np.array(labels), np.random.default_rng(seed))
    assert sorted(order) == list(range(len(labels)))
    for n in range(1, len(labels) + 1):
        counts = {label: labels.count(label) for label in labels}
        taken = {label: sum(labels[row] == label for row in order[:n]) for label in counts}
        for label, count in counts.items():  # none is behind another by two, unless it has no more
            assert taken[label] == count or taken[label] >= max(taken.values()) - 1


def test_labels_help_and_their_draw_is_repeated():
    train, held_out = noisy_rows(4), noisy_rows(5)
    few, error = few_labels_accuracy(train, held_out, n_labels=8, seed=0)
    assert few_labels_accuracy(train, held_out, n_labels=8, seed=0) == (few, error)
    assert few_labels_accuracy(train, held_out, n_labels=8, seed=1) != (few, error)
    many, none = few_labels_accuracy(train, held_out, n_labels=600, seed=0)
    assert many == pytest.approx(logistic_accuracy(train, held_out))
    assert none == pytest.approx(0, abs=1e-3)
    assert 0 < error < 0.1 < many - few + 0.1
    assert few < many


def test_probes_take_one_thread_and_give_the_others_back():
    from threadpoolctl import threadpool_info, threadpool_limits

    def threads():
        return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    with quietly():
        pass  # what is looked for once, is found now
    with threadpool_limits(2, "blas"):
        assert set(threads().values()) == {2}
        for _ in range(2):
            with quietly():
                assert set(threads().values()) == {1}
            assert set(threads().values()) == {2}
