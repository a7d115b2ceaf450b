"""Likelihood bounds with exact spikes, in nats a sample: what the codes cost, and against which prior.

    neg_elbo             against the prior p(z) of training: the fixed one, or the uniform mixture of pseudo-inputs
    neg_elbo_given_class against the class's own pattern: bounds −ln p(x | y), not −ln p(x)
    neg_elbo_mixture     against Σ_y p(y) Π_i p(s_i | y), the mixture of the class patterns: bounds −ln p(x), and
                         uses no label

A fixed prior charges a pattern that the class decides once a latent; the mixture charges it once. The spike KL to a
mixture has no closed form, but KL(q ‖ Σ_y w_y p_y) ≤ −ln Σ_y w_y exp(−KL(q ‖ p_y)), so the bound stays a bound.
Against class patterns the slab stays N(0, 1).
"""

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import entr, log_expit, logsumexp, softmax
from torch import Tensor

from cospike._errors import InputError
from cospike._types import UNLABELLED
from cospike.codes import Codes
from cospike.data import Split
from cospike.encoding import encode_dataset
from cospike.metrics import Direction, Measurement
from cospike.model import SparseVAE

_FORM = "exact spikes, one draw; grey levels as Bernoulli means where the likelihood is Bernoulli"

_MEASURES: dict[str, tuple[str, Direction, str]] = {
    "neg_elbo": ("nats", "lower", f"reconstruction + KL to the prior, fixed or of pseudo-inputs; {_FORM}"),
    "neg_elbo_given_class": (
        "nats", "lower", "as neg_elbo, spike KL to the mean pattern of the sample's class on the training split"
    ),
    "neg_elbo_mixture": (
        "nats", "lower", "as neg_elbo, spike KL (bound) to the mixture of the class patterns; no label used"
    ),
    "bayes_accuracy": (
        "fraction", "higher",
        "labelled samples whose class has the lowest spike KL to its pattern minus log share, both of the training "
        "split; no classifier is trained",
    ),
    "reconstruction": ("nats", "lower", f"-ln p(x | z); {_FORM}"),
    "slab_kl": ("nats", "neither", "active_probs times the KL of the slab to N(0, 1), sum over latents"),
    "spike_kl": ("nats", "neither", "KL of the spikes to the fixed prior, sum over latents"),
}  # fmt: skip


def bounds(model: SparseVAE, split: Split | Codes, *, seed: int = 0) -> dict[str, Measurement]:
    """Bounds on −ln p(x), and what they are made of: means over samples with their standard errors, in nats.

    With them stands ``bayes_accuracy``, the share of samples whose class is the likeliest by `class_probabilities`.

    Args:
        model: a trained model.
        split: samples, or their codes as `encode_dataset` returns them.
        seed: of the one draw behind the reconstruction; codes carry their own.

    Returns:
        By name; without class patterns (before `fit`) what needs them is left out, and without labelled samples the
        bound given the class and the accuracy.
    """
    codes = split if isinstance(split, Codes) else encode_dataset(model, split, seed=seed)
    if codes.reconstruction is None or not len(codes):
        raise InputError("'split' of bounds must be samples, or codes of at least one that carry their reconstruction.")
    _check_origin(model, codes, "'split' of bounds")
    with torch.no_grad():
        prior = model.prior_components()
    to_prior = _spike_kl(codes, _array(prior.active_logits)) + _slab_kl(codes, _array(prior.loc), _array(prior.scale))
    terms = {
        "reconstruction": codes.reconstruction.astype(float),
        "slab_kl": _slab_kl(codes, np.zeros((1, codes.n_latents)), np.ones((1, codes.n_latents)))[:, 0],
        "spike_kl": _spike_kl(codes, _logit(codes.prior_probs)[None])[:, 0],
    }
    rest = terms["reconstruction"] + terms["slab_kl"]
    sums = {"neg_elbo": terms["reconstruction"] + np.log(len(prior.loc)) - logsumexp(-to_prior, axis=1)}
    labelled = codes.labels != UNLABELLED
    labels = codes.labels[labelled]
    if (patterns := model.class_patterns) is not None:
        to_class = _spike_kl(codes, _array(patterns.active_logits))
        if labelled.any():
            own = np.take_along_axis(to_class[labelled], labels[:, None], axis=1)[:, 0]
            sums["neg_elbo_given_class"] = rest[labelled] + own
        if model.class_probs.any():
            log_joint = _log_shares(model) - to_class
            sums["neg_elbo_mixture"] = rest - logsumexp(log_joint, axis=1)
            if labelled.any():
                sums["bayes_accuracy"] = (log_joint[labelled].argmax(1) == labels).astype(float)
    return {name: _mean(name, values) for name, values in {**sums, **terms}.items()}


def class_probabilities(model: SparseVAE, codes: Codes) -> Float[np.ndarray, "sample class"]:
    """Which class the pattern speaks for, by Bayes: p(y | x) ∝ p(y) exp(−KL(q(s | x) ‖ p(s | y))).

    The model's own reading, and no classifier: the bounds on −ln p(x | y) differ between classes in the spike KL
    alone, for reconstruction and slabs are the same. p(y) and p(s | y) are those of the training data.

    Raises:
        InputError: if the codes are another model's, or the model was trained without labels.
    """
    _check_origin(model, codes, "'codes' of class_probabilities")
    patterns = model.class_patterns
    if patterns is None or not model.class_probs.any():
        raise InputError("'model' of class_probabilities must carry class patterns. Train it with `fit`, with labels.")
    return np.asarray(softmax(_log_shares(model) - _spike_kl(codes, _array(patterns.active_logits)), axis=1))


def _check_origin(model: SparseVAE, codes: Codes, what: str) -> None:
    if codes.n_latents != model.n_latents or (model.class_names and codes.n_classes > len(model.class_names)):
        raise InputError(
            f"{what} must be coded by this model of {model.n_latents} latents and {len(model.class_names)} classes, "
            f"got {codes.n_latents} latents and {codes.n_classes} classes."
        )


def _mean(name: str, values: Float[np.ndarray, " sample"]) -> Measurement:
    """The mean over samples, with its standard error."""
    return Measurement(float(values.mean()), *_MEASURES[name], float(values.std() / np.sqrt(len(values))))


def _log_shares(model: SparseVAE) -> Float[np.ndarray, " class"]:
    """The log prior ln p(y): −∞ for a class without training samples."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(_array(model.class_probs)))


def _array(tensor: Tensor) -> Float[np.ndarray, "..."]:
    return np.asarray(tensor.cpu().numpy().astype(float))


def _spike_kl(codes: Codes, logits: Float[np.ndarray, "class latent"]) -> Float[np.ndarray, "sample class"]:
    """KL of each sample's spikes to each row of ``logits``, summed over latents."""
    on = codes.active_probs.astype(float)
    off = 1.0 - on
    entropy = (entr(on) + entr(off)).sum(1, keepdims=True)
    return np.asarray(-entropy - on @ log_expit(logits).T - off @ log_expit(-logits).T)


def _slab_kl(
    codes: Codes, loc: Float[np.ndarray, "component latent"], scale: Float[np.ndarray, "component latent"]
) -> Float[np.ndarray, "sample component"]:
    """active_probs times the KL of each sample's slabs to those of each component, summed over latents."""
    on, mean, deviation = (part.astype(float) for part in (codes.active_probs, codes.slab_loc, codes.slab_scale))
    precision = scale**-2.0
    squares = on * (deviation**2 + mean**2)
    own = (on * (0.5 + np.log(deviation))).sum(1, keepdims=True)
    cross = 0.5 * squares @ precision.T - (on * mean) @ (loc * precision).T
    return np.asarray(cross + on @ (0.5 * loc**2 * precision + np.log(scale)).T - own)


def _logit(probs: Float[np.ndarray, " latent"]) -> Float[np.ndarray, " latent"]:
    """Logits, finite at 1: the prior of a model without spikes."""
    exact = probs.astype(float)
    return np.asarray(np.log(exact) - np.log(np.maximum(1.0 - exact, 1e-17)))
