"""The panels: a latent at work, two classes, new samples, morphs and measures, each against what Python says."""

import csv
import re

import numpy as np
import pytest
from jinja2 import Environment, PackageLoader

from driving_pages import (
    assert_all_show,
    assert_reads,
    assert_shows,
    code_of,
    eventually,
    inspect,
    named,
    numbers,
    open_tab,
    pixels_of,
    put_on_bench,
    samples_in,
)

pytest_plugins = ("explorer_pages",)
pytestmark = pytest.mark.slow  # it trains three runs, and drives a browser


def after(panel, pattern):
    """The pictures below a heading."""
    heading = panel.get_by_role("heading", name=re.compile(pattern, re.I))
    return heading, heading.locator("xpath=following-sibling::*[1]")


def test_a_latent_is_described(page, told):
    """What stands there is in the table of factors, a file that another part of Python writes."""
    table = csv.DictReader((told.run / "factors.csv").read_text(encoding="utf-8").splitlines())
    rows = {int(row["latent"]): row for row in table}
    for latent in told.used:
        factor, text = told.factors[latent], inspect(page, latent).locator("header").inner_text()
        assert factor.kind in text
        assert_reads(re.search(r"(\d+)\s%", text)[1], 100 * factor.usage)
        assert_reads(re.search(r"effect ([\d.]+)", text, re.I)[1], factor.effect)
        if name := rows[latent]["goes_with"].replace("_", " "):
            shown = re.search(rf"goes with {re.escape(name)} \(\N{{GREEK SMALL LETTER RHO}} ([^)]*)\)", text, re.I)[1]
            assert_reads(shown.replace("+", ""), float(rows[latent]["rho"]))
        else:
            assert "goes with" not in text.lower()


def test_the_samples_that_use_a_latent_most(page, told):
    for latent in told.used:
        heading, tiles = after(inspect(page, latent), "strongest")
        active = np.flatnonzero(told.z[:, latent])
        order = active[np.argsort(-np.abs(told.z[active, latent]), kind="stable")]
        assert samples_in(tiles, told) == order[:12].tolist()
        assert len(order) in numbers(heading.inner_text())


def test_the_samples_in_which_a_latent_is_off_though_their_class_uses_it(page, told):
    found = 0
    for latent in told.used:
        heading, tiles = after(inspect(page, latent), "off, though")
        if not told.owners(latent):
            assert not heading.count()
            continue
        rows = np.flatnonzero(np.isin(told.labels, told.owners(latent)) & (told.z[:, latent] == 0))
        assert samples_in(tiles, told) == rows[:12].tolist()
        assert len(rows) in numbers(heading.inner_text())
        found += len(rows)
    assert found


def test_a_latent_is_set_in_several_samples_at_once(page, told):
    latent = told.of_few()
    panel = inspect(page, latent).get_by_role("region", name=re.compile("traversal", re.I))
    slider = panel.get_by_role("slider")
    ends = [float(slider.get_attribute(name)) for name in ("min", "max")]
    np.testing.assert_allclose(ends, [told.factors[latent].low, told.factors[latent].high], rtol=1e-5)
    rows = samples_in(panel, told)
    assert len(rows) == 5
    assert all(told.z[row, latent] for row in rows)
    for value in (*ends, None):
        if value is None:
            panel.get_by_role("button", name="Off", exact=True).click()
        else:
            slider.fill(str(value))
        z = told.z[rows].copy()
        z[:, latent] = value or 0

        eventually(lambda expected=z: assert_all_show(panel.locator("canvas"), expected, told))


def test_a_traversal_plays_and_stops(page, told):
    panel = inspect(page, told.of_few()).get_by_role("region", name=re.compile("traversal", re.I))
    value, pictures = panel.locator("output"), panel.locator("canvas")
    panel.get_by_role("button", name="Play").click()
    seen = set()
    eventually(lambda: (seen.add(value.inner_text()), _at_least(8, seen)))
    before = pixels_of(pictures)
    eventually(lambda: _all_differ(before, pixels_of(pictures)))
    panel.get_by_role("button", name="Pause").click()
    stopped = value.inner_text()
    page.wait_for_timeout(200)
    assert value.inner_text() == stopped


def _at_least(n, seen):
    assert len(seen) >= n


def _all_differ(before, after):
    assert all((one != two).any() for one, two in zip(before, after, strict=True))


def typical(told, label):
    """The mean of what training samples of a class have, of the latents that it uses."""
    return np.where(used_by(told, label), told.model.class_patterns.loc[label].numpy(), 0).astype("float32")


def used_by(told, label):
    """Which latents a class uses, as the factor table has it."""
    return np.array([label in told.owners(latent) for latent in range(told.codes.n_latents)])


def test_two_classes_are_compared(page, told):
    first, second = 0, len(told.names) - 1
    for label in (first, second):
        page.locator("#map").get_by_role("button", name=told.names[label], exact=True).click()
    panel, uses = page.get_by_role("tabpanel"), np.stack([used_by(told, label) for label in (first, second)])
    groups = panel.locator(".group")
    expected = (uses.all(axis=0), uses[0] & ~uses[1], uses[1] & ~uses[0])
    for i, (words, latents) in enumerate(zip(("both", *np.array(told.names)[[first, second]]), expected, strict=True)):
        assert words.lower() in groups.nth(i).get_by_role("heading").inner_text().lower()
        labels = groups.nth(i).get_by_role("button").evaluate_all("all => all.map(one => one.outerHTML)")
        assert {int(re.search(r"latent (\d+)", label)[1]) for label in labels} == set(np.flatnonzero(latents))
    check_way(page, told, panel, typical(told, first), typical(told, second))


def greedy(told, start, goal):
    """From a code to another, always by the latent that comes nearest to its sample: latents, and shares of the way."""
    now, order, shares = start.astype("float32"), [], []
    left, last = np.flatnonzero(start != goal).tolist(), told.decode(goal)
    whole = ((told.decode(start) - last) ** 2).sum(dtype=float)
    while left:
        tries = np.repeat(now[None], len(left), axis=0)
        tries[np.arange(len(left)), left] = goal[left]
        away = ((told.decode(tries) - last) ** 2).reshape(len(left), -1).sum(axis=1, dtype=float)
        best = int(away.argmin())
        now = tries[best]
        order.append(left.pop(best))
        shares.append(1 - away[best] / whole)
    return order, shares


def check_way(page, told, panel, start, goal):
    """The steps are those of a greedy search in Python, and each shows its code, which can be had on the bench."""
    order, shares = greedy(told, start, goal)
    steps = panel.get_by_role("img", name=re.compile(r"^step \d+: latent"))
    shown = eventually(lambda: _same_length(steps.evaluate_all("all => all.map(one => one.ariaLabel)"), order))
    assert [int(re.search(r"latent (\d+)", label)[1]) for label in shown] == order
    for label, share in zip(shown, shares, strict=True):
        assert_reads(re.search(r"([\d.\N{MINUS SIGN}]+)\s%", label)[1], 100 * share)
    z = np.repeat(start[None], len(order), axis=0)
    for i, latent in enumerate(order):
        z[i:, latent] = goal[latent]
    assert_all_show(steps, z, told)
    slider = panel.get_by_role("slider", name=re.compile("^from"))
    slider.fill("0.5")
    middle = told.decode((start + z[0]) / 2)[0]
    eventually(lambda: assert_shows(pixels_of(panel.locator(".walk canvas"))[0], middle, told))
    steps.first.click()
    np.testing.assert_allclose(code_of(page), z[0], rtol=1e-6)


def _same_length(labels, order):
    assert len(labels) == len(order), (labels, order)
    return labels


def test_a_sample_becomes_another_latent_by_latent(page, told):
    goal = int(np.argmax((told.z != 0).sum(axis=1)))
    start = int(np.argmax(((told.z != 0) != (told.z[goal] != 0)).sum(axis=1)))
    put_on_bench(page, told, goal)
    open_tab(page, "morph").get_by_role("button", name=re.compile("goal", re.I)).click()
    put_on_bench(page, told, start)
    panel = open_tab(page, "morph")
    assert samples_in(panel.locator(".controls").first, told) == [goal]
    check_way(page, told, panel, told.z[start], told.z[goal])


def test_the_goal_of_a_morph_is_chosen_among_samples(page, told):
    panel = open_tab(page, "morph")
    panel.locator("summary").click()
    tile = panel.locator("details").get_by_role("img").last
    (goal,) = samples_in(panel.locator("details .tile").last, told)
    tile.click()
    assert samples_in(panel.locator(".controls").first, told) == [goal]


def drawn(page, told, panel):
    """The codes of the new samples, each put on the bench in turn; each picture is that of its code."""
    tiles, codes = panel.get_by_role("img", name=named("new sample")), []
    for i in range(tiles.count()):
        tiles.nth(i).click()
        codes.append(code_of(page))
    assert_all_show(tiles, np.stack(codes), told)
    return np.stack(codes)


def redraw(tiles, ask):
    """What is asked for draws other samples, which come a moment later."""
    before = pixels_of(tiles)
    ask()
    eventually(lambda: _all_differ(before, pixels_of(tiles)))


def test_new_samples_are_of_a_class(page, told):
    panel, label = open_tab(page, "new"), len(told.names) - 1
    tiles = panel.get_by_role("img", name=named("new sample"))
    eventually(lambda: _same_length(tiles.all(), range(16)))
    classes = panel.get_by_role("combobox", name=re.compile("^new samples of", re.I))
    classes.select_option(label=told.names[0])
    redraw(tiles, lambda: classes.select_option(label=told.names[label]))
    codes, patterns = drawn(page, told, panel), told.model.class_patterns
    probs, loc, scale = (getattr(patterns, name)[label].numpy() for name in ("active_probs", "loc", "scale"))
    on = codes != 0
    assert (np.abs(on.sum(axis=0) - 16 * probs) <= 4 * np.sqrt(16 * probs * (1 - probs)) + 0.5).all()
    z = ((codes - loc) / scale)[on]
    assert np.abs(z).max() < 4.5
    assert abs(z.mean()) < 4 / np.sqrt(len(z))
    assert 0.6 < z.std() < 1.4
    assert len(np.unique(codes, axis=0)) == 16


def test_latents_that_are_held_stay_and_the_others_are_drawn_again(page, told):
    sample = int(np.argmin((told.z != 0).sum(axis=1)))
    put_on_bench(page, told, sample)
    panel = open_tab(page, "new")
    tiles = panel.get_by_role("img", name=named("new sample"))
    held = [next(i for i in told.used if told.z[sample, i]), next(i for i in told.used if not told.z[sample, i])]
    for latent in held:
        panel.get_by_role("checkbox", name=re.compile(rf"^{latent}\b")).check()
    label = told.names[told.labels[sample]]
    panel.get_by_role("combobox", name=re.compile("^new samples of", re.I)).select_option(label=label)
    redraw(tiles, panel.get_by_role("button", name=re.compile("again")).click)
    first = drawn(page, told, panel)
    redraw(tiles, panel.get_by_role("button", name=re.compile("again")).click)
    codes = np.r_[first, drawn(page, told, panel)]
    assert (codes[:, held] == told.z[sample, held]).all()
    free = next(i for i in told.used if i not in held and told.factors[i].kind == "always-on")
    assert len(np.unique(codes[:, free])) == 32


def test_measures_are_those_of_the_run_with_what_they_mean(page, told):
    panel = open_tab(page, "measures")
    for summary in panel.locator("summary").all():
        summary.click()
    rows = panel.locator("tbody tr").evaluate_all("all => all.map(one => [...one.cells].map(cell => cell.innerText))")
    rows = [[" ".join(cell.split()) for cell in row] for row in rows]
    known = {name: one for name, one in told.metrics.items() if one["value"] is not None}
    described = Environment(loader=PackageLoader("cospike")).get_template("words.j2").module.MEASURES
    assert len(rows) == len(known)
    for name, one in known.items():
        title, meaning = described.get(name, (name, " ".join(one["how"].split())))
        (row,) = (row for row in rows if row[0].startswith(f"{title} ") and meaning in row[0])
        assert_reads(row[1].split("±")[0], one["value"] * (100 if one["unit"] == "fraction" else 1))
        assert [word in row[2] for word in ("higher", "lower")] == [
            word == one["direction"] for word in ("higher", "lower")
        ]
