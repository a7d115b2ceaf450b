"""The likelihood of grey levels against torch's Bernoulli."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Independent

from cospike.decoders import GreyBernoulli


def of_torch(logits, value, n_axes=1):
    return Independent(Bernoulli(logits=logits, validate_args=False), n_axes, validate_args=False).log_prob(value)


@given(st.integers(1, 200), st.floats(0.1, 60.0), st.integers(0, 10_000))
def test_it_is_torchs_whatever_divides_the_number_of_entries(n_values, spread, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = (spread * torch.randn(3, n_values, generator=generator, dtype=torch.float64)).requires_grad_()
    value, weight = torch.rand(3, n_values, generator=generator, dtype=torch.float64), torch.tensor([1.0, -2.0, 0.5])
    got, expected = GreyBernoulli(logits, 1).log_prob(value), of_torch(logits, value)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(
        *(torch.autograd.grad((weight * rows).sum(), logits)[0] for rows in (got, expected)), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("spread", [1.0, 5.0, 30.0])
def test_in_single_precision_a_picture_is_good_to_a_ten_thousandth_of_a_nat(spread):
    generator = torch.Generator().manual_seed(0)
    logits, value = spread * torch.randn(100, 1, 28, 28, generator=generator), torch.rand(100, 1, 28, 28)
    exact = of_torch(logits.double(), value.double(), 3)
    torch.testing.assert_close(GreyBernoulli(logits, 3).log_prob(value).double(), exact, rtol=3e-7, atol=1e-4)


@pytest.mark.parametrize("logit", [-1e4, -200.0, 0.0, 200.0, 1e4])
def test_it_is_finite_at_saturation(logit):
    logits = torch.full((2, 128), logit, requires_grad=True)
    value = torch.tensor([[0.0], [1.0]]).expand(2, 128)
    rows = GreyBernoulli(logits, 1).log_prob(value)
    torch.testing.assert_close(rows, of_torch(logits, value))
    rows.sum().backward()
    assert logits.grad.isfinite().all()


def test_one_observation_is_judged_by_many_draws():
    logits, value = torch.randn(7, 3, 1, 4, 4), torch.rand(3, 1, 4, 4)
    torch.testing.assert_close(
        GreyBernoulli(logits, 3).log_prob(value), of_torch(logits, value.expand(7, 3, 1, 4, 4), 3)
    )
    torch.testing.assert_close(GreyBernoulli(logits[0], 3).mean, logits[0].sigmoid())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_a_precision_keeps_its_products(dtype):
    logits, value = torch.zeros(2, 256, dtype=dtype), torch.zeros(2, 256)
    torch.testing.assert_close(GreyBernoulli(logits, 1).log_prob(value), torch.full((2,), -256 * math.log(2)))
    logits.requires_grad_()
    GreyBernoulli(logits, 1).log_prob(value).sum().backward()
    torch.testing.assert_close(logits.grad, torch.full_like(logits, -0.5))


def test_it_expands_as_torchs_does():
    many = GreyBernoulli(torch.zeros(3, 4), 1).expand((5, 3))
    assert (many.batch_shape, many.event_shape) == ((5, 3), (4,))
    assert many.log_prob(torch.zeros(3, 4)).shape == (5, 3)
