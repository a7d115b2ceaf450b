"""Disentanglement metrics of codes against known factors: each on the rows it is given, and nothing averaged.

All take codes [sample, latent], exact zeros allowed, and factors [sample, factor], discrete or continuous, NaN where a
factor does not act: such rows do not count for that factor. Values are per latent or per factor; NaN says that a
figure is undefined there (a constant factor or latent, a single class, too few rows), so take `numpy.nanmean`.

Two estimators stand behind them: plug-in information over equal-width bins (`cospike.mutual_information`), and
held-out predictors (`cospike.readouts`). On all rows at once a code that is specific to classes scores nothing here,
however ideal: `cospike.class_views` has the same metrics within classes and class by class.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from scipy.special import entr

from cospike._errors import InputError
from cospike._types import SampleLatent, SampleLatentMask
from cospike.mutual_information import BINS, check, estimate_information
from cospike.readouts import ForestReadout, read_by_forest, read_linearly


class DCI(NamedTuple):
    """Disentanglement, completeness and informativeness.

    Attributes:
        disentanglement: 1 − entropy of a latent's importance over the factors, in units of ln F; NaN if never used.
        completeness: 1 − entropy of the importance for a factor over the latents, in units of ln L.
        informativeness: held-out 1 − loss / loss of the best constant, at least 0.
        weight: share of each latent in all importance.
    """

    disentanglement: Float[np.ndarray, " latent"]
    completeness: Float[np.ndarray, " factor"]
    informativeness: Float[np.ndarray, " factor"]
    weight: Float[np.ndarray, " latent"]

    def mean_disentanglement(self) -> float:
        """Of all latents, each by its weight; NaN if no latent has one."""
        used = ~np.isnan(self.disentanglement)
        return float(self.weight[used] @ self.disentanglement[used]) if used.any() else float("nan")


class InfoMEC(NamedTuple):
    """Modularity, explicitness and compactness in normalised information, each 0 … 1.

    Attributes:
        modularity: InfoM, the share of its best factor in all that a latent tells, chance (1/F) at 0; NaN if idle.
        explicitness: InfoE, the held-out share of a factor's uncertainty that a linear model resolves.
        compactness: InfoC, the share of its best latent in all that is told of a factor, chance (1/L) at 0.
    """

    modularity: Float[np.ndarray, " latent"]
    explicitness: Float[np.ndarray, " factor"]
    compactness: Float[np.ndarray, " factor"]


def mig(
    codes: SampleLatent | SampleLatentMask,
    factors: Shaped[np.ndarray, "sample factor"],
    *,
    bins: int = BINS,
    discrete: Sequence[bool] | None = None,
) -> Float[np.ndarray, " factor"]:
    """Mutual information gap: (I of the best latent − I of the second) / H(factor), per factor, 0 … 1.

    With one latent the second is 0. For the arguments, the estimator and the errors see `estimate_information`.
    Chen et al., Isolating Sources of Disentanglement in VAEs, NeurIPS 2018, https://arxiv.org/abs/1802.04942, eq. 6.

    >>> z = np.array([[0.0, 1.0], [0.0, 2.0], [3.0, 1.0], [3.0, 2.0]])
    >>> mig(z, np.array([[0, 0], [0, 1], [1, 0], [1, 0]])).round(2).tolist()
    [1.0, 0.0]
    """
    return estimate_information(codes, factors, bins=bins, discrete=discrete).gap()


def modularity(
    codes: SampleLatent | SampleLatentMask,
    factors: Shaped[np.ndarray, "sample factor"],
    *,
    bins: int = BINS,
    discrete: Sequence[bool] | None = None,
) -> Float[np.ndarray, " latent"]:
    """Whether a latent tells of one factor only: 1 − Σ_{f ≠ best} I² / (F − 1) I_best², per latent, 0 … 1.

    NaN for a latent that tells nothing (the mean of Ridgeway and Mozer is over those that do), and with one factor.
    For the arguments, the estimator and the errors see `estimate_information`. Ridgeway and Mozer, Learning Deep
    Disentangled Embeddings with the F-Statistic Loss, NeurIPS 2018, https://arxiv.org/abs/1802.05312, section 3.
    """
    return estimate_information(codes, factors, bins=bins, discrete=discrete).modularity()


def explicitness(
    codes: SampleLatent | SampleLatentMask,
    factors: Shaped[np.ndarray, "sample factor"],
    *,
    discrete: Sequence[bool] | None = None,
    seed: int = 0,
) -> Float[np.ndarray, " factor"]:
    """How well a linear model orders held-out rows by the factor: ROC AUC, ½ (chance) … 1, per factor.

    Of a discrete factor the mean over its values of the AUC of logistic regression; of a continuous one, which
    Ridgeway and Mozer (2018, see `modularity`) cut into values, the concordance of ridge regression, which is the AUC
    where there are two values. For the arguments and errors see `estimate_information`, for the models `read_linearly`.
    """
    return read_linearly(codes, factors, discrete=discrete, seed=seed).concordance


def infomec(
    codes: SampleLatent | SampleLatentMask,
    factors: Shaped[np.ndarray, "sample factor"],
    *,
    bins: int = BINS,
    discrete: Sequence[bool] | None = None,
    seed: int = 0,
) -> InfoMEC:
    """Modularity and compactness as ratios of I / H(factor), explicitness as predictive information.

    Of the authors' choices kept: latents whose range is below a twentieth of the widest are left out. Changed: one
    estimator of the information for all codes (theirs is by neighbours if the codes are continuous), and predictions
    on held-out rows, with a penalty (theirs are on the fitted rows). Of a continuous factor InfoE is the R² of ridge
    regression: predictive information with a Gaussian of constant variance. For the arguments and errors see
    `estimate_information`. Hsu et al., Disentanglement via Latent Quantization, NeurIPS 2023,
    https://arxiv.org/abs/2305.18378, section 4.
    """
    information = estimate_information(codes, factors, bins=bins, discrete=discrete)
    readout = read_linearly(codes, factors, discrete=discrete, seed=seed)
    return InfoMEC(information.modularity_ratio(), readout.explained, information.compactness_ratio())


def dci(
    codes: SampleLatent | SampleLatentMask,
    factors: Shaped[np.ndarray, "sample factor"],
    *,
    discrete: Sequence[bool] | None = None,
    seed: int = 0,
) -> DCI:
    """How the importance of latents for predicting factors is spread, and how good the held-out predictions are.

    The predictor is the random forest of `read_by_forest`. Undefined (NaN) are disentanglement where fewer than two
    factors vary, completeness with one latent. For the arguments and errors see `estimate_information`. Eastwood and
    Williams, A Framework for the Quantitative Evaluation of Disentangled Representations, ICLR 2018,
    https://openreview.net/forum?id=By-7dz-AZ, section 2.
    """
    return spread(read_by_forest(codes, factors, discrete=discrete, seed=seed))


def spread(readout: ForestReadout) -> DCI:
    """`dci` of a readout."""
    varies = ~np.isnan(readout.explained)
    importance = readout.importance[:, varies]
    completeness = np.full(len(varies), np.nan)
    completeness[varies] = _concentration(importance, axis=0)
    total = importance.sum(axis=1)
    weight = total / total.sum() if total.any() else np.full(len(total), np.nan)
    return DCI(_concentration(importance, axis=1), completeness, readout.explained, weight)


def sap(
    codes: SampleLatent | SampleLatentMask,
    factors: Shaped[np.ndarray, "sample factor"],
    *,
    discrete: Sequence[bool] | None = None,
) -> Float[np.ndarray, " factor"]:
    """Separated attribute predictability: the score of the best latent − that of the second, per factor, 0 … 1.

    The score of a latent is the squared correlation with a continuous factor; of a discrete one, the balanced accuracy
    of the nearest class mean (in place of a linear SVM, with one threshold between neighbours like it), chance at 0
    and perfect at 1, over the rows of the fit: it has one number a class. With one latent the second is 0. For the
    arguments and errors see `estimate_information`. Kumar et al., Variational Inference of Disentangled Latent
    Concepts from Unlabeled Observations, ICLR 2018, https://openreview.net/forum?id=H1kG7GZAW, section 3.
    """
    kinds = check(codes, factors, discrete=discrete, of="sap")
    scores = np.full((codes.shape[1], len(kinds)), np.nan)
    for k, column in enumerate(factors.astype(float).T):
        acts = ~np.isnan(column)
        if acts.any() and np.ptp(column[acts]) > 0:
            score = _nearest_mean_accuracy if kinds[k] else _squared_correlation
            scores[:, k] = score(codes[acts].astype(float), column[acts])
    ranked = np.sort(scores, axis=0)
    return np.asarray(ranked[-1] - ranked[-2] if len(ranked) > 1 else ranked[-1])


def monoscore(
    active_probs: SampleLatent | SampleLatentMask, embeddings: Float[np.ndarray, "sample dim"]
) -> Float[np.ndarray, " latent"]:
    """Mean cosine similarity of all pairs of samples, weighted by how much a latent is on in both; −1 … 1, per latent.

    With w the activation put on 0 … 1 over the samples, and e the embedding of unit length,

        Σ_{n<m} w_n w_m e_n·e_m / Σ_{n<m} w_n w_m = (‖Σ w_n e_n‖² − Σ w_n²) / ((Σ w_n)² − Σ w_n²),

    the weighted mean of the authors' code (their equation divides by the number of pairs, which rewards being always
    on). Pach et al., Sparse Autoencoders Learn Monosemantic Features in Vision-Language Models, 2025,
    https://arxiv.org/abs/2504.02821, section 3.

    Args:
        active_probs: activations that are lowest where the latent is off: active_probs or |z|. On signed codes the
            figure means nothing.
        embeddings: of the same samples, by a network that has nothing to do with the model.

    Returns:
        A value a latent; NaN for one that is constant, or on in fewer than two samples.

    Raises:
        InputError: if the samples are not the same, or an embedding is 0 or not finite.

    >>> monoscore(np.array([[1.0], [1.0], [0.0]]), np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]])).tolist()
    [1.0]
    """
    activations, lengths = active_probs.astype(float), np.linalg.norm(embeddings.astype(float), axis=1)
    if len(activations) == 0 or not np.isfinite(activations).all():
        raise InputError(
            f"'active_probs' of monoscore must be finite [sample, latent], got shape {active_probs.shape} or gaps. "
            f"Encode anew."
        )
    if len(active_probs) != len(embeddings) or not (np.isfinite(lengths) & (lengths > 0)).all():
        raise InputError(
            f"'embeddings' of monoscore must be finite and not 0, one for each of the {len(active_probs)} samples, "
            f"got shape {embeddings.shape}, or zeros or gaps. Embed the same samples."
        )
    span = np.ptp(activations, axis=0)
    weights = (activations - activations.min(axis=0)) / np.where(span > 0, span, np.nan)
    squares = (weights**2).sum(axis=0)
    similarity = ((weights.T @ (embeddings / lengths[:, None])) ** 2).sum(axis=1) - squares
    pairs = weights.sum(axis=0) ** 2 - squares
    return np.asarray(np.clip(similarity / np.where(pairs > 0, pairs, np.nan), -1, 1))


def _concentration(shares: Float[np.ndarray, "row column"], axis: int) -> Float[np.ndarray, " line"]:
    """1 − entropy along an axis of k entries, in units of ln k; NaN where they sum to 0 or k < 2."""
    total, k = shares.sum(axis=axis, keepdims=True), shares.shape[axis]
    if k < 2:
        return np.full(total.size, np.nan)
    return np.asarray(1 - entr(shares / np.where(total > 0, total, np.nan)).sum(axis=axis) / np.log(k))


def _squared_correlation(
    x: Float[np.ndarray, "row latent"], y: Float[np.ndarray, " row"]
) -> Float[np.ndarray, " latent"]:
    x, y = x - x.mean(axis=0), y - y.mean()
    spread_x = (x**2).sum(axis=0)
    return np.asarray(np.divide((y @ x) ** 2, spread_x * (y @ y), out=np.zeros(x.shape[1]), where=spread_x > 0))


def _nearest_mean_accuracy(
    x: Float[np.ndarray, "row latent"], y: Float[np.ndarray, " row"]
) -> Float[np.ndarray, " latent"]:
    """Mean over the classes of the share that is nearest to its own mean; chance (1/C) at 0, perfect at 1."""
    symbols, counts = np.unique(y, return_inverse=True, return_counts=True)[1:]
    n_classes = len(counts)
    accuracy = np.empty(x.shape[1])
    for i, column in enumerate(x.T):
        means = np.bincount(symbols, weights=column) / counts
        order = np.argsort(means)
        thresholds = (means[order][1:] + means[order][:-1]) / 2
        right = order[np.searchsorted(thresholds, column, side="right")] == symbols
        accuracy[i] = np.mean(np.bincount(symbols, weights=right) / counts)
    return np.asarray(np.maximum(accuracy - 1 / n_classes, 0) / (1 - 1 / n_classes))
