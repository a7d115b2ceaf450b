"""Does what a page says, from top to bottom: `python docs/run_page.py docs/tutorials/images.md`.

Lines after `$ ` in console blocks are typed, Python blocks share their names. A figure that the page shows and the code
saves, by the same file name, goes to docs/images, so that what a reader sees is what the code made. The tests run every
page, and keep nothing.
"""

import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```(console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def run_page(page: Path) -> dict[str, Any]:
    """Run the page's blocks in the folder that we are in; the names that its Python defined."""
    import cospike.entry

    names: dict[str, Any] = {"__name__": "__page__"}
    for language, block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            exec(compile(block, str(page), "exec"), names)
        else:
            for line in re.findall(r"^\$ cospike (.*)$", block, re.MULTILINE):
                cospike.entry.main(shlex.split(line))
    return names


def main(pages: list[str]) -> None:
    """Run them, each in a folder of its own, and keep the figures they show."""
    import matplotlib as mpl

    mpl.use("svg")
    for page in map(Path, pages):
        shown = {Path(name).name for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8"))}
        with tempfile.TemporaryDirectory() as folder:
            here = Path.cwd()
            os.chdir(folder)
            try:
                run_page(here / page)
                for name in sorted(shown):
                    if Path(name).is_file():
                        print(shutil.copy(name, ROOT / "docs" / "images" / name))
            finally:
                os.chdir(here)


if __name__ == "__main__":
    main(sys.argv[1:])
