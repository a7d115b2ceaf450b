r"""Kullback-Leibler and Jensen-Shannon divergences of Bernoullis and Gaussians, per latent, unreduced, in nats.

Everything that concerns a spike starts from its logit, and 1 − γ is always sigmoid(−logit): finite, with finite
gradients, however saturated.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid

from cospike.pairwise import MeanPairwiseJS

ALWAYS_ON_LOGIT = 40.0
"""The logit of a latent that never switches off: its probability rounds to 1, and everything stays finite."""


def binary_entropy(probs: Float[Tensor, "*shape"], complement: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Entropy of Bernoullis in nats, from p and 1 − p (both, so that neither loses digits); finite at 0 and 1."""
    tiny = torch.finfo(probs.dtype).tiny
    return -(probs * probs.clamp_min(tiny).log() + complement * complement.clamp_min(tiny).log())


def kl_bernoulli(logits: Float[Tensor, "*shape"], prior_logits: Float[Tensor, "*#shape"]) -> Float[Tensor, "*shape"]:
    """KL(Bernoulli(σ(logits)) ‖ Bernoulli(σ(prior_logits))) in nats, elementwise."""
    on = logits.sigmoid() * (logsigmoid(logits) - logsigmoid(prior_logits))
    off = (-logits).sigmoid() * (logsigmoid(-logits) - logsigmoid(-prior_logits))
    return on + off


def kl_normal(
    loc: Float[Tensor, "*shape"],
    scale: Float[Tensor, "*shape"],
    prior_loc: Float[Tensor, "*#shape"],
    prior_scale: Float[Tensor, "*#shape"],
) -> Float[Tensor, "*shape"]:
    """KL(N(loc, scale²) ‖ N(prior_loc, prior_scale²)) in nats, elementwise."""
    ratio = scale / prior_scale
    shift = (loc - prior_loc) / prior_scale
    return 0.5 * (ratio.square() + shift.square() - 1.0) - ratio.log()


def js_bernoulli(logits: Float[Tensor, "*#shape"], other_logits: Float[Tensor, "*#shape"]) -> Float[Tensor, "*shape"]:
    """Jensen-Shannon divergence of two Bernoullis in nats, elementwise: 0 … ln 2."""
    p, p_off = logits.sigmoid(), (-logits).sigmoid()
    q, q_off = other_logits.sigmoid(), (-other_logits).sigmoid()
    mean_entropy = 0.5 * (binary_entropy(p, p_off) + binary_entropy(q, q_off))
    return (binary_entropy(0.5 * (p + q), 0.5 * (p_off + q_off)) - mean_entropy).clamp_min(0.0)


def mean_pairwise_js(
    logits: Float[Tensor, "batch latent"], groups: Int[Tensor, " batch"], *, distance: bool = False
) -> Float[Tensor, " latent"]:
    """Mean Jensen-Shannon divergence over the unordered pairs of a group, then over groups with a pair.

    Differentiable once in ``logits``; time and memory are O(batch · latent), whatever the number of groups
    (`cospike.pairwise` says how). Against float64 pairs of the same logits the value is off by 1e-5 of itself at most,
    and the gradient by 6e-5 of its norm. With ``distance`` the time is that of the pairs, and both are exact to the
    precision of the logits.

    Args:
        logits: logit of each Bernoulli.
        groups: index of the group of each row; rows with a negative one are left out.
        distance: the square root of the divergence of each pair. It is not of the integral's form, so its pairs
            are visited; where two rows agree its gradient is taken as 0.

    Returns:
        Nats per latent (their square root with ``distance``); zeros if no group has two rows.
    """
    result: Tensor = MeanPairwiseJS.apply(logits, groups, distance)  # type: ignore[no-untyped-call]  # so in torch
    return result
