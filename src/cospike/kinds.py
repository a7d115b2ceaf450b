"""Which classes use which latents, and the kind of each latent that follows from it. Arrays only."""

import numpy as np
from jaxtyping import Bool, Shaped

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
