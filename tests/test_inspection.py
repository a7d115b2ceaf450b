"""What `cospike measure` is asked for, against the public verbs on the same codes."""

import json
import re

import numpy as np
import pytest

import cospike as cs
from cospike import runs
from cospike.entry import main
from cospike.evaluation import evaluate, read_evidence
from cospike.inspection import N_RESAMPLES, inspect_run
from cospike.report_figures import RunView

pytestmark = pytest.mark.slow
GROUP = ("0", "6", "8")


@pytest.fixture(scope="module")
def other_seed(digits, tmp_path_factory):
    """The run of `trained` again, with another seed."""
    folder = tmp_path_factory.mktemp("seeds") / "other"
    model = cs.SparseVAE(digits.shape, 16, hidden=(64,), seed=1)
    cs.fit(model, digits, epochs=60, batch_size=100, seed=1, out=folder, accelerator="cpu")
    return folder


@pytest.fixture(scope="module")
def block(digits, tmp_path_factory):
    """The folder of a run with four latents that are always on."""
    folder = tmp_path_factory.mktemp("block") / "run"
    model = cs.SparseVAE(digits.shape, 8, hidden=(64,), n_dense=4)
    cs.fit(model, digits, epochs=20, batch_size=100, out=folder, accelerator="cpu")
    return folder


@pytest.fixture(scope="module")
def told(trained, other_seed):
    return inspect_run(trained.run, seeds=[other_seed], disentanglement=True, group=GROUP, baseline=other_seed)


def test_each_part_is_what_the_verb_says(trained, other_seed, told):
    ours, theirs = (runs.read_codes(folder, ("test",))[0] for folder in (trained.run, other_seed))
    assert told.sharing == cs.group_sharing(ours, GROUP, baseline=theirs)
    attributes = runs.read_arrays(trained.run, "attributes.npz")
    assert told.disentanglement == cs.measure_disentanglement(ours, attributes, n_resamples=N_RESAMPLES)
    readings = [cs.Reading(cs.load(trained.run), ours), cs.Reading(cs.load(other_seed), theirs)]
    np.testing.assert_array_equal(told.stability.similarity, cs.stability(readings).similarity)


def test_the_command_prints_every_table(trained, other_seed, capsys):
    asked = ["--seeds", str(other_seed), "--disentanglement", "--group", *GROUP, "--baseline", str(other_seed)]
    main(["measure", str(trained.run), *asked])
    out = capsys.readouterr().out
    for text in ("neg_elbo", "comes back", "adjusted Rand index", "one vs rest", "more than the baseline's", "mig"):
        assert text in out
    assert max(map(len, out.splitlines())) <= 200  # a pipe: one line a row


def test_the_range_changes_an_attribute_by_a_signed_number(trained, capsys):
    main(["measure", str(trained.run), "--factors", "--json"])
    factors = {str(row["latent"]): row["intervention"] for row in json.loads(capsys.readouterr().out)["factors"]}
    main(["measure", str(trained.run), "--factors"])
    rows = re.findall(r"(?m)^(\d+) .* (\w+) ↔ (\S+)", capsys.readouterr().out)
    assert rows
    for latent, attribute, shown in rows:
        (change,) = (one for one in factors[latent]["changes"] if one["attribute"] == attribute)
        assert float(shown) == pytest.approx(change["sweep"][0], rel=0.06)
        assert shown[0] in "+-"


def test_directions_of_the_always_on_latents_stand_under_the_factors(block, capsys):
    (codes,) = runs.read_codes(block, ("test",))
    found = cs.block_directions(codes, runs.read_arrays(block, "attributes.npz"))
    named = [one for one in found if one.rho.value >= 0.3]
    assert 0 < len(named) < len(found)
    evidence = read_evidence(block, codes, evaluate(block).factors)
    assert repr(evidence.directions) == repr(found)  # where NaN equals NaN
    main(["measure", str(block), "--factors", "--json"])
    told = json.loads(capsys.readouterr().out)["directions"]
    assert [(one["attribute"], one["rho"], one["weights"]) for one in told] == [
        (one.attribute, list(one.rho), list(one.weights)) for one in found
    ]
    main(["measure", str(block), "--factors"])
    table = capsys.readouterr().out.split("best single latent")[1]
    rows = re.findall(r"(?m)^(\w+) +(-?[\d.]+) +\S+ … \S+ +(\d+) of (\d+) +(.*?)  +(\d+) \((\S+)\)", table)
    assert [row[0] for row in rows] == [one.attribute for one in named]
    for (_, rho, *classes, parts, best, best_rho), one in zip(rows, named, strict=True):
        assert (float(rho), float(best_rho)) == pytest.approx((one.rho.value, one.best_latent_rho), abs=0.006)
        assert [*map(int, classes), int(best)] == [one.n_classes, one.n_judged, one.best_latent]
        weights = {int(latent): float(weight) for latent, weight in re.findall(r"(\d+) \((\S+)\)", parts)}
        assert weights == {
            latent: pytest.approx(weight, abs=0.006)
            for latent, weight in zip(one.latents, one.weights, strict=True)
            if abs(weight) >= 0.2
        }


def test_json_has_every_part_and_no_nan(trained, other_seed, told, capsys):
    main(["measure", str(trained.run), "--seeds", str(other_seed), "--json"])
    parts = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"not JSON: {name}"))
    assert parts.keys() == {"measures", "factors", "directions", "stability"}
    for row in parts["factors"]:
        assert row["stability"] == pytest.approx(told.stability.similarity[row["latent"]])
    assert {"association", "intervention", "lift_low"} <= parts["factors"][0].keys()
    for name, score in told.to_dict()["disentanglement"].items():
        assert score["interval"] == told.disentanglement[name].interval
        assert score["interval"][0] <= score["value"] <= score["interval"][1]
    assert told.to_dict().keys() == {"measures", "factors", "directions", "stability", "disentanglement", "sharing"}


def test_the_report_marks_what_does_not_come_back(trained, other_seed):
    alone = cs.report(trained.run).read_text(encoding="utf-8")
    assert "Comes back" not in alone
    assert "cospike report --compare" in alone
    beside = cs.report(trained.run, compare=[other_seed]).read_text(encoding="utf-8")
    assert "Comes back" in beside
    assert "may be an accident of the seed" in beside


def test_the_report_turns_samples_into_other_classes(trained):
    page = cs.report(trained.run).read_text(encoding="utf-8")
    assert "From one class to another" in page
    assert "Changes" in page


def test_without_a_network_to_judge_or_attributes_the_report_says_less(trained, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for path in trained.run.iterdir():
        if path.name not in ("references.safetensors", "attributes.npz", "metrics.json", "interventions.json"):
            (folder / path.name).write_bytes(path.read_bytes())
    page = cs.report(folder).read_text(encoding="utf-8")
    assert "From one class to another" not in page
    assert "Goes with" not in page


def test_what_does_not_fit_is_refused(trained, tmp_path, capsys):
    rng = np.random.default_rng(0)
    rows = cs.from_arrays(rng.random((200, 4, 5, 6), dtype=np.float32), rng.integers(0, 2, 200))
    other = tmp_path / "other"
    cs.fit(cs.SparseVAE(rows.shape, 3, hidden=(8,)), rows, epochs=1, out=other, accelerator="cpu")
    for asked, message in (
        (["--seeds", str(other)], "must be trained on the data of"),
        (["--group", "0", "1", "--baseline", str(other)], "must be trained on the data of"),
        (["--baseline", str(other)], "name the classes with --group"),
        (["--group", "0", "eleven"], "Unknown class 'eleven'"),
        (["--seeds", str(tmp_path / "nowhere")], "No config.json in"),
        (["--seeds", str(trained.run)], "must be trained with another seed than"),
        (["--seeds"], "requires at least 1 element"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(["measure", str(trained.run), *asked])
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1
    with pytest.raises(SystemExit, match="2"):
        main(["measure", str(other), "--disentanglement"])
    assert "has no attributes.npz to hold its codes against" in capsys.readouterr().err


def test_the_same_run_beside_itself_says_nothing_of_seeds(trained):
    assert "Comes back" not in cs.report(trained.run, compare=[trained.run]).read_text(encoding="utf-8")


def test_runs_with_other_seeds_on_one_split_can_be_compared_from_the_shell(tmp_path, capsys):
    settings = ["--epochs", "20", "--n-latents", "8", "--hidden", "32", "--accelerator", "cpu", "--split-seed", "3"]
    folders = [str(tmp_path / name) for name in "ab"]
    for seed, folder in enumerate(folders):
        main(["train", "digits", "--out", folder, "--seed", str(seed), *settings])
    capsys.readouterr()
    main(["measure", folders[0], "--seeds", folders[1]])
    assert "comes back" in capsys.readouterr().out


def test_what_is_off_the_data_is_judged_by_all_classes_also_those_not_shown(tmp_path):
    """Thirty classes with a latent each: the page shows 24."""
    labels = np.repeat(np.arange(30), 40)
    x = np.eye(30, dtype=np.float32)[labels] * np.random.default_rng(0).uniform(0.8, 1, (1200, 1)).astype(np.float32)
    data = cs.from_arrays(x, labels)
    model = cs.SparseVAE(data.shape, 4, hidden=(16,))
    cs.fit(model, data, epochs=1, out=tmp_path / "run", accelerator="cpu")
    view = RunView.read(tmp_path / "run")
    assert view.codes.n_classes == 24
    (codes,) = runs.read_codes(tmp_path / "run", ("test",))
    assert view.data.limit == cs.Plausibility.fit(codes).limit
    assert len(view.data.patterns) == 30
