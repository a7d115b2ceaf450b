"""How alike the patterns of two samples are: the Jensen-Shannon divergence of pairs, as the paper compares them."""

from typing import Any

import numpy as np

from cospike._types import UNLABELLED
from cospike.codes import Codes
from cospike.metrics import draw_pairs, js_pairs

BINS = np.concatenate([[0.0], np.geomspace(1e-4, np.log(2), 40)])
"""Edges of the histogram, in nats: finer where patterns agree. The first bin holds all that agrees."""

_PAIRS = 20_000
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def pair_divergences(codes: Codes, *, seed: int = 0) -> dict[str, np.ndarray]:
    """The divergence, mean over latents, of pairs ``within`` a class and ``between`` two, where there are any."""
    labelled = codes.select(codes.labels != UNLABELLED)
    probs = labelled.active_probs.astype(float)
    pairs = draw_pairs(labelled.labels, seed)
    return {kind: js_pairs(probs[one[0, :_PAIRS]], probs[one[1, :_PAIRS]]) for kind, one in pairs.items()}


def spread(codes: Codes, *, seed: int = 0) -> dict[str, Any]:
    """The distribution of the divergences of pairs: shares by bin of `BINS`, quantiles and mean, by kind of pair.

    >>> codes = Codes.from_values(np.eye(2)[[0, 0, 1, 1]], np.array([0, 0, 1, 1]))
    >>> found = spread(codes)
    >>> found["within"]["mean"], round(found["between"]["mean"], 3), found["within"]["shares"][0]
    (0.0, 0.693, 1.0)
    """
    return {
        kind: {
            "mean": float(values.mean()),
            "quantiles": [float(value) for value in np.quantile(values, _QUANTILES)],
            "shares": (np.histogram(np.minimum(values, BINS[-1]), BINS)[0] / len(values)).round(5).tolist(),
        }
        for kind, values in pair_divergences(codes, seed=seed).items()
    }


def combinations(codes: Codes, is_global: np.ndarray, is_own: np.ndarray) -> dict[str, float]:
    """Shares of samples with an active latent that all classes share, one that some share or own, and both.

    Args:
        codes: held-out codes.
        is_global: which latents all classes share.
        is_own: which latents serve one class or some.
    """
    active = codes.active()
    shared, own = active[:, is_global].any(axis=1), active[:, is_own].any(axis=1)
    return {"global": float(shared.mean()), "own": float(own.mean()), "both": float((shared & own).mean())}
