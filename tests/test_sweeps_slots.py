"""No trial twice, none too many, none lost: the real worker on a storage that switches, kills and stops workers."""

import random
import threading
from contextlib import suppress
from types import SimpleNamespace

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from cospike.sweeps import worker as worker_module
from cospike.sweeps.records import to_attempts
from cospike.sweeps.slots import Attempt, Watch, may_train, survey
from cospike.sweeps.space import Range
from cospike.sweeps.storage import DIRECTIONS
from cospike.sweeps.worker import Worker

pytestmark = pytest.mark.slow  # it trains, or loads what takes seconds

SPACE = {"within": Range(1.0, 20.0, log=True)}


def attempt(number, state="complete", **more):
    return Attempt(number, state, **more)


def test_slots_are_opened_in_the_order_of_numbers_and_no_more_than_were_asked_for():
    found = survey([attempt(0), attempt(2, "running"), attempt(1, "waiting"), attempt(3)], 3)
    assert list(found.owners) == [0, 1, 2]
    assert (found.unopened, found.ownerless, found.n_finished) == (0, (), 1)
    assert survey([], 3).unopened == 3
    assert not may_train(3, [attempt(number, "running") for number in range(4)], 3)


def test_a_lost_attempt_leaves_its_slot_to_the_next_and_one_that_failed_by_itself_does_not():
    lost, failed = attempt(0, "failed"), attempt(1, "failed", error="no number")
    assert survey([lost, failed], 2).ownerless == (0,)
    assert survey([lost, failed], 2).n_finished == 1
    again = [lost, failed, attempt(2, "waiting", slot=0), attempt(3, "running", slot=0)]
    assert survey(again, 2).owners[0].number == 2
    assert not may_train(3, again, 2)


def test_an_attempt_too_many_is_a_slot_of_a_sweep_that_asks_for_more():
    attempts = [attempt(0), attempt(1), attempt(2, "failed"), attempt(3, "running")]
    assert not survey(attempts, 2).has_work
    assert survey(attempts, 4).ownerless == (2,)


def test_a_watch_counts_by_the_clock_of_who_looks():
    watch = Watch(10)
    assert watch.still({1: 5, 2: None}, now=0) == []
    assert watch.still({1: 6, 2: None}, now=9) == []
    assert watch.still({1: 6, 2: None}, now=11) == [2]
    assert watch.still({2: 0}, now=100) == []  # begun anew
    assert watch.still({1: 6}, now=200) == []  # it was not there meanwhile


class Killed(BaseException):
    """What SIGKILL does, but for this process."""


class Stage:
    """Lets one worker act at a time, up to its next call of the storage, where it may also be killed.

    Args:
        script: whom to let act, one after another; a negative number kills that worker instead.
    """

    def __init__(self, script):
        self.script, self.clock = script, 0.0
        self.now, self.wanted, self.dead = None, {}, set()
        self.turn = threading.Condition()

    def reach(self):
        """A worker is about to call the storage, or sleeps: wait for its turn."""
        me = getattr(threading.current_thread(), "worker", None)
        if me is None:
            return
        with self.turn:
            self.clock += 0.1
            self.wanted[me] = True
            self.turn.notify_all()
            self.turn.wait_for(lambda: self.now == me or me in self.dead)
            self.wanted[me] = False
            self.now = None
            if me in self.dead:
                raise Killed

    def sleep(self, seconds):
        self.clock += seconds
        self.reach()

    def play(self, jobs):
        """Run the jobs to their ends."""
        threads = []
        for number, job in enumerate(jobs, start=1):
            thread = threading.Thread(target=self._run, args=(job,), daemon=True)
            thread.worker = number
            self.wanted[number] = False
            threads.append(thread)
            thread.start()
        while True:
            with self.turn:
                self.turn.wait_for(lambda: self.now is None and all(self.wanted.values()), timeout=20)
                assert all(self.wanted.values()), "a worker does not come back"
                waiting = sorted(self.wanted)
                if not waiting:
                    break
                order = next(self.script)
                chosen = waiting[abs(order) % len(waiting)]
                if order < 0:
                    self.dead.add(chosen)
                self.now = chosen
                self.turn.notify_all()
        for thread in threads:
            thread.join()

    def _run(self, job):
        try:
            with suppress(Killed):
                job()
        finally:
            with self.turn:
                del self.wanted[threading.current_thread().worker]
                self.now = None
                self.turn.notify_all()


def staged_storage(stage):
    class Storage(optuna.storages.InMemoryStorage):
        """Every call is a moment at which another may come in between."""

    def staged(name):
        def call(self, *arguments, **settings):
            stage.reach()
            return getattr(super(Storage, self), name)(*arguments, **settings)

        return call

    for name in (
        "create_new_trial",
        "set_trial_state_values",
        "set_trial_user_attr",
        "set_trial_param",
        "get_all_trials",
    ):
        setattr(Storage, name, staged(name))
    return Storage()


def sweep(stage, study, n_trials, trained, lost_after):
    def train(params):
        stage.reach()
        trained.append(params["within"])
        return {"neg_elbo": params["within"], "consistency_gap_specific": 0.5, "seconds": 1.0}

    return Worker(study, SPACE, train, n_trials=n_trials, seed=0, lost_after=lost_after, say=lambda line: None)


def play(script, n_workers, n_trials, lost_after, monkeypatch):
    """Workers by a script, then one more to the end: all trials, and what was trained."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    stage, trained = Stage(script), []
    monkeypatch.setattr(worker_module, "_Signs", lambda *_: StageSigns(stage, *_))
    monkeypatch.setattr(worker_module, "time", SimpleNamespace(monotonic=lambda: stage.clock, sleep=stage.sleep))
    storage = staged_storage(stage)
    optuna.create_study(storage=storage, study_name="sweep", directions=list(DIRECTIONS.values()))

    def job():
        study = optuna.load_study(study_name="sweep", storage=storage, sampler=optuna.samplers.RandomSampler())
        sweep(stage, study, n_trials, trained, lost_after).work()

    stage.play([job] * n_workers)
    job()
    study = optuna.load_study(study_name="sweep", storage=storage)
    return study.get_trials(), trained


class StageSigns:
    """One sign of life, when a training begins: a thread would come in between by chance."""

    def __init__(self, stage, trial, seconds):
        self.trial = trial

    def __enter__(self):
        with suppress(optuna.exceptions.UpdateFinishedTrialError):
            self.trial.set_user_attr("sign_of_life", 1)

    def __exit__(self, *_):
        pass


def check(trials, n_trials):
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert len(complete) == n_trials
    assert len({trial.params["within"] for trial in complete}) == n_trials
    found = survey(
        to_attempts(trials), n_trials
    )  # an attempt too many may be left in the queue, where nobody trains it
    assert found.n_finished == n_trials
    assert not found.of_state("waiting", "running")


def script(seed, kills):
    """Whom to let act, for ever: each for a while, as processes do, and some of the times killed instead."""
    rng = random.Random(seed)
    while True:
        who = rng.randint(1, 4)
        for _ in range(rng.choice([1, 1, 2, 5, 30])):
            yield -who if rng.random() < kills else who


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), n_workers=st.integers(2, 4), n_trials=st.integers(1, 5))
def test_workers_that_live_train_every_trial_once(seed, n_workers, n_trials):
    with pytest.MonkeyPatch.context() as monkeypatch:
        trials, trained = play(script(seed, 0), n_workers, n_trials, float("inf"), monkeypatch)
    check(trials, n_trials)
    assert len(trained) == n_trials


@settings(max_examples=120)
@given(
    seed=st.integers(0, 2**32),
    n_workers=st.integers(1, 4),
    n_trials=st.integers(1, 8),
    kills=st.sampled_from([0.0, 0.01, 0.05]),
    lost_after=st.sampled_from([1.0, 3.0, 10.0]),
)
def test_whoever_is_killed_or_stands_still_every_trial_is_finished_once(seed, n_workers, n_trials, kills, lost_after):
    with pytest.MonkeyPatch.context() as monkeypatch:
        trials, trained = play(script(seed, kills), n_workers, n_trials, lost_after, monkeypatch)
    check(trials, n_trials)
    assert len(trained) >= n_trials
