"""One worker of a sweep: it begins a trial, trains it, says what came out, and looks after the trials of dead ones."""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from cospike._errors import InputError
from cospike.sweeps.records import ERROR, MEASURES, SIGN, SLOT, WORKER, read_trials, to_attempts
from cospike.sweeps.slots import Survey, Watch, may_train, place, survey
from cospike.sweeps.space import Choice, Space, check_params
from cospike.sweeps.storage import DIRECTIONS
from cospike.sweeps.storage import reason as reason_of_storage

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

T = TypeVar("T")

_SIGNS = 2.0  # seconds between two of them
_LOOKS = 1.0  # seconds between two looks of a worker that has nothing to do
_STORAGE_ERRORS = (StorageInternalError, SQLAlchemyError)


class Worker:
    """Does trials until as many as were asked for are finished, by itself or by others.

    Args:
        study: the trials.
        space: what is searched.
        train: from settings to measures, with those of `DIRECTIONS` among them.
        n_trials: how many are asked for, of all workers together.
        seed: of what is tried: the same for the same seed, slot and finished trials.
        lost_after: seconds without a sign of life after which a worker is dead, and a storage out of reach.
        say: takes a line for the user.
    """

    def __init__(
        self,
        study: "Study",
        space: Space,
        train: Callable[[Mapping[str, Any]], Mapping[str, float]],
        *,
        n_trials: int,
        seed: int,
        lost_after: float,
        say: Callable[[str], None],
    ) -> None:
        self.study, self.space, self.train = study, space, train
        self.n_trials, self.seed, self.lost_after, self.say = n_trials, seed, lost_after, say
        self._watch = Watch(lost_after)

    def work(self) -> None:
        """Every trial that is left.

        Raises:
            KeyboardInterrupt: on Ctrl-C; the trial that was trained is left to others.
            InputError: if the storage cannot be reached any more, or holds what is none of this sweep.
        """
        while (trial := self._begin()) is not None:
            self._do(trial)

    def _begin(self) -> "Trial | None":
        """A trial that is this worker's to train; waits while only others have one, and ends when all are finished."""
        told = False
        while True:
            found = self._patiently(self._look)
            if found.has_work:
                if (trial := self._patiently(self._ask)) is not None:
                    return trial
                continue
            running = found.of_state("running")
            if not running:
                return None
            if not told:
                numbers = ", ".join(str(attempt.number) for attempt in running)
                self.say(f"cospike: waiting for what other workers train: trial {numbers}.")
                told = True
            time.sleep(_LOOKS)

    def _look(self) -> Survey:
        """What there is to do, once dead workers' trials are free, and every slot without an owner has an attempt."""
        trials = self._trials()
        signs = {trial.number: trial.user_attrs.get(SIGN) for trial in trials if trial.state == TrialState.RUNNING}
        for number in self._watch.still(signs, time.monotonic()):
            if self._end(number, TrialState.FAIL):
                self.say(f"cospike: trial {number} showed no sign of life; it is to be trained again.")
        trials = self._trials()
        found = survey(to_attempts(trials), self.n_trials)
        for slot in found.ownerless:
            self._try_again(slot, trials)
        return survey(to_attempts(self._trials()), self.n_trials) if found.ownerless else found

    def _ask(self) -> "Trial | None":
        """Begin an attempt; None if it turned out to be one too many."""
        trial = self.study.ask()
        if may_train(trial.number, to_attempts(self._trials()), self.n_trials):
            return trial
        self._end(trial.number, TrialState.FAIL)
        return None

    def _do(self, trial: "Trial") -> None:
        with _Signs(trial, min(_SIGNS, self.lost_after / 5)):
            try:
                params = self._patiently(lambda: self._choose(trial))
                outcome = self._outcome(params)
            except KeyboardInterrupt as error:
                self._leave(trial)
                raise KeyboardInterrupt("What is finished is saved; the same command goes on.") from error
            except UpdateFinishedTrialError:
                done = False
            else:
                done = self._patiently(lambda: self._tell(trial, outcome))
        if done:
            self.say(self._patiently(lambda: self._line(trial.number, params, outcome)))
        else:
            self.say(f"cospike: trial {trial.number} showed no sign of life for too long: another worker trains it.")

    def _outcome(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What is kept of a trial: its measures, or why there are none."""
        try:
            return {MEASURES: dict(self.train(params))}
        except Exception as error:  # of settings, torch, or memory: one trial of many, which its failure must not end
            kind = "" if isinstance(error, FloatingPointError | InputError) else f"{type(error).__name__}: "
            return {ERROR: kind + " ".join(str(error).split())[:500]}

    def _leave(self, trial: "Trial") -> None:
        """Let others have the trial; where the storage cannot be reached, they find it without a sign of life."""
        with suppress(*_STORAGE_ERRORS):
            if self._end(trial.number, TrialState.FAIL):
                self._try_again(trial.user_attrs.get(SLOT, trial.number), self._trials())

    def _line(self, number: int, params: Mapping[str, Any], outcome: Mapping[str, Any]) -> str:
        if ERROR in outcome:
            return f"trial {number} failed: {outcome[ERROR]}"
        n = survey(to_attempts(self._trials()), self.n_trials).n_finished
        settings = ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                             for name, value in params.items())  # fmt: skip
        measures = outcome[MEASURES]
        cost, gap = (measures[name] for name in DIRECTIONS)
        return (
            f"trial {number}, {n} of {self.n_trials}: \N{MINUS SIGN}ELBO {cost:.1f} nats, gap {gap:.3f}, "
            f"{measures['seconds']:.0f} s; {settings}"
        )

    def _choose(self, trial: "Trial") -> dict[str, Any]:
        """Settings by the tree-structured Parzen estimator, drawn by a seed of the slot's own."""
        slot = place(trial.user_attrs.get(SLOT, trial.number), to_attempts(self._trials()))
        seed = int(np.random.SeedSequence((self.seed, slot)).generate_state(1)[0])
        self.study.sampler = optuna.samplers.TPESampler(seed=seed)
        params: dict[str, Any] = {}
        for name, part in self.space.items():
            if isinstance(part, Choice):
                params[name] = trial.suggest_categorical(name, part.values)
            elif part.whole:
                params[name] = trial.suggest_int(name, int(part.low), int(part.high), log=part.log)
            else:
                params[name] = trial.suggest_float(name, part.low, part.high, log=part.log)
        check_params(params, self.space, f"Trial {trial.number} of the storage")
        return params

    def _try_again(self, slot: int, trials: Sequence["FrozenTrial"]) -> None:
        """Another attempt for a slot, with the settings of the first, as far as it had any."""
        own = [trial.params for trial in trials if trial.user_attrs.get(SLOT, trial.number) == slot]
        self.study.enqueue_trial(max(own, key=len), user_attrs={SLOT: slot})

    def _tell(self, trial: "Trial", outcome: Mapping[str, Any]) -> bool:
        """Keep what came out; whether it counts, since the trial is still this worker's."""
        try:
            for name, value in outcome.items():
                trial.set_user_attr(name, value)
        except UpdateFinishedTrialError:
            return self._is_finished(trial.number)  # told before, when the answer did not arrive
        if ERROR in outcome:
            return self._end(trial.number, TrialState.FAIL)
        return self._end(trial.number, TrialState.COMPLETE, [outcome[MEASURES][name] for name in DIRECTIONS])

    def _is_finished(self, number: int) -> bool:
        """Whether an attempt ended as its worker said, and was not taken for lost."""
        return any(one.number == number and not one.is_lost for one in to_attempts(self._trials()))

    def _end(self, number: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """End an attempt; whether it was this call that did."""
        try:
            self.study.tell(number, values=values, state=state)
        except (UpdateFinishedTrialError, ValueError):  # it is finished already
            return False
        return True

    def _trials(self) -> list["FrozenTrial"]:
        return read_trials(self.study)

    def _patiently(self, call: Callable[[], T]) -> T:
        """Try again what a storage out of reach kept from being done; all of it can be done twice."""
        until = time.monotonic() + self.lost_after
        while True:
            try:
                return call()
            except _STORAGE_ERRORS as error:
                if time.monotonic() > until:
                    raise InputError(
                        f"The storage cannot be read and written: {reason_of_storage(error)} What is finished is saved "
                        "there; the same command goes on."
                    ) from error
                time.sleep(_LOOKS)


class _Signs:
    """Counts up in the storage while a trial is trained, from a thread of its own."""

    def __init__(self, trial: "Trial", seconds: float) -> None:
        self._trial, self._seconds, self._stop = trial, seconds, Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        n = 0
        while True:
            try:
                if not n:
                    self._trial.set_user_attr(WORKER, f"{platform.node()}, process {os.getpid()}")
                self._trial.set_user_attr(SIGN, n)
            except UpdateFinishedTrialError:
                return
            except _STORAGE_ERRORS:  # the next one may arrive
                pass
            n += 1
            if self._stop.wait(self._seconds):
                return
