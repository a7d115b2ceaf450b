"""The site builds without a warning, and what its pages tell a reader to type works as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from run_page import run_page

from html_page import need_template

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

# What a page leaves behind, by the page. Deployment and reading are in tests/test_readme.py, and two have tests beside
# those of what they are about.
PAGES = {
    "index.md": ["runs/digits/report.html"],
    "tutorials/images.md": ["tutorial-pattern.svg", "tutorial-traversal.svg"],
    "tutorials/tables.md": ["wines.csv", "tutorial-wines.svg"],
    "explorer.md": ["runs/digits/explorer.html"],
    "recipes.md": ["runs/seed-1/report.html"],
    "command-line.md": ["runs/zero/report.html", "runs/one/report.html"],
}
ELSEWHERE = {"deployment.md", "reading.md", "sweeps.md", "cells.md"}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    import matplotlib as mpl

    monkeypatch.chdir(tmp_path)
    mpl.use("svg")
    if page == "explorer.md":
        need_template()
    names = run_page(DOCS / page)
    assert all((tmp_path / path).stat().st_size for path in PAGES[page])
    if page == "tutorials/images.md":  # what its text says
        assert names["use"].shape[0] == 10
        assert names["factor"].classes
        assert len({factor.kind for factor in names["factors"]}) >= 3
    elif page == "tutorials/tables.md":
        assert len(names["wines"]) == 5
        assert len(names["others"].labels) == 5
        assert (names["change"].abs() > 0.05).any()
    elif page == "recipes.md":
        assert names["use"][names["latent"]] > 0.5
        assert names["probe"].score(names["z"], names["codes"].labels) > 0.7
        assert (names["partly"].train.y == -1).any()


def test_every_page_with_code_is_run():
    with_code = {
        str(page.relative_to(DOCS))
        for page in DOCS.rglob("*.md")
        if "```python" in (text := page.read_text(encoding="utf-8")) or "```console" in text
    }
    assert with_code == {*PAGES} | ELSEWHERE


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    api = (tmp_path / "site" / "api" / "index.html").read_text(encoding="utf-8")
    import cospike

    assert all(re.search(rf'id="cospike\.\w+\.{name}"', api) for name in cospike.__all__)
    assert "&gt;&gt;&gt;" in api or '<span class="gp">' in api  # doctests are code, not quotations
    pages = [page.read_text(encoding="utf-8") for page in (tmp_path / "site").rglob("*.html")]
    assert not any("fonts.googleapis" in page for page in pages)  # it asks nobody else for anything


def test_figures_of_the_tutorials_are_kept():
    for name in ("tutorial-pattern.svg", "tutorial-traversal.svg", "tutorial-wines.svg"):
        assert (DOCS / "images" / name).stat().st_size > 1000
