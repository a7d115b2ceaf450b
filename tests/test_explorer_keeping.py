"""What a reader keeps and brings: views in the address, pictures and tables in files, and the page of another run."""

import base64
import csv
import io
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save as format_arrays

from cospike.html_explorer import TEMPLATE, fill
from driving_pages import (
    assert_reads,
    drop,
    eventually,
    inspect,
    numbers,
    open_tab,
    opened,
    payload,
    pixels_of,
    put_on_bench,
    saved,
)

pytest_plugins = ("explorer_pages",)
pytestmark = pytest.mark.slow  # it trains three runs, and drives a browser

STATE = """() => Object.fromEntries("sample edits latent shown sort pair tab target drawn seed locked wide theme"
    .split(" ").map(name => [name, cospike.store[name].value]))"""
SVG = "{http://www.w3.org/2000/svg}"


def press(place, words):
    return place.get_by_role("button", name=re.compile(words, re.I)).click


def shuffled(page, out):
    """The page of a run that differs in nothing but the order and the direction of its latents; and that order."""
    about, arrays = payload(page)
    n = about["n_latents"]
    rng = np.random.default_rng(0)
    places, sign = rng.permutation(n), np.ones(n, dtype=int)
    free = [one["latent"] for one in about["factors"] if one["kind"] == "always-on"]  # high less low: a convention
    sign[free] = -1
    order = np.argsort(places)
    by_row = ("change", "change_scale", "latent_low", "latent_high", "surprise_scale")
    by_column = re.compile("active_|pattern_|class_|slab_|surprise_(on|total|squares)")
    arrays["change"] = (arrays["change"] * sign[:, None]).astype("int8")
    for name, array in arrays.items():
        if name in by_row or by_column.match(name):
            arrays[name] = np.ascontiguousarray(array[order] if name in by_row else array[:, order])
    about["factors"] = [one | {"latent": int(places[one["latent"]])} for one in about["factors"]]
    content = format_arrays(arrays, metadata={"explorer": json.dumps(about | {"run": "shuffled"})})
    out.write_bytes(fill(TEMPLATE.read_text(encoding="utf-8"), name="shuffled", decoder=b"", run=content))
    return places


def matches(panel):
    """The rows of the table of partners: here, there, and how alike."""
    table = panel.get_by_role("region", name=re.compile("latents of both", re.I)).locator("tbody tr")
    rows = table.evaluate_all("all => all.map(one => [...one.cells].map(cell => cell.innerText))")
    return [(int(numbers(row[0])[0]), int((numbers(row[1]) or [-1])[0]), row[2:]) for row in rows]


def test_a_view_is_kept_in_the_address(browser, page, told):
    page.get_by_role("combobox", name=re.compile("theme", re.I)).select_option("dark")
    put_on_bench(page, told, len(told.z) - 1)
    latent = next(i for i in told.used if told.z[-1, i])
    page.get_by_role("checkbox", name=re.compile("beyond")).check()
    move = page.get_by_role("slider", name=f"value of latent {latent}", exact=True)
    move.fill(move.get_attribute("max"))
    inspect(page, told.used[-1])
    page.locator("#map").get_by_role("button", name=told.names[1], exact=True).click()
    order = open_tab(page, "samples").get_by_role("combobox", name=re.compile("order", re.I))
    order.select_option(order.locator("option", has_text="strongest").get_attribute("value"))
    press(open_tab(page, "classes"), "swap")()
    press(open_tab(page, "morph"), "goal")()
    panel = open_tab(page, "new")
    press(panel, "again")()
    panel.get_by_role("checkbox", name=re.compile(rf"^{latent}\b")).check()
    state = page.evaluate(STATE)
    page.wait_for_timeout(400)  # an address is not written with every move
    with opened(browser, told.page, address=f"#{page.url.partition('#')[2]}") as other:
        again = other.evaluate(STATE)
        assert again["edits"] == pytest.approx(state["edits"], rel=1e-5)
        assert again | {"edits": 0} == state | {"edits": 0}
        assert other.url == page.url
        assert other.get_by_role("tabpanel").inner_text() == panel.inner_text()
        colours = [one.evaluate("getComputedStyle(document.body).backgroundColor") for one in (page, other)]
        assert colours[0] == colours[1]
        eventually(lambda: assert_same_pictures(page, other))


def assert_same_pictures(*pages):
    one, two = (pixels_of(page.locator("#bench canvas, #panel canvas")) for page in pages)
    assert len(one) == len(two) >= 16
    for mine, other in zip(one, two, strict=True):
        np.testing.assert_allclose(mine.astype(int), other, atol=1)


NONSENSE = [
    "sample=99999&latent=-3&class=77&to=1.5&of=x&seed=-1",
    "tab=nothing&theme=pink&sort=__proto__&tab=toString",
    "set=abc,1,99:1,0:NaN,-1:2,1:1e9&pair=1&locked=999&wide=maybe",
    "set=0&pair=0,9999&locked=0,x",
    "set=:5,1:",
    "%E0%A4%A&&==&set=%00&<script>alert(1)</script>",
]


def test_an_address_that_means_nothing_is_ignored(browser, explored):
    told = explored("wine")
    with opened(browser, told.page) as page:
        state = page.evaluate(STATE)
    with opened(browser, told.page, address=f"#{'&'.join(NONSENSE)}") as page:
        assert page.evaluate(STATE) == state
        for address in NONSENSE:
            page.evaluate("address => { location.hash = address; }", f"tab=morph&{address}")
            page.locator("[role=tab][aria-selected=true]:text-matches('morph', 'i')").wait_for()
            assert page.evaluate(STATE) == state | {"tab": "morph"}
            page.evaluate("location.hash = ''")
            page.locator("[role=tab][aria-selected=true]:text-matches('samples', 'i')").wait_for()


def test_what_is_on_the_bench_is_saved_as_png_and_svg(page, told):
    put_on_bench(page, told, 0)
    bench = page.locator("#bench")
    name, content = saved(page, press(bench, "png"))
    picture = Image.open(io.BytesIO(content))
    assert name.endswith(".png")
    name, content = saved(page, press(bench, "svg"))
    assert name.endswith(".svg")
    root = ET.fromstring(content)
    if told.columns:
        assert_bars_saved(page, told, root, picture)
        return
    parts = [
        Image.open(io.BytesIO(base64.b64decode(one.get("href").partition(",")[2]))) for one in root.iter(f"{SVG}image")
    ]
    assert len(parts) == len(list(root.iter(f"{SVG}text"))) == 4
    wide, high = parts[0].size
    assert min(wide, high) >= 100
    assert picture.size == (int(root.get("width")), int(root.get("height")))
    assert picture.width > 4 * wide
    for part, place in zip(parts, root.iter(f"{SVG}image"), strict=True):
        x, y = int(place.get("x")), int(place.get("y"))
        paper = Image.new("RGB", part.size, "white")
        paper.paste(part, mask=part.getchannel("A") if part.mode == "RGBA" else None)
        np.testing.assert_allclose(np.array(picture.convert("RGB").crop((x, y, x + wide, y + high))), paper, atol=2)
    side = told.x.shape[-1]
    found = np.array(parts[0].convert("L").resize((side, side), Image.Resampling.NEAREST))
    np.testing.assert_allclose(found, 255 * told.x[0][0], atol=1)


def assert_bars_saved(page, told, root, picture):
    """The table as it stands: names and numbers; and the same as pixels, which are not all white."""
    texts = [one.text or "" for one in root.iter(f"{SVG}text")]
    for row in page.locator("#bench tbody tr").evaluate_all("all => all.map(r => [...r.cells].map(c => c.innerText))"):
        name, _, *values = row
        at = texts.index(name)
        assert texts[at + 1 : at + 4] == values
    assert {column.name for column in told.columns} <= {text.partition(" = ")[0] for text in texts}
    assert picture.size == (2 * int(root.get("width")), 2 * int(root.get("height")))
    assert np.array(picture.convert("L")).std() > 10


@pytest.mark.parametrize(("tab", "least"), [("latent", 5), ("classes", 3), ("new", 16), ("morph", 3)])
def test_every_panel_saves_what_it_shows(page, told, tab, least):
    panel = open_tab(page, tab)
    panel.get_by_role("button", name=re.compile("svg", re.I)).wait_for()
    page.wait_for_timeout(100)
    root = ET.fromstring(saved(page, press(panel, "svg"))[1])
    assert len(list(root.iter(f"{SVG}image"))) >= least


def test_the_map_is_saved_as_it_is(page, told):
    _, content = saved(page, press(page.locator("header").first, "svg"))
    root = ET.fromstring(content)
    rows, columns, cells = {}, {}, [one for one in root.iter(f"{SVG}rect") if one.get("fill-opacity")]
    for text in root.iter(f"{SVG}text"):
        if text.get("text-anchor") == "end":
            rows[float(text.get("y"))] = told.names.index(text.text)
        else:
            columns[float(text.get("x"))] = int(text.text)
    assert sorted(rows.values()) == list(range(len(told.names)))
    assert set(columns.values()) == set(told.used)
    assert len(cells) == len(rows) * len(columns)
    for one in cells:
        label = min(rows, key=lambda y: abs(y - float(one.get("y")) - 10))
        latent = min(columns, key=lambda x: abs(x - float(one.get("x")) - 9))
        assert abs(float(one.get("fill-opacity")) - told.shares[rows[label], columns[latent]]) < 1e-3


def test_the_factors_are_saved_as_a_table(page, told):
    _, content = saved(page, press(page.locator("header").first, "csv"))
    rows = {int(row["latent"]): row for row in csv.DictReader(io.StringIO(content.decode()))}
    assert set(rows) == set(told.factors)
    for latent, factor in told.factors.items():
        row = rows[latent]
        assert row["kind"] == factor.kind
        assert row["classes"] == "; ".join(factor.classes)
        for name in ("usage", "lift", "lift_low", "lift_high", "effect", "low", "high"):
            value = getattr(factor, name)
            assert row[name] == "" if np.isnan(value) else abs(float(row[name]) - value) < 1e-4
        for label, name in enumerate(told.names):
            assert_reads(row[f"P(active | {name})"], told.shares[label, latent])


def test_another_run_is_chosen_and_its_latents_are_found_again(browser, told, tmp_path):
    places = shuffled(told.page, tmp_path / "other.html")
    with opened(browser, told.page) as page:
        panel = open_tab(page, "other")
        panel.locator("input[type=file]").set_input_files(tmp_path / "other.html")
        panel.get_by_role("heading", name=re.compile("shuffled")).wait_for()
        found = matches(panel)
        assert {here: there for here, there, _ in found} == {latent: places[latent] for latent in told.used}
        for _, _, alike in found:
            assert alike == ["1.00", "1.00"]
        assert numbers(panel.locator("p", has_text="have a partner").inner_text())[:2] == [len(told.used)] * 2
        table = panel.get_by_role("region", name=re.compile("measures of both", re.I)).locator("tbody tr")
        for row in table.evaluate_all("all => all.map(one => [...one.cells].map(cell => cell.innerText))"):
            assert row[1] == row[2]


def test_another_run_is_dropped_on_the_page(browser, explored):
    """Of other classes: what its latents change is compared, and by a search in Python."""
    told, other = explored("mnist"), explored("fashion-mnist")
    one, two = (payload(run.page)[1]["change"].astype(float) for run in (told, other))
    alike = one @ two.T / np.maximum(np.outer(np.linalg.norm(one, axis=1), np.linalg.norm(two, axis=1)), 1e-9)
    free = [[told.factors[i].kind == "always-on" for i in range(len(one))] for told in (told, other)]
    alike = np.where(np.logical_or.outer(*free), np.abs(alike), np.maximum(alike, 0))  # high less low has a free sign
    pairs, expected = sorted((-alike[i, j], i, j) for i in told.used for j in other.used), {}
    for _, i, j in pairs:
        if alike[i, j] > 0 and i not in expected and j not in expected.values():
            expected[i] = j
    expected |= {i: -1 for i in told.used if i not in expected}
    with opened(browser, told.page) as page:
        drop(page, "fashion.html", other.page.read_bytes())
        panel = page.get_by_role("tabpanel")
        panel.get_by_role("heading", name=re.compile("fashion-mnist")).wait_for()
        found = matches(panel)
        assert {here: there for here, there, _ in found} == expected
        for here, there, (changes, _) in found:
            if there < 0:
                assert not numbers(changes)
            else:
                assert_reads(changes, alike[here, there])


def test_runs_with_nothing_in_common_are_not_compared(browser, explored):
    with opened(browser, explored("wine").page) as page:
        drop(page, "mnist.html", explored("mnist").page.read_bytes())
        panel = page.get_by_role("tabpanel")
        panel.get_by_text(re.compile("nothing to compare")).wait_for()
        assert not panel.locator("table").count()
