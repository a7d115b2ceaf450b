"""`explain()`: which latent serves which class, and what it does to the data."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import chain
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float, Int

from cospike._errors import InputError
from cospike._text import cell as text_cell
from cospike.codes import ACTIVE_THRESHOLD, Codes, check_codes
from cospike.decoding import Decode, HasDecoder, decoder_of
from cospike.intervals import UNKNOWN, lift, wilson_interval
from cospike.kinds import KINDS, decided_uses, latent_kinds, uses

_SAMPLES_PER_EFFECT = 500


@dataclass(frozen=True)
class Factor:
    """A latent, as it is read.

    Attributes:
        latent: its index.
        kind: one of `KINDS` (`cospike.kinds.latent_kinds` defines them).
        classes: the classes that use it, the heaviest user first.
        undecided: the classes of which the samples do not decide whether they use it (`cospike.kinds.decided_uses`);
            with any, the kind is a guess.
        active_by_class: P(active | class), in the order of the data's class names; NaN for a class without samples.
        active_low: lower ends of the 95 % intervals of `active_by_class` (Wilson).
        active_high: upper ends.
        usage: share of all samples in which it is active.
        lift: P(active | its classes) / P(active), 1 if it says nothing of the class; NaN if no class uses it.
        lift_low: lower end of its 95 % interval, at these class frequencies (`cospike.intervals.lift`).
        lift_high: upper end.
        effect: what switching it off changes where it is active: mean over samples of the summed absolute change of
            the output, in units of the data (of images: full pixels); 0 if it is never active, NaN without a model.
        low: 5 % quantile of its value where it is active (in its own classes, if any).
        high: 95 % quantile.
    """

    latent: int
    kind: str
    classes: tuple[str, ...]
    undecided: tuple[str, ...]
    active_by_class: tuple[float, ...]
    active_low: tuple[float, ...]
    active_high: tuple[float, ...]
    usage: float
    lift: float
    lift_low: float
    lift_high: float
    effect: float
    low: float
    high: float


def explain(
    model: HasDecoder | Decode | None, codes: Codes, *, threshold: float = ACTIVE_THRESHOLD, seed: int = 0
) -> tuple[Factor, ...]:
    """The factor table: a row a latent, ordered by kind and then by what the latent does in all.

    Args:
        model: what ``codes`` come from, or its function from codes to data; it measures the effects, which are NaN
            without it.
        codes: held-out codes.
        threshold: a latent is active where its active_probs are above it.
        seed: of the samples on which an effect is measured.
    """
    check_codes(codes, "explain")
    n_latents = getattr(model, "n_latents", codes.n_latents)
    if not len(codes) or codes.n_latents != n_latents:
        raise InputError(
            f"'codes' of explain must be one or more samples coded by this model of {n_latents} latents, "
            f"got {len(codes)} of {codes.n_latents} latents."
        )
    kinds, used, sure = latent_kinds(codes, threshold), uses(codes, threshold), decided_uses(codes, threshold)
    active, probs = codes.active(threshold), codes.class_means(codes.active(threshold))
    columns, ends = np.ascontiguousarray(active.T), wilson_interval(probs, codes.class_counts()[:, None])
    rng, present = np.random.default_rng(seed), codes.class_counts() > 0
    factors = []
    for latent in range(codes.n_latents):
        owners = sorted(np.flatnonzero(used[:, latent]), key=lambda label: -probs[label, latent])
        usage = float(columns[latent].mean())
        serves = np.isin(codes.labels, owners) if owners else np.ones(len(codes), dtype=bool)
        gain = lift(*_counts(columns[latent, serves]), *_counts(columns[latent, ~serves])) if owners else UNKNOWN
        on = np.flatnonzero(columns[latent])
        seen = rng.permutation(on)[:_SAMPLES_PER_EFFECT]
        values = codes.slab_loc[on[serves[on]], latent]
        low, high = np.quantile(values, (0.05, 0.95)) if len(values) else (0.0, 0.0)
        factors.append(
            Factor(
                latent=latent,
                kind=str(kinds[latent]),
                classes=tuple(codes.class_names[label] for label in owners),
                undecided=tuple(codes.class_names[label] for label in np.flatnonzero(present & ~sure[:, latent])),
                active_by_class=tuple(map(float, probs[:, latent])),
                active_low=tuple(map(float, ends[0][:, latent])),
                active_high=tuple(map(float, ends[1][:, latent])),
                usage=usage,
                lift=gain.value,
                lift_low=gain.low,
                lift_high=gain.high,
                effect=_effect(model, np.where(active[seen], codes.slab_loc[seen], 0), latent),
                low=float(low),
                high=float(high),
            )
        )
    weight = {factor.latent: factor.usage * (1.0 if model is None else factor.effect) for factor in factors}
    return tuple(sorted(factors, key=lambda factor: (KINDS.index(factor.kind), -weight[factor.latent])))


def traverse(
    model: HasDecoder | Decode,
    codes: Codes,
    factor: Factor,
    rows: Sequence[int] | Int[np.ndarray, " row"],
    *,
    steps: int = 8,
) -> Float[np.ndarray, "row step *event"]:
    """What a latent does: each of ``rows`` decoded with its spike off, then on at ``steps`` values of its slab.

    The values run over the range that the factor's own classes show; `cospike.Plausibility` tells of `traversed_codes`
    which of them leave the data all the same, as where a latent that is always on is off.
    """
    z = traversed_codes(codes, factor, rows, steps=steps)
    outputs = decoder_of(model)(z.reshape(-1, codes.n_latents))
    return outputs.reshape(*z.shape[:2], *outputs.shape[1:])


def traversed_codes(
    codes: Codes, factor: Factor, rows: Sequence[int] | Int[np.ndarray, " row"], *, steps: int = 8
) -> Float[np.ndarray, "row step latent"]:
    """The codes that `traverse` decodes."""
    values = np.concatenate([[0.0], np.linspace(factor.low, factor.high, steps)])
    z = np.repeat(codes.values()[np.asarray(rows)][:, None], len(values), axis=1)
    z[:, :, factor.latent] = values
    return z


def format_factors(
    factors: Iterable[Factor],
    class_names: Sequence[str],
    *,
    beside: Mapping[int, Mapping[str, str | float]] = MappingProxyType({}),
) -> str:
    """The factor table as CSV, with a column P(active | class) a class, and its interval.

    Args:
        factors: a row each.
        class_names: of the data.
        beside: further columns, by latent; empty for a latent that has none.
    """
    numbers = ("usage", "lift", "lift_low", "lift_high", "effect", "low", "high")
    more = tuple(next(iter(beside.values()), {}))
    by_class = [f"P(active | {name}){end}" for name in class_names for end in ("", " low", " high")]
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["latent", "kind", "classes", "undecided", *numbers, *more, *map(_cell, by_class)])
    for factor in factors:
        cells: list[str | float] = ["; ".join(factor.classes), "; ".join(factor.undecided)]
        cells += [getattr(factor, name) for name in numbers]
        cells += [beside.get(factor.latent, {}).get(name, "") for name in more]
        cells += chain.from_iterable(zip(factor.active_by_class, factor.active_low, factor.active_high, strict=True))
        writer.writerow([factor.latent, factor.kind, *map(_cell, cells)])
    return out.getvalue()


def _effect(model: HasDecoder | Decode | None, values: Float[np.ndarray, "sample latent"], latent: int) -> float:
    if model is None or not len(values):
        return float("nan") if model is None else 0.0
    off = values.copy()
    off[:, latent] = 0.0
    change = decoder_of(model)(values) - decoder_of(model)(off)
    return float(np.abs(change).reshape(len(values), -1).sum(1).mean())


def _counts(active: Bool[np.ndarray, " sample"]) -> tuple[int, int]:
    return int(active.sum()), len(active)


def _cell(content: str | float) -> str:
    """Four decimals of a number; text that no spreadsheet takes for a formula."""
    return text_cell(content) if isinstance(content, str) else f"{content:.4f}"
