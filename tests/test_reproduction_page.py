"""The committed page is what the committed results give, and the quick reproduction fills every part of it."""

import json
import re

import pytest
from make_reproduction import KEPT, PAGE, make

from cospike._errors import InputError
from cospike.reproduction.page import format_page, gather, shared_figures
from cospike.reproduction.studies import PAPER_PRICE
from typing_commands import run

FIGURES = KEPT / "figures"


def test_the_committed_page_is_what_the_committed_results_give():
    page, _ = make()
    assert PAGE.read_text(encoding="utf-8") == page


def test_its_figures_are_there_small_and_all_of_them_are_used():
    text = PAGE.read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^\]]+\]\(\.\./benchmarks/reproduction/figures/([^)]+)\)", text)
    kept = {path.name for path in FIGURES.iterdir()}
    assert set(shown) <= kept
    assert len(shown) > 20
    sizes = [path.stat().st_size for folder in (FIGURES, KEPT / "records") for path in folder.rglob("*.*")]
    assert sum(sizes) <= 4_000_000


def test_figures_of_several_runs_are_what_the_records_give():
    results = gather(KEPT, KEPT.parent / "results")
    drawn = shared_figures(results)
    assert drawn
    for name in drawn:
        assert (FIGURES / name).is_file()


def test_the_page_says_what_is_ours_and_never_that_it_is_the_paper_s():
    text = PAGE.read_text(encoding="utf-8")
    assert "*All of these are our choice*" in text
    assert all(f"{price:g} on {data}" in text for data, price in PAPER_PRICE.items())
    for verdict in ("reproduced", "also true without the loss"):
        assert f"**{verdict}**" in text
    for section in range(1, 9):
        assert re.search(rf"^## {section} ", text, re.MULTILINE)


def test_a_page_of_nothing_is_a_page(tmp_path):
    text = format_page(gather(tmp_path), figures="figures")
    assert "No run of it is in yet" in text


def test_a_folder_without_rows_is_refused(tmp_path, capsys):
    assert run("reproduce", "--quick", "--out", tmp_path / "out", "--rows", tmp_path) == 2
    err = capsys.readouterr().err
    assert "has no rows.jsonl" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--jobs", "0"), "'jobs' of a reproduction must be at least 1"),
        (("--jobs", "half"), "no whole number"),
        (("--quik",), "--quick"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, arguments, message):
    assert run("reproduce", "--quick", "--out", tmp_path / "new", *arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_damaged_record_is_one_line(tmp_path, capsys):
    path = tmp_path / "records" / "digits" / "vsc-0.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    assert run("reproduce", "--quick", "--out", tmp_path) == 2
    assert "Delete it, and its run is done again" in capsys.readouterr().err
    with pytest.raises(InputError):
        gather(tmp_path)


def test_help_teaches(capsys):
    assert run("reproduce", "--help") == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("--quick", "--jobs", "--rows", "benchmarks/reproduction", "three seeds"))


@pytest.mark.slow
def test_the_quick_reproduction_fills_every_section(tmp_path, capsys, monkeypatch):
    assert run("reproduce", "--quick", "--out", tmp_path, "--jobs", "1", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["failed"] == 0
    assert len(told["claims"]) >= 5
    assert all(one["verdict"] != "not decided" and one["number"] for one in told["claims"])
    text = (tmp_path / "index.md").read_text(encoding="utf-8")
    assert "No run of it is in yet" not in text
    assert "nothing in it is a result" in text
    shown = re.findall(r"\(figures/([^)]+)\)", text)
    assert {name.removeprefix("digits-") for name in shown} >= {
        "vsc-samples.svg", "paper-pattern.svg", "default-own.svg", "default-global-1.svg", "default-overlap.svg",
        "default-control.svg", "divergences.svg", "frontier.svg", "price.svg",
    }  # fmt: skip
    assert all((tmp_path / "figures" / name).is_file() for name in shown)
    before = (tmp_path / "index.md").read_bytes()
    monkeypatch.setattr("cospike.benchmark.run.fit", None)  # nothing is trained again
    assert run("reproduce", "--quick", "--out", tmp_path, "--jobs", "1") == 0
    assert (tmp_path / "index.md").read_bytes() == before
