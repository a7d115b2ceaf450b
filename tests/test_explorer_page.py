"""The map and the gallery: what the page says of classes, latents and samples is what Python says."""

import re

import numpy as np
import pytest

from driving_pages import assert_reads, assert_shows, cell, inspect, numbers, open_tab, pixels_of, samples_in

pytest_plugins = ("explorer_pages",)
pytestmark = pytest.mark.slow  # it trains three runs, and drives a browser


def test_the_map_tells_what_explain_tells(page, told):
    found = {}
    for label in page.locator("[role=gridcell]").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))"):
        name, latent, share = re.fullmatch(r"(.*), latent (\d+): (.*)", label).groups()
        found[name, int(latent)] = share
    assert set(found) == {(name, latent) for name in told.names for latent in told.used}
    for (name, latent), share in found.items():
        assert_reads(share, 100 * told.shares[told.names.index(name), latent])


def test_pointing_at_a_cell_tells_its_evidence(page, told):
    rng = np.random.default_rng(0)
    for latent in told.used:
        factor, label = told.factors[latent], int(rng.integers(len(told.names)))
        cell(page, told, label, latent).hover()
        text = page.locator("#map [aria-live]").inner_text()
        assert re.search(rf"Latent {latent}\b", text)
        assert factor.kind in text
        said = re.search(r"probability ([\d.]+) \(95\s%: ([\d.]+) … ([\d.]+)\)", text).groups()
        for shown, values in zip(said, (factor.active_by_class, factor.active_low, factor.active_high), strict=True):
            assert_reads(shown, values[label])
        assert_reads(re.search(r"effect ([\d.]+)", text)[1], factor.effect)
        if factor.classes and abs(factor.lift - 1) >= 0.05:  # one of all classes says nothing
            assert_reads(re.search(r"lift ([\d.]+)", text)[1], factor.lift)
        if len(factor.classes) < 6 and len(factor.classes) < len(told.names):
            assert all(name in text for name in factor.classes)
        assert all(name in text for name in factor.undecided)


def test_a_latent_is_inspected_by_the_head_of_its_column_or_by_a_cell(page, told):
    first, last = told.used[0], told.used[-1]
    assert re.search(rf"Latent {last}\b", inspect(page, last).get_by_role("heading").first.inner_text())
    cell(page, told, 0, first).click()
    assert re.search(rf"Latent {first}\b", page.get_by_role("tabpanel").get_by_role("heading").first.inner_text())


def test_a_class_is_shown_alone_until_it_is_picked_again(page, told):
    label = len(told.names) - 1
    head = page.locator("#map").get_by_role("button", name=told.names[label], exact=True)
    head.click()
    panel = open_tab(page, "samples")
    own = np.flatnonzero(told.labels == label)
    assert set(samples_in(panel, told)) == set(own)
    assert numbers(panel.get_by_role("status").inner_text()) == [len(own)]
    assert page.locator("#map [aria-pressed=true]").filter(has_text=told.names[label]).count() == 1
    head.click()
    assert len({told.labels[row] for row in samples_in(panel, told)}) == len(told.names)


def test_the_gallery_is_of_a_class_and_in_the_order_of_use(page, told):
    latent = told.of_few()
    inspect(page, latent)
    panel = open_tab(page, "samples")
    order = panel.get_by_role("combobox", name=re.compile("order", re.I))
    order.select_option(order.locator("option", has_text="strongest").get_attribute("value"))
    active = np.flatnonzero(told.z[:, latent])
    expected = active[np.argsort(-np.abs(told.z[active, latent]), kind="stable")]
    while (more := panel.get_by_role("button", name="Show more")).count():
        more.click()
    assert samples_in(panel, told) == expected.tolist()
    label = told.owners(latent)[0]
    panel.get_by_role("combobox", name=re.compile("class", re.I)).select_option(label=told.names[label])
    assert samples_in(panel, told) == [row for row in expected if told.labels[row] == label]


def test_samples_look_as_they_are(page, told):
    panel = open_tab(page, "samples")
    for row, pixels in zip(samples_in(panel, told)[:10], pixels_of(panel.locator("canvas")), strict=False):
        assert_shows(pixels, told.x[row], told)
