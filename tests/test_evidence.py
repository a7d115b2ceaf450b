"""What a run folder tells of its latents: written, read again, and the same as what was gathered."""

import csv
import json
import math
import shutil
from dataclasses import asdict

import numpy as np
import pytest

from cospike import runs
from cospike._errors import InputError
from cospike.entry import main
from cospike.evaluation import evaluate, read_evidence, read_metrics
from cospike.evidence import format_interventions, read_interventions
from cospike.factors import explain
from cospike.intervals import UNKNOWN, Estimate
from cospike.interventions import AttributeChange, Intervention

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def evaluation(trained):
    return evaluate(trained.run)


def test_probes_stand_beside_the_input_and_a_supervised_network(trained, evaluation):
    stored = read_metrics(trained.run)
    assert {"probe_codes", "probe_input", "probe_supervised"} <= stored.keys()
    assert stored["probe_supervised"].value > 0.93
    assert evaluation.metrics["probe_input"] == stored["probe_input"]


def test_interventions_survive_their_file(trained, evaluation):
    (codes,) = runs.read_codes(trained.run, ("test",))
    again = read_evidence(trained.run, codes, evaluation.factors)
    assert format_interventions(again.interventions) == format_interventions(evaluation.evidence.interventions)
    assert repr(again.associations) == repr(evaluation.evidence.associations)  # where NaN equals NaN
    alive = {factor.latent for factor in evaluation.factors if factor.kind != "dead"}
    assert again.interventions.keys() == alive


def test_effects_are_those_of_the_model(trained, evaluation):
    """The width of what is decoded at both ends of a range, by hand."""
    model, (codes,) = runs.load(trained.run), runs.read_codes(trained.run, ("test",))
    from cospike.attributes import measure_attributes

    factor = next(one for one in explain(model, codes) if one.kind == "always-on")
    found = next(
        change for change in evaluation.evidence.interventions[factor.latent].changes if change.attribute == "width"
    )
    z = codes.values()
    ends = []
    for value in (factor.high, factor.low):
        z[:, factor.latent] = value
        ends.append(np.nanmean(measure_attributes(model.decode_mean(z), kind="strokes", cache=False)["width"]))
    assert found.sweep.low - 0.2 <= ends[0] - ends[1] <= found.sweep.high + 0.2  # of 32 samples


def test_the_table_says_what_a_latent_goes_with_and_changes(trained, evaluation):
    with (trained.run / "factors.csv").open(encoding="utf-8") as file:
        rows = {int(row["latent"]): row for row in csv.DictReader(file)}
    for latent, one in evaluation.evidence.interventions.items():
        assert rows[latent]["changes"] == (one.named.attribute if one.named else "")
        assert rows[latent]["changes_sweep"] == (f"{one.named.sweep.value:.4f}" if one.named else "")
        assert (one.named is None) == (one.changes[0].size < 0.3)
        assert rows[latent]["targeted"] == f"{one.targeted.value:.4f}"
        assert rows[latent]["control"] == f"{one.control.value:.4f}"
        association = evaluation.evidence.associations.get(latent)
        assert rows[latent]["goes_with"] == (association.attribute if association else "")


def test_targeted_ablation_is_the_mean_of_what_serves_some_classes(evaluation):
    own = [
        evaluation.evidence.interventions[factor.latent]
        for factor in evaluation.factors
        if factor.kind in ("group", "class-specific")
    ]
    for name, scores in (
        ("targeted_ablation", [one.targeted.value for one in own]),
        ("targeted_control", [one.control.value for one in own]),
    ):
        if np.isfinite(scores).any():
            assert evaluation.metrics[name].value == pytest.approx(np.nanmean(scores))
        else:
            assert name not in evaluation.metrics


def test_evidence_of_another_run_is_refused(trained, evaluation, tmp_path):
    (codes,) = runs.read_codes(trained.run, ("test",))
    folder = tmp_path / "run"
    shutil.copytree(trained.run, folder)
    (folder / "interventions.json").write_text("[]")
    with pytest.raises(InputError, match=r"interventions\.json must be of the latents of codes\.npz beside it"):
        read_evidence(folder, codes, evaluation.factors)


def test_a_run_without_a_latent_in_use_is_measured_and_remarked_on(tmp_path, capsys):
    out = tmp_path / "dead"
    settings = ["--objective", "vsc", "--epochs", "1", "--n-latents", "5", "--accelerator", "cpu"]
    main(["train", "digits", "--out", str(out), *settings])
    told = capsys.readouterr()
    assert "no latent tells one sample from another" in told.err
    assert told.out.strip().endswith("report.html")


def test_the_file_is_json_of_any_reader_and_what_is_not_known_is_null(tmp_path):
    change = AttributeChange("slant", Estimate(1.0, 0.5, 1.5), UNKNOWN, float("nan"))
    one = Intervention(3, (change,), UNKNOWN, UNKNOWN, Estimate(0.2, 0.1, 0.3), UNKNOWN, Estimate(0.1, 0.0, 0.2))
    text = format_interventions({3: one})
    (entry,) = json.loads(text, parse_constant=lambda name: pytest.fail(f"not JSON: {name}"))
    assert entry["loss"] == [None, None, None]
    (tmp_path / "interventions.json").write_text(text)
    back = read_interventions(tmp_path)[3]
    assert back.targeted == one.targeted
    assert back.control == one.control
    assert back.changes[0].on == change.on
    assert math.isnan(back.changes[0].scale)
    assert asdict(back).keys() == asdict(one).keys()


def test_a_file_from_before_there_were_controls_is_read(tmp_path):
    one = Intervention(3, (), UNKNOWN, UNKNOWN, Estimate(0.2, 0.1, 0.3), UNKNOWN)
    (entry,) = json.loads(format_interventions({3: one}))
    del entry["control"]
    (tmp_path / "interventions.json").write_text(json.dumps([entry]))
    assert math.isnan(read_interventions(tmp_path)[3].control.value)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1]",
        "{}",
        '[{"latent": 1}]',
        '[{"latent": 1, "changes": [], "loss": [1, 2]}]',
        "null",
        '[{"latent": 1e999, "changes": []}]',
    ],
)
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "interventions.json").write_text(content)
    if content == "{}":
        assert read_interventions(tmp_path) == {}
        return
    with pytest.raises(InputError, match=r"interventions\.json is damaged"):
        read_interventions(tmp_path)
