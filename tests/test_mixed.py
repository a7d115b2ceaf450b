"""The likelihood of mixed columns: against torch's distributions, and against what a probability must add up to."""

import itertools
import math

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal, OneHotCategorical

from cospike._errors import InputError
from cospike.encoding import encode_dataset
from cospike.mixed import Block, MixedHead, parse_likelihood
from cospike.model import SparseVAE

BLOCKS = [
    Block("categorical", 3), Block("gaussian", 2), Block("bernoulli"), Block("categorical", 2, True),
    Block("gaussian", 1, True), Block("categorical", 3), Block("bernoulli", 2, True),
]  # fmt: skip
WIDTH = sum(block.width for block in BLOCKS)


def one_hot(n, size, generator):
    return torch.eye(size, dtype=torch.float64)[torch.randint(size, (n,), generator=generator)]


def draw(n, seed=0):
    """Rows of BLOCKS with some cells missing, and what a decoder might give for them."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for kind, size, missing in BLOCKS:
        if kind == "categorical":
            parts.append(one_hot(n, size, generator))
        elif kind == "bernoulli":
            parts.append(torch.randint(2, (n, size), generator=generator).double())
        else:
            parts.append(torch.randn(n, size, generator=generator, dtype=torch.float64))
        if missing:
            parts.append(torch.randint(2, (n, 1), generator=generator).double())
    out = 2 * torch.randn(n, WIDTH, generator=generator, dtype=torch.float64)
    return torch.cat(parts, 1), out


def by_parts(x, out, log_scale):
    """The same from torch's own distributions, block by block."""
    total, start = torch.zeros(len(x), dtype=x.dtype), 0
    for kind, size, missing in BLOCKS:
        value, told = x[:, start : start + size], out[:, start : start + size]
        start += size
        distribution = {
            "gaussian": lambda told=told: Independent(Normal(told, log_scale.exp()), 1),
            "bernoulli": lambda told=told: Independent(Bernoulli(logits=told), 1),
            "categorical": lambda told=told: OneHotCategorical(logits=told),
        }[kind]()
        cost = distribution.log_prob(value)
        if missing:
            is_missing = x[:, start]
            total = total + Bernoulli(logits=out[:, start]).log_prob(is_missing)
            cost = torch.where(is_missing > 0, torch.zeros_like(cost), cost)
            start += 1
        total = total + cost
    return total


def test_it_is_the_sum_of_torchs_over_the_columns_and_so_is_its_gradient():
    x, out = draw(50)
    out.requires_grad_()
    log_scale = torch.tensor(-0.7, dtype=torch.float64, requires_grad=True)
    weight = torch.linspace(-1, 2, 50, dtype=torch.float64)
    got, expected = MixedHead(BLOCKS)(out, log_scale).log_prob(x), by_parts(x, out, log_scale)
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)
    for found, known in zip(
        *(torch.autograd.grad((weight * rows).sum(), (out, log_scale)) for rows in (got, expected)), strict=True
    ):
        torch.testing.assert_close(found, known, rtol=1e-9, atol=1e-10)
    assert torch.autograd.gradcheck(lambda a, b: MixedHead(BLOCKS)(a, b).log_prob(x[:5]), (out[:5], log_scale))


def test_all_that_a_row_can_be_has_probability_one():
    """Choices and indicators are counted through; a Gaussian is integrated; of a missing cell only one value counts."""
    blocks = [Block("categorical", 3, True), Block("gaussian", 1, True), Block("bernoulli")]
    out = torch.tensor([0.3, -1.0, 2.0, 0.4, 0.7, -0.8, 1.5], dtype=torch.float64)
    likelihood = MixedHead(blocks)(out, torch.tensor(0.2, dtype=torch.float64))
    grid = torch.linspace(-20, 20, 8001, dtype=torch.float64)
    total = 0.0
    for choice, no_choice, no_number, coin in itertools.product(range(3), (0, 1), (0, 1), (0, 1)):
        if no_choice and choice:
            continue  # what stands in the place of a missing choice is no outcome of its own
        rows = torch.zeros(1 if no_number else len(grid), 7, dtype=torch.float64)
        rows[:, choice], rows[:, 3], rows[:, 5], rows[:, 6] = 1, no_choice, no_number, coin
        if no_number:
            total += likelihood.log_prob(rows).exp().item()
        else:
            rows[:, 4] = grid
            total += torch.trapezoid(likelihood.log_prob(rows).exp(), grid).item()
    assert total == pytest.approx(1, abs=1e-9)


def test_what_stands_in_the_place_of_a_missing_value_costs_nothing_and_teaches_nothing():
    x, out = draw(20)
    out.requires_grad_()
    start = sum(block.width for block in BLOCKS[:4])
    x[:, start + 1] = 1
    other = x.clone()
    other[:, start] = 100.0
    likelihood = MixedHead(BLOCKS)(out, torch.zeros((), dtype=torch.float64))
    torch.testing.assert_close(likelihood.log_prob(x), likelihood.log_prob(other))
    (slope,) = torch.autograd.grad(likelihood.log_prob(other).sum(), out)
    assert (slope[:, start] == 0).all()
    assert (slope[:, start + 1] != 0).all()


def test_the_mean_is_that_of_many_draws_of_torch():
    _, out = draw(1)
    mean = MixedHead(BLOCKS)(out, torch.zeros((), dtype=torch.float64)).mean[0]
    torch.manual_seed(0)
    start = 0
    for kind, size, missing in BLOCKS:
        told = out[0, start : start + size]
        distribution = {
            "gaussian": lambda told=told: Normal(told, 1.0),
            "bernoulli": lambda told=told: Bernoulli(logits=told),
            "categorical": lambda told=told: OneHotCategorical(logits=told),
        }[kind]()
        torch.testing.assert_close(
            mean[start : start + size], distribution.sample((40_000,)).mean(0), rtol=0, atol=0.025
        )
        if kind == "categorical":
            assert mean[start : start + size].sum().item() == pytest.approx(1)
        start += size + missing


def test_gaussian_blocks_alone_are_the_gaussian_likelihood():
    models = [SparseVAE((4,), 3, likelihood=one, seed=1) for one in ("gaussian", [("gaussian", 4)])]
    x = torch.randn(6, 4)
    for model in models:
        model.decoder.log_scale.data.fill_(-0.3)
    z = torch.randn(6, 3)
    first, second = (model.decode(z) for model in models)
    torch.testing.assert_close(first.log_prob(x), second.log_prob(x))
    torch.testing.assert_close(first.mean, second.mean)
    assert models[0].state_dict().keys() == models[1].state_dict().keys()


def test_many_draws_judge_one_row_and_it_expands():
    x, out = draw(4)
    many = out.expand(3, 4, WIDTH)
    rows = MixedHead(BLOCKS)(many, torch.zeros(())).log_prob(x)
    assert rows.shape == (3, 4)
    likelihood = MixedHead(BLOCKS)(out, torch.zeros(())).expand((3, 4))
    assert (likelihood.batch_shape, likelihood.event_shape) == ((3, 4), (WIDTH,))
    torch.testing.assert_close(likelihood.log_prob(x), rows)


@pytest.mark.parametrize("logit", [-1e4, 0.0, 1e4])
def test_it_is_finite_at_saturation(logit):
    x, _ = draw(8)
    out = torch.full((8, WIDTH), logit, dtype=torch.float64, requires_grad=True)
    rows = MixedHead(BLOCKS)(out, torch.zeros(())).log_prob(x)
    rows.sum().backward()
    assert rows.isfinite().all()
    assert out.grad.isfinite().all()


def test_a_choice_among_equals_costs_the_logarithm_of_their_number():
    head = MixedHead([Block("categorical", 7)])
    cost = head(torch.zeros(1, 7), torch.zeros(())).log_prob(torch.eye(7)[:1])
    assert cost.item() == pytest.approx(-math.log(7), rel=1e-6)


@pytest.mark.parametrize(
    ("likelihood", "message"),
    [
        ("gausian", "Unknown likelihood 'gausian' of SparseVAE. Did you mean 'gaussian'"),
        (None, "'likelihood' of SparseVAE must be 'bernoulli', 'gaussian', 'negative-binomial' or blocks"),
        ([("gaussian", 2)], r"fill rows of shape \(3,\), got 2 entries"),
        ([("gaussian", 2, True), ("bernoulli", 1)], r"fill rows of shape \(3,\), got 4 entries"),
        ([("gausian", 3)], "Unknown kind 'gausian' of a block.*Did you mean 'gaussian'"),
        ([("categorical", 1), ("gaussian", 2)], "must be 'bernoulli', 'gaussian', 'negative-binomial' or blocks"),
        ([("gaussian", 0), ("gaussian", 3)], "must be 'bernoulli', 'gaussian', 'negative-binomial' or blocks"),
        ([("gaussian", 3.0)], "must be 'bernoulli', 'gaussian', 'negative-binomial' or blocks"),
        ([("gaussian", 3, 0)], "must be 'bernoulli', 'gaussian', 'negative-binomial' or blocks"),
        (["gaussian"], "must be 'bernoulli', 'gaussian', 'negative-binomial' or blocks"),
        ([("gaussian", 10**12)], "must be 'bernoulli', 'gaussian', 'negative-binomial' or blocks"),
    ],
)
def test_what_is_no_likelihood_is_refused(unchecked, likelihood, message):
    with pytest.raises(InputError, match=message):
        SparseVAE((3,), 2, likelihood=likelihood)


def test_images_have_no_columns():
    with pytest.raises(InputError, match=r"fill rows of shape \(1, 2, 2\), got 4 entries"):
        SparseVAE((1, 2, 2), 2, likelihood=[("gaussian", 4)])


def test_a_row_of_too_many_entries_is_refused_before_it_is_built():
    """A config of a few bytes must not ask for more memory than there is."""
    with pytest.raises(InputError, match="at most 1,048,576 entries, got 3,145,728"):
        parse_likelihood([("gaussian", 2**20)] * 3, (3 * 2**20,))


@pytest.mark.parametrize(("log_scale", "bound"), [(-50.0, -14.0), (60.0, 28.0)])
def test_the_scale_of_numbers_has_the_bounds_of_a_gaussian_likelihood(log_scale, bound):
    model = SparseVAE((2,), 3, hidden=(4,), likelihood=[("gaussian", 2)])
    model.decoder.log_scale.data.fill_(log_scale)
    z, x = torch.zeros(4, 3), torch.zeros(4, 2)
    expected = Independent(Normal(model.decode(z).mean, math.exp(bound)), 1).log_prob(x)
    torch.testing.assert_close(model.decode(z).log_prob(x), expected)


def test_values_that_a_column_cannot_have_are_refused():
    model = SparseVAE((WIDTH,), 3, hidden=(4,), likelihood=BLOCKS)
    x = draw(5)[0].float()
    assert len(encode_dataset(model, x.numpy(), progress=False)) == 5
    x[:, 3] = 7.0  # a Gaussian entry
    encode_dataset(model, x.numpy(), progress=False)
    x[1, 3] = 1e13
    with pytest.raises(InputError, match=r"must lie in -1e.12 … 1e.12 for a Gaussian likelihood, got .* in row 1"):
        encode_dataset(model, x.numpy(), progress=False)
    x[1, 3] = 7.0
    x[2, 0] = 1.5  # the share of a category
    with pytest.raises(InputError, match=r"shares and indicators of the split must lie in 0 … 1, got 0 … 1\.5"):
        encode_dataset(model, x.numpy(), progress=False)


def test_settings_are_what_json_gives_back():
    blocks = parse_likelihood(BLOCKS, (WIDTH,))
    assert blocks == parse_likelihood(blocks, (WIDTH,)) == [list(block) for block in BLOCKS]
