"""Each verdict is reached by records that were made to reach it, and each rule sees what it is to see."""

import pytest

from cospike.benchmark.aggregate import mean_interval
from cospike.benchmark.files import Cell, Row
from cospike.reproduction.claims import decide, decide_difference, judge_claims
from cospike.reproduction.gathered import Results
from cospike.reproduction.record import Record

SHOES = ("Sandal", "Sneaker", "Ankle boot")


def latent(classes, attribute="heel_height", change=(1.0, 0.5, 1.5)):
    kind = "class-specific" if len(classes) == 1 else "group"
    return {"latent": 3, "kind": kind, "classes": list(classes), "changes": {attribute: list(change)}}


def tie(rho):
    return {"global": {"rho": rho, "sweep": None}, "any": None}


def record(data="fashion-mnist", model="paper", seed=0, *, jaccard=0.9, gap=0.5, **findings):
    found = {
        "one_pattern": {"n_patterns": 10, "n_classes": 10},
        "combinations": {"both": 0.95},
        "ties": {"thickness": tie(0.7), "slant": tie(-0.7)},
        "own": [latent(("Sandal",)), latent(("0",), "loop_area")],
        "categories": {"named": {"footwear": {"excess": [0.5, 0.4, 0.6], "p_value": 0.01}}},
    }
    return Record(
        data, model, seed, "main", "", f"{data}-{model}-{seed}", {},
        values={"jaccard_within": jaccard, "consistency_gap": gap, "pairwise_jsd_within": 0.01},
        findings=found | findings,
    )  # fmt: skip


def judged(*records, rows=()):
    results = Results({one.place: one for one in records}, {row.cell: row for row in rows})
    return {(one.text, one.data): one for one in judge_claims(results)}


def verdict(claims, text):
    return next(one.verdict for (claim, _), one in claims.items() if text in claim)


ALL = [(one, seed) for one in ("paper", "vsc") for seed in (0, 1, 2)]


def of_both(data="fashion-mnist", *, paper=(), vsc=()):
    """Three seeds of each, the findings of seed i from a list of as many."""
    given = {"paper": list(paper) or [{}] * 3, "vsc": list(vsc) or [{}] * 3}
    return [record(data, model, seed, **given[model][seed]) for model, seed in ALL]


@pytest.mark.parametrize(
    ("with_loss", "without", "expected"),
    [
        (["yes"] * 3, ["yes", "no", "yes"], "reproduced"),
        (["yes"] * 3, ["in part"] * 3, "reproduced"),
        (["yes"] * 3, [], "reproduced"),
        (["yes"] * 3, ["yes"] * 3, "also true without the loss"),
        (["yes", "no", "yes"], ["yes"] * 3, "reproduced in part"),
        (["no", "in part", "no"], [], "reproduced in part"),
        (["no"] * 3, ["yes"] * 3, "not reproduced"),
        ([], ["yes"], "not decided"),
    ],
)
def test_what_holds_in_runs_decides(with_loss, without, expected):
    assert decide(with_loss, without) == expected


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([1.0, 1.1, 0.9], "reproduced"),
        ([1.0, 9.0, 0.1], "reproduced in part"),  # each above 0, the interval not
        ([1.0, -0.1, 1.2], "not reproduced"),
        ([-1.0, -1.1, -0.9], "not reproduced"),
        ([1.0], "reproduced in part"),  # one seed has no interval
    ],
)
def test_a_difference_is_decided_by_its_interval(differences, expected):
    assert decide_difference(mean_interval(differences)) == expected
    assert decide_difference(None) == "not decided"


def test_footwear_that_shares_without_the_loss_too_says_so():
    text = "Sandals, sneakers"
    assert verdict(judged(*of_both()), text) == "also true without the loss"
    none = {"categories": {"named": {"footwear": {"excess": [0.05, -0.1, 0.2], "p_value": 0.4}}}}
    assert verdict(judged(*of_both(vsc=[none] * 3)), text) == "reproduced"
    assert verdict(judged(*of_both(paper=[none, {}, {}])), text) == "reproduced in part"
    assert verdict(judged(*of_both(paper=[none] * 3)), text) == "not reproduced"


def test_a_factor_of_one_class_counts_in_full_and_one_of_a_group_in_part():
    text, no = "heel prominence", {"own": []}
    assert verdict(judged(*of_both(vsc=[no] * 3)), text) == "reproduced"
    assert verdict(judged(*of_both(paper=[{"own": [latent(SHOES)]}] * 3, vsc=[no] * 3)), text) == "reproduced in part"
    small, unsure = latent(("Sandal",), change=(0.2, 0.1, 0.3)), latent(("Sandal",), change=(1.0, -0.1, 2.1))
    elsewhere, other = latent(("Bag",)), latent(("Sandal",), "width")
    weak = [{"own": [small, unsure]}, {"own": [elsewhere]}, {"own": [other]}]
    assert verdict(judged(*of_both(paper=weak)), text) == "not reproduced"


def test_loops_are_looked_for_in_digits_that_have_some():
    text = "intersections of digits"
    assert verdict(judged(*of_both("mnist")), text) == "also true without the loss"
    one = {"own": [latent(("1",), "loop_area")]}
    assert verdict(judged(*of_both("mnist", paper=[one] * 3)), text) == "not reproduced"


def test_thickness_and_slant_are_both_asked_for():
    text = "global factors, such as"
    strong, weak, none = tie(0.8), tie(0.4), {"global": None, "any": None}

    def found(thickness, slant):
        return judged(*of_both("mnist", paper=[{"ties": {"thickness": thickness, "slant": slant}}] * 3))

    assert verdict(found(strong, strong), text) == "also true without the loss"
    assert verdict(found(strong, none), text) == "reproduced in part"
    assert verdict(found(weak, weak), text) == "reproduced in part"
    assert verdict(found(weak, none), text) == "not reproduced"


def test_patterns_and_combinations_have_their_levels():
    def merged(n):
        return [{"one_pattern": {"n_patterns": n, "n_classes": 10}, "combinations": {"both": n / 10}}] * 3

    for n, expected in ((10, "reproduced"), (9, "reproduced in part"), (4, "not reproduced")):
        claims = judged(*of_both(paper=merged(n), vsc=merged(2)))
        assert verdict(claims, "Class-specific factors differ") == expected
    for n, expected in ((9, "reproduced"), (5, "reproduced in part"), (4, "not reproduced")):
        claims = judged(*of_both(paper=merged(n), vsc=merged(2)))
        assert verdict(claims, "combination of global") == expected


def row(data, model, seed, jaccard, gap):
    values = {"jaccard_within": jaccard, "consistency_gap": gap, "pairwise_jsd_within": 0.0}
    return Row(data, model, seed, "print", {}, values)


def test_agreement_is_paired_by_seed_and_rows_know_more_seeds():
    claims = judged(*of_both())
    assert verdict(claims, "Samples of a class") == "not reproduced"  # the records have no difference at all
    names = {"paper-1000": 0.9, "vsc": 0.4}
    rows = [
        row("fashion-mnist", name, seed, level + 0.01 * seed, 0) for name, level in names.items() for seed in range(5)
    ]
    claims = judged(*of_both(), rows=rows)
    assert verdict(claims, "Samples of a class") == "reproduced"
    number = next(one.number for (claim, _), one in claims.items() if "Samples of a class" in claim)
    assert number.startswith("50.0 ± 0.0 points: 92.0 ± 2.0 against 42.0 ± 2.0")


def test_use_is_compared_between_the_two_data_sets():
    text = "of most use"
    assert text not in str(judged(*of_both("mnist")))

    def gains(mnist, fashion):
        records = [
            record(data, model, seed, gap=0.1 + (gain + 0.01 * seed if model == "paper" else 0))
            for data, gain in (("mnist", mnist), ("fashion-mnist", fashion))
            for model, seed in ALL
        ]
        return verdict(judged(*records), text)

    assert gains(0.2, 0.5) == "reproduced"
    assert gains(0.5, 0.2) == "not reproduced"


@pytest.mark.parametrize(
    ("relaxed", "exact", "probe", "expected"),
    [
        (131.0, 135.0, 0.92, "reproduced"),  # the lower of the two, 1.1 nats above
        (133.0, 135.0, 0.92, "reproduced in part"),
        (131.0, 135.0, 0.80, "reproduced in part"),
        (140.0, 141.0, 0.80, "not reproduced"),
    ],
)
def test_published_figures_have_a_margin(relaxed, exact, probe, expected):
    found = {"published": {"relaxed": relaxed, "exact": exact, "probe": probe, "n_test": 10_000}}
    one = Record(
        "mnist", "published-vsc-0.01", 0, "published", "", "print", {}, {}, found,
        published={"neg_elbo": 129.9, "probe": 0.918},
    )  # fmt: skip
    assert verdict(judged(one), "VSC's figures") == expected


@pytest.mark.parametrize(
    ("exact", "probe", "expected"), [(127.9, 0.92, "reproduced"), (128.1, 0.92, "reproduced in part")]
)
def test_what_was_asked_of_our_schedule_has_none(exact, probe, expected):
    found = {"published": {"relaxed": 100.0, "exact": exact, "probe": probe, "n_test": 10_000}}
    one = Record("mnist", "published-ours", 0, "published", "", "print", {}, {}, found, published={"neg_elbo": 129.9})
    assert verdict(judged(one), "VSC's figures") == expected


def test_without_runs_nothing_is_decided():
    assert judged() == {}
    claims = judged(record(model="vsc"), record(model="vsc", seed=1))
    assert {one.verdict for one in claims.values()} == {"not decided"}
    assert Cell("mnist", "vsc", 0) not in Results({}).rows
