"""Precision by what the machine can do, and what cannot be compiled."""

import shutil

import numpy as np
import pytest
import torch

from cospike._errors import InputError
from cospike.data import load_dataset
from cospike.device import check_compile, check_precision, default_precision
from cospike.encoding import encode_dataset
from cospike.experiment import compare
from cospike.model import SparseVAE
from cospike.objective import Objective
from cospike.options import Options
from cospike.schedule import Schedule


@pytest.mark.parametrize(
    ("capabilities", "likelihood", "accelerator", "expected"),
    [
        ({"avx2": True}, "bernoulli", "cpu", "32-true"),
        ({"avx2": True, "avx512_bf16": True}, "bernoulli", "cpu", "bf16-mixed"),
        ({"amx_bf16": True}, "bernoulli", "cpu", "bf16-mixed"),
        ({"amx_bf16": True}, "gaussian", "cpu", "32-true"),
        ({"amx_bf16": True}, "bernoulli", "cuda", "32-true"),
    ],
)
def test_precision_follows_the_capability(monkeypatch, capabilities, likelihood, accelerator, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    model = SparseVAE((4,), 3, hidden=(4,), likelihood=likelihood)
    assert default_precision(model, accelerator) == expected


def test_a_torch_that_cannot_say_is_taken_for_a_machine_that_cannot(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert default_precision(SparseVAE((4,), 3, hidden=(4,)), "cpu") == "32-true"


@pytest.mark.parametrize(
    "objective",
    [
        Objective.paper(),
        Objective.vsc_pseudo_inputs(),
        Objective(slab_warm_up=Schedule(0.0, 1.0)),
        Objective(spikes="relaxed"),
    ],
)
def test_what_would_be_compiled_anew_in_every_step_is_refused(objective):
    with pytest.raises(InputError, match=r"'compile' of fit does not fit the objective '.*'.* Leave it out\."):
        check_compile(objective)


def test_rows_without_a_class_are_not_compiled():
    with pytest.raises(InputError, match="needs rows that all have a class"):
        check_compile(Objective.class_consistent(), all_labelled=False)


@pytest.mark.parametrize("precision", ["16-mixed", "bf16-true", "foo"])
def test_a_precision_is_refused_in_the_name_of_who_was_given_it(precision):
    with pytest.raises(InputError, match=f"'precision' of fit must be '32-true' or 'bf16-mixed', got '{precision}'"):
        check_precision(precision, "fit")


def test_an_accelerator_is_refused_in_the_name_of_who_was_given_it():
    model = SparseVAE((4,), 3, hidden=(4,))
    with pytest.raises(InputError, match="'accelerator' of encode_dataset must be"):
        encode_dataset(model, np.zeros((3, 4), dtype=np.float32), accelerator="foo")


def test_compare_refuses_what_cannot_be_compiled_before_anything_is_trained(tmp_path):
    with pytest.raises(InputError, match="'compile' of fit does not fit the objective 'paper'"):
        compare(load_dataset("digits"), tmp_path / "out", options=Options(compile=True, epochs=1))
    assert not (tmp_path / "out").exists()


def test_without_a_compiler_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InputError, match=r"'compile' of fit needs a C\+\+ compiler, found no "):
        check_compile(Objective.class_consistent())
