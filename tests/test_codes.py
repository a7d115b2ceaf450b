"""Codes refuse what no posterior can be; the rest of what they do stands beside what uses it."""

import numpy as np
import pytest

from cospike._errors import InputError
from cospike.codes import Codes


def parts(**changed):
    known = {
        "active_probs": np.array([[0.0, 1.0], [0.5, 0.2]]),
        "slab_loc": np.array([[-3.0, 0.0], [1.0, 2.0]]),
        "slab_scale": np.array([[1e-6, 1.0], [1.0, 2.0]]),
        "labels": np.array([0, -1]),
        "class_names": ("a",),
        "prior_probs": np.array([0.1, 1.0]),
        "reconstruction": np.array([1.0, -2.0]),
    }
    return known | changed


def test_ends_are_allowed_and_no_rows_too():
    assert len(Codes(**parts())) == 2
    assert len(Codes(**parts()).select(slice(0))) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["active_probs", "slab_loc", "slab_scale", "prior_probs", "reconstruction"])
def test_what_is_not_finite_is_refused(name, bad):
    values = parts()[name].copy()
    values.flat[1] = bad
    with pytest.raises(InputError, match=f"'{name}' of Codes must be finite, got NaN or infinity"):
        Codes(**parts(**{name: values}))


@pytest.mark.parametrize(("name", "bad"), [("active_probs", -1e-9), ("active_probs", 1.001), ("slab_scale", 0.0)])
def test_what_is_no_probability_or_no_width_is_refused(name, bad):
    values = parts()[name].copy()
    values.flat[2] = bad
    with pytest.raises(InputError, match=f"'{name}' of Codes must lie in "):
        Codes(**parts(**{name: values}))


@pytest.mark.parametrize("labels", [[2, -1, 0, 2, 0, 2, -1], [-1] * 7, [0] * 7, [3, 0, 3, 0, 3, 0, 3]])
def test_class_means_are_those_of_each_class_by_itself(labels):
    labels, rng = np.array(labels), np.random.default_rng(0)
    values = rng.normal(size=(7, 2)).astype(np.float32)
    codes = Codes.from_values(values, labels, class_names="abcd")
    for given in (values, values > 0, values.astype(float)):
        means = codes.class_means(given)
        for label in range(4):
            rows = [row.astype(float) for row, one in zip(given, labels, strict=True) if one == label]
            expected = sum(rows) / len(rows) if rows else np.full(2, np.nan)
            assert np.array_equal(means[label], expected, equal_nan=True)
    assert np.array_equal(codes.class_means(), codes.class_means(codes.active_probs), equal_nan=True)
