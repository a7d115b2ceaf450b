"""What a reader does with a page of the explorer, what is seen there, and what Python says of the same run."""

import base64
import gzip
import json
import re
import struct
import time
from contextlib import contextmanager

import numpy as np
from safetensors.numpy import load as parse_arrays

import cospike as cs
from cospike import runs

TO_TEXT = "const text = bytes => btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(''))"
READ_BACK = "willReadFrequently"  # what the browser says of a canvas that these tests read
RUN = re.compile(r'<script type="text/plain" id="run">([^<]*)</script>')
LOCAL = ("file:", "data:", "blob:")
TABS = {  # by what their names keep, whatever else they say
    **{"samples": "^samples", "latent": "^latent", "classes": "classes$", "new": "^new"},
    **{"morph": "^morph", "measures": "^measures", "other": "run$"},
}


class Told:
    """A run, its page, and what Python says of the run."""

    def __init__(self, run):
        self.run, self.page = run, run / "explorer.html"
        self.model, (self.codes,) = runs.load(run), runs.read_codes(run, ("test",))
        self.factors = {factor.latent: factor for factor in cs.explain(self.model, self.codes)}
        self.used = [latent for latent, factor in self.factors.items() if factor.kind != "dead"]
        self.columns, self.names = runs.read_columns(run), self.codes.class_names
        previews = runs.read_arrays(run, "previews.npz")
        self.index, self.x = previews["index"], previews["x"]
        samples = self.codes.select(self.index)
        self.z, self.slab, self.labels = samples.values(), samples.slab_loc, samples.labels
        self.metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
        self.shares = np.array([self.factors[i].active_by_class for i in range(self.codes.n_latents)]).T

    def of_few(self):
        """A latent that some classes use and others do not, the last of the map."""
        return next(i for i in reversed(self.used) if 0 < len(self.owners(i)) < len(self.names))

    def decode(self, z):
        """Codes, one or many, as rows of entries."""
        return self.model.decode_mean(np.atleast_2d(z)).reshape(-1, *self.x.shape[1:])

    def owners(self, latent):
        """The classes that use a latent."""
        return [self.names.index(name) for name in self.factors[latent].classes]


@contextmanager
def opened(browser, path, *, address="", ready="#bench", complaints=None, **settings):
    """A page without a network, once ``ready`` is there; at the end, what it asked of others or complained of fails.

    ``complaints``, if given, takes these instead.
    """
    found = [] if complaints is None else complaints
    context = browser.new_context(**{"offline": True, "viewport": {"width": 1400, "height": 900}} | settings)
    context.set_default_timeout(20_000)
    page = context.new_page()
    context.on("request", lambda one: None if one.url.startswith(LOCAL) else found.append(f"request {one.url[:99]}"))
    page.on("console", lambda said: None if READ_BACK in said.text else found.append(f"{said.type}: {said.text}"))
    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (found.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    try:
        page.goto(f"{path.as_uri()}{address}")
        page.locator(ready).wait_for()
        yield page
        if complaints is None:
            assert not found, found
    finally:
        context.close()


def eventually(check, seconds=5):
    """What ``check`` gives once it asserts nothing false: samples follow codes a moment later."""
    end = time.perf_counter() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.perf_counter() > end:
                raise
            time.sleep(0.02)


def open_tab(page, name):
    page.get_by_role("tab", name=re.compile(TABS[name], re.I)).click()
    return page.get_by_role("tabpanel")


def code_of(page):
    """The code on the bench."""
    return np.array(page.evaluate("Array.from(cospike.store.code.value)"), dtype=np.float32)


def decoded(page, z):
    """What the page's own decoder makes of codes: a row of entries each."""
    ask = f"""codes => {{ {TO_TEXT}; return cospike.decode(codes.map(one => Float32Array.from(one))).then(
        all => all.map(one => text(new Uint8Array(one.buffer, one.byteOffset, one.byteLength)))); }}"""
    rows = page.evaluate(ask, np.asarray(z).tolist())
    return np.array([np.frombuffer(base64.b64decode(row), "<f4") for row in rows])


def saved(page, act):
    """The bytes of the file that is saved."""
    with page.expect_download() as download:
        act()
    return download.value.suggested_filename, download.value.path().read_bytes()


def payload(page):
    """What a page knows of its run: the description, and the arrays."""
    content = gzip.decompress(base64.b64decode(RUN.search(page.read_text(encoding="utf-8"))[1]))
    (size,) = struct.unpack("<Q", content[:8])
    return json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["explorer"]), parse_arrays(content)


def drop(page, name, content):
    """Let a file fall on the page."""
    text = base64.b64encode(content).decode()
    make = """([name, text]) => { const carried = new DataTransfer();
        const bytes = Uint8Array.from(atob(text), one => one.charCodeAt(0));
        carried.items.add(new File([bytes], name, { type: "text/html" })); return carried; }"""
    page.dispatch_event("main", "drop", {"dataTransfer": page.evaluate_handle(make, [name, text])})


def named(text):
    """What a label begins with; the browser reads patterns in a way of its own."""
    return re.compile("^" + re.escape(text).replace("/", "."))


def cell(page, told, label, latent):
    return page.get_by_role("gridcell", name=named(f"{told.names[label]}, latent {latent}: "))


def inspect(page, latent):
    """Pick a latent by the head of its column."""
    page.locator("#map").get_by_role("button", name=re.compile(rf"^latent {latent},")).click()
    return page.get_by_role("tabpanel")


def put_on_bench(page, told, sample):
    """Pick a sample in the gallery."""
    page.locator("#map").get_by_role("button", name=told.names[told.labels[sample]], exact=True).click()
    panel = open_tab(page, "samples")
    picture = panel.get_by_role("img", name=re.compile(rf"^sample {told.index[sample]}, "))
    more = panel.get_by_role("button", name="Show more")
    while not picture.count() and more.count():
        more.click()
    picture.click()
    page.locator("#map").get_by_role("button", name=told.names[told.labels[sample]], exact=True).click()


def samples_in(place, told):
    """The rows of the held-out samples that are shown, in order."""
    labels = place.locator("canvas").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    places = {int(index): row for row, index in enumerate(told.index)}
    return [places[int(number)] for label in labels for number in re.findall(r"sample (\d+)", label)]


def numbers(text):
    """The numbers in a text."""
    return [float(one.replace("\N{MINUS SIGN}", "-")) for one in re.findall(r"[-\N{MINUS SIGN}]?\d+(?:\.\d+)?", text)]


def assert_reads(text, value):
    """That a text is a number as it is shown: right to half of its last digit."""
    (shown,) = numbers(text)
    digits = len("".join(re.findall(r"\.(\d+)", text)))
    assert abs(shown - value) <= 0.51 * 10.0**-digits, (text, value)


def pixels_of(canvases):
    """Of each canvas, the red, green, blue and opacity of its pixels."""
    read = "c => [c.height, c.width, text(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)]"
    found = canvases.evaluate_all(f"all => {{ {TO_TEXT}; return all.map({read}); }}")
    return [np.frombuffer(base64.b64decode(data), np.uint8).reshape(high, wide, 4) for high, wide, data in found]


def assert_shows(pixels, values, told):
    """That a canvas shows a sample: of images grey levels, of a table a bar an entry, in thirds of a deviation."""
    if told.columns:
        assert_bars(pixels, values, told)
        return
    assert pixels[..., 3].min() == 255
    for channel in range(3):
        np.testing.assert_allclose(pixels[..., channel] / 255, np.clip(values[0], 0, 1), atol=1 / 255)


def assert_all_show(canvases, z, told):
    """That canvases show the samples of codes."""
    for pixels, sample in zip(pixels_of(canvases), told.decode(z), strict=True):
        assert_shows(pixels, sample, told)


def assert_bars(pixels, values, told):
    scale = np.concatenate([
        np.r_[np.full(column.size, 3.0 if column.kind == "gaussian" else 1.0), np.ones(int(column.missing))]
        for column in told.columns
    ])  # fmt: skip
    step, middle = pixels.shape[1] / len(scale), pixels.shape[0] / 2
    for entry, value in enumerate(np.clip(values / scale, -1, 1)):
        rows = np.flatnonzero(pixels[:, int((entry + 0.4) * step), 3] > 127)
        end = rows[0] if rows[0] < middle else rows[-1] + 1
        assert abs((middle - end) / (middle - 2) - value) < 1.6 / (middle - 2), (entry, value)
