"""Training: the same bits after an interruption, what a run leaves, what is refused before anything is written."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from cospike import runs
from cospike._errors import InputError
from cospike.data import Split, from_arrays
from cospike.model import SparseVAE
from cospike.objective import Objective
from cospike.progress import Interrupt
from cospike.train import encode_dataset, fit
from cospike.trainer import Trainer


def blobs(n=200, d=6, classes=2, labels=None):
    rng = np.random.default_rng(0)
    y = np.arange(n) % classes if labels is None else labels
    x = np.clip(0.5 + 0.3 * np.sign(np.sin(np.arange(d) + y[:, None])) + 0.1 * rng.standard_normal((n, d)), 0, 1)
    return from_arrays(x.astype(np.float32), y, name="blobs")


def small(data, **settings):
    return SparseVAE(data.shape, 5, hidden=(8,), **settings)


def train(data, folder, **settings):
    model = small(data)
    fit(model, data, epochs=4, batch_size=20, out=folder, accelerator="cpu", **settings)
    return model


def bits(folder):
    weights, _ = runs.read_tensors(folder, "weights.safetensors")
    history = [{k: v for k, v in row.items() if k != "seconds"} for row in runs.read_history(folder)]
    return {name: part.numpy().tobytes() for name, part in weights.items()}, history


class StopAfter(Interrupt):
    """Asks for an end once so many steps have been taken."""

    def __init__(self, steps):
        super().__init__()
        self.left = steps

    @property
    def requested(self):
        self.left -= 1
        return self.left < 0

    @requested.setter
    def requested(self, value):
        pass


@pytest.mark.parametrize("steps", [3, 6, 7, 15])  # 6 steps an epoch: within one, at its end, across it
@pytest.mark.parametrize("objective", [Objective.class_consistent(), Objective.paper()], ids=lambda o: o.name)
def test_an_interrupted_run_resumes_to_the_same_bits(tmp_path, monkeypatch, objective, steps):
    data = blobs()
    train(data, tmp_path / "whole", objective=objective)

    monkeypatch.setattr("cospike.train.Interrupt", lambda: StopAfter(steps))
    with pytest.raises(KeyboardInterrupt):
        train(data, tmp_path / "cut", objective=objective)
    monkeypatch.undo()
    train(data, tmp_path / "cut", objective=objective, resume=True)

    assert bits(tmp_path / "cut") == bits(tmp_path / "whole")


def test_a_resumed_run_keeps_the_precision_that_it_was_started_with(tmp_path, monkeypatch):
    data = blobs()
    train(data, tmp_path / "whole", precision="bf16-mixed")
    monkeypatch.setattr("cospike.train.Interrupt", lambda: StopAfter(7))
    with pytest.raises(KeyboardInterrupt):
        train(data, tmp_path / "cut", precision="bf16-mixed")
    monkeypatch.undo()
    monkeypatch.setattr("cospike.train.default_precision", lambda *_: "32-true")  # a machine that would choose another
    train(data, tmp_path / "cut", resume=True)
    assert bits(tmp_path / "cut") == bits(tmp_path / "whole")
    with pytest.raises(InputError, match="precision"):
        train(data, tmp_path / "cut", resume=True, precision="32-true")


TRAIN_DIGITS = """
import sys, cospike as cs, cospike.train
from cospike.progress import Interrupt

folder, compile, until = sys.argv[1], {"yes": True, "no": False, "as begun": None}[sys.argv[2]], int(sys.argv[3])

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
data = cs.load_dataset("digits")
model = cs.SparseVAE(data.shape, 6, hidden=(16,))
settings = {"epochs": 2, "precision": "32-true", "accelerator": "cpu", "out": folder, "progress": False}
cs.fit(model, data, compile=compile, resume=compile is None, **settings)
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler: install g++")
def test_a_compiled_run_resumes_to_the_same_bits_and_draws_what_an_eager_one_draws(tmp_path):
    def run(folder, compiled, until=10**9):  # a process each: types that are checked under pytest would be compiled too
        command = [sys.executable, "-c", TRAIN_DIGITS, str(tmp_path / folder), compiled, str(until)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = [run("eager", "no"), run("whole", "yes")]
    cut = run("cut", "yes", until=20)  # of 14 steps an epoch: in the second
    done.append(run("cut", "as begun"))
    assert not any(process.returncode for process in done), [process.stderr for process in done]
    assert "KeyboardInterrupt" in cut.stderr
    whole, eager = bits(tmp_path / "whole"), bits(tmp_path / "eager")
    assert whole[0] != eager[0]  # it was compiled: sums are taken in another order
    for row, expected in zip(whole[1], eager[1], strict=True):
        assert row == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert runs.read_config(tmp_path / "cut")["training"]["compile"] is True
    assert bits(tmp_path / "cut") == whole


def test_a_run_lost_between_two_files_resumes_to_the_same_bits(tmp_path, monkeypatch):
    """Killed after the history and the weights of epoch 3, before its state: the state of epoch 2 decides."""
    data, n_states = blobs(), []
    train(data, tmp_path / "whole")
    save = runs.save_tensors

    def die_at_the_third_state(run, name, tensors, metadata=None):
        n_states.append(name) if name == "state.safetensors" else None
        if len(n_states) == 3:
            raise SystemExit
        save(run, name, tensors, metadata)

    monkeypatch.setattr(runs, "save_tensors", die_at_the_third_state)
    with pytest.raises(SystemExit):
        train(data, tmp_path / "cut")
    monkeypatch.undo()
    assert len(runs.read_history(tmp_path / "cut")) == 3
    train(data, tmp_path / "cut", resume=True)
    assert bits(tmp_path / "cut") == bits(tmp_path / "whole")


def test_training_leaves_the_callers_random_state_and_takes_nothing_from_it(tmp_path):
    data = blobs()
    torch.manual_seed(1)
    train(data, tmp_path / "a")
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(3))
    torch.manual_seed(2)
    train(data, tmp_path / "b")
    assert bits(tmp_path / "a") == bits(tmp_path / "b")
    model = small(data)
    fit(model, data, epochs=4, batch_size=20, seed=1, out=tmp_path / "c", accelerator="cpu")
    assert bits(tmp_path / "c") != bits(tmp_path / "a")


def test_the_test_split_decides_nothing(tmp_path):
    data = blobs()
    other = replace(data, test=Split(torch.zeros_like(data.test.x), data.test.y))
    a, b = train(data, None), train(other, None)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_what_a_run_leaves_rebuilds_the_model(trained):
    loaded = runs.load(trained.run)
    state = trained.model.state_dict()
    assert all(torch.equal(part, state[name]) for name, part in loaded.state_dict().items())
    assert loaded.class_names == trained.data.class_names
    test, train_codes = runs.read_codes(trained.run)
    again = encode_dataset(loaded, trained.data.test, accelerator="cpu")
    np.testing.assert_array_equal(test.active_probs, again.active_probs)
    np.testing.assert_array_equal(test.reconstruction, again.reconstruction)
    assert len(train_codes) == len(trained.data.train)
    previews = runs.read_arrays(trained.run, "previews.npz")
    np.testing.assert_array_equal(previews["x"], trained.data.test.x.numpy()[previews["index"]])


def test_history_rows_hold_every_term_and_training_lowers_the_loss(trained):
    row = trained.history[-1]
    assert set(row) >= {"epoch", "seconds", "loss", "reconstruction", "slab_kl", "within", "between", "sparsity"}
    assert "validation_loss" in row
    assert trained.history[-1]["reconstruction"] < trained.history[0]["reconstruction"]
    assert runs.read_history(trained.run) == json.loads(json.dumps(trained.history))


def test_no_file_is_a_pickle(trained):
    for path in trained.run.iterdir():
        head = path.read_bytes()[:4]
        assert not head.startswith(b"\x80"), path
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                assert all(file[name].dtype != object for name in file.files)


def test_patience_stops_and_keeps_the_best_weights(tmp_path):
    data = blobs()
    model = small(data)
    history = fit(
        model, data, epochs=60, batch_size=20, learning_rate=0.05, patience=2, out=tmp_path / "run", accelerator="cpu"
    )
    losses = [row["validation_loss"] for row in history]
    late = losses[30:]  # past the warm-up, where losses compare
    assert len(history) < 60
    assert len(late) - 1 - int(np.argmin(late)) == 2
    best_loss = min(late)
    trainer_model = runs.load(tmp_path / "run")
    torch.testing.assert_close(trainer_model.encoder.head.weight, model.encoder.head.weight)
    assert best_loss < losses[-1]


def test_a_term_that_becomes_nan_is_named_and_the_last_good_weights_stay(tmp_path, monkeypatch):
    data = blobs()
    step = Trainer.take_step

    def poisoned(self, rows):
        parts = step(self, rows)
        return {**parts, "slab_kl": parts["slab_kl"] * float("nan")} if self.epoch == 2 else parts

    monkeypatch.setattr(Trainer, "take_step", poisoned)
    with pytest.raises(FloatingPointError, match="'slab_kl' became nan in epoch 3"):
        train(data, tmp_path / "run")
    weights = runs.load(tmp_path / "run").state_dict()
    assert all(part.isfinite().all() for part in weights.values())
    assert len(runs.read_history(tmp_path / "run")) == 2


def test_weights_that_diverge_in_the_last_step_of_an_epoch_are_not_kept(tmp_path, monkeypatch):
    data = blobs()
    step = Trainer.take_step

    def diverging(self, rows):
        parts = step(self, rows)
        if self.epoch == 2 and self.step == self.n_steps - 1:
            self.model.encoder.head.weight.data.fill_(float("nan"))
        return parts

    monkeypatch.setattr(Trainer, "take_step", diverging)
    with pytest.raises(FloatingPointError, match="on validation data in epoch 3"):
        train(data, tmp_path / "run")
    assert all(part.isfinite().all() for part in runs.load(tmp_path / "run").state_dict().values())
    assert len(runs.read_history(tmp_path / "run")) == 2


def test_a_failed_overwrite_costs_no_older_run(tmp_path):
    data = blobs()
    train(data, tmp_path / "run")
    before = bits(tmp_path / "run")
    with pytest.raises(FloatingPointError):
        train(data, tmp_path / "run", overwrite=True, learning_rate=1e30)
    with pytest.raises(InputError, match="accelerator"):
        fit(small(data), data, out=tmp_path / "run", overwrite=True, accelerator="nonsense")
    assert bits(tmp_path / "run") == before


def test_a_fitted_model_can_take_up_its_run(tmp_path):
    data = blobs()
    model = train(data, tmp_path / "run")
    fit(model, data, epochs=4, batch_size=20, out=tmp_path / "run", resume=True, accelerator="cpu")
    assert bits(tmp_path / "run")[0]


def test_bfloat16_trains_without_a_remark(caplog):
    data = blobs()
    model = small(data)
    history = fit(model, data, epochs=4, batch_size=20, precision="bf16-mixed", accelerator="cpu")
    assert np.isfinite(history[-1]["loss"])
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert not caplog.records


def test_unlabelled_rows_take_part(tmp_path):
    labels = np.arange(200) % 2
    labels[::3] = -1
    data = blobs(labels=labels)
    model = small(data)
    history = fit(model, data, epochs=2, batch_size=20, accelerator="cpu")
    assert history[-1]["unlabelled_information"] > 0
    rare = blobs()
    rare.train.y[0] = -1  # one row, which most batches are without
    history = fit(small(rare), rare, epochs=6, batch_size=20, accelerator="cpu")
    assert all("unlabelled_information" in row for row in history)
    assert model.class_patterns.batch_shape == (2, 5)


def bad_values(value):
    data = blobs()
    x = data.train.x.clone()
    x[3, 2] = value
    return replace(data, train=Split(x, data.train.y))


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        (lambda: bad_values(float("nan")), {}, "finite"),
        (lambda: bad_values(1.5), {}, "0 … 1 for a Bernoulli likelihood, got .* … 1.5"),
        (lambda: blobs(labels=np.zeros(200, dtype=np.int64)), {}, "at least two classes, got 1"),
        (lambda: blobs(labels=np.full(200, -1)), {}, "at least two classes, got 0"),
        (blobs, {"batch_size": 500}, "at most the 120 training rows"),
        (blobs, {"batch_size": 0}, "batch_size"),
        (blobs, {"epochs": 0}, "epochs"),
        (blobs, {"seed": -1}, "'seed'"),
        (blobs, {"learning_rate": -1.0}, "learning_rate"),
        (blobs, {"objective": Objective.vae()}, "Set n_dense=5"),
        (blobs, {"objective": Objective.vsc_pseudo_inputs()}, "prior='pseudo-inputs'"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line_and_leaves_nothing(tmp_path, data, settings, message):
    data = data()
    with pytest.raises(InputError, match=message) as caught:
        fit(small(data), data, out=tmp_path / "run", accelerator="cpu", **settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_class_of_one_sample_is_refused_by_objectives_that_need_pairs(tmp_path):
    data = blobs(classes=2)
    y = torch.zeros_like(data.train.y)
    y[5] = 1
    data = replace(data, train=Split(data.train.x, y))
    with pytest.raises(InputError, match="at least two training samples"):
        fit(small(data), data, accelerator="cpu")
    fit(small(data), data, epochs=1, objective=Objective.vsc(), accelerator="cpu")


def test_a_model_of_another_shape_is_refused():
    with pytest.raises(InputError, match=r"\(6,\), got \(7,\)"):
        fit(SparseVAE((7,), 3), blobs(), accelerator="cpu")


def test_a_per_class_prior_for_other_classes_is_refused():
    data = blobs()
    with pytest.raises(InputError, match=f"must be the {data.n_classes} of"):
        fit(small(data, prior="per-class", n_classes=data.n_classes + 1), data, accelerator="cpu")
