"""Configs of other versions: older ones made today's, newer ones refused."""

import json

import numpy as np
import pytest
import torch

from cospike import run_folders, runs
from cospike._errors import InputError
from cospike._files import write_atomic
from cospike._schema import VERSION, migrate
from cospike.model import SparseVAE

OLD = ("shape", "n_latents", "network", "hidden", "likelihood", "active_prior", "seed")


def save_old(run, model, **changes):
    """A run as version 1 wrote it: the same tensors, and a config without what came later."""
    config = {
        "schema_version": 1,
        "cospike": "0.1.0",
        "torch": "2.6",
        "model": {name: model.settings[name] for name in OLD} | changes,
        "objective": {"name": "class-consistent", "early_global": 1},
        "training": {"epochs": 3, "seed": 0},
        "data": {"name": "digits", "class_names": ["a", "b"]},
    }
    write_atomic(run / "config.json", json.dumps(config))
    runs.save_tensors(run, "weights.safetensors", model.state_dict())


@pytest.mark.parametrize(("n_dense", "changes"), [(0, {}), (4, {"active_prior": 1.0})])
def test_a_run_of_version_1_is_read(tmp_path, n_dense, changes):
    model = SparseVAE((6,), 4, hidden=(5,), n_dense=n_dense, active_prior=0.05, seed=3)
    save_old(tmp_path, model, **changes)
    before = (tmp_path / "config.json").read_bytes()
    loaded = runs.load(tmp_path)
    x = torch.randn(7, 6)
    for part in ("active_probs", "loc", "scale"):
        torch.testing.assert_close(getattr(loaded.encode(x), part), getattr(model.encode(x), part), rtol=0, atol=0)
    np.testing.assert_array_equal(loaded.decode_mean(np.ones((2, 4))), model.decode_mean(np.ones((2, 4))))
    assert loaded.is_dense == bool(n_dense)
    assert (tmp_path / "config.json").read_bytes() == before
    assert runs.read_config(tmp_path)["objective"]["early_global"] == 1  # the record of what was trained


def test_a_run_of_version_1_is_not_resumed(tmp_path):
    save_old(tmp_path, SparseVAE((6,), 4, hidden=(5,), n_dense=0))
    now = runs.read_config(tmp_path) | {"objective": {"name": "class-consistent", "early_dense": 1.0}}
    with pytest.raises(InputError, match="Cannot resume"):
        run_folders.open_run(tmp_path, now, resume=True)


@pytest.mark.parametrize("version", [VERSION + 1, 10**9])
def test_a_newer_version_is_refused_with_the_way_out(version):
    with pytest.raises(InputError, match=rf"schema_version 2, got {version}\. A newer cospike wrote it: update"):
        migrate({"schema_version": version}, "config.json")


@pytest.mark.parametrize("version", [None, 0, -1, True, 2.0, "2", [2], "x" * 10_000])
def test_no_version_is_refused(version):
    with pytest.raises(InputError, match=r"schema_version 2, got .{1,60} Is it a run of cospike") as error:
        migrate({"schema_version": version}, "config.json")
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("model", [None, [], {"active_prior": 1.0}, {}])
def test_half_an_old_config_is_refused(model):
    with pytest.raises(InputError, match="whole config of schema_version 1"):
        migrate({"schema_version": 1, "model": model}, "config.json")
