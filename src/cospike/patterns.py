"""The class means of a batch, and what follows from them: the split of the spike KL, and equivocation.

`cospike.information` says what they mean. Here they are computed, with gradients in closed form: a step of training
visits each sample once on the way back, instead of once for each of some twenty operations.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cospike.divergence import ALWAYS_ON_LOGIT, binary_entropy
from cospike.share import Share, sum_over_processes

_SMALLEST = 1e-30  # of a mean whose logarithm is taken: it is 0 by underflow, or of a class that is not there


class SpikeInformation(NamedTuple):
    """The split of the spike KL, in nats per latent; `within`, `between` and `sparsity` add up to its mean.

    ``spread`` = h(γ̄) is the part of sparsity = cross-entropy(γ̄, α) − h(γ̄) that rewards use spread over many
    latents. Giving a share ρ of it back decides how many factors are global (`Objective.sharing`).
    """

    within: Float[Tensor, " latent"]
    between: Float[Tensor, " latent"]
    sparsity: Float[Tensor, " latent"]
    spread: Float[Tensor, " latent"]

    def totals(self, share: Tensor | float = 1.0) -> dict[str, Tensor]:
        """Each part by name, summed over latents, times ``share``."""
        return {name: share * part.sum() for name, part in self._asdict().items()}


class Patterns(NamedTuple):
    """What follows from the class means of a batch: its split, and the logarithms of the means and of their rest."""

    information: SpikeInformation
    log_on: Float[Tensor, "class latent"]
    log_off: Float[Tensor, "class latent"]
    labels: Int[Tensor, " batch"]
    counts: Float[Tensor, " class"]

    @classmethod
    def of(
        cls,
        active_logits: Tensor,
        labels: Tensor,
        n_classes: int,
        prior_probs: Tensor | float,
        *,
        share: Share | None = None,
    ) -> "Patterns":
        """Of rows that all have a class below ``n_classes``, a class without any being passed over.

        At least in float32, of which half a precision cannot count a batch. No gradient goes to the prior. With a
        ``share``, means and counts are those of all processes, and the split is what this one contributes.
        """
        if active_logits.dtype in (torch.float16, torch.bfloat16):
            active_logits = active_logits.float()
        prior = torch.as_tensor(prior_probs, dtype=active_logits.dtype, device=active_logits.device)
        n_processes = share.n_processes if share else 1
        parts = active_logits, labels, prior, n_classes, n_processes
        with torch.autocast(active_logits.device.type, enabled=False):
            split, log_on, log_off, counts = _ClassMeans.apply(*parts)  # type: ignore[no-untyped-call]  # so in torch
        return cls(SpikeInformation(*split.unbind()), log_on, log_off, labels, counts)

    def equivocation(self, spikes: Tensor) -> Tensor:
        """Of each row."""
        parts = *self[1:], spikes.to(self.log_on.dtype)
        with torch.autocast(spikes.device.type, enabled=False):
            found: Tensor = _Equivocation.apply(*parts)  # type: ignore[no-untyped-call]  # so in torch
        return found


class _Equivocation(torch.autograd.Function):
    """−ln p(class | pattern) of each row; the way back is the error of p(class | pattern), spread by two products."""

    @staticmethod
    def forward(ctx: Any, log_on: Tensor, log_off: Tensor, labels: Tensor, counts: Tensor, spikes: Tensor) -> Tensor:
        log_on, log_off = log_on - log_on.amax(0), log_off - log_off.amax(0)  # alike for all classes: no digits for it
        odds = log_on - log_off
        log_posterior = torch.addmm(counts.log().add_(log_off.sum(1)), spikes, odds.T).log_softmax(1)
        ctx.save_for_backward(log_posterior, odds, labels, spikes)
        return log_posterior.gather(1, labels[:, None]).squeeze(1).neg_()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        log_posterior, odds, labels, spikes = ctx.saved_tensors
        error = log_posterior.exp().mul_(upstream[:, None])
        error.scatter_add_(1, labels[:, None], -upstream[:, None])
        to_log_on = error.T @ spikes
        return to_log_on, error.sum(0)[:, None] - to_log_on, None, None, error @ odds


class _ClassMeans(torch.autograd.Function):
    """The class means of a batch and its split, with one pass back over the batch instead of some twenty.

    In the logit l of a sample the split telescopes as its terms do. With L the logit of a mean, and n rows,

        n ∂/∂l = γ (1 − γ) · { within: l − L_y,  between: L_y − L̄,  sparsity: L̄ − L_α,  spread: −L̄ }

    so that all a sample needs of its class is one row of a table. Several processes need of each other the sums that
    the means are made of and, on the way back, what the table is made of: one message each.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, labels: Tensor, prior: Tensor, n_classes: int, n_processes: int
    ) -> tuple[Tensor, ...]:
        on, off, size = logits.sigmoid(), (-logits).sigmoid(), logits.abs()
        sample_entropy = torch.addcmul((-size).exp_().log1p_(), size, torch.minimum(on, off)).sum(0)
        counts = logits.new_zeros(n_classes).index_add_(0, labels, logits.new_ones(len(labels)))
        means = [_class_sums(rows, labels, n_classes) for rows in (on, off)]
        if n_processes > 1:
            *means, counts, sample_entropy = sum_over_processes(*means, counts, sample_entropy)
        n_rows = counts.sum().clamp_min_(1.0)
        shares, inverse_counts = counts / n_rows, counts.clamp_min(1.0).reciprocal_()[:, None]
        log_on, log_off = (mean.mul_(inverse_counts).clamp_min(_SMALLEST).log_() for mean in means)
        sample_entropy /= n_rows
        class_entropy = -(shares @ (means[0] * log_on).addcmul_(means[1], log_off))
        mean_on, mean_off = (shares @ mean for mean in means)
        spread = binary_entropy(mean_on, mean_off)
        sparsity = cross_entropy(mean_on, mean_off, prior) - spread
        ctx.save_for_backward(
            logits, on, off, labels, n_rows, inverse_counts, *means, log_on, log_off, mean_on, mean_off, prior
        )
        ctx.n_processes = n_processes
        ctx.mark_non_differentiable(counts)
        split = torch.stack([class_entropy - sample_entropy, spread - class_entropy, sparsity, spread])
        return split if n_processes == 1 else split / n_processes, log_on, log_off, counts

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, to_split: Tensor, to_log_on: Tensor, to_log_off: Tensor, _: Any
    ) -> tuple[Tensor | None, ...]:
        logits, on, off, labels, n_rows, inverse_counts, *tables, mean_on, mean_off, prior = ctx.saved_tensors
        class_on, class_off, log_on, log_off = tables
        if ctx.n_processes > 1:
            to_split, to_log_on, to_log_off = sum_over_processes(to_split / ctx.n_processes, to_log_on, to_log_off)
        within, between, sparsity, spread = (to_split / n_rows).unbind()
        mean_logit = mean_on.clamp_min(_SMALLEST).log() - mean_off.clamp_min(_SMALLEST).log()
        prior_logit = prior.log() - _log_rest(prior)
        table = (between - within) * (log_on - log_off)
        table += (sparsity - between - spread) * mean_logit - sparsity * prior_logit
        of_logs = to_log_on / class_on.clamp_min(_SMALLEST) - to_log_off / class_off.clamp_min(_SMALLEST)
        table.addcmul_(of_logs, inverse_counts)
        gradient = table.index_select(0, labels).addcmul_(logits, within).mul_(on).mul_(off)
        return gradient, None, None, None, None


def _class_sums(rows: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    """Sum of the rows of each class."""
    if torch.compiler.is_compiling():  # compiled, `index_add_` adds atomically, in an order that no run repeats
        return (torch.arange(n_classes, device=labels.device)[:, None] == labels).to(rows.dtype) @ rows
    return rows.new_zeros(n_classes, rows.shape[1]).index_add_(0, labels, rows)


def cross_entropy(on: Tensor, off: Tensor, prior_probs: Tensor | float) -> Tensor:
    """Of Bernoullis and the prior."""
    prior = torch.as_tensor(prior_probs, dtype=on.dtype, device=on.device)
    return -(on * prior.log() + off * _log_rest(prior))


def _log_rest(prior: Tensor) -> Tensor:
    """ln(1 − α); finite at α = 1, where what it is taken times is as good as 0."""
    return torch.log1p(-prior).clamp_min(-ALWAYS_ON_LOGIT)
