"""Verdicts on use against a naive correction, and in simulations whose truth is known."""

import numpy as np
import pytest
from scipy import stats

from cospike.kinds import decided_uses, uses


def beta_codes(make_codes, seed, means, n):
    """``n`` samples of each class, whose active_probs have the given means."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(means)), n)
    return make_codes(rng.beta(2 * means[labels], 2 * (1 - means[labels])), labels)


def test_verdicts_are_t_tests_corrected_by_benjamini_and_hochberg(make_codes):
    means = np.random.default_rng(0).uniform(0.3, 0.7, (4, 6))
    codes = beta_codes(make_codes, 1, means, 80)
    p = []
    for y in range(4):
        for rows in codes.active_probs[codes.labels == y].T:
            p.append(stats.ttest_1samp([*rows, float(rows.mean() <= 0.5)], 0.5).pvalue)
    order = np.argsort(p)
    passed = [rank for rank, i in enumerate(order, 1) if p[i] <= 0.05 * rank / len(p)]
    expected = np.zeros(len(p), dtype=bool)
    expected[order[: max(passed, default=0)]] = True
    assert 0 < expected.sum() < len(p)
    assert np.array_equal(decided_uses(codes), expected.reshape(4, 6))


@pytest.mark.slow
def test_of_the_decided_verdicts_few_are_wrong(make_codes):
    """Directional errors are at most 5 % of what is decided, though most means lie close to the threshold."""
    wrong = decided = 0
    for seed in range(30):
        means = np.clip(np.random.default_rng((7, seed)).normal(0.5, 0.06, (10, 20)), 0.05, 0.95)
        codes = beta_codes(make_codes, seed, means, 60)
        sure = decided_uses(codes)
        decided += sure.sum()
        wrong += (sure & (uses(codes) != (means > 0.5))).sum()
    assert decided > 300
    assert wrong / decided < 0.05


def test_what_never_varies_is_sure_of_many_samples_and_not_of_few(make_codes):
    codes = make_codes(np.tile([1.0, 0.0, 0.5], (23, 1)), [0] * 20 + [1, 1] + [2], n_classes=4)
    assert decided_uses(codes).tolist() == [[True, True, False], [False] * 3, [False] * 3, [False] * 3]


@pytest.mark.parametrize("threshold", [0.2, 0.8])
def test_the_threshold_is_what_is_tested(make_codes, threshold):
    codes = beta_codes(make_codes, 3, np.full((2, 3), 0.5), 500)
    assert decided_uses(codes, threshold).all()
    assert not decided_uses(codes, 0.5, false_discovery=1e-6).any()
