"""`Codes`: what a model says about a whole data set, as arrays. Left of it is torch, right of it is NumPy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Integer, Real

from cospike._arrays import default_names, name_rows, to_array, to_labels
from cospike._errors import InputError, check_type
from cospike._types import UNLABELLED, ClassLatent, Labels, SampleLatent, SampleLatentMask

ACTIVE_THRESHOLD = 0.5

_RANGES = {
    "active_probs": (0.0, 1.0, "They are probabilities."),
    "prior_probs": (0.0, 1.0, "They are probabilities."),
    "slab_scale": (1e-30, 1e15, "They are standard deviations, whose squares float32 must hold."),
    "slab_loc": (-1e15, 1e15, "Scale them: float32 must hold their squares."),
}


@dataclass(frozen=True, eq=False)
class Codes:
    """The posterior of every sample, its label, and the prior that it was trained against.

    Attributes:
        active_probs: P(latent ≠ 0 | x), the paper's γ.
        slab_loc: mean of the slab, the value a latent takes when it is active.
        slab_scale: standard deviation of the slab, > 0.
        labels: class index of each sample; −1 where it is not known.
        class_names: name of each class index.
        prior_probs: P(latent ≠ 0) under the prior, α.
        reconstruction: −ln p(x | z) of one exact draw of the code, in nats a sample; None where it is not known.

    Raises:
        InputError: if the shapes disagree or a label has no name.

    >>> codes = Codes(
    ...     active_probs=np.array([[0.9, 0.1]]), slab_loc=np.array([[2.0, 1.0]]), slab_scale=np.ones((1, 2)),
    ...     labels=np.array([0]), class_names=("zero",), prior_probs=np.full(2, 0.01),
    ... )
    >>> codes.values()
    array([[2., 0.]])
    """

    active_probs: SampleLatent
    slab_loc: SampleLatent
    slab_scale: SampleLatent
    labels: Labels
    class_names: tuple[str, ...]
    prior_probs: Float[np.ndarray, " latent"]
    reconstruction: Float[np.ndarray, " sample"] | None = None

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        _check_part("active_probs", self.active_probs, None)
        shape = self.active_probs.shape
        expected = {"slab_loc": shape, "slab_scale": shape, "labels": shape[:1]}
        expected |= {"prior_probs": shape[1:], "reconstruction": shape[:1]}
        for name, size in expected.items():
            if (part := getattr(self, name)) is not None or name != "reconstruction":
                _check_part(name, part, size)
        check_type(self.class_names, Iterable, "class_names", "Codes", "names in a tuple", "Name each class once.")
        if not np.issubdtype(self.labels.dtype, np.integer):
            raise InputError(f"'labels' of Codes must be integers, got {self.labels.dtype}.")
        if len(self.labels) and not UNLABELLED <= self.labels.min() <= self.labels.max() < len(self.class_names):
            raise InputError(
                f"'labels' of Codes must lie in -1 … {len(self.class_names) - 1} (-1: unlabelled), "
                f"got {self.labels.min()} … {self.labels.max()}."
            )

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.labels)

    @property
    def n_latents(self) -> int:
        """Number of latents."""
        return int(self.active_probs.shape[1])

    @property
    def n_classes(self) -> int:
        """Number of named classes."""
        return len(self.class_names)

    def active(self, threshold: float = ACTIVE_THRESHOLD) -> SampleLatentMask:
        """Which latents are active: active_probs above ``threshold``."""
        return np.asarray(self.active_probs > threshold)

    def sample_active(self, seed: int = 0) -> SampleLatentMask:
        """Spikes drawn exactly: on with probability active_probs, so a γ of .49 is on half the time."""
        uniform = np.random.default_rng(seed).random(self.active_probs.shape, dtype=np.float32)
        return np.asarray(uniform < self.active_probs)

    def values(self, active: Bool[np.ndarray, "sample latent"] | None = None) -> SampleLatent:
        """The codes: the slab's mean where ``active`` (default: `active()`), exactly 0 elsewhere."""
        return np.where(self.active() if active is None else active, self.slab_loc, 0)

    def class_means(self, values: SampleLatent | SampleLatentMask | None = None) -> ClassLatent:
        """Mean over each class of ``values`` (default: active_probs); NaN for a class without samples."""
        rows = self.active_probs if values is None else values
        order = np.argsort(self.labels, kind="stable")
        ends = np.searchsorted(self.labels[order], np.arange(self.n_classes + 1))  # unlabelled rows stand before all
        sums = np.zeros((self.n_classes, rows.shape[1]))
        for label, (start, end) in enumerate(pairwise(ends)):  # many times faster than np.add.at
            sums[label] = rows[order[start:end]].sum(axis=0, dtype=float)
        counts = self.class_counts()[:, None]
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)

    def class_counts(self) -> Int[np.ndarray, " class"]:
        """Number of samples of each class."""
        return np.bincount(self.labels[self.labels != UNLABELLED], minlength=self.n_classes)

    def select(self, rows: Int[np.ndarray, " row"] | Bool[np.ndarray, " sample"] | slice) -> "Codes":
        """The codes of some samples."""
        per_sample = ("active_probs", "slab_loc", "slab_scale", "labels", "reconstruction")
        return replace(self, **{name: part[rows] for name in per_sample if (part := getattr(self, name)) is not None})

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays, none of which needs pickle, for one `.npz` file."""
        arrays = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: np.asarray(part) for name, part in arrays.items() if part is not None}

    @classmethod
    def from_values(
        cls,
        values: Real[np.ndarray, "sample latent"],
        labels: Integer[np.ndarray, " sample"] | None = None,
        *,
        class_names: Sequence[str] | None = None,
    ) -> "Codes":
        """Codes of any other library, as far as an array can tell: a latent is active where it is not exactly 0.

        Args:
            values: one code a row. Of codes without exact zeros every latent is always on: set to 0 what your
                method counts as off.
            labels: class index of each row, −1 where it is not known; default: of none.
            class_names: default: the indices.

        Returns:
            Codes whose posterior is certain, with the slab at the value (of unit width, which nothing measures), and
            the use of each latent as its prior.

        >>> codes = Codes.from_values(np.array([[0.0, 2.5], [1.0, 0.0]]), np.array([0, 1]))
        >>> codes.active().tolist(), codes.class_names
        ([[False, True], [True, False]], ('0', '1'))
        """
        of = "Codes.from_values"
        values = to_array(values, "values", of)
        if values.ndim != 2 or values.dtype.kind not in "fiub":
            got, fix = f"{values.dtype} of shape {values.shape}", "Give a matrix with a row a sample."
            raise InputError(f"'values' of {of} must be numbers [sample, latent], got {got}. {fix}")
        if (bad := np.flatnonzero(~np.isfinite(values).all(axis=1))).size:
            got = f"NaN or infinity in {name_rows(bad)}"
            raise InputError(f"'values' of {of} must be finite, got {got}. Fill or drop them.")
        labels = np.full(len(values), UNLABELLED) if labels is None else to_labels(labels, len(values), "labels", of)
        names = default_names(labels, "labels", of) if class_names is None else class_names
        check_type(names, Iterable, "class_names", of, "names of the classes, in a list", "Name each class once.")
        active = np.asarray(values != 0, dtype=float)
        return cls(
            active_probs=active,
            slab_loc=np.asarray(values, dtype=float),
            slab_scale=np.ones_like(active),
            labels=labels,
            class_names=tuple(map(str, names)),
            prior_probs=active.mean(axis=0).clip(1e-6, 1 - 1e-6) if len(active) else np.full(active.shape[1:], 0.5),
        )

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Codes":
        """The inverse of `to_arrays`."""
        parts: dict[str, Any] = {**arrays, "class_names": tuple(map(str, arrays["class_names"]))}
        return cls(**parts)


def _check_part(name: str, part: Any, size: tuple[int, ...] | None) -> None:
    """Refuse what is no array of plain numbers of the shape ``size`` (a matrix, if that is not known) in its range."""
    check_type(part, np.ndarray, name, "Codes", "an array", "np.asarray makes one; see also Codes.from_values.")
    if part.dtype.kind not in "fiub" or isinstance(part, np.ma.MaskedArray):
        got = "a masked array" if isinstance(part, np.ma.MaskedArray) else str(part.dtype)
        raise InputError(f"'{name}' of Codes must be plain numbers, got {got}. Fill or convert them.")
    if size is None and part.ndim != 2:
        raise InputError(f"'{name}' of Codes must be [sample, latent], got shape {part.shape}.")
    if size not in (None, part.shape):
        raise InputError(f"'{name}' of Codes must have shape {size} to match active_probs, got {part.shape}.")
    if not part.size:
        return
    low, high = float(part.min()), float(part.max())  # a mask would be as large as a code
    if not np.isfinite([low, high]).all():
        raise InputError(f"'{name}' of Codes must be finite, got NaN or infinity. Did the training diverge?")
    lowest, highest, fix = _RANGES.get(name, (-np.inf, np.inf, ""))
    if not lowest <= low <= high <= highest:
        raise InputError(f"'{name}' of Codes must lie in {lowest:g} … {highest:g}, got {low:.4g} … {high:.4g}. {fix}")


def check_codes(codes: object, of: str, argument: str = "codes") -> None:
    """Refuse what is no `Codes`: an array has no labels, without which nothing can be said of classes."""
    fix = "Codes.from_values(array, labels) makes them of an array."
    check_type(codes, Codes, argument, of, "Codes", fix)
