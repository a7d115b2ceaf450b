"""The page of a reproduction, from its records and the benchmark's rows alone: the same results give the same bytes."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import jinja2
import numpy as np

from cospike import plots
from cospike._files import write_atomic
from cospike.benchmark.aggregate import mean_interval
from cospike.benchmark.files import Cell, read_rows
from cospike.benchmark.frontier import Mark, frontier_figure
from cospike.benchmark.recipes import FAMILIES, MODELS
from cospike.reproduction import tables
from cospike.reproduction.activation import BINS
from cospike.reproduction.claims import Claim, Verdict, judge_claims
from cospike.reproduction.figures import divergence_figure, line_figure
from cospike.reproduction.gathered import MAIN, Results, shown
from cospike.reproduction.panels import as_file
from cospike.reproduction.record import Record, read_records
from cospike.reproduction.studies import PAPER_PRICE, SEEDS, TRIVIAL_PRICE, recipe_of, studies

_COST, _GAP = "neg_elbo", "consistency_gap_specific"
_OVER_PRICE = {"within": "jaccard_within", "between": "jaccard_between", "gap": "consistency_gap"}


class Shown(NamedTuple):
    """A figure of a page: its file, what it shows, and which run made it, with the fingerprint of its config."""

    file: str
    title: str
    run: str
    config: str


def gather(out: Path, rows: Path | None = None) -> Results:
    """What is kept in ``out``, and a benchmark's rows of the same data.

    Raises:
        InputError: if a file is damaged.
    """
    records = read_records(out)
    known = read_rows(rows) if rows is not None else {}
    names = {place.data for place in records}
    return Results(records, {cell: row for cell, row in known.items() if cell.data in names})


def write_page(out: Path, results: Results) -> Path:
    """Draw what is drawn of several runs, and write ``out``/index.md."""
    figures = out / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for name, svg in shared_figures(results).items():
        write_atomic(figures / name, svg)
    page = out / "index.md"
    write_atomic(page, format_page(results, figures="figures"))
    return page


def format_page(results: Results, *, figures: str) -> str:
    """The page as Markdown.

    Args:
        results: what it is about.
        figures: where its figures are, from where it will be.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cospike"), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )  # text, no HTML: what could be mistaken for it is a name of a class
    words = {
        "results": results,
        "claims": judge_claims(results),
        "tables": tables,
        "markdown": tables.markdown,
        "sections": [_section(results, data) for data in results.data],
        "figures": figures,
        "price": PAPER_PRICE,
        "trivial": TRIVIAL_PRICE,
        "n_seeds": SEEDS,
        "n_records": len(results.records),
        "n_asked": len(studies()),
        "same": _same_runs(results),
        "claim_rows": _claim_rows,
        "counts": _counts,
        "rules": _rules,
        "shown": shown,
    }
    text = environment.get_template("reproduction.md.j2").render(words)
    text = "\n".join(line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def shared_figures(results: Results) -> dict[str, str]:
    """The figures that are of several runs, by the name of their file."""
    found = {}
    with plots.style():
        for data in results.data:
            for name, draw in (("divergences", _divergences), ("frontier", _frontier), ("price", _over_price)):
                if (svg := draw(results, data)) is not None:
                    found[f"{data}-{name}.svg"] = as_file(svg)
    return found


def _section(results: Results, data: str) -> dict[str, Any]:
    """What the template asks of a data set."""
    first = {one.model: one for one in results.records.values() if (one.data, one.seed) == (data, 0)}
    return {
        "data": data,
        "first": {model: first.get(model) for model in (*MAIN, "vsc-dense", "trivial", "vsc-no-warm-up")},
        "shown": {model: _shown(one) for model, one in first.items()},
        "shared": set(shared_names(results, data)),
        "gains": [
            (tables.NAMES[model], tables.NAMES[other], _excess_gain(results, data, model, other))
            for model, other in (("paper", "vsc"), ("default", "vsc"), ("default", "vsc-dense"))
        ],
    }


def _claim_rows(claims: Sequence[Claim]) -> list[list[str]]:
    return [[one.text, one.source, one.data, f"**{one.verdict}**", one.number, one.default] for one in claims]


def _counts(claims: Sequence[Claim]) -> str:
    """How many of the paper's claims came out how, in words."""
    verdicts = Counter(one.verdict for one in claims if one.source in ("P", "S"))
    return ", ".join(f"{verdicts[one]} {one}" for one in get_args(Verdict) if verdicts[one])


def _rules(claims: Sequence[Claim]) -> list[str]:
    """Each rule once, after the claims that it decides."""
    return list(
        dict.fromkeys(f"*{one.text.split(', more')[0]}*: {one.rule}" for one in claims if one.source != "V")
    ) + [f"*VSC's figures*: {rule}" for rule in dict.fromkeys(one.rule for one in claims if one.source == "V")]


def shared_names(results: Results, data: str) -> Iterator[str]:
    """Which figures of several runs there are, without drawing them."""
    if results.findings(data, "paper", "activation") or results.findings(data, "default", "activation"):
        yield "divergences"
    if len(_marks(results, data)) > 1:
        yield "frontier"
    if len(_prices(results, data)) > 1:
        yield "price"


def _shown(record: Record) -> dict[str, Shown]:
    """The figures of a run by what they show."""
    run = f"{record.model} on {record.data}, seed {record.seed}"
    return {name: Shown(file, f"{name}: {run}", run, record.fingerprint) for name, file in record.figures.items()}


def _excess_gain(results: Results, data: str, model: str, other: str) -> Any:
    """The excess of the named category less that of another model, paired by seed; None where it is not known."""
    a, b = (
        {seed: one["named"]["footwear"]["excess"][0] for seed, one in found.items() if "footwear" in one["named"]}
        for found in (results.findings(data, name, "categories") for name in (model, other))
    )
    differences = [a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())]
    return mean_interval(differences) if differences else None


def _same_runs(results: Results) -> tuple[int, float] | None:
    """How many runs the benchmark has as well, and the largest difference in −ELBO; None without any."""
    differences = []
    for cell, row in results.rows.items():
        for record in results.records.values():
            if record.fingerprint == row.fingerprint and _COST in row.values and cell.data == record.data:
                differences.append(abs(record.values[_COST] - row.values[_COST]))
    return (len(differences), max(differences)) if differences else None


def _divergences(results: Results, data: str) -> str | None:
    shares = {}
    for model in MAIN:
        if found := results.findings(data, model, "activation").get(0):
            shares[tables.NAMES[model]] = {kind: one["shares"] for kind, one in found.items()}
    if not shares:
        return None
    figure = divergence_figure(BINS, shares)
    return plots.to_svg(figure, f"Divergence of pairs of test samples of {data}, cumulated: {', '.join(shares)}")


def _marks(results: Results, data: str) -> dict[str, Mark]:
    """Where each model stands, by the benchmark's names; a VAE has no pattern whose gap could be meant."""
    marks = {}
    for model in tables.all_models(results, data):
        recipe = recipe_of(data, model) or MODELS[model]
        cost, gap = (results.interval(data, model, measure) for measure in (_COST, _GAP))
        if cost and gap and recipe.preset != "vae":
            marks[recipe.name] = Mark(recipe.label or recipe.name, *((one.mean, *one.shown) for one in (cost, gap)))
    return marks


def _frontier(results: Results, data: str) -> str | None:
    if len(marks := _marks(results, data)) < 2:
        return None
    figure = frontier_figure(
        marks,
        FAMILIES,
        x_label="\N{MINUS SIGN}ELBO, nats a sample (less is better)",
        y_label="consistency gap, global latents aside (more is better)",
    )
    shown = "; ".join(f"{model} {mark.x[0]:.4g}, {mark.y[0]:.3g}" for model, mark in marks.items())
    return plots.to_svg(figure, f"Gap against the bound on {data}: {shown}")


def _prices(results: Results, data: str) -> dict[float, Mapping[str, float]]:
    """The paper's model, as a divergence, over λ: means over seeds of the rows, with VSC at 0, and the trivial one."""
    found: dict[float, Mapping[str, float]] = {}
    settings = {"vsc": 0.0} | {f"paper-{price}": float(price) for price in (60, 300, 1000, 3000)}
    for model, price in settings.items():
        values = {name: results.interval(data, model, measure) for name, measure in _OVER_PRICE.items()}
        if all(values.values()):
            found[price] = {name: one.mean for name, one in values.items() if one is not None}
    own = recipe_of(data, "paper")
    for place, price in (("paper", float(own.objective["pairwise"]) if own else 0.0), ("trivial", TRIVIAL_PRICE)):
        record = results.records.get(Cell(data, place, 0))
        if record is not None and price not in found:
            found[price] = {name: record.values.get(measure, np.nan) for name, measure in _OVER_PRICE.items()}
    return dict(sorted(found.items()))


def _over_price(results: Results, data: str) -> str | None:
    if len(prices := _prices(results, data)) < 2:
        return None
    lines = {name: [one[name] for one in prices.values()] for name in _OVER_PRICE}
    names = [f"{price:g}" if price < 10_000 else f"{price / 1000:g}k" for price in prices]
    figure = line_figure(list(prices), lines, x_label="λ", y_label="agreement of active sets", names=names)
    return plots.to_svg(figure, f"Agreement within and between classes of {data} over λ = {', '.join(names)}")
