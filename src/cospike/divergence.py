r"""Kullback-Leibler and Jensen-Shannon divergences of Bernoullis and Gaussians, per latent, unreduced, in nats.

Everything that concerns a spike starts from its logit, and 1 − γ is always sigmoid(−logit): finite, with finite
gradients, however saturated.

**The mean over all pairs in linear time.** From s ln s = ∫₀^∞ (e^{−st} − 1 + s(1 − e^{−t})) t⁻² dt, the mean
Jensen-Shannon divergence of all unordered pairs of n Bernoullis is a sum of variances, with no pair in it:

    mean_{j<k} JSD(γ_j, γ_k) = ½ ∫₀^∞ [Var(e^{−γt}) + Var(e^{−(1−γ)t})] t⁻² dt

where Var is unbiased over the n samples. In ln t the integrand is analytic, so the trapezoid rule converges
exponentially. The step ln 2 makes every node the square of the one before it, hence one `exp` serves all nodes;
expm1 keeps agreement (γ nearly equal) exact to rounding. Below the first node the integrand is expanded:
2 Var(γ) (t² − t³) + O(t⁴). Above the last node it is at most
½ t⁻² a side: below 1e-9 in total.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid

ALWAYS_ON_LOGIT = 40.0
"""The logit of a latent that never switches off: its probability rounds to 1, and everything stays finite."""

_FIRST_NODE = 2.0**-6
_N_NODES = 36  # up to t = 2^29: a γ of 1e-8 is still resolved
_STEP = math.log(2.0)
_AT_ONCE = 1 << 17  # numbers of an array over pairs: 1 MiB, which stays in the cache
_ROUNDING = 1e-13  # relative to the entropy: below it a Jensen-Shannon divergence is rounding, not distance


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
    """KL(N(loc, scale²) ‖ N(prior_loc, prior_scale²)) in nats, elementwise. Differentiable once."""
    result: Tensor = _KLNormal.apply(loc, scale, prior_loc, prior_scale)  # type: ignore[no-untyped-call]  # so in torch
    return result


class _KLNormal(torch.autograd.Function):
    """Its gradient is two products a side; from the operations one by one, a dozen passes over the batch."""

    @staticmethod
    def forward(ctx: Any, loc: Tensor, scale: Tensor, prior_loc: Tensor, prior_scale: Tensor) -> Tensor:
        ratio, shift = scale / prior_scale, (loc - prior_loc) / prior_scale
        ctx.save_for_backward(ratio, shift, prior_loc, prior_scale)
        return torch.addcmul(ratio.square(), shift, shift).sub_(1.0).mul_(0.5).sub_(ratio.log())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        ratio, shift, prior_loc, prior_scale = ctx.saved_tensors
        scaled = upstream / prior_scale
        to_loc, to_prior_loc, to_prior_scale = scaled * shift, None, None
        if ctx.needs_input_grad[2]:
            to_prior_loc = (-to_loc).sum_to_size(prior_loc.shape)
        if ctx.needs_input_grad[3]:
            to_prior_scale = (scaled * (1.0 - ratio.square() - shift.square())).sum_to_size(prior_scale.shape)
        return to_loc, scaled * (ratio - ratio.reciprocal()), to_prior_loc, to_prior_scale


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

    Differentiable once in ``logits``; computed in float64, because agreement is a difference of nearly equal
    numbers. Time O(batch · latent) and memory O(batch · latent); with ``distance`` the time is that of the pairs.

    Args:
        logits: logit of each Bernoulli.
        groups: index ≥ 0 of the group of each row.
        distance: the square root of the divergence of each pair. It is not of the integral's form, so its pairs
            are visited; where two rows agree its gradient is taken as 0.

    Returns:
        Nats per latent (their square root with ``distance``); zeros if no group has two rows.
    """
    result: Tensor = _MeanPairwiseJS.apply(logits, groups, distance)  # type: ignore[no-untyped-call]  # so in torch
    return result


class _MeanPairwiseJS(torch.autograd.Function):
    """Value and gradient come out of one pass, so that no node of the integral is kept for the backward pass."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, groups: Tensor, distance: bool) -> Tensor:
        order = groups.argsort(stable=True)
        _, sizes = groups[order].unique_consecutive(return_counts=True)
        sorted_groups = torch.repeat_interleave(sizes)
        mean = _visit_pairs if distance else _integrate
        rows = logits.detach()[order]
        if rows.device.type == "mps":  # which has no float64
            rows, sorted_groups, sizes = rows.cpu(), sorted_groups.cpu(), sizes.cpu()
        value, gradient = (part.to(logits) for part in mean(rows.double(), sorted_groups, sizes))
        ctx.save_for_backward(torch.empty_like(logits).index_copy_(0, order, gradient))
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream, None, None


def _integrate(logits: Tensor, groups: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Value [latent] and gradient [batch, latent] by the trapezoid rule in ln t (module docstring).

    Both sides of the integral, γ and 1 − γ, lie side by side in one array, and every node works in place: fresh
    memory would cost more than the arithmetic.
    """
    probs = torch.cat([logits.sigmoid(), (-logits).sigmoid()], dim=1)
    sums, deviation = probs.new_empty(len(sizes), probs.shape[1]), torch.empty_like(probs)

    def centre(rows: Tensor) -> Tensor:
        means = sums.zero_().index_add_(0, groups, rows).div_(sizes[:, None])
        return torch.sub(rows, torch.index_select(means, 0, groups, out=deviation), out=deviation)

    tail = _STEP * (_FIRST_NODE - _FIRST_NODE**2 / 3.0)  # Σ over the nodes below the first one
    value = tail * centre(probs).square()
    gradient = tail * deviation
    node, decay = _FIRST_NODE, torch.expm1(-_FIRST_NODE * probs)  # e^{−γt} − 1
    for _ in range(_N_NODES):
        centre(decay)
        value.addcmul_(deviation, deviation, value=_STEP / node)
        gradient.sub_(deviation.addcmul_(deviation, decay), alpha=_STEP)  # d e^{−γt}/dγ = −t e^{−γt}: t cancels
        node *= 2.0
        decay.add_(torch.addcmul(decay, decay, decay, out=deviation))  # u + (u + u²) = (1 + u)² − 1

    # Unbiased variance of each group, then the mean over the groups that have a pair.
    weight = _per_row(1.0 / (sizes - 1).double(), groups, sizes)
    on, off = (gradient * weight * probs * probs.roll(logits.shape[1], 1)).chunk(2, dim=1)
    return 0.5 * (value * weight).sum(0).unflatten(0, (2, -1)).sum(0), on - off


def _visit_pairs(logits: Tensor, groups: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Value [latent] and gradient [batch, latent] of the square-rooted divergence, from the pairs themselves."""
    probs, complement = logits.sigmoid(), (-logits).sigmoid()
    half_entropy = 0.5 * binary_entropy(probs, complement)
    weight = _per_row(2.0 / (sizes * (sizes - 1)).double(), groups, sizes)
    value, gradient = logits.new_zeros(logits.shape[1]), torch.zeros_like(logits)
    tiny = torch.finfo(logits.dtype).tiny
    for first, second in _pairs(groups, sizes, logits.shape[1]):
        middle, middle_off = (0.5 * (side[first] + side[second]) for side in (probs, complement))
        log_on, log_off = middle.clamp_min(tiny).log(), middle_off.clamp_min(tiny).log()
        entropy = -(middle * log_on + middle_off * log_off)
        divergence = entropy - half_entropy[first] - half_entropy[second]
        apart = ~(divergence <= _ROUNDING * entropy)  # NaN stays NaN
        root = torch.where(apart, divergence, 1.0).sqrt()
        value += (weight[first] * torch.where(apart, root, 0.0)).sum(0)
        slope = torch.where(apart, 0.25 * weight[first] / root, 0.0)  # ½ ∂JSD/∂γ over 2 √JSD, less the bracket below
        for row in (first, second):
            gradient.index_add_(0, row, slope * (logits[row] - (log_on - log_off)))
    return value, gradient * probs * complement


def _pairs(groups: Tensor, sizes: Tensor, width: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The rows of all pairs, groups being sorted: as many at a time as give about `_AT_ONCE` numbers of ``width``."""
    n_later = sizes.cumsum(0)[groups] - torch.arange(1, len(groups) + 1, device=groups.device)
    n_rows = max(1, _AT_ONCE // max(1, width * int(sizes.max()))) if len(sizes) else 1
    for rows in torch.arange(len(groups), device=groups.device).split(n_rows):
        first = torch.repeat_interleave(rows, n_later[rows])
        begin = torch.repeat_interleave(n_later[rows].cumsum(0) - n_later[rows], n_later[rows])
        yield first, first + 1 + torch.arange(len(first), device=groups.device) - begin


def _per_row(weights: Tensor, groups: Tensor, sizes: Tensor) -> Tensor:
    """A group's weight at each of its rows, as part of a mean over the groups with a pair; 0 for groups of one."""
    paired = sizes > 1
    return torch.where(paired, weights / paired.sum().clamp_min(1), 0.0)[groups][:, None]
