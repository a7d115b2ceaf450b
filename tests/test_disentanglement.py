"""Each metric on a perfect, a worthless and a tempting code, against a second implementation, and its laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import entropy
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import NearestCentroid

from cospike._errors import InputError
from cospike.disentanglement import dci, explicitness, infomec, mig, modularity, monoscore, sap, spread
from cospike.mutual_information import estimate_information
from cospike.readouts import ForestReadout

pytestmark = pytest.mark.slow  # thousands of samples

N = 3000
RNG = np.random.default_rng(0)
FACTORS = np.column_stack([RNG.uniform(-1, 1, (N, 2)), RNG.integers(3, size=N)])  # two continuous, one of three values
PERFECT = np.column_stack([-2 * FACTORS[:, 1], FACTORS[:, 2] * (RNG.random(N) < 0.999), 5 * FACTORS[:, 0]])
WORTHLESS = RNG.normal(size=(N, 3))
ROTATION = np.eye(3) - 2 / 3  # every latent a mixture of all three
ROTATED = (FACTORS - FACTORS.mean(axis=0)) / FACTORS.std(axis=0) @ ROTATION
COPIES = np.hstack([PERFECT, PERFECT])
MERGED = np.column_stack([np.round(FACTORS[:, 0] * 2) * 3 + FACTORS[:, 2], FACTORS[:, 1]])  # a latent of two factors


# --- perfect, worthless, tempting but wrong


def test_mig():
    assert mig(PERFECT, FACTORS).min() > 0.95
    assert mig(WORTHLESS, FACTORS).max() < 0.02
    assert mig(ROTATED, FACTORS).max() < 0.25
    assert mig(COPIES, FACTORS).max() < 1e-9, "each factor is told, twice"


def test_sap():
    assert sap(PERFECT, FACTORS).min() > 0.95
    assert sap(WORTHLESS, FACTORS).max() < 0.05
    assert sap(ROTATED, FACTORS).max() < 0.5
    assert sap(COPIES, FACTORS).max() < 1e-9
    assert sap(PERFECT**2, FACTORS)[:2].max() < 0.05, "as it says, blind to what is not monotonic"


def test_modularity():
    assert modularity(PERFECT, FACTORS).min() > 0.99
    assert modularity(COPIES, FACTORS).min() > 0.99, "as it says, blind to copies"
    assert modularity(MERGED, FACTORS)[0] < 0.75
    assert modularity(ROTATED, FACTORS).mean() < 0.7
    assert modularity(WORTHLESS, FACTORS).mean() < 0.7


def test_explicitness():
    assert explicitness(PERFECT, FACTORS).min() > 0.99
    assert explicitness(ROTATED, FACTORS).min() > 0.99, "as it says, blind to a rotation"
    assert explicitness(WORTHLESS, FACTORS) == pytest.approx(0.5, abs=0.04)
    assert explicitness(PERFECT**2, FACTORS)[:2] == pytest.approx(0.5, abs=0.04)


def test_infomec():
    perfect, worthless, rotated = (infomec(codes, FACTORS) for codes in (PERFECT, WORTHLESS, ROTATED))
    assert np.min([*perfect.modularity, *perfect.compactness]) > 0.85
    assert perfect.explicitness.min() > 0.95
    assert np.max([*rotated.modularity, *rotated.compactness]) < 0.5
    assert rotated.explicitness.min() > 0.95
    assert np.max([*worthless.modularity, *worthless.compactness]) < 0.5, "shares of the bias alone"
    assert worthless.explicitness.max() < 0.02
    copies = infomec(COPIES, FACTORS)
    assert copies.modularity.min() > 0.85
    assert copies.compactness.max() < 0.5
    assert infomec(MERGED, FACTORS).modularity[0] < 0.6


def test_dci():
    perfect, worthless, rotated = (dci(codes, FACTORS) for codes in (PERFECT, WORTHLESS, ROTATED))
    assert np.min([*perfect.disentanglement, *perfect.completeness]) > 0.9
    assert perfect.informativeness.min() > 0.95
    assert np.max([*worthless.disentanglement, *worthless.completeness]) < 0.1
    assert worthless.informativeness.max() < 0.05
    assert rotated.completeness.max() < 0.6
    assert rotated.informativeness.min() > 0.7
    copies = dci(COPIES, FACTORS)
    assert copies.mean_disentanglement() > 0.9
    assert copies.completeness.max() < 0.75, "one of two copies, at equal shares, is 1 - ln 2 / ln 6 = .61"
    assert dci(MERGED, FACTORS).disentanglement[0] < 0.5


def test_monoscore():
    labels = np.arange(N) % 10
    embeddings = np.random.default_rng(2).normal(size=(10, 32))[labels] + np.random.default_rng(3).normal(
        0, 0.3, (N, 32)
    )
    values = np.random.default_rng(4).uniform(-1, 1, N)
    signed = np.where(labels == 0, values, 0)[:, None]
    random = np.abs(WORTHLESS[:, :1])
    assert monoscore(np.abs(signed), embeddings)[0] > 5 * monoscore(random, embeddings)[0]
    assert monoscore(signed, embeddings)[0] < 2 * monoscore(random, embeddings)[0], (
        "as it says, on signed codes nothing"
    )


# --- second implementations, from the definitions


def _loops(codes, factors, bins=20):
    information = estimate_information(codes, factors, bins=bins)
    mutual, h = information.mutual, information.entropy
    n_latents, n_factors = mutual.shape
    gaps, modular = [], []
    for k in range(n_factors):
        best, second = sorted(mutual[:, k], reverse=True)[:2]
        gaps.append((best - second) / h[k])
    for i in range(n_latents):
        best = int(np.argmax(mutual[i]))
        template = [mutual[i, k] if k == best else 0 for k in range(n_factors)]
        deviation = sum((mutual[i, k] - template[k]) ** 2 for k in range(n_factors))
        modular.append(1 - deviation / (mutual[i, best] ** 2 * (n_factors - 1)))
    nmi = mutual / h
    infom = [(row.max() / row.sum() - 1 / n_factors) / (1 - 1 / n_factors) for row in nmi]
    infoc = [(row.max() / row.sum() - 1 / n_latents) / (1 - 1 / n_latents) for row in nmi.T]
    return gaps, modular, infom, infoc


@pytest.mark.parametrize(
    "codes", [PERFECT, WORTHLESS, ROTATED, COPIES], ids=["perfect", "worthless", "rotated", "copies"]
)
def test_what_follows_from_information_is_as_defined(codes):
    gaps, modular, infom, infoc = _loops(codes, FACTORS)
    found = infomec(codes, FACTORS)
    assert mig(codes, FACTORS) == pytest.approx(gaps)
    assert modularity(codes, FACTORS) == pytest.approx(modular)
    assert found.modularity == pytest.approx(infom)
    assert found.compactness == pytest.approx(infoc)


def test_sap_is_that_of_other_implementations():
    rng = np.random.default_rng(5)
    codes = np.hstack([ROTATED, rng.normal(size=(N, 2))]) * (rng.random((N, 5)) < 0.7)
    scores = np.square([[np.corrcoef(codes[:, i], FACTORS[:, k])[0, 1] for k in range(3)] for i in range(5)])
    for i in range(5):
        told = NearestCentroid().fit(codes[:, [i]], FACTORS[:, 2]).predict(codes[:, [i]])
        scores[i, 2] = max(balanced_accuracy_score(FACTORS[:, 2], told, adjusted=True), 0)
    best, second = np.sort(scores, axis=0)[::-1][:2]
    assert sap(codes, FACTORS) == pytest.approx(best - second)


@pytest.mark.parametrize("seed", range(3))
def test_dci_is_the_entropy_of_importance(seed):
    importance = np.random.default_rng(seed).dirichlet(np.full(6, 0.3), size=4).T
    importance[2] = 0
    found = spread(ForestReadout(importance, np.ones(4)))
    kept = [0, 1, 3, 4, 5]
    expected = [1 - entropy(importance[i], base=4) for i in kept]
    assert found.disentanglement[kept] == pytest.approx(expected)
    assert np.isnan(found.disentanglement[2])
    assert found.completeness == pytest.approx([1 - entropy(column, base=6) for column in importance.T])
    assert found.mean_disentanglement() == pytest.approx(np.average(expected, weights=importance[kept].sum(axis=1)))


@pytest.mark.parametrize("seed", range(3))
def test_monoscore_is_the_weighted_mean_over_all_pairs(seed):
    rng = np.random.default_rng(seed)
    activations = rng.random((60, 4)) * (rng.random((60, 4)) < 0.3) + [0, 0, 0.2, 0.2]
    embeddings = rng.normal(size=(60, 5)) * rng.uniform(0.1, 10, (60, 1)) + 0.5
    similarity = 1 - cdist(embeddings, embeddings, "cosine")
    pairs = np.triu_indices(60, k=1)
    expected = []
    for column in activations.T:
        w = (column - column.min()) / (column.max() - column.min())
        expected.append(np.average(similarity[pairs], weights=np.outer(w, w)[pairs]))
    assert monoscore(activations, embeddings) == pytest.approx(expected)


# --- laws


def _figures(codes, factors):
    info = infomec(codes, factors)
    return {
        "factor": [
            mig(codes, factors),
            sap(codes, factors),
            info.compactness,
            info.explicitness,
            explicitness(codes, factors),
        ],
        "latent": [modularity(codes, factors), info.modularity],
    }


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_order_and_sign_of_the_latents_and_order_of_the_factors_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    factors = np.column_stack([rng.normal(size=(150, 2)), rng.integers(3, size=150)])
    codes = (factors @ rng.normal(size=(3, 4)) + rng.normal(size=(150, 4))) * (rng.random((150, 4)) < 0.8)
    latents, columns, sign = rng.permutation(4), rng.permutation(3), rng.choice([-1, 1], 4)
    one, two = _figures(codes, factors), _figures((codes * sign)[:, latents], factors[:, columns])
    for a, b in zip(one["factor"], two["factor"], strict=True):
        assert b == pytest.approx(a[columns], abs=1e-4)
    for a, b in zip(one["latent"], two["latent"], strict=True):
        assert b == pytest.approx(a[latents])
    assert all((x >= 0).all() and (x <= 1).all() for x in [*one["factor"], *one["latent"]])


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_names_of_classes_and_copies_of_the_samples_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=150)
    codes = (rng.normal(size=(4, 3))[labels] + rng.normal(size=(150, 3))) * (rng.random((150, 3)) < 0.8)
    factors = np.column_stack([labels, rng.integers(2, size=150)])
    names = rng.permutation(4)
    twice = np.tile(np.arange(150), 2)
    for metric in (mig, sap, modularity):
        expected = pytest.approx(metric(codes, factors))
        assert metric(codes[twice], factors[twice]) == expected
        assert metric(codes, np.column_stack([names[labels], factors[:, 1]])) == expected


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_monoscore_does_not_mind_scale_shift_order_or_rotation(seed):
    rng = np.random.default_rng(seed)
    activations, embeddings = rng.random((40, 3)), rng.normal(size=(40, 4))
    rows, turn = rng.permutation(40), np.linalg.qr(rng.normal(size=(4, 4)))[0]
    found = monoscore(activations, embeddings)
    moved = (rng.uniform(0.1, 9, 3) * activations + rng.normal(size=3))[rows]
    longer = (embeddings @ turn * rng.uniform(0.1, 9, (40, 1)))[rows]
    assert monoscore(moved, longer) == pytest.approx(found)
    assert (np.abs(found) <= 1).all()


# --- what is undefined, and misuse


def test_rows_in_which_a_factor_does_not_act_do_not_count_for_it():
    acts = FACTORS[:, 0] > 0.2
    gaps = np.where(acts[:, None], FACTORS[:, [1]], np.nan)
    for metric in (sap, explicitness, lambda *pair: dci(*pair).completeness, lambda *pair: infomec(*pair).explicitness):
        assert metric(ROTATED, gaps) == pytest.approx(metric(ROTATED[acts], gaps[acts]), abs=0.15)
        assert np.isfinite(metric(ROTATED, gaps)).all()
    assert sap(ROTATED, gaps) == pytest.approx(sap(ROTATED[acts], gaps[acts]))


def test_what_does_not_vary_is_undefined_and_nothing_fails():
    factors = np.column_stack([np.zeros(N), np.full(N, np.nan), FACTORS[:, 0]])
    codes = np.column_stack([np.zeros(N), np.full(N, 0.1), FACTORS[:, 0]])
    for found in (
        mig(codes, factors), sap(codes, factors), explicitness(codes, factors), infomec(codes, factors).explicitness,
        dci(codes, factors).completeness, dci(codes, factors).informativeness,
    ):  # fmt: skip
        assert np.isnan(found).tolist() == [True, True, False]
        assert found[2] > 0.9
    assert np.isnan(modularity(codes, factors)).all(), "one factor varies"
    assert np.isnan(dci(codes, factors).mean_disentanglement())
    two = np.column_stack([FACTORS[:, 2], FACTORS[:, 0]])
    assert np.isnan(modularity(codes, two)).tolist() == [True, True, False]
    assert np.isnan(infomec(codes, two).modularity).tolist() == [True, True, False]
    assert mig(codes[:, 2:], two)[1] == pytest.approx(1), "a single latent has no second"


def test_monoscore_of_a_latent_that_is_constant_or_on_once_is_undefined():
    activations = np.column_stack([np.full(5, 0.3), np.eye(5)[0], np.arange(5.0), np.arange(5) > 2])
    found = monoscore(activations, np.random.default_rng(0).normal(size=(5, 3)))
    assert np.isnan(found).tolist() == [True, True, False, False]


@pytest.mark.parametrize("embeddings", [np.ones((4, 2)), np.zeros((5, 2)), np.full((5, 2), np.nan)])
def test_embeddings_of_other_samples_or_of_nothing_are_refused(embeddings, unchecked):
    with pytest.raises(InputError, match="'embeddings' of monoscore must be finite and not 0, one for each of the 5"):
        monoscore(np.eye(5), embeddings)


def test_gaps_in_the_codes_are_refused():
    with pytest.raises(InputError, match="'active_probs' of monoscore must be finite"):
        monoscore(np.full((5, 2), np.nan), np.ones((5, 2)))
    for name, metric in {"sap": sap, "read_linearly": explicitness, "read_by_forest": dci}.items():
        with pytest.raises(InputError, match=f"'codes' of {name} must be finite"):
            metric(np.full((5, 2), np.nan), np.ones((5, 1)))
