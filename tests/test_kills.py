"""A run that is killed in the midst of any write, or anywhere, and resumed, leaves what it would have left.

`torture/every_write.py` and `torture/kills.py` do the same at length.
"""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from torch.optim.optimizer import register_optimizer_step_post_hook

from cospike import run_folders, runs
from cospike.data import from_arrays
from cospike.folders import LOCK
from cospike.model import SparseVAE
from cospike.train import fit

TORTURE = Path(__file__).parent.parent / "torture"

# Of training and measuring; a page is drawn in seconds (kills.py does), the others only where they are asked for.
WRITTEN = {
    name for name in runs.FILES if not name.startswith(("onnx/", "samples.", "report.", "explorer.", "tracker."))
}


def torture(script, *arguments):
    """What a script of `torture/` prints; it ends well if nothing differs."""
    done = subprocess.run([sys.executable, TORTURE / script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_run_killed_at_every_moment_of_its_writes_resumes_to_the_same_files():
    told = torture("every_write.py", "killed")
    n_kills, n_differences = map(int, re.search(r"killed at (\d+) moments; (\d+) differences", told).groups())
    assert n_kills >= 3 * len(WRITTEN)
    assert n_differences == 0
    assert set(re.findall(r"writing (\S+):", told)) >= WRITTEN


@pytest.mark.slow
def test_a_run_killed_while_it_replaces_another_is_one_of_them():
    told = torture("every_write.py", "replaced")
    n_kills = int(re.search(r"replaced at (\d+) moments; 0 differences", told)[1])
    assert n_kills > 3 + len(WRITTEN) - 1  # the new config, and every file of the old run but its config


@pytest.mark.slow
def test_a_run_killed_at_any_time_resumes_to_the_same_files():
    told = torture("kills.py", "--runs", "1", "--kills", "2")
    assert "2 kills of 1 different runs" in told
    assert told.strip().endswith("never killed: 0")


def test_a_run_with_patience_that_is_cut_after_its_best_epoch_resumes_to_the_same_bits(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = np.clip(0.5 + 0.3 * np.sign(np.sin(np.arange(6) + y[:, None])) + 0.1 * rng.standard_normal((200, 6)), 0, 1)
    data = from_arrays(x.astype(np.float32), y, name="blobs")
    settings = {"epochs": 60, "batch_size": 20, "learning_rate": 0.05, "patience": 2, "accelerator": "cpu"}

    def train(name, **flags):
        history = fit(SparseVAE(data.shape, 5, hidden=(8,)), data, out=tmp_path / name, **settings, **flags)
        weights, _ = runs.read_tensors(tmp_path / name, "weights.safetensors")
        rows = [{key: value for key, value in row.items() if key != "seconds"} for row in history]
        return {key: part.numpy().tobytes() for key, part in weights.items()}, rows

    whole = train("whole")
    n_epochs, steps = len(whole[1]), []
    per_epoch = round(len(data.train) / 20)

    def cut(*_):
        steps.append(1)
        if len(steps) == (n_epochs - 1) * per_epoch + 1:  # within the last epoch: the best is the one before the last
            raise SystemExit

    hook = register_optimizer_step_post_hook(cut)
    try:
        with pytest.raises(SystemExit):
            train("cut")
    finally:
        hook.remove()
    assert train("cut", resume=True) == whole


def test_what_a_killed_process_left_of_its_first_write_is_no_run(tmp_path):
    (tmp_path / LOCK).write_text("")
    (tmp_path / ".config.json.abcd0123").write_text("")
    assert not run_folders.check_folder(tmp_path, resume=True)
