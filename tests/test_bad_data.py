"""Bad input, line by line: what comes back is one line, word by word, and nothing is left; what is unusual is taken."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import cospike as cs
from bad_data import REFUSED, TAKEN, evaluate, fill_disk, make_names, make_place, run_command
from cospike._errors import InputError
from cospike.evaluation import evaluate as evaluate_run

ROOT = Path(__file__).parent.parent
BAD = [pytest.param(case, id=case.given[:60]) for cases in REFUSED.values() for case in cases]
UNUSUAL = [pytest.param(case, id=case.what) for cases in TAKEN.values() for case in cases]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    make_place(folder)
    return folder


@pytest.fixture(scope="module")
def full_disk(place, mounted):
    """In the place, the folder of a disk that is full and has a run."""
    with mounted(place / "full") as disk:
        fill_disk(disk, place / "run")
        yield disk


def contents(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def looks_like(says):
    """A message in which … may be anything."""
    return ".*".join(map(re.escape, says.split("…")))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_in_one_line_that_says_what_to_do(case, place, monkeypatch, request):
    if "full/" in case.given:
        request.getfixturevalue("full_disk")
    monkeypatch.chdir(place)
    before = contents(place)
    if case.given.startswith("cospike "):
        code, out, err = run_command(case.given)
        assert (code, out) == (2, "")
        assert re.fullmatch(f"cospike: {looks_like(case.says)}\n", err), err
    else:
        with pytest.raises((ValueError, TypeError) if case.by_scikit_learn else InputError) as caught:
            evaluate(case.given, make_names())
        line, *more = str(caught.value).splitlines()
        assert re.fullmatch(looks_like(case.says), line), caught.value
        assert case.by_scikit_learn or not more
    assert contents(place) == before


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("case", UNUSUAL)
def test_unusual_input_is_taken(case, place, monkeypatch):
    monkeypatch.chdir(place)
    names = make_names()
    names["it"] = run_command(case.given) if case.given.startswith("cospike ") else evaluate(case.given, names)
    assert evaluate(case.check, names), names["it"]


def test_the_page_is_made_of_these_lines():
    made = subprocess.run([sys.executable, ROOT / "docs" / "make_bad_data.py", "-"], capture_output=True, check=True)
    assert (ROOT / "docs" / "bad-data.md").read_text(encoding="utf-8") == made.stdout.decode(), "docs/make_bad_data.py"


@pytest.mark.slow
def test_five_thousand_classes_are_trained_measured_and_reported(tmp_path):
    names = make_names()
    data = cs.from_arrays(names["many_x"], names["many_y"], name="many classes")
    folder = tmp_path / "run"
    cs.fit(cs.SparseVAE(data.shape, 30, hidden=(64,)), data, epochs=1, out=folder, accelerator="cpu")
    assert evaluate_run(folder).metrics["within"].value >= 0
    page = cs.report(folder)
    assert page.stat().st_size < 1_000_000
    assert "many classes" in page.read_text(encoding="utf-8")
