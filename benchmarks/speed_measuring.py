"""How the time of `measure` and `explain` grows from 10,000 codes to 100,000, and what 10,000 take.

    python benchmarks/speed_measuring.py [--threads 2] [--turns 5]

Codes of 60 latents and ten classes are drawn as a trained model has them: six latents that are always on, two of every
class, some that are on now and then, the rest off. Both sizes take turns, with default options: `measure` with 10,000
training codes, on which it fits its probes, and without; `explain` with the decoder of a model, and without.
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch
from timing import machine, ratio, take_turns

import cospike as cs

N_LATENTS, N_CLASSES, SIZES = 60, 10, (10_000, 100_000)
MOST_GROWTH, MOST_SECONDS = 11, 20  # the targets


def draw_codes(n: int, seed: int) -> cs.Codes:
    """Latents 0 to 5 always on, two for every class, ten on in a tenth of the samples, the rest off; 5 % slips."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(N_CLASSES, size=n)
    on = np.zeros((n, N_LATENTS), dtype=bool)
    on[:, :6] = True
    on[np.arange(n), 6 + 2 * labels] = on[np.arange(n), 7 + 2 * labels] = True
    on[:, 26:36] = rng.random((n, 10)) < 0.1
    on[:, 6:36] ^= rng.random((n, 30)) < 0.05
    sure = rng.beta(20, 1, (n, N_LATENTS))
    return cs.Codes(
        active_probs=np.where(on, sure, 1 - sure).astype(np.float32),
        slab_loc=rng.normal(size=(n, N_LATENTS)).astype(np.float32),
        slab_scale=np.full((n, N_LATENTS), 0.3, dtype=np.float32),
        labels=labels,
        class_names=tuple(map(str, range(N_CLASSES))),
        prior_probs=np.full(N_LATENTS, 0.01, dtype=np.float32),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model, train = cs.SparseVAE((784,), N_LATENTS), draw_codes(10_000, seed=1)
    few, many = (draw_codes(n, seed=0) for n in SIZES)
    verbs: dict[str, Callable[[cs.Codes], object]] = {
        "measure, with probes": lambda codes: cs.measure(codes, train=train),
        "measure, without": cs.measure,
        "explain, with a decoder": lambda codes: cs.explain(model, codes),
        "explain, without": lambda codes: cs.explain(None, codes),
    }
    candidates = {
        f"{name} {len(codes)}": (lambda verb=verb, codes=codes: verb(codes))
        for name, verb in verbs.items()
        for codes in (few, many)
    }
    seconds = take_turns(candidates, turns=arguments.turns)
    print("| what | target | measured | ratio | how |\n|---|---|---|---|---|")
    how = f"median of {arguments.turns} turns (and the middle half), {arguments.threads} threads"
    for name in verbs:
        small, large = (seconds[f"{name} {n}"] for n in SIZES)
        print(
            f"| {name}: from {SIZES[0]:,} codes x {N_LATENTS} to {SIZES[1]:,} | ≤ {MOST_GROWTH} times | "
            f"{np.median(small):.2f} s to {np.median(large):.2f} s | {ratio(large, small)} | {how} |"
        )
    small = seconds[f"measure, with probes {SIZES[0]}"]
    print(
        f"| measure, with probes: {SIZES[0]:,} codes x {N_LATENTS} | ≤ {MOST_SECONDS} s | {np.median(small):.2f} s | "
        f"{np.median(small) / MOST_SECONDS:.2f} | {how} |"
    )
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
