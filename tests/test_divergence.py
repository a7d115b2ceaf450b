"""Divergences against float64 pairs, SciPy, and laws."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, rel_entr
from torch.distributions import Bernoulli, Normal, kl_divergence

from cospike.divergence import (
    binary_entropy,
    js_bernoulli,
    kl_bernoulli,
    kl_normal,
    mean_pairwise_js,
)


def pairwise(p_logits, q_logits):
    """Jensen-Shannon divergence as the mean of two KL, kept apart from the library's own."""
    p, p_off, q, q_off = p_logits.sigmoid(), (-p_logits).sigmoid(), q_logits.sigmoid(), (-q_logits).sigmoid()
    m, m_off = (p + q) / 2, (p_off + q_off) / 2
    kl = [a * (a / b).log() for a, b in ((p, m), (p_off, m_off), (q, m), (q_off, m_off))]
    return sum(kl) / 2


def naive_pairs(logits, groups, *, distance=False):
    """The definition: every unordered pair, in float64."""
    logits = logits.double()
    means = []
    for group in groups.unique():
        rows = logits[groups == group]
        first, second = torch.triu_indices(len(rows), len(rows), offset=1)
        if len(first):
            pairs = pairwise(rows[first], rows[second])
            means.append((pairs.sqrt() if distance else pairs).mean(0))
    return torch.stack(means).mean(0)


REGIMES = {
    "uniform": lambda n, d: torch.rand(n, d, dtype=torch.float64).clamp(1e-3, 1 - 1e-3).logit(),
    "saturated": lambda n, d: 24.0 * (torch.rand(n, d, dtype=torch.float64) < 0.5) - 12.0,
    "saturated, blurred": lambda n, d: 6.0 * torch.randn(n, d, dtype=torch.float64),
    "tiny": lambda n, d: (1e-5 + 9e-5 * torch.rand(n, d, dtype=torch.float64)).logit(),
    "nearly one": lambda n, d: -(1e-5 + 9e-5 * torch.rand(n, d, dtype=torch.float64)).logit(),
    "far beyond": lambda n, d: torch.where(torch.rand(n, d, dtype=torch.float64) < 0.5, -17.5, -60.0),
    "rarely on": lambda n, d: torch.where(torch.rand(n, d, dtype=torch.float64) < 0.05, 3.0, -12.0),
    "agree to a per cent": lambda n, d: -1.0 + 0.01 * torch.randn(n, d, dtype=torch.float64),
    "nearly equal": lambda n, d: 0.3 + 1e-4 * torch.randn(n, d, dtype=torch.float64),
}


@pytest.mark.parametrize("n_groups", [5, 80])  # by the integral, and by few pairs
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("regime", REGIMES)
def test_fast_mean_is_the_mean_over_pairs(regime, dtype, n_groups):
    torch.manual_seed(0)
    logits = REGIMES[regime](160, 7).to(dtype)
    groups = torch.randint(0, n_groups, (160,))
    reference = logits.double().requires_grad_()
    expected = naive_pairs(reference, groups)
    expected.sum().backward()

    given_logits = logits.requires_grad_()
    got = mean_pairwise_js(given_logits, groups)
    got.sum().backward()

    assert got.dtype == dtype
    assert ((got.double() - expected).abs() <= 1e-5 * expected + 1e-13).all()
    assert (given_logits.grad.double() - reference.grad).norm() <= 6e-5 * reference.grad.norm()


@pytest.mark.parametrize("regime", ["uniform", "saturated, blurred", "tiny"])
def test_distance_is_the_mean_root_over_pairs(regime):
    torch.manual_seed(1)
    logits = REGIMES[regime](60, 5).requires_grad_()
    groups = torch.randint(0, 4, (60,))
    expected = naive_pairs(logits, groups, distance=True)
    (reference,) = torch.autograd.grad(expected.sum(), logits)
    got = mean_pairwise_js(logits, groups, distance=True)
    (gradient,) = torch.autograd.grad(got.sum(), logits)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gradient, reference, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("distance", [False, True])
def test_agreement_costs_nothing_and_has_a_finite_gradient(distance):
    logits = torch.tensor([[0.3, -40.0, 90.0]]).repeat(6, 1).requires_grad_()
    value = mean_pairwise_js(logits, torch.zeros(6, dtype=torch.long), distance=distance)
    value.sum().backward()
    assert value.abs().max() < 1e-9
    assert logits.grad.abs().max() < 1e-9


@pytest.mark.parametrize("distance", [False, True])
def test_groups_of_one_and_no_rows_cost_nothing(distance):
    logits = torch.randn(3, 2, requires_grad=True)
    value = mean_pairwise_js(logits, torch.arange(3), distance=distance)
    value.sum().backward()
    assert value.eq(0).all()
    assert logits.grad.eq(0).all()
    nothing = torch.empty(0, 2), torch.empty(0, dtype=torch.long)
    assert mean_pairwise_js(*nothing, distance=distance).eq(0).all()
    both = mean_pairwise_js(logits[[0, 1, 2, 2]], torch.tensor([0, 0, 1, 2]), distance=distance)
    torch.testing.assert_close(both, mean_pairwise_js(logits[:2], torch.zeros(2, dtype=torch.long), distance=distance))


@pytest.mark.parametrize("distance", [False, True])
@pytest.mark.parametrize("n_groups", [3, 40])
def test_rows_of_a_negative_group_are_left_out(n_groups, distance):
    torch.manual_seed(4)
    logits = torch.randn(90, 4, requires_grad=True)
    groups = torch.randint(-1, n_groups, (90,))
    value = mean_pairwise_js(logits, groups, distance=distance)
    value.sum().backward()
    kept = logits.detach()[groups >= 0].requires_grad_()
    expected = mean_pairwise_js(kept, groups[groups >= 0], distance=distance)
    expected.sum().backward()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(logits.grad[groups >= 0], kept.grad)
    assert logits.grad[groups < 0].eq(0).all()


def test_one_large_group_among_many_of_one_and_two():
    torch.manual_seed(5)
    groups = torch.cat([torch.zeros(200), torch.arange(1, 150), torch.arange(1, 80)]).long()
    logits = (2 * torch.randn(len(groups), 70)).requires_grad_()  # latents in two blocks
    reference = logits.detach().double().requires_grad_()
    expected = naive_pairs(reference, groups)
    expected.sum().backward()
    value = mean_pairwise_js(logits, groups)
    value.sum().backward()
    torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=0)
    assert (logits.grad.double() - reference.grad).norm() <= 6e-5 * reference.grad.norm()


@pytest.mark.parametrize("groups", [[0, 1, 0, 1, 2, 2, 2, 3], [0, 1] * 8 + [2]])
def test_gradient_agrees_with_finite_differences(groups):
    torch.manual_seed(2)
    groups = torch.tensor(groups)
    logits = torch.randn(len(groups), 3, dtype=torch.float64, requires_grad=True)
    for distance in (False, True):
        assert torch.autograd.gradcheck(
            lambda x, d=distance: mean_pairwise_js(x, groups, distance=d), logits, atol=1e-6, rtol=1e-4
        )


@settings(max_examples=40)
@given(
    values=st.lists(st.floats(-30, 30), min_size=2, max_size=12),
    order=st.randoms(use_true_random=False),
    distance=st.booleans(),
)
def test_order_and_names_of_groups_do_not_matter(values, order, distance):
    logits = torch.tensor(values, dtype=torch.float64)[:, None]
    groups = torch.tensor([order.randrange(3) for _ in values])
    shuffled = torch.tensor(order.sample(range(len(values)), len(values)))
    renamed = torch.tensor([7, 2, 5])[groups]
    torch.testing.assert_close(
        mean_pairwise_js(logits, groups, distance=distance),
        mean_pairwise_js(logits[shuffled], renamed[shuffled], distance=distance),
        rtol=1e-9,
        atol=1e-12,
    )


@given(st.sampled_from([2, 3]) | st.integers(8, 20), st.integers(0, 10))  # both by pairs, or both by the integral
def test_duplicating_the_batch_changes_the_pair_mean_as_counted(n, seed):
    logits = torch.randn(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    one = torch.zeros(n, dtype=torch.long)
    twice = mean_pairwise_js(logits.repeat(2, 1), one.repeat(2))
    torch.testing.assert_close(twice, mean_pairwise_js(logits, one) * 2 * (n - 1) / (2 * n - 1), rtol=1e-9, atol=1e-12)


@given(st.floats(-30, 30), st.floats(-30, 30))
def test_js_bernoulli_is_scipys(a, b):
    p, q = expit(np.array([a, -a])), expit(np.array([b, -b]))
    expected = 0.5 * (rel_entr(p, (p + q) / 2) + rel_entr(q, (p + q) / 2)).sum()
    got = js_bernoulli(torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64))
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-15)


@given(st.floats(-80, 80), st.floats(-30, 30))
def test_kl_bernoulli_is_scipys(logit, prior_logit):
    p, q = expit(logit), expit(prior_logit)
    expected = rel_entr(p, q) + rel_entr(expit(-logit), expit(-prior_logit))
    got = kl_bernoulli(torch.tensor(logit, dtype=torch.float64), torch.tensor(prior_logit, dtype=torch.float64))
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_kl_agrees_with_torch():
    torch.manual_seed(3)
    loc, scale, prior_loc, prior_scale = torch.randn(4, 50, dtype=torch.float64)
    scale, prior_scale = scale.exp(), prior_scale.exp()
    torch.testing.assert_close(
        kl_normal(loc, scale, prior_loc, prior_scale), kl_divergence(Normal(loc, scale), Normal(prior_loc, prior_scale))
    )
    torch.testing.assert_close(
        kl_bernoulli(loc, prior_loc), kl_divergence(Bernoulli(logits=loc), Bernoulli(logits=prior_loc))
    )


def test_js_is_bounded_symmetric_and_ln_2_for_opposites():
    a, b = torch.tensor([-60.0, 3.0, 0.0]), torch.tensor([60.0, -2.0, 0.0])
    torch.testing.assert_close(js_bernoulli(a, b), js_bernoulli(b, a))
    torch.testing.assert_close(js_bernoulli(a, b)[0], torch.tensor(math.log(2.0)))
    assert js_bernoulli(a, b)[2] == 0


@pytest.mark.parametrize("logit", [-200.0, -90.0, 0.0, 90.0, 200.0])
def test_values_and_gradients_are_finite_at_saturation(logit):
    logits = torch.full((4, 1), logit, requires_grad=True)
    value = (
        kl_bernoulli(logits, torch.tensor(-4.6)).sum()
        + binary_entropy(logits.sigmoid(), (-logits).sigmoid()).sum()
        + mean_pairwise_js(logits, torch.zeros(4, dtype=torch.long)).sum()
    )
    value.backward()
    assert value.isfinite()
    assert logits.grad.isfinite().all()
