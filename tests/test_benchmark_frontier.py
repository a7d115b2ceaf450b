"""Frontiers: every model is named, no name on another, and an interval wider than all else hides nothing."""

import re
from itertools import combinations

import numpy as np
import pytest

from cospike import plots
from cospike.benchmark.frontier import Mark, frontier_figure

FAMILIES = {"ours": ("a", "b", "c"), "theirs": ("s", "t", "u"), "other": ("s", "v")}


def marks(spread=1.0, half=0.01, seed=0):
    rng = np.random.default_rng(seed)
    names = [name for names in FAMILIES.values() for name in names] + ["alone", "lonely"]
    points = {name: spread * rng.random(2) + 1 for name in names}
    return {
        name: Mark(f"model {name}", *((float(v), float(v - half), float(v + half)) for v in point))
        for name, point in points.items()
    }


def draw(given, **settings):
    return frontier_figure(given, FAMILIES, x_label="cost", y_label="height", **settings)


def boxes(figure):
    """Where the names stand, in pixels, as the figure's own renderer sets them."""
    (axes,) = figure.axes
    figure.canvas.draw()
    return {text.get_text(): text.get_window_extent() for text in axes.texts}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("log_y", [False, True])
def test_every_model_is_named_within_the_figure_and_no_name_is_on_another(seed, log_y):
    with plots.style():
        figure = draw(marks(seed=seed), log_y=log_y)
        named = boxes(figure)
    assert set(named) == {mark.label for mark in marks().values()}
    for (one, a), (other, b) in combinations(named.items(), 2):
        assert not a.padded(-1.5).overlaps(b.padded(-1.5)), (one, other)
    width, height = figure.get_size_inches() * figure.dpi
    for box in named.values():
        assert box.x0 > 0
        assert box.y0 > 0
        assert box.x1 < width
        assert box.y1 < height


def test_lines_join_a_family_in_its_order():
    given = marks()
    with plots.style():
        lines = {line.get_gid(): line.get_xydata() for line in draw(given).axes[0].lines if line.get_gid()}
    assert set(lines) == set(FAMILIES)
    for family, names in FAMILIES.items():
        assert lines[family] == pytest.approx(np.array([(given[name].x[0], given[name].y[0]) for name in names]))


def test_a_model_of_two_families_has_the_style_of_none():
    with plots.style():
        texts = {text.get_text(): text.get_color() for text in draw(marks()).axes[0].texts}
    assert texts["model s"] == texts["model alone"]
    assert len({texts[f"model {name}"] for name in "atv"} | {texts["model s"]}) == 4


def test_an_interval_wider_than_all_else_leaves_the_means_apart():
    wide = {name: mark._replace(x=(mark.x[0], -1e3, 1e3)) for name, mark in marks().items()}
    with plots.style():
        low, high = draw(wide).axes[0].get_xlim()
    means = [mark.x[0] for mark in wide.values()]
    assert low < min(means) < max(means) < high
    assert high - low < 2 * np.ptp(means)


@pytest.mark.parametrize("half", [np.nan, 0.01])
def test_the_same_marks_give_the_same_svg(half):
    with plots.style():
        first, second = (plots.to_svg(draw(marks(half=half)), "alt") for _ in range(2))
    assert first == second
    assert len(re.findall(r">model \w+</text>", first)) == 9


def test_one_point_can_be_drawn():
    only = {"a": Mark("a", (1.0, np.nan, np.nan), (0.0, np.nan, np.nan))}
    with plots.style():
        assert ">a</text>" in plots.to_svg(draw(only), "")
