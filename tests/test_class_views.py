"""The three views on codes of which it is known what they should show, the ideal class-specific code first."""

import numpy as np
import pytest
from scipy import stats

from cospike._errors import InputError
from cospike.class_views import measure_disentanglement
from cospike.codes import Codes
from cospike.disentanglement import infomec, mig, monoscore, sap
from cospike.disentanglement_table import METRICS

pytestmark = pytest.mark.slow  # thousands of samples

VIEWS = ("pooled", "class_conditional", "one_vs_rest")


def make_codes(z, labels, n_classes=None) -> Codes:
    return Codes(
        active_probs=(z != 0).astype(float),
        slab_loc=z,
        slab_scale=np.ones_like(z),
        labels=labels,
        class_names=tuple(f"class {k}" for k in range(n_classes or labels.max() + 1)),
        prior_probs=np.full(z.shape[1], 0.1),
    )


def ideal(n=10_000, seed=0, classes=10):
    """Latent k is on in class k alone and there codes a factor of its own; two more code global factors."""
    rng = np.random.default_rng(seed)
    labels, own = rng.integers(classes, size=n), rng.uniform(-1, 1, n)
    shared = rng.uniform(-1, 1, (n, 2))
    z = np.hstack([np.where(labels[:, None] == np.arange(classes), own[:, None], 0), shared])
    return make_codes(z, labels), {"own": own, "thickness": shared[:, 0], "slant": shared[:, 1]}


@pytest.fixture(scope="module")
def scores():
    return measure_disentanglement(*ideal())


# --- perfect: what the field's figures say of an ideal class-specific code, and what they should (20 equal-width bins)


def test_pooled_figures_do_not_see_a_class_specific_code(scores):
    pooled = scores["mig_pooled"].parts
    assert max(pooled["class"], pooled["own"]) < 0.02
    assert min(pooled["thickness"], pooled["slant"]) > 0.99
    assert scores["dci_completeness_pooled"].parts["class"] < 0.1
    assert scores["infoc_pooled"].parts["class"] < 0.03


def test_within_classes_and_class_by_class_it_is_seen(scores):
    assert scores["mig_class_conditional"].parts["own"] > 0.92
    assert scores["mig_one_vs_rest"].value > 0.94
    for metric in ("mig", "sap", "infoc", "infom", "dci_completeness", "dci_disentanglement", "infoe", "explicitness"):
        assert scores[f"{metric}_class_conditional"].value > 0.75, metric
    for metric in ("mig", "sap", "modularity", "infoe", "explicitness", "dci_completeness", "dci_informativeness"):
        assert scores[f"{metric}_one_vs_rest"].value > 0.85, metric


@pytest.mark.parametrize("seed", [1, 2])
def test_its_figures_do_not_hang_on_the_seed(seed):
    codes, factors = ideal(seed=seed)
    z, labels = codes.values(), codes.labels
    pooled = mig(z, np.column_stack([labels, factors["own"], factors["slant"]]))
    assert max(pooled[:2]) < 0.02
    assert pooled[2] > 0.99
    within = [mig(z[labels == k], factors["own"][labels == k, None])[0] for k in range(10)]
    assert np.mean(within) > 0.92
    assert mig(z != 0, labels[:, None] == np.arange(10)).mean() > 0.94


def test_its_latents_go_with_similar_images():
    codes, _ = ideal()
    rng = np.random.default_rng(1)
    embeddings = rng.normal(size=(10, 64))[codes.labels] + rng.normal(0, 0.5, (10_000, 64))
    own = monoscore(np.abs(codes.values()), embeddings)[:10]
    assert own.min() > 5 * monoscore(rng.random((10_000, 1)), embeddings)[0]


def test_each_score_is_the_mean_of_what_the_functions_give(scores):
    codes, factors = ideal()
    z, labels = codes.values(), codes.labels
    columns = np.column_stack([labels, *factors.values()])
    assert list(scores["mig_pooled"].parts.values()) == pytest.approx(mig(z, columns))
    assert list(scores["infom_pooled"].parts.values()) == pytest.approx(infomec(z, columns).modularity)
    within = np.array([sap(z[labels == k], columns[labels == k, 1:]) for k in range(10)])
    assert scores["sap_class_conditional"].value == pytest.approx(within.mean())
    assert scores["sap_class_conditional"].parts["slant"] == pytest.approx(within[:, 2].mean())
    support = mig(z != 0, labels[:, None] == np.arange(10))
    assert scores["mig_one_vs_rest"].parts == pytest.approx({f"class {k}": x for k, x in enumerate(support)})
    assert scores["mig_one_vs_rest"].value == pytest.approx(support.mean())


# --- worthless, and tempting but wrong


def test_a_random_code_scores_nothing_in_any_view():
    codes, factors = ideal(4000, classes=4)
    rng = np.random.default_rng(3)
    scores = measure_disentanglement(
        make_codes(rng.normal(size=(4000, 6)) * (rng.random((4000, 6)) < 0.3), codes.labels), factors
    )
    for view in VIEWS:
        for metric in ("mig", "sap", "infoe", "dci_informativeness"):
            assert scores[f"{metric}_{view}"].value < 0.06, (metric, view)
        assert scores[f"explicitness_{view}"].value == pytest.approx(0.5, abs=0.04)


def test_one_latent_for_all_classes_tells_what_varies_in_them_and_no_class():
    codes, factors = ideal(4000, classes=4)
    wrong = make_codes(np.column_stack(list(factors.values())), codes.labels)
    scores = measure_disentanglement(wrong, factors)
    assert scores["mig_pooled"].parts["own"] > 0.95, "pooled, it beats the ideal code"
    assert scores["mig_class_conditional"].parts["own"] > 0.9
    assert scores["mig_one_vs_rest"].value < 0.01


def test_a_code_of_the_class_alone_tells_the_class_and_nothing_within():
    codes, factors = ideal(4000, classes=4)
    scores = measure_disentanglement(make_codes(np.eye(4)[codes.labels], codes.labels), factors)
    assert scores["mig_one_vs_rest"].value > 0.6
    assert scores["mig_class_conditional"].value == 0
    assert scores["explicitness_class_conditional"].value == 0.5


def test_the_values_of_a_latent_that_is_always_on_are_not_its_support():
    labels = np.arange(400) % 4
    scores = measure_disentanglement(make_codes(1.0 + labels[:, None], labels), {})
    assert scores["mig_pooled"].parts["class"] == pytest.approx(1)
    assert scores["mig_one_vs_rest"].value == 0


# --- factors that do not act everywhere, labels that are missing


def test_a_factor_counts_in_the_classes_in_which_it_acts():
    codes, factors = ideal(4000, classes=4)
    loops = np.where(codes.labels == 2, factors["own"], np.nan)
    scores = measure_disentanglement(codes, {"loops": loops, "slant": factors["slant"]})
    rows = codes.labels == 2
    expected = mig(codes.values()[rows], loops[rows, None])[0]
    assert scores["mig_class_conditional"].parts["loops"] == pytest.approx(expected)
    assert expected > 0.85
    assert "class" not in scores["mig_class_conditional"].parts


def test_kinds_are_those_of_the_whole_column():
    codes, factors = ideal(600, classes=10)
    scores = measure_disentanglement(codes, factors | {"count": np.arange(600)}, bins=5)
    assert scores["explicitness_class_conditional"].parts["own"] > 0.9, "continuous, though few values fall in a bin"
    assert "count" not in scores["dci_informativeness_class_conditional"].parts, (
        "discrete: integers, of which none recurs"
    )


def test_unlabelled_samples_are_left_out():
    codes, factors = ideal(2000, classes=4)
    labels = np.where(np.arange(2000) < 500, -1, codes.labels)
    found = measure_disentanglement(make_codes(codes.values(), labels), factors)
    rest = {name: values[500:] for name, values in factors.items()}
    expected = measure_disentanglement(codes.select(slice(500, None)), rest)
    assert {name: score.value for name, score in found.items()} == {
        name: score.value for name, score in expected.items()
    }
    assert found["mig_pooled"].n == 1500


def test_of_a_single_class_what_needs_two_is_left_out():
    codes, factors = ideal(500, classes=4)
    scores = measure_disentanglement(make_codes(codes.values(), np.zeros(500, dtype=int), 3), factors)
    assert not any(name.endswith("one_vs_rest") for name in scores)
    assert "class" not in scores["mig_pooled"].parts
    assert scores["mig_pooled"].value == scores["mig_class_conditional"].value
    alone = measure_disentanglement(make_codes(codes.values(), np.zeros(500, dtype=int)), {})
    assert alone == {}


def test_a_class_of_one_sample_and_a_class_of_none_do_no_harm():
    codes, factors = ideal(400, classes=3)
    labels = codes.labels.copy()
    labels[0] = 3
    scores = measure_disentanglement(make_codes(codes.values(), labels, 5), factors)
    assert all(np.isfinite(score.value) for score in scores.values())
    assert set(scores["mig_one_vs_rest"].parts) == {f"class {k}" for k in range(4)}


# --- the record, the interval, the table


def test_every_metric_is_described_and_every_score_says_how(scores):
    assert set(scores) == {f"{metric}_{view}" for metric in METRICS for view in VIEWS if metric != "monoscore"}
    for name, score in scores.items():
        metric = METRICS[name.removesuffix(f"_{score.view}")]
        assert score.how.startswith(metric.definition)
        assert (score.bins == 20) == ("20 equal-width bins" in score.how)
        assert (score.n, score.seed, score.n_resamples, score.stderr, score.interval) == (10_000, 0, 0, None, None)
        assert 0 <= min(score.parts.values()) <= score.value <= max(score.parts.values()) <= 1
    for metric in METRICS.values():
        assert all(len(line) > 5 for line in (metric.definition, metric.estimator, metric.source, metric.blind_to))


def within_one_class(n, seed):
    """A latent that tells a factor, and one that tells less of it: every factor is continuous, and no class differs."""
    rng = np.random.default_rng(seed)
    slant = rng.normal(size=n)
    z = slant[:, None] + rng.normal(size=(n, 2)) * [0.6, 1.2]
    return make_codes(z, np.zeros(n, dtype=int)), {"slant": slant}


def test_the_interval_covers_what_other_samples_give_in_the_mean():
    """Nominal 95 %: of 40 sets of samples at least 33 (binomial, 3e-3), and the interval is no wider than twice that
    of the spread over other samples (√3 times, and the error of ten resamples).
    """
    others = [measure_disentanglement(*within_one_class(300, seed)) for seed in range(1000, 1150)]
    found = [measure_disentanglement(*within_one_class(300, seed), n_resamples=10) for seed in range(40)]
    for metric in ("mig", "sap", "infoc", "explicitness", "infoe", "dci_informativeness"):
        name = f"{metric}_pooled"
        values = np.array([scores[name].value for scores in others])
        hits = [scores[name].interval[0] <= values.mean() <= scores[name].interval[1] for scores in found]
        assert sum(hits) >= 33, name
        stderr = np.mean([scores[name].stderr for scores in found])
        assert 0.8 < stderr / values.std(ddof=1) < 2, name


def test_the_interval_is_students_and_stays_in_the_range_of_the_metric():
    codes, factors = ideal(300, classes=3)
    scores = measure_disentanglement(codes, factors, n_resamples=4)
    for name, score in scores.items():
        low, high = score.interval
        assert score.n_resamples == 4, name
        expected = stats.t.interval(0.95, 3, score.value, max(score.stderr, 1e-12))
        assert (low, high) == pytest.approx(np.clip(expected, 0, 1), abs=1e-9), name
    noise = np.random.default_rng(0).normal(size=(300, 2))
    alone = make_codes(noise, np.zeros(300, dtype=int))
    assert measure_disentanglement(alone, {"a": noise[::-1, 0]}, n_resamples=4)["sap_pooled"].interval[0] == 0
    assert scores["dci_completeness_pooled"].stderr > 0, "a forest is fitted anew"


def test_no_row_is_drawn_twice_so_that_none_is_fitted_and_judged():
    """Codes that tell each row from all others, and nothing of the factor: a row in both halves would tell it."""
    rng = np.random.default_rng(0)
    codes = make_codes(rng.normal(size=(200, 40)), np.zeros(200, dtype=int))
    score = measure_disentanglement(codes, {"noise": rng.normal(size=200)}, n_resamples=6)["dci_informativeness_pooled"]
    assert score.value == score.stderr == 0


def test_the_seed_decides_the_resamples():
    codes, factors = ideal(300, classes=3)
    one, same, other = (
        measure_disentanglement(codes, factors, seed=seed, n_resamples=3)["mig_one_vs_rest"] for seed in (0, 0, 1)
    )
    assert one == same
    assert one.stderr != other.stderr
    assert one.value == other.value


# --- misuse


@pytest.mark.parametrize(
    ("factors", "options", "message"),
    [
        ({"class": np.zeros(300)}, {}, "must leave out the class"),
        ({"a": np.zeros(299)}, {}, r"one number for each of the 300 samples, got shape \(299,\) of float64 for 'a'"),
        ({"a": np.array(["x"] * 300)}, {}, "of <U1 for 'a'"),
        ({"a": np.full(300, np.inf)}, {}, "'factors' of measure_disentanglement must be finite, or NaN"),
        ({"a": np.zeros(300)}, {"bins": 1}, "'bins' of measure_disentanglement must be at least 2, got 1"),
        ({}, {"n_resamples": 1}, "'n_resamples' of measure_disentanglement must be 0, or 2 or more, got 1"),
    ],
)
def test_misuse(factors, options, message, unchecked):
    with pytest.raises(InputError, match=message):
        measure_disentanglement(ideal(300)[0], factors, **options)


def test_codes_without_labels_are_refused():
    codes = ideal(30)[0]
    with pytest.raises(InputError, match="must have labelled samples, got 30 without a label"):
        measure_disentanglement(make_codes(codes.values(), np.full(30, -1), 2), {})
