"""What a sweep searches: options by name, each with a range or a list of choices. Neither torch nor Optuna is needed.

within=1:20             a range; on a log scale where both ends are above 0
sharing=0:1, within=1:20:linear
n_latents=16,32,64      choices; of one choice, it is fixed
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

from cospike._errors import InputError, did_you_mean
from cospike.options import Options

Value: TypeAlias = bool | int | float | str

# Seeds and splits are chance, the likelihood changes what −ELBO is of, and the rest changes how fast a training is.
_NOT_SEARCHED = {"seed", "split_seed", "likelihood", "precision", "compile", "accelerator", "logger"}
_EXAMPLE = "Try --search within=1:20, or --search n_latents=16,32,64."
_MOST_CHOICES = 100


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; ``whole`` ones only, or all."""

    low: float
    high: float
    log: bool
    whole: bool = False

    def __contains__(self, value: object) -> bool:
        """Whether it is a number of the range."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return self.low <= value <= self.high

    def __str__(self) -> str:
        """As it is typed."""
        return f"{self.low!r}:{self.high!r}:{'log' if self.log else 'linear'}"


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Value, ...]

    def __contains__(self, value: object) -> bool:
        """Whether it is one of them."""
        return any(type(value) is type(one) and value == one for one in self.values)

    def __str__(self) -> str:
        """As it is typed."""
        return ",".join(map(str, self.values))


Space: TypeAlias = Mapping[str, Range | Choice]


def parse_search(given: Sequence[str]) -> dict[str, Range | Choice]:
    """What is searched, from what was typed.

    Args:
        given: NAME=LOW:HIGH, NAME=LOW:HIGH:linear (or log), NAME=A,B,C; names with - or _.

    Raises:
        InputError: for an unknown name, one that is given twice, and what is neither a range nor choices of its kind.

    >>> parse_search(["within=1:20", "network=mlp,conv"])["within"]
    Range(low=1.0, high=20.0, log=True, whole=False)
    """
    space: dict[str, Range | Choice] = {}
    for text in given:
        typed, equals, values = text.partition("=")
        name = typed.strip().replace("-", "_")
        if not equals or not values:
            raise InputError(f"'--search' must be NAME=LOW:HIGH or NAME=A,B,C, got {text!r}. {_EXAMPLE}")
        if name not in (kinds := searchable()):
            raise InputError(f"'--search' knows no option {name!r}. {did_you_mean(name, kinds)}")
        if name in space:
            raise InputError(f"'--search' must name {name} once, got it again as {text!r}. Join them.")
        space[name] = _range(name, values, text) if ":" in values else _choice(name, values, text)
    return space


def searchable() -> dict[str, Any]:
    """The options that can be searched, each with what it may be: int, float, bool, or names."""
    kinds = {}
    for name, hint in get_type_hints(Options).items():
        if name not in _NOT_SEARCHED:
            [kind] = [part for part in (get_args(hint) if NoneType in get_args(hint) else (hint,)) if part != NoneType]
            kinds[name] = get_args(kind) if get_origin(kind) is Literal else int if kind == tuple[int, ...] else kind
    return kinds


def default_space(defaults: Mapping[str, float]) -> dict[str, Range | Choice]:
    """Where to search what nothing was said of: around the defaults of the data and the objective.

    Args:
        defaults: by name; ``n_latents`` is searched from a third to twice of it, all others from a quarter to four
            times.

    >>> str(default_space({"n_latents": 60, "active_prior": 0.01})["n_latents"])
    '20:120:log'
    """
    space: dict[str, Range | Choice] = {}
    for name, value in defaults.items():
        if name == "n_latents":
            space[name] = Range(max(1, round(value / 3)), round(value * 2), log=True, whole=True)
        else:
            high = 0.5 if name == "active_prior" else math.inf
            space[name] = Range(value / 4, min(high, value * 4), log=True)
    return space


def corners(space: Space) -> Iterable[dict[str, Value]]:
    """All at their lower ends, all at their upper ends, and every choice once: what is to be refused, early."""
    low, high = ({name: _end(part, end) for name, part in space.items()} for end in (0, -1))
    yield low
    yield high
    for name, part in space.items():
        for value in part.values if isinstance(part, Choice) else ():
            yield {**low, name: value}


def check_params(params: Mapping[str, Any], space: Space, where: str) -> None:
    """Refuse settings that are none of the space: a storage may hold anything.

    Raises:
        InputError: with the setting.
    """
    for name, value in params.items():
        if name not in space or value not in space[name]:
            raise InputError(f"{where} must have settings of its sweep, got {name} = {value!r:.40}. Is it damaged?")


def _end(part: Range | Choice, end: int) -> Value:
    return part.values[end] if isinstance(part, Choice) else (part.low, part.high)[end]


def _range(name: str, values: str, text: str) -> Range:
    kind = searchable()[name]
    low_text, high_text, *scale = values.split(":")
    if kind not in (int, float) or len(scale) > 1 or (scale and scale[0] not in ("log", "linear")):
        fix = "It has choices: NAME=A,B,C." if kind not in (int, float) else _EXAMPLE
        raise InputError(f"'--search' must give a range as NAME=LOW:HIGH or NAME=LOW:HIGH:linear, got {text!r}. {fix}")
    low, high = (_parse(kind, part, text) for part in (low_text, high_text))
    if low >= high:
        raise InputError(
            f"'--search' must give a range from low to high, got {text!r}. One value fixes: {name}={high}."
        )
    log = scale[0] == "log" if scale else low > 0
    if log and low <= 0:
        raise InputError(f"'--search' must give a log range above 0, got {text!r}. Use {name}={low_text}:{high_text}.")
    return Range(low, high, log, whole=kind is int)


def _choice(name: str, values: str, text: str) -> Choice:
    parts = tuple(_parse(searchable()[name], part.strip(), text) for part in values.split(","))
    if len(set(parts)) < len(parts) or len(parts) > _MOST_CHOICES:
        raise InputError(f"'--search' must give up to {_MOST_CHOICES} different choices, got {text!r:.80}.")
    return Choice(parts)


def _parse(kind: Any, value: str, text: str) -> Any:
    if isinstance(kind, tuple):
        if value not in kind:
            raise InputError(f"'--search' must give choices of {', '.join(kind)}, got {text!r}. {_EXAMPLE}")
        return value
    if kind is bool:
        if value not in ("true", "false"):
            raise InputError(f"'--search' must give choices of true, false, got {text!r}.")
        return value == "true"
    try:
        number = kind(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        whole = "whole numbers" if kind is int else "numbers"
        raise InputError(f"'--search' must give {whole}, got {text!r}. {_EXAMPLE}")
    return number
