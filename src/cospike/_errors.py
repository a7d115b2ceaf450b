"""One way to tell a user what is wrong: what, what was expected, what was given, and the likely fix."""

import errno
from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Integral, Real
from pathlib import Path


class InputError(ValueError):
    """Something a user gave cannot be used: one clear line, and on the command line exit code 2."""


class LostProcessError(RuntimeError):
    """Another of the processes that train together died, or does not answer; on the command line exit code 1."""


class TrainingWarning(UserWarning):
    """A training goes on, but what comes of it may not be what was wanted: one line, and what to change."""


def failed_write(error: OSError, path: Path, again: str) -> InputError:
    """What is said of a file that could not be written: which one, why, and what to do before it is tried ``again``.

    >>> failed_write(OSError(28, "No space left on device", "run/codes.npz"), Path("run"), "go on with --resume")
    InputError('Cannot write run/codes.npz: No space left on device. ... Free some space and go on with --resume.')
    """
    fix = "Free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "See to the disk"
    return InputError(
        f"Cannot write {error.filename or path}: {error.strerror or error}. What was saved before is whole. "
        f"{fix} and {again}."
    )


def check_type(value: object, kind: type | tuple[type, ...], argument: str, of: str, expected: str, fix: str) -> None:
    """Refuse what is of another type, in one line.

    >>> check_type([1], int, "row", "find_counterfactual", "a whole number", "It indexes the codes.")
    Traceback (most recent call last):
    cospike._errors.InputError: 'row' of find_counterfactual must be a whole number, got list. It indexes the codes.
    """
    if not isinstance(value, kind):
        got = "None" if value is None else type(value).__name__
        raise InputError(f"'{argument}' of {of} must be {expected}, got {got}. {fix}")


def check_number(value: object, argument: str, of: str, *, whole: bool = False) -> None:
    """Refuse what is no number, or no whole one."""
    kind, expected = (Integral, "a whole number") if whole else (Real, "a number")
    check_type(value, kind, argument, of, expected, "Leave it out for the default.")


def check_function(value: object, argument: str, of: str, fix: str) -> None:
    """Refuse what cannot be called; None is for the caller to let pass."""
    if not callable(value):
        raise InputError(f"'{argument}' of {of} must be a function of outputs, got {type(value).__name__}. {fix}")


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A closing sentence for an unknown name: the nearest known one, else all of them.

    >>> did_you_mean("fasion-mnist", ["mnist", "fashion-mnist", "digits"])
    "Did you mean 'fashion-mnist'?"
    >>> did_you_mean("cifar", ["mnist", "digits"])
    'Known: digits, mnist.'
    """
    names = sorted(known)
    near = get_close_matches(given, names, n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}."
