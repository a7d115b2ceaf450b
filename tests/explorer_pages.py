"""What the tests of the explorer share: three runs, and a browser that shows their pages."""

import os
import re
import shutil

import numpy as np
import pytest
from filelock import FileLock

import cospike as cs
from cospike import metrics
from cospike.html_explorer import TEMPLATE
from cospike.sources import DatasetNotFoundError, load_published
from driving_pages import Told, eventually, opened

RUNS = ("mnist", "fashion-mnist", "wine")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def wine(folder):
    """scikit-learn's wines, with a column of three categories, one of two, and cells that are missing."""
    from sklearn.datasets import load_wine

    table, rng = load_wine(as_frame=True).frame, np.random.default_rng(0)
    table["cultivar"] = np.array(["Barolo", "Grignolino", "Barbera"])[table.pop("target")]
    colour = table.color_intensity
    table["colour"] = np.where(colour > 6, "deep", np.where(colour > 3.5, "medium", "pale"))
    table["sweet"] = np.where(table.proline > 700, "yes", "no")
    for name in ("sweet", "magnesium"):
        table[name] = table[name].where(rng.random(len(table)) > 0.15)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "wine.csv", index=False)
    return cs.load_dataset(folder / "wine.csv", label="cultivar")


def few(name):
    """Some rows of a published set."""
    try:
        load_published(name)
    except DatasetNotFoundError:
        pytest.skip(f"{name} is not here: `cospike data fetch {name}`, or COSPIKE_DATA_DIR")
    whole = cs.load_dataset(name)
    (x, y), *others = (
        (split.x[:n], split.y[:n]) for split, n in ((whole.train, 1500), (whole.validation, 100), (whole.test, 400))
    )
    return cs.from_arrays(x, y, name=name, class_names=whole.class_names, validation=others[0], test=others[1])


def train(name, folder):
    """A run of seconds, with latents of every kind in use."""
    data = wine(folder.parent / "data") if name == "wine" else few(name)
    model = cs.SparseVAE(data.shape, 20, hidden=(64,), n_dense=2, likelihood=data.likelihood)
    epochs = 90 if name == "wine" else 16
    cs.fit(model, data, epochs=epochs, batch_size=50, out=folder, accelerator="cpu", overwrite=True)
    cs.explore(folder)


@pytest.fixture(scope="session")
def explored(tmp_path_factory):
    """What a run says, by its name; each run is made once, by whichever process asks first."""
    base = tmp_path_factory.getbasetemp()
    base = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "explored"
    base.mkdir(exist_ok=True)
    found = {}

    def make(name):
        with FileLock(base / f"{name}.lock"):
            if not (base / name / "explorer.html").exists():
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(metrics, "N_PAIRS", 500)
                    train(name, base / name)
        return found.setdefault(name, Told(base / name))

    return lambda name: found.get(name) or make(name)


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium."""
    api = pytest.importorskip("playwright.sync_api", reason="the tests of the explorer need playwright")
    if (program := shutil.which("chromium")) is None:
        pytest.skip("no Chromium is installed (apt-get install chromium)")
    if not TEMPLATE.is_file():
        pytest.skip("the page of the explorer has not been built (make explorer)")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module", params=RUNS)
def told(request, explored):
    """Each of the three runs."""
    return explored(request.param)


@pytest.fixture(scope="module")
def one_page(browser, told):
    """The page of a run, and what it complained of."""
    complaints = []
    with opened(browser, told.page, complaints=complaints) as page:
        yield page, complaints


def go_to(page, address, tab):
    """Once more if need be: an address that the page is about to change is none to go to."""
    page.evaluate("address => { location.hash = address; }", address)
    assert page.get_by_role("tab", selected=True).inner_text() == tab


@pytest.fixture
def page(one_page):
    """The page of the run as it opens: panels forget what they held once another is looked at."""
    page, complaints = one_page
    for address, tab in (("tab=measures", "Measures"), ("", "Samples")):
        eventually(lambda address=address, tab=tab: go_to(page, address, tab))
    page.get_by_role("checkbox", name=re.compile("latents in use")).uncheck()
    page.mouse.move(0, 0)
    yield page
    found = complaints.copy()
    complaints.clear()
    assert not found, found
