"""Latents that all classes share, and what can be measured of what they do: thickness, slant, size."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cospike.associations import Association, associate
from cospike.codes import Codes
from cospike.evidence import Evidence
from cospike.factors import Factor
from cospike.kinds import GLOBAL_KINDS, OWN_KINDS

SERVING = (*GLOBAL_KINDS, *OWN_KINDS)
"""Kinds of latent that some class uses."""


def attribute_ties(
    codes: Codes,
    attributes: Mapping[str, np.ndarray],
    factors: Sequence[Factor],
    evidence: Evidence,
    worth: np.ndarray,
) -> dict[str, dict[str, Any]]:
    """For each attribute the global latent that goes with it most, and which does so of all that a class uses.

    Args:
        codes: held-out codes.
        attributes: measured on the same samples.
        factors: `explain` of the codes.
        evidence: what changing each latent changes.
        worth: by how many nats −ln p(x | z) rises without each latent.

    Returns:
        By attribute, ``global`` and ``any``, each {latent, kind, rho, n_classes, n_known, worth, sweep} or None.
    """
    kinds = {factor.latent: factor.kind for factor in factors}
    found: dict[str, dict[str, Any]] = {name: {"global": None, "any": None} for name in attributes}
    for one in associate(codes, attributes):  # the strongest first
        entry = found[one.attribute]
        if kinds[one.latent] not in SERVING:
            continue
        for which in ("global", "any"):
            if entry[which] is None and (which == "any" or kinds[one.latent] in GLOBAL_KINDS):
                entry[which] = _tie(one, kinds[one.latent], evidence, float(worth[one.latent]))
    return found


def global_latents(factors: Sequence[Factor], worth: np.ndarray) -> list[dict[str, Any]]:
    """The latents that all classes share, with what each is worth in nats; the most first."""
    shared = [
        {"latent": factor.latent, "kind": factor.kind, "worth": float(worth[factor.latent])}
        for factor in factors
        if factor.kind in GLOBAL_KINDS
    ]
    return sorted(shared, key=lambda one: -float(str(one["worth"])))


def block_ties(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """For each attribute the direction of the latents that are always on which follows it."""
    return {
        one.attribute: {"rho": list(one.rho), "n_classes": one.n_classes, "n_judged": one.n_judged}
        for one in evidence.directions
    }


def _tie(one: Association, kind: str, evidence: Evidence, worth: float) -> dict[str, Any]:
    known = [rho for rho in one.rho_by_class if np.isfinite(rho)]
    changed = evidence.interventions.get(one.latent)
    changes = {change.attribute: change for change in changed.changes} if changed else {}
    sweep = None
    if (change := changes.get(one.attribute)) and change.scale > 0:
        sweep = [value / change.scale for value in change.sweep]
    return {
        "latent": one.latent,
        "kind": kind,
        "rho": one.rho,
        "n_classes": one.n_classes,
        "n_known": len(known),
        "worth": worth,
        "sweep": sweep,
    }
