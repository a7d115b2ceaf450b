"""What a latent goes with, among attributes that can be measured. Arrays only.

Within a class, and over the samples in which the latent is active: the rank correlation (Spearman) of its value with
the attribute. A latent that is on in one class only would go with everything that tells classes apart; within a class
it does not. Many pairs are looked at, so that p-values are corrected over all of them (Benjamini, Hochberg, 1995).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy.stats import false_discovery_control, rankdata
from scipy.stats import t as student

from cospike._arrays import to_array
from cospike._errors import InputError, check_number, check_type
from cospike.codes import ACTIVE_THRESHOLD, Codes, check_codes

MIN_SAMPLES = 20
"""Active samples of a class with a known value, from which a correlation is taken."""

WORTH_A_NAME = 0.3
"""|rho|, or the size of a change in standard deviations, from which a latent is named after an attribute."""

STRONG = 0.6
"""The |rho| from which a class counts among those in which a latent, or a direction, goes with an attribute."""


@dataclass(frozen=True)
class Association:
    """A latent and an attribute.

    Attributes:
        latent: index of the latent.
        attribute: name of the attribute.
        rho_by_class: Spearman's ρ within each class, −1 … 1; NaN where the class has too few samples or none vary.
        significant_by_class: whether it differs from 0, false discoveries held at 5 % over all pairs and classes.
        rho: mean over the classes where it is known, each with the weight of its samples.
        n_classes: in how many classes |ρ| is strong (`STRONG`, by default), significantly, with the sign of ``rho``.
    """

    latent: int
    attribute: str
    rho_by_class: tuple[float, ...]
    significant_by_class: tuple[bool, ...]
    rho: float
    n_classes: int


def associate(
    codes: Codes,
    attributes: Mapping[str, Shaped[np.ndarray, " sample"]],
    *,
    threshold: float = ACTIVE_THRESHOLD,
    strong: float = STRONG,
) -> tuple[Association, ...]:
    """Every latent with every attribute, as far as they can be compared; the strongest first.

    Args:
        codes: held-out codes.
        attributes: measured on the same samples in the same order; NaN where there is nothing to measure.
        threshold: a latent is active where its active_probs are above it.
        strong: the |ρ| from which a class counts in ``n_classes``.

    Raises:
        InputError: if an attribute is of other samples, or no number.

    >>> rng = np.random.default_rng(0)
    >>> size = rng.normal(size=60)
    >>> codes = Codes.from_values(np.stack([np.exp(size), rng.normal(size=60)], axis=1), np.repeat([0, 1], 30))
    >>> best = associate(codes, {"size": size})[0]
    >>> best.latent, best.rho_by_class, best.n_classes
    (0, (1.0, 1.0), 2)
    """
    of = "associate"
    numbers = check_attributes(codes, attributes, of)
    check_number(threshold, "threshold", of)
    check_number(strong, "strong", of)
    if not numbers:
        return ()
    names, active = tuple(numbers), codes.active(threshold)
    table = np.stack(list(numbers.values()), axis=1)
    shape = (codes.n_latents, len(names), codes.n_classes)
    rho, n = np.full(shape, np.nan), np.zeros(shape)
    for label in range(codes.n_classes):
        rows = np.flatnonzero(codes.labels == label)
        for latent in np.flatnonzero(active[rows].sum(axis=0) >= MIN_SAMPLES):
            on = rows[active[rows, latent]]
            known = np.isfinite(table[on])
            n[latent, :, label] = known.sum(axis=0)
            for group in np.unique(known, axis=1).T:  # of attributes that are known in the same samples
                columns = (known == group[:, None]).all(axis=0)
                if group.sum() >= MIN_SAMPLES:
                    used = on[group]
                    rho[latent, columns, label] = spearman(codes.slab_loc[used, latent], table[used][:, columns])
    significant = _significant(rho, n)
    found = [
        _association(latent, name, rho[latent, k], significant[latent, k], n[latent, k], strong)
        for latent in range(codes.n_latents)
        for k, name in enumerate(names)
        if np.isfinite(rho[latent, k]).any()
    ]
    return tuple(sorted(found, key=lambda one: -abs(one.rho)))


def check_attributes(
    codes: Codes, attributes: Mapping[str, Shaped[np.ndarray, " sample"]], of: str
) -> dict[str, Float[np.ndarray, " sample"]]:
    """The attributes as floating-point numbers, once they are known to be of the samples of ``codes``.

    Raises:
        InputError: if they are not, or the two are of a wrong type; it speaks of the arguments of ``of``.
    """
    check_codes(codes, of)
    check_type(attributes, Mapping, "attributes", of, "numbers by name", 'Give {"name": array}.')
    checked = {name: to_array(values, f"attributes[{name!r}]", of) for name, values in attributes.items()}
    for name, values in checked.items():
        if values.shape != (len(codes),) or values.dtype.kind not in "fiub":
            raise InputError(
                f"'attributes' of {of} must be a number for each of the {len(codes)} samples of codes, got "
                f"{values.dtype} of shape {values.shape} for {name!r}. Measure the split that was encoded."
            )
    return {name: values.astype(float) for name, values in checked.items()}


def _association(
    latent: int,
    attribute: str,
    rho: Float[np.ndarray, " class"],
    significant: Bool[np.ndarray, " class"],
    n: Float[np.ndarray, " class"],
    strong: float,
) -> Association:
    known = np.isfinite(rho)
    mean = float(np.average(rho[known], weights=n[known]))
    with np.errstate(invalid="ignore"):
        counts = significant & (np.sign(mean) * rho >= strong)
    return Association(
        latent, attribute, tuple(map(float, rho)), tuple(map(bool, significant)), mean, int(counts.sum())
    )


def spearman(x: Shaped[np.ndarray, " row"], columns: Float[np.ndarray, "row column"]) -> Float[np.ndarray, " column"]:
    """The rank correlation of x with each column; NaN where one of the two does not vary."""
    a, b = (rankdata(values, axis=0) - (len(values) + 1) / 2 for values in (x, columns))
    norm = np.sqrt((a @ a) * np.square(b).sum(axis=0))
    return np.asarray(np.clip(np.divide(a @ b, norm, out=np.full(len(norm), np.nan), where=norm > 0), -1, 1))


def _significant(rho: Float[np.ndarray, "*axes"], n: Float[np.ndarray, "*axes"]) -> Bool[np.ndarray, "*axes"]:
    """Student's t of the ranks, two-sided; what is not known is not significant, and costs the others nothing."""
    known = np.isfinite(rho)
    result = np.zeros(rho.shape, dtype=bool)
    if known.any():
        r, degrees = rho[known], n[known] - 2
        with np.errstate(divide="ignore"):
            t = np.abs(r) * np.sqrt(degrees / (1 - r**2))
        result[known] = false_discovery_control(2 * student.sf(t, degrees)) <= 0.05
    return result
