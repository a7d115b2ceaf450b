"""What is found where the causes are known: generated images, and sums of a few directions.

    python benchmarks/ground_truth.py [shapes | sparse-linear ...] [--seeds 0 1 2]

Trains a few models on each set and prints a Markdown table, means over the seeds, on the set's 4,000 test rows. All
models have a Gaussian likelihood: the images are drawn without noise, and a Bernoulli's own spread would hide most of
what moves in them. *found, any kind*: causes that some latent tells with an R² of at least .75 within the classes they
concern; *found*: the same by a latent of the right kind; *wrong kind*: of the latents that tell something.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

import cospike as cs
from cospike.data import Split
from cospike.objective import model_settings
from cospike.recovery import RECOVERED
from cospike.synthetic import SPLITS, SYNTHETIC


class Variant(NamedTuple):
    """A row: a preset, and how it differs from it."""

    label: str
    preset: str = "class-consistent"
    objective: Mapping[str, Any] = MappingProxyType({})
    training: Mapping[str, Any] = MappingProxyType({})


# Four of 32 latents are in use at a time, and only sharing them between classes pins them down: charging from the
# first step for what a pattern says about its class is what makes classes share.
FULL_PRICE = {"between": 1.0, "warm_up": cs.Schedule(1.0, 1.0)}
VARIANTS = (
    Variant("default"),
    Variant("all at full price from the first step", objective=FULL_PRICE),
    Variant("the same, 60 epochs", objective=FULL_PRICE, training={"epochs": 60}),
    Variant("VSC", "vsc"),
    Variant("VAE", "vae"),
    Variant("β-VAE, β = 4", "vae", objective={"slab": 4.0}),
)
MODELS: dict[str, dict[str, Any]] = {
    "shapes": {"n_latents": 60},
    "sparse-linear": {"n_latents": 32, "n_dense": 0, "hidden": (128,), "active_prior": 0.05},
}
COLUMNS = ("support F1", "found", "found, any kind", "wrong kind", "neg. ELBO", "mixture", "within", "active")


def measures(variant: Variant, name: str, seed: int) -> list[float]:
    """Train one variant and hold its codes of the test rows against their causes."""
    data, truth = cs.load_dataset(name), SYNTHETIC[name](SPLITS["test"][0], seed=SPLITS["test"][1])
    settings = MODELS[name] | model_settings(variant.preset, MODELS[name]["n_latents"])
    model = cs.SparseVAE(data.shape, likelihood="gaussian", seed=seed, **settings)
    objective = replace(cs.Objective.preset(variant.preset), **variant.objective)
    cs.fit(model, data, objective=objective, seed=seed, precision="32-true", progress=False, **variant.training)
    codes = cs.encode_dataset(model, Split(data.test.x, data.test.y))
    found, recovery = cs.measure(codes) | cs.bounds(model, codes), cs.measure_recovery(codes, truth.causes)
    return [
        cs.support_f1(codes, truth.z),
        recovery.recovered,
        float(np.mean([cause.any_r2 >= RECOVERED for cause in recovery.causes])),
        recovery.wrong_kind,
        *(found[name].value for name in ("neg_elbo", "neg_elbo_mixture", "jaccard_within", "active_per_sample")),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", choices=[*MODELS, []], metavar="SET", help=", ".join(MODELS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args(arguments)
    for name in given.sets or MODELS:
        print(f"\n**{name}** (seeds {', '.join(map(str, given.seeds))})\n")
        print("| |", " | ".join(COLUMNS), "|")
        print("|---|" + "---|" * len(COLUMNS))
        for variant in VARIANTS:
            means = np.mean([measures(variant, name, seed) for seed in given.seeds], axis=0)
            print(f"| {variant.label} |", " | ".join(f"{value:.3g}" for value in means), "|", flush=True)


if __name__ == "__main__":
    main()
