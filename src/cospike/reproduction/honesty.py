"""What a threshold, and a pattern that all classes share, make of the numbers."""

from typing import Any

import numpy as np

from cospike.codes import Codes
from cospike.kinds import GLOBAL_KINDS, latent_kinds, uses
from cospike.metrics import measure

THRESHOLDS = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Above which a latent counts as active; .5 everywhere else."""

_SHOWN = ("jaccard_within", "jaccard_between", "consistency_gap", "n_global", "active_per_sample", "classes_with_own")


def by_threshold(codes: Codes) -> dict[str, dict[str, float]]:
    """The measures of agreement and use at each threshold."""
    return {
        f"{threshold:g}": {name: found[name].value for name in _SHOWN if name in found}
        for threshold in THRESHOLDS
        for found in [measure(codes, threshold=threshold)]
    }


def one_pattern(codes: Codes) -> dict[str, Any]:
    """How far the classes have come to one pattern: what two differ by, at most, and how many patterns there are.

    A pattern is the set of latents that a class uses; ``n_patterns`` of ``n_classes`` differ.
    """
    means = codes.class_means()[codes.class_counts() > 0]
    widest = float((means.max(axis=0) - means.min(axis=0)).max()) if len(means) else float("nan")
    kinds = latent_kinds(codes)
    used = kinds != "dead"
    shared = float(np.isin(kinds[used], GLOBAL_KINDS).mean()) if used.any() else float("nan")
    patterns = np.unique(uses(codes)[codes.class_counts() > 0], axis=0)
    return {
        "widest_difference": widest,
        "share_global": shared,
        "n_used": int(used.sum()),
        "n_patterns": len(patterns),
        "n_classes": len(means),
    }
