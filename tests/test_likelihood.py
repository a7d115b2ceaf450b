"""Bounds: against torch's own KL, against the evidence of a model small enough to sum, and each other."""

from itertools import product

import numpy as np
import pytest
import torch
from torch.distributions import kl_divergence

from cospike._errors import InputError
from cospike.data import Split
from cospike.likelihood import bounds, class_probabilities
from cospike.model import SparseVAE
from cospike.spike_slab import SpikeSlab, spike_kl
from cospike.train import encode_dataset


def test_the_parts_are_torchs_kl_and_log_prob(trained):
    split = trained.data.test
    got = bounds(trained.model, split, seed=3)
    with torch.no_grad():
        q, p = trained.model.encode(split.x), trained.model.prior()
        torch.manual_seed(3)
        reconstruction = -trained.model.decode(q.sample()).log_prob(split.x)
    assert got["reconstruction"].value == pytest.approx(float(reconstruction.mean()), rel=1e-5)
    assert got["spike_kl"].value == pytest.approx(float(spike_kl(q, p).sum(1).mean()), rel=1e-4)
    total = reconstruction + kl_divergence(q, p).sum(1)
    assert got["neg_elbo"].value == pytest.approx(float(total.mean()), rel=1e-5)
    assert got["neg_elbo"].stderr == pytest.approx(float(total.std()) / len(split) ** 0.5, rel=1e-2)


def test_the_class_bounds_are_their_definitions(trained):
    split = trained.data.test
    got = bounds(trained.model, split)
    with torch.no_grad():
        q, patterns = trained.model.encode(split.x), trained.model.class_patterns
    each = torch.stack(
        [spike_kl(q, SpikeSlab(row.expand_as(q.loc), q.loc, q.scale)).sum(1) for row in patterns.active_logits], 1
    )
    own = each.gather(1, split.y[:, None]).mean()
    mixture = -torch.logsumexp(trained.model.class_probs.log() - each, 1).mean()
    rest = got["reconstruction"].value + got["slab_kl"].value
    assert got["neg_elbo_given_class"].value == pytest.approx(rest + float(own), rel=1e-4)
    assert got["neg_elbo_mixture"].value == pytest.approx(rest + float(mixture), rel=1e-4)
    assert got["neg_elbo_mixture"].value <= got["neg_elbo_given_class"].value + np.log(10) + 1e-6


def test_the_bound_is_above_the_evidence(make_codes):
    """Three latents with all but fixed slabs: the evidence is a sum over eight patterns of spikes."""
    torch.manual_seed(0)
    model = SparseVAE((4,), 3, hidden=(6,), active_prior=0.3)
    x = torch.rand(200, 4)
    draws = torch.randn(4000, 3, generator=torch.Generator().manual_seed(1))
    log_terms = []
    with torch.no_grad():
        for pattern in product((0.0, 1.0), repeat=3):
            spikes = torch.tensor(pattern)
            weight = (spikes * np.log(0.3) + (1 - spikes) * np.log(0.7)).sum()
            likelihood = model.decode(spikes * draws)
            log_x = torch.stack([likelihood.log_prob(row) for row in x])
            log_terms.append(weight + torch.logsumexp(log_x, 1) - np.log(len(draws)))
        evidence = torch.logsumexp(torch.stack(log_terms), 0)
    bound = bounds(model, Split(x, torch.zeros(200, dtype=torch.long)))["neg_elbo"]
    assert bound.value > float(-evidence.mean())
    assert bound.value < float(-evidence.mean()) + 3.0  # an untrained encoder is near its prior: not vacuous


def test_without_patterns_or_labels_what_needs_them_is_left_out(trained):
    fresh = SparseVAE(trained.data.shape, 4)
    assert "neg_elbo_mixture" not in bounds(fresh, trained.data.test)
    unlabelled = Split(trained.data.test.x, torch.full_like(trained.data.test.y, -1))
    got = bounds(trained.model, unlabelled)
    assert not {"neg_elbo_given_class", "bayes_accuracy"} & set(got)
    assert got["neg_elbo_mixture"].value == pytest.approx(
        bounds(trained.model, trained.data.test)["neg_elbo_mixture"].value
    )


def test_codes_without_their_reconstruction_are_refused(trained, make_codes):
    with pytest.raises(InputError, match="carry their reconstruction"):
        bounds(trained.model, make_codes(np.full((3, 16), 0.5), [0, 1, 2]))


def test_codes_and_samples_give_the_same(trained):
    codes = encode_dataset(trained.model, trained.data.test, accelerator="cpu")
    assert bounds(trained.model, codes) == bounds(trained.model, trained.data.test)


def with_patterns(make_codes, patterns, labels):
    """A model whose class patterns are the means of ``patterns`` over ``labels``."""
    model = SparseVAE((4,), 3)
    model.set_class_patterns(make_codes(patterns, labels))
    return model


TRAIN = np.array([[0.9, 0.1, 0.2], [0.1, 0.8, 0.2], [0.1, 0.8, 0.2]])  # of the classes 0, 1, 1


@pytest.mark.parametrize(
    ("patterns", "accuracy"),
    [
        (TRAIN, 1.0),  # perfect: every sample agrees with its class
        (np.full((3, 3), 0.3), 0.25),  # worthless: the majority of the training data, where a quarter of the test is
        (TRAIN[[1, 0, 0]], 0.0),  # swapped
    ],
)
def test_bayes_reads_the_class_from_the_pattern(make_codes, patterns, accuracy):
    model = with_patterns(make_codes, patterns, [0, 1, 1])
    codes = make_codes(TRAIN[[0, 0, 0, 1, 0]], [0, 0, 0, 1, -1], n_classes=2, reconstruction=np.zeros(5))
    got = bounds(model, codes)["bayes_accuracy"]
    assert (got.value, got.unit, got.direction) == (accuracy, "fraction", "higher")
    assert (class_probabilities(model, codes).argmax(1) == codes.labels)[:4].mean() == accuracy


def test_of_hard_spikes_bayes_is_naive_bayes(make_codes):
    """Against scikit-learn's, fitted to the same spikes; the prior tips the balance."""
    from sklearn.naive_bayes import BernoulliNB

    rng = np.random.default_rng(0)
    labels = rng.choice(3, 300, p=[0.6, 0.3, 0.1])
    spikes = (rng.random((300, 3)) < np.array([[0.3, 0.4, 0.6], [0.5, 0.4, 0.3], [0.6, 0.6, 0.5]])[labels]).astype(
        float
    )
    model = with_patterns(make_codes, spikes, labels)
    theirs = BernoulliNB(alpha=1e-9).fit(spikes, labels)
    codes = make_codes(spikes, labels, reconstruction=np.zeros(300))
    assert class_probabilities(model, codes) == pytest.approx(theirs.predict_proba(spikes), abs=1e-5)
    got = bounds(model, codes)["bayes_accuracy"]
    assert got.value == theirs.score(spikes, labels)
    assert got.stderr == pytest.approx((got.value * (1 - got.value) / 300) ** 0.5)


def test_class_probabilities_are_the_terms_of_the_mixture(trained):
    """−ln Σ_y p(y) exp(−KL_y) is the mixture's cost, so p(y | x) of the own class is what the label would save."""
    codes = encode_dataset(trained.model, trained.data.test, accelerator="cpu")
    probs = class_probabilities(trained.model, codes)
    assert probs.sum(1) == pytest.approx(np.ones(len(codes)))
    rows, shares = np.arange(len(codes)), trained.model.class_probs.numpy()
    got = bounds(trained.model, codes)
    saved = np.log(probs[rows, codes.labels] / shares[codes.labels]).mean()
    assert got["neg_elbo_mixture"].value - got["neg_elbo_given_class"].value == pytest.approx(saved, abs=1e-5)
    assert 0.3 < got["bayes_accuracy"].value < 1.0


def test_a_class_without_training_samples_is_never_named(make_codes):
    codes = make_codes(TRAIN, [0, 1, 1], n_classes=3)
    model = SparseVAE((4,), 3)
    model.set_class_patterns(codes)
    probs = class_probabilities(model, codes)
    assert (probs[:, 2] == 0.0).all()
    assert np.isfinite(probs).all()


def test_class_probabilities_need_patterns_of_classes_and_codes_of_the_model(make_codes):
    codes = make_codes(TRAIN, [0, 1, 1])
    with pytest.raises(InputError, match="must carry class patterns"):
        class_probabilities(SparseVAE((4,), 3), codes)
    unlabelled = with_patterns(make_codes, TRAIN, [0, 1, 1])
    unlabelled.pattern_counts.zero_()
    with pytest.raises(InputError, match="with labels"):
        class_probabilities(unlabelled, codes)
    with pytest.raises(InputError, match="of 3 latents and 2 classes, got 3 latents and 4 classes"):
        class_probabilities(with_patterns(make_codes, TRAIN, [0, 1, 1]), make_codes(TRAIN, [0, 1, 3]))
    with pytest.raises(InputError, match="got 2 latents"):
        class_probabilities(with_patterns(make_codes, TRAIN, [0, 1, 1]), make_codes(TRAIN[:, :2], [0, 1, 1]))


def test_pseudo_inputs_are_bounded_against_the_mixture_of_their_codes():
    torch.manual_seed(0)
    model = SparseVAE((4,), 5, n_dense=1, hidden=(6,), prior="pseudo-inputs", n_pseudo_inputs=3)
    with torch.no_grad():
        model.encoder.head.weight.mul_(20.0)
    split = Split(x=torch.rand(40, 4), y=torch.zeros(40, dtype=torch.long))
    got = bounds(model, split)
    with torch.no_grad():
        q, components = model.encode(split.x), model.encode(model.conditional_prior.pseudo_inputs)
    each = [
        kl_divergence(q, SpikeSlab(*(part.expand_as(q.loc) for part in parts))).sum(1)
        for parts in zip(components.active_logits, components.loc, components.scale, strict=True)
    ]
    expected = got["reconstruction"].value - torch.logsumexp(-torch.stack(each), 0).mean() + np.log(3)
    assert got["neg_elbo"].value == pytest.approx(float(expected), rel=1e-4)
    assert model.prior_components().batch_shape == (3, 5)
