"""Latents that serve one class or a few, class by class, and the attribute that each of them changes most."""

from collections.abc import Sequence
from typing import Any

from cospike.evidence import Evidence
from cospike.factors import Factor
from cospike.kinds import OWN_KINDS


def own_latents(factors: Sequence[Factor], evidence: Evidence) -> list[dict[str, Any]]:
    """The latents of one class or of a group, those of fewest classes first, then those that do most."""
    own = [factor for factor in factors if factor.kind in OWN_KINDS]
    own.sort(key=lambda factor: (len(factor.classes), -factor.usage * factor.effect))
    return [_entry(factor, evidence) for factor in own]


def of_class(own: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Those that a class uses."""
    return [one for one in own if name in one["classes"]]


def strongest(own: Sequence[dict[str, Any]], attributes: Sequence[str]) -> tuple[str, list[float]] | None:
    """Of the changes of some attributes, in standard deviations, the largest that is sure to be one; None without.

    >>> strongest([{"changes": {"loop_area": [0.9, 0.7, 1.1], "width": [2.0, 1.0, 3.0]}}], ["loop_area"])
    ('loop_area', [0.9, 0.7, 1.1])
    """
    sure = [
        (name, change)
        for one in own
        for name, change in one["changes"].items()
        if name in attributes and (change[1] > 0 or change[2] < 0)
    ]
    return max(sure, key=lambda found: abs(found[1][0]), default=None)


def _entry(factor: Factor, evidence: Evidence) -> dict[str, Any]:
    """A latent: whom it serves, what it changes in standard deviations within a class, and how targeted it is."""
    found = evidence.interventions.get(factor.latent)
    changes = {}
    for change in found.changes if found else ():
        larger = change.sweep if change.by_sweep else change.on
        if change.size > 0:
            changes[change.attribute] = [value / change.scale for value in larger]
    return {
        "latent": factor.latent,
        "kind": factor.kind,
        "classes": list(factor.classes),
        "changes": changes,
        "targeted": list(found.targeted) if found else None,
        "control": list(found.control) if found else None,
    }
