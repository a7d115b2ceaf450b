"""Data with known causes, drawn on demand: what a model should find, to hold against what it found.

`make_shapes`: images whose causes act on all classes (position, thickness, …), on one category, or on one class
alone. `make_sparse_linear`: sums of a few directions, of which each class has its own selection. `measure_recovery`
and `support_f1` judge codes against the causes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64
from scipy.special import ndtr

from cospike._errors import InputError
from cospike.shapes import CATEGORIES, GLOBAL, SHAPES, Values, draw_shapes

CauseKind: TypeAlias = Literal["global", "group", "class-specific"]


@dataclass(frozen=True, eq=False)
class Cause:
    """One thing that varies, and where.

    Attributes:
        name: what it is called.
        kind: "global" (it acts in all classes), "group" (in some) or "class-specific" (in one), as the kinds of
            latents that `cospike.kinds.latent_kinds` tells apart.
        classes: the class indices that it acts in.
        values: its value in each sample; NaN where it does not act.
    """

    name: str
    kind: CauseKind
    classes: tuple[int, ...]
    values: Float[np.ndarray, " sample"]


@dataclass(frozen=True, eq=False)
class Synthetic:
    """Samples and all that caused them.

    Attributes:
        x: one row a sample; images have the shape 1 × side × side and grey levels in 0 … 1.
        labels: the class index that a model is told.
        true_labels: the class index that the sample was made from; differs by ``label_noise`` alone.
        class_names: name of each class index.
        categories: category of each class index.
        causes: what varies within the classes.
    """

    x: Float32[np.ndarray, "sample *event"]
    labels: Int64[np.ndarray, " sample"]
    true_labels: Int64[np.ndarray, " sample"]
    class_names: tuple[str, ...]
    categories: tuple[str, ...]
    causes: tuple[Cause, ...]

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.labels)

    @property
    def z(self) -> Float[np.ndarray, "sample cause"]:
        """The ideal code: the value of each cause, exactly 0 where it does not act."""
        return np.asarray(np.nan_to_num(np.stack([cause.values for cause in self.causes], axis=1)))

    @property
    def support(self) -> Bool[np.ndarray, "class cause"]:
        """Which causes act in which classes."""
        classes = np.arange(len(self.class_names))
        return np.array([np.isin(classes, cause.classes) for cause in self.causes]).T


def make_shapes(
    n: int,
    *,
    seed: int | np.random.Generator = 0,
    side: int = 28,
    imbalance: float = 1.0,
    label_noise: float = 0.0,
    correlation: float = 0.0,
) -> Synthetic:
    """Grey images of eight classes of strokes in three categories, with 15 known causes.

    Global: x, y, the thickness of the strokes and the grey level of the background. Of a category: the aspect of
    round shapes (at equal area), the rotation of stars, the slant of bars. Of a class: see their names. All are
    uniform on −1 … 1 (of the range drawn) and independent, but for ``correlation``; six act on each image.

    Args:
        n: number of images.
        seed: of every draw; the same images whatever the label noise.
        side: height and width in pixels; the drawing scales with it.
        imbalance: how many times more frequent the first class is than the last; in between geometrically.
        label_noise: the expected share of labels that name another class, drawn uniformly.
        correlation: Pearson correlation of any two global causes, 0 … 1 (a Gaussian copula).

    Raises:
        InputError: for a setting outside its range.

    >>> shapes = make_shapes(100)
    >>> shapes.x.shape, len(shapes.class_names), [cause.name for cause in shapes.causes[:5]]
    ((100, 1, 28, 28), 8, ['x', 'y', 'thickness', 'background', 'aspect'])
    """
    _check_draw("make_shapes", n, seed)
    _check_knobs(side, imbalance, label_noise, correlation)
    rng, names = np.random.default_rng(seed), tuple(SHAPES)
    frequency = imbalance ** -np.linspace(0, 1, len(names))
    labels = rng.choice(len(names), n, p=frequency / frequency.sum())
    values = Values(_correlated_uniform(rng, (n, len(GLOBAL)), correlation), *rng.uniform(-1, 1, (2, n)))
    told = (labels + (rng.random(n) < label_noise) * rng.integers(1, len(names), n)) % len(names)
    return Synthetic(
        x=draw_shapes(labels, values, side),
        labels=told,
        true_labels=labels,
        class_names=names,
        categories=tuple(shape.category for shape in SHAPES.values()),
        causes=_shape_causes(labels, values),
    )


def make_sparse_linear(n: int, *, seed: int | np.random.Generator = 0, snr: float = 20.0) -> Synthetic:
    """Rows of 64 numbers, x = z D + noise, with four of 32 latents active in each: z is the code to be found.

    Four categories of four classes have eight latents each: one of each class's own, and four of the category's, of
    which each class leaves out another. So a latent is global nowhere, and each of the category's is pinned down by
    the three classes that it alone is common to: knowing the classes, z is identified up to order and sign. An active
    latent is ± a magnitude uniform in ½ … 1½, so that it is never a small number that might as well be 0. The
    directions D are random, of unit mean square, and the same for every seed, so that a model that was trained on one
    draw can code another; the classes are equally frequent.

    Args:
        n: number of rows.
        seed: of everything but D.
        snr: signal to noise ratio in decibels, of the expected powers.

    Raises:
        InputError: for a setting outside its range.

    >>> rows = make_sparse_linear(100)
    >>> rows.x.shape, rows.support.shape, set((rows.z != 0).sum(axis=1).tolist())
    ((100, 64), (16, 32), {4})
    """
    _check_draw("make_sparse_linear", n, seed)
    _check("make_sparse_linear", "snr", snr, bool(np.isfinite(snr)), expected="finite decibels", fix="20 is 100 : 1.")
    rng = np.random.default_rng(seed)
    support = np.kron(np.eye(4, dtype=bool), np.hstack([~np.eye(4, dtype=bool), np.eye(4, dtype=bool)]))
    labels = rng.integers(len(support), size=n)
    values = rng.choice([-1.0, 1.0], (n, support.shape[1])) * rng.uniform(0.5, 1.5, (n, support.shape[1]))
    directions = np.random.default_rng(0).normal(size=(support.shape[1], 64))
    directions /= np.sqrt(np.mean(directions**2, axis=1, keepdims=True))
    power = 4 * (1 + 1 / 12)  # of four latents of mean square 1 + 1/12, along directions of unit mean square
    noise = rng.normal(0, np.sqrt(power) * 10 ** (-snr / 20), (n, 64))
    causes = [
        _cause(f"latent {k}", "group" if used.sum() > 1 else "class-specific", np.flatnonzero(used).tolist(), labels, z)
        for k, (used, z) in enumerate(zip(support.T, values.T, strict=True))
    ]
    return Synthetic(
        x=(np.where(support[labels], values, 0) @ directions + noise).astype(np.float32),
        labels=labels,
        true_labels=labels,
        class_names=tuple(f"{category}{member}" for category in "abcd" for member in range(4)),
        categories=tuple(category for category in "abcd" for _ in range(4)),
        causes=tuple(causes),
    )


SYNTHETIC: dict[str, Callable[..., Synthetic]] = {"shapes": make_shapes, "sparse-linear": make_sparse_linear}
"""What `load_dataset` can draw, by name."""

SPLITS = {"train": (20_000, 0), "validation": (4_000, 1), "test": (4_000, 2)}
"""Rows and seed of each split of a set that is loaded by name: ``make_shapes(4_000, seed=2)`` is its test rows."""


def _shape_causes(labels: Int64[np.ndarray, " sample"], values: Values) -> tuple[Cause, ...]:
    classes = range(len(SHAPES))
    categories = [shape.category for shape in SHAPES.values()]
    shared = [_cause(cause.name, "global", classes, labels, values.shared[:, k]) for k, cause in enumerate(GLOBAL)]
    of_categories = [
        _cause(cause.name, "group", [k for k in classes if categories[k] == category], labels, values.of_category)
        for category, cause in CATEGORIES.items()
    ]
    own = [
        _cause(shape.own.name, "class-specific", [k], labels, values.of_class)
        for k, shape in enumerate(SHAPES.values())
    ]
    return (*shared, *of_categories, *own)


def _cause(
    name: str,
    kind: CauseKind,
    classes: Iterable[int],
    labels: Int64[np.ndarray, " sample"],
    values: Float[np.ndarray, " sample"],
) -> Cause:
    """A cause whose values count in some classes only."""
    indices = tuple(classes)
    return Cause(name, kind, indices, np.where(np.isin(labels, indices), values, np.nan))


def _correlated_uniform(
    rng: np.random.Generator, size: tuple[int, int], correlation: float
) -> Float[np.ndarray, "sample cause"]:
    """Columns uniform on −1 … 1, any two of the given Pearson correlation.

    Φ of two normals of correlation r have the correlation (6/π) arcsin(r/2) (W. H. Kruskal, Ordinal measures of
    association, JASA 1958), here solved for r.
    """
    r = 2 * np.sin(np.pi / 6 * correlation)
    common, own = rng.normal(size=(size[0], 1)), rng.normal(size=size)
    return np.asarray(2 * ndtr(np.sqrt(r) * common + np.sqrt(1 - r) * own) - 1)


def _check(of: str, argument: str, value: object, passes: bool, *, expected: str, fix: str) -> None:
    if not passes:
        raise InputError(f"'{argument}' of {of} must be {expected}, got {value!r}. {fix}")


def _check_draw(of: str, n: int, seed: int | np.random.Generator) -> None:
    _check(of, "n", n, n >= 1, expected="at least 1", fix="Give the number of rows.")
    fine = isinstance(seed, np.random.Generator) or seed >= 0
    _check(of, "seed", seed, fine, expected="at least 0, or a generator", fix="Give a whole number.")


def _check_knobs(side: int, imbalance: float, label_noise: float, correlation: float) -> None:
    for argument, value, passes, expected, fix in (
        ("side", side, side >= 8, "at least 8 pixels", "Smaller, the shapes are blots."),
        ("imbalance", imbalance, 1 <= imbalance < np.inf, "a ratio of at least 1", "1 is balanced."),
        ("label_noise", label_noise, 0 <= label_noise < 1, "a share in [0, 1)", "0 is without."),
        ("correlation", correlation, 0 <= correlation <= 1, "in 0 … 1", "0 is independent."),
    ):
        _check("make_shapes", argument, value, passes, expected=expected, fix=fix)
