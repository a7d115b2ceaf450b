"""`explore()`: what belongs to a run is in the page, as text and data and nothing else; or nothing is written."""

import base64
import errno
import gzip
import json
import os
import re
import shutil
import sys

import numpy as np
import pytest

from cospike import html_explorer, html_report, metrics, runs
from cospike._errors import InputError
from cospike.entry import main
from cospike.evaluation import evaluate, read_evidence, read_metrics
from cospike.explorer_data import explorer_bytes
from cospike.html_explorer import explore
from cospike.html_report import report
from cospike.report_figures import RunView
from untrained_run import make_run

pytestmark = pytest.mark.slow  # it measures runs, exports, and draws pages

STAND_IN = """<!DOCTYPE html>
<html lang="en"><head><meta http-equiv="Content-Security-Policy" content="script-src 'sha256-…'">
<title>cospike explorer</title></head><body>
<script type="text/plain" id="run"></script>
<script type="text/plain" id="decoder"></script>
<script type="text/plain" id="runtime">H4sI</script>
<script>document.title += " → {{ n }} \\\\1 %s";</script>
</body></html>
"""
EVIL = "<img src=x onerror=alert(1)><title>&amp; \\1 {{ 7 * 7 }}"


@pytest.fixture(autouse=True)
def few_pairs(monkeypatch):
    monkeypatch.setattr(metrics, "N_PAIRS", 500)


@pytest.fixture(autouse=True)
def template(monkeypatch, tmp_path):
    """A page as `make explorer` builds it, in as much as a run goes into it."""
    path = tmp_path / "static" / "explorer.html"
    path.parent.mkdir()
    path.write_text(STAND_IN, encoding="utf-8")
    monkeypatch.setattr(html_explorer, "TEMPLATE", path)
    return path


@pytest.fixture
def run(tmp_path):
    folder = make_run(tmp_path / "run")
    evaluate(folder)
    return folder


@pytest.fixture
def no_onnx(monkeypatch):
    """A decoder that takes no seconds to export."""
    monkeypatch.setattr(html_explorer, "decoder_bytes", lambda model: b"decoder")


def content(page, name):
    (text,) = re.findall(rf'<script type="text/plain" id="{name}">([A-Za-z0-9+/=]*)</script>', page)
    return gzip.decompress(base64.b64decode(text, validate=True))


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_the_page_decodes_as_the_model_does(run):
    ort = pytest.importorskip("onnxruntime")
    path = explore(run)
    assert path == run / "explorer.html"
    page = path.read_text(encoding="utf-8")
    view = RunView.read(run)
    assert content(page, "run") == explorer_bytes(view, read_evidence(run, view.codes, view.factors), read_metrics(run))
    session = ort.InferenceSession(content(page, "decoder"), providers=["CPUExecutionProvider"])
    z = view.codes.values().astype("float32")
    (mean,) = session.run(["mean"], {"code": z})
    np.testing.assert_allclose(mean, view.model.decode_mean(z), atol=1e-5)


def test_all_else_is_the_template(run, no_onnx):
    page = explore(run).read_text(encoding="utf-8")
    assert "<title>run · cospike explorer</title>" in page
    emptied = re.sub(r'(<script type="text/plain" id="(?:run|decoder)">)[^<]+', r"\1", page)
    assert emptied.replace("<title>run · cospike", "<title>cospike") == STAND_IN


def test_the_same_run_gives_the_same_bytes(run, tmp_path):
    pytest.importorskip("onnxruntime")
    first = explore(run).read_bytes()
    assert explore(run).read_bytes() == first
    again = shutil.copytree(run, tmp_path / "elsewhere" / "run", ignore=lambda *_: ["explorer.html"])
    assert explore(again, out=tmp_path / "page.html").read_bytes() == first
    assert not (again / "explorer.html").exists()
    assert str(tmp_path).encode() not in first


def test_the_name_of_a_run_is_text(tmp_path, no_onnx):
    name = os.fsdecode(EVIL.replace("/", "_").encode() + b"\xff")
    page = explore(make_run(tmp_path / name)).read_text(encoding="utf-8")
    (title,) = re.findall(r"<title>(.*)</title>", page)
    assert "<" not in title
    assert "&lt;img src=x onerror=alert(1)&gt;&lt;title&gt;&amp;amp; \\1 {{ 7 * 7 }}\N{REPLACEMENT CHARACTER}" in title
    assert page.count("<img") == 0
    data = content(page, "run")
    head = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert json.loads(head["__metadata__"]["explorer"])["run"] == f"{EVIL}\N{REPLACEMENT CHARACTER}"


def link(page):
    return re.findall(r'<a href="explorer.html">[^<]+</a>', page.read_text(encoding="utf-8"))


def test_a_report_links_to_the_page_once_it_is_there(run, tmp_path, no_onnx):
    """What else it says stays, the comparison with other runs above all."""
    other = make_run(tmp_path / "other", objective="vsc")
    before = report(run, compare=[other]).read_text(encoding="utf-8")
    assert "<code>cospike explore</code>" in before
    explore(run, out=tmp_path / "page.html")
    assert (run / "report.html").read_text(encoding="utf-8") == before
    explore(run)
    (there,) = link(run / "report.html")
    after = (run / "report.html").read_bytes()
    assert there.encode() in after
    explore(run)
    assert (run / "report.html").read_bytes() == after
    assert report(run, compare=[other]).read_bytes() == after
    (run / "explorer.html").unlink()
    assert report(run, compare=[other]).read_text(encoding="utf-8") == before


def test_a_page_that_is_named_links_too_where_it_is_that_of_the_run(run, no_onnx, monkeypatch):
    report(run)
    monkeypatch.chdir(run)
    explore(run, out="explorer.html")
    assert link(run / "report.html")


def test_a_report_that_is_none_of_ours_stays_as_it_is(run, no_onnx):
    explore(run)
    assert not (run / "report.html").exists()
    (run / "report.html").write_text("<p>an older report")
    explore(run)
    assert (run / "report.html").read_text() == "<p>an older report"


def test_what_is_no_explorer_is_not_replaced(run, tmp_path, no_onnx):
    report(run)
    before = (run / "report.html").read_bytes()
    with pytest.raises(InputError, match=r"must be new, or an explorer to be replaced, got .*report.html"):
        explore(run, out=run / "report.html")
    assert (run / "report.html").read_bytes() == before
    page = explore(run, out=tmp_path / "page.html")
    first = page.read_bytes()
    assert explore(run, out=page).read_bytes() == first


def test_a_page_that_has_not_been_built_is_said_how_to_build(run, template):
    before = files_of(run)
    template.unlink()
    with pytest.raises(InputError, match=r"has not been built. `make explorer` in the source"):
        explore(run)
    assert files_of(run) == before


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<title>cospike explorer</title>", "<title>other</title>", "<title>cospike explorer</title> once, got it 0"),
        ('id="run"></script>', 'id="run">x</script>', 'id="run"></script> once, got it 0 times'),
        ("<body>", '<script type="text/plain" id="decoder"></script>', 'id="decoder"></script> once, got it 2 times'),
    ],
)
def test_a_page_of_another_version_is_refused(run, no_onnx, template, old, new, says):
    before = files_of(run)
    template.write_text(STAND_IN.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(says)):
        explore(run)
    assert files_of(run) == before


def test_without_the_extra_nothing_is_written(run, monkeypatch):
    before = files_of(run)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.setattr("cospike._extras.find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(InputError, match=r"explore needs onnxscript.*pip install 'cospike\[onnx\]'"):
        explore(run)
    assert files_of(run) == before


def test_nothing_is_written_where_the_decoder_is_not_what_the_model_is(run, monkeypatch):
    def differ(model):
        raise FloatingPointError("decoder.onnx in ONNX Runtime must be within 1e-05 of PyTorch")

    report(run)
    before = files_of(run)
    monkeypatch.setattr(html_explorer, "decoder_bytes", differ)
    with pytest.raises(FloatingPointError):
        explore(run)
    assert files_of(run) == before


def test_a_place_that_is_none_is_refused_before_any_work(run, tmp_path, monkeypatch):
    monkeypatch.setattr(RunView, "read", lambda *_, **__: pytest.fail("it was read"))
    (tmp_path / "folder.html").mkdir()
    for out, says in (
        (tmp_path / "page.txt", "'out' of explore must end in .html, got"),
        (tmp_path / "page", "'out' of explore must end in .html, got"),
        (tmp_path / "folder.html", "'out' of explore must be a file, got the folder"),
        (tmp_path / "none" / "page.html", "'out' of explore must lie in a folder that is there, got"),
    ):
        with pytest.raises(InputError, match=re.escape(says)):
            explore(run, out=out)


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"No config\.json in .*nothing\. Is it the folder of a run\?"):
        explore(tmp_path / "nothing")
    run = make_run(tmp_path / "unfinished")
    (run / "codes.npz").unlink()
    with pytest.raises(InputError, match=r"No codes\.npz in .*unfinished"):
        explore(run)


def test_a_disk_without_room_is_said(run, no_onnx, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    before = files_of(run)
    monkeypatch.setattr(html_explorer, "write_atomic", full)
    with pytest.raises(InputError, match=r"Cannot write .*explorer\.html: No space left.* and explore again\."):
        explore(run)
    assert files_of(run) == before


def test_a_report_that_cannot_be_written_is_said_and_whole(run, no_onnx, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    before = report(run).read_bytes()
    monkeypatch.setattr(html_report, "write_atomic", full)
    with pytest.raises(InputError, match=r"Cannot write .*report\.html: No space left"):
        explore(run)
    assert (run / "report.html").read_bytes() == before


def test_a_link_is_replaced_and_not_what_it_points_to(run, tmp_path, no_onnx):
    (tmp_path / "mine.html").write_text("mine")
    (run / "explorer.html").symlink_to(tmp_path / "mine.html")
    assert not explore(run).is_symlink()
    assert (tmp_path / "mine.html").read_text() == "mine"


def test_a_run_begun_anew_has_neither_page(run, no_onnx):
    from cospike.run_folders import begin_run

    explore(run)
    begin_run(run, runs.read_config(run))
    assert not {"explorer.html", "report.html"} & {path.name for path in run.iterdir()}


@pytest.fixture
def opened(monkeypatch):
    """The addresses that a browser is asked for, at a terminal with a screen."""
    addresses = []
    monkeypatch.setattr("webbrowser.open", addresses.append)
    monkeypatch.setenv("DISPLAY", ":0")
    return addresses


def test_the_command_prints_the_path_and_notes_the_size(run, no_onnx, opened, capsys):
    main(["explore", str(run)])
    out, err = capsys.readouterr()
    assert out == f"{run / 'explorer.html'}\n"
    assert re.search(r"^0\.\d MB$", err, re.MULTILINE)
    main(["explore", str(run), "--out", str(run.parent / "page.html"), "--json"])
    assert json.loads(capsys.readouterr().out) == {"explorer": str(run.parent / "page.html")}
    assert opened == []  # no terminal


def test_a_terminal_opens_the_page_unless_it_is_told_not_to(run, no_onnx, opened, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    main(["explore", str(run), "--no-open"])
    main(["explore", str(run), "--json"])
    assert opened == []
    main(["explore", str(run)])
    assert opened == [(run / "explorer.html").resolve().as_uri()]
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    main(["explore", str(run)])
    assert len(opened) == 1
    capsys.readouterr()


def test_a_large_page_says_why_it_is(run, no_onnx, capsys, monkeypatch):
    monkeypatch.setattr("cospike.cli_runs._LARGE_PAGE", 1e-6)
    main(["explore", str(run)])
    said = capsys.readouterr().err
    assert "more than browsers like: its decoder gives 36 values a sample. Fewer genes, columns or pixels" in said
