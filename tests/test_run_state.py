"""The state of an interrupted training: taken up as it was, or refused before a step is made with it."""

import shutil

import numpy as np
import pytest
import torch

from cospike import runs
from cospike._errors import InputError
from cospike.data import from_arrays
from cospike.model import SparseVAE
from cospike.run_state import pack, unpack
from cospike.train import fit


def small():
    return SparseVAE((6,), 4, hidden=(5,), n_dense=1, likelihood="gaussian")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 90)
    return from_arrays((np.eye(3, 6)[labels] + rng.normal(0, 0.1, (90, 6))).astype("float32"), labels)


@pytest.fixture(scope="module")
def stopped(data, tmp_path_factory):
    """A run that stands between its first epoch and its third."""
    run = tmp_path_factory.mktemp("state") / "run"
    fit(small(), data, epochs=3, out=run, progress=False, precision="32-true", accelerator="cpu")
    tensors, position = runs.read_tensors(run, "state.safetensors")
    runs.save_tensors(run, "state.safetensors", tensors, position | {"epoch": "1", "step": "2"})
    (run / "previews.npz").unlink()
    return run


def resume(run, data):
    return fit(
        small(), data, epochs=3, out=run, resume=True, progress=False, precision="32-true", accelerator="cpu"
    )  # fmt: skip


def test_what_is_packed_is_unpacked():
    model, other = small(), small()
    optimizers = [torch.optim.Adam(one.parameters()) for one in (model, other)]
    model.decode(torch.ones(3, 4)).mean.sum().backward()
    optimizers[0].step()
    best = {name: part + 1 for name, part in model.state_dict().items()}
    packed = pack(model, optimizers[0], best=best, totals={"loss": torch.tensor(3.0)})
    found, totals = unpack(packed, other, optimizers[1])
    assert totals == {"loss": 3.0}
    again = pack(other, optimizers[1], best=found, totals=totals)
    assert again.keys() == packed.keys()
    assert all(torch.equal(again[name], part) for name, part in packed.items())


TAMPERED = {
    "short": {"optimizer.2.exp_avg": torch.zeros(3)},
    "whole": {"optimizer.2.exp_avg": torch.zeros(5, 6, dtype=torch.int64)},
    "nan": {"optimizer.2.exp_avg_sq": torch.full((5, 6), float("nan"))},
    "other": {"optimizer.2.momentum": torch.zeros(5, 6)},
    "foreign": {"optimizer.99.exp_avg": torch.zeros(1)},
    "negative": {"optimizer.-1.exp_avg": torch.zeros(1)},
    "steps": {"optimizer.2.step": torch.zeros(3)},
    "totals": {"totals.evil": torch.zeros(3)},
    "total": {"totals.loss": torch.tensor(float("nan"))},
    "best": {"best.weight": torch.zeros(3)},
    "patterns": {"model.pattern_counts": torch.zeros(10**6)},
    "weights": {"model.encoder.head.bias": torch.zeros(1)},
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
def test_tensors_of_another_training_are_refused(stopped, data, tmp_path, change):
    run = shutil.copytree(stopped, tmp_path / "run")
    tensors, position = runs.read_tensors(run, "state.safetensors")
    runs.save_tensors(run, "state.safetensors", tensors | change, position)
    with pytest.raises(InputError, match=r"state\.safetensors does not fit this training: .") as error:
        resume(run, data)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epoch", "-1"), ("epoch", "4"), ("epoch", "9" * 5000), ("epoch", "x"), ("step", "-5"), ("step", "100"),
        ("seconds", "nan"), ("seconds", "1e999"), ("seconds", "-1"), ("best_epoch", "-3"), ("best_epoch", "1"),
    ],
)  # fmt: skip
def test_a_place_that_no_training_gets_to_is_refused(stopped, data, tmp_path, name, value):
    run = shutil.copytree(stopped, tmp_path / "run")
    tensors, position = runs.read_tensors(run, "state.safetensors")
    runs.save_tensors(run, "state.safetensors", tensors, position | {name: value})
    with pytest.raises(InputError, match=r"state\.safetensors does not fit this training"):
        resume(run, data)


def test_a_history_that_lacks_epochs_is_refused(stopped, data, tmp_path):
    for content in ("", '{"epoch": 1, "seconds": 1.0}\n'):
        run = shutil.copytree(stopped, tmp_path / f"run{len(content)}")
        (run / "history.jsonl").write_text(content)
        with pytest.raises(InputError, match="has not all of its epochs"):
            resume(run, data)


def test_an_honest_state_is_taken_up(stopped, data, tmp_path):
    assert len(resume(shutil.copytree(stopped, tmp_path / "run"), data)) == 3
