"""The bench: spikes are switched, slabs moved, and each picture is what PyTorch makes of the code."""

import re

import numpy as np
import pytest

import cospike as cs
from driving_pages import (
    assert_reads,
    assert_shows,
    code_of,
    decoded,
    eventually,
    numbers,
    open_tab,
    pixels_of,
    put_on_bench,
    samples_in,
)

pytest_plugins = ("explorer_pages",)
pytestmark = pytest.mark.slow  # it trains three runs, and drives a browser


def sample_of(told):
    """A sample with most latents on."""
    return int(np.argmax((told.z != 0).sum(axis=1)))


def class_range(told, latent, label):
    """The hundredths at both ends of a latent's values in a class; in all where fewer than five of it use it."""
    values, labels = told.codes.values()[:, latent], told.codes.labels
    own = values[(labels == label) & (values != 0)]
    return np.quantile(own if len(own) >= 5 else values[values != 0], [0.01, 0.99])


def widest_range(told, latent):
    values = told.codes.values()[:, latent]
    low, high = values[values != 0].min(), values[values != 0].max()
    more = max((high - low) / 2, 1)
    return low - more, high + more


def show_all(page):
    page.get_by_role("checkbox", name=re.compile("latents in use")).check()


def widen(page):
    page.get_by_role("checkbox", name=re.compile("beyond")).check()


def switch(page, latent):
    return page.get_by_role("switch", name=f"latent {latent} on", exact=True)


def slider(page, latent):
    return page.get_by_role("slider", name=f"value of latent {latent}", exact=True)


def ends_of(page, latent):
    return [float(slider(page, latent).get_attribute(name)) for name in ("min", "max")]


def check_bench(page, told, sample, z):
    """The bench shows the sample, what the model makes of it, and of the code ``z``, and what they differ by."""
    np.testing.assert_allclose(code_of(page), z, rtol=1e-6)
    old, new = told.decode(np.stack([told.z[sample], z]).astype("float32"))
    if told.columns:
        check_rows(page, told, told.x[sample], old, new)
        return
    given, before, after, difference = pixels_of(page.locator("#bench canvas"))
    np.testing.assert_array_equal(given[..., 0], np.round(255 * told.x[sample][0]))
    assert_shows(before, old, told)
    assert_shows(after, new, told)
    change = (new - old)[0]
    np.testing.assert_allclose(difference[..., 3] / 255, np.abs(change).clip(0, 1), atol=1.5 / 255)
    more, sure = difference[..., 0].astype(int) > difference[..., 2], np.abs(change) > 0.05
    np.testing.assert_array_equal(more[sure], (change > 0)[sure])


def expected_rows(told, entries):
    """The rows of a table by their names: numbers in their own units, shares in percent, None for what is missing."""
    rows, at = {}, 0
    for column in told.columns:
        end = at + column.size
        lost = column.missing and entries[end] > 0.5
        if column.kind == "gaussian":
            rows[column.name] = None if lost else entries[at] * column.scale + column.loc
        else:
            names = column.categories[-column.size :]
            rows |= {f"{column.name} = {name}": None if lost else 100 * entries[at + i] for i, name in enumerate(names)}
        at = end + column.missing
    return rows


def check_rows(page, told, given, old, new):
    read = "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    shown = {row[0]: row[2:] for row in page.locator("#bench tbody tr").evaluate_all(read)}
    columns = [expected_rows(told, entries) for entries in (given, new)]
    before = expected_rows(told, old)
    assert len(shown) >= len(told.columns)
    for name, (sample, yours, change) in shown.items():
        for text, rows in zip((sample, yours), columns, strict=True):
            if rows[name] is None:
                assert text == "missing"
            else:
                assert_reads(text, rows[name])
        if change and before[name] is not None:
            assert_reads(change, columns[1][name] - before[name])
            assert not change.startswith("+") or columns[1][name] > before[name]


def test_decoded_codes_are_those_of_pytorch(page, told):
    rng = np.random.default_rng(0)
    z = told.z[rng.integers(len(told.z), size=200)] * rng.normal(1, 0.5, (200, told.z.shape[1]))
    z = np.where(rng.random(z.shape) < 0.1, rng.normal(0, 2, z.shape), z).astype("float32")
    found = decoded(page, z)
    np.testing.assert_allclose(found, told.decode(z).reshape(200, -1), atol=1e-3)
    assert np.ptp(found, axis=0).max() > 0.1  # they are not all one picture


def test_a_sample_comes_to_the_bench_with_its_code(page, told):
    show_all(page)
    for sample in (sample_of(told), len(told.z) - 1):
        put_on_bench(page, told, sample)
        assert str(told.index[sample]) in page.locator("#bench h2").inner_text()
        eventually(lambda row=sample: check_bench(page, told, row, told.z[row]))
        for latent in told.used:
            value = told.z[sample, latent]
            assert switch(page, latent).get_attribute("aria-checked") == str(bool(value)).lower()
            if value:
                assert float(slider(page, latent).input_value()) == pytest.approx(value, rel=1e-5)


def test_the_next_sample_and_the_one_before(page, told):
    first = page.locator("#bench h2").inner_text()
    page.get_by_role("button", name="next sample").click()
    assert page.locator("#bench h2").inner_text() != first
    page.get_by_role("button", name="previous sample").click()
    assert page.locator("#bench h2").inner_text() == first


def test_a_spike_is_switched_off_and_on_and_undone(page, told):
    sample = sample_of(told)
    put_on_bench(page, told, sample)
    z = told.z[sample].copy()
    on = [latent for latent in told.used if z[latent]]
    for latent in on[:3]:
        switch(page, latent).click()
        z[latent] = 0
        eventually(lambda: check_bench(page, told, sample, z))
        assert switch(page, latent).get_attribute("aria-checked") == "false"
    assert 3 in numbers(page.locator("#bench").get_by_role("status").inner_text())
    page.get_by_role("button", name=f"undo latent {on[0]}", exact=True).click()
    z[on[0]] = told.z[sample, on[0]]
    eventually(lambda: check_bench(page, told, sample, z))
    switch(page, on[1]).click()  # on again: at the value that the sample has
    z[on[1]] = np.clip(told.slab[sample, on[1]], *class_range(told, on[1], told.labels[sample]))
    eventually(lambda: check_bench(page, told, sample, z))
    page.get_by_role("button", name="Undo all").click()
    eventually(lambda: check_bench(page, told, sample, told.z[sample]))


def test_a_spike_that_was_off_comes_on_within_the_range_of_its_class(page, told):
    sample = int(np.argmin((told.z != 0).sum(axis=1)))
    put_on_bench(page, told, sample)
    show_all(page)
    latent = next(latent for latent in told.used if not told.z[sample, latent])
    switch(page, latent).click()
    z = told.z[sample].copy()
    z[latent] = np.clip(told.slab[sample, latent], *class_range(told, latent, told.labels[sample]))
    eventually(lambda: check_bench(page, told, sample, z))


def test_a_slider_goes_as_far_as_its_class_and_further_on_request(page, told):
    sample = sample_of(told)
    put_on_bench(page, told, sample)
    for latent in (latent for latent in told.used if told.z[sample, latent]):
        low, high = class_range(told, latent, told.labels[sample])
        own = told.z[sample, latent]
        np.testing.assert_allclose(ends_of(page, latent), [min(low, own), max(high, own)], rtol=1e-4)
    widen(page)
    for latent in (latent for latent in told.used if told.z[sample, latent]):
        np.testing.assert_allclose(ends_of(page, latent), widest_range(told, latent), rtol=1e-4)


def test_a_slider_moves_the_picture(page, told):
    sample = sample_of(told)
    put_on_bench(page, told, sample)
    z = told.z[sample].copy()
    for latent in [latent for latent in told.used if z[latent]][-2:]:
        for end in ends_of(page, latent):
            slider(page, latent).fill(str(end))
            z[latent] = end
            eventually(lambda: check_bench(page, told, sample, z))
        assert_reads(page.locator("li", has=slider(page, latent)).locator("output").inner_text(), z[latent])


def test_a_code_is_outside_where_python_has_it_outside(page, told):
    rng = np.random.default_rng(1)
    data, n = cs.Plausibility.fit(told.codes), 400
    z = told.z[rng.integers(len(told.z), size=n)]
    z = z * (1 + rng.exponential(0.4, (n, 1)) * rng.normal(size=z.shape))
    flip = (rng.random(z.shape) < 0.02) & np.isin(np.arange(z.shape[1]), told.used)
    z = np.where(flip, np.where(z == 0, rng.normal(0, 2, z.shape), 0), z).astype("float32")
    judged = page.evaluate("codes => codes.map(one => cospike.judge(Float32Array.from(one)))", z.tolist())
    np.testing.assert_allclose([one["score"] for one in judged], data.score(z), rtol=1e-3)
    inside = data.inside(z)
    np.testing.assert_array_equal([one["inside"] for one in judged], inside)
    assert 0.15 < inside.mean() < 0.96
    np.testing.assert_array_equal(
        page.evaluate("rows => rows.map(row => cospike.judge(cospike.codeOf(row)).inside)", list(range(len(told.z)))),
        data.inside(told.z),
    )


def test_the_bench_marks_what_leaves_the_data(page, told):
    data, status = cs.Plausibility.fit(told.codes), page.locator("#bench").get_by_role("status")
    sample = next(row for row in range(len(told.z)) if data.inside(told.z[row : row + 1])[0])
    put_on_bench(page, told, sample)
    widen(page)
    assert "outside the data" not in status.inner_text().lower()
    found = set()
    for latent in (latent for latent in told.used if told.z[sample, latent]):
        for end in ends_of(page, latent):
            slider(page, latent).fill(str(end))
            z = told.z[sample].copy()
            z[latent] = end
            inside = bool(data.inside(z[None])[0])
            found.add(inside)
            assert ("outside the data" in status.inner_text().lower()) == (not inside)
            marked = page.locator("#bench").get_by_role("img", name=re.compile("outside"))
            assert told.columns or bool(marked.count()) == (not inside)
        page.get_by_role("button", name="Undo all").click()
    assert False in found


def test_another_sample_starts_without_changes(page, told):
    put_on_bench(page, told, sample_of(told))
    latent = next(latent for latent in told.used if told.z[sample_of(told), latent])
    switch(page, latent).click()
    panel = open_tab(page, "samples")
    other = next(row for row in samples_in(panel, told) if row != sample_of(told))
    panel.get_by_role("img", name=re.compile(rf"^sample {told.index[other]}, ")).click()
    eventually(lambda: check_bench(page, told, other, told.z[other]))
