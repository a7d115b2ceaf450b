"""The factor table on codes whose factors are known, and what a decoder known by hand does with them."""

import csv
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
import torch

from cospike.codes import Codes
from cospike.factors import explain, format_factors, traverse
from cospike.model import SparseVAE


@pytest.fixture
def linear_model():
    """A Gaussian decoder whose mean is W z: the effect of a latent is known."""
    model = SparseVAE((6,), 5, hidden=(), likelihood="gaussian")
    with torch.no_grad():
        model.decoder.trunk[0].weight.zero_()
        model.decoder.trunk[0].bias.fill_(0.25)
        for latent in range(5):
            model.decoder.trunk[0].weight[latent, latent] = latent + 1.0
    return model


@pytest.fixture
def codes(make_codes):
    """Ten classes: latent 0 in all, 1 in three, 2 in one, 3 in no class by majority, 4 never."""
    labels = np.repeat(np.arange(10), 100)
    probs = np.zeros((1000, 5))
    probs[:, 0] = 0.9
    probs[np.isin(labels, (1, 4, 7)), 1] = 0.8
    probs[labels == 6, 2] = 0.95
    probs[::5, 3] = 0.7
    loc = np.tile(np.linspace(-1, 1, 100), 10)[:, None] * np.ones(5)
    return make_codes(probs, labels, slab_loc=loc)


def test_kinds_classes_lift_range_and_effect(linear_model, codes):
    factors = {factor.latent: factor for factor in explain(linear_model, codes)}
    assert [factors[i].kind for i in range(5)] == ["always-on", "group", "class-specific", "occasional", "dead"]
    assert factors[0].lift == pytest.approx(1.0)
    assert set(factors[1].classes) == {"class 1", "class 4", "class 7"}
    assert factors[1].lift == pytest.approx(10 / 3)
    assert factors[2].classes == ("class 6",)
    assert factors[2].active_by_class == tuple(float(i == 6) for i in range(10))
    assert factors[2].usage == pytest.approx(0.1)
    assert np.isnan(factors[3].lift)
    assert (factors[2].low, factors[2].high) == pytest.approx((-0.9, 0.9), abs=0.01)
    expected = 3.0 * np.abs(np.linspace(-1, 1, 100)).mean()  # weight 3, switched off from its value
    assert factors[2].effect == pytest.approx(expected, rel=1e-4)
    assert factors[4].effect == 0


def test_a_class_on_both_sides_of_the_threshold_is_undecided(linear_model, codes):
    assert not any(factor.undecided for factor in explain(linear_model, codes))
    probs = codes.active_probs.copy()
    probs[:100:2, 2], probs[1:100:2, 2] = 0.1, 0.94  # class 0: a mean of .52
    wavering = next(
        factor for factor in explain(linear_model, replace(codes, active_probs=probs)) if factor.latent == 2
    )
    assert wavering.undecided == ("class 0",)
    assert (wavering.kind, wavering.classes) == ("group", ("class 6", "class 0"))


def test_codes_of_another_library_may_have_byte_labels_or_none():
    z = np.array([[0.0, 1.0], [2.0, 0.0]])
    assert Codes.from_values(z, np.array([0, 3], dtype=np.uint8)).class_names == ("0", "1", "2", "3")
    assert Codes.from_values(z).labels.tolist() == [-1, -1]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("values", "labels", "message"),
    [
        ([1.0, 2.0], None, r"'values' of Codes.from_values .*got float64 of shape \(2,\)"),
        ([["a"]], None, r"'values' of Codes.from_values must be numbers \[sample, latent\], got <U1"),
        ([[np.nan]], None, "must be finite, got NaN or infinity in row 0"),
        ([[1.0]], ["cat"], "'labels' of Codes.from_values must be 1 class indices, got <U3"),
        ([[1.0]], [0, 1], r"got int64 of shape \(2,\)"),
        ([[1.0]], [0.5], "got float64"),
    ],
)
def test_what_is_no_code_of_another_library_is_refused(values, labels, message):
    with pytest.raises(ValueError, match=message):
        Codes.from_values(values, labels)


def test_codes_of_another_library_have_all_but_effects(linear_model, codes):
    """The same values as a plain array: the same table, but for what only a decoder can tell."""
    foreign = Codes.from_values(codes.values(), codes.labels, class_names=codes.class_names)
    ours = {factor.latent: factor for factor in explain(linear_model, codes)}
    theirs = explain(None, foreign)
    for factor in theirs:
        mine = ours[factor.latent]
        assert (factor.kind, factor.classes, factor.active_by_class) == (mine.kind, mine.classes, mine.active_by_class)
        assert (factor.lift, factor.low, factor.high) == pytest.approx((mine.lift, mine.low, mine.high), nan_ok=True)
        assert np.isnan(factor.effect)
    assert [factor.usage for factor in theirs if factor.kind == "group"] == [0.3]


def test_the_table_is_ordered_from_shared_to_unused(linear_model, codes):
    kinds = [factor.kind for factor in explain(linear_model, codes)]
    assert kinds == ["always-on", "group", "class-specific", "occasional", "dead"]


def test_a_traversal_starts_off_and_runs_over_the_range_of_its_classes(linear_model, codes):
    factor = next(factor for factor in explain(linear_model, codes) if factor.latent == 2)
    rows = [600, 650]
    pictures = traverse(linear_model, codes, factor, rows, steps=5)
    assert pictures.shape == (2, 6, 6)
    np.testing.assert_allclose(pictures[:, 0, 2], 0.25, atol=1e-6)
    np.testing.assert_allclose(pictures[0, 1:, 2], 0.25 + 3 * np.linspace(factor.low, factor.high, 5), rtol=1e-5)
    np.testing.assert_allclose(pictures[:, :, 0], 0.25 + codes.slab_loc[rows][:, :1] * np.ones(6), rtol=1e-5)


def test_csv_holds_a_row_a_latent_and_no_formula(linear_model, codes):
    factors = explain(linear_model, codes)
    rows = list(csv.DictReader(StringIO(format_factors(factors, codes.class_names))))
    assert len(rows) == 5
    ends = [float(rows[1][f"P(active | class 4){end}"]) for end in (" low", "", " high")]
    assert ends == pytest.approx([0.963, 1, 1], abs=1e-3)  # Wilson: n / (n + 1.96²), of 100 samples
    evil = [factor.__class__(**{**factor.__dict__, "classes": ("=HYPERLINK(1)",)}) for factor in factors[:1]]
    assert "\n0,always-on,'=HYPERLINK(1)," in format_factors(evil, codes.class_names)
    beside = {factor.latent: {"goes_with": "\uff1dcmd", "rho": -0.5} for factor in factors}
    first = next(csv.DictReader(StringIO(format_factors(factors, codes.class_names, beside=beside))))
    assert (first["goes_with"], first["rho"]) == ("'\uff1dcmd", "-0.5000")  # a number stays one
