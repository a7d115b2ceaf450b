"""The estimators: scikit-learn's own checks, and the laws that it cannot know."""

from unittest import SkipTest

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from cospike import InputError, SparseVAEClassifier, SparseVAETransformer

IRIS, SPECIES = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[SPECIES]
QUICK = {"n_latents": 6, "hidden": (16,), "epochs": 3, "accelerator": "cpu"}


@pytest.fixture(scope="module", autouse=True)
def unchecked_types():
    """As a user meets them: scikit-learn gives lists, objects and strings on purpose."""
    from jaxtyping import config

    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [
        SparseVAETransformer(n_latents=6, hidden=(16,), epochs=2, accelerator="cpu"),
        SparseVAEClassifier(n_latents=8, hidden=(32,), epochs=60, accelerator="cpu"),
    ]
)
def test_scikit_learn_accepts(estimator, check):
    try:
        check(estimator)
    except SkipTest as reason:
        assert "SCIPY_ARRAY_API is not set" in str(reason)  # noqa: PT017  # arrays of other libraries than NumPy


@pytest.fixture(scope="module")
def fitted():
    return SparseVAETransformer(n_latents=8, hidden=(32,), epochs=60, accelerator="cpu").fit(IRIS, NAMES)


def test_codes_have_exact_zeros_and_rows_come_back(fitted):
    codes = fitted.transform(IRIS)
    assert codes.shape == (150, 8)
    assert (codes == 0).any()
    back = fitted.inverse_transform(codes)
    assert np.mean((back - IRIS) ** 2) < 0.5 * IRIS.var(axis=0).mean()  # in centimetres, as the columns are


def test_units_do_not_matter_to_codes_and_move_the_score_as_a_density(fitted):
    """p(a x + b) = p(x) / a in each column."""
    factor, shift = np.array([10.0, 0.1, 3.0, 1.0]), np.array([0.0, 5.0, -2.0, 100.0])
    other = clone(fitted).fit(IRIS * factor + shift, NAMES)
    np.testing.assert_allclose(other.transform(IRIS * factor + shift), fitted.transform(IRIS), rtol=1e-2, atol=1e-2)
    difference = fitted.score(IRIS) - other.score(IRIS * factor + shift)
    assert difference == pytest.approx(np.log(factor).sum(), abs=0.02)


def test_the_score_is_a_bound_that_training_raises(fitted):
    untrained = clone(fitted).set_params(epochs=1, learning_rate=1e-9).fit(IRIS, NAMES)
    assert fitted.score(IRIS) > untrained.score(IRIS) + 0.5
    # Against something independent: no bound may pass what a full Gaussian of these columns says by much.
    centred = IRIS - IRIS.mean(0)
    covariance = np.cov(IRIS.T, bias=True)
    quadratic = np.einsum("ni,ij,nj->n", centred, np.linalg.inv(covariance), centred).mean()
    gaussian = -0.5 * (quadratic + np.linalg.slogdet(2 * np.pi * covariance)[1])
    assert fitted.score(IRIS) < gaussian + 2.0


@pytest.mark.slow
def test_two_fits_are_the_same(fitted):
    again = clone(fitted).fit(IRIS, NAMES)
    assert np.array_equal(again.transform(IRIS), fitted.transform(IRIS))
    assert again.get_params() == fitted.get_params()
    differs = clone(fitted).set_params(random_state=1).fit(IRIS, NAMES)
    assert not np.array_equal(differs.transform(IRIS), fitted.transform(IRIS))


@pytest.mark.parametrize(("library", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_tables_come_out_as_tables(fitted, library, kind):
    model = clone(fitted).set_params(**QUICK).fit(IRIS, NAMES).set_output(transform=library)
    table = model.transform(IRIS)
    assert isinstance(table, kind)
    assert model.inverse_transform(table).shape == IRIS.shape  # the arrays of pandas cannot be written
    assert list(table.columns) == [f"sparsevaetransformer{i}" for i in range(6)]


def test_it_fits_into_pipelines_and_grids():
    transformer = SparseVAETransformer(**QUICK)
    accuracy = cross_val_score(make_pipeline(transformer, LogisticRegression(max_iter=500)), IRIS, NAMES, cv=3)
    assert accuracy.shape == (3,)
    search = GridSearchCV(transformer, {"n_latents": [2, 5], "objective": ["vsc", "class-consistent"]}, cv=2)
    assert search.fit(IRIS, NAMES).best_params_["n_latents"] in (2, 5)


def test_the_classifier_names_the_species_without_being_trained_to():
    half = np.arange(150) % 2 == 0
    model = SparseVAEClassifier(n_latents=8, hidden=(32,), epochs=60, accelerator="cpu").fit(IRIS[half], NAMES[half])
    assert model.score(IRIS[~half], NAMES[~half]) > 0.85
    probs = model.predict_proba(IRIS[~half])
    np.testing.assert_allclose(probs.sum(1), 1)
    assert (model.classes_[probs.argmax(1)] == model.predict(IRIS[~half])).all()
    assert set(model.predict(IRIS)) <= set(NAMES)


@pytest.mark.parametrize(
    ("marker", "labels"),
    [
        (-1, np.where(np.arange(150) % 3, -1, SPECIES)),
        (np.nan, np.where(np.arange(150) % 3, np.nan, SPECIES.astype(float))),
        ("?", np.where(np.arange(150) % 3, "?", NAMES)),
        ("", np.where(np.arange(150) % 3, "", NAMES).astype(object)),
    ],
)
def test_rows_without_a_label_take_part_and_are_left_out_of_the_score(marker, labels):
    model = SparseVAEClassifier(**{**QUICK, "epochs": 30}, unlabelled=marker).fit(IRIS, labels)
    assert len(model.classes_) == 3
    assert marker not in model.classes_.tolist()
    known = np.arange(150) % 3 == 0
    assert model.score(IRIS, labels) == model.score(IRIS[known], labels[known])
    assert float(model.model_.pattern_counts.sum()) == known.sum()
    frame = pd.DataFrame(IRIS, columns=list("abcd"))
    assert model.fit(frame, labels).score(frame, labels) == pytest.approx(model.score(frame[known], labels[known]))


def test_without_a_marker_every_value_is_a_label():
    labels = np.where(SPECIES == 0, -1, SPECIES)
    assert SparseVAEClassifier(**QUICK).fit(IRIS, labels).classes_.tolist() == [-1, 1, 2]


@pytest.mark.slow
def test_patience_holds_rows_out():
    model = SparseVAETransformer(**{**QUICK, "epochs": 400}, patience=3, validation_fraction=0.2).fit(IRIS, NAMES)
    assert model.n_iter_ < 400
    assert float(model.model_.pattern_counts.sum()) == 120


def test_a_constant_column_harms_nothing():
    rows = np.column_stack([IRIS, np.full(150, 1e9)])
    model = SparseVAETransformer(**QUICK).fit(rows)
    assert np.isfinite(model.transform(rows)).all()
    np.testing.assert_allclose(model.inverse_transform(model.transform(rows))[:, 4], 1e9, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SparseVAETransformer(**QUICK).fit(IRIS, NAMES[:9]), "'y' of fit must have 150 labels, .* got 9"),
        (lambda: SparseVAEClassifier(**QUICK).fit(IRIS, np.zeros(150, int)), "two classes at least, got 1 class"),
        (lambda: SparseVAETransformer(**QUICK, objective="vcs").fit(IRIS), "Did you mean 'vsc'"),
        (lambda: SparseVAETransformer(**QUICK, objective_settings={"wihtin": 1.0}).fit(IRIS, NAMES), "no setting"),
        (lambda: SparseVAETransformer(**QUICK, likelihood="bernoulli").fit(IRIS), "must lie in 0 … 1"),
        (lambda: SparseVAETransformer(**QUICK, patience=2, validation_fraction=1.0).fit(IRIS), "'validation_fraction'"),
        (
            lambda: SparseVAETransformer(**QUICK).fit(IRIS).inverse_transform(IRIS),
            r"must be codes \[sample, 6\], got float64 of shape \(150, 4\)",
        ),
        (
            lambda: SparseVAEClassifier(**QUICK, unlabelled=0).fit(IRIS, SPECIES).score(IRIS, np.zeros(150, int)),
            "a label of at least one row",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_line(call, message):
    with pytest.raises(InputError, match=message):
        call()
