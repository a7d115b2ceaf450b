"""One run from options to report, as a process that can be killed: by others, or by itself in the midst of a write.

    python torture/killed_run.py '{"run": "…", "objective": {"name": "vsc"}, …}'

`do` says what can be asked for. What the process does is told in the file ``status``, which outlives a SIGKILL.
"""

import json
import mmap
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cospike import held_out
from cospike.data import Dataset, from_arrays, load_dataset
from cospike.evaluation import evaluate
from cospike.html_report import report
from cospike.model import SparseVAE
from cospike.objective import Objective
from cospike.schedule import Schedule
from cospike.train import fit

_STATUS_BYTES = 256


class Status:
    """What a process is doing, in a file that it maps: to tell costs nothing, and a killed process has told."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(_STATUS_BYTES))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _STATUS_BYTES)

    def tell(self, doing: str) -> None:
        """Replace what was told before."""
        self._map[:] = doing.encode().ljust(_STATUS_BYTES, b"\0")[:_STATUS_BYTES]


def read_status(path: Path) -> str:
    """What a process was doing when it ended."""
    return (path.read_bytes().rstrip(b"\0").decode() if path.is_file() else "") or "starting"


class Writes:
    """Counts the moments of every write and removal, and calls ``then`` before the ``at``-th takes place.

    A write has three: the temporary file is there and empty; it is written; it is about to take its place. Each is
    followed by a removal's one.
    """

    def __init__(self, status: Status, at: int | None, then: Callable[[], None]) -> None:
        self.n, self._at, self._then, self._status = 0, at, then, status
        self._phase = "starting"
        self._mkstemp, self._fsync, self._replace, self._unlink = (
            tempfile.mkstemp, os.fsync, Path.replace, Path.unlink,
        )  # fmt: skip

    def enter(self, phase: str) -> None:
        """From now on the process does ``phase``, wherever it writes nothing."""
        self._phase = phase
        self._status.tell(phase)

    def install(self) -> None:
        """In place of the functions through which every file goes."""

        def mkstemp(*arguments: Any, **settings: Any) -> Any:
            doing = f"writing {settings.get('prefix', '')[1:-1]}"
            if self._then is not die:  # what fails leaves nothing
                self._moment(doing)
                return self._mkstemp(*arguments, **settings)
            made = self._mkstemp(*arguments, **settings)
            self._moment(doing)
            return made

        def fsync(handle: int) -> None:
            self._moment(None)
            self._fsync(handle)

        def replace(path: Path, target: Any) -> Path:
            self._moment(None)
            done = self._replace(path, target)
            self._status.tell(self._phase)
            return done

        def unlink(path: Path, missing_ok: bool = False) -> None:
            if path.exists():
                self._moment(f"removing {path.name}")
            self._unlink(path, missing_ok)
            self._status.tell(self._phase)

        tempfile.mkstemp, os.fsync, Path.replace, Path.unlink = mkstemp, fsync, replace, unlink  # type: ignore[assignment]

    def _moment(self, doing: str | None) -> None:
        if doing:
            self._status.tell(doing)
        self.n += 1
        if self.n == self._at:
            self._then()


def die() -> None:
    """As by `kill -9`: nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


def make_data(settings: dict[str, Any]) -> Dataset:
    """Digits, rows of MNIST, or a small table; with some rows unlabelled if asked for."""
    n_rows = settings["n_rows"]
    if settings["data"] == "table":
        rng = np.random.default_rng(0)
        y = np.arange(n_rows) % 2
        x = np.clip(
            0.5 + 0.3 * np.sign(np.sin(np.arange(6) + y[:, None])) + 0.1 * rng.standard_normal((n_rows, 6)), 0, 1
        )
    else:
        whole = load_dataset(settings["data"]).train
        x, y = whole.x[:n_rows].numpy(), whole.y[:n_rows].numpy().copy()
    if settings["unlabelled"]:
        y[:: settings["unlabelled"]] = -1
    return from_arrays(x.astype(np.float32), y, name=settings["data"])


def make_objective(settings: dict[str, Any]) -> Objective:
    """A preset by name with its settings, and any fields of `Objective` over it; schedules as lists of numbers."""
    fields = {name: Schedule(*part) if isinstance(part, list) else part for name, part in settings["fields"].items()}
    return replace(Objective.preset(settings["objective"], **settings["preset"]), **fields)


DEFAULTS: dict[str, Any] = {
    "data": "digits", "n_rows": 600, "unlabelled": 0, "objective": "class-consistent", "preset": {}, "fields": {},
    "model": {}, "training": {}, "threads": 1, "report": True, "resume": True, "overwrite": False, "at": None,
}  # fmt: skip


def do(given: dict[str, Any], then: Callable[[], None] = die) -> int:
    """Train, measure and report as ``given`` says; returns how many moments its writes had.

    ``run`` is the folder, ``status`` the file of `Status`; ``at`` a moment at which ``then`` is called. The other
    settings are those of ``DEFAULTS``.
    """
    settings = DEFAULTS | given
    torch.set_num_threads(settings["threads"])
    run = Path(settings["run"])
    writes = Writes(Status(Path(settings["status"])), settings["at"], then)
    data, objective = make_data(settings), make_objective(settings)
    model = SparseVAE(data.shape, **{"n_latents": 8, "hidden": (32,), "n_classes": data.n_classes, **settings["model"]})
    writes.install()
    _tell_of_the_reference(writes)
    writes.enter("training")
    flags = {"overwrite": True} if settings["overwrite"] else {"resume": settings["resume"]}
    training = {"epochs": 40, "precision": "32-true", "accelerator": "cpu", **settings["training"]}
    fit(model, data, objective=objective, out=run, **flags, **training)
    writes.enter("measuring")
    evaluate(run)
    if settings["report"]:
        writes.enter("reporting")
        report(run)
    writes.enter("done")
    return writes.n


def _tell_of_the_reference(writes: Writes) -> None:
    measure_references = held_out.measure_references

    def told(*arguments: Any) -> Any:
        writes.enter("training the reference network")
        try:
            return measure_references(*arguments)
        finally:
            writes.enter("finishing")

    held_out.measure_references = told


def differences(whole: Path, other: Path) -> list[str]:
    """The files of two run folders that are not the same, times apart."""
    names = sorted({path.name for folder in (whole, other) for path in folder.iterdir()})
    return [name for name in names if content(whole / name) != content(other / name)]


def content(path: Path) -> Any:
    """What is compared of a file: its bytes, less times and the order of a header, which says nothing."""
    if not path.is_file():
        return None
    raw = path.read_bytes()
    if path.name == "history.jsonl":
        return [
            {name: value for name, value in json.loads(row).items() if name != "seconds"} for row in raw.splitlines()
        ]
    if path.name == "metrics.json":
        return {name: entry for name, entry in json.loads(raw).items() if name != "seconds"}
    if path.name == "report.html":
        return re.sub(rb"(Training time|<code>seconds</code>)(.*?)<td.*?</tr>", rb"\1\2", raw, flags=re.DOTALL)
    if path.name in ("state.safetensors", "references.safetensors"):
        n = 8 + int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8:n])
        return header, raw[n:]
    return raw


if __name__ == "__main__":
    print(do(json.loads(sys.argv[1])))
