"""What each setting of the default is worth: one lever at a time, around `cospike train`'s defaults.

    python benchmarks/levers.py [LEVER ...] [--data mnist] [--seeds 100 101]

Trains every variant of the named levers (default: all) and prints a Markdown table each, means over the seeds, on
*validation* rows: settings are chosen there, and the test split is for `cospike benchmark`. The pages in
docs/design say what was decided.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

import cospike as cs
from cospike.data import Dataset
from cospike.options import model_settings


class Variant(NamedTuple):
    """A row: how it differs from the defaults of a preset."""

    label: str
    preset: str = "class-consistent"
    objective: Mapping[str, Any] = MappingProxyType({})
    model: Mapping[str, Any] = MappingProxyType({})
    training: Mapping[str, Any] = MappingProxyType({})


DEFAULT, VSC = Variant("default"), Variant("VSC", "vsc")
LEVERS: dict[str, tuple[Variant, ...]] = {
    "dense": (
        *(Variant(f"{n} dense", model={"n_dense": n}) for n in (0, 2, 4, 6, 8)),
        Variant("6 dense, free at first", objective={"early_dense": 0.0}),
        VSC,
        Variant("VSC, 6 dense", "vsc", objective={"early_dense": 1.0}, model={"n_dense": 6}),
    ),
    "sharing": tuple(Variant(f"sharing {rho:g}", objective={"sharing": rho}) for rho in (0.0, 0.3, 0.5)),
    "within": tuple(Variant(f"within {price:g}", objective={"within": price}) for price in (3.0, 4.0, 5.0, 6.0, 10.0)),
    "between": tuple(Variant(f"between {price:g}", objective={"between": price}) for price in (0.0, 0.3, 1.0)),
    "equivocation": tuple(
        Variant(f"equivocation {price:g}", objective={"equivocation": price}) for price in (0.0, 2.0, 5.0, 8.0, 12.0)
    ),
    "warm-up": (
        *(Variant(f"early prior {p:g}", objective={"early_prior": p}) for p in (0.01, 0.1, 0.2, 0.4)),
        *(Variant(f"until {u:g}", objective={"warm_up": cs.Schedule(0.0, 1.0, until=u)}) for u in (0.3, 0.5, 0.8)),
        Variant("VSC, early prior 0.01", "vsc", objective={"early_prior": 0.01}),
        VSC,
    ),
    "spikes": (
        DEFAULT,
        *(Variant(how, objective={"spikes": how}) for how in ("straight-through", "relaxed")),
        VSC,
        *(Variant(f"VSC, {how}", "vsc", objective={"spikes": how}) for how in ("straight-through", "relaxed")),
    ),
    "prior": (
        DEFAULT,
        Variant("per class", model={"prior": "per-class"}),
        VSC,
        Variant("VSC, pseudo-inputs", "vsc-pseudo-inputs"),
    ),
    "training": (
        *(Variant(f"batch {n}", training={"batch_size": n}) for n in (125, 250, 500)),
        *(Variant(f"{n} epochs", training={"epochs": n}) for n in (12, 24, 48)),
        *(Variant(f"learning rate {lr:g}", training={"learning_rate": lr}) for lr in (2e-3, 2.5e-3, 4e-3, 8e-3)),
    ),
    "latents": tuple(
        Variant(f"{n} latents, alpha {alpha:g}", model={"n_latents": n, "active_prior": alpha})
        for n in (30, 60, 120)
        for alpha in (0.003, 0.01, 0.03)
    ),
}
COLUMNS = (
    "neg_elbo",
    "neg_elbo_mixture",
    "jaccard_within",
    "jaccard_within_specific",
    "jaccard_between_specific",
    "probe_active_probs",
    "probe_active_probs_exact",
    "n_global",
    "classes_with_own",
    "active_per_sample",
)


def measures(variant: Variant, data: Dataset, seed: int) -> list[float]:
    """Train one variant and measure it on the validation rows."""
    settings = {"n_classes": data.n_classes, **variant.model}
    settings |= {k: v for k, v in model_settings(variant.preset, 60).items() if k not in variant.model}
    model = cs.SparseVAE(data.shape, seed=seed, **settings)
    objective = replace(cs.Objective.preset(variant.preset), **variant.objective)
    cs.fit(model, data, objective=objective, seed=seed, precision="32-true", progress=False, **variant.training)
    codes = cs.encode_dataset(model, data.validation)
    found = cs.measure(codes, train=cs.encode_dataset(model, data.train)) | cs.bounds(model, codes)
    return [found[name].value if name in found else float("nan") for name in COLUMNS]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("levers", nargs="*", choices=[*LEVERS, []], metavar="LEVER", help=", ".join(LEVERS))
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101])
    given = parser.parse_args(arguments)
    data = cs.load_dataset(given.data)
    for lever in given.levers or LEVERS:
        print(f"\n**{lever}** ({given.data}, seeds {', '.join(map(str, given.seeds))})\n")
        print("| |", " | ".join(COLUMNS), "|")
        print("|---|" + "---|" * len(COLUMNS))
        for variant in LEVERS[lever]:
            means = np.mean([measures(variant, data, seed) for seed in given.seeds], axis=0)
            print(f"| {variant.label} |", " | ".join(f"{value:.4g}" for value in means), "|", flush=True)


if __name__ == "__main__":
    main()
