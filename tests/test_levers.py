"""The development benchmark of single settings: every variant makes a model and an objective that fit together."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from cospike.model import SparseVAE
from cospike.objective import Objective
from cospike.options import model_settings
from cospike.train import default_training
from cospike.training_checks import check_objective

_SPEC = importlib.util.spec_from_file_location("levers", Path(__file__).parent.parent / "benchmarks" / "levers.py")
levers = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(levers)


@pytest.mark.parametrize("lever", levers.LEVERS)
def test_every_variant_can_be_trained(digits, lever):
    labels = [variant.label for variant in levers.LEVERS[lever]]
    assert len(set(labels)) == len(labels)
    for variant in levers.LEVERS[lever]:
        settings = {"n_classes": digits.n_classes, **model_settings(variant.preset, 60), **variant.model}
        model = SparseVAE(digits.shape, **settings)
        objective = replace(Objective.preset(variant.preset), **variant.objective)
        check_objective(model, digits, objective)
        default_training(1_000, **variant.training)
