"""What the pattern of active latents says: about the sample, about its class, and on average.

With mean-field spikes, batch averages γ̄_y of a class and γ̄ of all, the mean KL of the spikes to the prior α is

    E_x KL(γ_x ‖ α) = within + between + sparsity
    within   = E_y E_{x|y} KL(γ_x ‖ γ̄_y) = I(s; x | y)   how far samples stray from their class
    between  = E_y KL(γ̄_y ‖ γ̄)           = I(s; y)       what the pattern says about the class
    sparsity = KL(γ̄ ‖ α)                                  how many latents are in use on average

per latent. Each is a difference of binary entropies of means: linear in the batch, no pairs. VSC charges the three
alike; the paper adds a second price on straying; cospike prices them apart.

What is free is not yet asked for. Classes that look alike may share one pattern, within which all agree. What a drawn
pattern s leaves open of the class, its *equivocation* (Shannon 1948), is bounded by what Bayes' rule leaves open if the
spikes of a class were independent:

    equivocation = E −ln p(y | s) ≥ H(y | s),      p(y | s) ∝ p(y) Π_i γ̄_y,i^s_i (1 − γ̄_y,i)^(1 − s_i).

The bound is tight where they are, as in a class whose samples agree. A negative price on `between` would ask for the
same, but that is summed over latents, and won without end by using more of them; this ends at 0, where the class means
tell the class of every pattern.
"""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cospike._types import UNLABELLED
from cospike.divergence import binary_entropy, kl_bernoulli, mean_pairwise_js
from cospike.patterns import Patterns, SpikeInformation, cross_entropy
from cospike.share import Share


def spike_information(
    active_logits: Float[Tensor, "batch latent"],
    labels: Int[Tensor, " batch"],
    prior_probs: Float[Tensor, " latent"] | float,
) -> SpikeInformation:
    """Split the mean spike KL of the labelled rows (plug-in estimate over the batch). Differentiable once.

    Args:
        active_logits: logits of P(latent ≠ 0 | x).
        labels: class of each row; −1 rows are left out.
        prior_probs: α > 0; it has no gradient. A latent with α = 1, which is on in every row, costs nothing.

    Returns:
        Nats per latent; zeros if no row is labelled.

    >>> logits = torch.tensor([[4.0], [4.0], [-4.0], [-4.0]])
    >>> split = spike_information(logits, torch.tensor([0, 0, 1, 1]), 0.01)
    >>> [round(float(part), 3) for part in split]   # agree within a class, differ between: ln 2 − h(.018)
    [0.0, 0.603, 1.614, 0.693]
    """
    (active_logits,), labels, n_classes = _labelled(labels, active_logits)
    if not len(labels):
        zeros = active_logits.new_zeros(active_logits.shape[1])
        return SpikeInformation(zeros, zeros, zeros, zeros)
    return Patterns.of(active_logits, labels, n_classes, prior_probs).information


def prior_information(
    active_logits: Float[Tensor, "batch latent"],
    pattern_logits: Float[Tensor, "batch latent"],
    prior_probs: Float[Tensor, " latent"] | float,
    *,
    pooled: bool = False,
    share: Share | None = None,
) -> SpikeInformation:
    """The same split with a learned pattern π_x in the place of the class mean; equal where π_x is that mean.

        within = E_x KL(γ_x ‖ π_x)      between = E_x KL(π_x ‖ π̄)      sparsity = KL(π̄ ‖ α)

    Args:
        active_logits: logits of P(latent ≠ 0 | x).
        pattern_logits: what a conditional prior expects of each row (`cospike.priors`).
        prior_probs: α > 0.
        pooled: average π̄ over the sparse latents too, so that only how many are in use is held to α, not which.
        share: which part of a batch these rows are, where several processes train; default: all of it.

    Returns:
        Nats per latent; of a share, what it contributes.
    """
    share = share or Share(len(active_logits))
    pattern_on, pattern_off = pattern_logits.sigmoid(), (-pattern_logits).sigmoid()
    mean_on, mean_off = share.sum(torch.stack([share.mean(pattern_on), share.mean(pattern_off)])).unbind()
    between = share.equal(binary_entropy(mean_on, mean_off)) - share.mean(binary_entropy(pattern_on, pattern_off))
    if pooled:
        sparse = torch.as_tensor(prior_probs, device=mean_on.device).expand_as(mean_on) < 1
        mean_on, mean_off = (
            torch.where(sparse, mean[sparse].mean(), mean) if bool(sparse.any()) else mean
            for mean in (mean_on, mean_off)
        )
    spread = binary_entropy(mean_on, mean_off)
    return SpikeInformation(
        within=share.mean(kl_bernoulli(active_logits, pattern_logits)),
        between=between,
        sparsity=share.equal(cross_entropy(mean_on, mean_off, prior_probs) - spread),
        spread=share.equal(spread),
    )


def spike_parts(
    active_logits: Float[Tensor, "batch latent"],
    labels: Int[Tensor, " batch"],
    prior_probs: Float[Tensor, " latent"],
    *,
    pattern_logits: Float[Tensor, "batch latent"] | None = None,
    spikes: Float[Tensor, "batch latent"] | None = None,
    n_classes: int | None = None,
    all_labelled: bool = False,
    share: Share | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """The mean spike KL of a batch in its parts, nats a sample; unlabelled rows pay theirs as if they were one class.

    Args:
        active_logits: logits of P(latent ≠ 0 | x).
        labels: class of each row; −1 where it is not known.
        prior_probs: α > 0.
        pattern_logits: what is learned of the class of each row; default: the mean of the class.
        spikes: what was drawn, if `equivocation` is asked for too.
        n_classes: how many there are, if it is known: to look would make a device wait.
        all_labelled: whether it is known that every row has a class; to look would make a device wait.
        share: which part of a batch these rows are, where several processes train; default: all of it. Then
            ``n_classes`` must be given, and other rows count as if there were some in every batch.

    Returns:
        `SpikeInformation` of the labelled rows, ``equivocation``, and ``unlabelled_information`` and
        ``unlabelled_sparsity`` if there are others, each kind of row with the weight of its share.
    """
    whole = share or Share(max(1, len(labels)))
    parts: dict[str, Tensor] = {}
    labelled = slice(None) if all_labelled else labels != UNLABELLED
    rest = active_logits[:0] if all_labelled else active_logits[labels == UNLABELLED]
    if len(rest) or (share and not all_labelled):
        alone = Patterns.of(rest, labels.new_zeros(len(rest)), 1, prior_probs, share=share)
        weight = alone.counts.sum() / whole.n_rows
        parts["unlabelled_information"] = weight * alone.information.within.sum()
        parts["unlabelled_sparsity"] = weight * alone.information.sparsity.sum()
    labels, active_logits = labels[labelled], active_logits[labelled]
    if n_classes is None:
        n_classes = _n_classes(labels)
    patterns = Patterns.of(active_logits, labels, n_classes, prior_probs, share=share)
    n_labelled, split = patterns.counts.sum(), patterns.information
    if pattern_logits is not None:
        among = replace(whole, n_rows=n_labelled.clamp_min(1.0))
        split = prior_information(active_logits, pattern_logits[labelled], prior_probs, share=among)
    parts = split.totals(n_labelled / whole.n_rows) | parts
    if spikes is not None:
        parts["equivocation"] = patterns.equivocation(spikes[labelled]).sum() / whole.n_rows
    return parts


def equivocation(
    spikes: Float[Tensor, "batch latent"],
    active_logits: Float[Tensor, "batch latent"],
    labels: Int[Tensor, " batch"],
    *,
    n_classes: int | None = None,
    share: Share | None = None,
) -> Float[Tensor, " labelled"]:
    """What the pattern that was drawn for each sample leaves open of its class: −ln p(class | pattern), in nats.

    By Bayes' rule, as if the spikes of a class were independent, from the class means of the batch, of which each
    sample is a part: with few samples of a class it is too low, and with one class in the batch it is 0. Drawn, not
    expected: a γ of ½ would say on average what no draw of it says.

    Args:
        spikes: what is active in each sample, 1 or 0 (`SpikeSlab.rsample_parts`).
        active_logits: logits of P(latent ≠ 0 | x), whose means over a class are its pattern.
        labels: class of each row; −1 rows are left out.
        n_classes: how many there are, if it is known: to look would make a device wait.
        share: as of `spike_parts`.

    Returns:
        Nats, ≥ 0, a value for each labelled row; −ln p(y), from the shares in the batch, if all classes have one
        pattern.

    References:
        Shannon, A Mathematical Theory of Communication, 1948, section 12.

    >>> logits = torch.tensor([[9.0, -9.0], [9.0, -9.0], [-9.0, 9.0], [-9.0, 9.0]])
    >>> spikes = logits.sigmoid().round()
    >>> [round(float(equivocation(spikes, logits, torch.tensor(y)).mean()), 3) for y in ([0, 0, 1, 1], [0, 1, 0, 1])]
    [0.0, 0.693]
    """
    (spikes, active_logits), labels, most = _labelled(labels, spikes, active_logits)
    return Patterns.of(active_logits, labels, n_classes or most, 0.5, share=share).equivocation(spikes)


def pairwise_js(
    active_logits: Float[Tensor, "batch latent"],
    labels: Int[Tensor, " batch"],
    *,
    distance: bool = False,
    share: Share | None = None,
) -> Float[Tensor, " latent"]:
    """The paper's class loss, per latent: mean over pairs of a class, then over the classes with a pair.

    The paper averages it over latents (arXiv 2505.14476, Fig. 5); `Objective` does that. The divergence is exact
    in linear time (`cospike.divergence`); the square-rooted ``distance`` of Fig. 4 visits the pairs. It is 0 for the
    same pattern in *all* samples too: on its own it neither separates classes nor makes a pattern sparse.

    Args:
        active_logits: logits of P(latent ≠ 0 | x).
        labels: class of each row; −1 rows are left out.
        distance: the Jensen-Shannon distance instead of the divergence.
        share: which part of a batch these rows are, where several processes train; default: all of it. All rows are
            sent to all of them, each of which then visits every class.

    Returns:
        Nats per latent (their square root with ``distance``), 0 … ln 2; of a share, what it contributes.
    """
    share = share or Share(len(labels))
    return share.equal(mean_pairwise_js(share.gather(active_logits), share.gather(labels), distance=distance))


def _labelled(labels: Tensor, *parts: Tensor) -> tuple[tuple[Tensor, ...], Tensor, int]:
    """The rows that have a class, their labels, and the number of classes, at least one."""
    labelled = labels != UNLABELLED
    parts, labels = tuple(part[labelled] for part in parts), labels[labelled]
    return parts, labels, _n_classes(labels)


def _n_classes(labels: Tensor) -> int:
    return int(labels.max()) + 1 if len(labels) else 1
