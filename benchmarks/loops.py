"""How many 2s can be given a loop and stay 2s.

    python benchmarks/loops.py RUN [--n 40]

RUN is a run of MNIST. Of its first held-out 2s whose decoded picture has no loop and passes for a 2, each is given two
goals: a loop, and a loop and still a 2, as the supervised network of the run has it. Prints for how many
`find_counterfactual` finds a change (of up to three latents), how many latents it takes, how many of the changed codes
are among the data, and how many of the pictures are 2s.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import cospike as cs
from cospike.counterfactuals import at_least, judged
from cospike.plausibility import Plausibility
from cospike.references import read_references
from cospike.runs import read_codes


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--n", type=int, default=40)
    given = parser.parse_args(arguments)
    model, (codes,) = cs.load(given.run), read_codes(given.run, ("test",))
    references = read_references(given.run, model.shape, codes.n_classes)
    if references is None:
        parser.error(f"{given.run} keeps no supervised network: train it with cospike train mnist")
    looped, still_two = at_least("n_loops", 1), judged(references.classifier.predict_probs, 2)
    data, twos = Plausibility.fit(codes), np.flatnonzero(codes.labels == 2)[: 8 * given.n]
    x = model.decode_mean(codes.values()[twos])
    rows = twos[(looped(x) < 0) & (still_two(x) >= 0)][: given.n]
    print("| goal | found | latents changed: 1, 2, 3 | among the data | still a 2 |")
    print("|---|---|---|---|---|")
    for name, goal in (("a loop", looped), ("a loop, and still a 2", lambda x: np.minimum(looped(x), still_two(x)))):
        tried = [cs.find_counterfactual(model, codes, int(row), goal, plausibility=data) for row in rows]
        found = [one for one in tried if one is not None]
        sizes = ", ".join(str(sum(len(one.changes) == size for one in found)) for size in (1, 2, 3))
        twos_left = sum(bool(still_two(one.after[None])[0] >= 0) for one in found)
        print(f"| {name} | {len(found)} of {len(rows)} | {sizes} | {sum(one.inside for one in found)} | {twos_left} |")


if __name__ == "__main__":
    main()
