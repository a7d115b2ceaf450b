"""Nothing leaves the page and nothing foreign runs in it, names are text, and what is damaged is refused in a line."""

import base64
import csv
import gzip
import io
import json
import re
import struct
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from safetensors.numpy import save as format_arrays

import cospike as cs
from cospike import metrics, runs
from cospike._files import write_atomic
from cospike.column_entries import encode_columns
from cospike.columns import columns_to_json, fit_column
from cospike.html_explorer import TEMPLATE, fill
from driving_pages import TABS, drop, open_tab, opened, payload, saved
from untrained_run import OFF, make_run

pytest_plugins = ("explorer_pages",)
pytestmark = [
    pytest.mark.slow,  # it exports decoders, and drives a browser
    pytest.mark.filterwarnings("ignore:invalid value encountered in matmul"),  # BLAS at times, of finite numbers
]

IMAGE, SCRIPT = "<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>"
LONG, BACKWARDS, FORMULA = "long " * 60, "\N{RIGHT-TO-LEFT OVERRIDE}txt.exe \N{HEBREW LETTER ALEF}", "=1+1"
NAMES = (IMAGE, SCRIPT, LONG, BACKWARDS, FORMULA)


@pytest.fixture(scope="module", autouse=True)
def few_pairs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "N_PAIRS", 500)
        yield


def rename(run, **changes):
    config = json.loads((run / "config.json").read_text())
    config["data"] |= changes
    write_atomic(run / "config.json", json.dumps(config))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A run whose every name is meant to do harm."""
    run = make_run(tmp_path_factory.mktemp("hostile") / IMAGE, n_classes=5, names=NAMES, objective=IMAGE)
    rename(run, name=SCRIPT)
    return cs.explore(run)


@pytest.fixture(scope="module")
def hostile_table(tmp_path_factory):
    """The same of a table: its columns and their categories."""
    blocks = [["gaussian", 1, False], ["categorical", 3, True], ["bernoulli", 1, False]]
    run = make_run(tmp_path_factory.mktemp("hostile") / "table", shape=(6,), likelihood=blocks, names=NAMES[:3])
    cells = {
        IMAGE: np.arange(30) % 7 + 0.5,
        SCRIPT: np.array([LONG, BACKWARDS, None, FORMULA, BACKWARDS, LONG] * 5, dtype=object),
        FORMULA: np.array([IMAGE, SCRIPT] * 15, dtype=object),
    }
    columns = [fit_column(name, part, np.arange(30)) for name, part in cells.items()]
    rename(run, columns=columns_to_json(columns))
    index = runs.read_arrays(run, "previews.npz")["index"]
    runs.save_arrays(run, "previews.npz", {"index": index, "x": encode_columns(columns, cells)[: len(index)]})
    return cs.explore(run)


def visit(page):
    """Every panel, with what it folds away."""
    texts = {}
    for tab in TABS:
        panel = open_tab(page, tab)
        for summary in panel.locator("summary").all():
            summary.click()
        assert not panel.get_by_role("alert").count()
        texts[tab] = panel.text_content()
    return texts


def elements(page):
    """How many there are of what a name could bring."""
    return [page.locator(one).count() for one in ("img", "script", "iframe", "object", "[onerror]", "b")]


@pytest.mark.parametrize("run", ["mnist", "wine"])
def test_nothing_is_asked_of_others_even_where_there_is_a_network(browser, explored, run):
    with opened(browser, explored(run).page, offline=False) as page:
        visit(page)
        saved(page, page.get_by_role("button", name=re.compile("csv", re.I)).click)
        assert elements(page) == [0, 1, 0, 0, 0, 0]


def test_the_policy_refuses_what_the_page_does_not_need(browser, explored):
    attempts = """async origin => {
        const refused = new Set();
        addEventListener("securitypolicyviolation", event => refused.add(event.effectiveDirective));
        await fetch(`${origin}/a.txt`).catch(() => null);
        document.body.insertAdjacentHTML("beforeend",
            `<img src="${origin}/a.png"><img src="data:," onerror="globalThis.ran = 1"><p style="color: red">`);
        for (const [tag, name, value] of [["script", "src", `${origin}/a.js`], ["script", "text", "globalThis.ran = 1"],
                ["iframe", "src", `${origin}/`], ["object", "data", `${origin}/`], ["base", "href", `${origin}/`]]) {
            const made = document.createElement(tag);
            made[name] = value;
            document.body.append(made);
        }
        await new Promise(resolve => setTimeout(resolve, 200));
        return [[...refused].sort(), globalThis.ran ?? null];
    }"""
    failures = []
    with opened(browser, explored("wine").page, complaints=[], offline=False) as page:
        page.on("requestfailed", lambda request: failures.append((request.url, request.failure)))
        refused, ran = page.evaluate(attempts, "https://cospike.invalid")
        assert ran is None
        needed = {"base-uri", "connect-src", "frame-src", "img-src", "object-src", "script-src-attr", "script-src-elem"}
        assert needed | {"style-src-attr"} <= set(refused)
    assert {reason for _, reason in failures} <= {"csp"}


def test_names_stay_text(browser, hostile):
    with opened(browser, hostile) as page:
        texts = visit(page)
        assert elements(page) == [0, 1, 0, 0, 0, 0]
        assert IMAGE in page.locator("header").first.text_content()
        assert SCRIPT in page.get_by_role("heading", level=1).text_content()
        assert IMAGE in page.title()
        heads = page.locator("#map tbody th").evaluate_all("all => all.map(one => one.textContent)")
        assert set(heads) == set(NAMES)
        for tab in ("samples", "classes", "new"):
            assert any(name in texts[tab] for name in NAMES)
        for label in range(len(NAMES)):
            page.locator("#map tbody th button").nth(label).click()
            page.locator("#map tbody td").nth(label).hover()
        assert elements(page) == [0, 1, 0, 0, 0, 0]


def test_names_stay_text_in_a_table(browser, hostile_table):
    with opened(browser, hostile_table) as page:
        visit(page)
        names = page.locator("#bench tbody th").evaluate_all("all => all.map(one => one.textContent)")
        assert IMAGE in names
        assert any(name.startswith(SCRIPT) for name in names)
        assert f"{FORMULA} = {sorted((IMAGE, SCRIPT))[1]}" in names
        assert elements(page) == [0, 1, 0, 0, 0, 0]


def test_names_stay_text_in_files(browser, hostile):
    with opened(browser, hostile) as page:
        head = page.locator("header").first
        _, content = saved(page, head.get_by_role("button", name=re.compile("svg", re.I)).click)
        texts = [one.text for one in ET.fromstring(content).iter("{http://www.w3.org/2000/svg}text")]
        assert set(NAMES) <= set(texts)
        _, content = saved(page, head.get_by_role("button", name=re.compile("csv", re.I)).click)
        table = content.decode()
        assert page.evaluate("cospike.factorsCsv()") == table
        rows = list(csv.DictReader(io.StringIO(table)))
        assert {f"P(active | {name})" for name in NAMES} <= set(rows[0])
        assert f"'{FORMULA}" in {row["classes"] for row in rows}
        for cell in (cell for row in csv.reader(io.StringIO(table)) for cell in row):
            assert not re.match(r"[=+@\t\r]|-[^\d.]", cell)
        for tab in ("classes", "morph", "latent"):
            panel = open_tab(page, tab)
            _, content = saved(page, panel.get_by_role("button", name=re.compile("svg", re.I)).click)
            assert ET.fromstring(content).tag.endswith("svg")


def test_names_of_another_run_stay_text(browser, hostile, explored):
    with opened(browser, explored("mnist").page) as page:
        drop(page, f"{IMAGE}.html", b"nothing")
        assert IMAGE in page.get_by_role("alert").text_content()
        drop(page, "other.html", hostile.read_bytes())
        page.get_by_text(re.compile("nothing to compare")).wait_for()
        assert elements(page) == [0, 1, 0, 0, 0, 0]
    with opened(browser, hostile) as page:
        drop(page, "other.html", hostile.read_bytes())
        page.get_by_role("region", name=re.compile("latents of both", re.I)).wait_for()
        assert IMAGE in page.get_by_role("tabpanel").text_content()
        assert elements(page) == [0, 1, 0, 0, 0, 0]


def with_payload(change):
    """What a page has of its run, changed."""

    def damage(page):
        about, arrays = payload(page)
        about, arrays = change(about, arrays)
        return format_arrays(arrays, metadata={"explorer": json.dumps(about)})

    return damage


RUNTIME = re.compile('(id="runtime">)[^<]*')
DAMAGE = {
    "no safetensors file": lambda page: b"junk",
    "nothing": lambda page: b"",
    "a head that is no JSON": lambda page: struct.pack("<Q", 4) + b"junk",
    "a schema to come": with_payload(lambda about, arrays: (about | {"schema": 2}, arrays)),
    "no description": lambda page: format_arrays({"x": np.zeros(1, dtype="float32")}),
    "an array less": with_payload(lambda about, arrays: (about, {k: v for k, v in arrays.items() if k != "slab_loc"})),
    "arrays of other sizes": with_payload(lambda about, arrays: (about, arrays | {"x": arrays["x"][:, :-1]})),
    "numbers of another type": with_payload(lambda about, arrays: (about, arrays | {"x": arrays["x"].astype("f8")})),
    "half a description": with_payload(lambda about, arrays: ({"schema": 1}, arrays)),
}


def packed(content):
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def refused(page):
    """The one line that is said instead: it names the remedy, and not what a browser's parts call their failures."""
    text = page.get_by_role("alert").text_content()
    assert len(text) < 250, text
    assert "\n" not in text
    assert "cospike explore" in text, text
    assert not re.search(r"undefined|\[object|TypeError|is not a function|Failed to fetch", text), text
    return text


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_page_says_so_in_a_line(browser, explored, tmp_path, name):
    told, path = explored("wine"), tmp_path / "page.html"
    template = RUNTIME.sub(rf"\1{packed(b'none')}", TEMPLATE.read_text(encoding="utf-8"))  # it is not come to
    path.write_bytes(fill(template, name="x", decoder=b"", run=DAMAGE[name](told.page)))
    with opened(browser, path, ready="[role=alert]") as page:
        refused(page)
        assert not page.locator("#bench").count()


@pytest.mark.parametrize("cut", ["template", "base64", "half the run", "decoder", "runtime"])
def test_a_page_that_was_cut_or_not_filled_says_so_in_a_line(browser, explored, tmp_path, cut):
    text, path = explored("wine").page.read_text(encoding="utf-8"), tmp_path / "page.html"
    kept = {
        "template": TEMPLATE.read_text(encoding="utf-8"),
        "base64": re.sub('(id="run">)', r"\1****", text, count=1),
        "half the run": re.sub('(id="run">)([^<]{1000})[^<]*', r"\1\2", text),
        "decoder": re.sub('(id="decoder">)[^<]*', rf"\g<1>{packed(b'junk')}", text),
        "runtime": RUNTIME.sub(rf"\g<1>{packed(b'junk')}", text),
    }
    path.write_text(kept[cut], encoding="utf-8")
    complaints = []  # the runtime itself says on the console what it cannot read
    with opened(browser, path, ready="[role=alert]", complaints=complaints) as page:
        refused(page)
    assert not [one for one in complaints if one.startswith(("request", "dialog"))]


def test_a_damaged_page_of_another_run_is_refused_in_a_line(browser, explored):
    told = explored("wine")
    text = told.page.read_text(encoding="utf-8")
    (found,) = re.findall('<script type="text/plain" id="run">[^<]+</script>', text)
    files = {"notes.txt": b"notes", "empty.html": b"", "noise.bin": bytes(range(256)) * 40}
    files["cut.html"] = re.sub("[^>]{1000}<", "<", found).encode()
    for i, damage in enumerate(DAMAGE.values()):
        files[f"{i}.html"] = re.sub(">[^<]+<", f">{packed(damage(told.page))}<", found).encode()
    with opened(browser, told.page) as page:
        for name, content in files.items():
            drop(page, name, content)
            page.get_by_role("alert").filter(has_text=name).wait_for()
            assert refused(page).startswith(name)
            assert not page.get_by_role("tabpanel").locator("table").count()
        page.get_by_role("switch").first.click()
        assert "1" in page.locator("#bench").get_by_role("status").inner_text()
        drop(page, "whole.html", told.page.read_bytes())
        page.get_by_role("region", name=re.compile("latents of both", re.I)).wait_for()
        assert not page.get_by_role("alert").count()


ODD = {
    "no labels": {"labels": np.full(18, -1)},
    "nothing in use": {"probs": np.full((18, 7), OFF)},
    "colour": {"shape": (3, 6, 6), "likelihood": "gaussian"},
    "profiles": {"shape": (9,), "likelihood": "gaussian"},
    "one class and some without a label": {"labels": np.repeat([0, -1], 9), "n_classes": 1},
}


@pytest.mark.parametrize("name", ODD)
def test_every_kind_of_run_has_a_page(browser, tmp_path, name):
    page = cs.explore(make_run(tmp_path / "run", **ODD[name]))
    with opened(browser, page) as page:
        visit(page)
        assert page.get_by_role("heading", level=1).is_visible()
