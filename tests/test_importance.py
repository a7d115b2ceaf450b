"""Importance-weighted bounds against the exact evidence of linear-Gaussian models, and worths known by hand."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import MultivariateNormal
from torch.nn.functional import logsigmoid

from cospike._errors import InputError
from cospike.data import Split
from cospike.importance import importance_bounds, latent_worth, n_global_worth
from cospike.kinds import latent_kinds
from cospike.likelihood import bounds
from cospike.model import SparseVAE
from cospike.spike_slab import SpikeSlab

PATTERNS = np.array([[0.9, 0.1, 0.1], [0.1, 0.1, 0.9], [0.1, 0.1, 0.9]])  # of two classes, 1 : 2
NAMES = ("neg_iwae", "neg_iwae_given_class", "neg_iwae_mixture")


def linear_gaussian(*, n_dense=0, patterns=None, make_codes=None, gain=4.0):
    """A model of three latents and four values whose p(x | s) is N(b, W_s W_sᵀ + I), with data of its own kind."""
    model = SparseVAE((4,), 3, hidden=(), likelihood="gaussian", active_prior=0.3, n_dense=n_dense, seed=2)
    with torch.no_grad():
        model.decoder.trunk[0].weight.mul_(gain)
        model.encoder.head.weight.mul_(0.05)  # slabs no narrower than the posterior's: weights of finite variance
        model.encoder.head.bias[3:6] = 0.2
        y, source = (torch.arange(400) % 3).clamp_max(1), model.prior()
        if patterns is not None:
            patterns = np.where(np.arange(3) < n_dense, 1.0, patterns)
            model.set_class_patterns(make_codes(patterns, [0, 1, 1]))
            source = SpikeSlab(model.pattern_logits[y], source.loc, source.scale)
        torch.manual_seed(0)
        x = model.decode(source.expand((400, 3)).sample()).sample()
    return model, Split(x, y)


@torch.no_grad()
def log_evidence(model, x, logits):
    """ln p(x) of each row with the spikes of ``logits`` as prior: a sum over patterns of Gaussians."""
    weight, offset = (part.double() for part in model.decoder.trunk[0].parameters())
    logits, terms = logits.double(), []
    for pattern in product((0.0, 1.0), repeat=len(logits)):
        spikes = torch.tensor(pattern).double()
        log_prior = (spikes * logsigmoid(logits) + (1 - spikes) * logsigmoid(-logits)).sum()
        covariance = (weight * spikes) @ weight.T + torch.eye(4)
        terms.append(log_prior + MultivariateNormal(offset, covariance).log_prob(x.double()))
    return torch.logsumexp(torch.stack(terms), 0)


def exact(model, split):
    """The three costs that the bounds bound."""
    given = torch.stack([log_evidence(model, split.x, row) for row in model.class_patterns.active_logits], 1)
    known = split.y >= 0
    own = given[known].gather(1, split.y[known][:, None])
    mixture = torch.logsumexp(model.class_probs.double().log() + given, 1)
    fixed = log_evidence(model, split.x, model.prior().active_logits)
    return dict(zip(NAMES, (-float(part.mean()) for part in (fixed, own, mixture)), strict=True))


@pytest.mark.parametrize("n_dense", [0, 1, 2])
def test_the_bounds_fall_to_the_exact_evidence(make_codes, n_dense):
    model, split = linear_gaussian(n_dense=n_dense, patterns=PATTERNS, make_codes=make_codes)
    truth = exact(model, split)
    one, ten, many = (importance_bounds(model, split, n_samples=k) for k in (1, 10, 3000))
    assert set(truth) == set(many) == set(NAMES)
    for name, value in truth.items():
        assert one[name].value > ten[name].value > many[name].value
        assert ten[name].value > value + 0.05
        assert many[name].value == pytest.approx(value, abs=0.01)
        assert many[name].direction == "lower"
        assert "K = 3,000" in many[name].how
    fixed, given, mixture = truth.values()
    assert given + 0.015 < mixture < fixed - 0.015  # three numbers, so that none passes for another


def test_without_spikes_it_is_probabilistic_pca(make_codes):
    model, split = linear_gaussian(n_dense=3, patterns=PATTERNS, make_codes=make_codes, gain=2.0)
    weight, offset = (part.detach() for part in model.decoder.trunk[0].parameters())
    truth = -float(MultivariateNormal(offset, weight @ weight.T + torch.eye(4)).log_prob(split.x).mean())
    for measurement in importance_bounds(model, split, n_samples=3000).values():
        assert measurement.value == pytest.approx(truth, abs=0.02)


def test_with_one_sample_it_is_the_elbo_in_expectation(make_codes):
    model, split = linear_gaussian(patterns=PATTERNS, make_codes=make_codes)
    many = Split(split.x.repeat(100, 1), split.y.repeat(100))
    one, elbo = importance_bounds(model, many, n_samples=1), bounds(model, many)
    for name in ("", "_given_class"):
        a, b = one[f"neg_iwae{name}"], elbo[f"neg_elbo{name}"]
        assert a.value == pytest.approx(b.value, abs=4 * np.hypot(a.stderr, b.stderr))
        assert a.stderr < 0.1
    assert one["neg_iwae_mixture"].value < elbo["neg_elbo_mixture"].value + 0.05  # whose KL is a bound itself


def test_the_mixture_of_patterns_that_equal_the_prior_is_the_prior(make_codes):
    model, split = linear_gaussian(patterns=np.full((3, 3), 0.3), make_codes=make_codes)
    got = importance_bounds(model, split, n_samples=20)
    assert got["neg_iwae_mixture"].value == pytest.approx(got["neg_iwae"].value, abs=1e-5)
    assert got["neg_iwae_given_class"].value == pytest.approx(got["neg_iwae"].value, abs=1e-5)


@settings(max_examples=20)
@given(
    logits=st.lists(st.lists(st.floats(-40, 40), min_size=3, max_size=3), min_size=2, max_size=4),
    counts=st.lists(st.integers(1, 50), min_size=4, max_size=4),
)
def test_the_label_is_worth_at_most_its_own_information(logits, counts):
    """Σ_y p(y) w_y ≥ p(y) w_y, sample by sample: not knowing y costs −ln p(y) at most, and all stays finite."""
    model, split = linear_gaussian()
    model.resize_class_patterns(len(logits))
    model.pattern_logits, model.pattern_counts = torch.tensor(logits), torch.tensor(counts[: len(logits)]).float()
    got = importance_bounds(model, split, n_samples=3, n_rows=50)
    rows = np.sort(np.random.default_rng(0).permutation(len(split))[:50])
    ignorance = -float(model.class_probs[split.y[rows]].log().mean())
    assert got["neg_iwae_mixture"].value <= got["neg_iwae_given_class"].value + ignorance + 1e-4


def test_the_batch_changes_nothing_but_the_rounding(make_codes):
    model, split = linear_gaussian(patterns=PATTERNS, make_codes=make_codes)
    whole = importance_bounds(model, split, n_samples=13)
    assert importance_bounds(model, split, n_samples=13) == whole
    assert importance_bounds(model, split, n_samples=13, seed=1) != whole
    for batch_size in (1, 700, 10**6):
        got = importance_bounds(model, split, n_samples=13, batch_size=batch_size)
        for name, measurement in whole.items():
            assert got[name].value == pytest.approx(measurement.value, abs=1e-5)
            assert got[name].stderr == pytest.approx(measurement.stderr, abs=1e-5)


def test_the_callers_generator_and_mode_are_left_alone(make_codes):
    model, split = linear_gaussian(patterns=PATTERNS, make_codes=make_codes)
    before = torch.get_rng_state()
    importance_bounds(model.train(), split, n_samples=2)
    latent_worth(model, split)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training


def test_unlabelled_rows_are_left_out_of_the_bound_given_the_class_alone(make_codes):
    model, split = linear_gaussian(patterns=PATTERNS, make_codes=make_codes)
    partly = Split(split.x, torch.where(torch.arange(400) < 100, split.y, -1))
    got, everything = (importance_bounds(model, each, n_samples=3000) for each in (partly, split))
    assert got["neg_iwae_given_class"].value == pytest.approx(exact(model, partly)["neg_iwae_given_class"], abs=0.04)
    assert "100 samples" in got["neg_iwae_given_class"].how
    for name in ("neg_iwae", "neg_iwae_mixture"):
        assert got[name] == everything[name]
    unlabelled = Split(split.x, torch.full_like(split.y, -1))
    assert set(importance_bounds(model, unlabelled, n_samples=2)) == {"neg_iwae", "neg_iwae_mixture"}


def test_a_model_without_patterns_has_the_fixed_prior_alone():
    model, split = linear_gaussian()
    got = importance_bounds(model, split, n_samples=1000)
    assert set(got) == {"neg_iwae"}
    truth = -float(log_evidence(model, split.x, model.prior().active_logits).mean())
    assert got["neg_iwae"].value == pytest.approx(truth, abs=0.03)


def test_the_standard_error_is_over_samples(make_codes):
    model, split = linear_gaussian(patterns=PATTERNS, make_codes=make_codes)
    got = importance_bounds(model, split, n_samples=1000)["neg_iwae"]
    each = log_evidence(model, split.x, model.prior().active_logits)
    assert got.stderr == pytest.approx(float(each.std()) / 20.0, rel=0.03)


def test_a_trained_model_is_bounded_better_than_by_its_elbo(trained):
    elbo = bounds(trained.model, trained.data.test)
    weighted = importance_bounds(trained.model, trained.data.test, n_samples=20)
    for name in ("", "_given_class", "_mixture"):
        assert weighted[f"neg_iwae{name}"].value < elbo[f"neg_elbo{name}"].value
    few = importance_bounds(trained.model, trained.data.test, n_samples=2, n_rows=40)
    assert "K = 2 exact draws a sample, 40 samples" in few["neg_iwae"].how


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"n_samples": 0}, "at least 1, got 0"), ({"n_rows": 0}, "'n_rows'"), ({"batch_size": 0}, "'batch_size'")],
)
def test_numbers_below_one_are_refused(settings, said):
    with pytest.raises(InputError, match=said):
        importance_bounds(*linear_gaussian(), **settings)
    if "n_samples" not in settings:
        with pytest.raises(InputError, match=said):
            latent_worth(*linear_gaussian(), **settings)


def test_rows_of_another_kind_are_refused(make_codes):
    model, split = linear_gaussian(patterns=PATTERNS, make_codes=make_codes)
    for call in (importance_bounds, latent_worth):
        with pytest.raises(InputError, match=f"'split' of {call.__name__} must have rows of the model's shape"):
            call(model, Split(torch.zeros(2, 5), torch.zeros(2, dtype=torch.long)))
        with pytest.raises(InputError, match="got 0 of"):
            call(model, Split(split.x[:0], split.y[:0]))
        with pytest.raises(InputError, match="labels below the model's 2 classes, got 7"):
            call(model, Split(split.x, split.y + 6))
        with pytest.raises(InputError, match="must be finite"):
            call(model, Split(split.x * float("nan"), split.y))
    with torch.no_grad():
        model.decoder.trunk[0].bias.fill_(float("nan"))
    with pytest.raises(InputError, match="Did the training diverge"):
        importance_bounds(model, split)


def test_with_pseudo_inputs_nothing_is_weighed_against_the_fixed_prior(make_codes):
    model = SparseVAE((4,), 3, prior="pseudo-inputs", n_pseudo_inputs=2)
    model.set_class_patterns(make_codes(PATTERNS, [0, 1, 1]))
    split = Split(torch.rand(20, 4), torch.arange(20) % 2)
    assert set(importance_bounds(model, split, n_samples=2)) == {"neg_iwae_given_class", "neg_iwae_mixture"}


def hand_built():
    """Four latents, each drawing one of four values, w_i z_i, with unit noise: on in ¾, ½, half the draws, never."""
    model = SparseVAE((4,), 4, hidden=(), likelihood="gaussian", active_prior=0.5, n_dense=0)
    w = torch.tensor([2.0, 1.0, 3.0, 2.0])
    on = torch.stack([torch.arange(4) < 3, torch.arange(4) % 2 == 0, torch.ones(4) > 0, torch.zeros(4) > 0], 1)
    x = (w * on).repeat(1000, 1)
    with torch.no_grad():
        for part in (*model.encoder.parameters(), *model.decoder.parameters()):
            part.zero_()
        model.decoder.trunk[0].weight.copy_(torch.diag(w))
        model.encoder.head.weight[8:12] = torch.diag(80.0 / w)
        model.encoder.head.bias.copy_(torch.tensor([1.0] * 4 + [-9.0] * 4 + [-40.0] * 4))  # slabs 1 ± e⁻⁷
        model.encoder.head.weight[10], model.encoder.head.bias[10] = 0.0, 0.0  # γ = ½
    return model, Split(x, torch.arange(4000) % 2)


def test_a_latent_is_worth_what_its_absence_costs():
    """Off where it was on costs w²/2; where a draw is off by chance, there is nothing to lose."""
    model, split = hand_built()
    truth = np.array([0.75 * 2.0, 0.5 * 0.5, 0.5 * 4.5, 0.0])
    worth = latent_worth(model, split, n_rows=None)
    assert worth == pytest.approx(truth, abs=0.1)  # 0.035 is the binomial's share
    assert worth[[0, 1]] == pytest.approx(truth[[0, 1]], abs=0.01)
    assert worth[3] == 0.0
    assert latent_worth(model, split, n_rows=None, batch_size=7) == pytest.approx(worth, abs=1e-6)
    assert latent_worth(model, split) == pytest.approx(truth, abs=0.2)


def test_a_latent_that_does_harm_is_worth_less_than_nothing():
    model, split = hand_built()
    with torch.no_grad():
        model.decoder.trunk[0].weight[0, 0] = -2.0  # (2 + 2)²/2 with it, 2²/2 without
    assert latent_worth(model, split)[0] == pytest.approx(0.75 * -6.0, abs=0.3)


def test_global_latents_count_where_they_are_worth_a_nat(make_codes):
    on = np.array([[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
    codes = make_codes(on, [0, 1])
    assert list(latent_kinds(codes)) == ["always-on", "always-on", "class-specific", "dead"]
    got = n_global_worth(np.array([3.0, 0.9, 5.0, 5.0]), codes)
    assert (got.value, got.unit) == (1.0, "latents")
    assert "by at least 1 nats a sample" in got.how
    assert n_global_worth(np.array([3.0, 0.9, 5.0, 5.0]), codes, nats=0.9).value == 2.0
    assert n_global_worth(np.full(4, 0.5), codes).value == 0.0
    assert n_global_worth(np.full(4, 5.0), codes, threshold=0.0).value == 2.0


def test_worths_and_codes_must_fit(make_codes):
    with pytest.raises(InputError, match="of the 3 latents of worth, got 4 latents"):
        n_global_worth(np.ones(3), make_codes(np.ones((2, 4)), [0, 1]))
    with pytest.raises(InputError, match="0 labelled samples"):
        n_global_worth(np.ones(4), make_codes(np.ones((2, 4)), [-1, -1], n_classes=2))
