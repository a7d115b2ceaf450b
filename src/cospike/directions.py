"""`block_directions()`: which direction of the always-on latents an attribute follows. Arrays only.

The prior of latents that are always on is N(0, I), which is the same in all axes. So it is a convention which of them
tells thickness, and several may tell it together; the direction in which they do is none. With z the slab means of the
block and r the rank of the attribute within its class, scaled to 0 … 1, it is that of least squares within classes,

    w ∝ argmin_w Σ_y Σ_{n|y} ((r_n − r̄_y) − wᵀ(z_n − z̄_y))²,

for which classes may differ in their means as they like. Ranks, since the judge is a rank correlation (Spearman), and
since areas and lengths are skewed: a few extreme samples would turn the direction, and a class in which the attribute
varies most would decide it for all. Of latents that say the same, the shortest solution takes equal parts.

A direction that was fitted suits the samples that it was fitted to, and the more so the more latents there are. So
each half of the samples is judged by the direction of the other half. The interval is of the mean of the two, taken
for as wide as that of one: without a true direction both hang on the same chance, with one it is up to √2 too wide. A
class adds the variance of Spearman's ρ (Bonett, Wright, *Sample size requirements for estimating Pearson, Kendall and
Spearman correlations*, Psychometrika 2000).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.stats import norm as normal
from scipy.stats import rankdata

from cospike._errors import InputError, check_number
from cospike._types import Labels
from cospike.associations import MIN_SAMPLES, STRONG, check_attributes, spearman
from cospike.codes import Codes
from cospike.intervals import Estimate
from cospike.kinds import latent_kinds

_TELLS = 0.1  # a latent whose means vary by less, in scales of its slab, is at its prior: a weight on it is noise

WORTH_A_PART = 0.2
"""|weight| from which a latent is said to be a part of a direction."""


@dataclass(frozen=True)
class Direction:
    """The direction of the always-on latents that an attribute follows within classes.

    Attributes:
        attribute: name of the attribute.
        latents: indices of the always-on latents, but for those at their prior.
        weights: of each, fitted on all samples; a vector of length 1 along which the attribute grows.
        rho: Spearman's ρ of the attribute with z·w, each half of the samples judged by the direction of the other:
            mean over the classes where it is known, each with the weight of its samples; with its 95 % interval, of
            other samples.
        rho_by_class: the same within each class; NaN where it has too few samples or the attribute does not vary.
        n_classes: in how many classes it is strong (from `STRONG`).
        n_judged: of how many, those in which it is known.
        best_latent: the one of the latents that follows the attribute best by itself.
        best_latent_rho: its ρ, signed, over the same classes. It is the best of several on the samples that judge
            it, and so on the high side where there is little to follow.
    """

    attribute: str
    latents: tuple[int, ...]
    weights: tuple[float, ...]
    rho: Estimate
    rho_by_class: tuple[float, ...]
    n_classes: int
    n_judged: int
    best_latent: int
    best_latent_rho: float

    @property
    def parts(self) -> dict[int, float]:
        """The latents it is made of, largest first: those with a weight of `WORTH_A_PART` and more, and the weights."""
        known = {latent: w for latent, w in zip(self.latents, self.weights, strict=True) if abs(w) >= WORTH_A_PART}
        return dict(sorted(known.items(), key=lambda one: -abs(one[1])))


def block_directions(
    codes: Codes, attributes: Mapping[str, Shaped[np.ndarray, " sample"]], *, seed: int = 0
) -> tuple[Direction, ...]:
    """For each attribute the direction of the always-on latents that follows it; the strongest first.

    Args:
        codes: held-out codes. Samples without a class, and those in which one of the latents is off, are left out.
        attributes: measured on the same samples in the same order; NaN where there is nothing to measure.
        seed: of the two halves.

    Returns:
        None of an attribute that is not known, and varies, in `MIN_SAMPLES` samples of some class; none at all if
        fewer than two latents are always on.

    Raises:
        InputError: if an attribute is of other samples, or no number.

    >>> rng = np.random.default_rng(0)
    >>> codes = Codes.from_values(rng.normal(size=(400, 3)), np.repeat([0, 1], 200))
    >>> (found,) = block_directions(codes, {"size": codes.slab_loc @ [0.6, 0.0, -0.8]})
    >>> {latent: round(weight, 1) for latent, weight in found.parts.items()}, round(found.rho.value, 2)
    ({2: -0.8, 0: 0.6}, 1.0)
    """
    of = "block_directions"
    numbers = check_attributes(codes, attributes, of)
    check_number(seed, "seed", of, whole=True)
    if seed < 0:
        raise InputError(f"'seed' of {of} must be at least 0, got {seed}. Leave it out for the default.")
    always_on = latent_kinds(codes) == "always-on"
    tells = codes.slab_loc.std(axis=0) >= _TELLS * codes.slab_scale.mean(axis=0)
    latents = np.flatnonzero(always_on & tells)
    if len(latents) < 2:
        return ()
    usable = codes.active()[:, latents].all(axis=1)
    z = codes.slab_loc[:, latents].astype(float)
    found = []
    for name, values in numbers.items():
        known = usable & np.isfinite(values)
        one = _direction(name, latents, z[known], values[known], codes.labels[known], codes.n_classes, seed)
        if one is not None:
            found.append(one)
    return tuple(sorted(found, key=lambda one: -abs(one.rho.value)))


def _direction(
    name: str,
    latents: Int[np.ndarray, " latent"],
    z: Float[np.ndarray, "sample latent"],
    values: Float[np.ndarray, " sample"],
    labels: Labels,
    n_classes: int,
    seed: int,
) -> Direction | None:
    """None if no class can be judged."""
    rng = np.random.default_rng(seed)
    classes = {}
    for label in range(n_classes):
        rows = rng.permutation(np.flatnonzero(labels == label))
        if len(rows) >= MIN_SAMPLES:
            classes[label] = rows
    halves = [[rows[half::2] for rows in classes.values()] for half in (0, 1)]
    first, second, weights = (_fit(z, values, part) for part in (*halves, list(classes.values())))
    if first is None or second is None or weights is None:
        return None
    judged = np.stack([_rho(z @ second, values, halves[0]), _rho(z @ first, values, halves[1])])
    known = np.isfinite(judged).all(axis=0)
    if not known.any():
        return None
    n = np.array([[len(rows) for rows in half] for half in halves])
    by_class = np.full(n_classes, np.nan)
    by_class[list(classes)] = judged.mean(axis=0)
    kept = [rows for rows, judges in zip(classes.values(), known, strict=True) if judges]
    alone = [_mean(_rho(column, values, kept), n.sum(axis=0)[known]) for column in z.T]
    best = int(np.argmax(np.abs(np.nan_to_num(alone))))
    return Direction(
        attribute=name,
        latents=tuple(map(int, latents)),
        weights=tuple(map(float, weights)),
        rho=_estimate(judged[:, known], n[:, known]),
        rho_by_class=tuple(map(float, by_class)),
        n_classes=int(np.count_nonzero(np.nan_to_num(by_class) >= STRONG)),
        n_judged=int(known.sum()),
        best_latent=int(latents[best]),
        best_latent_rho=alone[best],
    )


def _fit(
    z: Float[np.ndarray, "sample latent"], values: Float[np.ndarray, " sample"], classes: list[Int[np.ndarray, "_"]]
) -> Float[np.ndarray, " latent"] | None:
    """Least squares of the ranks within classes, of length 1; None if nothing varies."""
    varying = [rows for rows in classes if np.ptp(values[rows]) > 0]
    if not varying:
        return None
    ranks = np.concatenate([rankdata(values[rows]) / len(rows) for rows in varying])  # to which centring adds nothing
    centred = np.concatenate([z[rows] - z[rows].mean(axis=0) for rows in varying])
    weights = np.linalg.lstsq(centred, ranks, rcond=None)[0]
    length = np.linalg.norm(weights)
    return np.asarray(weights / length) if length > 0 else None


def _rho(
    read: Float[np.ndarray, " sample"], values: Float[np.ndarray, " sample"], classes: list[Int[np.ndarray, "_"]]
) -> Float[np.ndarray, " class"]:
    """Spearman's ρ within each of the classes."""
    return np.array([spearman(read[rows], values[rows, None])[0] for rows in classes])


def _estimate(rho: Float[np.ndarray, "half class"], n: Int[np.ndarray, "half class"]) -> Estimate:
    """The mean, and an interval as wide as that of one half."""
    value, share = _mean(rho.mean(axis=0), n.sum(axis=0)), n.sum(axis=0) / n.sum()
    variance = np.square(1 - rho**2) * (1 + rho**2 / 2) / (n - 3)
    margin = float(normal.ppf(0.975) * np.sqrt(variance @ np.square(share)).mean())
    return Estimate(value, max(value - margin, -1.0), min(value + margin, 1.0))


def _mean(rho: Float[np.ndarray, " class"], n: Int[np.ndarray, " class"]) -> float:
    """Over the classes where it is known, each with the weight of its samples; NaN if it is known in none."""
    known = np.isfinite(rho)
    return float(np.average(rho[known], weights=n[known])) if known.any() else float("nan")
