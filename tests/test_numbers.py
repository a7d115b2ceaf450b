"""Logits and values of ±10⁴ and scales from 10⁻⁸ to 10⁴: every term is finite, and so is its gradient."""

import functools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import cospike as cs
from cospike.decoders import Decoder
from cospike.divergence import ALWAYS_ON_LOGIT, binary_entropy, js_bernoulli, kl_bernoulli, kl_normal, mean_pairwise_js
from cospike.information import equivocation, pairwise_js, prior_information, spike_information, spike_parts
from cospike.model import Output
from cospike.objective import PRESETS
from cospike.priors import FixedPrior
from cospike.spike_slab import SpikeSlab, slab_kl, spike_kl

N, K, WIDTH = 6, 4, 5
EXTREMES = [0.0, 1e-8, 1.0, 20.0, ALWAYS_ON_LOGIT, 88.0, 104.0, 1e4]
wide = st.one_of(
    st.sampled_from([sign * part for part in EXTREMES for sign in (-1, 1)]), st.floats(-1e4, 1e4, width=32)
)
scales = st.one_of(st.sampled_from([1e-8, 1e-4, 1.0, 1e4]), st.floats(-8, 4).map(lambda power: 10**power))


def some(elements, *shape):
    """Arrays of one kind of extreme number, as float32 leaves; half a precision is tried by `in_every_precision`."""
    return arrays(np.float32, shape, elements=elements.map(lambda part: float(np.float32(part)))).map(torch.from_numpy)


latents = st.tuples(some(wide, N, K), some(wide, N, K), some(scales, N, K))
labels = arrays(np.int64, N, elements=st.integers(-1, 2)).map(torch.from_numpy)


def assert_finite(function, *leaves):
    """The value of a function and its gradients, in float32, in bfloat16, and where torch casts products to it."""
    for dtype, autocast in ((torch.float32, False), (torch.bfloat16, False), (torch.float32, True)):
        tensors = [leaf.to(dtype).requires_grad_() for leaf in leaves]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            values = function(*tensors)
        for value in values if isinstance(values, tuple | list) else (values,):
            assert value.isfinite().all(), (dtype, autocast, value)
            if value.requires_grad:
                found = torch.autograd.grad(value.sum(), tensors, retain_graph=True, allow_unused=True)
                assert all(part.isfinite().all() for part in found if part is not None), (dtype, autocast, found)


@settings(max_examples=60)
@given(latents, latents)
def test_divergences(first, second):
    (logits, loc, scale), (other_logits, *other) = first, second
    assert_finite(kl_bernoulli, logits, other_logits)
    assert_finite(js_bernoulli, logits, other_logits)
    assert_finite(lambda a: binary_entropy(a.sigmoid(), (-a).sigmoid()), logits)
    assert_finite(kl_normal, loc, scale, *other)
    for kl in (slab_kl, spike_kl, torch.distributions.kl_divergence):
        assert_finite(lambda *q, kl=kl: kl(slab(*q[:3]), slab(*q[3:])), *first, *second)


@settings(max_examples=60)
@given(latents, some(wide, N, K), st.sampled_from([0.0, 0.5, 1.0]))
def test_a_spike_slab(q, value, share):
    for spikes in ("second-order", "straight-through", "relaxed"):
        assert_finite(lambda *q, spikes=spikes: slab(*q).rsample_parts(spikes=spikes), *q)
    assert_finite(lambda *q: slab(*q[:3]).log_prob(q[3]), *q, value)
    assert_finite(lambda *q: (slab(*q).mean, slab(*q).variance), *q)
    assert_finite(lambda *q: slab_kl(slab(*q).tempered(share), FixedPrior(K, 0.01, n_dense=1)()), *q)


@settings(max_examples=60)
@given(some(wide, N, K), labels, st.sampled_from([1e-6, 0.01, 1.0]), st.booleans())
def test_what_classes_cost(logits, labels, prior, of_pairs):
    if of_pairs:  # and not by the integral
        labels = torch.arange(N) // 2
    for distance in (False, True):
        assert_finite(lambda a, distance=distance: pairwise_js(a, labels, distance=distance), logits)
        assert_finite(
            lambda a, distance=distance: mean_pairwise_js(a.repeat(9, 1), labels.repeat(9), distance=distance), logits
        )
        assert (pairwise_js(logits, labels, distance=distance) >= 0).all()
    assert_finite(lambda a: tuple(spike_information(a, labels, prior)), logits)
    for pooled in (False, True):
        assert_finite(
            lambda a, p, pooled=pooled: tuple(prior_information(a, p, prior, pooled=pooled)), logits, logits.flip(0)
        )
    spikes = (logits > 0).float()
    assert_finite(lambda s, a: equivocation(s, a, labels), spikes, logits)
    assert_finite(lambda s, a: list(spike_parts(a, labels, torch.full((K,), prior), spikes=s).values()), spikes, logits)


@settings(max_examples=60)
@given(some(wide, N, WIDTH), some(st.floats(0, 1), N, WIDTH), some(wide, N, WIDTH), st.floats(-math.log(1e8), 9.3))
def test_likelihoods(out, grey, values, log_scale):
    assert_finite(lambda a: decoded(a, "bernoulli").log_prob(grey), out)
    decoder = Decoder(torch.nn.Identity(), (WIDTH,), "gaussian")
    assert_finite(lambda a, s: gaussian(decoder, a, s).log_prob(values), out, torch.tensor(log_scale))


@pytest.mark.slow
@settings(max_examples=40)
@given(st.data(), latents, labels, st.floats(0, 1))
@pytest.mark.parametrize("prior", ["fixed", "per-class", "pseudo-inputs"])
@pytest.mark.parametrize("preset", PRESETS)
def test_every_term_of_every_preset(preset, prior, data, q, labels, progress):
    if preset == "vsc-pseudo-inputs" and prior == "fixed":
        return
    objective, n_dense = PRESETS[preset](), K if preset == "vae" else 1
    out, x = data.draw(some(wide, N, WIDTH)), data.draw(some(st.floats(0, 1), N, WIDTH))
    pattern = data.draw(latents) if prior != "fixed" else ()

    def losses(logits, loc, scale, out, *pattern):
        posterior = slab(logits, loc, scale)
        spikes, _ = posterior.rsample_parts(spikes=objective.spikes)
        of_class = slab(*pattern) if pattern else None
        fixed, likelihood = FixedPrior(K, 0.01, n_dense=n_dense)(), decoded(out, "bernoulli")
        output = Output(posterior, fixed, spikes, likelihood, of_class, prior == "per-class")
        parts = objective.terms(output, x, labels, prior_probs=objective.annealed(fixed.active_probs, progress))
        return [objective.priced(parts, progress).loss, *parts.values()]

    assert_finite(losses, *q, out, *pattern)


@settings(max_examples=25)
@given(st.floats(0, 1.5), st.sampled_from(["mlp", "conv"]), st.sampled_from(["bernoulli", "gaussian"]), st.booleans())
def test_a_model_whose_weights_have_run_away(power, network, likelihood, turned):
    """Up to thirty times as large as they begin, in every layer."""
    model = cs.SparseVAE((1, 8, 8), K, network=network, likelihood=likelihood, hidden=(8,), n_dense=2)
    x, y = torch.rand(N, 1, 8, 8), torch.arange(N) % 2
    if turned:
        model.turn(np.array([[0.6, -0.8], [0.8, 0.6]]))
    with torch.no_grad():
        for part in model.parameters():
            part.mul_(10**power)
    for autocast in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            output = model(x, y)
        loss, parts = cs.Objective.class_consistent()(output, x, y)
        assert all(part.isfinite() for part in parts.values())
        assert all(part.isfinite().all() for part in torch.autograd.grad(loss, list(model.parameters())))


def test_a_gaussian_scale_stays_where_its_gradient_can_be_taken():
    """By closed form: at the bounds, whatever is asked for, N(x; x, e⁻¹⁴) and N(x; 0, e²⁸)."""
    decoder = Decoder(torch.nn.Identity(), (1,), "gaussian")
    for asked, taken in ((-1e4, -14.0), (-14.0, -14.0), (-3.0, -3.0), (1e4, 28.0)):
        density = gaussian(decoder, torch.zeros(1, 1), torch.tensor(asked)).log_prob(torch.zeros(1, 1))
        assert float(density) == pytest.approx(-taken - 0.5 * math.log(2 * math.pi), rel=1e-5)


@pytest.mark.parametrize("n_rows", [0, 1, 30])
@pytest.mark.parametrize("distance", [False, True])
def test_the_pairwise_loss_of_no_latents_and_of_no_rows(n_rows, distance):
    for n_latents in (0, 3):
        logits = torch.zeros(n_rows, n_latents, requires_grad=True)
        value = mean_pairwise_js(logits, torch.zeros(n_rows, dtype=torch.long), distance=distance)
        assert value.tolist() == [0.0] * n_latents
        (gradient,) = torch.autograd.grad(value.sum(), logits)
        assert gradient.shape == logits.shape
        assert (gradient == 0).all()


def test_the_pairwise_loss_is_never_below_0_by_rounding():
    """Rows that nearly agree, at each size of their difference."""
    torch.manual_seed(0)
    for power in np.arange(-12, 0, 0.25):
        for n_rows in (4, 30):
            logits = 30 * torch.randn(200) + 10.0**power * torch.randn(n_rows, 200)
            assert (mean_pairwise_js(logits, torch.arange(n_rows) % 2) >= 0).all()


def slab(*parts):
    return SpikeSlab(*parts, validate_args=False)


@functools.cache
def _decoder(likelihood):
    return Decoder(torch.nn.Identity(), (WIDTH,), likelihood)


def decoded(out, likelihood):
    return _decoder(likelihood)(out)


def gaussian(decoder, out, log_scale):
    """The likelihood with a scale of its own, that gradients reach."""
    return torch.func.functional_call(decoder, {"log_scale": log_scale}, (out,))
