"""What a model says with the data at hand: bounds by importance weighting, and what each latent is worth in nats.

    −ln p(x) ≤ −E ln (1/K) Σ_k w_k,    w_k = p(x | z_k) p(z_k) / q(z_k | x),    z_k ~ q(z | x)

(Burda, Grosse, Salakhutdinov, *Importance Weighted Autoencoders*, ICLR 2016, eq. 8.) With K = 1 it is the ELBO; it
falls towards −ln p(x) as K grows. Codes are drawn exactly, and both densities are those of `SpikeSlab`: against
Lebesgue measure plus a point mass at 0, so that they can be compared where a latent is off. The same draws are
weighed against three priors, whose slabs are all N(0, 1):

    neg_iwae             the fixed prior p(z): bounds −ln p(x)
    neg_iwae_given_class the pattern p(s | y) of the sample's own class: bounds −ln p(x | y), not −ln p(x)
    neg_iwae_mixture     Σ_y p(y) Π_i p(s_i | y), the mixture of the class patterns: bounds −ln p(x), and uses no label

Their ELBOs are those of `likelihood.bounds`; the mixture, whose KL is only bounded there, is exact here.
"""

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import logsumexp
from torch import Generator, Tensor
from torch.nn.functional import logsigmoid

from cospike._errors import InputError
from cospike._types import UNLABELLED
from cospike.codes import ACTIVE_THRESHOLD, Codes
from cospike.data import Split
from cospike.encoding import check_values, evaluating
from cospike.kinds import GLOBAL_KINDS, latent_kinds
from cospike.metrics import Measurement
from cospike.model import SparseVAE
from cospike.priors import PseudoInputPrior

_ROWS = 250  # whose codes are drawn together: fixed, so that the draws do not depend on the batch

_HOW = {
    "neg_iwae": "against the fixed prior",
    "neg_iwae_given_class": "against the mean pattern of the sample's class on the training split; bounds -ln p(x | y)",
    "neg_iwae_mixture": "against the mixture of the class patterns; no label used",
}


@torch.no_grad()
def importance_bounds(
    model: SparseVAE,
    split: Split,
    *,
    n_samples: int = 100,
    n_rows: int | None = None,
    seed: int = 0,
    batch_size: int = 2_000,
) -> dict[str, Measurement]:
    """Importance-weighted bounds on −ln p(x): means over samples with their standard errors, in nats.

    Args:
        model: a trained model.
        split: samples; only ``neg_iwae_given_class`` looks at labels, and leaves unlabelled samples out.
        n_samples: K, the draws a sample.
        n_rows: so many samples, drawn by ``seed``; default: all.
        seed: of the rows and of every draw.
        batch_size: codes decoded at once (at least one draw of 250 samples); of the result it changes the rounding.

    Returns:
        By name; without class patterns (before `fit`) only ``neg_iwae``, without labelled samples no
        ``neg_iwae_given_class``, and of a model with pseudo-inputs no ``neg_iwae``.

    Raises:
        InputError: if rows, shapes or labels do not fit the model, or a weight is not finite.
    """
    if min(n_samples, batch_size) < 1:
        raise InputError(
            f"'n_samples' and 'batch_size' of importance_bounds must be at least 1, got {n_samples} and {batch_size}."
        )
    split = _draw_rows(model, split, n_rows, seed, "importance_bounds")
    logits, patterns = model.prior().active_logits[None], model.class_patterns
    if patterns is not None:
        logits = torch.cat([logits, patterns.active_logits])
    generator = Generator(model.device).manual_seed(seed)
    with evaluating(model):
        evidence = np.concatenate(
            [
                _log_evidence(model, x.to(model.device), logits, n_samples, batch_size, generator)
                for x in split.x.split(_ROWS)
            ]
        )
    return {
        name: Measurement(
            float(value.mean()), "nats", "lower",
            f"importance-weighted, K = {n_samples:,} exact draws a sample, {len(value):,} samples; {_HOW[name]}",
            float(value.std() / np.sqrt(len(value))),
        )
        for name, value in _bounds(model, evidence, split.y.numpy()).items()
    }  # fmt: skip


@torch.no_grad()
def latent_worth(
    model: SparseVAE, split: Split, *, n_rows: int | None = 2_000, seed: int = 0, batch_size: int = 2_000
) -> Float[np.ndarray, " latent"]:
    """By how many nats a sample −ln p(x | z) rises when a latent is switched off in an exactly drawn code.

    The mean is over all samples: where the latent is off already, nothing rises. What the latent costs in KL is not
    taken off.

    Args:
        model: a trained model.
        split: samples; labels are not used.
        n_rows: so many samples, drawn by ``seed``; None: all.
        seed: of the rows and of the draw.
        batch_size: codes decoded at once; of the result it changes the rounding.

    Returns:
        Nats a sample; 0 for a latent that is never active, below 0 for one that does harm.

    Raises:
        InputError: if rows or shapes do not fit the model.
    """
    if batch_size < 1:
        raise InputError(f"'batch_size' of latent_worth must be at least 1, got {batch_size}.")
    split = _draw_rows(model, split, n_rows, seed, "latent_worth")
    generator = Generator(model.device).manual_seed(seed)
    rise = np.zeros(model.n_latents)
    with evaluating(model):
        for part in split.x.split(_ROWS):
            x = part.to(model.device)
            z = model.encode(x).sample(generator=generator)
            log_prob = model.decode(z).log_prob(x)
            for pairs in z.nonzero().split(batch_size):  # (row, latent) of all that is active
                row, latent = pairs.T
                without = z[row].scatter_(1, latent[:, None], 0.0)
                loss = log_prob[row] - model.decode(without).log_prob(x[row])
                rise += np.bincount(latent.cpu().numpy(), loss.cpu().numpy(), minlength=len(rise))
    return rise / len(split)


def n_global_worth(
    worth: Float[np.ndarray, " latent"], codes: Codes, *, nats: float = 1.0, threshold: float = ACTIVE_THRESHOLD
) -> Measurement:
    """Number of global latents, always-on ones among them, that are each worth at least ``nats`` a sample.

    Shared by all classes is not yet a factor: a latent that the decoder ignores is shared, too.

    Args:
        worth: as `latent_worth` gives it.
        codes: of labelled samples, by the same model.
        nats: what a latent must be worth.
        threshold: as in `latent_kinds`, which says what is global.

    Raises:
        InputError: if ``codes`` are of other latents, or unlabelled.

    >>> codes = Codes(
    ...     active_probs=np.ones((2, 3)), slab_loc=np.ones((2, 3)), slab_scale=np.ones((2, 3)),
    ...     labels=np.array([0, 1]), class_names=("zero", "one"), prior_probs=np.full(3, 0.5),
    ... )
    >>> n_global_worth(np.array([3.0, 0.2, 1.0]), codes).value
    2.0
    """
    if len(worth) != codes.n_latents or not codes.class_counts().any():
        raise InputError(
            f"'codes' of n_global_worth must be labelled, and of the {len(worth)} latents of worth, "
            f"got {codes.n_latents} latents and {codes.class_counts().sum()} labelled samples."
        )
    counts = np.isin(latent_kinds(codes, threshold), GLOBAL_KINDS) & (worth >= nats)
    how = (
        f"latents used by at least 80 % of classes (mean active_probs of the class > {threshold:g}) that lower "
        f"-ln p(x | z) by at least {nats:g} nats a sample: mean over samples, exactly drawn codes, against latent = 0"
    )
    return Measurement(float(counts.sum()), "latents", "neither", how)


def _bounds(
    model: SparseVAE, evidence: Float[np.ndarray, "sample prior"], labels: np.ndarray
) -> dict[str, Float[np.ndarray, " _"]]:
    """The bound of each sample by name, from its evidence under the prior and under each class pattern."""
    given = evidence[:, 1:]
    fixed = not isinstance(model.conditional_prior, PseudoInputPrior)  # else the fixed prior is not that of training
    values = {"neg_iwae": -evidence[:, 0]} if fixed else {}
    labelled = labels != UNLABELLED
    if given.shape[1] and labelled.any():
        own = np.take_along_axis(given[labelled], labels[labelled][:, None], axis=1)[:, 0]
        values["neg_iwae_given_class"] = -own
    if (shares := model.class_probs.cpu().numpy().astype(float)).any():
        values["neg_iwae_mixture"] = -logsumexp(given, b=shares, axis=1)  # Σ_k Σ_y = Σ_y Σ_k
    return values


def _log_evidence(
    model: SparseVAE,
    x: Float[Tensor, "row *event"],
    logits: Float[Tensor, "prior latent"],
    n_samples: int,
    batch_size: int,
    generator: Generator,
) -> Float[np.ndarray, "row prior"]:
    """The log evidence ln (1/K) Σ_k w_k with the spikes of each row of ``logits`` as prior, batch by batch."""
    q, p = model.encode(x), model.prior()
    on = logsigmoid(logits) - logsigmoid(p.active_logits)
    off = logsigmoid(-logits) - logsigmoid(-p.active_logits)
    total = np.full((len(x), len(logits)), -np.inf)
    step = max(1, batch_size // len(x))
    for start in range(0, n_samples, step):
        n = min(step, n_samples - start)
        z = torch.stack([q.sample(generator=generator) for _ in range(n)])  # one by one: the same in any batch
        log_prob = model.decode(z.flatten(0, 1)).log_prob(x.repeat(n, *[1] * (x.ndim - 1))).unflatten(0, (n, -1))
        # Latent by latent before the sum: an always-on spike weighs 40 nats on either side.
        log_weight = log_prob + (p.log_prob(z) - q.log_prob(z)).sum(-1)
        spikes = (z != 0).to(z.dtype)
        log_weights = log_weight[..., None] + (spikes @ on.T + (1.0 - spikes) @ off.T)
        if not log_weights.isfinite().all():
            raise InputError(
                "'model' of importance_bounds must give finite weights, got NaN or infinity. Did the training diverge?"
            )
        total = np.logaddexp(total, logsumexp(log_weights.cpu().numpy().astype(float), axis=0))
    return np.asarray(total - np.log(n_samples))


def _draw_rows(model: SparseVAE, split: Split, n_rows: int | None, seed: int, caller: str) -> Split:
    """``n_rows`` rows in their order, after a check that they are the model's."""
    if n_rows is not None and n_rows < 1:
        raise InputError(f"'n_rows' of {caller} must be at least 1, or None for all rows, got {n_rows}.")
    if not len(split) or tuple(split.x.shape[1:]) != model.shape:
        raise InputError(
            f"'split' of {caller} must have rows of the model's shape {model.shape}, "
            f"got {len(split)} of {tuple(split.x.shape[1:])}."
        )
    check_values(model, split.x, "the split")
    n_classes = len(model.pattern_counts)
    if n_classes and int(split.y.max()) >= n_classes:
        raise InputError(
            f"'split' of {caller} must have labels below the model's {n_classes} classes, got {int(split.y.max())}."
        )
    if n_rows is None or n_rows >= len(split):
        return split
    rows = torch.from_numpy(np.sort(np.random.default_rng(seed).permutation(len(split))[:n_rows]))
    return Split(split.x[rows], split.y[rows])
