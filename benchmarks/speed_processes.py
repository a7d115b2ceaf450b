"""What a second process costs: a step on half of the batch in each of two, against the whole batch in one.

    python benchmarks/speed_processes.py [--batch 512] [--processes 2] [--steps 60]

MNIST's shape, 784-400-3×200 / 200-400-784, float32. One process has all threads, of several each has its share.
Between processes go, by gloo, the gradient of every weight (one number each) and the sums that the class terms are made
of, P(on) and P(off) of every class and latent, forth and back. No sample is sent. It is a trial of what would have to
be sent, by steps that are timed and thrown away; `fit` trains in one process.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from timing import machine

import cospike as cs

N_LATENTS, HIDDEN, N_CLASSES, WARM_UP = 200, 400, 10, 5


def make_step(batch_size: int, send: Callable[[torch.Tensor], None]) -> Callable[[], None]:
    """A step of the default on random rows; ``send`` sums a tensor over the processes."""
    model = cs.SparseVAE((1, 28, 28), N_LATENTS, hidden=(HIDDEN,))
    objective = cs.Objective.class_consistent()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    x, y = torch.rand(batch_size, 1, 28, 28), torch.randint(0, N_CLASSES, (batch_size,))
    sums = torch.zeros(2 * N_CLASSES * N_LATENTS + N_CLASSES)

    def step() -> None:
        output = model(x, y)
        send(sums)
        loss = objective(output, x, y, n_classes=N_CLASSES).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        send(sums)
        gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        send(flat)
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))
        optimizer.step()

    return step


def work(rank: int, n_processes: int, batch_size: int, steps: int, threads: int, found: Any) -> None:
    """One process: seconds of each step, and of what is sent alone."""
    torch.set_num_threads(threads)
    torch.manual_seed(rank)
    sent = [0.0]
    if n_processes > 1:
        dist.init_process_group("gloo", rank=rank, world_size=n_processes)

    def send(tensor: torch.Tensor) -> None:
        start = perf_counter()
        if n_processes > 1:
            dist.all_reduce(tensor)
        sent[0] += perf_counter() - start

    step = make_step(batch_size // n_processes, send)
    seconds, sending = [], []
    for _ in range(WARM_UP + steps):
        sent[0], start = 0.0, perf_counter()
        step()
        seconds.append(perf_counter() - start)
        sending.append(sent[0])
    if rank == 0:
        found.put((float(np.median(seconds[WARM_UP:])), float(np.median(sending[WARM_UP:]))))
    if n_processes > 1:
        dist.destroy_process_group()


def measure(n_processes: int, batch_size: int, steps: int) -> tuple[float, float]:
    """Median seconds of a step, and of sending in it."""
    found = mp.get_context("spawn").SimpleQueue()
    threads = max(1, (os.cpu_count() or 1) // n_processes)
    mp.spawn(work, (n_processes, batch_size, steps, threads, found), nprocs=n_processes)
    return found.get()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=60)
    given = parser.parse_args(arguments)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29517", "GLOO_SOCKET_IFNAME": "lo"}
    print(machine())
    print("\n| processes | a step | of which sending |\n|---|---|---|")
    for n_processes in (1, given.processes, 1, given.processes):
        seconds, sending = measure(n_processes, given.batch, given.steps)
        print(f"| {n_processes} | {1e3 * seconds:.1f} ms | {1e3 * sending:.1f} ms |", flush=True)


if __name__ == "__main__":
    main()
