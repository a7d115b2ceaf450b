"""Names that others gave, where text is more than text: cells of spreadsheets, lines of terminals."""

import os
import unicodedata

_FORMULAS = (
    "=+-@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
_BLANKS = " \N{NO-BREAK SPACE}\N{ZERO WIDTH NO-BREAK SPACE}"
_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # embeddings, overrides and isolates


def cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula: what would start one has an apostrophe before it.

    >>> cell("=1+1"), cell("T-shirt")
    ("'=1+1", 'T-shirt')
    """
    start = text.lstrip(_BLANKS)[:1]
    return f"'{text}" if start and start in _FORMULAS else text


def signed(value: float) -> str:
    """Two digits of a number with its sign, as a reader of tables has them.

    >>> signed(-172.3), signed(0.0123), signed(1.2e9)
    ('-170', '+0.012', '+1.2e+09')
    """
    text = f"{value:+.2g}"
    return f"{float(text):+,.0f}" if "e+" in text and abs(value) < 1e6 else text


def to_text(name: str) -> str:
    """The name of a file as text, which it need not be; what is written into a run is."""
    return os.fsencode(name).decode(errors="replace")


def one_line(text: str) -> str:
    r"""Text that a terminal only shows: no control characters, and nothing that turns the direction of writing.

    >>> one_line("a\x1b[2Jb\nc")
    'a�[2Jb c'
    """
    return "".join(map(_shown, text))


def _shown(mark: str) -> str:
    if mark in "\t\n\r":
        return " "
    return "\N{REPLACEMENT CHARACTER}" if mark in _TURNS or unicodedata.category(mark) in ("Cc", "Cs") else mark
