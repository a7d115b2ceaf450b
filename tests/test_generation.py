"""Samples: exact zeros, a class's own pattern, latents set by hand, the same seed the same samples."""

import numpy as np
import pytest
import torch

from cospike._errors import InputError
from cospike.generation import draw_codes, generate
from cospike.model import SparseVAE


def test_samples_of_the_prior_are_as_sparse_as_the_prior():
    model = SparseVAE((4,), 50, active_prior=0.1, n_dense=0)
    z = draw_codes(model, 4000)
    assert (z != 0).float().mean().item() == pytest.approx(0.1, abs=0.005)
    assert z[z != 0].std().item() == pytest.approx(1.0, abs=0.02)


def test_samples_of_a_class_follow_its_pattern(trained):
    z = draw_codes(trained.model, 4000, label=3)
    pattern = trained.model.class_patterns
    torch.testing.assert_close((z != 0).float().mean(0), pattern.active_probs[3], atol=0.04, rtol=0)
    assert torch.equal(z, draw_codes(trained.model, 4000, label="3"))


def test_latents_that_are_set_are_set(trained):
    z = draw_codes(trained.model, 10, label=0, set={2: 1.5, 4: 0.0})
    assert (z[:, 2] == 1.5).all()
    assert (z[:, 4] == 0).all()


def test_pictures_are_the_decoded_codes_and_repeat(trained):
    label = int(trained.model.class_patterns.active_probs.sum(1).argmax())  # one that uses latents
    pictures = generate(trained.model, 5, label=label, seed=7)
    assert pictures.shape == (5, *trained.data.shape)
    assert 0 <= pictures.min() <= pictures.max() <= 1
    np.testing.assert_array_equal(pictures, generate(trained.model, 5, label=label, seed=7))
    assert not np.array_equal(pictures, generate(trained.model, 5, label=label, seed=8))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "'n'"),
        ({"label": 10}, "0 … 9"),
        ({"label": "tree"}, "Unknown class 'tree'"),
        ({"label": True}, "name or the index of a class, got bool"),
        ({"set": {16: 1.0}}, "latents 0 … 15"),
        ({"set": {"a": 1.0}}, "latents 0 … 15, got 'a'"),
        ({"set": {0: float("nan")}}, "a finite number for latent 0, got nan"),
        ({"set": {0: "x"}}, "a finite number for latent 0, got 'x'"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_impossible_requests_are_refused(trained, arguments, message):
    with pytest.raises(InputError, match=message):
        generate(trained.model, **{"n": 1, **arguments})


def test_a_fresh_model_has_no_classes():
    with pytest.raises(InputError, match="Train it first"):
        generate(SparseVAE((4,), 3), 1, label=0)


def test_with_pseudo_inputs_the_prior_is_the_mixture_of_their_codes():
    torch.manual_seed(0)
    model = SparseVAE((4,), 5, n_dense=0, hidden=(6,), prior="pseudo-inputs", n_pseudo_inputs=2)
    with torch.no_grad():
        model.encoder.head.weight.mul_(30.0)
    z = draw_codes(model, 20_000)
    with torch.no_grad():
        components = model.prior_components()
    torch.testing.assert_close((z != 0).float().mean(0), components.active_probs.mean(0), atol=0.02, rtol=0)
    torch.testing.assert_close(z.mean(0), components.mean.mean(0), atol=0.2, rtol=0.02)
