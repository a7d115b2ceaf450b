"""What the warm-up does: a prior that is tight from the start against an annealed one, for two objectives.

    python benchmarks/warm_up.py [mnist | fashion-mnist | digits] [--seed N]

Trains six models with the same network, data, epochs and seed, and prints measures on validation data (settings are
chosen there; the test split is for reports).
"""

import argparse
from dataclasses import replace

import cospike as cs

OBJECTIVES = (cs.Objective.vsc(), cs.Objective.class_consistent())
WARM_UPS = {
    "sparsity in full from the start": {"early_prior": 0.01, "early_global": 0},
    "annealed prior": {"early_global": 0},
    "annealed prior, one latent always on": {"early_global": 1},
}
COLUMNS = (
    "neg_elbo",
    "neg_elbo_mixture",
    "jaccard_within",
    "jaccard_between",
    "probe_active_probs",
    "latents_in_use",
    "n_global",
)


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="mnist")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    data = cs.load_dataset(arguments.data)
    print("| objective | warm-up |", " | ".join(COLUMNS), "|")
    print("|---|---|" + "---|" * len(COLUMNS))
    for objective in OBJECTIVES:
        for name, settings in WARM_UPS.items():
            model = cs.SparseVAE(data.shape, seed=arguments.seed)
            cs.fit(model, data, objective=replace(objective, **settings), seed=arguments.seed)
            codes = cs.encode_dataset(model, data.validation)
            measures = cs.measure(codes, train=cs.encode_dataset(model, data.train)) | cs.bounds(model, codes)
            values = " | ".join(f"{measures[column].value:.3g}" for column in COLUMNS)
            print(f"| {objective.name} | {name} | {values} |", flush=True)


if __name__ == "__main__":
    main()
