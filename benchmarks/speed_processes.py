"""What a second process costs: a step of training on half of the batch in each of two, against all of it in one.

    python benchmarks/speed_processes.py [--batch 512] [--processes 2] [--steps 60] [--objective class-consistent]

MNIST's shape, 784-400-3×200 / 200-400-784, float32, `Trainer.take_step` as `fit` calls it. One process has all threads,
of several each has its share. Between processes go, by gloo, the gradient of every weight, and the sums that the class
terms are made of, forth and back. `share.sum_over_processes` is timed from within.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from time import perf_counter

import numpy as np
import torch
from timing import machine

import cospike as cs
from cospike import patterns, share, trainer
from cospike.device import open_fabric
from cospike.train import default_training

N_LATENTS, HIDDEN, N_CLASSES, WARM_UP = 200, 400, 10, 5


def work(batch_size: int, steps: int, objective: str) -> None:
    """One process: prints the median milliseconds of a step, and of what is sent in it, if it is the first."""
    x = np.random.default_rng(0).random((batch_size, 28, 28), dtype=np.float32)
    rows = x, np.arange(batch_size) % N_CLASSES
    data = cs.from_arrays(*rows, validation=rows, test=rows)
    model = cs.SparseVAE(data.shape, N_LATENTS, hidden=(HIDDEN,), n_dense=0)
    training = {**default_training(batch_size, epochs=2, batch_size=batch_size), "seed": 0, "patience": None}
    fabric = open_fabric("cpu", "32-true", together=True)
    one = trainer.Trainer(fabric, model, data, cs.Objective.preset(objective), {"training": training}, None)
    sent = [0.0]

    def timed(*parts: torch.Tensor) -> tuple[torch.Tensor, ...]:
        start = perf_counter()
        sums = share.sum_over_processes(*parts)
        sent[0] += perf_counter() - start
        return sums

    patterns.sum_over_processes = trainer.sum_over_processes = timed
    seconds, sending = [], []
    for _ in range(WARM_UP + steps):
        sent[0], start = 0.0, perf_counter()
        one.take_step(torch.arange(batch_size))
        seconds.append(perf_counter() - start)
        sending.append(sent[0])
    if fabric.global_rank == 0:
        print(*(1e3 * float(np.median(times[WARM_UP:])) for times in (seconds, sending)))


def measure(n_processes: int, arguments: Sequence[str]) -> list[float]:
    """Median milliseconds of a step, and of sending in it."""
    threads = max(1, (os.cpu_count() or 1) // n_processes)
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n_processes))
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = (*launcher, __file__, "--work", *arguments)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [float(part) for part in done.stdout.split()]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--objective", default="class-consistent")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.work:
        work(given.batch, given.steps, given.objective)
        return
    print(machine())
    print("\n| processes | a step | of which sending |\n|---|---|---|")
    passed = ("--batch", str(given.batch), "--steps", str(given.steps), "--objective", given.objective)
    for n_processes in (1, given.processes, 1, given.processes):
        step, sending = measure(n_processes, passed)
        print(f"| {n_processes} | {step:.1f} ms | {sending:.1f} ms |", flush=True)


if __name__ == "__main__":
    main()
