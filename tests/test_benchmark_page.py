"""Tables, page and figures of rows that are known: numbers against scipy.stats, and no word that could run."""

import csv
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from html import escape

import numpy as np
import pytest
from scipy import stats

from cospike import plots
from cospike.benchmark import page
from cospike.benchmark.files import Row
from cospike.benchmark.frontier import frontier_figure
from cospike.benchmark.page import COLUMNS, compare_families, summarise, write_benchmark
from cospike.benchmark.recipes import FAMILIES, MODELS
from cospike.benchmark.terminal import print_benchmark

DEFINITIONS = {
    "neg_elbo": {"unit": "nats", "direction": "lower", "how": "fixed prior"},
    "neg_iwae": {"unit": "nats", "direction": "lower", "how": "<script>weights</script>"},
    "jaccard_within": {"unit": "fraction", "direction": "higher", "how": "pairs"},
    "consistency_gap_specific": {"unit": "fraction", "direction": "higher", "how": "pairs"},
    "probe_codes": {"unit": "fraction", "direction": "higher", "how": "probe"},
    "n_class_specific": {"unit": "latents", "direction": "neither", "how": "kinds"},
    "active_per_sample_exact": {"unit": "latents", "direction": "neither", "how": "spikes"},
    "reconstruction": {"unit": "nats", "direction": "lower", "how": "one draw"},
    "seconds": {"unit": "seconds", "direction": "lower", "how": "clock"},
}
COST = {"vae": 90.0, "vsc": 100.0, "paper-300": 110.0, "paper-1000": 120.0, "class-consistent-3": 105.0}
COST |= {"class-consistent": 115.0}


def rows(data="digits", seeds=3):
    rng = np.random.default_rng(0)
    for seed in range(seeds):
        for model, cost in COST.items():
            gap = 0.0 if model == "vae" else 0.5 if model.startswith("class") else 0.2
            draw = rng.normal(size=8)
            values = {
                "neg_elbo": cost + draw[0],
                "neg_iwae": cost - 5 + draw[1],
                "jaccard_within": 1.0 if model == "vae" else 0.5 + gap / 2,
                "consistency_gap_specific": gap + 0.01 * draw[2],
                "probe_codes": 0.9 + 0.001 * draw[3],
                "n_class_specific": 8.0 * (gap > 0),
                "n_group": 0.0,
                "active_per_sample_exact": 5 + 0.1 * draw[4],
                "reconstruction": cost - 20 + draw[5],
                "seconds": 10 + draw[6],
            }
            yield Row(data, model, seed, "x", {"cospike": "0", "torch": "2"}, values)
        yield Row(data, "classifier", seed, "x", {"cospike": "0", "torch": "2"}, {"probe_codes": 0.99, "seconds": 1.0})


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    write_benchmark(folder, list(rows()), DEFINITIONS, failures=("beta-vae on digits, seed 0: <b>no</b> luck",))
    return folder


def test_the_table_has_scipys_means_and_intervals(out):
    with (out / "table.csv").open(encoding="utf-8", newline="") as file:
        lines = {(line["model"], line["measure"]): line for line in csv.DictReader(file)}
    assert len(lines) == len(COST) * 10 + 2
    for (model, measure), line in lines.items():
        values = [row.values[measure] for row in rows() if row.model == model]
        assert float(line["mean"]) == pytest.approx(np.mean(values), rel=1e-5)
        if np.ptp(values):
            expected = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
            assert (float(line["low"]), float(line["high"])) == pytest.approx(expected, rel=1e-4, abs=1e-5)
        assert (line["data"], line["seeds"]) == ("digits", "3")
        assert line["unit"] == DEFINITIONS.get(measure, {"unit": ""})["unit"]


def test_the_markdown_is_one_table_with_the_best_mean_in_bold(out):
    lines = [line for line in (out / "table.md").read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    table = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in lines[:9]}
    assert len({len(cells) for cells in table.values()}) == 1
    head = table["model"]
    assert head[:5] == ["seeds", "\N{MINUS SIGN}ELBO ↓", "\N{MINUS SIGN}IWAE ↓", "within ↑", "gap ↑"]
    assert list(table)[2:] == [name for name in MODELS if name in table]
    column = {model: cells[head.index("\N{MINUS SIGN}ELBO ↓")] for model, cells in table.items()}
    values = [row.values["neg_elbo"] for row in rows() if row.model == "vae"]
    half = stats.sem(values) * stats.t.ppf(0.975, 2)
    assert column["vae"] == f"**{np.mean(values):.1f} ± {half:.1f}**"
    assert sum("**" in text for text in column.values()) == 1
    gaps = {model: cells[head.index("gap ↑")] for model, cells in table.items()}
    assert gaps["vae"] == gaps["classifier"] == "\N{EN DASH}"  # no latents of a class: nothing to agree
    within = {model: cells[head.index("within ↑")] for model, cells in table.items()}
    assert within["vae"] == "100.0 ± 0.0"  # shown, yet what all classes share is no agreement of a class
    assert within["class-consistent"].startswith("**")
    probes = {model: cells[head.index("probe, codes ↑")] for model, cells in table.items()}
    assert probes["classifier"] == "99.0 ± 0.0"  # the best, but a ceiling wins nothing


def test_the_page_loads_nothing_runs_nothing_and_is_the_same_again(out, tmp_path):
    html = (out / "index.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in html
    assert not any(word in html for word in ("<script", "<b>no", "<link", "src=", "@import", "url(http"))
    assert "&lt;b&gt;no&lt;/b&gt; luck" in html
    assert "&lt;script&gt;weights" in html
    assert html.count("<svg ") == 3
    for name in COST:
        assert f">{name}</th>" in html
    write_benchmark(tmp_path, list(rows()), DEFINITIONS, failures=("beta-vae on digits, seed 0: <b>no</b> luck",))
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (out / path.name).read_bytes()


EVIL = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "{{7*7}}",
    "=1+1",
)


@pytest.mark.parametrize("evil", EVIL)
def test_names_of_others_are_text_everywhere(tmp_path, evil, capsys):
    name = evil.replace("/", "_")  # the name of a folder
    definitions = {measure: {**entry, "how": evil, "unit": evil} for measure, entry in DEFINITIONS.items()}
    odd = [replace(row, values={**row.values, evil: 1.0}, versions={evil: evil}) for row in rows(data=name)]
    sections = write_benchmark(tmp_path, odd, definitions | {evil: definitions["neg_elbo"]}, failures=(evil,))
    print_benchmark(sections)
    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    tags = re.findall(r"<(/?\w+)", html)
    assert not {"img", "script", "/script"} & set(tags)
    assert not re.search(r"<[^>]*\son\w+=", re.sub(r'"[^"]*"', '""', html))
    assert escape(evil) in html
    assert "54439" not in html
    if "<" in evil:
        assert evil not in html
        assert evil not in (tmp_path / "table.md").read_text(encoding="utf-8")
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert not [cell for cell in cells if cell[:1] in "=+@" and cell]
    assert all(float(cell) for cell in cells if cell[:1] == "-")


def test_every_figure_is_a_file_that_stands_alone(out, tmp_path):
    names = {f"frontier-{kind}-digits.svg" for kind in ("gap", "gap-iwae", "sparsity")}
    assert {path.name for path in out.glob("*.svg")} == names
    for name in names:
        assert ET.parse(out / name).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    (tmp_path / "frontier-gap-mnist.svg").write_text("old")
    write_benchmark(tmp_path, list(rows()), DEFINITIONS)
    assert {path.name for path in tmp_path.glob("*.svg")} == names


def test_families_are_compared_over_the_seeds_that_have_all_their_settings():
    every = [row for row in rows(seeds=4) if (row.model, row.seed) != ("paper-300", 2)]
    comparison = compare_families(every)
    assert comparison.n_seeds == 3
    assert comparison.verdict == "overlap"
    assert [one.mean for one in comparison.differences] == pytest.approx([0.3] * 5, abs=0.03)
    assert all(one.low > 0.2 for one in comparison.differences)
    assert compare_families([row for row in rows() if row.model not in FAMILIES["class-consistent"]]) is None


def without(row, *measures):
    return replace(row, values={name: value for name, value in row.values.items() if name not in measures})


@pytest.mark.parametrize(
    "damaged",
    [
        lambda row: without(row, "consistency_gap_specific"),
        lambda row: without(row, "neg_elbo"),
        lambda row: replace(row, values=row.values | {"n_class_specific": 0.0, "consistency_gap_specific": -1.0}),
    ],
)
def test_a_setting_without_the_measures_or_without_latents_that_agree_is_left_out_of_its_family(damaged):
    every = [damaged(row) if row.model == "paper-300" else row for row in rows()]
    assert compare_families(every) == compare_families([row for row in rows() if row.model != "paper-300"])
    one = [damaged(row) if row.model.startswith("class-consistent") else row for row in rows()]
    assert compare_families(one) is None


@pytest.mark.parametrize("lost", [*DEFINITIONS, "all"])
def test_a_measure_without_a_definition_is_left_out_of_tables(tmp_path, capsys, lost):
    known = {} if lost == "all" else {name: entry for name, entry in DEFINITIONS.items() if name != lost}
    sections = write_benchmark(tmp_path, list(rows()), known)
    print_benchmark(sections)
    markdown, shown = (tmp_path / "table.md").read_text(encoding="utf-8"), capsys.readouterr().out
    head = next(line for line in markdown.splitlines() if line.startswith("| model"))
    for measure in DEFINITIONS.keys() & COLUMNS.keys():
        named = [cell.strip(" ↑↓") for cell in head.split("|")]
        assert (COLUMNS[measure] in named) == (measure in known)
    assert all(model in shown for model in COST)


def test_without_overlap_for_every_seed_it_does_not_deny_that_of_single_seeds(tmp_path):
    """The families cross with each of two seeds, at other costs."""
    shift = {0: 0.0, 1: 100.0}
    crossed = [replace(row, values=row.values | {"neg_elbo": COST[row.model] + shift[row.seed]})
               for row in rows(seeds=2) if row.model in COST]  # fmt: skip
    write_benchmark(tmp_path, crossed, DEFINITIONS)
    for name in ("table.md", "index.html"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "share no" not in text
        assert "for every seed, and neither is both cheaper" in text


def test_bounds_are_said_to_be_against_the_prior_of_training(out):
    html, markdown = ((out / name).read_text(encoding="utf-8") for name in ("index.html", "table.md"))
    assert "against the prior of training" in html
    assert "against the fixed prior" not in html
    assert "the models whose prior is fixed" in html
    assert "of models whose prior is fixed" in markdown


def test_comparisons_are_said_to_be_of_paired_differences(out):
    for name in ("table.md", "index.html"):
        assert "(paired differences, Student" in (out / name).read_text(encoding="utf-8")


def test_one_seed_shows_means_without_intervals(tmp_path):
    write_benchmark(tmp_path, list(rows(seeds=1)), DEFINITIONS)
    assert "±" not in (tmp_path / "table.md").read_text(encoding="utf-8").replace("mean ± half", "")
    assert "one seed gives none" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_two_seeds_show_both_values_and_no_interval_wider_than_the_scale(tmp_path, capsys):
    sections = write_benchmark(tmp_path, list(rows(seeds=2)), DEFINITIONS)
    markdown, html = ((tmp_path / name).read_text(encoding="utf-8") for name in ("table.md", "index.html"))
    gaps = sorted(100 * row.values["consistency_gap_specific"] for row in rows(seeds=2) if row.model == "vsc")
    assert f"{np.mean(gaps):.1f} ({gaps[0]:.1f} … {gaps[1]:.1f})" in markdown
    assert f"{np.mean(gaps):.1f}<small>{gaps[0]:.1f} … {gaps[1]:.1f}</small>" in html
    assert "±" not in markdown.replace("mean ± half", "") + html
    for text in (markdown, html):
        assert "of two seeds" in text
        assert "the differences of the two seeds (paired)" in text
    print_benchmark(sections)
    shown = capsys.readouterr().out
    assert "of two the mean alone" in shown
    assert max(map(len, shown.splitlines())) <= 80
    (vsc,) = (line for line in shown.splitlines() if line.startswith("vsc "))
    assert "±" not in vsc


def test_the_bars_of_two_seeds_end_at_both_values(monkeypatch):
    drawn = []

    def spy(marks, *_, **labels):
        drawn.append(marks["vsc"])
        return frontier_figure(marks, FAMILIES, **labels)

    monkeypatch.setattr(page, "frontier_figure", spy)
    with plots.style():
        summarise(list(rows(seeds=2)), DEFINITIONS)
    costs = [row.values["neg_elbo"] for row in rows(seeds=2) if row.model == "vsc"]
    assert drawn[0].x == pytest.approx((np.mean(costs), min(costs), max(costs)))


def test_three_seeds_and_more_say_nothing_of_two(out):
    for name in ("table.md", "index.html"):
        text = (out / name).read_text(encoding="utf-8")
        assert "in brackets" not in text
        assert "or the range of two" not in text


def test_rows_of_nothing_make_an_empty_page(tmp_path, capsys):
    assert write_benchmark(tmp_path, [], {}) == []
    assert "No runs yet" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_the_terminal_shows_every_data_set_and_model(capsys):
    with plots.style():
        print_benchmark(summarise([*rows(), *rows("mnist")], DEFINITIONS))
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("digits", "mnist", *COST, "classifier", "\N{MINUS SIGN}ELBO", "gap"))
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown


@pytest.mark.slow
def test_measures_of_a_run_are_printed_without_loading_what_draws():
    heavy = "import sys, cospike.tables; print({'cospike.benchmark', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
