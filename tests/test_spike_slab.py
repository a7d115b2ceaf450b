"""The laws of a distribution that is exactly zero or drawn from a slab."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from cospike.spike_slab import SpikeSlab, slab_kl, spike_kl

LOGITS = (-6.0, -0.7, 0.0, 2.0, 9.0)


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def one(logit, loc=0.8, scale=0.6):
    return SpikeSlab(double(logit), double(loc), double(scale))


@pytest.mark.parametrize("logit", LOGITS)
def test_total_mass_is_one(logit):
    q = one(logit)
    grid = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    grid = grid[grid != 0]
    continuous = torch.trapezoid(q.log_prob(grid).exp(), grid)
    torch.testing.assert_close(q.log_prob(double(0.0)).exp()[0] + continuous, torch.tensor(1.0, dtype=torch.float64))


@pytest.mark.parametrize("logit", [-200.0, -30.0, 0.0, 30.0, 200.0])
def test_log_prob_and_its_gradients_are_finite_at_zero_and_at_saturation(logit):
    parts = [torch.tensor([value], requires_grad=True) for value in (logit, 0.5, 1e-3)]
    z = torch.tensor([0.0, 0.3], requires_grad=True)
    value = SpikeSlab(*parts).log_prob(z)
    value.sum().backward()
    assert value.isfinite().all()
    assert all(part.grad.isfinite().all() for part in (*parts, z))


def test_limits_are_a_point_mass_and_a_normal():
    z = double(0.0, 0.3, -1.0)
    off, on = one(-700.0), one(700.0)
    assert off.log_prob(z)[0] == pytest.approx(0, abs=1e-300)
    assert (off.sample((1000,)) == 0).all()
    torch.testing.assert_close(on.log_prob(z[1:]), Normal(on.loc, on.scale).log_prob(z[1:]))
    assert (on.sample((1000,)) != 0).all()


@pytest.mark.parametrize("logit", LOGITS)
def test_samples_have_the_zeros_mean_and_variance_of_the_formulas(logit):
    n = 200_000
    q = one(logit)
    z = q.sample((n,), generator=torch.Generator().manual_seed(0))
    off = (-q.active_logits).sigmoid()
    assert ((z == 0).double().mean(0) - off).abs() < 5 * (off * (1 - off) / n).sqrt() + 1e-12
    assert (z.mean(0) - q.mean).abs() < 5 * (q.variance / n).sqrt()
    torch.testing.assert_close(z.var(0), q.variance, rtol=0.05, atol=1e-3)


@pytest.mark.parametrize("logit", LOGITS)
def test_relaxed_samples_tend_to_exact_ones(logit):
    q = one(logit)
    errors = []
    for sharpness in (10.0, 1e2, 1e4):
        generator = torch.Generator().manual_seed(0)
        relaxed = q.rsample((100_000,), spikes="relaxed", sharpness=sharpness, generator=generator)
        exact = q.sample((100_000,), generator=torch.Generator().manual_seed(0))
        errors.append((relaxed - exact).abs().mean().item())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 2e-3


def test_straight_through_is_exact_forwards_and_relaxed_backwards():
    def draw(spikes):
        logits = torch.linspace(-2, 2, 1000, requires_grad=True)
        q = SpikeSlab(logits, torch.ones(1000), torch.full((1000,), 0.1))
        z = q.rsample(spikes=spikes, sharpness=20.0, generator=torch.Generator().manual_seed(0))
        z.sum().backward()
        return z, logits.grad, q

    hard, hard_gradient, q = draw("straight-through")
    _, soft_gradient, _ = draw("relaxed")
    assert torch.equal(hard, q.sample(generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(hard_gradient, soft_gradient)


def spike_gradients(logit, f, n, **how):
    """Draws of the gradient of f(z) in the logit of the first of two latents; the second has γ = .7."""
    logits = torch.tensor([logit, 0.85], dtype=torch.float64).repeat(n, 1).requires_grad_()
    q = SpikeSlab(logits, torch.tensor([0.8, -0.5]).double(), torch.tensor([0.3, 0.6]).double())
    z = q.rsample(generator=torch.Generator().manual_seed(0), **how)
    return torch.autograd.grad(f(z[:, 0], z[:, 1]).sum(), logits)[0][:, 0], z, q


@pytest.mark.parametrize("logit", [-6.0, -2.0, 0.0, 2.0, 6.0])
def test_second_order_gradients_are_unbiased_for_quadratic_functions(logit):
    """Against the closed form: E f = γ (a E v² + (b + c E w) E v), v the slab and w the other latent."""
    n = 400_000
    drawn, z, q = spike_gradients(logit, lambda v, w: 2.0 * v**2 - 3.0 * v + 1.5 * v * w, n)
    assert torch.equal(z, q.sample(generator=torch.Generator().manual_seed(0)))  # forwards it is an exact draw
    gamma, other = torch.tensor([logit, 0.85], dtype=torch.float64).sigmoid()
    per_gamma = 2.0 * (0.8**2 + 0.3**2) + (-3.0 + 1.5 * other * -0.5) * 0.8
    assert (drawn.mean() - gamma * (1 - gamma) * per_gamma).abs() < 5 * drawn.std() / math.sqrt(n)


@pytest.mark.parametrize("spikes", ["second-order", "straight-through", "relaxed"])
def test_infinite_logits_are_drawn_as_they_say(spikes):
    logits = torch.tensor([-math.inf, math.inf], requires_grad=True)
    z = SpikeSlab(logits, torch.ones(2), torch.full((2,), 0.1)).rsample((50,), spikes=spikes)
    z.sum().backward()
    assert logits.grad.isfinite().all()
    if spikes != "relaxed":
        assert z[:, 0].eq(0).all()
    assert z[:, 1].min() > 0.3


def test_second_order_gradients_vary_less_than_relaxed_ones():
    def spread(**how):
        return spike_gradients(-1.0, lambda v, w: torch.cos(v + w), 100_000, **how)[0].std()

    assert 2 * spread() < spread(spikes="relaxed", sharpness=50.0) < spread(spikes="relaxed", sharpness=200.0)


@given(st.floats(0, 1), st.floats(-2, 2), st.floats(0.05, 0.99))
def test_tempering_goes_from_a_standard_normal_to_the_slab(share, loc, scale):
    """VSC, eq. 7: N(λμ, λσ² + 1 − λ), whose KL to N(0, 1) never exceeds the slab's own."""
    q = one(0.3, loc, scale)
    tempered = q.tempered(share)
    assert torch.equal(tempered.active_logits, q.active_logits)
    torch.testing.assert_close(tempered.loc, share * q.loc)
    torch.testing.assert_close(tempered.scale**2, share * q.scale**2 + (1 - share))
    assert slab_kl(tempered, one(0.0, 0.0, 1.0)) <= slab_kl(q, one(0.0, 0.0, 1.0)) + 1e-12


@given(*(st.floats(-8, 8) for _ in range(2)), *(st.floats(-3, 3) for _ in range(4)))
def test_kl_is_nonnegative_additive_and_zero_on_equals(logit, other_logit, loc, other_loc, log_scale, other_log_scale):
    q = one(logit, loc, math.exp(log_scale))
    p = one(other_logit, other_loc, math.exp(other_log_scale))
    kl = kl_divergence(q, p)
    assert kl >= -1e-12
    torch.testing.assert_close(kl, spike_kl(q, p) + slab_kl(q, p))
    assert kl_divergence(q, q).abs() < 1e-12


@pytest.mark.parametrize("logit", LOGITS)
def test_kl_agrees_with_monte_carlo(logit):
    q, p = one(logit), one(-1.0, loc=-0.3, scale=1.4)
    z = q.sample((400_000,), generator=torch.Generator().manual_seed(1))
    ratio = q.log_prob(z) - p.log_prob(z)
    assert (ratio.mean(0) - kl_divergence(q, p)).abs() < 5 * ratio.std(0) / math.sqrt(len(z)) + 1e-9


def test_kl_to_the_fixed_prior_is_the_published_formula():
    torch.manual_seed(0)
    alpha, gamma = 0.01, torch.rand(50, dtype=torch.float64)
    mu, sigma = torch.randn(50, dtype=torch.float64), torch.rand(50, dtype=torch.float64) + 0.1
    q = SpikeSlab(gamma.logit(), mu, sigma)
    p = SpikeSlab(torch.full_like(mu, alpha).logit(), torch.zeros_like(mu), torch.ones_like(mu))
    expected = (
        0.5 * gamma * (mu**2 + sigma**2 - 1 - torch.log(sigma**2))
        + gamma * torch.log(gamma / alpha)
        + (1 - gamma) * torch.log((1 - gamma) / (1 - alpha))
    )
    torch.testing.assert_close(kl_divergence(q, p), expected)


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_way_through_the_spikes_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'straight-through'"):
        one(0.0).rsample(spikes="straight-trough")


def test_it_is_a_torch_distribution():
    q = SpikeSlab(torch.zeros(3, 2), torch.zeros(2), torch.ones(3, 1))
    assert q.batch_shape == (3, 2)
    assert q.event_shape == ()
    assert q.expand((4, 3, 2)).sample((5,)).shape == (5, 4, 3, 2)
    with pytest.raises(ValueError, match="scale"):
        SpikeSlab(torch.zeros(2), torch.zeros(2), -torch.ones(2), validate_args=True)


def test_a_latent_that_is_as_good_as_off_is_never_drawn():
    """A γ below the grain of a float32 draw, 2⁻²⁴, is off, not on once in so many draws."""
    q = SpikeSlab(torch.full((5_000_000,), -40.0), torch.tensor(1.0), torch.tensor(0.1))
    p = SpikeSlab(torch.full((5_000_000,), 40.0), torch.tensor(1.0), torch.tensor(0.1))
    for seed in range(8):
        assert not q.sample(generator=torch.Generator().manual_seed(seed)).any()
        assert p.sample(generator=torch.Generator().manual_seed(seed)).all()


def test_spikes_and_slabs_are_drawn_for_every_sample_that_is_asked_for():
    q = SpikeSlab(torch.zeros(5, 3), torch.zeros(5, 3), torch.ones(5, 3))
    torch.manual_seed(0)
    spikes, z = q.rsample_parts((5,))
    assert spikes.shape == z.shape == (5, 5, 3)
    assert torch.equal(spikes == 0, z == 0)
    for drawn in (spikes, z):
        assert len({tuple(row) for row in drawn.reshape(25, 3).tolist()}) > 5
    torch.manual_seed(1)
    parts = q.rsample_parts((4,))
    torch.manual_seed(1)
    torch.testing.assert_close(parts[1], q.rsample((4,)))


def test_second_order_slopes_are_those_of_the_spike_times_a_reparametrised_slab():
    generator = torch.Generator().manual_seed(0)
    leaves = [torch.randn(3, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(3)]
    weights = torch.randn(2, 50, 3, generator=generator, dtype=torch.float64)

    def gradients(draw):
        spike, z = draw(SpikeSlab(leaves[0], leaves[1], leaves[2].exp()), torch.Generator().manual_seed(1))
        return torch.autograd.grad((weights[0] * spike + weights[1] * z.square()).sum(), leaves)

    def written_out(q, generator):
        uniform = 1 - torch.rand(50, 3, generator=generator, dtype=torch.float64)
        noise = torch.empty(50, 3, dtype=torch.float64).normal_(generator=generator)
        probs = q.active_probs.detach()
        spike = (uniform <= probs).double()
        spike = spike + 0.5 * (spike - probs).abs() * (q.active_logits - q.active_logits.detach())
        return spike, spike * (q.loc + q.scale * noise)

    got = gradients(lambda q, generator: q.rsample_parts((50,), generator=generator))
    for part, expected in zip(got, gradients(written_out), strict=True):
        torch.testing.assert_close(part, expected)


@pytest.mark.parametrize("shapes", [((5, 3), (3,)), ((3,), (5, 3))])
def test_the_gradient_of_the_slab_kl_is_that_of_torch_on_both_sides(shapes):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    parts = [draw(*shape) for shape in shapes for _ in range(3)]
    weight = draw(5, 3)

    def gradients(kl):
        leaves = [part.clone().requires_grad_() for part in parts]
        q, p = (SpikeSlab(logits, loc, log_scale.exp()) for logits, loc, log_scale in (leaves[:3], leaves[3:]))
        return torch.autograd.grad((weight * kl(q, p)).sum(), leaves, allow_unused=True)

    def of_torch(q, p):
        return q.active_probs * kl_divergence(Normal(q.loc, q.scale), Normal(p.loc, p.scale))

    for part, expected in zip(gradients(slab_kl), gradients(of_torch), strict=True):
        assert (part is None) == (expected is None)
        if part is not None:
            torch.testing.assert_close(part, expected)
