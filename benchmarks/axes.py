"""What the axes of the dense block are worth: how well single latents follow attributes, and come back with a seed.

    python benchmarks/axes.py RUN RUN ... [--data mnist]

RUNs are trainings of one model with different seeds, as `benchmarks/stability.py` leaves them. Each is read twice on
the test rows: in the axes that the training ended in, and in those that it was turned to (`cospike.axes`). Prints, for
each run and attribute, Spearman's ρ of the dense latent that follows it best within classes (mean over the classes),
and in how many classes it is .6 or more; what the turn costs, in nats of the negative ELBO; and for each two runs the
mean similarity of their dense latents to their partners (`cospike.match_latents`).
"""

import argparse
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

import cospike as cs
from cospike.attributes import attribute_kind

ATTRIBUTES = ("thickness", "slant", "width")


def best_followed(codes: cs.Codes, values: np.ndarray, n_dense: int) -> str:
    """The dense latent that follows an attribute best: its mean |ρ|, and the number of classes from .6."""
    rho = np.zeros((n_dense, codes.n_classes))
    for label in range(codes.n_classes):
        rows = (codes.labels == label) & np.isfinite(values)
        rho[:, label] = [abs(spearmanr(codes.slab_loc[rows, i], values[rows]).statistic) for i in range(n_dense)]
    best = rho[rho.mean(axis=1).argmax()]
    return f"{best.mean():.2f} ({np.sum(best >= 0.6)})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Read every run in both axes, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--data", default="mnist")
    given = parser.parse_args(arguments)
    data = cs.load_dataset(given.data)
    images = data.test.x.numpy()
    attributes = cs.measure_attributes(images, kind=attribute_kind(data.name, data.shape))
    print("| run | axes |", " | ".join(ATTRIBUTES), "| neg. ELBO |")
    print("|---|---|" + "---|" * (len(ATTRIBUTES) + 1))
    readings: dict[str, list[cs.Reading]] = {"as trained": [], "turned": []}
    for run in given.runs:
        for name, read in readings.items():
            model = cs.load(run)
            if name == "as trained":
                model.dense_axes = None
            codes = cs.encode_dataset(model, data.test)
            model.set_class_patterns(codes)
            read.append(cs.Reading(model, codes))
            followed = [best_followed(codes, attributes[one], model.n_dense) for one in ATTRIBUTES]
            print(
                f"| {run.name} | {name} |", " | ".join(followed), f"| {cs.bounds(model, codes)['neg_elbo'].value:.2f} |"
            )
    for name, read in readings.items():
        n_dense = read[0].model.n_dense
        means = [
            np.mean([row.similarity for row in cs.match_latents(one, other).matches[:n_dense]])
            for one, other in combinations(read, 2)
        ]
        if means:
            print(f"\n{name}: dense latents of two runs are {np.mean(means):.2f} alike ({min(means):.2f} at least)")


if __name__ == "__main__":
    main()
