"""The tables of the page: what is known in, rows of text out. Nothing is measured here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from math import isnan
from typing import Any

import numpy as np

from cospike.benchmark.aggregate import mean_interval
from cospike.benchmark.recipes import MODELS
from cospike.reproduction.gathered import MAIN, Results, bracketed, number, shown
from cospike.reproduction.honesty import THRESHOLDS
from cospike.reproduction.own_factors import of_class
from cospike.reproduction.record import Record
from cospike.reproduction.studies import recipe_of

Rows = list[list[str]]
NAMES = {"default": "default", "paper": "paper's", "vsc": "VSC, λ = 0", "vae": "VAE", "vsc-dense": "VSC, dense block"}
"""How tables call the models."""


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown; a bar within a cell would end it.

    >>> print(markdown(["a", "b"], [["1", "x|y"]]))
    | a | b |
    |---|---|
    | 1 | x/y |
    """
    lines = [head, ["---"] * len(head), *rows]
    texts = [[cell.replace("|", "/") for cell in line] for line in lines]
    return "\n".join(
        "|" + "|".join(line) + "|" if i == 1 else f"| {' | '.join(line)} |" for i, line in enumerate(texts)
    )


def seeds(results: Results) -> tuple[list[str], Rows]:
    """Which seeds of which model are in: of the records, and of the benchmark's rows."""
    models = [*MAIN, "vsc-dense", "paper-distance"]
    rows = []
    for data in results.data:
        cells = []
        for model in models:
            own = ", ".join(str(one.seed) for one in results.of(data, model)) or "\N{EN DASH}"
            of_rows = len(results.values(data, model, "neg_elbo"))
            cells.append(f"{own} ({of_rows})" if results.rows else own)
        rows.append([data, *cells])
    return ["data", *(NAMES.get(model, model) for model in models)], rows


def divergences(results: Results, data: str) -> tuple[list[str], Rows]:
    """The divergence of pairs on test rows: quartiles over pairs, each the mean over seeds."""
    rows = []
    for model in MAIN:
        found = results.findings(data, model, "activation")
        cells = [NAMES[model], str(len(found))]
        for kind in ("within", "between"):
            known = [one[kind] for one in found.values() if kind in one]
            quartiles = np.mean([one["quantiles"][1:4] for one in known], axis=0) if known else []
            cells.append(" / ".join(f"{value:.2g}" for value in quartiles) or "\N{EN DASH}")
            cells.append(shown(mean_interval([one["mean"] for one in known]), digits=4) if known else "\N{EN DASH}")
        rows.append(cells)
    return ["model", "seeds", "within: quartiles", "mean", "between: quartiles", "mean"], rows


def ties(results: Results, data: str) -> tuple[list[str], Rows]:
    """For each model and attribute the ρ of the global latent that goes with it most, mean over seeds."""
    names = _attributes(results, data)
    rows = []
    for model in MAIN:
        found = results.findings(data, model, "ties")
        if not found:
            continue
        cells = [NAMES[model], shown(_of(results.findings(data, model, "global"), len))]
        cells.append(shown(results.interval(data, model, "n_global_worth")))
        for name in names:
            known = [one[name]["global"] for one in found.values() if one.get(name, {}).get("global")]
            best = "none" if not known else shown(mean_interval([abs(one["rho"]) for one in known]), digits=2)
            sweep = [abs(one["sweep"][0]) for one in known if one["sweep"] and one["sweep"][0] is not None]
            cells.append(best + (f"; {np.mean(sweep):.1f} sd" if sweep else ""))
        rows.append(cells)
        block = results.findings(data, model, "block")
        if any(block.values()):
            told = [[one[name]["rho"][0] for one in block.values() if name in one] for name in names]
            texts = [shown(mean_interval(one), digits=2) if one else "\N{EN DASH}" for one in told]
            rows.append([f"{NAMES[model]}, all of them together", "", "", *texts])
    return ["model", "global", "worth a nat", *(name.replace("_", " ") for name in names)], rows


def own(record: Record | None) -> tuple[list[str], Rows]:
    """Class by class of one run: its own latents, what the one of fewest classes changes, and how targeted it is."""
    rows = []
    for name in record.findings["categories"]["classes"] if record else ():
        assert record is not None
        latents = of_class(record.findings["own"], name)
        alone = sum(one["kind"] == "class-specific" for one in latents)
        if not latents:
            rows.append([name, "0", "", "", "", ""])
            continue
        best = latents[0]
        changes = sorted(best["changes"].items(), key=lambda one: -abs(one[1][0]))[:2]
        said = "; ".join(f"{attribute.replace('_', ' ')} {bracketed(change, 1)}" for attribute, change in changes)
        others = [other for other in best["classes"] if other != name]
        targeted, control = (bracketed(best[part]) for part in ("targeted", "control"))
        serves = "alone" if not others else ", ".join(others)
        rows.append(
            [
                name,
                f"{len(latents)} ({alone})",
                f"{best['latent']}: {serves}",
                said or "nothing sure",
                targeted,
                control,
            ]
        )
    return ["class", "latents (its own alone)", "the first: with", "changes, in sd", "targeted", "control"], rows


def categories(results: Results, data: str) -> tuple[list[str], Rows]:
    """The contrast of the category that was named beforehand, in every run."""
    rows = []
    for model in (*MAIN, "vsc-dense"):
        for seed, found in sorted(results.findings(data, model, "categories").items()):
            for one in found["named"].values():
                sizes = [number(one["inside"]), number(one["outside"])]
                rows.append([NAMES[model], str(seed), *sizes, bracketed(one["excess"], 3), number(one["p_value"], 3)])
    return ["model", "seed", "inside", "with the rest", "excess", "p, of all such groups"], rows


def found_groups(results: Results, data: str) -> tuple[list[str], Rows]:
    """Groups that were found in training codes, in the runs of seed 0, tested on held-out ones."""
    rows = []
    for model in (*MAIN, "vsc-dense"):
        for one in results.findings(data, model, "categories").get(0, {"found": []})["found"]:
            rows.append([NAMES[model], ", ".join(one["group"]), bracketed(one["excess"], 3)])
    return ["model", "group", "excess"], rows


def control(results: Results, data: str) -> tuple[list[str], Rows]:
    """How well a request is met, by attribute and model: means over seeds."""
    rows = []
    for name in _attributes(results, data):
        for model in MAIN:
            known = [one[name] for one in results.findings(data, model, "control").values() if name in one]
            runs = len(results.findings(data, model, "control"))
            if not runs:
                continue
            cells = [_mean([one[part][0] if part == "error" else one[part] for one in known]) for part in _CONTROL]
            rows.append([name.replace("_", " "), NAMES[model], f"{len(known)} of {runs}", *cells])
    head = [
        "attribute",
        "model",
        "runs with a latent",
        "on in",
        "error",
        "side effect",
        "transferred",
        "left when fixed",
    ]
    return head, rows


_CONTROL = ("usage", "error", "side", "transfer", "fixed")


def cost(results: Results, data: str) -> tuple[list[str], Rows]:
    """Bounds, reconstruction, sparsity, agreement and time, with intervals over seeds."""
    columns = {
        "\N{MINUS SIGN}ELBO": ("neg_elbo", False, 1),
        "\N{MINUS SIGN}ELBO, mixture": ("neg_elbo_mixture", False, 1),
        "recon.": ("reconstruction", False, 1),
        "L0": ("active_per_sample_exact", False, 1),
        "within": ("jaccard_within", True, 1),
        "between, specific": ("jaccard_between_specific", True, 1),
        "gap, specific": ("consistency_gap_specific", True, 1),
        "probe, pattern": ("probe_active_probs", True, 1),
        "seconds": ("seconds", False, 0),
    }
    rows = []
    for model in all_models(results, data):
        cells = [
            shown(results.interval(data, model, measure), percent=percent, digits=digits)
            for measure, percent, digits in columns.values()
        ]
        recipe = recipe_of(data, model)
        name = f"**{recipe.name}**" if recipe and model in MAIN else recipe.name if recipe else model
        rows.append([name, str(len(results.values(data, model, "neg_elbo"))), *cells])
    return ["model", "seeds", *columns], rows


def all_models(results: Results, data: str) -> Iterator[str]:
    """The models of the records by their names here, and those of the benchmark that have none here."""
    here = [model for model in (*MAIN, "vsc-dense", "paper-distance") if results.values(data, model, "neg_elbo")]
    yield from here
    taken = {recipe.name for model in here if (recipe := recipe_of(data, model))}
    known = {cell.model for cell in results.rows if cell.data == data}
    yield from (model for model in MODELS if model in known - taken - {"classifier"})


def choices(results: Results, data: str) -> tuple[list[str], Rows]:
    """What a choice that the paper leaves open changes, in runs of seed 0: as it is, and with one setting changed."""
    base = [one for one in results.of(data, "paper") if one.seed == 0]
    parts = [one for one in results.records.values() if one.data == data and one.part == "sensitivity"]
    parts += [one for model in ("paper-distance", "paper-no-warm-up", "trivial") for one in results.of(data, model)]
    rows = [_choice("as above", one) for one in base] + [_choice(one.about, one) for one in parts]
    return ["paper's model", *_CHANGED], rows


_CHANGED = {
    "\N{MINUS SIGN}ELBO": ("neg_elbo", 1.0, 1),
    "within": ("jaccard_within", 100.0, 1),
    "between": ("jaccard_between", 100.0, 1),
    "gap": ("consistency_gap", 100.0, 1),
    "global": ("n_global", 1.0, 0),
    "in use": ("latents_in_use", 1.0, 0),
    "probe, pattern": ("probe_active_probs", 100.0, 1),
}


def _choice(name: str, record: Record) -> list[str]:
    values = record.values
    cells = [number(scale * values.get(measure, np.nan), digits) for measure, scale, digits in _CHANGED.values()]
    return [name, *cells]


def collapse(results: Results, data: str) -> tuple[list[str], Rows]:
    """VSC with and without cospike's warm-up, in runs of seed 0."""
    runs = [one for model in ("vsc", "vsc-no-warm-up") for one in results.of(data, model) if one.seed == 0]
    return ["run", *_CHANGED], [_choice(NAMES.get(one.model, one.about), one) for one in runs]


def thresholds(results: Results, data: str) -> tuple[list[str], Rows]:
    """The gap of the active sets and the number of global latents at each threshold, means over seeds."""
    rows = []
    for model in ("paper", "vsc", "default"):
        found = results.findings(data, model, "thresholds").values()
        cells = [
            f"{_mean([100 * one[key]['consistency_gap'] for one in found if 'consistency_gap' in one[key]], 1)}; "
            f"{_mean([one[key]['n_global'] for one in found], 1)}"
            for key in (f"{value:g}" for value in THRESHOLDS)
        ]
        rows.append([NAMES[model], *cells])
    return ["gap; global latents, at", *(f"{value:g}" for value in THRESHOLDS)], rows


def published(results: Results) -> tuple[list[str], Rows]:
    """VSC's published figures beside ours."""
    rows = []
    for one in sorted((one for one in results.records.values() if one.part == "published"), key=_published_order):
        found, known = one.findings["published"], one.published
        probe = f"{100 * found['probe']:.1f}"
        rows.append(
            [one.data, one.model.removeprefix("published-"), one.about, number(known.get("neg_elbo", np.nan), 1)]
            + [number(found[kind], 1) for kind in ("relaxed", "exact")]
            + [number(found["relaxed"] - found["exact"], 1), number(100 * known.get("probe", np.nan), 1), probe]
            + [number(one.values["latents_in_use"], 0)]
        )
    bound = ["published \N{MINUS SIGN}ELBO", "relaxed", "exact", "relaxed less exact"]
    return ["data", "run", "what", *bound, "published probe, %", "probe, %", "in use"], rows


def _published_order(record: Record) -> tuple[bool, str]:
    return record.data != "mnist", record.model


def runs(results: Results) -> tuple[list[str], Rows]:
    """Every run: what is different in it, and by what its configuration is known again."""
    rows = [
        [one.data, one.model, str(one.seed), one.about, f"`{one.fingerprint}`"]
        for one in sorted(results.records.values(), key=lambda one: (one.data != "mnist", one.data, *one.place[1:]))
    ]
    return ["data", "run", "seed", "what", "config"], rows


def _attributes(results: Results, data: str) -> list[str]:
    found = [results.findings(data, model, "ties").values() for model in MAIN]
    return list(dict.fromkeys(name for one in chain(*found) for name in one))


def _of(found: Mapping[int, Any], measure: Any) -> Any:
    return mean_interval([float(measure(one)) for one in found.values()]) if found else None


def _mean(values: Sequence[float | None], digits: int = 2) -> str:
    known = [float(value) for value in values if value is not None and not isnan(value)]
    return number(float(np.mean(known)), digits) if known else "\N{EN DASH}"
