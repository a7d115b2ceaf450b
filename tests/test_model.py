"""The module: shapes, both networks and likelihoods, class patterns."""

import numpy as np
import pytest
import torch

from cospike._errors import InputError
from cospike.model import SparseVAE


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


def test_without_spikes_every_latent_is_on():
    model = SparseVAE((4,), 3, active_prior=1.0)
    q = model.encode(torch.rand(50, 4))
    assert (q.active_probs == 1).all()
    assert (q.sample() != 0).all()
    assert torch.distributions.kl_divergence(q, model.prior()).isfinite().all()


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
        ({"network": "conv", "shape": (5,)}, "channels, height, width"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_settings_that_make_no_model_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        SparseVAE(**{"shape": (1, 8, 8), **settings})
