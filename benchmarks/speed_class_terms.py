"""What a class term adds to a training step of plain VSC: the paper's loss, and the split of the spike information.

    python benchmarks/speed_class_terms.py

prints four tables: the cost of each term over the step of `Objective.vsc()`, how the time of the paper's loss grows
with the batch, the memory it takes, and its error (``--errors``: only that). A step is what training does: gather the
rows, forward, objective, backward, Adam; the network is 784-400-3×200 / 200-400-784. Data are random and of the shape
of MNIST. Candidates take turns (`timing`), and every figure is a median of ratios within a turn. Naive pairs take turns
of their own, and what follows them is not counted: they leave the memory in disorder.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import torch
from timing import machine, milliseconds, ratio, take_turns
from torch import Tensor

import cospike as cs
from cospike.divergence import js_bernoulli
from cospike.information import pairwise_js

N_ROWS = 16_384
BATCHES, GROWTH, CLASSES = (128, 1024, 8192), (1024, 16_384), (10, 1000)
MOST_NAIVE = 1024  # naive pairs of more rows do not fit in memory
OBJECTIVES = {
    "vsc": cs.Objective.vsc(),
    "split": cs.Objective.class_consistent(equivocation=0.0),
    "split and equivocation": cs.Objective.class_consistent(),
    "paper": cs.Objective.paper(),
}
SPREADS: dict[str, Callable[[Tensor], Tensor]] = {  # logits from standard normal numbers
    "moderate": lambda x: x,
    "wide": lambda x: 6.0 * x,
    "saturated, at -12 or 12": lambda x: 12.0 * x.sign(),
    "rarely on, 12 below and 3 above": lambda x: torch.where(x > 1.6, 3.0, -12.0),
    "tiny, about 6e-6": lambda x: x - 12.0,
    "agree to 1e-2": lambda x: 1e-2 * x - 1.0,
    "agree to 1e-4": lambda x: 1e-4 * x + 0.3,
}


def naive_pairwise_js(logits: Tensor, labels: Tensor) -> Tensor:
    """The definition, pair by pair, one class after the other; in nats per latent."""
    means = []
    for label in labels.unique():
        rows = logits[labels == label]
        if len(rows) > 1:
            first, second = torch.triu_indices(len(rows), len(rows), offset=1)
            means.append(js_bernoulli(rows[first], rows[second]).mean(0))
    return torch.stack(means).mean(0)


def train_step(objective: cs.Objective, batch: int, n_classes: int, *, naive: bool = False) -> Callable[[], None]:
    """One step of training, ready to be called."""
    torch.manual_seed(0)
    x, y = torch.rand(N_ROWS, 784), torch.randint(0, n_classes, (N_ROWS,))
    model = cs.SparseVAE((784,), n_latents=200, hidden=(400,), n_dense=0)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)

    def step() -> None:
        rows = torch.randint(0, N_ROWS, (batch,))
        data, labels = x[rows], y[rows]
        output = model(data, labels, spikes=objective.spikes, sharpness=100.0)
        loss = objective(output, data, labels, progress=0.7).loss
        if naive:
            loss = loss + 1000.0 * naive_pairwise_js(output.posterior.active_logits, labels).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def pairwise_alone(batch: int, n_classes: int) -> Callable[[], None]:
    """Value and gradient of the paper's loss by itself."""
    torch.manual_seed(0)
    logits = (3.0 * torch.randn(batch, 200) - 3.0).requires_grad_()
    labels = torch.randint(0, n_classes, (batch,))

    def call() -> None:
        logits.grad = None
        pairwise_js(logits, labels).sum().backward()

    return call


def extra(seconds: np.ndarray, baseline: np.ndarray) -> str:
    """What a step costs over another, in per cent of it: median and middle half of the turns."""
    value, low, high = (100.0 * (part - 1.0) for part in ratio(seconds, baseline))
    return f"{value:+.0f} % ({low:+.0f} to {high:+.0f})"


def print_costs(turns: int) -> None:
    """Table of the steps."""
    names = [*list(OBJECTIVES)[1:], "naive pairs"]
    print("| batch | classes | step of vsc |", *(f"{name} |" for name in names))
    print("|---" * (3 + len(names)) + "|")
    for n_classes in CLASSES:
        for batch in BATCHES:
            steps = {name: train_step(objective, batch, n_classes) for name, objective in OBJECTIVES.items()}
            n_turns = max(9, turns * 512 // batch)
            seconds = take_turns(steps, turns=n_turns, warm_up=2)
            costs = {name: extra(seconds[name], seconds["vsc"]) for name in names[:-1]}
            if batch <= MOST_NAIVE:
                naive = train_step(OBJECTIVES["vsc"], batch, n_classes, naive=True)
                pair = take_turns({"after naive": steps["vsc"], "vsc": steps["vsc"], "naive": naive}, turns=n_turns)
                costs["naive pairs"] = extra(pair["naive"], pair["vsc"])
            cells = [costs.get(name, "") for name in names]
            print(f"| {batch:,} | {n_classes:,} | {milliseconds(seconds['vsc'])} |", *(f"{cell} |" for cell in cells))


def print_growth(turns: int) -> None:
    """Table of the paper's loss alone."""
    small, large = GROWTH
    print(f"\n| classes | pairwise loss at {small:,} | at {large:,} | growth |\n|---|---|---|---|")
    for n_classes in CLASSES:
        seconds = take_turns({str(batch): pairwise_alone(batch, n_classes) for batch in GROWTH}, turns=turns, warm_up=2)
        few, many = seconds[str(small)], seconds[str(large)]
        print(f"| {n_classes:,} | {milliseconds(few)} | {milliseconds(many)} | {ratio(many, few)} |")


def print_memory() -> None:
    """Table of what the paper's loss takes at its peak, each in a fresh process."""
    print("\n| classes | batch | peak beyond the logits | in arrays of the logits' size |\n|---|---|---|---|")
    for n_classes in CLASSES:
        for batch in (*BATCHES, GROWTH[-1]):
            command = [sys.executable, __file__, "--peak", str(batch), str(n_classes)]
            peak = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(f"| {n_classes:,} | {batch:,} | {peak / 2**20:.1f} MiB | {peak / (4 * 200 * batch):.1f} |")


def peak_memory(batch: int, n_classes: int) -> int:
    """Most bytes that tensors took at once, by what PyTorch's profiler saw allocated and freed."""
    call = pairwise_alone(batch, n_classes)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        call()
    held = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def print_errors() -> None:
    """Table of value and gradient against float64 pairs of the same logits: the worst of 20 latents, and the norm."""
    print("\n| logits | error of the value | of the gradient | by few pairs: value | gradient |\n|---|---|---|---|---|")
    for name, spread in SPREADS.items():
        cells = []
        for n_classes in (4, 200):  # 100 rows a class, and 2
            torch.manual_seed(0)
            labels = torch.randint(0, n_classes, (400,))
            logits = spread(torch.randn(400, 20)).requires_grad_()
            reference = logits.detach().double().requires_grad_()
            value, expected = pairwise_js(logits, labels), naive_pairwise_js(reference, labels)
            (slope,) = torch.autograd.grad(value.sum(), logits)
            (expected_slope,) = torch.autograd.grad(expected.sum(), reference)
            cells += [
                f"{float(((value - expected) / expected).detach().abs().max()):.0e}",
                f"{float((slope - expected_slope).norm() / expected_slope.norm()):.0e}",
            ]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=40, help="at batch 512; smaller batches take more")
    parser.add_argument("--peak", type=int, nargs=2, metavar=("BATCH", "CLASSES"), help="only print the peak, in bytes")
    parser.add_argument("--errors", action="store_true", help="only print the table of errors")
    arguments = parser.parse_args()
    if arguments.peak:
        print(peak_memory(*arguments.peak))
    elif arguments.errors:
        print_errors()
    else:
        print(machine(), end="\n\n")
        print_costs(arguments.turns)
        print_growth(max(3, arguments.turns // 4))
        print_memory()
        print_errors()
