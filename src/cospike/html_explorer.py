"""`explore()`: one self-contained page that holds a run in the hands: its decoder computes in the browser.

The page is built from `explorer/` into `static/explorer.html`, once for all runs: its style, its program and ONNX
Runtime are in it, and a content security policy with their hashes, so that nothing else runs and nothing is loaded.
What belongs to a run goes into three places of it: the title, the decoder, and what `explorer_data` tells.
"""

import base64
import gzip
import html
from importlib.resources import files
from pathlib import Path

from cospike._errors import InputError, failed_write
from cospike._extras import need
from cospike._files import write_atomic
from cospike._text import to_text
from cospike.deployment import decoder_bytes
from cospike.evaluation import read_evidence, read_metrics
from cospike.explorer_data import MAX_CLASSES, explorer_bytes
from cospike.html_report import link_explorer
from cospike.report_figures import RunView

TEMPLATE = files("cospike") / "static" / "explorer.html"
"""The page without a run."""

_TITLE = "<title>cospike explorer</title>"
_DECODER = '<script type="text/plain" id="decoder">'
_RUN = '<script type="text/plain" id="run">'
_END = "</script>"
_HEAD = 8192  # bytes, in which a page has its title
_BUILD = "`make explorer` in the source builds it, and a released wheel has it."


def explore(run: str | Path, *, out: str | Path | None = None) -> Path:
    """Write a page on which the latents of a run are switched and moved, and what they do is seen at once.

    It opens from disk, without a server and without a network, and may be sent to others: the decoder is in it, and so
    are the held-out samples that the run keeps. If the run has a report, that links to the page from then on.

    Args:
        run: the folder of a finished run; nothing else is needed, not even the data.
        out: a file for the page; default: `explorer.html` in the run.

    Returns:
        The path of the page: one file that loads nothing, and has the same bytes for the same run.

    Raises:
        InputError: if the folder is no finished run, the extra `onnx` is missing, the page has not been built, or
            cannot be written.
        FloatingPointError: if ONNX Runtime does not compute what the model does; no page is written then either.
    """
    need("onnx", ("onnx", "onnxscript", "onnxruntime"), of="explore")
    run = Path(run)
    page = run / "explorer.html" if out is None else _check_out(Path(out))
    view = RunView.read(run, max_classes=MAX_CLASSES)
    template = _read_template()
    told = explorer_bytes(view, read_evidence(run, view.codes, view.factors), read_metrics(run))
    content = fill(template, name=view.name, decoder=decoder_bytes(view.model), run=told)
    try:
        write_atomic(page, content)
    except OSError as error:
        raise failed_write(error, page, "explore again") from error
    try:
        if page.parent.samefile(run) and page.name == "explorer.html":
            link_explorer(run)
    except OSError as error:
        raise failed_write(error, run / "report.html", "explore again") from error
    return page


def fill(template: str, *, name: str, decoder: bytes, run: bytes) -> bytes:
    """The page of a run.

    Args:
        template: the page without one.
        name: of the run, any text.
        decoder: its ONNX file.
        run: what `explorer_data` tells of it.

    Raises:
        InputError: if the template has not each of the three places once.
    """
    for place, content in (
        (_TITLE, f"<title>{html.escape(to_text(name))} · cospike explorer</title>"),
        (_DECODER + _END, _DECODER + _packed(decoder) + _END),
        (_RUN + _END, _RUN + _packed(run) + _END),
    ):
        if (n := template.count(place)) != 1:
            raise InputError(f"The page of the explorer must have {place} once, got it {n} times. {_BUILD}")
        template = template.replace(place, content)
    return template.encode()


def _packed(content: bytes) -> str:
    """As text without any mark of HTML; without a time, so that the same content gives the same text."""
    return base64.b64encode(gzip.compress(content, 6, mtime=0)).decode()


def _check_out(out: Path) -> Path:
    if out.is_dir():
        raise InputError(f"'out' of explore must be a file, got the folder {out}. Try {out / 'explorer.html'}.")
    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"'out' of explore must end in .html, got {out}. Browsers go by it.")
    if not out.parent.is_dir():
        raise InputError(f"'out' of explore must lie in a folder that is there, got {out}. Make {out.parent} first.")
    if out.exists() and not _is_explorer(out):
        raise InputError(f"'out' of explore must be new, or an explorer to be replaced, got {out}. Choose another.")
    return out


def _is_explorer(path: Path) -> bool:
    """Whether a file is such a page: what stands there is somebody's else, such as the report of a run."""
    try:
        with path.open("rb") as file:
            return b"cospike explorer</title>" in file.read(_HEAD)
    except OSError:
        return False


def _read_template() -> str:
    try:
        return TEMPLATE.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"The page of the explorer has not been built. {_BUILD}") from error
