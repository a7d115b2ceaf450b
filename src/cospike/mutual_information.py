"""`Information`: how much each latent tells of each factor, in nats, and what follows from that table alone.

The estimator is the plug-in one on symbols, I(a; b) = H(a) + H(b) − H(a, b) of the empirical frequencies. A discrete
factor is its own symbols; a continuous factor, and a latent where it is not 0, is cut into equal-width bins over its
range in the rows given; an exact 0 of a latent, which is an event and not a small number, is a symbol of its own.

The plug-in estimate is too high by about (k − 1)(m − 1) / 2n nats for k and m symbols that are independent: 20 bins on
both sides of 1,000 rows add .18 nats, .06 of a factor's ln 20. So bins and n belong to every figure. Outliers stretch
equal-width bins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy.special import entr

from cospike._errors import InputError
from cospike._types import SampleLatent, SampleLatentMask

BINS = 20
_ROUNDING = 1e-12  # nats: a latent that is constant tells exactly nothing
_WIDE = 1 / 20  # of the widest range: below it a latent is idle (Hsu et al. 2023, in their code)


@dataclass(frozen=True, eq=False)
class Information:
    """The table, in nats, and its summaries, in 0 … 1.

    Attributes:
        mutual: I(latent; factor), over the rows in which the factor acts.
        entropy: H(factor) over the same rows; 0 of a factor that is constant.
        idle: latents whose range is below a twentieth of the widest.
    """

    mutual: Float[np.ndarray, "latent factor"]
    entropy: Float[np.ndarray, " factor"]
    idle: Bool[np.ndarray, " latent"]

    @property
    def normalised(self) -> Float[np.ndarray, "latent factor"]:
        """I(latent; factor) / H(factor); NaN for a factor that is constant."""
        return np.asarray(self.mutual / np.where(self.entropy > 0, self.entropy, np.nan))

    def gap(self) -> Float[np.ndarray, " factor"]:
        """By how much the best latent tells more than the second, as a share of H; NaN for a constant factor."""
        ranked = np.sort(self.normalised, axis=0)
        return np.asarray(ranked[-1] - (ranked[-2] if len(ranked) > 1 else 0))

    def modularity(self) -> Float[np.ndarray, " latent"]:
        """1 − Σ_{f ≠ best} I² / (F − 1) I_best²; NaN for a latent that tells nothing, or where F < 2 factors vary."""
        squares = self.mutual[:, self.entropy > 0] ** 2
        if squares.shape[1] < 2:
            return np.full(len(squares), np.nan)
        best = squares.max(axis=1)
        others = (squares.sum(axis=1) - best) / (squares.shape[1] - 1)
        return np.asarray(1 - others / np.where(best > 0, best, np.nan))

    def modularity_ratio(self) -> Float[np.ndarray, " latent"]:
        """InfoM: the share of its best factor in all that a latent tells, from 1/F to 1 put on 0 … 1; NaN if idle."""
        shares = _dominance(self.normalised[:, self.entropy > 0], axis=1)
        return np.where(self.idle, np.nan, shares)

    def compactness_ratio(self) -> Float[np.ndarray, " factor"]:
        """InfoC: the share of its best latent in all that is told of a factor, from 1/L to 1 put on 0 … 1."""
        return _dominance(self.normalised[~self.idle], axis=0)


def estimate_information(
    codes: SampleLatent | SampleLatentMask,
    factors: Shaped[np.ndarray, "sample factor"],
    *,
    bins: int = BINS,
    discrete: Sequence[bool] | None = None,
) -> Information:
    """How much each latent tells of each factor, by the plug-in estimator on symbols.

    Args:
        codes: one row a sample; exact zeros are a symbol of their own.
        factors: what varied in the same samples; NaN where a factor does not act: those rows do not count for it.
        bins: of a continuous factor, and of what is not 0 in a latent.
        discrete: which factors are discrete; None: all of an integer array, else those of at most ``bins`` values.

    Raises:
        InputError: if the rows disagree, there are none, or something is infinite.

    >>> z = np.array([[0.0, 1.0], [0.0, 2.0], [3.0, 1.0], [3.0, 2.0]])
    >>> estimate_information(z, np.array([[0], [0], [1], [1]])).normalised.round(3).tolist()
    [[1.0], [0.0]]
    """
    kinds = check(codes, factors, bins=bins, discrete=discrete, of="estimate_information")
    latents = latent_symbols(codes, bins)
    columns = [
        factor_symbols(column, bins, is_discrete=kind) for column, kind in zip(factors.T, kinds.tolist(), strict=True)
    ]
    pairs = [(latents[symbols >= 0], symbols[symbols >= 0]) for symbols in columns]
    ranges = np.ptp(codes.astype(float), axis=0)
    return Information(
        mutual=np.stack([mutual_information(rows, symbols) for rows, symbols in pairs], axis=1),
        entropy=np.array([entr(np.bincount(symbols) / max(len(symbols), 1)).sum() for _, symbols in pairs]),
        idle=(ranges == 0) | (ranges < _WIDE * ranges.max()),
    )


def mutual_information(
    a: Int[np.ndarray, "sample latent"], b: Int[np.ndarray, " sample"]
) -> Float[np.ndarray, " latent"]:
    """Plug-in I(a_i; b), in nats, of columns of symbols 0, 1, …; 0 without samples."""
    n, n_latents = a.shape
    if n == 0:
        return np.zeros(n_latents)
    size = n_latents, int(a.max()) + 1, int(b.max()) + 1
    cells = (np.arange(n_latents) * size[1] + a) * size[2] + b[:, None]
    joint = np.bincount(cells.ravel(), minlength=int(np.prod(size))).reshape(size) / n
    marginal = entr(joint.sum(axis=2)).sum(axis=1) + entr(joint.sum(axis=1)).sum(axis=1)
    information = marginal - entr(joint).sum(axis=(1, 2))
    return np.where(information > _ROUNDING, information, 0.0)


def latent_symbols(codes: SampleLatent | SampleLatentMask, bins: int) -> Int[np.ndarray, "sample latent"]:
    """0 for an exact zero, 1 … ``bins`` for the rest, equally wide over the range of what is not 0."""
    active = codes != 0
    low = np.where(active, codes, np.inf).min(axis=0, initial=np.inf)
    high = np.where(active, codes, -np.inf).max(axis=0, initial=-np.inf)
    low, high = np.where(active.any(axis=0), (low, high), 0.0)
    return np.where(active, 1 + _equal_width(codes, low, high, bins), 0)


def factor_symbols(
    column: Shaped[np.ndarray, " sample"], bins: int, *, is_discrete: bool
) -> Int[np.ndarray, " sample"]:
    """0, 1, … for its values, or its equal-width bins; −1 where it does not act (NaN)."""
    acts = ~np.isnan(column.astype(float))
    symbols = np.full(len(column), -1)
    if is_discrete:
        symbols[acts] = np.unique(column[acts], return_inverse=True)[1]
    elif acts.any():
        values = column[acts]
        symbols[acts] = _equal_width(values, values.min(), values.max(), bins)
    return symbols


def check(
    codes: Shaped[np.ndarray, "..."],
    factors: Shaped[np.ndarray, "..."],
    *,
    bins: int = BINS,
    discrete: Sequence[bool] | None,
    of: str,
) -> Bool[np.ndarray, " factor"]:
    """Which factors are discrete, or what is wrong with the arguments of ``of``."""
    if codes.ndim != 2 or 0 in codes.shape or not np.isfinite(codes.astype(float)).all():
        raise InputError(
            f"'codes' of {of} must be finite [sample, latent], got shape {codes.shape} or gaps. Encode anew."
        )
    if factors.ndim != 2 or factors.shape[1] == 0 or len(factors) != len(codes):
        raise InputError(
            f"'factors' of {of} must be [sample, factor] with the {len(codes)} rows of codes, got {factors.shape}. "
            f"Give one column a factor."
        )
    return which_discrete(factors, bins=bins, discrete=discrete, of=of)


def which_discrete(
    factors: Shaped[np.ndarray, "sample factor"], *, bins: int = BINS, discrete: Sequence[bool] | None = None, of: str
) -> Bool[np.ndarray, " factor"]:
    """Those of ``discrete``; None: all of an array that is not of floats, else the columns of at most ``bins`` values.

    Raises:
        InputError: in the name of ``of``, if there are fewer than two bins, or a factor is infinite, or not told.
    """
    if bins < 2:
        raise InputError(f"'bins' of {of} must be at least 2, got {bins}. Try {BINS}.")
    if np.isinf(factors.astype(float)).any():
        raise InputError(f"'factors' of {of} must be finite, or NaN where one does not act, got infinity. Mask it.")
    if discrete is not None and len(discrete) != factors.shape[1]:
        raise InputError(
            f"'discrete' of {of} must have one entry for each of the {factors.shape[1]} factors, got {len(discrete)}. "
            f"Leave it out to have it told by the values."
        )
    if discrete is not None:
        return np.asarray(discrete, dtype=bool)
    if not np.issubdtype(factors.dtype, np.floating):
        return np.ones(factors.shape[1], dtype=bool)
    return np.array([len(np.unique(column[~np.isnan(column)])) <= bins for column in factors.T])


def _equal_width(
    x: Shaped[np.ndarray, "*axes"], low: np.ndarray | float, high: np.ndarray | float, bins: int
) -> Int[np.ndarray, "*axes"]:
    width = np.where(high > low, high - low, 1.0)
    return np.clip((x - low) / width * bins, 0, bins - 1).astype(int)


def _dominance(shares: Float[np.ndarray, "row column"], axis: int) -> Float[np.ndarray, " line"]:
    """Largest share along an axis of k entries, from 1/k … 1 put on 0 … 1; NaN where the sum is 0 or k < 2."""
    total, k = shares.sum(axis=axis), shares.shape[axis]
    if k < 2:
        return np.full(total.shape, np.nan)
    largest = shares.max(axis=axis) / np.where(total > 0, total, np.nan)
    return np.asarray((largest - 1 / k) / (1 - 1 / k))
