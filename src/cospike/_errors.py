"""One way to tell a user what is wrong: what, what was expected, what was given, and the likely fix."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Something a user gave cannot be used: one clear line, and on the command line exit code 2."""


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
