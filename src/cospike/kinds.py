"""Which classes use which latents, how surely, and the kind of each latent that follows. Arrays only."""

import numpy as np
from jaxtyping import Bool, Shaped
from scipy.stats import false_discovery_control
from scipy.stats import t as student

from cospike.codes import ACTIVE_THRESHOLD, Codes

KINDS = ("always-on", "global", "group", "class-specific", "occasional", "dead")
"""Kinds of latent, from what all classes share to what nobody uses."""

GLOBAL_KINDS = ("global", "always-on")
OWN_KINDS = ("group", "class-specific")


def uses(codes: Codes, threshold: float = ACTIVE_THRESHOLD) -> Bool[np.ndarray, "class latent"]:
    """Which classes use which latents: mean active_probs above ``threshold``; none for a class without samples."""
    return np.asarray(codes.class_means() > threshold)  # NaN, the mean of no samples, is above nothing


def latent_kinds(codes: Codes, threshold: float = ACTIVE_THRESHOLD) -> Shaped[np.ndarray, " latent"]:
    """The kind of every latent, from the classes that use it and the share of samples in which it is active.

    ``global``: used by at least 80 % of the classes that have samples; ``always-on``: global, and active in at least
    99 % of samples; ``class-specific``: used by one class; ``group``: by several, fewer than 80 %; ``occasional``:
    by none, yet active in more than 1 % of samples; ``dead``: none of these, so never what a class uses, however
    rare that class. Of a single class, all that it uses is global.
    """
    users = uses(codes, threshold).sum(axis=0)
    share = codes.active(threshold).mean(axis=0)
    is_global = (users > 0) & (5 * users >= 4 * np.count_nonzero(codes.class_counts()))  # exact, as .8 is not
    conditions = [is_global & (share >= 0.99), is_global, users == 1, users > 1, share > 0.01]
    return np.select(conditions, ["always-on", "global", "class-specific", "group", "occasional"], default="dead")


def decided_uses(
    codes: Codes, threshold: float = ACTIVE_THRESHOLD, *, false_discovery: float = 0.05
) -> Bool[np.ndarray, "class latent"]:
    """Which verdicts of `uses` the samples decide: other samples of the class would say the same.

    Student's t-test of each class's mean active_probs against ``threshold``, two-sided, with one sample more at the end
    of 0 … 1 beyond the threshold, so that a few samples that never vary decide nothing; and Benjamini and Hochberg's
    correction over all classes and latents: of the verdicts that are decided, an expected share of at most
    ``false_discovery`` is wrong, on the wrong side of the threshold included (Benjamini, Yekutieli, *False Discovery
    Rate-Adjusted Multiple Confidence Intervals*, JASA 2005).
    """
    p_values = np.ones((codes.n_classes, codes.n_latents))
    for label in np.flatnonzero(codes.class_counts()):
        rows = codes.active_probs[codes.labels == label].astype(float)
        rows = np.vstack([rows, rows.mean(axis=0) <= threshold])
        gap, error = rows.mean(axis=0) - threshold, rows.std(axis=0, ddof=1) / len(rows) ** 0.5
        t = np.divide(gap, error, out=np.where(gap == 0, 0.0, np.inf), where=error > 0)
        p_values[label] = 2 * student.sf(np.abs(t), len(rows) - 1)
    return np.asarray(false_discovery_control(p_values, axis=None).reshape(p_values.shape) <= false_discovery)
