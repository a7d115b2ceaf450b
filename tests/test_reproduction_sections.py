"""What each section finds, on codes and decoders whose answer is known."""

import numpy as np
import pytest
import torch

from cospike.codes import Codes
from cospike.data import Split
from cospike.evidence import Evidence
from cospike.factors import explain
from cospike.intervals import UNKNOWN, Estimate
from cospike.interventions import AttributeChange, Intervention
from cospike.model import SparseVAE
from cospike.reproduction.activation import BINS, combinations, spread
from cospike.reproduction.categories import FOOTWEAR, category_sharing
from cospike.reproduction.control import controllability
from cospike.reproduction.global_factors import attribute_ties, global_latents
from cospike.reproduction.honesty import by_threshold, one_pattern
from cospike.reproduction.own_factors import of_class, own_latents, strongest
from cospike.reproduction.published import figures, probe_of_means, relaxed_reconstruction

LABELS = np.repeat(np.arange(4), 100)


def test_the_spread_of_pairs_tells_agreement_from_straying(make_codes):
    own = make_codes(np.eye(4)[LABELS], LABELS)
    found = spread(own)
    assert found["within"]["mean"] == 0
    assert found["within"]["shares"][0] == 1
    assert found["between"]["mean"] == pytest.approx(np.log(2) / 2)  # of two of four latents
    straying = make_codes(np.random.default_rng(0).integers(0, 2, (400, 4)).astype(float), LABELS)
    stray = spread(straying)
    assert stray["within"]["mean"] > 0.3
    assert abs(stray["within"]["mean"] - stray["between"]["mean"]) < 0.02
    for one in (*found.values(), *stray.values()):
        assert sum(one["shares"]) == pytest.approx(1, abs=1e-3)
        assert len(one["shares"]) == len(BINS) - 1


def test_a_combination_takes_both_kinds(make_codes):
    codes = make_codes([[1, 0], [1, 1], [0, 1], [0, 0]], [0, 0, 1, 1])
    found = combinations(codes, np.array([True, False]), np.array([False, True]))
    assert found == {"global": 0.5, "own": 0.5, "both": 0.25}


def test_one_pattern_for_all_classes_is_seen(make_codes):
    shared = one_pattern(make_codes(np.tile([1.0, 1.0, 0.0], (400, 1)), LABELS))
    assert shared == {"widest_difference": 0.0, "share_global": 1.0, "n_used": 2, "n_patterns": 1, "n_classes": 4}
    own = one_pattern(make_codes(np.eye(4)[LABELS], LABELS))
    assert (own["n_patterns"], own["share_global"], own["widest_difference"]) == (4, 0.0, 1.0)


def test_thresholds_change_what_counts_as_active(make_codes):
    found = by_threshold(make_codes(np.tile([0.3, 0.8], (400, 1)), LABELS))
    assert [one["active_per_sample"] for one in found.values()] == [2, 2, 1, 1, 0]


def test_footwear_is_asked_for_where_there_is_some(make_codes):
    patterns = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1.0]])
    rng = np.random.default_rng(0)
    codes = Codes.from_values(patterns[LABELS] * rng.uniform(1, 2, (400, 1)), LABELS, class_names=(*FOOTWEAR, "Bag"))
    found = category_sharing(codes, codes)["named"]["footwear"]
    assert found["excess"][1] > 0.3
    assert category_sharing(make_codes(np.eye(4)[LABELS], LABELS), make_codes(np.eye(4)[LABELS], LABELS))["named"] == {}


def an_intervention(latent, attribute, on, sweep, scale):
    change = AttributeChange(attribute, Estimate(*on), Estimate(*sweep), scale)
    return Intervention(latent, (change,), *[UNKNOWN] * 4)


def test_own_latents_are_those_of_few_classes_with_what_they_change():
    values = np.stack([np.ones(400), LABELS == 0, LABELS < 2], axis=1).astype(float)
    codes = Codes.from_values(values, LABELS)
    changes = {1: an_intervention(1, "loops", (1.0, 0.8, 1.2), (4.0, 3.0, 5.0), 2.0)}
    found = own_latents(explain(None, codes), Evidence({}, changes))
    assert [(one["latent"], one["kind"]) for one in found] == [(1, "class-specific"), (2, "group")]
    assert found[0]["changes"] == {"loops": [2.0, 1.5, 2.5]}  # the sweep, the larger, in standard deviations
    assert [one["latent"] for one in of_class(found, "1")] == [2]
    assert strongest(found, ["loops"]) == ("loops", [2.0, 1.5, 2.5])
    assert strongest(found, ["width"]) is None


def test_ties_are_of_global_latents_and_of_any_that_a_class_uses():
    rng = np.random.default_rng(0)
    size, slant = rng.normal(size=400), rng.normal(size=400)
    values = np.stack([np.exp(size), np.where(LABELS == 0, np.exp(slant), 0), np.zeros(400)], axis=1)
    codes = Codes.from_values(values, LABELS)
    factors = explain(None, codes)
    evidence = Evidence({}, {0: an_intervention(0, "size", (0, 0, 0), (3.0, 2.0, 4.0), 2.0)})
    worth = np.array([5.0, 1.0, 0.0])
    found = attribute_ties(codes, {"size": size, "slant": slant}, factors, evidence, worth)
    assert found["size"]["global"]["latent"] == 0
    assert found["size"]["global"]["sweep"] == [1.5, 1.0, 2.0]
    assert (found["size"]["global"]["rho"], found["size"]["global"]["n_classes"]) == (1.0, 4)
    assert abs(found["slant"]["global"]["rho"]) < 0.3
    assert found["slant"]["any"]["latent"] == 1
    assert [(one["latent"], one["worth"]) for one in global_latents(factors, worth)] == [(0, 5.0)]


def a_linear_world():
    """Latent 0 is the attribute; latent 1 is another, and serves class 0 alone; latent 2 is noise."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 3)) + 5
    values[LABELS > 0, 1] = 0
    model = SparseVAE((3,), 3, likelihood="gaussian")
    model.decode_mean = lambda z: np.asarray(z, dtype=np.float32)
    return values, model


def test_a_latent_that_is_the_attribute_meets_every_request():
    values, model = a_linear_world()
    codes = Codes.from_values(values, LABELS)

    def measure(x):
        return {"first": np.asarray(x[:, 0], dtype=float), "third": np.asarray(x[:, 2], dtype=float)}

    found = controllability(model, codes, measure(values), measure)["first"]
    assert (found["latent"], found["usage"], found["n"]) == (0, 1.0, 100)
    assert found["error"][0] < 0.3  # requests past the end of the range are cut
    assert found["transfer"] == pytest.approx(1)
    assert found["side"] == 0


def test_a_latent_that_only_goes_with_the_attribute_meets_none():
    values, model = a_linear_world()
    codes = Codes.from_values(values, LABELS)
    attribute = values[:, 0]

    def measure(x):  # what is decoded does not have it
        return {"first": np.random.default_rng(1).permutation(np.arange(len(x))).astype(float) * 1e-6}

    found = controllability(model, codes, {"first": attribute}, measure)["first"]
    assert found["error"][0] == pytest.approx(1, abs=0.01)
    assert controllability(model, codes, {"other": np.random.default_rng(2).normal(size=400)}, measure) == {}


def test_relaxed_spikes_leak_where_exact_ones_do_not():
    torch.manual_seed(0)
    model = SparseVAE((1, 4, 4), 8, n_dense=0, active_prior=0.1)
    part = Split(torch.rand(300, 1, 4, 4), torch.zeros(300, dtype=torch.long))
    sharp, soft = (relaxed_reconstruction(model, part, sharpness=one) for one in (1e6, 1.0))
    again = relaxed_reconstruction(model, part, sharpness=1e6)
    assert sharp == again
    assert sharp != soft
    with torch.no_grad():
        draws = [-model(part.x, spikes="second-order").likelihood.log_prob(part.x).mean() for _ in range(30)]
    assert sharp == pytest.approx(float(np.mean(draws)), abs=4 * float(np.std(draws)))


def test_the_probe_reads_means_of_latents_that_are_off_too():
    rng = np.random.default_rng(0)
    loc = np.eye(4)[LABELS] + 0.1 * rng.normal(size=(400, 4))
    off = Codes.from_values(loc, LABELS)
    hidden = Codes(np.zeros_like(loc), loc, np.ones_like(loc), off.labels, off.class_names, np.full(4, 0.1))
    assert probe_of_means(hidden, hidden) == 1.0
    turned = hidden.select(rng.permutation(400))
    assert probe_of_means(turned, hidden, n_labels=40) > 0.9


def test_a_dense_model_has_one_bound(make_codes):
    model = SparseVAE((1, 4, 4), 3, n_dense=3)
    codes = make_codes(np.ones((400, 3)), LABELS)
    part = Split(torch.rand(4, 1, 4, 4), torch.zeros(4, dtype=torch.long))
    found = figures(model, part, codes, codes, {"neg_elbo": 100.0, "reconstruction": 90.0})
    assert (found["relaxed"], found["exact"], found["n_labels"], found["n_test"]) == (100.0, 100.0, 400, 400)
