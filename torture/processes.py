"""Trains in one, two and four processes, and in one with two threads: how far the bounds lie from each other.

    python torture/processes.py [--data digits] [--seeds 20] [--processes 1 2 4] [--epochs N]

They differ in rounding alone, which after some hundred steps is another training, as with two threads instead of one.
So there is a row a way of training: the mean over seeds of the bound on held-out data, and of what it differs by from
that of one process with one thread, seed by seed, with its standard error, and the largest difference of one seed.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence

import numpy as np


def work(name: str, n_seeds: int, epochs: int | None) -> None:
    """One process of some: trains seed by seed, and the first prints the bounds."""
    import cospike as cs
    from cospike.device import is_first
    from cospike.experiment import build_model
    from cospike.options import Options

    data, objective = cs.load_dataset(name), cs.Objective.class_consistent()
    for seed in range(n_seeds):
        model = build_model(data, objective, Options(seed=seed))
        settings = {"epochs": epochs, "precision": "32-true", "accelerator": "cpu", "progress": False}
        cs.fit(model, data, objective=objective, seed=seed, **settings)
        if is_first():
            print(json.dumps({key: one.value for key, one in cs.bounds(model, data.test).items()}), flush=True)


def bounds(n_processes: int, threads: int, arguments: Sequence[str]) -> list[dict[str, float]]:
    """What is reached, seed by seed."""
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n_processes))
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = (*launcher, __file__, "--work", *arguments)
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--processes", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.work:
        work(given.data, given.seeds, given.epochs)
        return
    passed = ["--data", given.data, "--seeds", str(given.seeds)]
    passed += ["--epochs", str(given.epochs)] if given.epochs else []
    print(f"{given.data}, {given.seeds} seeds, nats a held-out sample\n")
    print("| processes | threads each | -ELBO | against one process | largest | mixture | against one process |")
    print("|---|---|---|---|---|---|---|", flush=True)
    alone: list[dict[str, float]] = []
    for n, threads in ((1, 1), *((n, 1) for n in given.processes), (1, 2)):
        found = bounds(n, threads, passed)
        alone = alone or found
        cells = []
        for name in ("neg_elbo", "neg_elbo_mixture"):
            values, first = (np.array([row[name] for row in rows]) for rows in (found, alone))
            gap = values - first
            error = gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else np.nan
            cells += [f"{values.mean():.2f}", f"{gap.mean():+.3f} ± {error:.3f}"]
            cells += [f"{np.abs(gap).max():.2f}"] if name == "neg_elbo" else []
        print(f"| {n} | {threads} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
