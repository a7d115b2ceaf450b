"""Held-out predictions of factors from codes: by a linear model, and by a forest that says which latents it used.

Each factor is fitted on one half of the rows in which it acts and judged on the other. The halves are seeded, and
hold every value of a discrete factor; a value of a single row is left out, since it can be fitted or judged but not
both. A factor without two values in each half gets NaN.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy.stats import kendalltau

from cospike._types import SampleLatent, SampleLatentMask
from cospike.mutual_information import check
from cospike.probes import quietly

N_TREES = 10
_TREE_ROWS = 2_000
_FLOOR = 1e-12  # of a probability: a sure and wrong prediction costs 27.6 nats, not infinity


class LinearReadout(NamedTuple):
    """What a linear model tells of each factor on held-out rows.

    Attributes:
        concordance: P(the prediction orders two rows as the factor does), ties a half: the ROC AUC, ½ … 1 (mean over
            the values of a discrete factor, each against the rest).
        explained: 1 − loss / loss of the best constant, at least 0: of the log loss if discrete, of squares if not.
    """

    concordance: Float[np.ndarray, " factor"]
    explained: Float[np.ndarray, " factor"]


class ForestReadout(NamedTuple):
    """What a forest tells of each factor, and from which latents.

    Attributes:
        importance: share of each latent in the decrease of impurity; sums to 1 over the latents.
        explained: 1 − loss / loss of the best constant, at least 0: of the error rate if discrete, of squares if not.
    """

    importance: Float[np.ndarray, "latent factor"]
    explained: Float[np.ndarray, " factor"]


class _Half(NamedTuple):
    x: Float[np.ndarray, "row latent"]
    y: Float[np.ndarray, " row"]


def read_linearly(
    codes: SampleLatent | SampleLatentMask,
    factors: Shaped[np.ndarray, "sample factor"],
    *,
    discrete: Sequence[bool] | None = None,
    seed: int = 0,
) -> LinearReadout:
    """Ridge regression (penalty 1) of continuous factors, logistic regression (C = 1) of discrete ones.

    The codes are standardised. For the arguments and errors see `estimate_information`.
    """
    kinds = check(codes, factors, discrete=discrete, of="read_linearly")
    concordance, explained = np.full((2, len(kinds)), np.nan)
    with quietly():
        for k, fit, score in _halves(codes, factors, kinds, seed):
            read = _logistic if kinds[k] else _ridge
            concordance[k], explained[k] = read(*_standardise(fit, score))
    return LinearReadout(concordance, explained)


def read_by_forest(
    codes: SampleLatent | SampleLatentMask,
    factors: Shaped[np.ndarray, "sample factor"],
    *,
    discrete: Sequence[bool] | None = None,
    seed: int = 0,
) -> ForestReadout:
    """A random forest for each factor: 10 trees of up to 2,000 rows, half the latents at a split, 2 % of rows a leaf.

    That a split sees only some latents lets a copy that is a little noisier have its share of the importance, instead
    of none. The price: a split that does not see the right latent is made on noise, so that of a perfect
    latent beside eleven of noise the importance is .91 of all (1,000 rows; .98 of 10,000), its completeness .81 (.95).
    For the arguments and errors see `estimate_information`.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor  # noqa: PLC0415  (loads slowly)

    kinds = check(codes, factors, discrete=discrete, of="read_by_forest")
    importance, explained = np.full((codes.shape[1], len(kinds)), np.nan), np.full(len(kinds), np.nan)
    with quietly():
        for k, fit, score in _halves(codes, factors, kinds, seed):
            n = min(len(fit.y), _TREE_ROWS)
            forest = (RandomForestClassifier if kinds[k] else RandomForestRegressor)(
                N_TREES,
                max_samples=n,
                max_features=(codes.shape[1] + 1) // 2,
                min_samples_leaf=max(1, n // 50),
                random_state=seed,
            )
            told = forest.fit(fit.x, fit.y).predict(score.x)
            importance[:, k] = forest.feature_importances_
            if kinds[k]:
                values, counts = np.unique(fit.y, return_counts=True)
                explained[k] = _explained(np.mean(told != score.y), np.mean(values[counts.argmax()] != score.y))
            else:
                explained[k] = _explained(np.mean((told - score.y) ** 2), np.mean((fit.y.mean() - score.y) ** 2))
    return ForestReadout(importance, explained)


def _halves(
    codes: SampleLatent | SampleLatentMask,
    factors: Shaped[np.ndarray, "sample factor"],
    discrete: Bool[np.ndarray, " factor"],
    seed: int,
) -> Iterator[tuple[int, _Half, _Half]]:
    """Factor by factor, the half to fit and the half to judge, if the factor varies in both."""
    x, y = codes.astype(float), factors.astype(float)
    for k in range(y.shape[1]):
        column = y[:, k]
        order = np.random.default_rng(seed).permutation(np.flatnonzero(~np.isnan(column)))
        if discrete[k]:
            order = _in_groups(order, column)
            column = np.searchsorted(np.unique(column[order]), column).astype(float)  # 0, 1, …: what classifiers take
        fit, score = (_Half(x[rows], column[rows]) for rows in (order[::2], order[1::2]))
        if all(len(half.y) > 1 and np.ptp(half.y) > 0 for half in (fit, score)):
            yield k, fit, score


def _in_groups(rows: Int[np.ndarray, " row"], column: Float[np.ndarray, " sample"]) -> Int[np.ndarray, " kept"]:
    """Rows sorted by value, without the values of a single row: every other one is a stratified half."""
    _, group, size = np.unique(column[rows], return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    return rows[order[size[group[order]] > 1]]


def _standardise(fit: _Half, score: _Half) -> tuple[_Half, _Half]:
    """Both by the mean and the standard deviation of the half to fit; a latent that is constant there becomes 0."""
    centre, spread = fit.x.mean(axis=0), fit.x.std(axis=0)
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
    return _Half((fit.x - centre) * scale, fit.y), _Half((score.x - centre) * scale, score.y)


def _ridge(fit: _Half, score: _Half) -> tuple[float, float]:
    from sklearn.linear_model import Ridge  # noqa: PLC0415

    told = Ridge(alpha=1.0).fit(fit.x, fit.y).predict(score.x)
    null = np.mean((fit.y.mean() - score.y) ** 2)
    return concordance(told, score.y), _explained(np.mean((told - score.y) ** 2), null)


def _logistic(fit: _Half, score: _Half) -> tuple[float, float]:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    values, counts = np.unique(fit.y, return_counts=True)
    symbols = np.searchsorted(values, score.y)
    probs = LogisticRegression(max_iter=200).fit(fit.x, fit.y).predict_proba(score.x)
    loss = -np.log(np.maximum(probs[np.arange(len(symbols)), symbols], _FLOOR)).mean()
    null = -np.log(counts / counts.sum())[symbols].mean()
    areas = [concordance(probs[:, k], (symbols == k).astype(float)) for k in range(len(values))]
    return float(np.mean(areas)), _explained(loss, null)


def concordance(told: Float[np.ndarray, " row"], truth: Float[np.ndarray, " row"]) -> float:
    """P(told orders two rows as truth does | truth differs), ties a half: (1 + Somers' D) / 2, the AUC of two values.

    From Kendall's τ_b, which is Somers' D but for the square root of the ratio of the numbers of pairs that differ.
    """
    differ = _n_differing(told), _n_differing(truth)
    if 0 in differ:
        return 0.5
    somers = kendalltau(told, truth).statistic * np.sqrt(differ[0] / differ[1])
    return float((1 + somers) / 2)


def _n_differing(x: Float[np.ndarray, " row"]) -> float:
    """Number of pairs whose values differ."""
    counts = np.unique(x, return_counts=True)[1].astype(float)
    return float((counts.sum() ** 2 - (counts**2).sum()) / 2)


def _explained(loss: float, null: float) -> float:
    return float(np.clip(1 - loss / null, 0, 1)) if null > 0 else float("nan")
