"""Which latents of the default come back with another seed, and whether their partners are of the same kind.

    python benchmarks/stability.py [--data mnist] [--seeds 0 1 2 3 4] [--runs runs/stability]

Trains a run a seed, unless it is there, pairs the latents of every two runs on the test rows, and prints a Markdown
table, means over the pairs of runs. *By what they vary* is `cospike.stability`: partners vary classes alike. *By that
and use* takes the root of that similarity times the Jaccard index of the samples in which the two are on; since kinds
follow from use, partners found so agree in kind more easily. Pairs count from a similarity of ½, if both are in use.

A second table has the answers known: each latent of the first run that serves some classes only against itself, with
codes drawn anew from their posterior (the same latent: 1 but for that noise), and with its own values shuffled among
the samples of each class (a latent that draws the same class, and varies it by something else: 0). The change is what
switching the latent off makes; that less its mean in each class; or what another sample's value makes, as `stability`
has it.
"""

import argparse
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score

import cospike as cs
from cospike.decoding import decoder_of
from cospike.exchanges import others_of_the_class
from cospike.experiment import train_run
from cospike.kinds import GLOBAL_KINDS, OWN_KINDS, latent_kinds
from cospike.matching import ALIKE, effect_similarities
from cospike.options import Options
from cospike.runs import read_codes
from cospike.splits import in_turns

CHANGES = ("switched off", "switched off, less the mean of the class", "another sample's value")


def use_similarities(first: cs.Codes, second: cs.Codes) -> np.ndarray:
    """Jaccard index of the samples in which two latents are on."""
    a, b = (codes.active().astype(float) for codes in (first, second))
    both = a.T @ b
    return np.asarray(both / np.maximum(a.sum(axis=0)[:, None] + b.sum(axis=0) - both, 1))


def similarity_to_itself(
    decode: Callable[[np.ndarray], np.ndarray], latent: int, labels: np.ndarray, z: np.ndarray, like: np.ndarray
) -> list[float]:
    """Of a latent in codes ``z`` to the same latent in codes ``like``, by each of the three changes."""
    other = others_of_the_class(labels)

    def changes(z: np.ndarray) -> list[np.ndarray]:
        off, given = z.copy(), z.copy()
        off[:, latent], given[:, latent] = 0, z[other, latent]
        switched, exchanged = ((decode(z) - decode(new)).reshape(len(z), -1) for new in (off, given))
        means = np.stack([switched[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
        return [switched, switched - means[labels], exchanged]

    pairs = zip(changes(z), changes(like), strict=True)
    return [float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())) for a, b in pairs]


def print_known_answers(reading: cs.Reading) -> None:
    """The second table."""
    decode, codes = decoder_of(reading.model), reading.codes
    print("\n| change | samples | same latent, 10 % to 90 % | shuffled within classes: mean, sd, highest |")
    print("|---|---|---|---|")
    for n_samples in (500, 2_000):
        rng = np.random.default_rng(0)
        few = codes.select(in_turns(codes.labels, rng)[:n_samples])
        z, scores = few.values(), []
        drawn = few.slab_loc + few.slab_scale * rng.normal(size=z.shape)
        for latent in np.flatnonzero(np.isin(latent_kinds(codes), OWN_KINDS)):
            shuffled = z.copy()
            for label in np.unique(few.labels):
                rows = np.flatnonzero(few.labels == label)
                shuffled[rows, latent] = rng.permutation(z[rows, latent])
            anew = np.where(few.sample_active(), drawn, 0)
            scores.append([similarity_to_itself(decode, latent, few.labels, z, like) for like in (anew, shuffled)])
        for name, same, unlike in zip(CHANGES, *np.transpose(scores, (1, 2, 0)), strict=True):
            low, high = np.quantile(same, (0.1, 0.9))
            told = f"{unlike.mean():.2f}, {unlike.std():.2f}, {unlike.max():.2f}"
            print(f"| {name} | {n_samples:,} | {low:.2f} to {high:.2f} | {told} |")


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
            train_run(
                data,
                folder,
                objective=cs.Objective.class_consistent(),
                options=Options(seed=seed, precision="32-true"),
                resume=True,
            )
    readings = [cs.Reading(cs.load(folder), *read_codes(folder, ("test",))) for folder in folders]
    kinds = [np.where(np.isin(k := latent_kinds(r.codes), GLOBAL_KINDS), "global", k) for r in readings]
    effects = effect_similarities(readings)
    print("| partners | adjusted Rand index of kinds | lowest | pairs | latents in use |")
    print("|---|---|---|---|---|")
    for label, with_use in (("by what they vary", False), ("by that and use", True)):
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
    print_known_answers(readings[0])


if __name__ == "__main__":
    main()
