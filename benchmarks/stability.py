"""Which latents of the default come back with another seed, and whether their partners are of the same kind.

    python benchmarks/stability.py [--data mnist] [--seeds 0 1 2 3 4] [--runs runs/stability]

Trains a run a seed, unless it is there, pairs the latents of every two runs on the test rows, and prints a Markdown
table, means over the pairs of runs. *By effects* is `cospike.stability`: partners change the output alike. *By effects
and use* takes the root of that similarity times the Jaccard index of the samples in which the two are on; since kinds
follow from use, partners found so agree in kind more easily. Pairs count from a similarity of ½, if both are in use.
"""

import argparse
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score

import cospike as cs
from cospike.experiment import train_run
from cospike.kinds import GLOBAL_KINDS, latent_kinds
from cospike.matching import ALIKE, effect_similarities
from cospike.options import Options
from cospike.runs import read_codes


def use_similarities(first: cs.Codes, second: cs.Codes) -> np.ndarray:
    """Jaccard index of the samples in which two latents are on."""
    a, b = (codes.active().astype(float) for codes in (first, second))
    both = a.T @ b
    return np.asarray(both / np.maximum(a.sum(axis=0)[:, None] + b.sum(axis=0) - both, 1))


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, pair, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--runs", type=Path, default=Path("runs/stability"))
    given = parser.parse_args(arguments)
    folders = [given.runs / f"{given.data}-{seed}" for seed in given.seeds]
    data = cs.load_dataset(given.data)  # one split for all
    for seed, folder in zip(given.seeds, folders, strict=True):
        if not (folder / "metrics.json").is_file():
            train_run(data, folder, objective=cs.Objective.class_consistent(), options=Options(seed=seed), resume=True)
    readings = [cs.Reading(cs.load(folder), *read_codes(folder, ("test",))) for folder in folders]
    kinds = [np.where(np.isin(k := latent_kinds(r.codes), GLOBAL_KINDS), "global", k) for r in readings]
    effects = effect_similarities(readings)
    print("| partners | adjusted Rand index of kinds | lowest | pairs | latents in use |")
    print("|---|---|---|---|---|")
    for label, with_use in (("by effects", False), ("by effects and use", True)):
        scores, n_pairs = [], []
        for i, j in combinations(range(len(readings)), 2):
            similarity = effects[i, j]
            if with_use:
                similarity = np.sqrt(similarity * use_similarities(readings[i].codes, readings[j].codes))
            one, other = linear_sum_assignment(similarity**2, maximize=True)
            kept = (similarity[one, other] >= ALIKE) & (kinds[i][one] != "dead") & (kinds[j][other] != "dead")
            scores.append(adjusted_rand_score(kinds[i][one[kept]], kinds[j][other[kept]]))
            n_pairs.append(int(kept.sum()))
        in_use = np.mean([np.sum(k != "dead") for k in kinds])
        print(f"| {label} | {np.mean(scores):.2f} | {min(scores):.2f} | {np.mean(n_pairs):.1f} | {in_use:.1f} |")


if __name__ == "__main__":
    main()
