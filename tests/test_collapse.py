"""Spikes that say too little: made on purpose in each of three ways, and not seen where there is nothing to see."""

import warnings

import numpy as np
import pytest

import cospike as cs
from cospike import runs
from cospike._errors import TrainingWarning
from cospike.collapse import find_collapse
from cospike.entry import main

ALIKE = "no latent tells one sample from another"
ALL_ON, FEW = "all 6 sparse latents are on in at least 99 %", r"\d of 120 sparse latents are in use, where 6"


def two_groups():
    """Four hundred values that are all high in one class and all low in the other: there is one thing to tell."""
    labels = np.arange(400) % 2
    waves = np.sign(np.sin(1.7 * np.arange(400) + 2 * labels[:, None]))
    x = 0.5 + 0.45 * waves + 0.02 * np.random.default_rng(0).standard_normal((400, 400))
    return cs.from_arrays(x.clip(0, 1), labels, name="two groups")


def train(data, objective, *, epochs, **model):
    cs.fit(cs.SparseVAE(data.shape, **model), data, objective=objective, epochs=epochs, accelerator="cpu")


@pytest.mark.slow
def test_each_way_to_collapse_is_warned_of_with_what_to_change(digits):
    vsc = cs.Objective.vsc()
    with pytest.warns(TrainingWarning, match=rf"'vsc' on digits has collapsed: {ALIKE}.*a higher active_prior"):
        train(digits, vsc, epochs=20, n_latents=12, n_dense=0, active_prior=1e-6)
    with pytest.warns(TrainingWarning, match=rf"'vsc' on digits has collapsed: {ALL_ON}.*a lower active_prior"):
        train(digits, vsc, epochs=60, n_latents=6, n_dense=0, active_prior=0.99)
    with pytest.warns(TrainingWarning, match=rf"'vsc' on two groups has collapsed: {FEW} .*epochs"):
        train(two_groups(), vsc, epochs=60, n_latents=120, n_dense=0, hidden=(32,))


@pytest.mark.slow
def test_what_has_not_collapsed_is_not_warned_of(digits, trained):
    for codes in runs.read_codes(trained.run):
        assert find_collapse(codes) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(digits, cs.Objective.vae(), epochs=3, n_latents=6, n_dense=6)
        train(digits, None, epochs=60)


@pytest.mark.parametrize(
    ("on", "message"),
    [
        ([[1, 1, 1], [1, 1, 1]], "all 3 sparse latents"),
        ([[1, 0, 0], [1, 0, 0]], "1 of 3 sparse ones is always on, the others never"),
        ([[0, 0, 0], [0, 0, 0]], "0 of 3 sparse ones are always on"),
        ([[1, 0, 0], [0, 0, 0]], "1 of 3 sparse latents is in use, where 2 are the fewest"),
        ([[1, 0, 0], [0, 1, 0]], None),
        ([[1, 1, 0], [1, 0, 0]], None),
        ([[1], [0]], None),
        (np.eye(2, 41), "2 of 41 sparse latents are in use, where 3 are"),
        (np.eye(2, 40), None),
    ],
)
def test_what_counts(make_codes, on, message):
    found = find_collapse(make_codes(on, [0, 1]))
    assert found is None if message is None else message in found


def test_a_latent_of_a_rare_class_is_in_use(make_codes):
    """Of 5,000 samples two are of the last class, which has a latent of its own: .04 % of the samples."""
    labels = np.repeat([0, 1], [4998, 2])
    on = np.stack([labels == 1, labels == 0], axis=1)
    assert find_collapse(make_codes(on, labels)) is None


def test_dense_latents_are_no_collapse_and_do_not_hide_one(make_codes):
    codes = make_codes([[1, 1, 1], [1, 1, 1]], [0, 1])
    codes.prior_probs[:2] = 1
    assert "all 1 sparse" in find_collapse(codes)
    codes.prior_probs[2] = 1
    assert find_collapse(codes) is None


@pytest.mark.slow
def test_the_command_line_says_it_once_and_so_does_measure(tmp_path, capsys):
    settings = ("--epochs", "2", "--n-latents", "6", "--hidden", "32", "--accelerator", "cpu")
    main(["train", "digits", "--out", str(tmp_path / "run"), *settings])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"cospike: 'class-consistent' on digits has collapsed: {ALIKE}")
    main(["measure", str(tmp_path / "run"), "--json"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"cospike: {tmp_path / 'run'} has collapsed: {ALIKE}")


@pytest.mark.slow
def test_a_benchmark_says_it_in_its_table_alone(tmp_path, capsys):
    command = ["benchmark", "digits", "--out", str(tmp_path), "--models", "vsc", "--seeds", "1", "--jobs", "1"]
    main([*command, "--epochs", "1"])
    assert "collapsed" not in capsys.readouterr().err
