"""The split of the spike KL and the paper's class loss: laws."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Bernoulli

from cospike.divergence import js_bernoulli, kl_bernoulli
from cospike.information import equivocation, pairwise_js, spike_information, spike_parts
from cospike.spike_slab import SpikeSlab

ALPHA = 0.03


def batch(seed, n=40, d=6, classes=4, spread=3.0):
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(n, d, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, classes, (n,), generator=generator)


def naive_split(logits, labels):
    """Each part as the mean KL that its definition names."""
    gamma = logits.sigmoid()
    overall = gamma.mean(0).logit()
    class_logits = torch.stack([gamma[labels == y].mean(0).logit() for y in labels])
    prior = torch.tensor(ALPHA, dtype=torch.float64).logit()
    return (
        kl_bernoulli(logits, class_logits).mean(0),
        kl_bernoulli(class_logits, overall.expand_as(class_logits)).mean(0),
        kl_bernoulli(overall, prior.expand_as(overall)),
    )


@given(st.integers(0, 10_000), st.floats(0.01, 12.0))
def test_the_parts_are_their_definitions_and_add_up(seed, spread):
    logits, labels = batch(seed, spread=spread)
    split = spike_information(logits, labels, ALPHA)
    for part, expected in zip(split[:3], naive_split(logits, labels), strict=True):
        torch.testing.assert_close(part, expected, rtol=1e-6, atol=1e-9)
        assert (part >= -1e-12).all()
    prior = torch.tensor(ALPHA, dtype=torch.float64).logit()
    total = kl_bernoulli(logits, prior.expand_as(logits)).mean(0)
    torch.testing.assert_close(split.within + split.between + split.sparsity, total, rtol=0, atol=1e-6)


@given(st.integers(0, 10_000), st.floats(0.01, 12.0))
def test_the_gradient_is_that_of_the_definitions(seed, spread):
    logits, labels = batch(seed, spread=spread)
    weights = torch.randn(3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))

    def gradient(split):
        leaf = logits.clone().requires_grad_()
        total = sum((weight * part).sum() for weight, part in zip(weights, split(leaf), strict=False))
        return torch.autograd.grad(total, leaf)[0]

    expected = gradient(lambda leaf: naive_split(leaf, labels))
    got = gradient(lambda leaf: spike_information(leaf, 2 * labels, ALPHA))  # some class indices have no row
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-10)


def test_spread_rewards_use_by_the_entropy_of_the_mean():
    logits, labels = batch(3)
    leaf = logits.clone().requires_grad_()
    spread = spike_information(leaf, labels, ALPHA).spread
    mean = leaf.sigmoid().mean(0)
    torch.testing.assert_close(spread, Bernoulli(mean).entropy())
    torch.testing.assert_close(
        *(torch.autograd.grad(part.sum(), leaf, retain_graph=True)[0] for part in (spread, Bernoulli(mean).entropy()))
    )


@given(st.integers(0, 10_000))
def test_to_know_the_number_of_classes_changes_no_part(seed):
    logits, labels = batch(seed)
    spikes = SpikeSlab(logits, logits, logits.exp()).rsample_parts()[0]
    prior = torch.full((6,), ALPHA, dtype=torch.float64)
    expected = spike_parts(logits, labels, prior, spikes=spikes)
    assert {*expected} == {"within", "between", "sparsity", "spread", "equivocation"}
    for name, part in spike_parts(logits, labels, prior, spikes=spikes, n_classes=7).items():
        torch.testing.assert_close(part, expected[name])


def test_float32_adds_up_too():
    logits, labels = batch(0, spread=5.0)
    split = spike_information(logits.float(), labels, ALPHA)
    total = kl_bernoulli(logits.float(), torch.tensor(ALPHA).logit()).mean(0)
    torch.testing.assert_close(split.within + split.between + split.sparsity, total, rtol=1e-6, atol=1e-6)


@given(st.integers(0, 10_000))
def test_order_names_and_duplication_do_not_matter(seed):
    logits, labels = batch(seed)
    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    renamed = torch.tensor([3, 9, 0, 1])[labels]
    expected = spike_information(logits, labels, ALPHA)
    for variant in (
        spike_information(logits[shuffled], renamed[shuffled], ALPHA),
        spike_information(logits.repeat(2, 1), labels.repeat(2), ALPHA),
    ):
        for part, same in zip(variant, expected, strict=True):
            torch.testing.assert_close(part, same, rtol=1e-9, atol=1e-12)


def test_agreement_within_classes_costs_nothing_within():
    patterns = torch.tensor([[4.0, -4.0, -4.0], [-4.0, 4.0, -4.0]], dtype=torch.float64)
    labels = torch.tensor([0, 1, 0, 1, 1])
    split = spike_information(patterns[labels], labels, ALPHA)
    assert split.within.abs().max() < 1e-12
    assert pairwise_js(patterns[labels], labels).max() < 1e-12
    assert split.between[:2].min() > 0.3
    assert split.between[2] == pytest.approx(0, abs=1e-12)


def test_unlabelled_rows_do_not_count():
    logits, labels = batch(1)
    mixed_logits = torch.cat([logits, 100 * torch.randn(7, 6, dtype=torch.float64)])
    mixed_labels = torch.cat([labels, torch.full((7,), -1)])
    for part, same in zip(
        spike_information(mixed_logits, mixed_labels, ALPHA), spike_information(logits, labels, ALPHA), strict=True
    ):
        torch.testing.assert_close(part, same)
    torch.testing.assert_close(pairwise_js(mixed_logits, mixed_labels), pairwise_js(logits, labels))
    nothing = spike_information(logits, torch.full((40,), -1), ALPHA)
    assert all(part.eq(0).all() for part in nothing)


@pytest.mark.parametrize("part", ["within", "between", "sparsity"])
def test_one_gradient_step_lowers_each_part(part):
    logits, labels = batch(2)
    logits.requires_grad_()
    before = getattr(spike_information(logits, labels, ALPHA), part).sum()
    before.backward()
    after = getattr(spike_information(logits - 0.5 * logits.grad, labels, ALPHA), part).sum()
    assert after < before


@pytest.mark.parametrize("distance", [False, True])
def test_one_gradient_step_lowers_the_pairwise_loss(distance):
    logits, labels = batch(3)
    logits.requires_grad_()
    before = pairwise_js(logits, labels, distance=distance).sum()
    before.backward()
    assert pairwise_js(logits - 0.5 * logits.grad, labels, distance=distance).sum() < before


@pytest.mark.parametrize("logit", [-200.0, -17.0, 17.0, 200.0])
def test_finite_at_saturation(logit):
    logits = torch.full((6, 2), logit, requires_grad=True)
    split = spike_information(logits, torch.tensor([0, 0, 1, 1, 2, 2]), ALPHA)
    value = sum(part.sum() for part in split)
    value.backward()
    assert value.isfinite()
    assert logits.grad.isfinite().all()


def test_a_missing_class_index_changes_nothing():
    logits, _ = batch(4, n=4)
    for low, high in ((0, 1), (0, 5)):
        labels = torch.tensor([low, low, high, high])
        split = spike_information(logits, labels, ALPHA)
        pairs = (js_bernoulli(logits[0], logits[1]) + js_bernoulli(logits[2], logits[3])) / 2
        torch.testing.assert_close(pairwise_js(logits, labels), pairs, rtol=1e-5, atol=1e-9)
        torch.testing.assert_close(split.within, naive_split(logits, labels)[0])


def drawn(seed, **how):
    logits, labels = batch(seed, **how)
    return torch.bernoulli(logits.sigmoid(), generator=torch.Generator().manual_seed(seed)), logits, labels


@given(st.integers(0, 10_000), st.floats(0.01, 12.0))
def test_equivocation_is_bayes_rule_written_out(seed, spread):
    spikes, logits, labels = drawn(seed, spread=spread)
    classes = labels.unique()
    patterns = [Bernoulli(logits[labels == c].sigmoid().mean(0)) for c in classes]
    for value, spike, label in zip(equivocation(spikes, logits, labels), spikes, labels, strict=True):
        joint = [
            (labels == c).double().mean() * pattern.log_prob(spike).sum().exp()
            for c, pattern in zip(classes, patterns, strict=True)
        ]
        expected = -(joint[classes.tolist().index(int(label))] / sum(joint)).log()
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-9)
        assert value > -1e-12


@given(st.integers(0, 10_000), st.floats(0.01, 4.0))
def test_the_gradient_of_equivocation_is_that_of_bayes_rule_written_out(seed, spread):
    logits, labels = batch(seed, spread=spread)
    classes = labels.unique()
    spikes = logits.sigmoid().bernoulli(generator=torch.Generator().manual_seed(seed))

    def gradients(mean_equivocation):
        leaves = spikes.clone().requires_grad_(), logits.clone().requires_grad_()
        return torch.autograd.grad(mean_equivocation(*leaves), leaves)

    def written_out(spikes, logits):
        joint = []
        for c in classes:
            mean = logits[labels == c].sigmoid().mean(0)
            of_class = (spikes * mean.log() + (1 - spikes) * (1 - mean).log()).sum(1)
            joint.append(of_class + (labels == c).double().mean().log())
        own = torch.stack(joint, 1).gather(1, (labels[:, None] == classes).long().argmax(1, keepdim=True))
        return (torch.stack(joint, 1).logsumexp(1) - own[:, 0]).mean()

    got = gradients(lambda spikes, logits: equivocation(spikes, logits, labels).mean())
    for part, expected in zip(got, gradients(written_out), strict=True):
        torch.testing.assert_close(part, expected, rtol=1e-6, atol=1e-10)


@given(st.integers(0, 10_000))
def test_equivocation_does_not_heed_order_names_copies_or_unlabelled_rows(seed):
    spikes, logits, labels = drawn(seed)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    renamed = torch.tensor([3, 9, 0, 1])[labels]
    expected = equivocation(spikes, logits, labels)
    torch.testing.assert_close(equivocation(spikes[order], logits[order], renamed[order]), expected[order])
    torch.testing.assert_close(equivocation(spikes.repeat(2, 1), logits.repeat(2, 1), labels.repeat(2))[:40], expected)
    unlabelled = torch.full((40,), -1)
    torch.testing.assert_close(
        equivocation(spikes.repeat(2, 1), torch.cat([logits, 5 - logits]), torch.cat([labels, unlabelled])), expected
    )
    assert not len(equivocation(spikes, logits, unlabelled))


def test_latents_that_are_always_on_cost_equivocation_no_digits():
    logits, labels = batch(0, n=256, d=36, classes=10)
    logits[:, :6] = 40.0
    spikes = (
        torch.rand(logits.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) <= logits.sigmoid()
    ).double()
    exact = equivocation(spikes, logits, labels)
    torch.testing.assert_close(
        equivocation(spikes.float(), logits.float(), labels).double(), exact, rtol=1e-5, atol=5e-6
    )


def test_half_a_precision_counts_its_rows():
    labels = torch.arange(3000) % 2
    logits = (1.0 + 0.1 * torch.randn(3000, 4, generator=torch.Generator().manual_seed(0))).bfloat16()
    exact = spike_information(logits.double(), labels, ALPHA)
    for part, expected in zip(spike_information(logits, labels, ALPHA), exact, strict=True):
        torch.testing.assert_close(part.double(), expected, rtol=1e-4, atol=1e-6)


def test_a_batch_without_rows_costs_nothing():
    parts = spike_parts(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long), torch.full((3,), ALPHA))
    assert set(parts) == {"within", "between", "sparsity", "spread"}
    assert not any(parts.values())


def test_equivocation_ends_at_nothing_and_begins_at_all_of_the_label():
    """0 where a pattern names its class, and H(y) where all classes have one, the others' trivial minimum."""
    labels = torch.tensor([0, 0, 0, 1])
    apart = torch.tensor([[20.0, -20.0]] * 3 + [[-20.0, 20.0]], dtype=torch.float64)
    same = apart[:1].repeat(4, 1)
    assert equivocation(apart.sigmoid().round(), apart, labels).max() < 1e-8
    entropy = -(0.75 * torch.tensor(0.75).log() + 0.25 * torch.tensor(0.25).log())
    assert equivocation(same.sigmoid().round(), same, labels).mean() == pytest.approx(float(entropy))
    assert equivocation(same.sigmoid().round(), same, torch.zeros(4, dtype=torch.long)).abs().max() == 0
    pairwise_and_within = pairwise_js(same, labels).sum() + spike_information(same, labels, ALPHA).within.sum()
    assert pairwise_and_within.abs() < 1e-8  # to which one pattern for all is perfect


@pytest.mark.parametrize("logit", [-200.0, -17.0, 17.0, 200.0])
def test_equivocation_is_finite_at_saturation(logit):
    logits = torch.full((6, 2), logit, requires_grad=True)
    labels = torch.tensor([0, 0, 5, 5, 2, 2])  # of 1, 3 and 4 there is none
    value = equivocation(1.0 - logits.detach().sigmoid().round(), logits, labels).sum()
    value.backward()
    assert value.isfinite()
    assert logits.grad.isfinite().all()


def test_the_gradient_through_drawn_spikes_is_that_of_the_mean_over_all_of_them():
    """Of E over spikes ~ γ, by enumeration: the second-order draws follow it, through spikes and patterns both."""
    torch.manual_seed(0)
    logits = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3)
    exact = torch.zeros((), dtype=torch.float64)
    for spikes in every:
        probs = torch.where(spikes > 0, logits.sigmoid(), (-logits).sigmoid()).prod(1)
        exact = exact + (probs * equivocation(spikes.repeat(6, 1), logits, labels)).sum()
    (wanted,) = torch.autograd.grad(exact, logits)
    n = 20_000
    many = SpikeSlab(logits, torch.zeros_like(logits), torch.ones_like(logits)).rsample_parts((n,))[0]
    copies, classes = logits.repeat(n, 1), labels.repeat(n)
    (got,) = torch.autograd.grad(equivocation(many.reshape(-1, 3), copies, classes).sum() / n, logits)
    assert torch.nn.functional.cosine_similarity(got.flatten(), wanted.flatten(), dim=0) > 0.99
    assert got.norm() == pytest.approx(float(wanted.norm()), rel=0.1)


def test_equivocation_is_a_bound_where_the_spikes_of_a_class_are_not_independent():
    """Two patterns a class, which name it by their parity: H(y | s) is 0, and class means say nothing."""
    logits = 50.0 * torch.tensor([[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [-1.0, -1.0]])
    found = equivocation(logits.sigmoid().round(), logits, torch.tensor([0, 0, 1, 1]))
    torch.testing.assert_close(found, torch.full((4,), 0.5).log().neg())
