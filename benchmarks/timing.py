"""What the speed benchmarks share: runs that take turns, ratios within a turn, and a line about the machine.

A machine that does other things is slower at one time than at another, so that two times can be compared only if they
were taken side by side. Every candidate runs once a turn, in an order that rotates, and what is reported is the median
over turns of the ratio within a turn.
"""

import platform
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch


class Ratio(NamedTuple):
    """How many times as long one candidate takes as another: median over turns, and the middle half of them."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def take_turns(
    candidates: Mapping[str, Callable[[], object]], *, turns: int, warm_up: int = 1
) -> dict[str, np.ndarray]:
    """Seconds of each turn of each candidate; the first ``warm_up`` turns are not counted."""
    names = list(candidates)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-warm_up, turns):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            start = perf_counter()
            candidates[name]()
            if turn >= 0:
                seconds[name].append(perf_counter() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def ratio(seconds: np.ndarray, baseline: np.ndarray) -> Ratio:
    """Of two candidates of `take_turns`."""
    low, value, high = np.percentile(seconds / baseline, [25, 50, 75])
    return Ratio(float(value), float(low), float(high))


def milliseconds(seconds: np.ndarray) -> str:
    """Median of the turns."""
    return f"{1e3 * np.median(seconds):.3g} ms"


def machine() -> str:
    """One line: processor, cores, versions, date."""
    cpu = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")]
        if cpu.exists()
        else []
    )
    kinds = [
        kind
        for kind in ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
        if cpu.exists() and kind in cpu.read_text().split()
    ]
    return (
        f"{names[0] if names else platform.processor()} ({', '.join(kinds[:2])}), {torch.get_num_threads()} threads, "
        f"Python {platform.python_version()}, torch {torch.__version__}, {date.today()}"
    )
