"""A disk that is full, fills up, or cannot be written: nothing that was there is lost, and the run goes on later."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from torch.optim.optimizer import register_optimizer_step_post_hook

from cospike import runs
from cospike._files import write_atomic
from cospike.folders import LOCK
from typing_commands import run

TORTURE = Path(__file__).parent.parent / "torture"
QUICK = ("--epochs", "2", "--n-latents", "6", "--hidden", "16", "--accelerator", "cpu")
MB = 2**20


def differences(whole, other):
    """As `torture/killed_run.py`, which is no module of a package, finds them."""
    spec = importlib.util.spec_from_file_location("killed_run", TORTURE / "killed_run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.differences(whole, other)


@pytest.fixture
def disk(tmp_path, mounted):
    """A disk of 2 MB."""
    with mounted(tmp_path / "disk") as folder:
        yield folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that nothing happens to."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert run("train", "digits", "--out", folder, *QUICK) == 0
    return folder


def fill(disk):
    """Use the disk up to its last page."""
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return


def on_disk(disk, whole):
    """A copy of the whole run on the disk, and what is in it."""
    shutil.copytree(whole, disk / "run")
    return {path.name: path.read_bytes() for path in (disk / "run").iterdir()}


def only_line(capsys):
    err = capsys.readouterr().err
    lines = [line for line in err.splitlines() if "has collapsed" not in line]  # as a run of two epochs may
    assert len(lines) == 1, err
    return err


@pytest.mark.slow
def test_a_disk_that_fills_up_loses_nothing_and_the_run_goes_on(disk, whole, capsys):
    steps = []

    def watch(*_):
        steps.append(1)
        if len(steps) == 20:  # of 14 an epoch: in the second
            fill(disk)

    hook = register_optimizer_step_post_hook(watch)
    try:
        assert run("train", "digits", "--out", disk / "run", *QUICK) == 2
    finally:
        hook.remove()
    err = only_line(capsys)
    assert re.search(
        r"Cannot write .*run/history\.jsonl: No space left on device\. .* Free some space and go on with", err
    )
    assert {path.name for path in (disk / "run").iterdir()} == {
        "config.json", "history.jsonl", "weights.safetensors", "state.safetensors",
    }  # fmt: skip
    assert len(runs.read_history(disk / "run")) == 1
    assert all(part.isfinite().all() for part in runs.load(disk / "run").state_dict().values())
    assert runs.read_tensors(disk / "run", "state.safetensors")[1]["epoch"] == "1"
    before = {path.name: path.read_bytes() for path in (disk / "run").iterdir()}

    assert run("train", "digits", "--out", disk / "run", "--resume", *QUICK) == 2  # still full
    assert re.search(r"disk with room .* Free some space", only_line(capsys))  # before it is trained for an epoch
    assert {path.name: path.read_bytes() for path in (disk / "run").iterdir()} == before

    (disk / "filler").unlink()
    assert run("train", "digits", "--out", disk / "run", "--resume", *QUICK) == 0
    assert differences(whole, disk / "run") == []


@pytest.mark.slow
def test_a_disk_that_is_full_is_refused_before_anything_is_trained(disk, whole, capsys, monkeypatch):
    monkeypatch.setattr("cospike.train.Trainer", None)
    (disk / "filler").write_bytes(bytes(2 * MB - 16 * 4096))
    assert run("train", "digits", "--out", disk / "run", *QUICK) == 2
    assert re.search(r"disk with room .* MB more at least, got 0\.\d+ MB .*Free some space", only_line(capsys))
    assert not (disk / "run").exists()


@pytest.mark.slow
def test_what_reads_a_run_on_a_full_disk_reads_it(disk, whole, capsys):
    before = on_disk(disk, whole)
    fill(disk)
    assert run("measure", disk / "run") == 0
    assert "metrics.json stays as it was: No space left on device" in only_line(capsys)
    assert run("report", disk / "run") == 2
    assert re.search(
        r"Cannot write .*report\.html: No space left.* Free some space and report again", only_line(capsys)
    )
    assert {path.name: path.read_bytes() for path in (disk / "run").iterdir()} == before


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_read_and_not_trained_in(disk, whole, capsys):
    before = on_disk(disk, whole)
    (disk / "run" / LOCK).write_text("1 elsewhere")  # of a process that was killed
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for flag in ("--resume", "--overwrite"):
        assert run("train", "digits", "--out", disk / "run", flag, *QUICK) == 2
        assert re.search(r"folder that can be written, got .*run: Read-only file system", only_line(capsys))
    assert run("measure", disk / "run") == 0
    assert "metrics.json stays as it was: Read-only file system" in only_line(capsys)
    assert run("report", disk / "run") == 2
    assert "Read-only file system" in only_line(capsys)
    assert np.isfinite(runs.read_codes(disk / "run")[0].active_probs).all()
    assert {path.name: path.read_bytes() for path in (disk / "run").iterdir() if path.name != LOCK} == before


@pytest.mark.slow
def test_every_write_of_a_run_may_fail():
    command = [sys.executable, TORTURE / "every_write.py", "full"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert re.search(r"full at \d{2} moments; 0 differences", done.stdout), done.stdout + done.stderr
    assert done.returncode == 0


def test_a_file_that_cannot_even_be_begun_is_named_and_not_its_temporary_one(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_atomic(tmp_path / "gone" / "history.jsonl", "")
    assert caught.value.filename == str(tmp_path / "gone" / "history.jsonl")
