"""What the page is told: it is what the report says, in a file that needs no library to be read, whatever the run."""

import json
import struct

import numpy as np
import pytest

from cospike import metrics, runs
from cospike._files import write_atomic
from cospike.column_entries import encode_columns
from cospike.columns import columns_to_json, fit_column
from cospike.evaluation import read_evidence, read_metrics
from cospike.explorer_arrays import arrays_of
from cospike.explorer_data import describe, explorer_bytes
from cospike.factors import explain
from cospike.html_report import report
from cospike.report_figures import RunView
from html_page import Page
from untrained_run import OFF, ON, make_run

pytestmark = pytest.mark.slow  # it measures runs, and draws a page

EVIL = '</script><img src=x onerror=alert(1)>{{ 7 * 7 }}\x00\u202e"'


@pytest.fixture(autouse=True)
def few_pairs(monkeypatch):
    monkeypatch.setattr(metrics, "N_PAIRS", 500)


def told(run, **settings):
    view = RunView.read(run, **settings)
    return describe(view, read_evidence(run, view.codes, view.factors), read_metrics(run))


def packed(run):
    view = RunView.read(run)
    return view, explorer_bytes(view, read_evidence(run, view.codes, view.factors), read_metrics(run))


def parse(content):
    """A safetensors file by its format alone: the size of the head, the head in JSON, numbers."""
    (size,) = struct.unpack("<Q", content[:8])
    head = json.loads(content[8 : 8 + size])
    kinds = {"F32": "<f4", "I32": "<i4", "U8": "u1", "I8": "i1"}
    description = json.loads(head.pop("__metadata__")["explorer"], parse_constant=pytest.fail)
    arrays = {}
    for name, one in head.items():
        start, end = one["data_offsets"]
        arrays[name] = np.frombuffer(content[8 + size :][start:end], kinds[one["dtype"]]).reshape(one["shape"])
    return description, arrays


def as_table(run):
    """A run of images becomes one of a table with a number, a choice of three that may be missing, and one of two."""
    cells = {
        "dose <mg>": np.array([float(i % 7) for i in range(30)]),
        "drug": np.array(["x", "y", None, "z", "y", "x"] * 5, dtype=object),
        "ill": np.array(["no", "yes"] * 15, dtype=object),
    }
    columns = [fit_column(name, part, np.arange(30)) for name, part in cells.items()]
    config = json.loads((run / "config.json").read_text())
    config["data"]["columns"] = columns_to_json(columns)
    write_atomic(run / "config.json", json.dumps(config))
    index = runs.read_arrays(run, "previews.npz")["index"]
    runs.save_arrays(run, "previews.npz", {"index": index, "x": encode_columns(columns, cells)[: len(index)]})
    return cells


def test_a_file_that_needs_no_library_holds_it_all(tmp_path):
    view, content = packed(make_run(tmp_path / "run"))
    description, arrays = parse(content)
    for name, array in arrays_of(view).items():
        np.testing.assert_array_equal(arrays.pop(name), array)
    assert not arrays
    assert description["schema"] == 1
    assert {name: description[name] for name in ("run", "data", "objective", "shape", "likelihood", "view")} == {
        **{"run": "run", "data": "toys", "objective": "class-consistent"},
        **{"shape": [1, 6, 6], "likelihood": "bernoulli", "view": "images"},
    }
    assert (description["n_latents"], description["n_dense"], description["threshold"]) == (7, 0, 0.5)
    assert description["limit"] == view.data.limit
    assert description["range"] == [0, 1]
    assert packed(tmp_path / "run")[1] == content


def test_it_says_what_the_report_says(tmp_path):
    run = make_run(tmp_path / "run")
    description, page = told(run), Page(report(run))
    assert "".join(description["summary"].split()) in "".join(page.text.split())
    assert "share 100 % of their active latents" in description["summary"].replace("\xa0", " ")
    assert f"change of the output, in {description['effect_unit']} (one" in page.text
    shown = [one for one in description["measures"] if one["title"]]
    assert [one["name"] for one in description["measures"][: len(shown)]] == [one["name"] for one in shown]
    places = []
    for one in shown:
        unit = "%" if one["unit"] == "fraction" else one["unit"]
        places.append(page.text.index(f"{one['title']} {unit} · {one['meaning']} {one['text']} "))
    assert places == sorted(places)
    stored = json.loads((run / "metrics.json").read_text())
    assert {one["name"]: one["value"] for one in description["measures"]} == {
        name: one["value"] for name, one in stored.items() if one["value"] is not None
    }
    assert {one["direction"] for one in description["measures"]} == {"higher", "lower", "neither"}
    assert all(one["how"] in page.text for one in description["measures"])


def test_factors_are_those_of_the_table(tmp_path):
    labels = np.repeat([0, 1, 2], 10)
    probs = np.full((30, 7), OFF)
    probs[:, 0] = probs[3:20, 1] = ON  # class 1 uses the second one more than class 0
    probs[np.arange(30), 2 + labels] = ON
    run = make_run(tmp_path / "run", labels=labels, probs=probs)
    (codes,), model = runs.read_codes(run, ("test",)), runs.load(run)
    rows = told(run)["factors"]
    for row, factor in zip(rows, explain(model, codes), strict=True):
        assert tuple(codes.class_names[label] for label in row["classes"]) == factor.classes
        assert row["undecided"] == list(factor.undecided)
        for name in ("latent", "kind", "usage", "effect", "low", "high"):
            assert row[name] == getattr(factor, name)
        for name in ("lift", "lift_low", "lift_high"):
            np.testing.assert_equal(row[name], getattr(factor, name))
    assert [row["classes"] for row in rows if row["latent"] == 1] == [[1, 0]]
    assert {row["kind"] for row in rows} == {"always-on", "group", "class-specific", "dead"}


def test_a_latent_goes_with_what_it_follows(tmp_path):
    run = make_run(tmp_path / "run", labels=np.repeat([0, 1, 2], 60))
    (codes,) = runs.read_codes(run, ("test",))
    runs.save_arrays(run, "attributes.npz", {"hole_area": codes.slab_loc[:, 0].astype(float)})
    rows = {row["latent"]: row["goes_with"] for row in told(run)["factors"]}
    assert rows[0]["attribute"] == "hole area"
    assert rows[0]["rho"] > 0.99
    assert rows[6] is None


def test_changes_are_those_of_the_interventions(tmp_path):
    run = make_run(tmp_path / "run")
    changes = {row["latent"]: row["changes"] for row in told(run)["factors"] if row["changes"]}
    page = Page(report(run))
    kept = {one["latent"]: one["changes"][0] for one in json.loads((run / "interventions.json").read_text())}
    assert changes
    assert all(text in page.text for text in changes.values())
    assert all(text.startswith(kept[latent]["attribute"].replace("_", " ")) for latent, text in changes.items())


def test_targeted_is_that_of_the_interventions_as_far_as_it_is_known(tmp_path):
    run = make_run(tmp_path / "run")
    assert {row["targeted"] and row["targeted"]["value"] for row in told(run)["factors"]} == {None}
    kept = json.loads((run / "interventions.json").read_text())
    kept[0]["targeted"] = [0.5, 0.25, 0.75]
    write_atomic(run / "interventions.json", json.dumps(kept))
    found = {row["latent"]: row["targeted"] for row in told(run)["factors"]}
    assert found.pop(kept[0]["latent"]) == {"value": 0.5, "low": 0.25, "high": 0.75}
    assert set(found.values()) == {None}


def test_what_is_not_known_is_null(tmp_path):
    run = make_run(tmp_path / "run", labels=np.full(18, -1))
    _, content = packed(run)
    description, _ = parse(content)
    assert description["class_names"] == description["class_counts"] == description["order"] == []
    assert {row["lift"] for row in description["factors"]} == {None}
    assert all(row["targeted"] is row["goes_with"] is None for row in description["factors"])
    assert any("18 held-out samples are unlabelled" in note for note in description["notes"])


def test_the_order_is_that_of_a_tree_of_the_classes(tmp_path):
    """Classes 0 and 3 share a latent, and so do 1 and 2: each stands beside the other."""
    labels = np.repeat(np.arange(4), 10)
    probs = np.full((40, 6), OFF)
    probs[np.isin(labels, (0, 3)), 0] = probs[np.isin(labels, (1, 2)), 1] = ON
    probs[np.arange(40), 2 + labels] = ON
    order = told(make_run(tmp_path / "run", labels=labels, probs=probs, n_classes=4))["order"]
    assert sorted(order) == [0, 1, 2, 3]
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset((0, 3)), frozenset((1, 2))}


def test_classes_beyond_those_shown_are_said(tmp_path):
    names = tuple(f"class {i}" for i in range(5))
    run = make_run(tmp_path / "run", n_classes=5, names=names, labels=np.repeat([0, 1, 2, 3], [4, 9, 6, 8]))
    description = told(run, max_classes=2)
    assert description["class_names"] == ["class 1", "class 3"]
    assert description["class_counts"] == [9, 8]
    assert any("the 2 classes with most held-out samples, of 4" in note for note in description["notes"])
    assert any("1 of 5 classes has no held-out sample" in note for note in description["notes"])
    assert any("14 of 27 held-out samples" in note for note in description["notes"])
    by_latent = {row["latent"]: row["classes"] for row in description["factors"]}
    assert (by_latent[3], by_latent[5], by_latent[2]) == ([0], [1], [])


def test_columns_say_where_their_entries_are(tmp_path):
    blocks = [["gaussian", 1, False], ["categorical", 3, True], ["bernoulli", 1, False]]
    run = make_run(tmp_path / "run", shape=(6,), likelihood=blocks)
    cells = as_table(run)
    description, arrays = parse(packed(run)[1])
    assert (description["view"], description["likelihood"]) == ("columns", "mixed")
    dose, drug, ill = description["columns"]
    assert [column["at"] for column in (dose, drug, ill)] == [[0, 1], [1, 4], [5, 6]]
    x = arrays["x"]
    np.testing.assert_allclose(x[:, 0] * dose["scale"] + dose["loc"], cells["dose <mg>"][: len(x)], atol=1e-6)
    for i, row in enumerate(x):
        chosen = drug["categories"][row[1:4].argmax()]
        assert (cells["drug"][i] is None) == (row[4] == 1)
        assert cells["drug"][i] in (chosen, None)
        assert ill["categories"][int(row[5])] == cells["ill"][i]
    assert (drug["missing"], ill["missing"], drug["kind"]) == (True, False, "categorical")
    np.testing.assert_allclose(description["range"], [x.min(), x.max()])
    assert description["effect_unit"].startswith("standard deviations")


@pytest.mark.parametrize(
    ("shape", "likelihood", "seen"),
    [((3, 4, 5), "gaussian", "images"), ((2, 4, 5), "gaussian", "profile"), ((7,), "bernoulli", "profile")],
)
def test_a_view_for_every_kind_of_sample(tmp_path, shape, likelihood, seen):
    run = make_run(tmp_path / "run", shape=shape, likelihood=likelihood)
    description = told(run)
    assert (description["view"], description["columns"]) == (seen, [])
    x = runs.read_arrays(run, "previews.npz")["x"]
    ends = np.quantile(x, [0.005, 0.995]) if seen == "images" else [x.min(), x.max()]
    np.testing.assert_allclose(description["range"], ends, rtol=1e-6)


def test_genes_are_genes(tmp_path):
    run = make_run(tmp_path / "run", shape=(4,), likelihood="negative-binomial")
    config = json.loads((run / "config.json").read_text())
    config["data"]["columns"] = {"count": ["CD3E", "MS4A1", EVIL, "=1+1"]}
    write_atomic(run / "config.json", json.dumps(config))
    index = runs.read_arrays(run, "previews.npz")["index"]
    counts = np.random.default_rng(0).poisson(3, (len(index), 4)).astype("float32")
    runs.save_arrays(run, "previews.npz", {"index": index, "x": counts})
    description, arrays = parse(packed(run)[1])
    assert (description["view"], description["likelihood"]) == ("genes", "negative-binomial")
    assert [column["name"] for column in description["columns"]] == ["CD3E", "MS4A1", EVIL, "=1+1"]
    np.testing.assert_array_equal(arrays["x"], counts)


def test_a_measure_that_is_not_known_is_not_told(tmp_path):
    run = make_run(tmp_path / "run")
    told(run)
    stored = json.loads((run / "metrics.json").read_text())
    stored["neg_elbo_mixture"]["value"] = float("nan")
    write_atomic(run / "metrics.json", json.dumps(stored))
    description = told(run)
    assert "neg_elbo_mixture" not in {one["name"] for one in description["measures"]}
    assert "nats; lower is better" in description["summary"]


def test_names_are_whatever_they_are(tmp_path):
    description, _ = parse(packed(make_run(tmp_path / "run", names=(EVIL, "", "a\nb"), objective=EVIL))[1])
    assert description["class_names"] == [EVIL, "", "a\nb"]
    assert description["objective"] == EVIL
    assert EVIL not in description["summary"]


def test_measures_of_one_class_and_of_no_latent(tmp_path):
    for name, settings in {
        "one class": {"n_classes": 1, "probs": None},
        "all dead": {"probs": np.full((18, 7), OFF)},
    }.items():
        description = told(make_run(tmp_path / name, **settings))
        assert description["order"] == list(range(len(description["class_names"])))
        assert description["measures"]
        assert description["summary"]
