"""The frontier, the best of it, and how a trial is written down."""

import csv
from dataclasses import replace

import numpy as np
import optuna
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cospike._errors import InputError
from cospike.options import Options
from cospike.sweeps.results import Trial, choose_best, costs, format_config, format_csv, frontier, pick
from cospike.sweeps.storage import DIRECTIONS


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_the_frontier_is_optunas(values):
    study = optuna.create_study(directions=["minimize", "minimize"])
    for pair in values:
        study.add_trial(optuna.create_trial(values=[float(value) for value in pair]))
    best = {trial.number for trial in study.best_trials}
    assert {int(row) for row in np.flatnonzero(frontier(np.array(values, dtype=float)))} == best


def test_the_best_is_nearest_to_the_best_of_both():
    pairs = [(100.0, 0.1), (101.0, 0.75), (110.0, 0.8), (105.0, 0.5)]
    trials = [Trial(i, {}, dict(zip(DIRECTIONS, pair, strict=True))) for i, pair in enumerate(pairs)]
    trials = [replace(trial, on_frontier=bool(on)) for trial, on in zip(trials, frontier(costs(trials)), strict=True)]
    assert [trial.on_frontier for trial in trials] == [True, True, True, False]
    assert choose_best(trials).number == 1
    assert pick(trials, "3").number == 3
    assert choose_best([]) is None
    with pytest.raises(InputError, match=r"must be best or a finished trial, got '9'\. Finished: 0, 1, 2, 3\."):
        pick(trials, "9")


def test_a_config_has_searched_options_as_train_takes_them():
    trial = Trial(4, {"hidden": 16, "within": 1e-5, "epochs": 2}, dict(zip(DIRECTIONS, (1.0, 0.5), strict=True)))
    text = format_config(trial, objective="paper", options=Options(seed=2, epochs=8, accelerator="cpu"))
    settings = {"objective": "paper", "seed": 2, "hidden": [16], "within": 1e-5, "epochs": 2}
    assert yaml.safe_load(text) == settings  # 1e-05, as Python writes it, would be a word
    assert "after 2 epochs" in text


def test_what_a_trial_says_is_no_formula():
    trials = [Trial(0, {"prior": "fixed"}, {}, error="=1+1"), Trial(1, {"prior": "fixed"}, {"neg_elbo": -1.5})]
    rows = list(csv.DictReader(format_csv(trials).splitlines()))
    assert [row["error"] for row in rows] == ["'=1+1", ""]
    assert [row["neg_elbo"] for row in rows] == ["", "-1.5"]
