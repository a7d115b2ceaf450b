"""A term that is no finite number any more stops training: named, with its step and rows, and nothing good is lost."""

import numpy as np
import pytest
import torch

from cospike import runs
from cospike.data import from_arrays
from cospike.model import SparseVAE
from cospike.objective import Objective
from cospike.train import fit
from cospike.trainer import Trainer

N_STEPS = 30  # of an epoch: two looks, after 20 steps and at its end


def blobs(n=1000, d=6):
    y = np.arange(n) % 2
    noise = 0.1 * np.random.default_rng(0).standard_normal((n, d))
    return from_arrays(np.clip(0.5 + 0.3 * np.sign(np.sin(np.arange(d) + y[:, None])) + noise, 0, 1), y, name="blobs")


class Spoiled(Trainer):
    """Of one step it sees its rows, and may do something to them or to what comes of them."""

    at, seen, before, after = (2, 23), None, staticmethod(lambda trainer, rows: None), staticmethod(lambda parts: parts)

    def take_step(self, rows):
        if (self.epoch, self.step) != self.at:
            return super().take_step(rows)
        type(self).seen = rows.tolist()
        self.before(self, rows)
        return self.after(super().take_step(rows))


@pytest.fixture
def spoiled(monkeypatch):
    monkeypatch.setattr("cospike.train.Trainer", Spoiled)

    def spoil(**how):
        for name, value in how.items():
            monkeypatch.setattr(Spoiled, name, staticmethod(value) if callable(value) else value)

    return spoil


def train(folder=None, objective=None, **settings):
    data = blobs()
    model = SparseVAE(data.shape, 5, hidden=(8,), n_dense=1)
    with pytest.raises(FloatingPointError) as caught:
        fit(model, data, objective=objective, epochs=4, batch_size=20, out=folder, accelerator="cpu", **settings)
    return model, str(caught.value)


def test_the_term_the_step_and_the_rows_are_named_and_the_last_good_weights_kept(tmp_path, spoiled):
    spoiled(after=lambda parts: {**parts, "slab_kl": parts["slab_kl"] * float("nan")})
    model, message = train(tmp_path / "run")
    rows = Spoiled.seen
    assert message == (
        f"The term 'slab_kl' became nan in epoch 3, step 24 of {N_STEPS}. Training rows {str(rows[:5])[1:-1]} and "
        "15 more were in that step. With the weights of epoch 2, none of them alone is to blame. "
        f"{tmp_path / 'run'} keeps the weights of epoch 2. Try a learning rate below 0.0025."
    )
    kept = runs.load(tmp_path / "run").state_dict()
    assert len(runs.read_history(tmp_path / "run")) == 2
    for name, part in model.state_dict().items():
        assert part.isfinite().all()
        assert torch.equal(part, kept[name])


def test_rows_that_are_to_blame_are_named(spoiled):
    def spoil(trainer, rows):
        trainer.x = trainer.x.clone()
        trainer.x[rows[[3, 11]]] = torch.tensor([[float("nan")], [float("inf")]])

    spoiled(before=spoil)
    _, message = train()
    alone = f"{Spoiled.seen[3]}, {Spoiled.seen[11]}"
    assert f"in epoch 3, step 24 of {N_STEPS}. " in message
    assert f"With the weights of epoch 2, rows {alone} alone: look at the values there." in message


def test_in_the_first_epoch_the_weights_of_the_start_come_back(spoiled, tmp_path):
    spoiled(at=(0, 0), after=lambda parts: {**parts, "within": parts["within"] / 0})
    model, message = train(tmp_path / "run")
    assert "The term 'within' became inf in epoch 1, step 1 of 30." in message
    assert "With those of the start, none of them alone is to blame. Try a learning rate" in message
    again = SparseVAE(model.shape, 5, hidden=(8,), n_dense=1).state_dict()
    assert all(torch.equal(part, again[name]) for name, part in model.state_dict().items())
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_training_that_really_diverges_says_so():
    model, message = train(learning_rate=1e30, objective=Objective.vsc())
    assert message.startswith("The term")
    assert "step" in message
    assert all(part.isfinite().all() for part in model.parameters())


def test_a_nan_of_one_kind_of_latent_is_not_said_of_the_other():
    """0 · NaN is NaN: a product with a mask would blame the sparse latents for a dense one."""
    torch.manual_seed(0)
    model = SparseVAE((6,), 5, hidden=(8,), n_dense=2)
    x, y = torch.rand(20, 6), torch.arange(20) % 2
    output = model(x, y)
    for latent, bad, good in ((0, "dense_kl", "slab_kl"), (3, "slab_kl", "dense_kl")):
        loc = output.posterior.loc.clone()
        loc[4, latent] = float("nan")
        posterior = type(output.posterior)(
            output.posterior.active_logits, loc, output.posterior.scale, validate_args=False
        )
        parts = Objective.vsc()(output._replace(posterior=posterior), x, y).parts
        assert parts[bad].isnan()
        assert parts[good].isfinite()
