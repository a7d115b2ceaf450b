"""Several processes train what one would: its losses, gradients and weights, but for rounding."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from cospike import InputError, SparseVAE, fit, from_arrays
from cospike._random import draw_noise
from cospike.device import process_timeout
from cospike.runs import read_history
from cospike.share import Share

STEPS = """
import dataclasses, sys
import numpy as np, torch
import cospike as cs
from cospike.device import open_fabric
from cospike.train import default_training
from cospike.trainer import Trainer

torch.Tensor.float = lambda self: self  # all in float64, in which rounding hides no mistake
N, CLASSES = 40, 4

def data(labels):
    x = np.random.default_rng(0).random((N, 12)).astype(np.float32)
    return cs.from_arrays(x, labels, validation=(x, labels), test=(x, labels), class_names="abcd")

sorted_ = np.repeat(np.arange(CLASSES), N // CLASSES)  # in the batch too: most classes are missing in each process
LABELS = {
    "mixed": np.arange(N) % CLASSES,
    "sorted": sorted_,
    "some unlabelled": np.where(sorted_ == 1, -1, sorted_),
    "all unlabelled but two": np.where(np.arange(N) < 2, 0, -1),
    "one of a class": np.where(np.arange(N) == 7, 3, np.arange(N) % 3),
}
O = cs.Objective
CASES = {
    "class-consistent": (O.class_consistent(sharing=0.3), {}),
    "per-class": (O.class_consistent(), {"prior": "per-class", "n_classes": CLASSES}),
    "paper": (O.paper(), {"n_dense": 0}),
    "paper, distance": (O.paper(distance=True), {"n_dense": 0}),
    "vsc": (O.vsc(), {"n_dense": 0}),
    "vsc-pseudo-inputs": (O.vsc_pseudo_inputs(), {"n_dense": 0, "prior": "pseudo-inputs", "n_pseudo_inputs": 5}),
    "pseudo-inputs, equivocation": (O.class_consistent(), {"prior": "pseudo-inputs", "n_pseudo_inputs": 5}),
    "straight-through": (dataclasses.replace(O.class_consistent(), spikes="straight-through"), {}),
    "vae": (O.vae(), {"n_dense": 6}),
}
fabric = open_fabric("cpu", "32-true", together=True)
found = {}
for name, (objective, settings) in CASES.items():
    for kind, labels in LABELS.items():
        torch.manual_seed(fabric.global_rank)  # what a process draws for itself must not count
        set_ = data(labels)
        model = cs.SparseVAE((12,), 6, hidden=(8,), **{"n_dense": 1} | settings)
        training = {**default_training(N, epochs=4, batch_size=N), "seed": 0, "patience": None}
        trainer = Trainer(fabric, model.double(), set_, objective, {"training": training}, None)
        trainer.epoch = 1  # where every schedule is on its way
        trainer.x = trainer.x.double()
        parts = trainer._sum(trainer.take_step(torch.arange(N)))
        key = f"{name}; {kind}; "
        found |= {key + part: value.numpy() for part, value in parts.items()}
        for weight, parameter in model.named_parameters():
            if parameter.grad is not None:
                found[f"{key}gradient of {weight}"] = parameter.grad.numpy()
        trainer.data.validation.__dict__["x"] = trainer.data.validation.x.double()
        found |= {key + part: np.array(value) for part, value in trainer._validate().items()}
if fabric.global_rank == 0:
    np.savez(sys.argv[1], **found)
"""


def torchrun(n_processes: int, *command: str, environment=None, wait=True, **settings):
    launcher = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(n_processes), "--standalone")
    process = subprocess.Popen(
        [*launcher, *command],
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )
    if not wait:
        return process
    out, error = process.communicate(timeout=300)
    return subprocess.CompletedProcess(command, process.returncode, out, error)


@pytest.mark.slow
def test_losses_and_gradients_are_those_of_one_process(tmp_path):
    script = tmp_path / "steps.py"
    script.write_text(STEPS)
    found = {}
    for n in (1, 2, 4):
        done = torchrun(n, str(script), str(tmp_path / f"{n}.npz"))
        assert done.returncode == 0, done.stderr[-3000:]
        found[n] = dict(np.load(tmp_path / f"{n}.npz"))
    assert len(found[1]) > 500
    assert any(np.abs(value).max() > 1 for name, value in found[1].items() if "gradient" in name)
    for n in (2, 4):
        lacking = set(found[n]) ^ set(found[1])
        assert all("unlabelled" in name for name in lacking), lacking  # where a batch has none, its terms are 0
        for name, value in found[1].items():
            np.testing.assert_allclose(found[n][name], value, rtol=1e-9, atol=1e-9, err_msg=f"{n} processes, {name}")


FITS = """
import dataclasses, sys, warnings
import numpy as np, torch
import cospike as cs, cospike.train
from cospike.progress import Interrupt

warnings.simplefilter("always")
torch.set_default_dtype(torch.float64)
torch.Tensor.float = torch.Tensor.double
folder, until = sys.argv[1], int(sys.argv[2])

class Cut(Interrupt):
    n_looks = 0

    @property
    def requested(self):
        self.n_looks += 1
        return self.n_looks > until

    @requested.setter
    def requested(self, value):
        pass

cospike.train.Interrupt = Cut
x = np.random.default_rng(0).random((160, 12)).astype(np.float32)
data = cs.from_arrays(x, np.arange(160) % 3)
double = {name: dataclasses.replace(part, x=part.x.double()) for name in ("train", "validation", "test")
          for part in [getattr(data, name)]}
settings = {"epochs": 2, "batch_size": 4, "accelerator": "cpu"}
cs.fit(cs.SparseVAE((12,), 6, hidden=(8,)), dataclasses.replace(data, **double), out=folder, resume=True, **settings)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("looks", "n"), [(1, 2), (2, 1)])  # in the first epoch, of 24 steps, and at its end
def test_a_run_goes_on_with_another_number_of_processes(tmp_path, looks, n):
    script = tmp_path / "fits.py"
    script.write_text(FITS)
    cut = torchrun(3, str(script), str(tmp_path / "cut"), str(looks))
    assert "KeyboardInterrupt" in cut.stderr, cut.stderr[-3000:]
    rest = torchrun(n, str(script), str(tmp_path / "cut"), "1000")
    assert "TrainingWarning" in rest.stderr
    assert f"saved by 3 processes and goes on with {n}" in rest.stderr
    whole = torchrun(1, str(script), str(tmp_path / "whole"), "1000")
    assert "TrainingWarning" not in whole.stderr
    for row, expected in zip(*map(read_history, (tmp_path / "cut", tmp_path / "whole")), strict=True):
        assert {**row, "seconds": 0} == pytest.approx({**expected, "seconds": 0}, rel=1e-7, abs=1e-7)


def rows(n):
    return from_arrays(np.random.default_rng(0).random((n, 12)).astype(np.float32), np.arange(n) % 3)


def ranks(launcher: subprocess.Popen) -> dict[int, int]:
    """The process of each rank."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    environments = {int(child): Path(f"/proc/{child}/environ").read_bytes().split(b"\0") for child in children}
    return {
        int(entry.removeprefix(b"RANK=")): child
        for child, environment in environments.items()
        for entry in environment
        if entry.startswith(b"RANK=")
    }


@pytest.fixture
def long_training(tmp_path):
    """Two processes that train for minutes, once they have saved an epoch; their folder, and how it was started."""
    command = ("-m", "cospike", "train", "digits", "--out", str(tmp_path / "run"), "--n-latents", "8", "--hidden", "16")
    launcher = torchrun(2, *command, "--epochs", "4000", environment={"COSPIKE_TIMEOUT": "8"}, wait=False)
    children = {}
    try:
        for _ in range(1200):
            if (tmp_path / "run" / "state.safetensors").is_file():
                break
            assert launcher.poll() is None, launcher.communicate()[1][-3000:]
            time.sleep(0.1)
        children = ranks(launcher)
        yield launcher, children, tmp_path / "run"
    finally:
        for process in children.values():
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        launcher.kill()
        launcher.communicate()


needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").is_file(), reason="needs the /proc of Linux")


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize(("number", "lost"), [(signal.SIGKILL, 1), (signal.SIGSTOP, 1), (signal.SIGKILL, 0)])
def test_a_lost_process_ends_the_others_with_a_line_and_costs_nothing_saved(long_training, number, lost):
    launcher, children, run = long_training
    os.kill(children[lost], number)
    said = []
    for line in launcher.stderr:  # not until the end: the launcher waits half a minute for a process that is stopped
        said.append(line)
        if line.startswith("cospike: "):
            break
    assert said, "nothing was said"
    assert said[-1].startswith("cospike: Another of the 2 processes died, or does not answer ("), said
    assert len(read_history(run)) >= 1
    if lost == 1:
        assert f"{run} is saved up to epoch " in said[-1]
        assert said[-1].endswith("; --resume goes on from there.\n")


@pytest.mark.slow
@needs_proc
def test_one_that_is_asked_to_stop_stops_all_and_loses_nothing(long_training):
    launcher, children, run = long_training
    os.kill(children[1], signal.SIGTERM)  # as schedulers end a job; the other does not know
    for line in launcher.stderr:
        if line == f"cospike: interrupted. {run} is saved; --resume goes on from there.\n":
            break
    else:
        pytest.fail("nothing was said")


@pytest.mark.slow
def test_processes_that_were_given_different_data_are_refused(tmp_path):
    script = tmp_path / "differ.py"
    script.write_text(
        "import os, numpy as np, cospike as cs\n"
        "x = np.random.default_rng(int(os.environ['RANK'])).random((60, 5)).astype('f4')\n"
        "cs.fit(cs.SparseVAE((5,), 4), cs.from_arrays(x, np.arange(60) % 2), epochs=1, accelerator='cpu')\n"
    )
    done = torchrun(2, str(script))
    assert done.returncode == 1
    assert done.stderr.count("must be given the same data, settings and folder, got different ones") >= 1


def test_what_processes_cannot_do_is_refused_before_they_start(monkeypatch):
    monkeypatch.setattr("cospike.training_checks.n_processes", lambda: 8)
    model = SparseVAE((12,), 6, hidden=(8,))
    with pytest.raises(InputError, match=r"'batch_size' of fit must be at least the 8 processes .*, got 4\."):
        fit(model, rows(160), batch_size=4, accelerator="cpu")
    with pytest.raises(InputError, match="'compile' of fit is for one process"):
        fit(model, rows(160), compile=True, accelerator="cpu")


@pytest.mark.parametrize("given", ["0", "-1", "soon", "nan"])
def test_a_timeout_that_is_none_is_refused(monkeypatch, given):
    monkeypatch.setenv("COSPIKE_TIMEOUT", given)
    with pytest.raises(InputError, match=f"COSPIKE_TIMEOUT must be seconds above 0, got '{given}'"):
        process_timeout()


@given(n_rows=st.integers(0, 300), n_processes=st.integers(1, 9))
def test_shares_are_the_batch(n_rows, n_processes):
    shares = [Share(n_rows, rank, n_processes).rows for rank in range(n_processes)]
    assert [row for rows in shares for row in rows] == list(range(n_rows))
    parts = torch.arange(n_rows).tensor_split(n_processes)
    assert [list(rows) for rows in shares] == [part.tolist() for part in parts]


@given(
    n_rows=st.integers(1, 400),
    n_processes=st.integers(1, 7),
    key=st.tuples(st.integers(0, 2**31), st.integers(0, 2**32 - 1), st.integers(0, 10**6)),
)
def test_noise_is_that_of_the_batch_in_whatever_shares(n_rows, n_processes, key):
    like = torch.zeros(1)
    whole = draw_noise(key, range(n_rows), n_rows, 3, like=like)
    parts = [
        draw_noise(key, Share(n_rows, rank, n_processes).rows, n_rows, 3, like=like) for rank in range(n_processes)
    ]
    for kind in range(2):
        assert torch.equal(torch.cat([part[kind] for part in parts]), whole[kind])


def test_noise_is_uniform_and_normal_and_differs_between_keys_and_rows():
    like = torch.zeros(1)
    draws = [draw_noise((0, 1, step), range(1000), 1000, 5, like=like) for step in range(20)]
    uniform = torch.cat([draw.uniform.flatten() for draw in draws]).numpy()
    normal = torch.cat([draw.normal.flatten() for draw in draws]).numpy()
    assert 0 < uniform.min() <= uniform.max() <= 1
    assert kstest(uniform, "uniform").pvalue > 1e-3
    assert kstest(normal, "norm").pvalue > 1e-3
    assert len(np.unique(normal)) > 0.99 * len(normal)  # no block of rows, and no step, repeats another
    assert abs(np.corrcoef(uniform, normal)[0, 1]) < 0.01


def test_noise_of_training_differs_from_step_to_step_and_seed_to_seed(monkeypatch):
    keys = []

    def note(key, *arguments, **settings):
        keys.append(key)
        return draw_noise(key, *arguments, **settings)

    monkeypatch.setattr("cospike.trainer.draw_noise", note)
    for seed in (0, 1):
        fit(SparseVAE((12,), 6, hidden=(8,)), rows(160), epochs=2, batch_size=24, seed=seed, accelerator="cpu")
    of_validation = [key for key in keys if key[1] == 2**32 - 1]
    assert len(of_validation) == 4
    assert len(set(keys)) == len(keys) - 2  # validation has the same noise in every epoch, and nothing else has
    assert len(keys) == 2 * 2 * (4 + 1)
