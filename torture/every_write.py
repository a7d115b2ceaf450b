"""Kills a tiny run at every moment of its writes, or lets every one of them fail, and goes on from there.

    python torture/every_write.py [killed | replaced | failed | full …]

- ``killed``: a run is killed with SIGKILL at each moment of its writes (a temporary file is there, is written, is about
  to take its place; a file is about to be removed), each time from the beginning, and resumed.
- ``replaced``: the same while ``--overwrite`` puts a run in the place of another, until the other is gone. The other
  resumes to what it was, or is gone and the new one goes on: nothing is half of each.
- ``failed``: each moment fails instead, with a full disk, a broken one and one that can only be read. No temporary file
  stays, what was there can be read, and the run resumes. ``full`` is the first of the three alone.

Every file must then be what a run leaves that nothing happened to, times apart. A fork begins a process in no time:
nothing of torch runs in the one that forks. Ends in exit code 1 if anything differs.
"""

import errno
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pooch  # noqa: F401  # what a run would load, so that no child has to
import sklearn.linear_model
import sklearn.neighbors  # noqa: F401
from killed_run import die, differences, do, read_status

from cospike import references, runs
from cospike._errors import InputError
from cospike.folders import LOCK

TINY: dict[str, Any] = {
    "data": "table", "n_rows": 40, "model": {"n_latents": 3, "hidden": (4,)}, "report": False,
    "training": {"epochs": 2, "batch_size": 16},
}  # fmt: skip
OTHER = TINY | {"training": {"epochs": 1, "batch_size": 16}}
ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS)


def start(settings: dict[str, Any], folder: Path, then: Callable[[], None] = die) -> int | str | None:
    """A run in a process of its own: the number of moments of its writes, why it ended, or None if it was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.environ["COSPIKE_CACHE_DIR"] = str(folder / "cache")
        try:
            told = str(do({**settings, "run": str(folder / "run"), "status": str(folder / "status")}, then))
        except (InputError, OSError) as error:
            told = f"{type(error).__name__}: {error}"
        os.write(writer, told.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    return int(told) if told.isdigit() else told


def killed(folder: Path) -> tuple[int, list[str]]:
    """How many kills there were, and what differed after which."""
    n_moments = _whole(TINY, folder / "whole")
    wrong, doing = [], Counter[str]()
    for at in range(1, n_moments + 1):
        here = _empty(folder / "killed")
        if start({**TINY, "at": at}, here) is not None:
            wrong.append(f"moment {at} never came")
        doing[read_status(here / "status")] += 1
        if not isinstance(start(TINY, here), int):
            wrong.append(f"moment {at}: not resumed")
        wrong += [f"moment {at}: {name}" for name in differences(folder / "whole" / "run", here / "run")]
    print(", ".join(f"{what}: {n}" for what, n in doing.items()))
    return n_moments, wrong


def replaced(folder: Path) -> tuple[int, list[str]]:
    """As `killed`, of a run that takes the place of ``OTHER``, until it writes a history of its own."""
    n_moments, doing, wrong = 0, "", []
    _whole(OTHER, folder / "old")
    _whole(TINY, folder / "whole")
    while doing != "writing history.jsonl":
        n_moments += 1
        here = _empty(folder / "killed")
        shutil.copytree(folder / "old" / "run", here / "run")
        start({**TINY, "overwrite": True, "at": n_moments}, here)
        doing = read_status(here / "status")
        if isinstance(refused := start(TINY, here), str):  # the folder is the old run's still
            if "started with 1, got 2. Give the same settings, or start anew with --overwrite" not in refused:
                wrong.append(f"moment {n_moments}: {refused}")
            shutil.copytree(here, _empty(folder / "again"), dirs_exist_ok=True)
            start(OTHER, folder / "again")
            wrong += [f"{doing}: old {n}" for n in differences(folder / "old" / "run", folder / "again" / "run")]
            start({**TINY, "overwrite": True}, here)
        wrong += [f"{doing}: {name}" for name in differences(folder / "whole" / "run", here / "run")]
    return n_moments, wrong


def failed(folder: Path, errors: tuple[int, ...] = ERRORS) -> tuple[int, list[str]]:
    """How many writes failed, and what was wrong after which."""
    n_moments = _whole(TINY, folder / "whole")
    wrong = []
    for at in range(1, n_moments + 1):
        for number in errors:
            here = _empty(folder / "failed")

            def fail(number: int = number) -> None:
                raise OSError(number, os.strerror(number))

            ended = start({**TINY, "at": at}, here, fail)
            named = isinstance(ended, int) or os.strerror(number) in str(ended)  # a cache may fail
            if not named:
                wrong.append(f"moment {at}: ended with {ended}")
            wrong += [f"moment {at}: left {path.name}" for path in here.rglob(".*") if path.name != LOCK]
            wrong += [f"moment {at}: {problem}" for problem in _unreadable(here / "run")]
            start(TINY, here)
            wrong += [f"moment {at}: {name}" for name in differences(folder / "whole" / "run", here / "run")]
    return n_moments * len(errors), wrong


def _unreadable(run: Path) -> list[str]:
    """What of a run cannot be read."""
    readers: dict[str, Callable[[], object]] = {
        "config.json": lambda: runs.read_config(run),
        "history.jsonl": lambda: runs.read_history(run),
        "weights.safetensors": lambda: runs.load(run),
        "state.safetensors": lambda: runs.read_tensors(run, "state.safetensors"),
        "codes.npz": lambda: runs.read_codes(run),
    }
    problems = []
    for name, read in readers.items():
        if (run / name).is_file():
            try:
                read()
            except InputError as error:
                problems.append(str(error))
    return problems


def _whole(settings: dict[str, Any], folder: Path) -> int:
    n_moments = start(settings, _empty(folder))
    assert isinstance(n_moments, int), n_moments
    return n_moments


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


WAYS = {"killed": killed, "replaced": replaced, "failed": failed, "full": partial(failed, errors=(errno.ENOSPC,))}


def main(names: list[str]) -> None:
    """Every way, or those named, with what came of it."""
    references._STEPS = 20  # of a network that only has to be written
    failures = []
    for name in names or ("killed", "replaced", "failed"):
        with tempfile.TemporaryDirectory() as folder:
            n, wrong = WAYS[name](Path(folder))
        print(f"{name} at {n} moments; {len(wrong)} differences", *wrong, sep="\n  ", flush=True)
        failures += wrong
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
