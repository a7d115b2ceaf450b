"""Between Optuna's trials and what is known of them here."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from cospike._errors import InputError
from cospike.sweeps.results import Trial, costs, frontier
from cospike.sweeps.slots import Attempt, State, survey
from cospike.sweeps.space import Space, check_params
from cospike.sweeps.storage import DIRECTIONS

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

SLOT, ERROR, SIGN, MEASURES, WORKER = "slot", "error", "sign_of_life", "measures", "worker"
"""Attributes of a trial in the storage."""

_STATES: dict[TrialState, State] = {
    TrialState.WAITING: "waiting",
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
}


def read_trials(study: "Study") -> list["FrozenTrial"]:
    """All trials of a study; not to be changed.

    Raises:
        InputError: if the storage holds what is no trial.
    """
    try:
        return study.get_trials(deepcopy=False)
    except (ValueError, LookupError, TypeError, AssertionError) as error:  # of JSON, names of states, distributions
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"The storage must hold trials of sweeps, got: {reason:.200}. Is it damaged?") from error


def to_attempts(trials: Sequence["FrozenTrial"]) -> list[Attempt]:
    """What `slots` has to know of trials.

    Raises:
        InputError: if one holds what no trial of a sweep does.
    """
    attempts = []
    for trial in trials:
        slot, error = (trial.user_attrs.get(name) for name in (SLOT, ERROR))
        if not (slot is None or type(slot) is int) or not isinstance(error, str | None):
            raise InputError(f"Trial {trial.number} of the storage must be of a sweep of cospike. Is it damaged?")
        attempts.append(Attempt(trial.number, _STATES.get(trial.state, "failed"), slot=slot, error=error))
    return attempts


def finished(trials: Sequence["FrozenTrial"], space: Space) -> tuple[Trial, ...]:
    """The trials that are finished, by number, and which of them are on the frontier.

    Args:
        trials: all of a study.
        space: what they search.

    Raises:
        InputError: if one holds what no trial of this sweep does: a storage from elsewhere may.
    """
    owners = survey(to_attempts(trials), len(trials)).of_state("complete", "failed")
    by_number = {trial.number: trial for trial in trials}
    found = [_read(by_number[number], space) for number in sorted(owner.number for owner in owners)]
    complete = [trial for trial in found if trial.error is None]
    best = {trial.number for trial, on in zip(complete, frontier(costs(complete)), strict=True) if on}
    return tuple(replace(trial, on_frontier=trial.number in best) for trial in found)


def _read(trial: "FrozenTrial", space: Space) -> Trial:
    where = f"Trial {trial.number} of the storage"
    check_params(trial.params, space, where)
    error = trial.user_attrs.get(ERROR)
    if trial.state != TrialState.COMPLETE:
        return Trial(trial.number, dict(trial.params), {}, error=str(error))
    measures = _numbers(trial.user_attrs.get(MEASURES), where)
    values = _numbers(dict(zip(DIRECTIONS, trial.values or (), strict=False)), where)
    if values.keys() != DIRECTIONS.keys():
        raise InputError(f"{where} must have both objectives, got {len(values)}. Is it damaged?")
    return Trial(trial.number, dict(trial.params), {**values, **measures, **values})


def _numbers(stored: Any, where: str) -> dict[str, float]:
    if not isinstance(stored, Mapping) or not all(
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        for value in stored.values()
    ):
        raise InputError(f"{where} must have numbers by measure. Is it damaged, or of another program?")
    return {str(name): float(value) for name, value in stored.items()}
