"""Recovery on codes of which it is known what they have found: all, nothing, or what only looks like it."""

from dataclasses import replace
from itertools import permutations
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.metrics import f1_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from cospike._errors import InputError
from cospike.codes import Codes
from cospike.recovery import measure_recovery, support_f1
from cospike.synthetic import Cause, make_shapes, make_sparse_linear

LABELS = np.arange(1200) % 6  # classes 0 … 2 are one category, 3 … 5 another


def make_codes(active, labels=LABELS, *, values=None) -> Codes:
    active = np.asarray(active, dtype=float)
    return Codes(
        active_probs=active,
        slab_loc=np.ones_like(active) if values is None else np.asarray(values, dtype=float),
        slab_scale=np.ones_like(active),
        labels=labels,
        class_names=tuple(map(str, range(labels.max() + 1))),
        prior_probs=np.full(active.shape[1], 0.1),
    )


def make_causes(seed=0, labels=LABELS) -> tuple[Cause, ...]:
    """One global cause, one of each category, one of each class's own."""
    rng = np.random.default_rng(seed)
    acting = {"size": range(6), "left": range(3), "right": range(3, 6)} | {f"own {k}": [k] for k in range(6)}
    kinds = {1: "class-specific", 3: "group", 6: "global"}
    return tuple(
        Cause(
            name,
            kinds[len(classes)],
            tuple(classes),
            np.where(np.isin(labels, classes), rng.uniform(-1, 1, len(labels)), np.nan),
        )
        for name, classes in acting.items()
    )


CAUSES = make_causes()
Z = np.nan_to_num(np.stack([cause.values for cause in CAUSES], axis=1))


def found(codes, causes=CAUSES, **options):
    result = measure_recovery(codes, causes, **options)
    return {row.cause: row for row in result.causes}, result


# --- causes: perfect, worthless, tempting but wrong


def test_the_true_code_is_perfect_whatever_its_order():
    order = np.random.default_rng(1).permutation(len(CAUSES))
    rows, result = found(make_codes(Z[:, order] != 0, values=Z[:, order]))
    for k, cause in enumerate(CAUSES):
        row = rows[cause.name]
        assert order[row.latent] == order[row.any_latent] == k
        assert row.r2 == row.any_r2 == pytest.approx(1, abs=1e-3)
        read = result.latents[row.latent]
        assert (read.latent, read.cause, read.right_kind) == (row.latent, cause.name, True)
    assert (result.recovered, result.wrong_kind) == (1, 0)


@pytest.mark.parametrize("bend", [lambda z: -7 * z, np.sinh, lambda z: np.sign(z) * np.abs(z) ** 1.5, np.exp])
def test_a_code_on_another_scale_is_as_good(bend):
    _, result = found(make_codes(Z != 0, values=bend(Z)))
    assert min(row.r2 for row in result.causes) > 0.95
    assert (result.recovered, result.wrong_kind) == (1, 0)


@pytest.mark.parametrize("make", [make_shapes, make_sparse_linear])
def test_the_ideal_code_of_each_data_set_is_perfect(make):
    data = make(3_000)
    codes = make_codes(data.z != 0, data.true_labels, values=data.z)
    _, result = found(codes, data.causes)
    assert (result.recovered, result.wrong_kind) == (1, 0)
    assert support_f1(codes, data.z) == 1


def test_a_random_code_recovers_nothing():
    rng = np.random.default_rng(2)
    _, result = found(make_codes(rng.random((1200, 9)), values=rng.normal(size=(1200, 9))))
    assert max(row.any_r2 for row in result.causes) < 0.1
    assert result.recovered == 0
    assert isnan(result.wrong_kind)
    assert {row.right_kind for row in result.latents} == {None}


def test_a_code_that_tells_the_class_and_no_more_recovers_nothing():
    values = np.eye(6)[LABELS] * (1 + LABELS[:, None])
    _, result = found(make_codes(values > 0, values=values))
    assert {row.any_r2 for row in result.causes} == {0}
    assert result.recovered == 0
    assert isnan(result.wrong_kind)


def test_a_cause_that_differs_between_classes_is_not_told_by_the_class():
    shifted = replace(CAUSES[0], values=CAUSES[0].values + 10 * LABELS)
    values = np.tile(1.0 + LABELS[:, None], (1, 2)) + np.random.default_rng(0).normal(0, 0.01, (1200, 2))
    _, result = found(make_codes(np.ones((1200, 2)), values=values), [shifted])
    assert result.causes[0].any_r2 < 0.1


def test_a_copy_of_a_global_cause_in_every_class_is_of_the_wrong_kind():
    copies = np.eye(6)[LABELS] * Z[:, :1]
    rows, result = found(make_codes(copies != 0, values=copies))
    assert (rows["size"].latent, rows["size"].r2) == (None, 0)
    assert rows["size"].any_r2 == pytest.approx(1 / 6, abs=1e-3)
    assert (result.recovered, result.wrong_kind) == (0, 1)
    assert {(row.cause, row.kind, row.right_kind) for row in result.latents} == {("size", "class-specific", False)}


def test_a_latent_that_serves_each_class_in_another_way_is_of_the_wrong_kind():
    own = Z[:, 3:].sum(axis=1, keepdims=True)
    rows, result = found(make_codes(np.ones((1200, 1)), values=own))
    for label in range(6):
        assert rows[f"own {label}"].any_r2 == pytest.approx(1, abs=1e-3)
        assert rows[f"own {label}"].latent is None
    [row] = result.latents
    assert (row.kind, row.right_kind) == ("always-on", False)
    assert row.r2 == pytest.approx(1 / 6, abs=0.01), "below the bar on average, above it in some class"
    assert (result.recovered, result.wrong_kind) == (0, 1)


def test_what_a_latent_would_say_if_it_were_active_does_not_count():
    active = Z != 0
    active[:, 0] = False
    rows, _ = found(make_codes(0.4 * active, values=Z))
    assert {row.any_r2 for row in rows.values()} == {0}
    rows, result = found(make_codes(0.4 * active, values=Z), threshold=0.3)
    assert rows["size"].r2 == 0
    assert result.recovered == pytest.approx(8 / 9)


def test_a_latent_that_no_class_uses_claims_no_kind():
    often = np.random.default_rng(7).random((1200, 1)) < 0.4
    values = np.where(often, Z[:, :1], 0)
    [row] = measure_recovery(make_codes(often, values=values), CAUSES).latents
    assert (row.kind, row.cause, row.right_kind) == ("occasional", "size", None)
    assert 0.25 < row.r2 < 0.5


def test_chance_is_not_recovery_where_samples_are_few():
    rng, labels = np.random.default_rng(3), np.repeat(np.arange(6), 20)
    codes = make_codes(np.ones((120, 30)), labels, values=rng.standard_cauchy((120, 30)))
    _, result = found(codes, make_causes(labels=labels)[:1])
    assert result.causes[0].any_r2 < 0.15, "on the samples of the fit it would be .23"


# --- the figures themselves


@pytest.mark.parametrize("seed", range(3))
def test_r2_is_that_of_a_cubic_on_the_other_half(seed):
    rng, noisy = np.random.default_rng(10 + seed), Z + np.random.default_rng(seed).normal(0, 0.4, Z.shape)
    codes = make_codes(rng.random(Z.shape) < 0.7, values=noisy)
    values, halves, expected = codes.values(), np.random.default_rng(seed), np.zeros((6, 9))
    for label in range(6):
        order = halves.permutation(np.flatnonzero(label == LABELS))
        first, second = order[: len(order) // 2], order[len(order) // 2 :]
        for latent in range(9):
            low, high = np.quantile(values[first, latent], (0, 1))
            cubic = make_pipeline(PolynomialFeatures(3), LinearRegression())
            cubic.fit(values[first, latent, None], CAUSES[0].values[first])
            told = cubic.predict(values[second, latent, None].clip(low, high))
            expected[label, latent] = max(0, r2_score(CAUSES[0].values[second], told))
    [row] = measure_recovery(codes, CAUSES[:1], seed=seed).causes
    assert row.any_r2 == pytest.approx(expected.mean(axis=0).max())
    assert row.any_latent == expected.mean(axis=0).argmax()


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(0, 1000))
def test_order_sign_and_scale_of_the_latents_do_not_matter(seed, other):
    rng = np.random.default_rng(seed)
    values = Z @ rng.normal(size=(9, 7)) + rng.normal(0, 0.1, (1200, 7))
    active = rng.random((1200, 7)) < rng.random(7)
    codes = make_codes(active, values=values)
    rng = np.random.default_rng(other)
    order, scale = rng.permutation(7), rng.uniform(0.1, 10, 7) * rng.choice([-1, 1], 7)
    changed = make_codes(active[:, order], values=(values * scale)[:, order])
    one, two = measure_recovery(codes, CAUSES), measure_recovery(changed, CAUSES)
    assert [row.r2 for row in one.causes] == pytest.approx([row.r2 for row in two.causes])
    assert [one.latents[k].r2 for k in order] == pytest.approx([row.r2 for row in two.latents])
    assert all(0 <= row.r2 <= row.any_r2 <= 1 for row in one.causes)


# --- the support


def test_the_true_support_scores_one_whatever_its_order_and_what_is_left_over():
    support = np.hstack([Z != 0, np.zeros((1200, 3), dtype=bool)])
    order = np.random.default_rng(0).permutation(12)
    assert support_f1(make_codes(support[:, order]), Z) == 1


def test_an_empty_code_scores_zero_and_a_full_one_what_it_costs():
    z = make_sparse_linear(500).z
    labels = np.zeros(500, dtype=int)
    assert support_f1(make_codes(np.zeros((500, 32)), labels), z) == 0
    assert support_f1(make_codes(np.ones((500, 32)), labels), z) == pytest.approx(2 * 4 / (4 + 32))


def test_a_constant_code_of_the_right_size_scores_little():
    z = make_sparse_linear(5_000).z
    constant = np.tile(np.arange(32) < 4, (5_000, 1))
    assert support_f1(make_codes(constant, np.zeros(5_000, dtype=int)), z) < 0.25


def test_a_second_copy_of_every_latent_is_false():
    twice = np.hstack([Z != 0, Z != 0])
    assert support_f1(make_codes(twice), Z) == pytest.approx(2 / 3)


def test_a_latent_of_two_columns_is_matched_with_one_of_them():
    merged = np.hstack([(Z[:, [3]] + Z[:, [4]]) != 0, Z[:, 5:] != 0])
    true = Z[:, 3:]
    assert support_f1(make_codes(merged), true) == pytest.approx(2 * 5 / (6 + 6))


@pytest.mark.parametrize("seed", range(5))
def test_f1_is_the_best_over_all_matchings(seed):
    rng = np.random.default_rng(seed)
    active, truth = rng.random((40, 4)) < rng.random(4), rng.random((40, 4)) < rng.random(4)
    codes = make_codes(active, np.zeros(40, dtype=int))
    best = max(f1_score(truth.ravel(), active[:, list(order)].ravel()) for order in permutations(range(4)))
    assert support_f1(codes, truth.astype(float)) == pytest.approx(best)


# --- misuse


def test_causes_of_other_samples_are_refused():
    with pytest.raises(InputError, match="'causes' of measure_recovery must be those of the 1200 samples"):
        measure_recovery(make_codes(Z != 0), make_causes(labels=LABELS[:600]))
    with pytest.raises(InputError, match="must be one or more, got none"):
        measure_recovery(make_codes(Z != 0), ())
    with pytest.raises(InputError, match="Encode with the true labels"):
        measure_recovery(make_codes(Z != 0, np.roll(LABELS, 1)), CAUSES)


def test_too_few_samples_of_a_class_are_refused():
    few = LABELS[:60]
    with pytest.raises(InputError, match="must have 20 samples of each class that 'size' concerns, got 10"):
        measure_recovery(make_codes(Z[:60] != 0, few), make_causes(labels=few))
    with pytest.raises(InputError, match="of each class that 'right' concerns, got 0"):
        measure_recovery(make_codes(Z[LABELS < 3] != 0, LABELS[LABELS < 3]), make_causes(labels=LABELS[LABELS < 3])[2:])


def test_a_support_of_other_samples_or_of_nothing_is_refused():
    for z in (Z[:5], np.zeros_like(Z)):
        with pytest.raises(InputError, match="'z' of support_f1 must be the code of the 1200 samples"):
            support_f1(make_codes(Z != 0), z)
