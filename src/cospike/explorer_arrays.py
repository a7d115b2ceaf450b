"""The arrays of `explorer_data`: of classes and latents, of what leaves the data, and of samples.

Classes are those shown, latents are by their index, samples are those of `previews.npz`. What is not known is NaN.
"""

import math

import numpy as np
from jaxtyping import Float, UInt8

from cospike._types import ClassLatent, SampleLatent
from cospike.factors import Factor
from cospike.plausibility import Plausibility
from cospike.report_figures import RunView

_FEW, _EDGE = 5, 0.01  # active samples, of fewer no range is told; the quantiles at both ends of one
_DEAD_RANGE = 3.0  # of a latent that tells no range by itself: three standard deviations of its prior
_SAMPLES_PER_CHANGE = 200
_STEPS = 127  # of a change: the largest int8


def arrays_of(view: RunView) -> dict[str, np.ndarray]:
    """The arrays, by name."""
    index = view.previews["index"].astype(np.int32)
    samples = view.codes.select(index)
    arrays: dict[str, np.ndarray] = {
        **_use_by_class(view),
        **_patterns(view),
        **_ranges(view),
        **_surprise(view.data),
        **_changes(view),
        "index": index,
        "labels": samples.labels.astype(np.int32),
        "active_probs": probs_to_bytes(samples.active_probs),
        "slab_loc": samples.slab_loc,
        "x": _samples(view),
    }
    return {name: array.astype(np.float32) if array.dtype.kind == "f" else array for name, array in arrays.items()}


def probs_to_bytes(probs: SampleLatent) -> UInt8[np.ndarray, "sample latent"]:
    """Probabilities in 256 steps, so that a latent is active exactly where it has 128 or more.

    >>> probs_to_bytes(np.array([[0.0, 0.5, 0.5001, 1.0]]))
    array([[  0, 127, 128, 255]], dtype=uint8)
    """
    return np.asarray(np.maximum(np.ceil(probs.astype(float) * 256) - 1, 0), dtype=np.uint8)


def _use_by_class(view: RunView) -> dict[str, ClassLatent]:
    factors = sorted(view.factors, key=lambda factor: factor.latent)
    names = ("active_by_class", "active_low", "active_high")
    return {name: np.array([getattr(factor, name) for factor in factors]).T[view.classes] for name in names}


def _patterns(view: RunView) -> dict[str, ClassLatent]:
    """Of the classes shown; nothing of a model that has none."""
    if (patterns := view.model.class_patterns) is None:
        return {}
    parts = {"pattern_probs": patterns.active_probs, "pattern_loc": patterns.loc, "pattern_scale": patterns.scale}
    return {name: part.cpu().numpy()[view.classes] for name, part in parts.items()}


def _ranges(view: RunView) -> dict[str, np.ndarray]:
    """The values that a latent takes where it is active: in each class, and as far as a slider may go on request."""
    codes, active = view.codes, view.codes.active()
    by_class = np.empty((2, codes.n_classes, codes.n_latents))
    widest = np.empty((2, codes.n_latents))
    for factor in view.factors:
        on = np.flatnonzero(active[:, factor.latent])
        values, labels = codes.slab_loc[on, factor.latent].astype(float), codes.labels[on]
        by_class[:, :, factor.latent] = np.array(_range(values))[:, None]
        for label in range(codes.n_classes):
            if len(own := values[labels == label]) >= _FEW:
                by_class[:, label, factor.latent] = _range(own)
        widest[:, factor.latent] = _widest(values, factor)
    return {
        "class_low": by_class[0],
        "class_high": by_class[1],
        "latent_low": widest[0],
        "latent_high": widest[1],
    }


def _range(values: Float[np.ndarray, " sample"]) -> tuple[float, float]:
    """All but the last hundredth at each end; of a latent that is never active one standard deviation of its prior."""
    if not len(values):
        return -1.0, 1.0
    low, high = map(float, np.quantile(values, (_EDGE, 1 - _EDGE)))
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _widest(values: Float[np.ndarray, " sample"], factor: Factor) -> tuple[float, float]:
    """Half the range more at each end, and at least a standard deviation of the prior; some room for a dead latent."""
    if factor.kind == "dead":
        values = np.append(values, (-_DEAD_RANGE, _DEAD_RANGE))
        return float(values.min()), float(values.max())
    low, high = float(values.min()), float(values.max())
    more = max((high - low) / 2, 1.0)
    return low - more, high + more


def _surprise(data: Plausibility) -> dict[str, np.ndarray]:
    """The sums from which `Plausibility` scores a code."""
    return {
        "surprise_n": np.array([pattern.n for pattern in data.patterns], dtype=np.int32),
        "surprise_on": np.concatenate([pattern.n_on for pattern in data.patterns]).astype(np.int32),
        "surprise_total": np.concatenate([pattern.total for pattern in data.patterns]),
        "surprise_squares": np.concatenate([pattern.squares for pattern in data.patterns]),
        "surprise_scale": data.scale,
    }


def _changes(view: RunView) -> dict[str, np.ndarray]:
    """What each latent changes of the output, in steps of which the largest change of a latent has 127."""
    n_latents = view.model.n_latents
    changes, scales = np.zeros((n_latents, math.prod(view.model.shape)), dtype=np.int8), np.zeros(n_latents)
    for factor in view.factors:
        if factor.kind != "dead":
            change = mean_change(view, factor)
            scales[factor.latent] = scale = float(np.abs(change).max())
            if scale > 0:
                changes[factor.latent] = np.round(change / scale * _STEPS)
    return {"change": changes, "change_scale": scales}


def mean_change(view: RunView, factor: Factor) -> Float[np.ndarray, " entry"]:
    """The output with a latent less without it, mean over samples where it is active.

    Of a latent that is always on, it is the output at the high end of its range less that at the low one.
    """
    active = view.codes.active()
    rows = np.random.default_rng(0).permutation(np.flatnonzero(active[:, factor.latent]))[:_SAMPLES_PER_CHANGE]
    without, given = (np.where(active[rows], view.codes.slab_loc[rows], 0.0) for _ in range(2))
    without[:, factor.latent] = 0.0
    if factor.kind == "always-on":
        without[:, factor.latent], given[:, factor.latent] = factor.low, factor.high
    before, after = (view.model.decode_mean(z).mean(axis=0, dtype=float) for z in (without, given))
    return np.asarray(after - before).reshape(-1)


def _samples(view: RunView) -> np.ndarray:
    """Those of the run; of images as grey levels, as far as a picture shows them."""
    x = view.previews["x"]
    if not view.are_images:
        return x.astype(np.float32)
    low, high = view.picture_range
    levels = np.clip((x.astype(float) - low) / max(high - low, 1e-12), 0, 1)
    return np.asarray(np.round(255 * levels), dtype=np.uint8)
