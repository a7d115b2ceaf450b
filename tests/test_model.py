"""The module: shapes, both networks and likelihoods, class patterns."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch.distributions import Normal, kl_divergence

from cospike._errors import InputError
from cospike.model import SparseVAE
from cospike.objective import Objective


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
@pytest.mark.parametrize(
    ("shape", "network"),
    [((1, 28, 28), "mlp"), ((1, 28, 28), "conv"), ((3, 9, 14), "conv"), ((1, 8, 8), "conv"), ((5,), "mlp")],
)
def test_every_shape_comes_back(shape, network, likelihood):
    model = SparseVAE(shape, 4, network=network, likelihood=likelihood, hidden=(16,))
    x = torch.rand(3, *shape)
    output = model(x, spikes="relaxed")
    assert output.likelihood.mean.shape == x.shape
    assert output.likelihood.log_prob(x).shape == (3,)
    output.likelihood.log_prob(x).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)


def test_the_seed_decides_the_weights_and_disturbs_no_others():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    a, b, c = SparseVAE((4,), 3), SparseVAE((4,), 3), SparseVAE((4,), 3, seed=1)
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.encoder.head.weight, c.encoder.head.weight)


@pytest.mark.parametrize("n_dense", [0, 2, 5])
def test_dense_latents_are_always_on_and_have_the_kl_of_a_vae(n_dense):
    model = SparseVAE((4,), 5, n_dense=n_dense)
    x = torch.rand(2000, 4)
    q, p = model.encode(x), model.prior()
    dense, sparse = slice(n_dense), slice(n_dense, None)
    for z in (q.sample(), q.rsample(sharpness=50.0), q.rsample(spikes="straight-through"), p.sample((2000,))):
        assert (z[:, dense] != 0).all()
    assert (q.sample()[:, sparse] == 0).any(0).all()
    kl = kl_divergence(q, p)
    gaussian = kl_divergence(Normal(q.loc, q.scale), Normal(0.0, 1.0))
    torch.testing.assert_close(kl[:, dense], gaussian[:, dense])
    assert kl.isfinite().all()
    noise = (q.rsample()[:, dense] - q.loc[:, dense]) / q.scale[:, dense]  # its draw is that of a Gaussian
    assert n_dense == 0 or kstest(noise.detach().flatten().numpy(), "norm").pvalue > 1e-3
    assert model.is_dense == (n_dense == 5)


def test_a_class_prior_expects_the_pattern_of_the_class():
    model = SparseVAE((4,), 5, n_dense=1, prior="per-class", n_classes=3)
    with torch.no_grad():
        model.conditional_prior.logits.normal_()
    labels = torch.tensor([2, 0, -1, 2])
    pattern = model(torch.rand(4, 4), labels).pattern
    expected = model.conditional_prior.logits.sigmoid()
    assert (pattern.active_probs[:, 0] == 1).all()
    torch.testing.assert_close(pattern.active_probs[[0, 1, 3], 1:], expected[[2, 0, 2]])
    torch.testing.assert_close(pattern.active_probs[2, 1:], expected.mean(0))  # of no known class
    assert (pattern.loc == 0).all()
    assert (pattern.scale == 1).all()
    assert model(torch.rand(4, 4)).pattern is None  # without labels to look at


def test_a_pseudo_input_prior_is_the_code_of_the_input_it_chooses():
    model = SparseVAE((1, 2, 2), 5, n_dense=0, prior="pseudo-inputs", n_pseudo_inputs=3)
    prior = model.conditional_prior
    with torch.no_grad():
        prior.choice.weight.zero_()
        prior.choice.bias.copy_(torch.tensor([0.0, 30.0, 0.0]))
    pattern = model(torch.rand(7, 1, 2, 2), torch.full((7,), -1)).pattern
    expected = model.encode(prior.pseudo_inputs[1].view(1, 1, 2, 2))
    for name in ("active_logits", "loc", "scale"):
        torch.testing.assert_close(getattr(pattern, name), getattr(expected, name).expand(7, 5))


@pytest.mark.parametrize("prior", ["per-class", "pseudo-inputs"])
def test_a_conditional_prior_learns(prior):
    model = SparseVAE((4,), 5, n_dense=1, prior=prior, n_classes=2, n_pseudo_inputs=3)
    x, y = torch.rand(20, 4), torch.arange(20) % 2
    objective = Objective.class_consistent() if prior == "per-class" else Objective.vsc_pseudo_inputs()
    objective(model(x, y, spikes="relaxed"), x, y).loss.backward()
    for parameter in model.conditional_prior.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().sum() > 0


def test_class_patterns_are_the_moments_of_the_class(make_codes):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 4000)
    probs = np.where(labels[:, None] == 0, [0.9, 0.2, 1.0], [0.1, 0.6, 1.0])
    codes = make_codes(probs, labels, slab_loc=rng.normal([1.0, -2.0, 0.0], 0.3, (8000, 3)), n_classes=3)
    model = SparseVAE((4,), 3)
    assert model.class_patterns is None
    model.set_class_patterns(codes)
    patterns = model.class_patterns
    np.testing.assert_allclose(patterns.active_probs[:2], [[0.9, 0.2, 1], [0.1, 0.6, 1]], atol=1e-5)
    np.testing.assert_allclose(patterns.loc[0], [1.0, -2.0, 0.0], atol=0.02)
    np.testing.assert_allclose(patterns.scale[0], np.hypot(0.5, 0.3), atol=0.02)  # within and between samples
    assert torch.equal(patterns.active_probs[2], model.prior().active_probs)  # no sample: the prior's
    assert model.class_probs.tolist() == [0.5, 0.5, 0.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "convnet"}, "Did you mean 'conv'"),
        ({"likelihood": "bernouli"}, "Did you mean 'bernoulli'"),
        ({"n_latents": 0}, "n_latents"),
        ({"hidden": (0,)}, "hidden"),
        ({"active_prior": 0.0}, "active_prior"),
        ({"active_prior": 1.0}, "n_dense to n_latents"),
        ({"n_dense": 61}, "0 … n_latents = 60, got 61"),
        ({"n_dense": -1}, "n_dense"),
        ({"prior": "per-clas"}, "Did you mean 'per-class'"),
        ({"prior": "per-class"}, "'n_classes' .* at least 1"),
        ({"prior": "pseudo-inputs", "n_pseudo_inputs": 0}, "'n_pseudo_inputs' .* at least 1"),
        ({"network": "conv", "shape": (5,)}, "channels, height, width"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_settings_that_make_no_model_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        SparseVAE(**{"shape": (1, 8, 8), **settings})
