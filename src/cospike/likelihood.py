"""Likelihood bounds with exact spikes, in nats a sample: what the codes cost, and against which prior.

    neg_elbo             against the fixed prior p(z)
    neg_elbo_given_class against the class's own pattern: bounds −ln p(x | y), not −ln p(x)
    neg_elbo_mixture     against Σ_y p(y) Π_i p(s_i | y), the mixture of the class patterns: bounds −ln p(x), and
                         uses no label

A fixed prior charges a pattern that the class decides once a latent; the mixture charges it once. The spike KL to a
mixture has no closed form, but KL(q ‖ Σ_y w_y p_y) ≤ −ln Σ_y w_y exp(−KL(q ‖ p_y)), so the bound stays a bound.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import entr, log_expit, logsumexp

from cospike._errors import InputError
from cospike._types import UNLABELLED
from cospike.codes import Codes
from cospike.data import Split
from cospike.metrics import Measurement
from cospike.model import SparseVAE
from cospike.train import encode_dataset

_FORM = "exact spikes, one draw; grey levels as Bernoulli means where the likelihood is Bernoulli"

_HOW = {
    "neg_elbo": f"reconstruction + slab KL + spike KL to the fixed prior; {_FORM}",
    "neg_elbo_given_class": "as neg_elbo, spike KL to the mean pattern of the sample's class on the training split",
    "neg_elbo_mixture": "as neg_elbo, spike KL (bound) to the mixture of the class patterns; no label used",
    "reconstruction": f"-ln p(x | z); {_FORM}",
    "slab_kl": "active_probs times the KL of the slab to N(0, 1), sum over latents",
    "spike_kl": "KL of the spikes to the fixed prior, sum over latents",
}


def bounds(model: SparseVAE, split: Split | Codes, *, seed: int = 0) -> dict[str, Measurement]:
    """Bounds on −ln p(x), and what they are made of: means over samples with their standard errors, in nats.

    Args:
        model: a trained model.
        split: samples, or their codes as `encode_dataset` returns them.
        seed: of the one draw behind the reconstruction; codes carry their own.

    Returns:
        By name; without class patterns (before `fit`) the bounds that need them are left out, and without labelled
        samples the one given the class.
    """
    codes = split if isinstance(split, Codes) else encode_dataset(model, split, seed=seed)
    if codes.reconstruction is None or not len(codes):
        raise InputError("'split' of bounds must be samples, or codes of at least one that carry their reconstruction.")
    if codes.n_latents != model.n_latents or (model.class_names and codes.n_classes > len(model.class_names)):
        raise InputError(
            f"'split' of bounds must be coded by this model of {model.n_latents} latents, got {codes.n_latents}."
        )
    terms = {
        "reconstruction": codes.reconstruction.astype(float),
        "slab_kl": _slab_kl(codes),
        "spike_kl": _spike_kl(codes, _logit(codes.prior_probs)[None])[:, 0],
    }
    rest = terms["reconstruction"] + terms["slab_kl"]
    sums = {"neg_elbo": rest + terms["spike_kl"]}
    if (patterns := model.class_patterns) is not None:
        to_class = _spike_kl(codes, patterns.active_logits.cpu().numpy().astype(float))
        labelled = codes.labels != UNLABELLED
        if labelled.any():
            own = np.take_along_axis(to_class[labelled], codes.labels[labelled][:, None], axis=1)[:, 0]
            sums["neg_elbo_given_class"] = rest[labelled] + own
        if (shares := model.class_probs.cpu().numpy().astype(float)).any():
            sums["neg_elbo_mixture"] = rest - logsumexp(-to_class, b=shares, axis=1)
    return {
        name: Measurement(
            float(value.mean()), "nats", "neither" if name.endswith("_kl") else "lower", _HOW[name],
            float(value.std() / np.sqrt(len(value))),
        )
        for name, value in {**sums, **terms}.items()
    }  # fmt: skip


def _spike_kl(codes: Codes, logits: Float[np.ndarray, "class latent"]) -> Float[np.ndarray, "sample class"]:
    """KL of each sample's spikes to each row of ``logits``, summed over latents."""
    on = codes.active_probs.astype(float)
    off = 1.0 - on
    entropy = (entr(on) + entr(off)).sum(1, keepdims=True)
    return np.asarray(-entropy - on @ log_expit(logits).T - off @ log_expit(-logits).T)


def _slab_kl(codes: Codes) -> Float[np.ndarray, " sample"]:
    loc, scale = codes.slab_loc.astype(float), codes.slab_scale.astype(float)
    return np.asarray((codes.active_probs * (0.5 * (loc**2 + scale**2 - 1.0) - np.log(scale))).sum(1))


def _logit(probs: Float[np.ndarray, " latent"]) -> Float[np.ndarray, " latent"]:
    """Logits, finite at 1: the prior of a model without spikes."""
    exact = probs.astype(float)
    return np.asarray(np.log(exact) - np.log(np.maximum(1.0 - exact, 1e-17)))
