"""Writes docs/bad-data.md from the lines that tests/test_bad_data.py runs: `python docs/make_bad_data.py`."""

import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from bad_data import REFUSED, TAKEN  # noqa: E402

_ABOUT = """# Bad data

What cospike says of input that it cannot use, and what it does with input that is unusual. In Python the line is the
message of a `cospike.InputError`, which is a `ValueError`. On the command line it goes to standard error after
`cospike: `, with exit code 2 and no traceback; nothing is written, and a run that is there stays as it is. Where a line
has …, something may stand that depends on the machine.

`x` is 60 samples of six values in 0 … 1, `y` their labels 0, 1 and 2, `data` a data set of both; `z` is codes of three
latents, `codes` their `Codes`; `many_x` is 20,000 samples of 5,000 classes, `many_y`. `model` takes such samples, and
so does `gaussian`, with a Gaussian likelihood; `vsc` is `Objective.vsc()`; `transformer` and `classifier` are
estimators with four latents, which train for an epoch. `cells` is an AnnData object of 60 cells and six genes, with
counts in a layer, and `with_counts` gives it others; `counter` is a model of counts. `images` is a folder of IDX files
and `run` a finished run; `full` is a disk without room, on which lies such a run; `empty` is an empty file,
`empty-folder` an empty folder; in `hollow` the images are an empty file, in `nested` a folder; `unpaired` has no
labels, `short` too few. `\\xff` is a byte that is no text.

This page is made of the lines that the tests run, `python docs/make_bad_data.py`. What an estimator is given is checked
by scikit-learn before cospike sees it: of its messages the first line is shown.
"""


def make_page() -> str:
    """The page as Markdown."""
    parts = [_ABOUT, "\n## Refused\n"]
    for section, refused in REFUSED.items():
        parts.append(f"\n### {section}\n\n| what | given | message |\n|---|---|---|\n")
        parts += [_row(case.what, _code(case.given), _text(case.says)) for case in refused]
    parts.append("\n## Taken\n")
    for section, taken in TAKEN.items():
        parts.append(f"\n### {section}, taken\n\n| what | given | what comes of it |\n|---|---|---|\n")
        parts += [_row(case.what, _code(case.given), case.so) for case in taken]
    return "".join(parts)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _code(line: str) -> str:
    return f"`{line}`"


def _text(message: str) -> str:
    """As text, in which nothing but what is between backquotes means anything to Markdown."""
    return "`` " + message.replace("|", "\\|") + " ``" if "`" in message else f"`{message}`"


def main(arguments: Sequence[str]) -> None:
    """Write the page, or print it for `-`."""
    page = make_page().encode(errors="backslashreplace")
    if list(arguments) == ["-"]:
        sys.stdout.buffer.write(page)
    else:
        (ROOT / "docs" / "bad-data.md").write_bytes(page)


if __name__ == "__main__":
    main(sys.argv[1:])
