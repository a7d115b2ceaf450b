"""One run: what decides it, and that its fingerprint says so."""

from dataclasses import replace

import pytest

from cospike.benchmark.recipes import CLASSIFIER, FAMILIES, MODELS, QUICK
from cospike.benchmark.run import configure, fingerprint
from cospike.model import SparseVAE
from cospike.objective import Objective
from cospike.runs import read_config
from cospike.train import fit


@pytest.mark.parametrize("name", MODELS)
def test_every_recipe_makes_a_model_and_an_objective_that_fit_together(digits, name):
    config = configure(MODELS[name], digits, seed=3)
    model = SparseVAE(**config["model"])
    assert model.settings["seed"] == config["training"]["seed"] == 3
    if MODELS[name].preset != CLASSIFIER:
        small = SparseVAE(**config["model"] | {"hidden": [4]})
        fit(small, digits, objective=Objective.from_dict(config["objective"]), epochs=1)


def test_families_and_quick_name_models_once():
    for names in (*FAMILIES.values(), QUICK["models"]):
        assert set(names) <= set(MODELS)
        assert len(set(names)) == len(names)


def test_vsc_with_a_dense_block_has_that_of_the_default(digits):
    dense, default = (configure(MODELS[name], digits, seed=0) for name in ("vsc-dense", "class-consistent"))
    assert dense["model"]["n_dense"] == default["model"]["n_dense"]
    assert dense["objective"]["early_dense"] == default["objective"]["early_dense"]


def test_training_is_that_of_fit(digits, tmp_path, monkeypatch):
    """The benchmark writes out what `fit` takes by default: the two must not part."""
    monkeypatch.setattr("cospike.trainer.Trainer.train", lambda self, *_: self.save())
    fit(SparseVAE(digits.shape, 4, hidden=(4,)), digits, objective=Objective.vsc(), out=tmp_path / "run")
    training = read_config(tmp_path / "run")["training"]
    assert configure(MODELS["vsc"], digits, seed=0)["training"].items() <= training.items()


def test_the_fingerprint_is_that_of_the_run_folder_and_changes_with_what_decides_a_run(digits, tmp_path):
    recipe = replace(MODELS["paper-60"], model={"n_latents": 4, "hidden": (4,)})
    config = configure(recipe, digits, seed=0, training={"epochs": 1})
    objective = Objective.from_dict(config["objective"])
    fit(SparseVAE(**config["model"]), digits, objective=objective, out=tmp_path / "run", **config["training"])
    same = fingerprint(read_config(tmp_path / "run"))
    assert fingerprint(config) == same
    others = (
        configure(recipe, digits, seed=1, training={"epochs": 1}),
        configure(recipe, digits, seed=0, training={"epochs": 2}),
        configure(recipe, digits, seed=0, training={"epochs": 1, "learning_rate": 1e-3}),
        configure(replace(recipe, objective={"pairwise": 61.0}), digits, seed=0, training={"epochs": 1}),
        configure(replace(recipe, model={"n_latents": 5, "hidden": (4,)}), digits, seed=0, training={"epochs": 1}),
        config | {"data": {"name": "digits", "fingerprint": "0"}},
    )
    assert len({fingerprint(other) for other in others} | {same}) == 1 + len(others)
    later = config | {"objective": config["objective"] | {"a price of a later version": 0.0}}
    assert fingerprint(later) == same


def test_the_recipe_comes_before_what_all_runs_share(digits):
    shared = {"n_latents": 7, "active_prior": 0.2, "n_dense": 1}
    assert configure(MODELS["vae"], digits, seed=0, model=shared)["model"]["n_dense"] == 7
    assert (
        configure(replace(MODELS["vsc"], model={"n_dense": 2}), digits, seed=0, model=shared)["model"]["n_dense"] == 2
    )
    model = configure(MODELS["vsc"], digits, seed=0, model=shared)["model"]
    assert (model["n_latents"], model["active_prior"]) == (7, 0.2)
