"""Kills runs at any moment and holds what comes of them, resumed, against runs that were never killed.

    python torture/kills.py [--kills 50] [--runs 12] [--seed 0]

Every run of ``RUNS`` goes through once whole: training, measuring, report, each in a process of its own. Then it is
begun again and killed with SIGKILL: half of the kills at a time drawn from all that the whole run took, half at a
moment drawn from those of its writes (a temporary file is there, is written, is about to take its place). After each
kill the same command goes on, until it ends; every file must then be what the whole run left, times apart, and nothing
may lie beside it. Ends in exit code 1 if anything differs.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from killed_run import differences, read_status

HERE = Path(__file__).parent
BF16 = {"precision": "bf16-mixed"}
DENSE = {"n_dense": 8}
RUNS: dict[str, dict[str, Any]] = {
    "class-consistent": {},
    "class-consistent, per-class prior, bfloat16, two threads": {
        "model": {"prior": "per-class"}, "training": BF16, "threads": 2,
    },
    "class-consistent, convolutions": {"model": {"network": "conv", "hidden": (16,)}, "n_rows": 300},
    "class-consistent, every third row unlabelled, patience, bfloat16": {
        "unlabelled": 3, "training": {"patience": 2, "learning_rate": 0.03, **BF16},
    },
    "paper, divergence": {"objective": "paper"},
    "paper, distance, bfloat16": {"objective": "paper", "preset": {"distance": True}, "training": BF16},
    "vsc, patience, two threads": {
        "objective": "vsc", "training": {"patience": 2, "learning_rate": 0.03}, "threads": 2,
    },
    "vsc on 2,000 rows of MNIST, bfloat16": {"objective": "vsc", "data": "mnist", "n_rows": 2000, "training": BF16},
    "vsc-pseudo-inputs": {"objective": "vsc-pseudo-inputs", "model": {"prior": "pseudo-inputs", "n_pseudo_inputs": 5}},
    "vsc-pseudo-inputs, bfloat16": {
        "objective": "vsc-pseudo-inputs", "model": {"prior": "pseudo-inputs", "n_pseudo_inputs": 5}, "training": BF16,
    },
    "vae, bfloat16": {"objective": "vae", "model": DENSE, "training": BF16},
    "straight-through spikes, slabs last, shared": {
        "fields": {"spikes": "straight-through", "slab_warm_up": [0.0, 1.0, 0.2, 0.8], "sharing": 0.5},
    },
    "relaxed spikes that sharpen, per-class prior, unlabelled rows": {
        "fields": {"spikes": "relaxed", "sharpness": [5.0, 100.0], "warm_up": [0.1, 1.0, 0.1, 0.9]},
        "model": {"prior": "per-class"}, "unlabelled": 4,
    },
}  # fmt: skip


class Torment(NamedTuple):
    """What came of a run: what it was doing at each kill, how often it came to its end, and the files that differed."""

    doing: Counter[str]
    n_ended: int
    differ: Counter[str]


class Killed:
    """One run of ``RUNS`` in a folder of its own, with a cache of its own, begun as often as it takes."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder, self.run, self.status = folder, folder / "run", folder / "status"
        folder.mkdir(parents=True)
        self._settings = {**settings, "run": str(self.run), "status": str(self.status)}

    def go(self, *, seconds: float | None = None, at: int | None = None) -> int | None:
        """To its end: how many moments its writes had. Or until it is killed: None, and the status tells in what.

        Args:
            seconds: after which it is killed, counted from its first word.
            at: the moment of its writes at which it kills itself.
        """
        self.status.unlink(missing_ok=True)
        command = [sys.executable, str(HERE / "killed_run.py"), json.dumps({**self._settings, "at": at})]
        environment = {**os.environ, "COSPIKE_CACHE_DIR": str(self.folder / "cache")}
        with (self.folder / "out").open("w") as out, (self.folder / "err").open("w") as err:
            process = subprocess.Popen(command, env=environment, stdout=out, stderr=err)
            while not self.status.exists() and process.poll() is None:
                time.sleep(0.005)
            begun = time.monotonic()
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            process.kill()
            code = process.wait()
        self.seconds = time.monotonic() - begun
        if code not in (0, -signal.SIGKILL):
            raise SystemExit(
                f"A run ended by itself, with exit code {code}:\n{(self.folder / 'err').read_text()[-2000:]}"
            )
        return None if code else int((self.folder / "out").read_text())


def torment(settings: dict[str, Any], folder: Path, n_kills: int, rng: random.Random) -> Torment:
    """Run it whole, and again with ``n_kills`` kills: in one folder as long as it lasts, then in the next."""
    whole = Killed(folder / "whole", settings)
    n_moments = whole.go()
    assert n_moments is not None
    found = Torment(Counter(), 0, Counter())
    while found.doing.total() < n_kills:
        killed = Killed(folder / f"killed-{found.n_ended}", settings)
        while found.doing.total() < n_kills:
            if rng.random() < 0.5:
                ended = killed.go(seconds=rng.uniform(0, whole.seconds))
            else:
                ended = killed.go(at=rng.randint(1, n_moments))
            if ended is not None:
                break
            found.doing[read_status(killed.status)] += 1
        else:
            killed.go()
        found.differ.update(differences(whole.run, killed.run))
        found = found._replace(n_ended=found.n_ended + 1)
    return found


def main() -> None:
    """Torment each run, and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--runs", type=int, default=len(RUNS))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng, doing, differ, n_ended = random.Random(given.seed), Counter[str](), Counter[str](), 0
    chosen = list(RUNS.items())[: given.runs]
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, settings) in enumerate(chosen):
            n_kills = given.kills // len(chosen) + (i < given.kills % len(chosen))
            found = torment(settings, Path(folder) / str(i), n_kills, rng)
            wrong = ", ".join(found.differ) or "nothing"
            print(f"{name}: {found.doing.total()} kills, {found.n_ended} times to its end; {wrong} differs", flush=True)
            doing, differ, n_ended = doing + found.doing, differ + found.differ, n_ended + found.n_ended
    print("\nkilled while it was …")
    for what, n in doing.most_common():
        print(f"{n:5d}  {what}")
    print(
        f"{doing.total()} kills of {len(chosen)} different runs, which came to their end {n_ended} times; files that "
        f"differ from those of a run that was never killed: {differ.total()}"
    )
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
