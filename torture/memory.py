"""Whether a long run grows: memory, objects of Python and open files, over ten thousand steps and over repeated calls.

    python torture/memory.py [--steps 10000] [WORD …]

Trainings with a checkpoint, validation and the progress display every epoch are looked at every 250 steps, repeated
calls after each. Printed is the slope over the second half, where caches are warm, with its standard error. Memory is
what the process has resident; unused objects are collected before it is read, and nothing is given back (no
malloc_trim). A history has a row an epoch; its size is printed beside, with that of its text: that is all that may
grow. Ends in exit code 1 if anything grows by more than three standard errors and .05 MB beyond it, or a file stays
open.
"""

import argparse
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch.optim.optimizer import register_optimizer_step_post_hook

import cospike as cs

_EVERY = 250


class Look(NamedTuple):
    """A process at one moment."""

    step: float  # or the call
    resident: float  # MB
    objects: int  # that the garbage collector tracks
    files: int  # open


def look(step: int, looks: Sequence[Look]) -> Look:
    """This process, now, less the ``looks`` at it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Look(
        step,
        pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        len(gc.get_objects()) - len(looks),
        len([*Path("/proc/self/fd").iterdir()]),
    )


class Slope(NamedTuple):
    """Growth, with its standard error."""

    value: float
    stderr: float


def slope(x: Sequence[float], y: Sequence[float]) -> Slope:
    """Of a line fitted to the points by least squares."""
    (value, _), covariance = np.polyfit(x, y, 1, cov=True)
    return Slope(float(value), float(covariance[0, 0] ** 0.5))


def train(model: dict[str, Any], data: cs.Dataset, n_steps: int, folder: Path) -> tuple[list[Look], float]:
    """A training of ``n_steps``, looked at every 250 or so, at the end of an epoch; and the MB of its history."""
    looks: list[Look] = []
    steps = 0

    def watch(*_: Any) -> None:
        nonlocal steps
        steps += 1
        if steps % every == 0 and steps <= n_epochs * per_epoch:  # the rest are those of the reference network
            gc.collect()  # of objects, only those in use count
            looks.append(look(steps, looks))

    batch_size = 100
    per_epoch = max(1, round(len(data.train) / batch_size))
    n_epochs, every = max(1, n_steps // per_epoch), per_epoch * max(1, round(_EVERY / per_epoch))
    hook = register_optimizer_step_post_hook(watch)
    try:
        history = cs.fit(
            cs.SparseVAE(data.shape, **model), data, epochs=n_epochs, batch_size=batch_size,
            out=folder / "run", accelerator="cpu", progress=True,
        )  # fmt: skip
    finally:
        hook.remove()
    parts = {id(part): part for row in history for part in (row, *row.keys(), *row.values())}  # some names are shared
    text = (folder / "run" / "history.jsonl").stat().st_size  # in memory while it is written
    return looks, (sum(map(sys.getsizeof, parts.values())) + text) / 1e6


def repeat(call: Callable[[], object], n: int) -> list[Look]:
    """A call again and again."""
    looks = []
    for i in range(n):
        call()
        gc.collect()
        looks.append(look(i + 1, looks))
    return looks


def _digits() -> cs.Dataset:
    return cs.load_dataset("digits")


def _like_mnist() -> cs.Dataset:
    """Noise in the shape of MNIST: 2,000 images."""
    rng = np.random.default_rng(0)
    return cs.from_arrays(rng.random((2_000, 1, 28, 28), dtype=np.float32), np.arange(2_000) % 10, name="like-mnist")


def cases(n_steps: int, folder: Path) -> dict[str, Callable[[], tuple[list[Look], float, str]]]:
    """By name: looks, the MB that a history grows by in each unit, and what the unit is."""

    def training(model: dict[str, Any], load: Callable[[], cs.Dataset]) -> tuple[list[Look], float, str]:
        looks, history = train(model, load(), n_steps, folder)
        return [one._replace(step=one.step / 1000) for one in looks], 1000 * history / n_steps, "1,000 steps"

    def fits() -> tuple[list[Look], float, str]:
        data = _digits()

        def once() -> None:
            model = cs.SparseVAE(data.shape, 8, hidden=(32,))
            cs.fit(model, data, epochs=2, out=folder / "small", overwrite=True, accelerator="cpu", progress=False)

        return repeat(once, 50), 0.0, "call"

    def reading(verb: Callable[[Path], object], n: int) -> tuple[list[Look], float, str]:
        data = _digits()
        shutil.rmtree(folder / "read", ignore_errors=True)
        cs.fit(cs.SparseVAE(data.shape, 8, hidden=(32,)), data, epochs=30, out=folder / "read", accelerator="cpu")
        return repeat(lambda: verb(folder / "read"), n), 0.0, "call"

    return {
        "fit, digits": lambda: training({"n_latents": 16, "hidden": (64,)}, _digits),
        "fit, in the shape of MNIST": lambda: training({"n_latents": 60, "hidden": (400,)}, _like_mnist),
        "fit, 50 times": fits,
        "report, 20 times": lambda: reading(cs.report, 20),
        "evaluate, 20 times": lambda: reading(cs.evaluate, 20),
        "load, 200 times": lambda: reading(cs.load, 200),
    }


def judge(name: str, looks: Sequence[Look], allowed: float, unit: str) -> bool:
    """Print how a case grew over its second half; whether it did not, within three standard errors and 0.05 MB."""
    half = looks[len(looks) // 2 :]
    memory = slope([one.step for one in half], [one.resident for one in half])
    objects = slope([one.step for one in half], [one.objects for one in half])
    print(
        f"{name}: {memory.value:+.3f} ± {memory.stderr:.3f} MB and {objects.value:+.1f} ± {objects.stderr:.1f} objects "
        f"a {unit} (its history: {allowed:.3f} MB); {looks[-1].resident:.0f} MB at the end; "
        f"files open: {looks[0].files} … {looks[-1].files}",
        flush=True,
    )
    grew = memory.value - allowed > 3 * memory.stderr + 0.05
    return not grew and looks[-1].files <= looks[0].files


def main() -> None:
    """Every case, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--steps", type=int, default=10_000)
    given = parser.parse_args()
    os.environ["FORCE_COLOR"] = "1"  # the display is drawn as for a terminal, but not shown
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  # to the end of the process
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for name, case in cases(given.steps, Path(folder)).items():
            if given.words and not any(word in name for word in given.words):
                continue
            shutil.rmtree(Path(folder) / "run", ignore_errors=True)
            if not judge(name, *case()):
                failed.append(name)
    print(f"grows: {', '.join(failed) or 'nothing'}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
