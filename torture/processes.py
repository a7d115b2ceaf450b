"""Trains MNIST in one, two and four processes: how far the bounds lie from each other.

    python torture/processes.py [--data mnist] [--processes 1 2 4] [--epochs 24]

The same command, `cospike train`, started by torchrun; a thread a process, float32. Prints a row a number of processes:
the loss of the first epoch, whose steps are the same but for rounding, and what the model reaches on held-out data.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

SHOWN = ("neg_elbo", "neg_elbo_mixture", "jaccard_within", "probe_active_probs", "seconds")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--epochs", default="24")
    given = parser.parse_args(arguments)
    print(f"| processes | loss of the first epoch | {' | '.join(SHOWN)} |\n|{'---|' * (len(SHOWN) + 2)}", flush=True)
    bounds = []
    with tempfile.TemporaryDirectory() as folder:
        for n in given.processes:
            run = Path(folder) / str(n)
            launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n))
            command = ("-m", "cospike", "train", given.data, "--out", str(run), "--epochs", given.epochs)
            subprocess.run(
                [*launcher, *command, "--precision", "32-true"],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=subprocess.DEVNULL,
                check=True,
            )
            first = json.loads((run / "history.jsonl").read_text().splitlines()[0])
            measures = json.loads((run / "metrics.json").read_text())
            values = " | ".join(f"{measures[name]['value']:.5g}" for name in SHOWN)
            print(f"| {n} | {first['loss']:.6f} | {values} |", flush=True)
            bounds.append(measures["neg_elbo"]["value"])
    print(f"-ELBO: {max(bounds) - min(bounds):.3f} nats from the lowest to the highest.")


if __name__ == "__main__":
    main()
