"""Trains MNIST in one, two and four processes, and in one with two threads: how far the bounds lie from each other.

    python torture/processes.py [--data mnist] [--epochs 24] [--seeds 0 1 2] [--processes 1 2 4]

The same command, `cospike train`, started by torchrun, in float32. They differ in rounding alone, which after some
hundred steps is another training, as with two threads instead of one: what there is to compare is the mean over seeds,
and how much rounding moves a single run. Prints a row a run, and the means.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SHOWN = ("neg_elbo", "neg_elbo_mixture", "jaccard_within", "probe_active_probs")


def train(run: Path, *, n_processes: int, threads: int, data: str, epochs: str, seed: int) -> tuple[float, list[float]]:
    """The loss of the first epoch, and what the model reaches on held-out data."""
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n_processes))
    command = ("-m", "cospike", "train", data, "--out", str(run), "--epochs", epochs, "--seed", str(seed))
    subprocess.run(
        [*launcher, *command, "--precision", "32-true"],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    first = json.loads((run / "history.jsonl").read_text().splitlines()[0])
    measures = json.loads((run / "metrics.json").read_text())
    return first["loss"], [measures[name]["value"] for name in SHOWN]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--epochs", default="24")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    given = parser.parse_args(arguments)
    print(f"| processes | threads each | seed | loss of the first epoch | {' | '.join(SHOWN)} |")
    print("|---" * (len(SHOWN) + 4) + "|", flush=True)
    ways = [(n, 1) for n in given.processes] + [(1, 2)]
    found: dict[tuple[int, int], list[list[float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        for seed in given.seeds:
            for n, threads in ways:
                run = Path(folder) / f"{n}-{threads}-{seed}"
                settings = {"data": given.data, "epochs": given.epochs, "seed": seed}
                loss, values = train(run, n_processes=n, threads=threads, **settings)
                found[n, threads].append(values)
                cells = " | ".join(f"{value:.5g}" for value in values)
                print(f"| {n} | {threads} | {seed} | {loss:.4f} | {cells} |", flush=True)
    for (n, threads), rows in found.items():
        cells = " | ".join(f"{value:.5g}" for value in np.mean(rows, axis=0))
        print(f"| {n} | {threads} | mean | | {cells} |")


if __name__ == "__main__":
    main()
