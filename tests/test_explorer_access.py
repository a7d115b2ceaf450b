"""Whoever reads the page: by keyboard, with a screen reader, in the dark, on a phone or on a wide screen."""

import re
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import cospike as cs
from cospike import metrics
from driving_pages import (
    TABS,
    assert_shows,
    cell,
    code_of,
    eventually,
    inspect,
    open_tab,
    opened,
    pixels_of,
    put_on_bench,
)
from untrained_run import make_run

pytest_plugins = ("explorer_pages",)
pytestmark = pytest.mark.slow  # it trains three runs, and drives a browser

AXE = Path(__file__).parents[1] / "explorer" / "node_modules" / "axe-core" / "axe.min.js"
WATCH = """() => {
    globalThis.reached = new Map();
    addEventListener("focusin", ({ target }) => reached.set(target, getComputedStyle(target).outlineStyle !== "none"));
}"""
COVERED = """async () => {
    await new Promise(next => requestAnimationFrame(() => requestAnimationFrame(next))); // it scrolls there first
    const { activeElement: one } = document, box = one.getBoundingClientRect();
    const seen = [0.1, 0.3, 0.5, 0.7, 0.9].some(share => {
        const at = document.elementFromPoint(box.x + box.width / 2, box.y + share * box.height);
        return at && (one.contains(at) || at.contains(one));
    });
    return seen || one === document.body ? null : one.outerHTML.slice(0, 120);
}"""
MISSED = """() => [...document.querySelectorAll("a[href], button, input, select, summary, textarea, [tabindex]")]
    .filter(one => !one.disabled && one.checkVisibility({ visibilityProperty: true }) && one.getClientRects().length)
    .filter(one => !globalThis.reached.has(one))
    .filter(one => !(one.tabIndex < 0 && one.closest("[role=grid], [role=tablist]")))
    .map(one => one.outerHTML.slice(0, 120))"""
AXE_RUN = """axe.run(document, { resultTypes: ["violations"] }).then(found => found.violations
    .filter(one => ["serious", "critical"].includes(one.impact))
    .map(one => `${one.id}: ${one.nodes.length} such as ${one.nodes[0].html.slice(0, 150)}`))"""
UNMARKED = "() => [...reached].filter(([, marked]) => !marked).map(([one]) => one.outerHTML.slice(0, 120))"
FOCUS = "() => document.activeElement.ariaLabel ?? document.activeElement.textContent"


@pytest.fixture(scope="module", params=["mnist", "wine"])
def told(request, explored):
    """Pictures and a table; all else is as with any other run."""
    return explored(request.param)


@pytest.fixture(scope="module")
def looked_at(browser, explored):
    """The page of a run with all latents shown, and one set by hand."""
    with ExitStack() as open_pages:

        @cache
        def look(run):
            page = open_pages.enter_context(opened(browser, explored(run).page))
            page.get_by_role("checkbox", name=re.compile("latents in use")).check()
            page.get_by_role("switch").first.click()
            return page

        yield look


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("run", ["mnist", "wine"])
def test_the_tab_key_comes_to_everything(looked_at, run, tab):
    page = looked_at(run)
    open_tab(page, tab)
    page.evaluate(WATCH)
    page.locator("h1").click()
    page.evaluate("document.activeElement.blur()")
    sizes = [0]
    while len(sizes) < 20 or sizes[-1] > sizes[-15]:
        page.keyboard.press("Tab")
        sizes.append(page.evaluate("reached.size"))
    assert page.evaluate(MISSED) == []
    assert page.evaluate(UNMARKED) == []
    assert sizes[-1] > 15


@pytest.mark.parametrize("key", ["Tab", "Shift+Tab"])
def test_what_has_the_focus_is_seen_on_a_phone(browser, explored, key):
    with opened(browser, explored("mnist").page, viewport={"width": 390, "height": 844}) as page:
        page.get_by_role("checkbox", name=re.compile("latents in use")).check()
        last = open_tab(page, "measures").locator("summary").last
        last.scroll_into_view_if_needed()
        (last if key == "Shift+Tab" else page.locator("#bench button:enabled").first).focus()
        covered = []
        for _ in range(36):
            page.keyboard.press(key)
            covered.append(page.evaluate(COVERED))
        assert [one for one in covered if one] == []


def test_arrows_come_to_every_cell_and_enter_picks(page, told):
    grid = page.get_by_role("grid")
    grid.locator("[tabindex='0']").focus()
    page.evaluate(WATCH)
    n_latents, n_classes = len(told.used), len(told.names)
    for key, n in (("ArrowLeft", n_latents), ("ArrowDown", 1), ("ArrowLeft", 1)):
        for _ in range(n):
            page.keyboard.press(key)
    for row in range(n_classes):
        for _ in range(n_latents):
            page.keyboard.press("ArrowLeft" if row % 2 else "ArrowRight")
        page.keyboard.press("ArrowDown")
    labels = grid.locator("tbody [role=gridcell]").evaluate_all("all => all.filter(one => !reached.has(one)).length")
    heads = grid.locator("tbody button").evaluate_all("all => all.filter(one => !reached.has(one)).length")
    assert (labels, heads) == (0, 0)
    cell(page, told, 0, told.used[-1]).focus()
    page.keyboard.press("Enter")
    heading = page.get_by_role("tabpanel").get_by_role("heading").first
    assert re.search(rf"Latent {told.used[-1]}\b", heading.inner_text())
    for _ in range(n_latents):
        page.keyboard.press("ArrowLeft")
    name = page.evaluate(FOCUS)
    assert name in told.names
    page.keyboard.press("Enter")
    assert page.evaluate("cospike.store.shown.value") == told.names.index(name)


def test_there_is_one_stop_of_the_tab_key_in_the_grid(browser, explored):
    """Whatever was picked last, and how."""
    told = explored("wine")
    dead = next(latent for latent, factor in told.factors.items() if factor.kind == "dead")
    with opened(browser, told.page) as page:
        stops, counts = page.locator("[role=grid] [tabindex='0']"), {}
        counts["at first"] = stops.count()
        stops.first.focus()
        page.keyboard.press("ArrowDown")
        counts["after an arrow"] = stops.count()
        for latent in (told.used[0], told.used[-1]):
            inspect(page, latent)
            counts[f"with {latent}"] = stops.count()
    with opened(browser, told.page, address=f"#latent={dead}&tab=latent") as page:
        counts["with a latent that the map has not"] = page.locator("[role=grid] [tabindex='0']").count()
    assert set(counts.values()) == {1}, counts


def test_arrows_go_through_the_tabs(page, told):
    page.get_by_role("tab", selected=True).focus()
    seen = []
    for _ in TABS:
        page.keyboard.press("ArrowRight")
        seen.append(page.evaluate(FOCUS))
        assert page.get_by_role("tab", selected=True).inner_text() == seen[-1]
    assert len(set(seen)) == len(TABS)
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(FOCUS) == seen[-2]


def test_a_spike_and_a_slab_are_set_by_keys(page, told):
    sample = int(np.argmax((told.z != 0).sum(axis=1)))
    put_on_bench(page, told, sample)
    latent = [i for i in told.used if told.z[sample, i]][-1]
    spike = page.get_by_role("switch", name=f"latent {latent} on", exact=True)
    for state in ("false", "true"):
        spike.press(" ")
        assert spike.get_attribute("aria-checked") == state
    slider = page.get_by_role("slider", name=f"value of latent {latent}", exact=True)
    middle = np.mean([float(slider.get_attribute(name)) for name in ("min", "max")])
    slider.fill(str(middle))
    before = code_of(page)
    for key, sign in (("ArrowRight", 1), ("ArrowLeft", -1), ("ArrowLeft", -1)):
        slider.press(key)
        now = code_of(page)
        assert np.sign(now[latent] - before[latent]) == sign
        before = now
    if not told.columns:
        shown = page.locator("#bench canvas").nth(2)
        eventually(lambda: assert_shows(pixels_of(shown)[0], told.decode(before)[0], told))


def test_the_link_at_the_start_goes_to_the_sample(page, told):
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.locator("#bench :focus").count() == 1
    assert not page.evaluate("location.hash")


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("run", ["mnist", "wine"])
def test_axe_finds_nothing_serious(looked_at, run, tab):
    if not AXE.is_file():
        pytest.skip("axe-core is not here (npm ci in explorer/)")
    page, found = looked_at(run), []
    page.evaluate(AXE.read_text(encoding="utf-8"))
    panel = open_tab(page, tab)
    for summary in panel.locator("summary").all():
        summary.click()
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        for width in (390, 1400):
            page.set_viewport_size({"width": width, "height": 900})
            found += [f"{theme}, {width}: {one}" for one in page.evaluate(AXE_RUN)]
    assert found == []


@pytest.fixture(scope="module")
def long_names(tmp_path_factory):
    """A run of which every name is long, with and without spaces."""
    names = ("a class with many words " * 12, "x" * 250, "W" * 80)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "N_PAIRS", 500)
        return cs.explore(make_run(tmp_path_factory.mktemp("long") / ("r" * 200), names=names, objective="o" * 150))


@pytest.mark.parametrize("run", ["mnist", "wine", "long"])
def test_the_page_fits_from_phone_to_wide_screen(browser, explored, long_names, run):
    path, found = long_names if run == "long" else explored(run).page, []
    with opened(browser, path) as page:
        for tab in TABS:
            panel = open_tab(page, tab)
            for summary in panel.locator("summary").all():
                summary.click()
            for width in (320, 390, 768, 1400, 2200):
                page.set_viewport_size({"width": width, "height": 800})
                wide = page.evaluate("document.documentElement.scrollWidth")
                if wide > width:
                    found.append((tab, width, wide))
        assert found == []


def ink(page):
    """How light the strokes of the first small picture are, 0 to 1."""
    (pixels,) = pixels_of(open_tab(page, "samples").locator("canvas").first)
    return pixels[pixels[..., 3] > 200][:, :3].mean() / 255


def test_light_and_dark(browser, explored):
    """Bars have the colour of the text, which must be seen on the paper, also once the theme is another."""
    with opened(browser, explored("wine").page, color_scheme="light") as page:
        paper = "() => Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]) / 255"

        def check(dark):
            assert (page.evaluate(paper) < 0.5) == dark
            assert (ink(page) > 0.5) == dark

        eventually(lambda: check(dark=False))
        page.emulate_media(color_scheme="dark")
        eventually(lambda: check(dark=True))
        choose = page.get_by_role("combobox", name=re.compile("theme", re.I))
        for theme in ("light", "dark"):
            choose.select_option(theme)
            eventually(lambda dark=theme == "dark": check(dark=dark))
