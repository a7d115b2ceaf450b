"""The page: one file that loads and runs nothing, says what the numbers say, and copes with every kind of run."""

import csv
import json
import re
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest

from cospike import html_report, metrics, runs
from cospike._errors import InputError
from cospike._files import write_atomic
from cospike.class_views import measure_disentanglement
from cospike.directions import block_directions
from cospike.disentanglement_table import METRICS
from cospike.evaluation import evaluate
from cospike.html_report import report
from html_page import Page
from untrained_run import OFF, ON, make_run

pytestmark = pytest.mark.slow  # each draws a page

SECTIONS = set(
    "measures pattern factors overlap traversals reconstructions samples training settings limits".split()  # noqa: SIM905
)
EVIL = '<script>alert("1")</script>'


@pytest.fixture(autouse=True)
def few_pairs(monkeypatch):
    monkeypatch.setattr(metrics, "N_PAIRS", 500)


def check(path):
    """What holds of every page."""
    page = Page(path)
    assert not page.open
    assert "default-src 'none'" in page.csp
    assert "script" not in page.tags
    assert not {"link", "iframe", "object", "embed", "form"} & set(page.tags)
    assert all(re.match(r"data:image/png;base64,|#", load) for load in page.loads)
    assert not re.search(r"@import|url\((?!#)", page.source)
    assert set(page.ids) >= SECTIONS
    anchors = [link[1:] for link in page.links if link.startswith("#")]
    assert set(anchors) <= set(page.ids)
    assert page.links[-1].startswith("https://arxiv.org/")
    assert not re.search(r"\bnan\b|Undefined", page.text)
    assert len(page.source) < 3_000_000
    return page


def test_a_page_reads_the_run(tmp_path):
    page = check(report(make_run(tmp_path / "first")))
    assert "toys class-consistent objective" in page.text
    assert "Of 7 latents, 5 are in use, 2.7 at a time: 1 serves all or nearly all classes" in page.text
    assert "1 serves a group of classes, 3 serve one class each" in page.text
    assert "Two samples of one class share 100 % of their active latents" in page.text.replace("\xa0", " ")
    assert "cs.load('first') # the folder of this run" in page.text
    assert "a prior that tightens from early_prior , is cospike's own too" in page.text
    assert "unofficial implementation" in page.text
    assert "cospike's own" in page.text
    assert {f"latent-{i}" for i in range(5)} <= set(page.ids)
    assert page.source.count("<svg") > 15
    assert page.source.count("<svg") == page.source.count('<svg class="bars" role="img"') + page.source.count(
        '<svg role="img" aria-label="'
    )


def test_the_same_run_gives_the_same_bytes(tmp_path):
    run = make_run(tmp_path / "run")
    first = report(run).read_bytes()
    shutil.copytree(run, tmp_path / "elsewhere" / "run")
    assert report(tmp_path / "elsewhere" / "run").read_bytes() == first
    assert str(tmp_path) not in first.decode()


def test_names_that_a_user_gives_are_text(tmp_path):
    run = make_run(tmp_path / EVIL.replace("/", "_"), names=(EVIL, "$x$ & <b>", "{{ 7 * 7 }}"), objective=EVIL)
    page = check(report(run))
    assert EVIL in page.text
    assert "$x$ & <b>" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "<script" not in page.source


EVILS = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "'-alert(1)-'",
    "{{7777*7}} {% raw %}",
    "$\\frac{$ \\input{x}",
    "\x00\x01\x1b[2J\x7f<b",
    "\u202eevil\u2066",
    "]]><!--",
    "&lt;script&gt;",
    "<" * 1000,
)


@pytest.mark.parametrize("n_dense", [0, 1])
def test_names_that_nobody_should_give_are_text(tmp_path, n_dense):
    """Of classes, attributes, the run, its data, objective and terms."""
    folder = tmp_path / EVILS[2].replace("/", "_")
    run = make_run(folder, names=EVILS, n_classes=len(EVILS), objective=EVILS[0], n_dense=n_dense)
    (codes,) = runs.read_codes(run, ("test",))
    values = {
        name: codes.slab_loc[:, i % codes.n_latents].astype(float) for i, name in enumerate(EVILS) if "\x00" not in name
    }
    runs.save_arrays(run, "attributes.npz", values)
    config = json.loads((run / "config.json").read_text())
    config["data"]["name"], config["objective"][EVILS[1]] = EVILS[1], EVILS[2]
    (run / "config.json").write_text(json.dumps(config))
    history = [
        {"epoch": i, "seconds": 1.0, **{f"{part}{EVILS[1]}": 1.0 for part in ("", "validation_")}} for i in (1, 2)
    ]
    runs.write_history(run, history)
    page = check(report(run))
    for name in EVILS[:6]:
        assert " ".join(name.split()) in page.text
    assert "54439" not in page.source
    assert not {"img", "b"} & set(page.tags)
    with (run / "factors.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert len({len(row) for row in rows}) == 1


def test_classes_with_equal_names_stay_apart(tmp_path):
    page = check(report(make_run(tmp_path / "run", names=("a", "a", "b", "c"), n_classes=4)))
    own = [re.findall("<rect( class)?", bars) for bars in re.findall('<svg class="bars".*?</svg>', page.source)]
    assert [sum(map(bool, bars)) for bars in own] == [4, 3, 1, 1, 1, 1]
    assert page.text.count("Classes: a. On in 25 % of samples") == 2
    assert "Heat map of 4 classes by 6 latents" in page.source


def test_the_overlap_is_of_latents_in_use(tmp_path):
    apart = np.full((12, 400), 0.2)  # dead, and alike in both classes
    apart[:6, 0] = apart[6:, 1] = ON
    apart[6:, 0] = apart[:6, 1] = OFF
    page = check(report(make_run(tmp_path / "run", n_classes=2, probs=apart)))
    section = page.source[page.source.index('id="overlap"') : page.source.index('id="traversals"')]
    assert re.findall(r">(\d+)</text>", section) == ["100", "0", "0", "100"]


RUNS = {
    "vectors": {"shape": (12,), "likelihood": "gaussian"},
    "matrices": {"shape": (2, 40), "likelihood": "gaussian"},
    "colour": {"shape": (3, 16, 16)},
    "wide": {"shape": (1, 9, 70), "likelihood": "gaussian"},
    "one class": {"n_classes": 1},
    "two classes": {"n_classes": 2},
    "thirty classes": {"n_classes": 30, "per_class": 2},
    "an empty class": {"labels": [0] * 5 + [1] * 3 + [-1] * 7},
    "no labels": {"labels": [-1] * 9},
}


@pytest.mark.slow
@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS)
def test_any_run_gives_a_page(tmp_path, options):
    page = check(report(make_run(tmp_path / "run", **options)))
    if len(options.get("shape", (1, 6, 6))) < 3:
        assert "Each panel is the code of one held-out sample" in page.text
    if options.get("n_classes") == 30:
        assert "Figures show the 24 classes with most held-out samples, of 30; numbers count all." in page.text
    if options.get("n_classes") == 1:
        assert "fewer than two labelled classes" in page.text
    if -1 in options.get("labels", ()):
        assert "held-out samples are unlabelled" in page.text
        assert "held-out sample and cannot be judged" in page.text


def test_latents_have_the_names_of_attributes_they_go_with(tmp_path):
    run = make_run(tmp_path / "run", per_class=30)
    assert "Goes with" not in Page(report(run)).text
    (codes,) = runs.read_codes(run, ("test",))
    slant = -codes.slab_loc[:, 0].astype(float)  # of the global latent, upside down
    noise = np.random.default_rng(5).normal(size=len(codes))
    runs.save_arrays(
        run, "attributes.npz", {"slant": slant, "loop_area": noise, "nothing": np.full(len(codes), np.nan)}
    )
    page = Page(report(run))
    assert "Goes with" in page.text
    assert page.text.count("slant \N{MINUS SIGN}1.00") == 1
    factors = page.source[page.source.index('id="factors"') : page.source.index('id="overlap"')]
    assert "loop area" not in factors
    runs.save_arrays(run, "attributes.npz", {"slant": slant[1:]})
    with pytest.raises(InputError, match=r"attributes\.npz does not fit codes\.npz .*a report does without"):
        report(run)
    runs.save_arrays(run, "attributes.npz", {"slant": np.full(len(codes), "steep")})
    with pytest.raises(InputError, match=r"attributes\.npz does not fit codes\.npz .*got <U5 .*a report does without"):
        report(run)
    (run / "attributes.npz").write_bytes((run / "attributes.npz").read_bytes()[:40])
    with pytest.raises(InputError, match=r"attributes\.npz .*is damaged"):
        report(run)


def test_directions_of_the_always_on_latents_stand_in_the_page_if_there_are_any(tmp_path):
    probs = np.full((180, 6), OFF)
    probs[:, :3] = 1
    labels = np.repeat(np.arange(3), 60)
    probs[np.arange(180), 3 + labels] = ON
    run = make_run(tmp_path / "run", per_class=60, probs=probs, n_dense=3)
    assert "Directions of the always-on" not in check(report(run)).text
    (codes,) = runs.read_codes(run, ("test",))
    z = codes.slab_loc.astype(float)
    attributes = {"loop_area": 0.6 * z[:, 0] - 0.8 * z[:, 2], "noise": np.random.default_rng(5).normal(size=180)}
    runs.save_arrays(run, "attributes.npz", attributes)
    page = check(report(run))
    table = page.source[page.source.index('id="directions"') : page.source.index('id="overlap"')]
    assert "The 3 latents that are always on" in table
    ((name, cells),) = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', table, flags=re.DOTALL)
    cells = [re.sub(r"<.*?>", " ", cell).split() for cell in re.findall(r"<td.*?>(.*?)</td>", cells)]
    (found, _) = block_directions(codes, attributes)
    assert name == "loop area"
    assert [float(text) for text in cells[0] if text != "…"] == pytest.approx(found.rho, abs=0.006)
    assert cells[1] == ["3", "of", "3"]
    assert cells[2] == ["2", f"\N{MINUS SIGN}{-found.weights[2]:.2f}", "0", f"+{found.weights[0]:.2f}"]
    assert cells[3] == ["2", f"\N{MINUS SIGN}{-found.best_latent_rho:.2f}"]
    runs.save_arrays(run, "attributes.npz", {"noise": attributes["noise"]})
    assert "Directions of the always-on" not in check(report(run)).text


def test_a_change_by_the_range_has_the_sign_of_going_up(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained.run, run)
    evaluate(run)
    (run / "attributes.npz").unlink()  # what is known of changes is kept apart
    kept = json.loads((run / "interventions.json").read_text())
    upside_down = json.loads((run / "interventions.json").read_text())
    for change in (change for one in upside_down for change in one["changes"]):
        change["sweep"] = [-end if end is not None else None for end in (change["sweep"][i] for i in (0, 2, 1))]
    seen = []
    for interventions in (kept, upside_down):
        write_atomic(run / "interventions.json", json.dumps(interventions))
        up = {one["latent"]: one["changes"][0]["sweep"][0] > 0 for one in interventions if one["changes"]}
        for row in re.findall(r"<tr>.*?</tr>", Page(report(run)).source, flags=re.DOTALL):
            if swept := re.search(r'#latent-(\d+)".*\N{LEFT RIGHT ARROW} (.)', row, flags=re.DOTALL):
                assert swept[2] == ("+" if up[int(swept[1])] else "\N{MINUS SIGN}")
                seen.append(swept[2])
    assert set(seen) == {"+", "\N{MINUS SIGN}"}


def test_a_latent_that_is_always_on_is_not_switched_off(tmp_path):
    probs = np.full((18, 4), OFF)
    probs[:, 0] = ON
    probs[:6, 1] = probs[6:12, 2] = probs[12:, 3] = ON
    for shape, likelihood in (((1, 6, 6), "bernoulli"), ((12,), "gaussian")):
        source = check(report(make_run(tmp_path / likelihood, shape=shape, likelihood=likelihood, probs=probs))).source
        labels = re.findall(r'aria-label="(Latent \d.*?)"', source)
        assert sorted(re.match(r"Latent (\d), (off, then )?", label).groups() for label in labels) == [
            ("0", None), ("1", "off, then "), ("2", "off, then "), ("3", "off, then "),
        ]  # fmt: skip
        if len(shape) == 3:
            cards = re.findall(r'<figure class="card" id="latent-(\d)">(.*?)</figure>', source, flags=re.DOTALL)
            assert {latent: ">off</text>" in figure for latent, figure in cards} == {
                "0": False, "1": True, "2": True, "3": True,
            }  # fmt: skip


def test_families_and_disentanglement_stand_in_the_page_if_there_are_any(tmp_path):
    run = make_run(tmp_path / "run", n_classes=4, per_class=30)
    page = check(report(run))
    assert not {"disentanglement"} & set(page.ids)
    assert "Families" in page.text
    assert re.search(r"class 0, class 1, class 2 +\d", page.text)  # latent 1 is theirs
    (codes,) = runs.read_codes(run, ("test",))
    runs.save_arrays(run, "attributes.npz", {"slant": codes.slab_loc[:, 0].astype(float)})
    page = check(report(run))
    assert "the class and slant" in page.text
    value = measure_disentanglement(codes, runs.read_arrays(run, "attributes.npz"))["sap_pooled"].value
    assert re.search(rf"SAP {value:.2f} \d\.\d\d … \d\.\d\d", page.text)
    assert all(metric.blind_to in page.text for name, metric in METRICS.items() if name != "monoscore")
    runs.save_arrays(run, "attributes.npz", {f"column {k}": np.zeros(len(codes)) for k in range(200)})
    assert "The 200 attributes of all classes would take longer" in check(report(run)).text


def test_a_model_without_spikes_is_said_to_have_none(tmp_path):
    page = check(report(make_run(tmp_path / "run", probs=np.ones((18, 26)), n_dense=26, objective="vae")))
    assert "All 26 latents are always on" in page.text
    assert "The 24 latents that do most are shown, of 26 in use." in page.text
    assert "Two samples of one class share" not in page.text


def test_a_dead_model_is_said_to_be_dead(tmp_path):
    page = check(report(make_run(tmp_path / "run", probs=np.full((18, 7), OFF))))
    assert "None of the 7 latents is in use" in page.text
    assert page.text.count("No latent is in use, so there is nothing to show.") == 4  # dead latents overlap fully
    assert "Overlap of two classes" not in page.text
    assert "More epochs ( --epochs ) or a larger --active-prior may wake some." in page.text


def test_no_history_and_no_previews_are_said(tmp_path):
    run = make_run(tmp_path / "run")
    (run / "history.jsonl").unlink()
    runs.save_arrays(run, "previews.npz", {"index": np.zeros(0, dtype=int), "x": np.zeros((0, 1, 6, 6), "float32")})
    page = check(report(run))
    assert "The run has no history." in page.text
    assert "The run keeps no labelled held-out samples to show." in page.text


def test_runs_stand_side_by_side_and_the_best_is_marked(tmp_path):
    run, dead = make_run(tmp_path / "a"), make_run(tmp_path / "b", probs=np.full((18, 7), OFF))
    page = check(report(run, compare=[dead]))
    assert "class-consistent (a)" in page.text
    assert "class-consistent (b)" in page.text
    assert "only the objective differs" in page.text
    within, between = (re.search(rf"Agreement {which}.*? [↑↓]", page.text)[0] for which in ("within", "between"))
    assert re.search(r" 100\.0 ★ 0\.0 ↑$", within)
    assert re.search(r" \d+\.\d ★ 0\.0 ↓$", between)  # what has no active latent does not win at differing
    assert not (dead / "report.html").exists()
    config = runs.read_config(dead)
    config["training"]["epochs"] = 99
    write_atomic(dead / "config.json", json.dumps(config))
    page = check(report(run, compare=[dead]))
    assert "the runs differ in training.epochs: compare with care" in page.text


def test_what_is_no_run_is_refused_in_a_line(tmp_path):
    run = make_run(tmp_path / "run")
    for arguments, options in (((tmp_path / "none",), {}), ((run,), {"compare": [tmp_path]})):
        with pytest.raises(InputError, match="Is it the folder of a run") as error:
            report(*arguments, **options)
        assert "\n" not in str(error.value)
    (run / "codes.npz").unlink()
    with pytest.raises(InputError, match="Was the run finished"):
        report(run)
    assert not (run / "report.html").exists()


def change_config(run, change):
    config = json.loads((run / "config.json").read_text())
    change(config)
    write_atomic(run / "config.json", json.dumps(config))


def change_previews(run, **arrays):
    runs.save_arrays(run, "previews.npz", runs.read_arrays(run, "previews.npz") | arrays)


def change_codes(run):
    (codes,) = runs.read_codes(run, ("test",))
    names = ("other", *codes.class_names[1:])
    runs.save_codes(run, dict.fromkeys(("test", "train"), replace(codes, class_names=names)))


def change_metrics(run, change):
    stored = {name: asdict(one) for name, one in evaluate(run).metrics.items()}
    change(stored)
    write_atomic(run / "metrics.json", json.dumps(stored))


ROW = {"epoch": 1, "seconds": 1.0, "loss": 1.0, "validation_loss": 1.0}
DAMAGES = {
    "history with other terms": (lambda run: runs.write_history(run, [ROW, {**ROW, "more": 1.0}]), "history.jsonl"),
    "history without a term": (lambda run: runs.write_history(run, [ROW, {"epoch": 2, "seconds": 1.0}]), "row 2"),
    "history with text": (lambda run: runs.write_history(run, [{**ROW, "loss": "low"}]), "history.jsonl"),
    "history without epochs": (lambda run: runs.write_history(run, [{"seconds": 1.0}]), "must have 'epoch'"),
    "history of lists": (lambda run: (run / "history.jsonl").write_text("[1.0]\n"), "history.jsonl"),
    "no objective": (lambda run: change_config(run, lambda c: c.pop("objective")), "config.json must have objective"),
    "no training": (lambda run: change_config(run, lambda c: c.pop("training")), "config.json must have training"),
    "no torch": (lambda run: change_config(run, lambda c: c.pop("torch")), "config.json must have torch"),
    "no classes": (lambda run: change_config(run, lambda c: c["data"].pop("class_names")), "config.json must have da"),
    "numbered classes": (lambda run: change_config(run, lambda c: c["data"].update(class_names=[1, 2, 3])), "run"),
    "metrics {}": (lambda run: change_metrics(run, dict.clear), "metrics.json lacks active_per_sample"),
    "no cost": (lambda run: change_metrics(run, lambda m: m.pop("neg_elbo")), "metrics.json lacks neg_elbo. Delete it"),
    "previews without x": (lambda run: runs.save_arrays(run, "previews.npz", {"index": np.arange(2)}), "lacks 'x'"),
    "index out of range": (lambda run: change_previews(run, index=np.arange(10, 19)), "got 10 … 18"),
    "index below 0": (lambda run: change_previews(run, index=-np.ones(9, int)), "previews.npz must have an 'index' in"),
    "index of text": (lambda run: change_previews(run, index=np.array(["a"] * 9)), "previews.npz must have rows"),
    "x of a wrong shape": (lambda run: change_previews(run, x=np.zeros((9, 1, 5, 6))), "previews.npz must have 'x'"),
    "x of a wrong length": (lambda run: change_previews(run, x=np.zeros((8, 1, 6, 6))), "previews.npz must have 'x'"),
    "x not finite": (lambda run: change_previews(run, x=np.full((9, 1, 6, 6), np.nan)), "previews.npz must have fin"),
    "x of text": (lambda run: change_previews(run, x=np.full((9, 1, 6, 6), "a")), "previews.npz must have fin"),
    "codes of other classes": (change_codes, "codes.npz must hold samples"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_run_is_refused_in_a_line(tmp_path, damage, message):
    damage(run := make_run(tmp_path / "run"))
    with pytest.raises(InputError, match=re.escape(message)) as error:
        report(run)
    assert str(run) in str(error.value)
    assert "\n" not in str(error.value)
    assert not (run / "report.html").exists()


@pytest.mark.parametrize("damage", [{"value": "low"}, {"value": None}, {"direction": "up"}])
def test_a_measure_that_is_none_is_refused(tmp_path, damage):
    run = make_run(tmp_path / "run")
    change_metrics(run, lambda stored: stored["within"].update(damage))
    with pytest.raises(InputError, match=r"metrics.json is damaged"):
        report(run)


@pytest.mark.parametrize("name", ["n_group", "n_global", "jaccard_within", "seconds", "probe_active_probs"])
def test_a_measure_that_is_missing_is_left_out(tmp_path, name):
    run = make_run(tmp_path / "run")
    change_metrics(run, lambda stored: stored.pop(name))
    check(report(run, compare=[make_run(tmp_path / "other")]))


def test_a_cost_that_is_not_finite_is_left_out(tmp_path):
    run = make_run(tmp_path / "run")
    change_metrics(run, lambda stored: stored["neg_elbo"].update(value=float("inf")))
    assert "A sample costs" not in check(report(run)).text


def test_a_folder_that_cannot_be_written_is_refused_in_a_line(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    run = make_run(tmp_path / "run")
    monkeypatch.setattr(html_report, "write_atomic", refuse)
    with pytest.raises(InputError, match="Permission denied"):
        report(run)


def test_a_trained_run_has_its_page(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained.run, run)
    page = check(report(run))
    assert "digits class-consistent objective" in page.text
