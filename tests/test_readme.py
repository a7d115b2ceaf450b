"""What the README tells a reader to type works as it stands."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from cospike import bounds, load, load_dataset
from cospike.entry import main
from html_page import need_template

HOME = Path(__file__).parent.parent
README = (HOME / "README.md").read_text(encoding="utf-8")
READING = (HOME / "docs" / "reading.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
DEPLOYMENT = (HOME / "docs" / "deployment.md").read_text(encoding="utf-8")
SWEEPS = (HOME / "docs" / "sweeps.md").read_text(encoding="utf-8")
CELLS = (HOME / "docs" / "cells.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ cospike (.*)$", README, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=[f"example {i}" for i in range(len(EXAMPLES))])
def test_examples_run(tmp_path, monkeypatch, example):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    if "factors" in names:  # made from one factor of all classes and one of each: so it must be read
        found = {factor.kind: set() for factor in names["factors"]}
        for factor in names["factors"]:
            found[factor.kind] |= {factor.classes}
        assert ("a", "b", "c") in found.get("always-on", set()) | found.get("global", set())
        assert found["class-specific"] == {("a",), ("b",), ("c",)}
        assert names["samples"].shape == (5, 12)


def test_the_examples_of_the_guide_run_one_after_another():
    names = {}
    for example in re.findall(r"```python\n(.*?)```", READING, re.DOTALL):
        exec(compile(example, "docs/reading.md", "exec"), names)
    assert len(names["found"]) == 3


@pytest.mark.slow
def test_commands_run_in_their_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert len(COMMANDS) >= 5
    need_template()
    for command in COMMANDS:
        main(shlex.split(command))
        assert capsys.readouterr().out
    assert len(Path("runs/quick/rows.jsonl").read_text(encoding="utf-8").splitlines()) == 12


@pytest.mark.slow
def test_the_page_on_deployment_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    names = {}
    for command, example in re.findall(
        r"^\$ cospike ([^\n]*)$|^```python\n(.*?)```", DEPLOYMENT, re.MULTILINE | re.DOTALL
    ):
        if command:
            main(shlex.split(command))
            assert capsys.readouterr().out
        exec(compile(example, "docs/deployment.md", "exec"), names)
    assert np.abs(names["code"] - names["codes"].values()).max() < 1e-4
    assert names["mean"].shape == names["x"].shape
    assert len(names["names"]) == 10


@pytest.mark.slow
def test_the_page_on_sweeps_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    pytest.importorskip("optuna")
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^\$ cospike (.*)$", SWEEPS, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        main(shlex.split(command))
        assert capsys.readouterr().out
    names = {path.name for path in Path("sweeps/digits").iterdir()}
    assert names >= {"sweep.db", "trials.csv", "frontier.png", "best.yaml"}
    assert len(Path("sweeps/digits/trials.csv").read_text(encoding="utf-8").splitlines()) == 5
    main(["sweep", *commands[1].split()[1:], "--json"])
    found = json.loads(capsys.readouterr().out)
    [best] = [trial for trial in found["trials"] if trial["number"] == found["best"]]
    repeated = bounds(load("runs/best"), load_dataset("digits").validation)["neg_elbo"].value
    assert repeated == pytest.approx(best["measures"]["neg_elbo"], rel=1e-6)  # the config is that of the trial


@pytest.mark.slow
@pytest.mark.usefixtures("writable_cells")
@pytest.mark.filterwarnings("ignore")  # of scanpy and what it loads
def test_the_page_on_cells_runs_from_top_to_bottom(tmp_path, monkeypatch):
    pytest.importorskip("scanpy")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    examples = re.findall(r"```python\n(.*?)```", CELLS, re.DOTALL)
    names = {}
    for example in sorted(examples, key=lambda one: "def blood_cells" not in one):
        exec(compile(example, "docs/cells.md", "exec"), names)
    own = names["genes"].query("cells == 'CD19+ B'")
    assert {"CD79A", "CD79B"} <= set(own["gene"])
    assert names["adata"].obsm["X_cospike"].shape == (700, 60)
    names["adata"].write(tmp_path / "cells.h5ad")


def test_links_within_the_repository_lead_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    for link in links:
        assert (Path(__file__).parent.parent / link).exists(), link
