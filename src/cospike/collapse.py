"""`find_collapse()`: whether the spikes of some codes say too little for anything to be read from them. Arrays only."""

import math
import warnings

from cospike._errors import TrainingWarning
from cospike.codes import Codes
from cospike.kinds import uses

FEWEST, LEAST_SHARE = 2, 0.05
"""Of the sparse latents, so many and such a share at least are in use in what is no collapse. One alone makes no
pattern; of sixty, those that every training here is meant to use number thirty and more."""


def find_collapse(codes: Codes) -> str | None:
    """What is wrong with the spikes, and what to change; None if nothing is, or if every latent is dense.

    A sparse latent is *in use* if it is active in more than 1 % of the samples, or in most of a class; it is *always
    on* if it is active in at least 99 %. It is a collapse if

    * all sparse latents are always on, so that the code is dense;
    * none is on in some samples and off in others, so that all samples have one pattern;
    * fewer than two, or than 5 %, are in use.
    """
    sparse = codes.prior_probs < 1
    n = int(sparse.sum())
    if not n or not len(codes):
        return None
    share = codes.active()[:, sparse].mean(axis=0)
    n_always = int((share >= 0.99).sum())
    n_used = int(((share > 0.01) | uses(codes)[:, sparse].any(axis=0)).sum())
    if n_always == n:
        return (
            f"all {n} sparse latents are on in at least 99 % of samples, as if they had no spike. Train longer "
            "(epochs), or expect fewer to be on (a lower active_prior)."
        )
    if n_always == n_used:
        return (
            f"no latent tells one sample from another by being on or off: {n_always} of {n} sparse ones "
            f"{'is' if n_always == 1 else 'are'} always on, the others never. Train longer (epochs), or expect more of "
            "them to be on (a higher active_prior); in class-consistent, straying may be too dear (a lower within)."
        )
    fewest = min(n, max(FEWEST, math.ceil(LEAST_SHARE * n)))
    if n_used < fewest:
        return (
            f"{n_used} of {n} sparse latents {'is' if n_used == 1 else 'are'} in use, where {fewest} are the fewest "
            "that make patterns. Train longer (epochs, of which the warm-up is half), expect more of them to be on "
            "(a higher active_prior), or change the learning_rate."
        )
    return None


def warn_of_collapse(codes: Codes, what: str) -> None:
    """Say so, of ``what``, if the codes have collapsed."""
    if found := find_collapse(codes):
        warnings.warn(f"{what} has collapsed: {found}", TrainingWarning, stacklevel=3)
