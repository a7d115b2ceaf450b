"""Every measure against something that does not share its code: known answers, loops over all pairs, laws."""

import json
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import asdict, replace
from itertools import permutations
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr

from cospike import metrics
from cospike._errors import InputError
from cospike.codes import Codes
from cospike.kinds import latent_kinds, uses
from cospike.metrics import DEFINITIONS, measure, parse_measurements

N_PAIRS = metrics.N_PAIRS
SUFFIXES = ("", "_specific", "_exact", "_specific_exact")


def make_codes(active_probs, labels, *, n_classes=None, slab_loc=None, prior=0.01) -> Codes:
    active_probs, labels = np.asarray(active_probs, dtype=np.float64), np.asarray(labels)
    return Codes(
        active_probs=active_probs,
        slab_loc=np.ones_like(active_probs) if slab_loc is None else slab_loc,
        slab_scale=np.ones_like(active_probs),
        labels=labels,
        class_names=tuple(str(k) for k in range(n_classes or labels.max() + 1)),
        prior_probs=np.full(active_probs.shape[1], prior),
    )


def random_codes(seed=0, *, n=60, latents=7, classes=4, unlabelled=0) -> Codes:
    """Unequal classes with patterns of their own, the last of one sample; active_probs reach 0 and 1."""
    rng = np.random.default_rng(seed)
    labels = rng.geometric(0.4, n) % max(classes - 1, 1)
    labels[:classes] = np.arange(classes)
    logits = rng.normal(0, 3, (classes, latents))[labels] + rng.normal(0, 2, (n, latents))
    logits[:, 0] += 10  # a global latent
    active_probs = (1.2 / (1 + np.exp(-logits)) - 0.1).clip(0, 1)
    labels[n - unlabelled :] = -1
    return make_codes(active_probs, labels, n_classes=classes, slab_loc=rng.normal(size=(n, latents)))


def values(codes, **options) -> dict[str, float]:
    return {name: measured.value for name, measured in measure(codes, **options).items()}


@pytest.fixture(autouse=True)
def fewer_pairs(monkeypatch):
    monkeypatch.setattr(metrics, "N_PAIRS", 20_000)  # fewer than in use, for speed


# Known answers: a perfect, a worthless and a tempting-but-wrong code.


def test_a_code_with_latents_of_its_own_for_each_class_is_perfect():
    labels = np.arange(500) % 10
    codes = make_codes(np.repeat(np.eye(10), 2, axis=1)[labels], labels, prior=0.1)
    found = values(codes, train=codes)
    for suffix in SUFFIXES:
        assert found[f"jaccard_within{suffix}"] == found[f"consistency_gap{suffix}"] == 1
        assert found[f"jaccard_between{suffix}"] == 0
    assert found["n_class_specific"] == found["latents_in_use"] == 20
    assert found["n_global"] == found["n_group"] == 0
    assert found["classes_with_own"] == 10
    assert found["active_per_sample"] == found["active_per_sample_exact"] == 2
    assert found["within"] == found["pairwise_jsd_within"] == 0
    assert found["between"] == pytest.approx(20 * (0.1 * log(10) + 0.9 * log(10 / 9)))
    assert found["sparsity"] == pytest.approx(0, abs=1e-12)
    assert [found[name] for name in found if name.startswith("probe")] == [1] * 10
    assert found["use_entropy"] == pytest.approx(1)
    assert found["hoyer"] == pytest.approx((20**0.5 - 2**0.5) / (20**0.5 - 1))
    assert found["n_dead"] == found["n_always_on"] == 0


def test_a_constant_code_agrees_and_says_nothing():
    codes = make_codes(np.tile([1.0, 1.0, 0.0], (500, 1)), np.arange(500) % 10)
    found = values(codes, train=codes)
    for suffix in ("", "_exact"):
        assert found[f"jaccard_within{suffix}"] == found[f"jaccard_between{suffix}"] == 1
        assert found[f"jaccard_within_specific{suffix}"] == found[f"jaccard_between_specific{suffix}"] == 0
        assert found[f"consistency_gap{suffix}"] == found[f"consistency_gap_specific{suffix}"] == 0
    assert (found["n_global"], found["latents_in_use"], found["classes_with_own"]) == (2, 2, 0)
    assert found["within"] == found["between"] == 0
    assert found["sparsity"] == pytest.approx(2 * log(100) + log(1 / 0.99))
    told = {name: found[name] for name in found if name.startswith("probe")}
    assert told == pytest.approx({name: 0.5 if "_latent" in name else 0.1 for name in told})
    assert (found["n_always_on"], found["n_dead"]) == (2, 1)
    assert found["use_entropy"] == pytest.approx(log(2) / log(3))
    assert found["hoyer"] == pytest.approx((3**0.5 - 2**0.5) / (3**0.5 - 1))


def test_active_probs_held_at_the_threshold_look_clean_but_for_the_exact_measures():
    labels = np.arange(2000) % 10
    codes = make_codes(np.where(np.eye(10)[labels] > 0, 0.51, 0.49), labels)
    found = values(codes, train=codes)
    assert found["consistency_gap"] == found["probe_active_probs"] == 1
    assert found["active_per_sample"] == 1
    assert abs(found["consistency_gap_exact"]) < 0.02
    assert found["active_per_sample_exact"] == pytest.approx(4.92, abs=0.2)
    assert found["probe_active_probs_exact"] < 0.2
    assert found["probe_codes_exact"] < 0.2
    assert found["between"] < 0.01


def test_global_latents_raise_the_agreement_between_classes_but_not_of_the_specific_ones():
    labels = np.arange(400) % 4
    shared_and_own = np.hstack([np.ones((400, 3)), np.eye(4)[labels]])
    found = values(make_codes(shared_and_own, labels))
    assert found["jaccard_between"] == pytest.approx(3 / 5)
    assert found["jaccard_between_specific"] == 0
    assert found["jaccard_within_specific"] == found["consistency_gap_specific"] == 1


# Pairs.


def jaccard(a, b) -> float:
    a, b = set(np.flatnonzero(a)), set(np.flatnonzero(b))
    return len(a & b) / len(a | b) if a | b else 0.0


def jensen_shannon(p, q) -> float:
    middle = (p + q) / 2
    parts = [rel_entr(r, middle) + rel_entr(1 - r, 1 - middle) for r in (p, q)]
    return float((sum(parts) / 2).mean())


def mean_and_deviation(score, rows, labels, *, same: bool) -> tuple[float, float]:
    """Over all ordered pairs: each first sample that has a partner weighs the same, and so do its partners."""
    scores = defaultdict(list)
    for (j, a), (k, b) in permutations(enumerate(rows), 2):
        if min(labels[j], labels[k]) >= 0 and (labels[j] == labels[k]) == same:
            scores[j].append(score(a, b))
    mean = np.mean([np.mean(partners) for partners in scores.values()])
    square = np.mean([np.mean(np.square(partners)) for partners in scores.values()])
    return mean, sqrt(square - mean**2)


@pytest.mark.parametrize("seed", range(3))
def test_pair_means_and_their_errors_are_those_of_all_pairs(seed):
    codes = random_codes(seed, unlabelled=5)
    labelled = codes.select(codes.labels >= 0)
    not_global = ~np.isin(latent_kinds(codes), ["global", "always-on"])
    assert codes.class_counts()[-1] == 1
    assert not not_global.all()
    found = measure(codes, seed=seed)
    expected = {}
    for drawn, active in ("", labelled.active_probs > 0.5), ("_exact", labelled.sample_active(seed)):
        for which, rows in ("", active), ("_specific", active[:, not_global]):
            for kind, same in ("within", True), ("between", False):
                name = f"jaccard_{kind}{which}{drawn}"
                expected[name] = mean_and_deviation(jaccard, rows, labelled.labels, same=same)
    probs, labels = labelled.active_probs, labelled.labels
    expected["pairwise_jsd_within"] = mean_and_deviation(jensen_shannon, probs, labels, same=True)
    for name, (mean, deviation) in expected.items():
        error = deviation / sqrt(20_000)
        assert found[name].stderr == pytest.approx(error, rel=0.05, abs=1e-12), name
        assert abs(found[name].value - mean) <= 5 * error + 1e-12, name
    for suffix in SUFFIXES:
        within, between, gap = (found[f"{n}{suffix}"] for n in ("jaccard_within", "jaccard_between", "consistency_gap"))
        assert gap.value == pytest.approx(within.value - between.value)
        assert gap.stderr == pytest.approx(sqrt(within.stderr**2 + between.stderr**2))


@pytest.mark.parametrize("classes", [2, 1000])
def test_drawn_pairs_are_of_distinct_samples_and_uniform(classes, monkeypatch):
    monkeypatch.setattr(metrics, "N_PAIRS", N_PAIRS)
    labels = np.append(classes, np.random.default_rng(0).permutation(4000) % classes)  # the first is alone in its class
    pairs = metrics.draw_pairs(labels, seed=0)
    (a, b), (c, d) = pairs["within"], pairs["between"]
    assert len(a) == len(c) == 200_000
    assert (a != b).all()
    assert (labels[a] == labels[b]).all()
    assert (labels[c] != labels[d]).all()
    assert 0 not in a
    for drawn in (a, b, c):
        assert abs(np.bincount(drawn, minlength=4001)[1:] - 50).max() < 6 * sqrt(50)


def test_error_halves_with_four_times_the_pairs(monkeypatch):
    codes = random_codes()
    errors = []
    for n_pairs in (5_000, 20_000):
        monkeypatch.setattr(metrics, "N_PAIRS", n_pairs)
        errors.append({name: m.stderr for name, m in measure(codes).items() if m.stderr is not None})
    assert len(errors[0]) == 13
    for name, error in errors[0].items():
        assert errors[1][name] == pytest.approx(error / 2, rel=0.1), name


def test_a_seed_repeats_and_another_one_differs():
    codes = random_codes()
    assert measure(codes, seed=3) == measure(codes, seed=3)
    first, second = measure(codes, seed=3), measure(codes, seed=4)
    for name in ("jaccard_within", "jaccard_between", "pairwise_jsd_within"):
        assert first[name].value != second[name].value
        assert abs(first[name].value - second[name].value) < 6 * first[name].stderr


# The split.

sizes = st.fixed_dictionaries(  # not the codes themselves: beartype draws at random, which a strategy must not
    {
        "seed": st.integers(0, 10_000),
        "n": st.integers(8, 40),
        "latents": st.integers(1, 6),
        "classes": st.integers(1, 6),
    }
)


def naive_split(codes) -> dict[str, float]:
    def kl(p, q):
        return (rel_entr(p, q) + rel_entr(1 - p, 1 - q)).sum()

    rows = [(p, y) for p, y in zip(codes.active_probs, codes.labels, strict=True) if y >= 0]
    overall = np.mean([p for p, _ in rows], axis=0)
    own = {y: np.mean([p for p, of in rows if of == y], axis=0) for _, y in rows}
    return {
        "within": np.mean([kl(p, own[y]) for p, y in rows]),
        "between": np.mean([kl(own[y], overall) for _, y in rows]),
        "sparsity": kl(overall, codes.prior_probs),
        "total": np.mean([kl(p, codes.prior_probs) for p, _ in rows]),
    }


@settings(max_examples=40)
@given(sizes)
def test_split_is_that_of_the_sums_and_adds_up_to_the_spike_kl(sizes):
    codes = random_codes(**sizes)
    found, naive = metrics._information(codes), naive_split(codes)
    total = naive.pop("total")
    assert found == pytest.approx(naive, rel=1e-9, abs=1e-9)
    assert sum(found.values()) == pytest.approx(total, rel=1e-9, abs=1e-9)
    assert min(found.values()) >= 0


@settings(max_examples=40)
@given(sizes, st.randoms(use_true_random=False))
def test_relabelling_reordering_and_duplicating_change_no_mean(sizes, random):
    codes = random_codes(**sizes)
    rows, names = list(range(len(codes))), list(range(codes.n_classes))
    random.shuffle(rows)
    random.shuffle(names)
    relabelled = replace(codes, labels=np.array(names)[codes.labels])

    def exact(codes):  # what is computed of all samples, not of drawn pairs or spikes
        return metrics._information(codes) | {k: v for k, v in metrics._use(codes, 0.5, 0).items() if "exact" not in k}

    for changed in (relabelled, codes.select(np.array(rows)), codes.select(np.repeat(rows, 2))):
        assert exact(changed) == pytest.approx(exact(codes), rel=1e-9, abs=1e-9)
        np.testing.assert_array_equal(latent_kinds(changed), latent_kinds(codes))
    np.testing.assert_array_equal(uses(relabelled)[names], uses(codes))


def test_reordering_moves_a_pair_mean_by_no_more_than_its_error():
    codes = random_codes(n=300)
    shuffled = codes.select(np.random.default_rng(0).permutation(len(codes)))
    before, after = measure(codes), measure(shuffled)
    for name in ("jaccard_within", "jaccard_between_specific", "pairwise_jsd_within"):
        assert abs(before[name].value - after[name].value) < 6 * before[name].stderr


def test_straying_from_the_class_raises_within_and_lowers_agreement():
    labels = np.arange(400) % 4
    clean = np.eye(4)[labels]
    strayed = np.where(np.random.default_rng(0).random((400, 4)) < 0.2, 1 - clean, clean)
    before, after = values(make_codes(clean, labels)), values(make_codes(strayed, labels))
    for name, (_, direction, _) in DEFINITIONS.items():
        if name in before and direction != "neither":
            assert (after[name] >= before[name]) if direction == "lower" else (after[name] <= before[name]), name
    for name in ("within", "pairwise_jsd_within", "jaccard_between"):
        assert after[name] > before[name] + 0.01


def test_single_precision_loses_nothing_that_matters():
    codes = random_codes()
    single = replace(codes, active_probs=codes.active_probs.astype(np.float32))
    assert values(single) == pytest.approx(values(codes), rel=1e-6, abs=1e-6)


# Kinds of latents.


def test_each_kind_of_latent():
    labels = np.arange(1000) % 10
    member = np.eye(10, dtype=bool)[labels]
    some = np.arange(1000) < 40
    patterns = {
        "always-on": np.arange(1000) >= 10,
        "global": member[:, :8].any(axis=1),
        "group": member[:, :7].any(axis=1),
        "class-specific": member[:, 3],
        "occasional": some,
        "dead": some & (labels == 0) & (np.arange(1000) < 20),
    }
    codes = make_codes(np.stack(list(patterns.values()), axis=1), labels)
    assert latent_kinds(codes).tolist() == list(patterns)
    np.testing.assert_array_equal(uses(codes).sum(axis=0), [10, 8, 7, 1, 0, 0])
    found = values(codes)
    assert (found["n_global"], found["n_group"], found["n_class_specific"]) == (2, 1, 1)
    assert (found["latents_in_use"], found["classes_with_own"]) == (5, 7)


def test_kinds_follow_the_threshold():
    codes = make_codes([[0.6], [0.6], [0.3], [0.3]], [0, 0, 1, 1])
    assert [latent_kinds(codes, t).item() for t in (0.2, 0.5, 0.7)] == ["always-on", "class-specific", "dead"]
    assert [values(codes, threshold=t)["active_per_sample"] for t in (0.2, 0.5, 0.7)] == [1, 0.5, 0]


def test_only_classes_with_samples_count():
    codes = make_codes(np.eye(3)[[0, 0, 1, 1]], [0, 0, 1, 1], n_classes=50)
    assert not uses(codes)[2:].any()
    assert latent_kinds(codes).tolist() == ["class-specific", "class-specific", "dead"]
    both = make_codes(np.ones((4, 1)), [0, 0, 7, 7], n_classes=50)
    assert latent_kinds(both).tolist() == ["always-on"]
    assert latent_kinds(replace(both, labels=np.full(4, -1))).tolist() == ["occasional"]  # used by no class


@pytest.mark.parametrize("n_classes", [5, 10, 15, 35, 1000])
def test_exactly_four_fifths_of_the_classes_is_global(n_classes):
    labels = np.repeat(np.arange(n_classes), 2)
    enough = 4 * n_classes // 5
    used = np.stack([labels < enough, labels < enough - 1], axis=1)
    assert latent_kinds(make_codes(used, labels)).tolist() == ["global", "group"]


def test_the_latent_of_one_class_in_a_thousand_is_not_dead():
    labels = np.repeat(np.arange(1000), 3)
    found = values(make_codes(np.eye(1000)[labels][:, :20], labels))
    assert (found["n_class_specific"], found["classes_with_own"]) == (20, 20)
    assert found["latents_in_use"] == 0  # in no more than 1 % of samples


# What a code cannot tell is left out.


def test_without_train_every_other_measure_is_there_and_finite():
    found = measure(random_codes())
    jaccards = {f"{n}{s}" for n in ("jaccard_within", "jaccard_between", "consistency_gap") for s in SUFFIXES}
    plain = {name for name in DEFINITIONS if not name.startswith(("probe", "jaccard", "consistency"))}
    assert set(found) == jaccards | plain | {"active_per_sample_exact"}
    assert np.isfinite([m.value for m in found.values()]).all()
    with_train = measure(random_codes(), train=random_codes(1))
    probes = {f"{n}{s}" for n in ("probe_active_probs", "probe_codes") for s in ("", "_exact")} | {"probe_neighbours"}
    probes |= {"probe_1_latent", "probe_2_latents", "probe_5_latents", "probe_10_labels"}  # of 60 rows no more
    assert set(with_train) - set(found) == probes


def test_one_class_has_nothing_between():
    codes = make_codes(random_codes().active_probs, np.zeros(60, dtype=int))
    found = values(codes, train=codes)
    assert not [name for name in found if name.startswith(("jaccard_between", "consistency_gap", "probe"))]
    assert found["between"] == 0
    assert found["jaccard_within"] > 0
    assert set(latent_kinds(codes)) <= {"always-on", "global", "occasional", "dead"}


def test_classes_of_one_sample_have_nothing_within():
    found = values(make_codes(np.eye(5), np.arange(5)))
    assert not [name for name in found if name.startswith(("jaccard_within", "consistency_gap", "pairwise"))]
    assert found["jaccard_between"] == found["within"] == 0


def test_unlabelled_rows_count_only_where_no_label_is_needed():
    codes = random_codes(unlabelled=0)
    rows = np.insert(np.arange(60), [0, 7, 30], [1, 2, 3])
    unlabelled = np.insert(np.zeros(60, dtype=bool), [0, 7, 30], [True, True, True])
    mixed = codes.select(rows)
    mixed = replace(
        mixed,
        labels=np.where(unlabelled, -1, mixed.labels),
        active_probs=np.where(unlabelled[:, None], 1.0, mixed.active_probs),
    )
    before, after = values(codes, train=codes), values(mixed, train=mixed)
    of_use = {"active_per_sample", "active_per_sample_exact", "use_entropy", "hoyer"}
    assert {name for name in before if before[name] != after[name]} == of_use
    alone = values(mixed.select(unlabelled), train=codes)
    assert (alone.pop("use_entropy"), 0 < alone.pop("hoyer") < 1) == (pytest.approx(1), True)
    assert alone.pop("n_dead") == 0
    assert alone == dict.fromkeys(("latents_in_use", "n_always_on", "active_per_sample", "active_per_sample_exact"), 7)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_empty_codes_are_refused(shape):
    with pytest.raises(InputError, match=r"'codes' of measure must have rows and latents, got shape \(\d, \d\)\. "):
        measure(make_codes(np.ones(shape), np.zeros(shape[0], dtype=int), n_classes=2))


def test_train_of_another_model_is_refused():
    for other in (random_codes(latents=3), random_codes(classes=5)):
        with pytest.raises(InputError, match="'train' of measure must have the 7 latents"):
            measure(random_codes(), train=other)


@pytest.mark.parametrize("threshold", [-0.1, 1.0, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(threshold):
    with pytest.raises(InputError, match=re.escape(f"'threshold' of measure must be in [0, 1), got {threshold}")):
        measure(random_codes(), threshold=threshold)


# Probes.


def signed_codes(n: int, seed: int) -> Codes:
    """The class is the sign of the slab, where the latent is active; the pattern is the same for both classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=n)
    slab_loc = np.column_stack([2.0 * labels - 1, rng.normal(size=n), np.full(n, 3.0)])
    return make_codes(np.tile([0.8, 0.9, 1.0], (n, 1)), labels, slab_loc=slab_loc)


def test_a_probe_reads_only_what_its_input_holds():
    found = values(signed_codes(4000, 0), train=signed_codes(4000, 1))
    assert found["probe_codes"] == 1
    assert found["probe_codes_exact"] == pytest.approx(0.9, abs=0.02)  # a spike is off one time in five: then chance
    assert found["probe_active_probs"] == pytest.approx(0.5, abs=0.04)
    assert found["probe_active_probs_exact"] == pytest.approx(0.5, abs=0.04)
    # No active latent, no code: the probe reads the codes at the threshold that was asked for.
    assert values(signed_codes(400, 0), train=signed_codes(400, 1), threshold=0.85)["probe_codes"] < 0.65


def test_only_lengths_and_distances_depend_on_the_scale_of_a_latent():
    codes, train = random_codes(1, n=300), random_codes(2, n=300)
    scale = 10.0 ** np.arange(-3, 4)
    scaled = values(
        replace(codes, slab_loc=codes.slab_loc * scale), train=replace(train, slab_loc=train.slab_loc * scale)
    )
    plain = values(codes, train=train)
    for of_scale in ("hoyer", "probe_neighbours"):  # which are of lengths and distances
        assert abs(scaled.pop(of_scale) - plain.pop(of_scale)) > 0.02
    assert scaled == pytest.approx(plain, abs=0.01)


def test_the_probe_is_fitted_on_the_first_labelled_training_rows(monkeypatch):
    monkeypatch.setattr(metrics, "PROBE_ROWS", 200)
    train = signed_codes(1000, 1)
    labels = np.where(np.arange(1000) < 400, train.labels, 1 - train.labels)  # the later rows would teach the opposite
    labels[:400:2] = -1
    assert values(signed_codes(400, 0), train=replace(train, labels=labels))["probe_codes"] == 1


def test_a_probe_that_does_not_converge_is_silent(monkeypatch):
    from sklearn import linear_model

    regression = linear_model.LogisticRegression
    monkeypatch.setattr(
        linear_model, "LogisticRegression", lambda max_iter, **settings: regression(max_iter=1, **settings)
    )
    assert values(random_codes(1), train=random_codes(2))["probe_codes"] > 0


# What is said of a number.


def test_each_measurement_says_how_to_read_it():
    found = measure(random_codes(), train=random_codes(1), threshold=0.7)
    json.dumps({name: asdict(measured) for name, measured in found.items()}, allow_nan=False)
    for name, measured in found.items():
        assert type(measured.value) is float
        assert "{" not in measured.how
        of_labels = name.endswith("_labels")
        assert ("sampling error of the pairs only" in measured.how) == (measured.stderr is not None and not of_labels)
        assert ("stderr over the draws" in measured.how) == of_labels
        assert ("without the global latents" in measured.how) == ("_specific" in name.replace("n_class_specific", ""))
        assert ("drawn exactly" in measured.how) == name.endswith("_exact")
        assert ("> 0.7" in measured.how) == (not name.endswith("_exact") and measured.how.count("active") > 0) or (
            name in ("within", "probe_active_probs")
        ), name
    assert found["consistency_gap_specific_exact"].direction == "higher"
    assert found["jaccard_between_exact"].direction == found["within"].direction == "lower"


def test_importing_it_is_light():
    heavy = "import sys, cospike.metrics; print({'torch', 'sklearn', 'matplotlib'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_probes_are_left_out_of_so_many_classes_that_they_would_take_longer_than_training(make_codes, monkeypatch):
    labels = np.arange(40) % 4
    codes = make_codes(np.eye(4)[labels] * 0.9, labels)
    assert "probe_codes" in measure(codes, train=codes)
    monkeypatch.setattr("cospike.probes.MOST_CLASSES", 3)
    left = measure(codes, train=codes)
    assert not any(name.startswith("probe") for name in left)
    assert left.keys() >= {"within", "between", "consistency_gap"}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "change", [{"value": "1"}, {"value": None}, {"stderr": "x"}, {"unit": ["nats"], "how": []}, {"direction": "up"}]
)
def test_what_is_no_measurement_is_refused(change):
    entry = {"value": 1.5, "unit": "nats", "direction": "lower", "how": "a bound", "stderr": None}
    assert parse_measurements({"x": entry})["x"].value == 1.5
    with pytest.raises((ValueError, TypeError)):
        parse_measurements({"x": entry | change})
