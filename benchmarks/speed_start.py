"""How long a user waits for an answer: `--help`, an import, a mistake, and the report of a run on MNIST.

    python benchmarks/speed_start.py [RUN] [--turns 10] [--reports 3]

Every command is a fresh process, and all take turns; the first turn fills the file cache and is not counted. RUN is a
run on MNIST, as `cospike train mnist --out RUN` leaves it; without one, a run of four epochs is trained first, into a
temporary folder (under a minute, and not timed).
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from timing import machine, take_turns

COSPIKE = (sys.executable, "-m", "cospike")
QUESTIONS = {
    "`import cospike`": (0.15, (sys.executable, "-c", "import cospike")),
    "`cospike --help`": (0.4, (*COSPIKE, "--help")),
    "`cospike train --help`": (0.4, (*COSPIKE, "train", "--help")),
    "a mistyped option": (0.5, (*COSPIKE, "train", "digits", "--out", "new", "--epoch", "3")),
    "a mistyped choice": (0.5, (*COSPIKE, "train", "digits", "--out", "new", "--objective", "vcs")),
    "a mistyped data set": (0.5, (*COSPIKE, "train", "digist", "--out", "new")),
    "a mistyped run": (0.5, (*COSPIKE, "report", "nowhere")),
}
MOST_FOR_A_REPORT = 15


def starting(command: tuple[str, ...], *, code: int = 0) -> Callable[[], None]:
    """Run a command to its end, and make sure that it ends as it should."""

    def run() -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != code:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")

    return run


def print_rows(seconds: Mapping[str, np.ndarray], targets: Mapping[str, float]) -> None:
    """A row of the table for each command."""
    for name, values in seconds.items():
        median, target = float(np.median(values)), targets[name]
        print(
            f"| {name} | ≤ {target:g} s | {median:.2f} s (highest {values.max():.2f}) | {median / target:.2f} | "
            f"median of {len(values)} turns, wall clock, a fresh process |",
            flush=True,
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--reports", type=int, default=3)
    arguments = parser.parse_args()
    print("| what | target | measured | ratio | how |\n|---|---|---|---|---|")
    candidates = {
        name: starting(command, code=2 if name.startswith("a mistyped") else 0)
        for name, (_, command) in QUESTIONS.items()
    }
    targets = {name: target for name, (target, _) in QUESTIONS.items()}
    print_rows(take_turns(candidates, turns=arguments.turns), targets)
    with TemporaryDirectory() as folder:
        run = arguments.run or Path(folder) / "mnist"
        if arguments.run is None:
            starting((*COSPIKE, "train", "mnist", "--epochs", "4", "--out", str(run)))()
        name = "`cospike report RUN`, MNIST"
        report = {name: starting((*COSPIKE, "report", str(run)))}
        print_rows(take_turns(report, turns=arguments.reports), {name: MOST_FOR_A_REPORT})
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
