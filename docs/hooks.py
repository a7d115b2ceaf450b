"""What mkdocs does to pages and docstrings that are written to be read where they stand too.

Pages link to files of the repository. Figures among these join the site; of other links the text stays, and where the
file is. Doctests in docstrings become code.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(((?!\w+:|#)[^)#]+)(#[^)]*)?\)")
_DOCTEST = re.compile(r"^>>> .*(?:\n(?!\s*$).*)*", re.MULTILINE)


def on_files(files: Any, *, config: Any) -> Any:
    """Add the figures of the benchmark and of the reproduction."""
    for folder in ("results", "reproduction/figures"):
        for path in sorted((ROOT / "benchmarks" / folder).glob("*.svg")):
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Mend the links that lead out of the folder of pages."""
    folder = posixpath.dirname(page.file.src_uri)

    def mend(link: re.Match[str]) -> str:
        image, text, target, _ = link.groups()
        path = posixpath.normpath(posixpath.join(folder, target))
        if not path.startswith("../"):
            return link[0]
        path = path.removeprefix("../")
        if files.get_file_from_path(path):
            return f"{image}[{text}]({posixpath.relpath(path, folder or '.')})"
        return text if path in text else f'<abbr title="{path}, in the repository">{text}</abbr>'

    return _LINK.sub(mend, markdown)


class Doctests(griffe.Extension):
    """Puts the examples of docstrings into fences, without which `>>>` is a quotation."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Of anything that has a docstring."""
        if obj.docstring:
            obj.docstring.value = _DOCTEST.sub(lambda code: f"```pycon\n{code[0]}\n```", obj.docstring.value)
