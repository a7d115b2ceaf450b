"""`Plausibility`: whether a code is still among the data, such as one with a latent set by hand. Arrays only.

A code is as surprising as its rarest latent, in the class that finds it least so. To a class of n samples, k of which
have a latent on, the surprise of that latent is, in nats,

    off        −ln P(off)
    on at u    −ln P(on) + ln p(mode) − ln p(u)     about −ln P(on) + (u − mean)² / 2 variance, of many samples

P and p predict the next sample from those seen: Beta(1, 1) on P(on), which gives P(on) = (k + 1) / (n + 2); and on the
slab a normal-inverse-gamma prior of one sample's weight, centred at 0 with the root mean square of all values of the
latent, which gives Student's t of k + 1 degrees of freedom (Murphy, *Conjugate Bayesian analysis of the Gaussian
distribution*, 2007, section 3). Heights are taken from the mode, so that the units of a latent do not matter.

The rarest latent, and not the sum over latents that is the density of a code: one spike that a class never shows is
lost in that sum, among what all the others vary by. What only the latents together give away, as of codes that are
halfway between two classes, the sum would see a little better.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from cospike._errors import InputError
from cospike._types import UNLABELLED, SampleLatent
from cospike.codes import ACTIVE_THRESHOLD, Codes


@dataclass(frozen=True, eq=False)
class Plausibility:
    """What held-out codes show, as a mark for others: inside, or off the data.

    Attributes:
        patterns: what each class shows; of codes without any label, what all samples do.
        scale: root mean square of each latent where it is active; 1 where it never is.
        limit: the surprise, in nats, that held-out codes stay within (see `fit`).

    >>> rng = np.random.default_rng(0)
    >>> values = np.where([True, False], rng.normal(3, 1, size=(500, 2)), 0)
    >>> data = Plausibility.fit(Codes.from_values(values, np.zeros(500, dtype=int)))
    >>> data.inside(np.array([[3.5, 0], [9, 0], [0, 0], [3.5, 1]])).tolist()
    [True, False, False, False]
    """

    patterns: tuple["Pattern", ...]
    scale: Float[np.ndarray, " latent"]
    limit: float

    @classmethod
    def fit(cls, codes: Codes, *, coverage: float = 0.99, threshold: float = ACTIVE_THRESHOLD) -> "Plausibility":
        """The mark that leaves at least ``coverage`` of new codes of the same kind inside, on average over samples.

        The limit is a quantile of the scores of ``codes``, each scored by patterns from which its own sample is left
        out, so that it holds for tens of samples as for thousands (the jackknife: Barber et al., *Predictive inference
        with the jackknife+*, Annals of Statistics 2021). It errs on the wide side: codes whose surprise is that of one
        spike tie, and all that tie at the limit are inside (in simulations, .907 for .9 and .992 for .99). Fewer than
        coverage / (1 − coverage) samples, 99 by default, cannot show so high a quantile: the limit is their largest,
        which leaves n / (n + 1) inside.

        Args:
            codes: held-out codes. Samples without a label make no pattern of their own, where others have one.
            coverage: share of codes inside, above 0 and below 1.
            threshold: a latent is active where its active_probs are above it.

        Raises:
            InputError: for a coverage outside that range, or no codes.
        """
        if not 0 < coverage < 1:
            raise InputError(f"'coverage' of Plausibility.fit must lie between 0 and 1, got {coverage}. Try 0.99.")
        if not len(codes):
            raise InputError("'codes' of Plausibility.fit must be one or more samples, got none. Encode some first.")
        values = codes.values(codes.active(threshold)).astype(float)
        scale = np.sqrt((values**2).sum(axis=0) / np.maximum((values != 0).sum(axis=0), 1))
        scale[scale == 0] = 1
        z = values / scale
        labels = codes.labels if codes.class_counts().any() else np.zeros_like(codes.labels)
        classes = np.unique(labels[labels != UNLABELLED])
        patterns = tuple(Pattern.of(z[labels == label]) for label in classes)
        scores = np.array([_rarest(pattern.surprise(z)) for pattern in patterns])
        for own, label in enumerate(classes):
            rows = labels == label
            scores[own, rows] = _rarest(patterns[own].without(z[rows]).surprise(z[rows]))
        rank = min(int(np.ceil(coverage * (len(z) + 1))), len(z))
        return cls(patterns, scale, float(np.sort(scores.min(axis=0))[rank - 1]))

    def score(self, z: Real[np.ndarray, "sample latent"]) -> Float[np.ndarray, " sample"]:
        """The surprise of the rarest latent of each code, to the class that it surprises least, in nats; ≥ 0.

        Args:
            z: codes, exactly 0 where a latent is off.

        Raises:
            InputError: if the codes have other latents or are not finite.
        """
        if z.ndim != 2 or z.shape[1] != len(self.scale) or not np.isfinite(z).all():
            finite = "finite" if np.isfinite(z).all() else "not finite"
            raise InputError(
                f"'z' of Plausibility.score must be finite codes [sample, {len(self.scale)}], got shape {z.shape}, "
                f"{finite}. Give a row a code, as of Codes.values()."
            )
        return np.asarray(np.min([_rarest(pattern.surprise(z / self.scale)) for pattern in self.patterns], axis=0))

    def inside(self, z: Real[np.ndarray, "sample latent"]) -> Bool[np.ndarray, " sample"]:
        """Which codes are among the data: those that surprise by no more than the limit."""
        return np.asarray(self.score(z) <= self.limit)


@dataclass(frozen=True, eq=False)
class Pattern:
    """Sums over the samples of a class, from which one sample can be taken out again.

    Attributes:
        n: number of samples.
        n_on: how many of them have a latent on.
        total: sum of its values, in units of its scale.
        squares: sum of their squares.

    The last three have a row for each sample scored, or one for all of them.
    """

    n: int
    n_on: Int[np.ndarray, "#sample latent"]
    total: Float[np.ndarray, "#sample latent"]
    squares: Float[np.ndarray, "#sample latent"]

    @classmethod
    def of(cls, z: SampleLatent) -> "Pattern":
        """The pattern of some samples."""
        return cls(len(z), *(part.sum(axis=0, keepdims=True) for part in (z != 0, z, z**2)))

    def without(self, z: SampleLatent) -> "Pattern":
        """For each of the pattern's own samples, the pattern that the others make."""
        return replace(self, n=self.n - 1, n_on=self.n_on - (z != 0), total=self.total - z, squares=self.squares - z**2)

    def surprise(self, z: SampleLatent) -> SampleLatent:
        """The surprise of each latent, in nats; ≥ 0."""
        weight = self.n_on + 1  # of the samples and the prior: also the degrees of freedom
        mean = self.total / weight
        squares = 1 + self.squares - self.total * mean  # about the mean, with the prior's own
        spread = squares * (weight + 1) / weight  # of the next value: its scale² times the degrees of freedom
        fall = (weight + 1) / 2 * np.log1p((z - mean) ** 2 / spread)
        probs = weight / (self.n + 2)
        return np.where(z != 0, fall - np.log(probs), -np.log1p(-probs))


def _rarest(surprise: SampleLatent) -> Float[np.ndarray, " sample"]:
    return np.asarray(surprise.max(axis=1))
