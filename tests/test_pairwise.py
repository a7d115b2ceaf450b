"""The quadrature of the pairwise mean against the function that it stands for, and its two ways against each other."""

import math

import pytest
import torch

from cospike import pairwise
from cospike.divergence import js_bernoulli, mean_pairwise_js


def test_nodes_give_the_logarithm_up_to_a_constant():
    """The derivative of ½ s ln s is what gradients are made of; what is constant in it cancels."""
    s = torch.logspace(-4, math.log10(2.0), 500, dtype=torch.float64)
    times = pairwise._FIRST_NODE * 2.0 ** torch.arange(pairwise._N_NODES)
    weights = torch.tensor(pairwise._NODE_WEIGHTS, dtype=torch.float64)
    error = torch.exp(-s[:, None] * times) @ weights + 0.5 * s.log()
    assert error.max() - error.min() < 3e-5


@pytest.mark.parametrize("smallest", [0.9, 0.03, 1e-3])
def test_nodes_that_are_left_out_add_nothing(smallest):
    n_nodes = pairwise._n_nodes(smallest)
    assert n_nodes < pairwise._N_NODES
    assert math.exp(-2.0 * smallest * pairwise._FIRST_NODE * 2.0**n_nodes) < 1e-10
    assert pairwise._n_nodes(0.0) == pairwise._n_nodes(math.nan) == pairwise._N_NODES


@pytest.mark.parametrize("gap", [1e-6, 1e-3, 1.0, 12.0])
def test_divergence_keeps_its_digits(gap):
    """In float32, against float64 with as many digits as are left; small gaps against the leading term δ²/8γ(1 − γ)."""
    p, q = torch.tensor([-9.0, -1.0, 0.5, 6.0]), torch.tensor([-9.0, -1.0, 0.5, 6.0]) + gap
    q = q.float()
    sides = [pairwise._Bernoulli.of(x.sigmoid(), (-x).sigmoid()) for x in (p, q)]
    divergence, _, change = pairwise._compare(p - q, *sides)
    p, q = p.double(), q.double()
    torch.testing.assert_close(change.double(), p.sigmoid() - q.sigmoid(), rtol=1e-5, atol=0)
    middle = (p + q) / 2
    expected = js_bernoulli(p, q) if gap > 1e-2 else (p - q).square() * middle.sigmoid() * (-middle).sigmoid() / 8
    torch.testing.assert_close(divergence.double(), expected, rtol=1e-5, atol=0)


def test_both_ways_agree(monkeypatch):
    torch.manual_seed(0)
    logits, groups = 3 * torch.randn(200, 9, dtype=torch.float64), torch.randint(0, 6, (200,))
    by_integral = mean_pairwise_js(logits, groups)
    monkeypatch.setattr(pairwise, "_FEW_PAIRS", math.inf)
    by_pairs = mean_pairwise_js(logits, groups)
    assert not torch.equal(by_integral, by_pairs)
    torch.testing.assert_close(by_integral, by_pairs, rtol=1e-5, atol=0)
