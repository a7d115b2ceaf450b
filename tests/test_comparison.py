"""The page that compares libraries names a source for everything it says, and nothing that is not there."""

import re
from pathlib import Path

HOME = Path(__file__).parent.parent
PAGE = (HOME / "docs" / "comparison.md").read_text(encoding="utf-8")
BODY, SOURCES = PAGE.split("## Sources")
LETTERS = {"pythae": "p", "scvi-tools": "s", "disentanglement_lib": "d", "SAELens": "l"}
UNSAID = {"not measured", "the other side of that", "the scores below"}  # what is said of no library


def rows(section):
    """Cells of the tables in a part of the page, without their heads."""
    lines = [line for line in section.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


COMPARED, BY_HAND = BODY.split("## What is written by hand")
FEATURES = [row for row in rows(COMPARED) if len(row) == 6 and row[1] != "cospike"]


def test_every_cell_about_another_library_names_a_source_of_that_library():
    assert len(FEATURES) > 25
    for feature, _, *others in FEATURES:
        for (library, letter), cell in zip(LETTERS.items(), others, strict=True):
            tags = re.findall(r"`([psdl])\d+`", cell)
            assert cell in UNSAID or (tags and set(tags) == {letter}), (feature, library, cell)


def test_every_cell_about_cospike_leads_to_a_test_or_a_page():
    for feature, cell, *_ in FEATURES:
        assert re.search(r"\]\([^)]+\)", cell), feature


def test_sources_are_listed_once_and_all_are_used():
    listed = re.findall(r"^- `([psdl]\d+)`", SOURCES, re.MULTILINE)
    assert len(set(listed)) == len(listed)
    assert set(listed) == set(re.findall(r"`([psdl]\d+)`", BODY))


def test_links_lead_somewhere():
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)\)", PAGE):
        assert (HOME / "docs" / link).exists(), link


def test_what_is_said_to_be_written_by_hand_is_there():
    first = [row[0] for row in rows(BY_HAND) if row[0] != "by hand"]
    assert len(first) > 25
    for cell in first:
        for name in re.findall(r"`([^`.]+)(?:\.([a-z_]+))?`", cell.split(":")[0]):
            source = HOME / "src" / "cospike" / f"{name[0]}.py"
            assert source.exists(), cell
            assert name[1] in source.read_text(encoding="utf-8"), cell
