"""What one worker does with trials that end, fail or are interrupted, and with a storage that does not answer."""

import optuna
import pytest

from cospike._errors import InputError
from cospike.sweeps.storage import opened
from cospike.sweeps.worker import Worker
from stand_in import SPACE, stand_in, work


@pytest.mark.slow
def test_the_same_seed_tries_the_same_whether_it_is_interrupted_or_not(tmp_path):
    n = 12  # beyond the first ten, which do not depend on what came out
    whole = work(tmp_path / "whole", n)
    calls = []

    def interrupted(params):
        calls.append(params)
        if len(calls) in (3, 11):
            raise KeyboardInterrupt
        return stand_in(params)

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
            work(tmp_path / "cut", n, interrupted)
    assert sorted(map(repr, work(tmp_path / "cut", n, interrupted))) == sorted(map(repr, whole))
    assert len(calls) == n + 2
    assert work(tmp_path / "other", n, seed=1) != whole


def test_a_trial_that_fails_by_itself_is_told_and_not_repeated(tmp_path):
    calls, said = [], []

    def failing(params):
        calls.append(params)
        if len(calls) == 2:
            raise FloatingPointError("no number")
        return stand_in(params)

    assert len(work(tmp_path, 4, failing, said)) == 3
    assert len(calls) == 4
    assert "trial 1 failed: no number" in said
    assert len(work(tmp_path, 5, failing)) == 4


def test_a_trial_that_was_left_is_trained_with_its_settings(tmp_path):
    def interrupted(params):
        raise KeyboardInterrupt

    with opened(None, tmp_path, name="sweep", settings={}, first={"within": 5.0}) as study:
        settings = {"n_trials": 2, "seed": 0, "lost_after": 60, "say": lambda line: None}
        with pytest.raises(KeyboardInterrupt):
            Worker(study, SPACE, interrupted, **settings).work()
        Worker(study, SPACE, stand_in, **settings).work()
        states = [(trial.state.name, trial.params["within"]) for trial in study.trials]
    assert states[:2] == [("FAIL", 5.0), ("COMPLETE", 5.0)]
    assert states[2][0] == "COMPLETE"


def test_an_answer_that_does_not_arrive_does_not_count_twice(tmp_path, monkeypatch):
    """The storage does what it is told, and the connection breaks before it says so."""
    from cospike.sweeps import worker

    monkeypatch.setattr(worker, "_LOOKS", 0.01)
    said, calls = [], []
    with opened(None, tmp_path, name="sweep", settings={}, first={}) as study:
        tell = study.tell

        def deaf(*given, **settings):
            tell(*given, **settings)
            calls.append(given)
            if len(calls) == 1:
                raise optuna.exceptions.StorageInternalError("the connection is broken")

        monkeypatch.setattr(study, "tell", deaf)
        Worker(study, SPACE, stand_in, n_trials=2, seed=0, lost_after=60, say=said.append).work()
        assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE"]
    assert [line.split(":")[0] for line in said] == ["trial 0, 1 of 2", "trial 1, 2 of 2"]


def test_settings_that_turn_out_to_be_none_fail_a_trial_and_not_the_sweep(tmp_path):
    calls, said = [], []

    def train(params):
        calls.append(params)
        if len(calls) == 1:
            raise InputError("'n_dense' of SparseVAE must lie in 0 … n_latents = 20, got 30.")
        return stand_in(params)

    assert len(work(tmp_path, 2, train, said)) == 1
    assert said[0] == "trial 0 failed: 'n_dense' of SparseVAE must lie in 0 … n_latents = 20, got 30."


def test_a_storage_that_stays_out_of_reach_ends_the_worker_with_a_line(tmp_path, monkeypatch):
    from cospike.sweeps import worker

    monkeypatch.setattr(worker, "_LOOKS", 0.01)

    def broken(*_, **__):
        raise optuna.exceptions.StorageInternalError("the disk is full")

    with opened(None, tmp_path, name="sweep", settings={}, first={}) as study:
        monkeypatch.setattr(study, "tell", broken)
        with pytest.raises(
            InputError, match=r"cannot be read and written: the disk is full\. What is finished is saved"
        ):
            Worker(study, SPACE, stand_in, n_trials=2, seed=0, lost_after=0.1, say=print).work()
