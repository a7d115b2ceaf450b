"""Names of others in spreadsheets and terminals."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cospike._text import cell, one_line

STARTS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"  # the last four are full-width


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("before", ["", " ", "\N{NO-BREAK SPACE}", "\ufeff"])
def test_no_text_starts_a_formula(start, before):
    assert cell(f"{before}{start}cmd|'/c calc'!A0") == f"'{before}{start}cmd|'/c calc'!A0"


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\0")))
def test_the_text_is_the_same_but_for_the_apostrophe(text):
    out = io.StringIO()
    csv.writer(out).writerow([cell(text)])
    (row,) = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert "".join(row).removeprefix("'") in (text, text.removeprefix("'"))
    assert "".join(row).strip()[:1] not in ("=", "+", "-", "@")


@pytest.mark.parametrize("text", ["", "T-shirt/top", "a=b", "1", "x-1.5"])
def test_other_text_stays(text):
    assert cell(text) == text


@given(st.text())
def test_a_line_moves_no_cursor_and_turns_no_text(text):
    line = one_line(text)
    assert len(line.splitlines()) <= 1 or not line.isascii()
    assert not any(ord(mark) < 32 or 127 <= ord(mark) < 160 for mark in line)
    assert not set(line) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    line.encode()


def test_what_a_terminal_only_shows_stays():
    assert one_line("Größe ≤ 3, 三, [bold]") == "Größe ≤ 3, 三, [bold]"
    assert one_line("\x1b]0;title\x07 a\tb") == "\ufffd]0;title\ufffd a b"
