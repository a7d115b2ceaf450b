"""What the settings of a model and of an objective may be: checked before anything is built."""

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

from cospike._errors import InputError, check_number, check_type, did_you_mean
from cospike.schedule import Schedule

_WIDEST = 1_000_000  # of a layer: more is a slip of the keyboard, and would ask for more memory than there is


def sizes(values: Any, argument: str) -> tuple[int, ...]:
    """Whole numbers of `SparseVAE`, one or more axes or widths.

    >>> sizes([1, 28, 28], "shape")
    (1, 28, 28)
    """
    example = {"shape": "(1, 28, 28)", "hidden": "(400,)"}[argument]
    try:
        parts = tuple(values)
    except TypeError:
        parts = (None,)
    if isinstance(values, str) or not all(isinstance(part, Integral) for part in parts):
        raise InputError(
            f"'{argument}' of SparseVAE must be whole numbers, such as {example}, got {values!r}. Put them in a tuple."
        )
    return tuple(map(int, parts))


def whole(value: Any, argument: str) -> int:
    """A whole number of `SparseVAE`."""
    check_number(value, argument, "SparseVAE", whole=True)
    return int(value)


def check_model_settings(settings: Mapping[str, Any], choices: Mapping[str, Sequence[str]]) -> None:
    """Refuse settings that make no model, with the reason.

    Args:
        settings: of `SparseVAE`, by name.
        choices: what those may be that are names.
    """
    _check_numbers(settings)
    for name, known in choices.items():
        blocks = name == "likelihood" and isinstance(settings[name], list)  # `parse_likelihood` has checked them
        if settings[name] not in known and not blocks:
            raise InputError(
                f"Unknown {name} {settings[name]!r} of SparseVAE. {did_you_mean(str(settings[name]), known)}"
            )
    if settings["n_latents"] < 1:
        raise InputError(f"'n_latents' of SparseVAE must be at least 1, got {settings['n_latents']}.")
    if not 0 <= settings["n_dense"] <= settings["n_latents"]:
        raise InputError(
            f"'n_dense' of SparseVAE must lie in 0 … n_latents = {settings['n_latents']}, got {settings['n_dense']}."
        )
    needed = {"per-class": "n_classes", "pseudo-inputs": "n_pseudo_inputs"}.get(settings["prior"])
    if needed and (settings[needed] or 0) < 1:
        raise InputError(
            f"'{needed}' of SparseVAE must be at least 1 for the prior {settings['prior']!r}, got {settings[needed]}."
        )
    if settings["likelihood"] == "negative-binomial" and len(settings["shape"]) != 1:
        raise InputError(
            f"'likelihood' of SparseVAE must not be 'negative-binomial' for observations of shape {settings['shape']}: "
            "it is for rows of counts, such as those of genes. Use 'gaussian', or reshape them."
        )
    if settings["likelihood"] == "negative-binomial" and settings["prior"] == "pseudo-inputs":
        raise InputError(
            "'prior' of SparseVAE must be 'fixed' or 'per-class' for a negative-binomial likelihood, got "
            "'pseudo-inputs': they are learned, and are no counts. Leave it out."
        )
    if settings["network"] == "conv" and len(settings["shape"]) != 3:
        raise InputError(
            f"'network' of SparseVAE must be 'mlp' for observations of shape {settings['shape']}: "
            "'conv' needs (channels, height, width)."
        )


def _check_numbers(settings: Mapping[str, Any]) -> None:
    for name in ("n_dense", "n_pseudo_inputs", "seed", *(("n_classes",) if settings["n_classes"] is not None else ())):
        whole(settings[name], name)
    check_number(settings["active_prior"], "active_prior", "SparseVAE")
    if not -(2**63) <= settings["seed"] < 2**64:
        raise InputError(f"'seed' of SparseVAE must lie in -2**63 … 2**64 - 1, got {settings['seed']}.")
    for name in ("shape", "hidden"):
        if any(size < 1 for size in settings[name]):
            raise InputError(f"'{name}' of SparseVAE must be positive numbers, got {settings[name]}.")
    if (widest := max(settings["n_latents"], *settings["hidden"], 0)) > _WIDEST:
        raise InputError(f"'n_latents' and 'hidden' of SparseVAE must be at most {_WIDEST:,}, got {widest}.")


def check_prices(objective: object, prices: Sequence[str], shares: Sequence[str], schedules: Sequence[str]) -> None:
    """Refuse settings of `Objective` that are no numbers, no schedules, or prices without a minimum."""
    for name in (*prices, *shares):
        check_number(getattr(objective, name), name, "Objective")
    for name in schedules:
        fix = "Schedule(1.0, 1.0) is 1 throughout."
        check_type(getattr(objective, name), Schedule, name, "Objective", "a Schedule", fix)
    for name in prices:
        if not 0 <= getattr(objective, name) < float("inf"):
            raise InputError(
                f"'{name}' of Objective must be a finite price of at least 0, got {getattr(objective, name)}. "
                "A negative price is unstable: the term can be lowered without end."
            )
