"""Figures: the same bytes every time, no trace in the caller's settings, and nothing that a name could break."""

import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest

from cospike import plots

NAMES = ("<script>alert('x')</script>", "$a_b^", "\N{CJK UNIFIED IDEOGRAPH-4E09}", "two\nlines")


def pattern():
    return plots.pattern_figure(np.eye(4), NAMES, (7, 1, 3, 5), ("global", "group", "group", "class-specific"))


def overlap(n=4):
    branches = [((0.0, 0.0, 1.0, 1.0), (0.0, 0.4, 0.4, 0.0))] if n > 1 else []
    return plots.overlap_figure(np.eye(n), (NAMES * 10)[:n], branches)


def pictures(channels=1, size=8):
    values = np.random.default_rng(0).random((4, 3, size, size, channels))
    values[0, 2] = np.nan  # no picture there
    return plots.picture_figure(values, NAMES, ("off", "", "1.5"), column_breaks=(1,))


def pairs():
    return plots.picture_figure(np.zeros((8, 2, 5, 9, 1)), NAMES, rows_per_name=2)


def profiles(columns=12):
    lines = np.random.default_rng(0).normal(size=(4, 3, columns))
    return plots.profile_figure(lines, NAMES, colors=[plots.INK, *plots.blend(2)], dashed=[0])


def curve(epochs=5):
    return plots.curve_figure(range(1, epochs + 1), [3.0] * epochs, [2.0] * epochs)


FIGURES = [
    pattern,
    overlap,
    lambda: overlap(1),
    lambda: overlap(14),
    pictures,
    lambda: pictures(3, 80),
    pairs,
    profiles,
    lambda: profiles(100),
    lambda: plots.profile_figure(np.zeros((1, 1, 1)), [""], colors=[plots.BLUE]),
    curve,
    lambda: curve(1),
]


@pytest.mark.parametrize("draw", FIGURES)
def test_the_same_arrays_give_the_same_well_formed_bytes(draw):
    with plots.style():
        first, second = (plots.to_svg(draw(), 'what "it" shows & why') for _ in range(2))
    assert first == second
    root = ET.fromstring(first.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1))
    assert root.get("aria-label") == 'what "it" shows & why'
    assert root.get("role") == "img"
    assert "<script" not in first
    assert not re.search(r"\bfont-family|<style|<metadata|\d{4}-\d\d-\d\dT", first)
    assert "#000000" not in first  # ink takes the colour of the page
    for x, y in re.findall(r'<text [^>]*x="([-\d.]+)" y="([-\d.]+)"', first):
        assert 0 <= float(x) <= float(root.get("width"))
        assert 0 <= float(y) <= float(root.get("height"))


@pytest.mark.parametrize("draw", [pattern, overlap, pictures, profiles])
def test_every_name_is_written_as_it_is(draw):
    with plots.style():
        svg = plots.to_svg(draw(), "")
    for name in ("&lt;scrip…script&gt;", "$a_b^", "\N{CJK UNIFIED IDEOGRAPH-4E09}", "two lines"):
        assert f">{name}</text>" in svg


def test_long_names_keep_the_end_that_tells_them_apart():
    names = [f"class with long name {i}" for i in range(30)]
    with plots.style():
        svg = plots.to_svg(plots.overlap_figure(np.eye(30), names, []), "")
    shown = re.findall(">(class….*)</text>", svg)
    assert len(set(shown)) == 30
    assert max(map(len, shown)) <= 14


def test_the_users_settings_neither_matter_nor_change():
    with plots.style():
        expected = plots.to_svg(curve(), "")
    before = dict(mpl.rcParams)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path", "lines.linewidth": 9}):
        changed = dict(mpl.rcParams)
        with plots.style():
            assert plots.to_svg(curve(), "") == expected
        assert dict(mpl.rcParams) == changed
    assert dict(mpl.rcParams) == before


def test_a_difference_is_white_where_nothing_changes_and_red_where_light_is_added():
    change = np.array([0.0, 0.5, -0.5]).reshape(3, 1, 1, 1)
    none, added, taken = plots.difference_pictures(change).reshape(3, 3)
    assert none.min() > 0.95
    assert added[0] > added[2]
    assert taken[2] > taken[0]
    assert plots.difference_pictures(np.zeros((1, 2, 2, 3))).min() > 0.95


def test_pictures_of_any_size_come_near_the_size_of_a_tile():
    for side, expected in ((8, 56), (28, 56), (32, 32), (64, 64), (224, 56)):
        (axes,) = plots.picture_figure(np.zeros((1, 1, side, side, 1)), ["a"]).axes
        assert axes.images[0].get_array().shape[:2] == (expected, expected)


def test_a_missing_picture_is_transparent():
    array = pictures().axes[0].images[0].get_array()
    assert array[0, 0, 3] == 1
    assert array[0, -1, 3] == 0


def test_blended_colours_run_from_blue_to_vermillion():
    assert plots.blend(3)[::2] == [plots.BLUE, plots.VERMILLION]


def test_what_is_marked_has_a_frame_around_it():
    marked = np.array([[False, True, False], [True, False, False]])
    with plots.style():
        figure = plots.picture_figure(np.zeros((2, 3, 8, 8, 1)), NAMES[:2], marked=marked)
    (axes,) = figure.axes
    x, y = axes.get_xlim(), sorted(axes.get_ylim())
    corners = [(patch.get_x(), patch.get_y()) for patch in axes.patches]
    assert len(corners) == 2
    assert corners[0][0] > corners[1][0] == x[0]  # the second column, then the first
    assert corners[1][1] > corners[0][1] == y[0]  # the first row, then the second


def test_marked_lines_are_dotted():
    marked = np.array([[False, True]])
    with plots.style():
        figure = plots.profile_figure(np.zeros((1, 2, 5)), ["a"], colors=[plots.INK] * 2, dashed=[0], marked=marked)
    assert [line.get_linestyle() for line in figure.axes[0].lines] == ["--", ":"]
