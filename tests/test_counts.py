"""The likelihood of counts: against SciPy, torch and scvi-tools' formula, and against what a probability adds up to."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import NegativeBinomial

from cospike import counts as of_counts
from cospike._errors import InputError
from cospike.counts import CountDistribution, log_normalise
from cospike.encoding import encode_dataset
from cospike.model import SparseVAE


def draw(n, n_genes, seed=0, spread=2.0):
    """Counts, most of them 0, and what a decoder might give for them, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    rates = (spread * torch.randn(n, n_genes, generator=generator, dtype=torch.float64) - 1).exp()
    x = torch.poisson(rates, generator=generator)
    x[:, 0] += 1  # no cell is empty
    logits = spread * torch.randn(n, n_genes, generator=generator, dtype=torch.float64)
    return x, logits, torch.linspace(-9.5, 9.5, n_genes, dtype=torch.float64)


def of_scipy(x, logits, log_dispersion):
    """The same from nbinom(n = θ, p = θ / (θ + μ)), summed over genes."""
    mean = x.sum(1, keepdim=True) * logits.softmax(1)
    theta = log_dispersion.exp()
    return scipy.stats.nbinom.logpmf(x.numpy(), theta.numpy(), (theta / (theta + mean)).numpy()).sum(1)


def of_scvi(x, mu, theta, eps=0.0):
    """`log_nb_positive` of scvi-tools, as its documentation writes it."""
    log_theta_mu_eps = torch.log(theta + mu + eps)
    return (
        theta * (torch.log(theta + eps) - log_theta_mu_eps)
        + x * (torch.log(mu + eps) - log_theta_mu_eps)
        + torch.lgamma(x + theta)
        - torch.lgamma(theta)
        - torch.lgamma(x + 1)
    )


@given(st.integers(1, 60), st.floats(0.1, 3.0), st.integers(0, 10_000))
def test_it_is_scipys_and_torchs_and_scvis(n_genes, spread, seed):
    x, logits, log_dispersion = draw(4, n_genes, seed, spread)
    found = CountDistribution(logits, log_dispersion).log_prob(x).numpy()
    np.testing.assert_allclose(found, of_scipy(x, logits, log_dispersion), rtol=1e-7, atol=1e-6)
    mean, theta = x.sum(1, keepdim=True) * logits.softmax(1), log_dispersion.exp()
    of_torch = NegativeBinomial(total_count=theta, logits=mean.log() - log_dispersion, validate_args=False)
    np.testing.assert_allclose(found, of_torch.log_prob(x).sum(1).numpy(), rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(found, of_scvi(x, mean, theta).sum(1).numpy(), rtol=1e-6, atol=1e-4)


def test_so_is_its_gradient():
    x, logits, log_dispersion = draw(6, 30)
    logits.requires_grad_()
    log_dispersion = (log_dispersion * 0.3).requires_grad_()
    mean, theta = x.sum(1, keepdim=True) * logits.softmax(1), log_dispersion.exp()
    weight = torch.linspace(-1, 2, 6, dtype=torch.float64)
    found, known = (
        torch.autograd.grad((weight * rows).sum(), (logits, log_dispersion), retain_graph=True)
        for rows in (CountDistribution(logits, log_dispersion).log_prob(x), of_scvi(x, mean, theta).sum(1))
    )
    torch.testing.assert_close(found, known, rtol=1e-6, atol=1e-7)
    few = (logits[:2, :5].detach().requires_grad_(), log_dispersion[:5].detach().requires_grad_())
    assert torch.autograd.gradcheck(lambda a, b: CountDistribution(a, b).log_prob(x[:2, :5]), few)


@pytest.mark.parametrize("log_theta", [-9.0, -2.0, 0.0, 3.4, 3.5, 6.0, 9.9])
def test_in_single_precision_a_cell_is_good_to_a_thousandth_of_a_nat(log_theta):
    x, logits, _ = draw(20, 2000)
    logits, log_dispersion = logits.float().double(), torch.full((2000,), log_theta).double()  # that float32 has
    exact = of_scipy(x, logits, log_dispersion)
    found = CountDistribution(logits.float(), log_dispersion.float()).log_prob(x.float()).double().numpy()
    np.testing.assert_allclose(found, exact, rtol=2e-6, atol=1e-3)


def test_all_counts_of_a_gene_of_known_mean_have_probability_one():
    """With a known library size: the terms are summed over all that may be counted of one gene."""
    x = torch.arange(20_000, dtype=torch.float64)
    for log_theta, mean in ((-1.0, 3.0), (2.0, 40.0), (6.0, 100.0)):
        t = torch.tensor(math.log(mean) - log_theta, dtype=torch.float64)
        likelihood = x * t - (math.exp(log_theta) + x) * torch.nn.functional.softplus(t)
        likelihood = likelihood + of_counts._log_ways(x, torch.full_like(x, log_theta))
        assert likelihood.exp().sum().item() == pytest.approx(1, abs=1e-6)
        assert (x * likelihood.exp()).sum().item() == pytest.approx(mean, rel=1e-5)


def test_draws_of_torch_have_the_mean_and_the_variance_that_are_meant():
    """And so the parameters are named right: variance μ + μ² / θ, means of cells of 10,000 counts."""
    logits, log_dispersion = torch.tensor([[0.0, 1.0, 3.0]]), torch.tensor([0.5, 2.0, 4.0])
    likelihood = CountDistribution(logits, log_dispersion)
    mean = likelihood.mean[0]
    assert mean.sum().item() == pytest.approx(10_000, rel=1e-5)
    torch.manual_seed(0)
    draws = NegativeBinomial(log_dispersion.exp(), logits=mean.log() - log_dispersion).sample((100_000,))
    torch.testing.assert_close(draws.mean(0), mean, rtol=0.02, atol=0)
    torch.testing.assert_close(draws.var(0), mean + mean.square() / log_dispersion.exp(), rtol=0.05, atol=0)


@pytest.mark.parametrize("logit", [-1e4, 0.0, 1e4])
@pytest.mark.parametrize("log_theta", [-1e3, 0.0, 1e3])
@pytest.mark.parametrize("largest", [0.0, 1.0, 2.0**24])
def test_it_is_finite_whatever_is_counted_and_whatever_the_weights(logit, log_theta, largest):
    logits = torch.tensor([[logit, 0.0, -logit]] * 2, requires_grad=True)
    log_dispersion = torch.full((3,), log_theta, requires_grad=True)
    rows = CountDistribution(logits, log_dispersion).log_prob(torch.tensor([[0.0, 0.0, largest], [largest, 1.0, 0.0]]))
    rows.sum().backward()
    for found in (rows, logits.grad, log_dispersion.grad):
        assert found.isfinite().all()


def test_an_empty_cell_costs_nothing_and_is_seen_as_nothing():
    likelihood = CountDistribution(torch.randn(2, 4), torch.zeros(4))
    torch.testing.assert_close(likelihood.log_prob(torch.zeros(2, 4)), torch.zeros(2))
    assert (log_normalise(torch.zeros(2, 4)) == 0).all()


def test_many_draws_judge_one_cell_and_it_expands():
    x, logits, log_dispersion = (part.float() for part in draw(4, 6))
    many = CountDistribution(logits.expand(3, 4, 6), log_dispersion)
    one = CountDistribution(logits, log_dispersion)
    assert many.log_prob(x).shape == (3, 4)
    torch.testing.assert_close(many.log_prob(x)[1], one.log_prob(x))
    assert (one.expand((3, 4)).batch_shape, one.expand((3, 4)).event_shape) == ((3, 4), (6,))
    torch.testing.assert_close(one.expand((3, 4)).log_prob(x), many.log_prob(x))


def test_an_encoder_sees_what_scanpy_makes_of_counts():
    scanpy, anndata = pytest.importorskip("scanpy"), pytest.importorskip("anndata")
    x = draw(5, 40)[0].float()
    adata = anndata.AnnData(x.numpy().copy())
    scanpy.pp.normalize_total(adata, target_sum=1e4)
    scanpy.pp.log1p(adata)
    np.testing.assert_allclose(log_normalise(x).numpy(), adata.X, rtol=1e-5, atol=1e-5)


def test_the_library_size_says_nothing_to_a_model():
    """Twice the counts have the same code, whose likelihood they alone decide."""
    model = SparseVAE((30,), 5, hidden=(8,), likelihood="negative-binomial").eval()
    x = draw(3, 30)[0].float()
    for first, second in zip(*([q.active_logits, q.loc, q.scale] for q in map(model.encode, (x, 2 * x))), strict=True):
        torch.testing.assert_close(first, second)
    assert model.decode_mean(np.zeros((2, 5))).sum(1) == pytest.approx([1e4, 1e4], rel=1e-5)


def test_a_model_starts_from_the_shares_of_all_rows_once():
    model = SparseVAE((3,), 2, hidden=(4,), likelihood="negative-binomial")
    model.start_from(torch.tensor([1e6, 2e6, 1e6]))
    baseline = model.decoder.baseline.exp()
    torch.testing.assert_close(baseline, torch.tensor([0.25, 0.5, 0.25]), rtol=1e-4, atol=1e-6)
    model.start_from(torch.tensor([1.0, 1.0, 1.0]))
    torch.testing.assert_close(model.decoder.baseline.exp(), baseline)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x - 1, r"must lie in 0 … 1.67772e\+07 for a negative-binomial likelihood, got -1 … .*measured"),
        (np.log1p, "must be whole numbers for a negative-binomial likelihood, got others in row.*logarithms"),
        (lambda x: x * (np.arange(len(x)) != 2)[:, None], "must have a count in every row .*, got none in row 2. Drop"),
        (lambda x: np.where(x > 1, np.nan, x), "must be finite in float32"),
    ],
)  # fmt: skip
def test_what_was_not_counted_is_refused(change, message):
    model = SparseVAE((30,), 3, hidden=(8,), likelihood="negative-binomial")
    x = draw(5, 30)[0].numpy()
    assert len(encode_dataset(model, x, progress=False)) == 5
    with pytest.raises(InputError, match=message):
        encode_dataset(model, change(x), progress=False)


def test_pictures_are_no_counts():
    with pytest.raises(InputError, match=r"must not be 'negative-binomial' for observations of shape .*1, 2, 2"):
        SparseVAE((1, 2, 2), 2, likelihood="negative-binomial")
