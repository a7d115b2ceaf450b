"""What a run folder tells of its latents beside the factor table: what they go with, and what changing them changes."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from cospike import runs
from cospike._errors import InputError
from cospike._files import format_json
from cospike._reading import parse_json, read_file
from cospike.associations import WORTH_A_NAME, Association, associate
from cospike.codes import Codes
from cospike.directions import Direction, block_directions
from cospike.factors import Factor
from cospike.held_out import attribute_measure
from cospike.intervals import Estimate
from cospike.interventions import AttributeChange, Intervention, intervene, within_class_spread
from cospike.kinds import OWN_KINDS
from cospike.metrics import Measurement
from cospike.model import SparseVAE
from cospike.references import read_references

_Found = TypeVar("_Found")

_TARGETED = (
    "probability of the true class that a supervised network loses once a latent is off, in samples of the classes "
    "that use it less in those of others; mean over group and class-specific latents"
)
_CONTROL = (
    "the same of changes of the output that are as large, in the same samples, and made by the other latents that are "
    "on there; mean over the same latents, as far as they can"
)


class Evidence(NamedTuple):
    """By latent: the attribute that it goes with most, if any, and what changing it changes; and what several tell."""

    associations: dict[int, Association]
    interventions: dict[int, Intervention]
    directions: tuple[Direction, ...] = ()

    @property
    def named_directions(self) -> tuple[Direction, ...]:
        """Those that tables have: of attributes that always-on latents follow with a ρ of `WORTH_A_NAME` or more."""
        return tuple(one for one in self.directions if one.rho.value >= WORTH_A_NAME)


def gather_evidence(run: Path, model: SparseVAE, codes: Codes, factors: Sequence[Factor]) -> Evidence:
    """From the folder of a run, and nothing else.

    Args:
        run: the folder; without an `attributes.npz` or `references.safetensors` in it, less is known.
        model: of the run.
        codes: of its held-out samples.
        factors: `explain` of them.
    """
    references = read_references(run, model.shape, codes.n_classes)
    name, columns = runs.read_config(run)["data"]["name"], runs.read_columns(run)
    found = intervene(
        model,
        codes,
        factors,
        measure=attribute_measure(name, model.shape, columns, cache=False),
        predict=references.classifier.predict_probs if references else None,
        scales=_spreads(run, codes),
    )
    return Evidence(names_of_latents(run, codes), {one.latent: one for one in found}, directions_of_latents(run, codes))


def names_of_latents(run: Path, codes: Codes) -> dict[int, Association]:
    """For each latent the attribute that it goes with most, if any: |ρ| ≥ .3, and significant within some class.

    Args:
        run: the folder of a run; without an `attributes.npz` in it nothing is known.
        codes: of its held-out samples.
    """
    found = _of_attributes(run, partial(associate, codes))
    best: dict[int, Association] = {}
    for one in found:  # the strongest first
        if abs(one.rho) >= WORTH_A_NAME and any(one.significant_by_class):
            best.setdefault(one.latent, one)
    return best


def directions_of_latents(run: Path, codes: Codes) -> tuple[Direction, ...]:
    """For each attribute the direction of the always-on latents that follows it, the strongest first.

    Args:
        run: the folder of a run; without an `attributes.npz` in it nothing is known.
        codes: of its held-out samples.
    """
    return _of_attributes(run, partial(block_directions, codes))


def _of_attributes(run: Path, ask: Callable[[dict[str, np.ndarray]], tuple[_Found, ...]]) -> tuple[_Found, ...]:
    """What is asked of the attributes that a run keeps; nothing if it keeps none."""
    path = run / "attributes.npz"
    if not path.is_file():
        return ()
    attributes = runs.read_arrays(run, path.name)
    try:
        return ask(attributes)
    except InputError as error:
        raise InputError(
            f"{path} does not fit codes.npz beside it: {error} Delete it: a report does without."
        ) from error


def _spreads(run: Path, codes: Codes) -> dict[str, float] | None:
    """How much each attribute varies within a class, in the held-out data."""
    if not (run / "attributes.npz").is_file():
        return None
    attributes = runs.read_arrays(run, "attributes.npz")
    return {
        name: within_class_spread(values, codes.labels)
        for name, values in attributes.items()
        if values.shape == codes.labels.shape and values.dtype.kind in "fiub"
    }


def measure_evidence(evidence: Evidence, factors: Sequence[Factor]) -> dict[str, Measurement]:
    """How targeted the latents are that serve some classes only, and their controls, as far as these are known."""
    own = [factor.latent for factor in factors if factor.kind in OWN_KINDS]
    found = [evidence.interventions[latent] for latent in own if latent in evidence.interventions]
    told = (
        ("targeted_ablation", [one.targeted.value for one in found], _TARGETED),
        ("targeted_control", [one.control.value for one in found], _CONTROL),
    )
    return {
        name: Measurement(float(np.mean(known)), "fraction", "neither", how)
        for name, scores, how in told
        if (known := [score for score in scores if math.isfinite(score)])
    }


def columns_of(evidence: Evidence) -> dict[int, dict[str, str | float]]:
    """What `factors.csv` says of each latent: names of columns and cells."""
    rows: dict[int, dict[str, str | float]] = {}
    for latent, one in evidence.interventions.items():
        association, change = evidence.associations.get(latent), one.named
        rows[latent] = {
            "goes_with": association.attribute if association else "",
            "rho": association.rho if association else "",
            "changes": change.attribute if change else "",
            "changes_on": change.on.value if change else "",
            "changes_sweep": change.sweep.value if change else "",
            "targeted": one.targeted.value,
            "targeted_low": one.targeted.low,
            "targeted_high": one.targeted.high,
            "control": one.control.value,
            "control_low": one.control.low,
            "control_high": one.control.high,
            "given": one.given.value,
        }
    return rows


def format_interventions(interventions: Mapping[int, Intervention]) -> str:
    """As JSON; what is not known is null."""
    return format_json([asdict(one) for one in interventions.values()])


def read_interventions(run: Path) -> dict[int, Intervention] | None:
    """The inverse, from `interventions.json`; None if the run has none yet.

    Raises:
        InputError: if the file is damaged.
    """
    path = run / "interventions.json"
    if not path.is_file():
        return None
    try:
        found = [_intervention(**entry) for entry in parse_json(read_file(path), finite=False)]
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise InputError(f"{path} is damaged: {error}. Delete it to have the run measured again.") from error
    return {one.latent: one for one in found}


def _intervention(latent: int, changes: list[dict[str, Any]], **estimates: list[float | None]) -> Intervention:
    return Intervention(
        int(latent),
        tuple(
            AttributeChange(str(c["attribute"]), _estimate(c["on"]), _estimate(c["sweep"]), _number(c["scale"]))
            for c in changes
        ),
        **{name: _estimate(ends) for name, ends in estimates.items()},
    )


def _estimate(ends: list[float | None]) -> Estimate:
    value, low, high = map(_number, ends)
    return Estimate(value, low, high)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
