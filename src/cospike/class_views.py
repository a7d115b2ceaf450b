"""`measure_disentanglement()`: the metrics of `cospike.disentanglement`, from three sides.

- ``pooled``: all samples at once, the class among the factors: what the field reports. A latent of one class tells
  little of a factor over all of them, and latents that share the class leave no gap, so an ideal class-specific code
  scores about 0 on the class and on what varies within it.
- ``class_conditional``: within each class, the factors that act there; then the mean over those classes.
- ``one_vs_rest``: the support, z ≠ 0, against each class by itself: is it this one, or not.

An ideal code, ten classes with a latent of their own and two global latents, 10,000 samples, 20 bins, has a pooled
MIG of .000 (class), .002 (what the latent of the class codes) and .99 (global factors), class-conditional of .93 (what
the latent of the class codes) and one-vs-rest of .96 (class). Show all three, never one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.stats import t as student

from cospike._errors import InputError
from cospike._types import UNLABELLED, Labels, SampleLatent, SampleLatentMask
from cospike.codes import ACTIVE_THRESHOLD, Codes
from cospike.disentanglement import sap, spread
from cospike.disentanglement_table import METRICS
from cospike.metrics import Direction
from cospike.mutual_information import BINS, estimate_information, which_discrete
from cospike.readouts import read_by_forest, read_linearly

View: TypeAlias = Literal["pooled", "class_conditional", "one_vs_rest"]
_Table: TypeAlias = Float[np.ndarray, "problem column"]
_Estimates: TypeAlias = Mapping[str, Float[np.ndarray, " column"]]

_PART = 2 / 3  # of the samples, in a resample: half of them are too few for the spread of plug-in information

_HOW: dict[View, str] = {
    "pooled": "all samples, the class among the factors",
    "class_conditional": "within each class, the factors that act there, then the mean over these classes",
    "one_vs_rest": "z ≠ 0 against each class or the rest",
}


@dataclass(frozen=True)
class Score:
    """One metric in one view.

    Attributes:
        value: mean over the factors (classes in ``one_vs_rest``) or latents that have one.
        unit: "fraction".
        direction: which way is better.
        how: definition, view and estimator.
        stderr: what other samples would change, as a standard deviation; None if not asked for, or undefined in
            some resample.
        view: pooled, class_conditional or one_vs_rest.
        bins: of a continuous factor and of a latent; None if nothing is cut.
        n: number of samples.
        seed: of the halves, the forest and the resamples.
        n_resamples: from how many the standard error is.
        parts: the value of each factor or class by name, or of each latent by its number, that has one.
    """

    value: float
    unit: str
    direction: Direction
    how: str
    stderr: float | None
    view: View
    bins: int | None
    n: int
    seed: int
    n_resamples: int
    parts: Mapping[str, float]

    @property
    def interval(self) -> tuple[float, float] | None:
        """Value ± t stderr (95 %, Student's t of the number of resamples), within the 0 … 1 of every metric.

        It is an interval of the estimate, of which the bias is a part.
        """
        if self.stderr is None:
            return None
        half = float(student.ppf(0.975, self.n_resamples - 1)) * self.stderr
        return max(self.value - half, 0.0), min(self.value + half, 1.0)


class _Samples(NamedTuple):
    """Codes, and the class and the factors in columns, NaN where one does not act."""

    z: SampleLatent
    labels: Labels
    factors: Float[np.ndarray, "sample factor"]
    discrete: tuple[bool, ...]
    n_classes: int

    def take(self, rows: Int[np.ndarray, " row"]) -> "_Samples":
        return self._replace(z=self.z[rows], labels=self.labels[rows], factors=self.factors[rows])


class _Problem(NamedTuple):
    """What the metrics are asked: codes, factors, and which of these are discrete."""

    codes: SampleLatent | SampleLatentMask
    factors: Float[np.ndarray, "sample factor"]
    discrete: tuple[bool, ...]


def measure_disentanglement(
    codes: Codes,
    factors: Mapping[str, Shaped[np.ndarray, " sample"]],
    *,
    bins: int = BINS,
    seed: int = 0,
    n_resamples: int = 0,
    threshold: float = ACTIVE_THRESHOLD,
) -> dict[str, Score]:
    """Every metric of `METRICS` that needs no embedding, in every view: ``mig_pooled``, ``mig_class_conditional``, ….

    Unlabelled samples are left out. So is, rather than NaN, what no factor or latent has a value of: with one class
    all of ``one_vs_rest``, without two factors in any class what compares factors there. The information of few
    samples is too high (see `cospike.mutual_information`): mind the smallest class.

    Args:
        codes: held-out codes; a latent is its value where it is active, and 0 elsewhere.
        factors: by name, a value a sample, NaN where it does not act; not the class, which the labels give. Discrete
            are integers, booleans, and what has at most ``bins`` values.
        bins: equal-width, of a continuous factor and of what is not 0 in a latent.
        seed: of the halves, the forest and the resamples.
        n_resamples: for the standard errors, each of two thirds of the samples and at the price of a call without;
            0 for none. From 5 on Student's t leaves intervals that say something.
        threshold: a latent is active where its active_probs are above it.

    Raises:
        InputError: if no sample is labelled, or a factor is of other samples, infinite, or called "class".
    """
    if n_resamples < 0 or n_resamples == 1:
        raise InputError(
            f"'n_resamples' of measure_disentanglement must be 0, or 2 or more, got {n_resamples}. Try 20."
        )
    samples = _gather(codes, factors, bins, threshold)
    tables = _measure(samples, bins, seed)
    stderr = _standard_errors(samples, bins, seed, n_resamples) if n_resamples else {}
    columns = {"factor": ("class", *factors), "latent": tuple(map(str, range(codes.n_latents))), "code": ("code",)}
    scores = {}
    for (metric, view), table in tables.items():
        described, parts = METRICS[metric], _mean(table)
        one_vs_rest = view == "one_vs_rest" and described.of == "factor"
        named = dict(zip(codes.class_names if one_vs_rest else columns[described.of], parts.tolist(), strict=True))
        if np.isnan(parts).all():
            continue
        scores[f"{metric}_{view}"] = Score(
            value=float(_mean(parts)),
            unit="fraction",
            direction=described.direction,
            how=f"{described.definition}; {_HOW[view]}; {described.estimator.format(bins=bins)}",
            stderr=stderr.get((metric, view)),
            view=view,
            bins=bins if "{bins}" in described.estimator else None,
            n=len(samples.z),
            seed=seed,
            n_resamples=n_resamples,
            parts={name: part for name, part in named.items() if not np.isnan(part)},
        )
    return scores


def _gather(
    codes: Codes, factors: Mapping[str, Shaped[np.ndarray, " sample"]], bins: int, threshold: float
) -> _Samples:
    labelled = codes.labels != UNLABELLED
    if not labelled.any():
        raise InputError(
            f"'codes' of measure_disentanglement must have labelled samples, got {len(codes)} without a label. "
            f"Two of the three views need the class."
        )
    if "class" in factors:
        raise InputError(
            "'factors' of measure_disentanglement must leave out the class, got 'class'. The labels give it."
        )
    columns, discrete = [codes.labels[labelled].astype(float)], [True]
    for name, values in factors.items():
        column = np.asarray(values)
        if column.shape != codes.labels.shape or not np.issubdtype(column.dtype, np.number) | (column.dtype == bool):
            raise InputError(
                f"'factors' of measure_disentanglement must be one number for each of the {len(codes)} samples, got "
                f"shape {column.shape} of {column.dtype} for {name!r}. Measure the encoded samples."
            )
        kept = column[labelled, None]
        discrete += which_discrete(kept, bins=bins, of="measure_disentanglement").tolist()
        columns.append(kept[:, 0].astype(float))
    z = codes.values(codes.active(threshold))[labelled]
    return _Samples(z, codes.labels[labelled], np.stack(columns, axis=1), tuple(discrete), codes.n_classes)


def _problems(samples: _Samples, view: View) -> Iterator[_Problem]:
    if view == "pooled":
        yield _Problem(samples.z, samples.factors, samples.discrete)
    elif view == "class_conditional":
        for label in np.unique(samples.labels):
            rows = samples.labels == label
            yield _Problem(samples.z[rows], samples.factors[rows], samples.discrete)
    else:
        is_class = samples.labels[:, None] == np.arange(samples.n_classes)
        yield _Problem(samples.z != 0, is_class.astype(float), (True,) * samples.n_classes)


def _measure(samples: _Samples, bins: int, seed: int) -> dict[tuple[str, View], _Table]:
    """By metric and view, a row a problem (a class, in the class-conditional view)."""
    tables: dict[tuple[str, View], _Table] = {}
    for view in get_args(View):
        rows = [_estimate(problem, bins, seed) for problem in _problems(samples, view)]
        tables |= {(metric, view): np.stack([row[metric] for row in rows]) for metric in rows[0]}
    return tables


def _estimate(problem: _Problem, bins: int, seed: int) -> _Estimates:
    """Every metric of one problem."""
    codes, factors, discrete = problem
    information = estimate_information(codes, factors, bins=bins, discrete=discrete)
    linear = read_linearly(codes, factors, discrete=discrete, seed=seed)
    dci = spread(read_by_forest(codes, factors, discrete=discrete, seed=seed))
    return {
        "mig": information.gap(),
        "sap": sap(codes, factors, discrete=discrete),
        "modularity": information.modularity(),
        "infom": information.modularity_ratio(),
        "infoc": information.compactness_ratio(),
        "explicitness": linear.concordance,
        "infoe": linear.explained,
        "dci_disentanglement": np.array([dci.mean_disentanglement()]),
        "dci_completeness": dci.completeness,
        "dci_informativeness": dci.informativeness,
    }


def _standard_errors(samples: _Samples, bins: int, seed: int, n_resamples: int) -> dict[tuple[str, View], float]:
    """Of each metric, from random parts of the samples: a delete-d jackknife.

    Shao, Wu, *A General Theory for Jackknife Variance Estimation*, Ann. Stat. 1989. No row is drawn twice: a row twice
    in a bootstrap sample biases plug-in information anew, and is fitted in one half and judged in the other. Of b of n
    rows the spread is times √(b / (n − b)): exact for a mean over rows; for a mean over the rows to fit plus one over
    those to judge, which are drawn anew, right to √3 times too wide.
    """
    rng, n = np.random.default_rng(seed), len(samples.z)
    size = max(1, round(_PART * n))
    drawn: dict[tuple[str, View], list[float]] = {}
    for i in range(1, n_resamples + 1):
        part = samples.take(rng.permutation(n)[:size])
        for key, table in _measure(part, bins, seed + i).items():
            drawn.setdefault(key, []).append(float(_mean(_mean(table))))
    scale = (size / max(n - size, 1)) ** 0.5
    return {key: float(scale * np.std(values, ddof=1)) for key, values in drawn.items() if np.isfinite(values).all()}


def _mean(x: Float[np.ndarray, "row *column"]) -> Float[np.ndarray, "*column"]:
    """Mean over the first axis of what is not NaN; NaN where nothing is."""
    defined = ~np.isnan(x)
    counts = defined.sum(axis=0)
    return np.asarray(np.where(defined, x, 0).sum(axis=0) / np.where(counts > 0, counts, np.nan))
