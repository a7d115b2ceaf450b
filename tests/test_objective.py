"""Objectives: what each preset charges, laws of the terms, and known defects of peers as tests."""

from dataclasses import replace

import pytest
import torch
from torch.distributions import Bernoulli, kl_divergence

from cospike._errors import InputError
from cospike.information import equivocation, pairwise_js
from cospike.model import SparseVAE
from cospike.objective import PRESETS, Objective
from cospike.schedule import Schedule
from cospike.spike_slab import spike_kl

SHAPE, D = (1, 6, 6), 7


@pytest.fixture(scope="module")
def case():
    torch.manual_seed(0)
    model = SparseVAE(SHAPE, D, hidden=(20,), n_dense=0)
    with torch.no_grad():  # patterns that differ between samples
        model.encoder.head.weight[-D:] *= 20
    x, y = torch.rand(30, *SHAPE), torch.randint(0, 3, (30,))
    output = model.eval()(x)
    return output, x, y


def test_vsc_is_the_negative_elbo(case):
    output, x, y = case
    loss = Objective.vsc()(output, x, y).loss
    elbo = output.likelihood.log_prob(x) - kl_divergence(output.posterior, output.prior).sum(-1)
    torch.testing.assert_close(loss, -elbo.mean())


def test_bernoulli_likelihood_is_the_summed_cross_entropy(case):
    output, x, _ = case
    expected = torch.nn.functional.binary_cross_entropy(output.likelihood.mean, x, reduction="none").sum((1, 2, 3))
    torch.testing.assert_close(-output.likelihood.log_prob(x), expected)


def test_paper_adds_the_pairwise_loss_averaged_over_latents(case):
    output, x, y = case
    extra = Objective.paper(pairwise=70.0)(output, x, y).loss - Objective.vsc()(output, x, y).loss
    torch.testing.assert_close(
        extra, 70.0 * pairwise_js(output.posterior.active_logits, y).mean(), rtol=1e-4, atol=1e-4
    )


def test_vae_charges_the_slab_alone():
    model = SparseVAE(SHAPE, D, hidden=(20,), n_dense=D).eval()
    x = torch.rand(10, *SHAPE)
    output = model(x, spikes="relaxed")
    expected = -output.likelihood.log_prob(x) + 4.0 * kl_divergence(output.posterior, output.prior).sum(-1)
    terms = Objective.vae(beta=4.0)(output, x, torch.zeros(10, dtype=torch.long))
    torch.testing.assert_close(terms.loss, expected.mean())
    assert max(terms.parts[name].abs() for name in ("slab_kl", "within", "between", "sparsity", "spread")) < 1e-6


@pytest.mark.parametrize("progress", [0.0, 0.3, 1.0])
def test_dense_latents_pay_for_no_spike(case, progress):
    """The objective of the sparse latents alone, plus the slab KL of the dense ones."""
    _, x, y = case
    model = SparseVAE(SHAPE, D, hidden=(20,), n_dense=3).eval()
    output = model(x)
    q, p = output.posterior, output.prior
    sparse = [type(q)(d.active_logits[..., 3:], d.loc[..., 3:], d.scale[..., 3:]) for d in (q, p)]
    objective = Objective.class_consistent(sharing=0.3)
    parts = objective(output, x, y, progress=progress).parts
    output = output._replace(posterior=sparse[0], prior=sparse[1], spikes=output.spikes[:, 3:])
    alone = objective(output, x, y, progress=progress).parts
    for name in ("within", "between", "equivocation", "sparsity", "spread"):
        torch.testing.assert_close(parts[name], alone[name], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(parts["slab_kl"], alone["slab_kl"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(parts["dense_kl"], kl_divergence(q, p)[:, :3].sum(-1).mean(), rtol=1e-4, atol=1e-5)


def test_dense_latents_may_pay_from_the_start(case):
    _, x, y = case
    model = SparseVAE(SHAPE, D, hidden=(20,), n_dense=3).eval()
    output = model(x)
    late, early = (replace(Objective.vsc(), early_dense=e) for e in (0.0, 1.0))
    kl = early(output, x, y).parts["dense_kl"]
    for progress, share in ((0.0, 1.0), (0.25, 0.5), (0.5, 0.0), (1.0, 0.0)):
        extra = early(output, x, y, progress=progress).loss - late(output, x, y, progress=progress).loss
        torch.testing.assert_close(extra, share * kl, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("alpha", [0.01, 0.3])
def test_the_prior_tightens_along_a_geometric_path_and_never_loosens(case, alpha):
    """Sparsity at a stage of the warm-up is that against α_t = early^(1−w) α^w, written out."""
    output, x, y = case
    gamma = output.posterior.active_probs.mean(0)
    prior = type(output.prior)(torch.full((D,), alpha).logit(), output.prior.loc, output.prior.scale)
    for progress, w in ((0.0, 0.0), (0.125, 0.25), (0.5, 1.0), (1.0, 1.0)):
        expected = max(0.2, alpha) ** (1 - w) * alpha**w
        kl = kl_divergence(Bernoulli(gamma), Bernoulli(torch.tensor(expected))).sum()
        got = Objective.vsc()(output._replace(prior=prior), x, y, progress=progress).parts["sparsity"]
        torch.testing.assert_close(got, kl, rtol=1e-4, atol=1e-5)


def test_with_a_class_prior_unlabelled_rows_pay_their_plain_spike_kl(case):
    _, x, y = case
    y = y.clone()
    y[:12] = -1
    model = SparseVAE(SHAPE, D, hidden=(20,), n_dense=1, prior="per-class", n_classes=3).eval()
    output = model(x, y)
    parts = Objective.class_consistent()(output, x, y).parts
    plain = spike_kl(output.posterior, output.prior)[:12].sum() / len(y)
    torch.testing.assert_close(parts["unlabelled_information"] + parts["unlabelled_sparsity"], plain)
    own = spike_kl(output.posterior, output.pattern)[12:].sum() / len(y)
    torch.testing.assert_close(parts["within"], own, rtol=1e-4, atol=1e-5)
    cheap, dear = (
        Objective.class_consistent(within=price)(model(x, torch.full_like(y, -1)), x, torch.full_like(y, -1)).parts
        for price in (1.0, 50.0)
    )
    assert float(cheap["within"]) == float(dear["within"]) == 0.0


def test_pooled_sparsity_leaves_dense_latents_out(case):
    _, x, y = case
    model = SparseVAE(SHAPE, D, hidden=(20,), n_dense=2, prior="pseudo-inputs", n_pseudo_inputs=4).eval()
    output = model(x, y)
    mean, alpha = Bernoulli(output.pattern.active_probs[:, 2:].mean()), Bernoulli(output.prior.active_probs[-1])
    sparsity = Objective.vsc_pseudo_inputs()(output, x, y).parts["sparsity"]
    torch.testing.assert_close(sparsity, (D - 2) * kl_divergence(mean, alpha))


def test_the_spikes_are_warmed_up_before_the_slabs():
    """At λ = 0 the slabs of samples and pseudo-inputs are N(0, 1): nothing is paid for them, and nothing told."""
    model = SparseVAE(SHAPE, D, hidden=(20,), n_dense=0, prior="pseudo-inputs", n_pseudo_inputs=4).eval()
    x, y = torch.rand(10, *SHAPE), torch.zeros(10, dtype=torch.long)
    output = model(x, y, slab_share=0.0)
    assert Objective.vsc_pseudo_inputs()(output, x, y).parts["slab_kl"].abs() < 1e-5
    assert (output.posterior.loc == 0).all()


def test_pseudo_inputs_charge_the_published_objective(case):
    """VSC, UAI 2019: reconstruction + KL to the pseudo-input's code + J · KL(mean over latents ‖ α)."""
    output, x, y = case
    model = SparseVAE(SHAPE, D, hidden=(20,), n_dense=0, prior="pseudo-inputs", n_pseudo_inputs=4).eval()
    output = model(x, y)
    loss = Objective.vsc_pseudo_inputs()(output, x, y).loss
    pattern = output.pattern
    mean, alpha = Bernoulli(pattern.active_probs.mean()), Bernoulli(output.prior.active_probs[0])
    elbo = output.likelihood.log_prob(x) - kl_divergence(output.posterior, pattern).sum(-1)
    torch.testing.assert_close(loss, -elbo.mean() + D * kl_divergence(mean, alpha))


def test_a_class_prior_of_the_class_means_is_the_split_of_the_batch(case):
    """Learned patterns that equal the batch's own charge what the batch's own do; any others charge more."""
    output, x, y = case
    gamma = output.posterior.active_probs
    means = torch.stack([gamma[y == label].mean(0) for label in range(3)])[y].logit()
    other = torch.zeros_like(means)
    objective = Objective.class_consistent()
    expected = objective(output, x, y)
    for pattern in (means, other):
        slab = torch.zeros_like(means), torch.ones_like(means)
        got = objective(output._replace(pattern=type(output.posterior)(pattern, *slab)), x, y)
        if pattern is means:
            for part in ("slab_kl", "within", "between", "sparsity", "spread"):
                torch.testing.assert_close(got.parts[part], expected.parts[part], rtol=1e-4, atol=1e-5)
        else:
            assert got.parts["within"] > expected.parts["within"]


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "vae"])
def test_doubling_the_batch_does_not_change_the_split_terms(case, name):
    _, x, y = case
    model = SparseVAE(SHAPE, D, hidden=(20,)).eval()
    output, twice = model(x), model(x.repeat(2, 1, 1, 1))
    single = Objective.preset(name)(output, x, y)
    double = Objective.preset(name)(
        twice._replace(spikes=output.spikes.repeat(2, 1)), x.repeat(2, 1, 1, 1), y.repeat(2)
    )
    for part in set(single.parts) - {"reconstruction", "pairwise"}:
        torch.testing.assert_close(double.parts[part], single.parts[part], rtol=1e-4, atol=1e-6)


def test_relabelling_and_reordering_do_not_matter(case):
    output, x, y = case
    objective = Objective.class_consistent()
    order = torch.randperm(len(y))
    q = type(output.posterior)(
        *(p[order] for p in (output.posterior.active_logits, output.posterior.loc, output.posterior.scale))
    )
    shuffled = output._replace(posterior=q, likelihood=output.likelihood)
    a, b = objective(output, x, y).parts, objective(shuffled, x, torch.tensor([2, 0, 1])[y][order]).parts
    for part in ("slab_kl", "within", "between", "sparsity", "spread"):
        torch.testing.assert_close(a[part], b[part], rtol=1e-5, atol=1e-6)


def test_unlabelled_rows_pay_their_plain_spike_kl_by_their_share(case):
    output, x, y = case
    y = y.clone()
    y[:12] = -1
    parts = Objective.class_consistent()(output, x, y).parts
    plain = spike_kl(output.posterior, output.prior).sum(-1)
    unlabelled_total = parts["unlabelled_information"] + parts["unlabelled_sparsity"]
    torch.testing.assert_close(unlabelled_total, plain[:12].sum() / len(y), rtol=1e-4, atol=1e-5)
    labelled_total = parts["within"] + parts["between"] + parts["sparsity"]
    torch.testing.assert_close(labelled_total, plain[12:].sum() / len(y), rtol=1e-4, atol=1e-5)
    for progress in (0.1, 1.0):  # without labels, every objective is VSC; and VSC does not see labels
        nobody = Objective.class_consistent()(output, x, torch.full_like(y, -1), progress=progress)
        vsc = Objective.vsc()(output, x, case[2], progress=progress)
        torch.testing.assert_close(nobody.loss, vsc.loss, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("price", ["slab", "within", "between", "equivocation", "sparsity", "sharing", "pairwise"])
def test_each_price_lowers_its_term(case, price):
    """Direction: a step along the gradient of what one price adds to the loss lowers that price's term."""
    term = {"slab": "slab_kl", "sharing": "spread"}.get(price, price)
    free = Objective(**dict.fromkeys(("slab", "within", "between", "sparsity"), 0.0))
    priced = replace(free, **{price: 1.0})
    model = SparseVAE(SHAPE, D, hidden=(20,)).eval()
    _, x, y = case

    def terms(objective):
        torch.manual_seed(0)
        return objective(model(x), x, y)

    before = terms(priced)
    weights = list(model.encoder.parameters())
    gradients = torch.autograd.grad(before.loss - terms(free).loss, weights, materialize_grads=True)
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.sub_(1e-3 * gradient / (gradient.norm() + 1e-12))
    assert terms(priced).parts[term] < before.parts[term]


def test_equivocation_is_that_of_the_drawn_spikes_by_the_share_of_labelled_rows(case):
    output, x, y = case
    y = y.clone()
    y[:12] = -1
    plain, priced = Objective(), Objective(equivocation=7.0)
    extra = priced(output, x, y).loss - plain(output, x, y).loss
    of_labelled = equivocation(output.spikes[12:], output.posterior.active_logits[12:], y[12:]).mean()
    torch.testing.assert_close(extra, 7.0 * of_labelled * 18 / 30, rtol=1e-4, atol=1e-4)
    logits = output.posterior.active_logits  # through the spikes and through the patterns
    one, other = (
        torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (extra, 7.0 * of_labelled * 18 / 30)
    )
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    assert priced.needs_labels
    assert not plain.needs_labels


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name):
    import json

    preset = Objective.preset(name)
    assert Objective.from_dict(json.loads(json.dumps(preset.to_dict()))) == preset
    assert preset.name == name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Objective.preset("vcs"), "Did you mean 'vsc'"),
        (lambda: Objective.preset("vsc", pairwise=3.0), "belongs to paper"),
        (lambda: Objective(between=-1.0), "unstable"),
        (lambda: Objective(equivocation=-1.0), "equivocation"),
        (lambda: Objective.class_consistent(within=float("nan")), "within"),
        (lambda: Objective.class_consistent(sharing=1.2), "sharing"),
        (lambda: Objective(spikes="hard"), "spikes"),
        (lambda: Objective(warm_up=Schedule(-1.0, 1.0)), "'warm_up' .* between 0 and 1"),
        (lambda: Objective(early_dense=1.5), "early_dense"),
        (lambda: Schedule(float("nan"), 1.0), "finite"),
        (lambda: Objective.from_dict({"beta": 2}), "beta"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_impossible_objectives_are_refused_in_one_line(make, message):
    with pytest.raises(InputError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
