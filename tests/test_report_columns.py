"""A table from its file to its report: what is trained on, what is written, and what a reader sees."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cospike import runs
from cospike._errors import InputError
from cospike.data import load_dataset
from cospike.entry import main
from cospike.html_report import report
from cospike.report_columns import Rows, effects, moved, reconstructions
from cospike.report_figures import RunView

pytestmark = pytest.mark.slow  # trains a model

QUICK = ("--epochs", "120", "--n-latents", "8", "--hidden", "32", "--accelerator", "cpu", "--active-prior", "0.2")


def a_frame(n=400):
    """Of class b alone, `dose` is high and the drug is mostly "x"; `size` follows nothing."""
    rng = np.random.default_rng(0)
    label = np.arange(n) % 3
    is_b = label == 1
    drug = np.where(is_b & (rng.random(n) < 0.9), "x", rng.choice(["w", "y", "z"], n))
    frame = pd.DataFrame(
        {
            "dose <mg>": 100 + 40 * is_b + rng.normal(0, 4, n),
            "dose again": 0.1 * (100 + 40 * is_b + rng.normal(0, 4, n)),
            "drug": drug,
            "ill": np.where(rng.random(n) < np.where(is_b, 0.95, 0.05), "yes", "no"),
            "size": rng.normal(3, 1, n),
            "group": np.array(["a", "b", "c"])[label],
        }
    )
    frame.loc[rng.random(n) < 0.1, "size"] = np.nan
    frame.loc[:40, "group"] = np.nan
    return frame


def command(*words):
    try:
        main([str(word) for word in words])
    except SystemExit as exit_:
        return exit_.code
    return 0


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    a_frame().to_csv(folder / "drugs.csv", index=False)
    out = folder / "run"
    assert command("train", folder / "drugs.csv", "--label", "group", "--out", out, *QUICK) == 0
    return SimpleNamespace(folder=folder, run=out, view=RunView.read(out))


def of_b(view):
    """The latent that class b alone uses and that does most."""
    own = [factor for factor in view.factors if factor.classes == ("b",)]
    assert own, [factor.classes for factor in view.factors]
    return max(own, key=lambda factor: factor.effect)


def test_the_columns_travel_from_the_file_to_the_run(table):
    config = json.loads((table.run / "config.json").read_text())
    columns = runs.read_columns(table.run)
    data = load_dataset(table.folder / "drugs.csv", label="group")
    assert columns == data.columns == table.view.columns
    assert config["model"]["likelihood"] == data.likelihood
    assert [column.name for column in columns] == ["dose <mg>", "dose again", "drug", "ill", "size"]
    attributes = runs.read_arrays(table.run, "attributes.npz")
    assert list(attributes) == [
        "dose <mg>", "dose again", "drug: w", "drug: x", "drug: y", "drug: z", "ill: yes", "size", "size: missing",
    ]  # fmt: skip
    assert 95 < np.nanmin(attributes["dose <mg>"][table.view.codes.labels == 1]) < 145, "in its own units"
    assert "dose" in (table.run / "factors.csv").read_text()


def test_what_a_latent_of_a_class_does_is_what_the_class_is(table):
    """The class was made by +40 mg, +4 of its copy, drug x and illness: the bars have to say so."""
    found = {one.name: one for one in effects(table.view, of_b(table.view))}
    assert float(found["dose <mg>"].text.replace("\N{MINUS SIGN}", "-")) == pytest.approx(40, abs=10)
    assert float(found["dose again"].text.replace("\N{MINUS SIGN}", "-")) == pytest.approx(4, abs=1)
    assert found["drug: x"].change > 0.5
    assert found["ill: yes"].change > 0.5
    assert abs(found["size"].change) < 0.4
    assert list(found)[-1] == "size", "the largest changes come first"
    for one in found.values():
        assert one.is_share == (":" in one.name)
        assert min(one.ends) - 0.2 <= one.change <= max(one.ends) + 0.2, "within what the range does"


def test_rows_stand_in_the_report_in_their_own_units(table):
    shown = list(reconstructions(table.view))
    assert [rows.title for rows in shown] == ["a", "b", "c"]
    for rows in shown:
        assert isinstance(rows, Rows)
        sample = dict(rows.rows)
        dose, made = (float(text) for text in sample["dose <mg>"])
        assert made == pytest.approx(dose, abs=20)
        assert sample["drug"][0] in ("w", "x", "y", "z")
        assert sample["ill"][0] in ("no", "yes")
    x = table.view.previews["x"]
    b = next(row for row in x if table.view.model.decode_mean is not None and row[0] > 1)
    assert any(text.startswith("dose <mg>") for text in moved(table.view, x[0], b)) or (x[0] == b).all()


def test_the_report_is_written_from_the_folder_alone(table, tmp_path):
    alone = tmp_path / "alone"
    shutil.copytree(table.run, alone)
    (alone / "report.html").unlink()
    first = report(alone).read_text()
    assert first == report(alone).read_text()
    for text in (
        "dose &lt;mg&gt;",
        "drug: x",
        "What each latent does",
        "Bars: what changes",
        "gaussian, may be missing",
    ):
        assert text in first
    assert "<mg>" not in first
    assert "Horizontal: the columns of the data" not in first
    assert "'kind'" not in first, "no record is printed as it is"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda columns: columns[0].update(scale=0), "config.json is damaged: it has columns that are none"),
        (lambda columns: columns.pop(), "it has columns that do not fit its model"),
        (lambda columns: columns.append(7), "it has columns that are none"),
    ],
)
def test_damaged_columns_are_refused(table, tmp_path, damage, message):
    run = tmp_path / "run"
    shutil.copytree(table.run, run)
    config = json.loads((run / "config.json").read_text())
    damage(config["data"]["columns"])
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=message):
        report(run)


def test_a_table_is_trained_without_classes_resumed_and_compared(tmp_path, capsys):
    path = tmp_path / "drugs.csv"
    a_frame(90).to_csv(path, index=False)
    few = ("--epochs", "3", *QUICK[2:])
    assert command("train", path, "--objective", "vsc", "--out", tmp_path / "vsc", *few) == 0
    assert command("train", path, "--objective", "vsc", "--out", tmp_path / "vsc", "--resume", *few) == 0
    both = ("--objectives", "vsc", "class-consistent")
    assert command("compare", path, "--label", "group", *both, "--out", tmp_path / "both", *few) == 0
    assert command("measure", tmp_path / "both" / "class-consistent", "--factors", "--disentanglement") == 0
    capsys.readouterr()
    frame = a_frame(90)
    frame["dose again"] += 1
    frame.to_csv(path, index=False)
    assert command("train", path, "--objective", "vsc", "--out", tmp_path / "vsc", "--resume", *few) == 2
    assert "Cannot resume" in capsys.readouterr().err


def test_another_likelihood_may_be_asked_for(tmp_path, capsys):
    path = tmp_path / "drugs.csv"
    a_frame(90).to_csv(path, index=False)
    few = ("--epochs", "2", *QUICK[2:], "--label", "group")
    assert command("train", path, "--likelihood", "gaussian", "--out", tmp_path / "g", *few) == 0
    assert json.loads((tmp_path / "g" / "config.json").read_text())["model"]["likelihood"] == "gaussian"
    assert command("train", path, "--likelihood", "bernoulli", "--out", tmp_path / "b", *few) == 2
    assert "must lie in 0 … 1 for a Bernoulli likelihood" in capsys.readouterr().err
