"""Controllable generation: a factor is set, swept, or taken from another sample, and what comes out is measured.

For each attribute the latent that reaches it best (|ρ| within classes, times the share of samples in which the latent
is active) is found on one half of the held-out samples, and there the attribute's slope along it. On the other half,

    request   the attribute is to change by plus or minus one standard deviation (within a class, in the data): the
              latent moves by that over the slope, as far as its range goes. The error is |what came − what was asked|,
              in standard deviations: 1 for doing nothing
    side      what the same move changes in the other attributes, mean |change| in their standard deviations
    transfer  the latent takes its value from another sample of the class: the share of the difference of the two that
              this closes
    fixed     the latent is held at one value in new samples of a class: the standard deviation of the attribute in
              them, as a share of that without

|ρ| alone was the first choice. In the first two runs that were read it chose latents that are on in a tenth of the
samples, of which nothing can be asked in the others; so it was given up, before any other run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from cospike.associations import WORTH_A_NAME, Association, associate
from cospike.codes import Codes
from cospike.generation import draw_codes
from cospike.intervals import mean_interval
from cospike.interventions import Measure, within_class_spread
from cospike.model import SparseVAE

N_SAMPLES = 100
"""Samples in which a request is made, and pairs between which a latent is transferred."""

_N_CALIBRATION, _STEPS, _N_NEW = 24, 5, 16

_Decode = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class _Bench:
    """What requests are made of: codes, their decoder, and how outputs are measured."""

    decode: _Decode
    measure: Measure
    codes: Codes
    values: Float[np.ndarray, "sample latent"]
    scales: Mapping[str, float]

    def measured(self, z: Float[np.ndarray, "row latent"]) -> dict[str, Float[np.ndarray, " row"]]:
        """The attributes of what codes are decoded to."""
        return {name: np.asarray(found, dtype=float) for name, found in self.measure(self.decode(z)).items()}

    def moved(self, rows: Int[np.ndarray, " row"], latent: int, values: Any) -> Float[np.ndarray, "row latent"]:
        """Codes with one latent set."""
        z = np.array(self.values[rows])
        z[:, latent] = values
        return z


def controllability(
    model: SparseVAE, codes: Codes, attributes: Mapping[str, np.ndarray], measure: Measure, *, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """For each attribute how well a request is met; None of those that no latent goes with.

    Args:
        model: a trained model.
        codes: held-out codes.
        attributes: measured on the same samples.
        measure: how outputs are measured.
        seed: of the halves, and of the samples.
    """
    order = np.random.default_rng(seed).permutation(len(codes))
    first, second = order[::2], order[1::2]
    scales = {name: within_class_spread(values, codes.labels) for name, values in attributes.items()}
    bench = _Bench(model.decode_mean, measure, codes, codes.values(), scales)
    best: dict[str, Association] = {}
    usage = codes.active().mean(axis=0)
    ties = associate(codes.select(first), {name: values[first] for name, values in attributes.items()})
    for one in sorted(ties, key=lambda one: -abs(one.rho) * usage[one.latent]):
        if abs(one.rho) >= WORTH_A_NAME and any(one.significant_by_class):
            best.setdefault(one.attribute, one)
    found: dict[str, dict[str, Any]] = {}
    for name in attributes:
        if name in best and scales[name] > 0:
            latent = best[name].latent
            found[name] = {
                "latent": latent,
                "rho": best[name].rho,
                "usage": float(usage[latent]),
                **_requests(bench, name, latent, first, second),
                **_transfer(bench, name, latent, second, seed),
                "fixed": _fixed(model, bench, name, latent),
            }
    return found


def _requests(
    bench: _Bench, name: str, latent: int, first: Int[np.ndarray, " row"], second: Int[np.ndarray, " other"]
) -> dict[str, Any]:
    """The error of requests, and what else they change."""
    on = bench.values[:, latent] != 0
    low, high = np.quantile(bench.values[on, latent], (0.05, 0.95))
    rows = first[on[first]][:_N_CALIBRATION]
    grid = np.linspace(low, high, _STEPS)
    swept = bench.measured(np.concatenate([bench.moved(rows, latent, value) for value in grid]))[name]
    curve = swept.reshape(_STEPS, -1)
    known = np.isfinite(curve).all(axis=0)
    slope = float(np.polyfit(grid, curve[:, known].mean(axis=1), 1)[0]) if known.any() and high > low else 0.0
    rows = second[on[second]][:N_SAMPLES]
    asked = bench.scales[name] * np.where(np.arange(len(rows)) % 2, 1.0, -1.0)
    if not len(rows) or slope == 0:
        return {"error": [float("nan")] * 3, "side": float("nan"), "n": 0}
    target = np.clip(bench.values[rows, latent] + asked / slope, low, high)
    before, after = bench.measured(bench.values[rows]), bench.measured(bench.moved(rows, latent, target))
    error = np.abs(after[name] - before[name] - asked) / bench.scales[name]
    others = [
        float(np.nanmean(np.abs(after[other] - before[other]))) / scale
        for other, scale in bench.scales.items()
        if other != name and scale > 0 and np.isfinite(after[other] - before[other]).any()
    ]
    side = float(np.mean(others)) if others else float("nan")
    return {"error": list(mean_interval(error)), "side": side, "n": int(np.isfinite(error).sum())}


def _transfer(bench: _Bench, name: str, latent: int, rows: Int[np.ndarray, " row"], seed: int) -> dict[str, Any]:
    """The share of the difference between two samples of a class that one latent carries over."""
    rng = np.random.default_rng((seed, 1))
    on = rows[bench.values[rows, latent] != 0]
    labels = bench.codes.labels[on]
    pairs = [
        rng.permutation(on[labels == label])[: 2 * (N_SAMPLES // bench.codes.n_classes)] for label in np.unique(labels)
    ]
    givers = np.concatenate([one[: len(one) // 2] for one in pairs] or [rows[:0]])
    takers = np.concatenate([one[len(one) // 2 : 2 * (len(one) // 2)] for one in pairs] or [rows[:0]])
    if not len(givers):
        return {"transfer": float("nan")}
    z = [bench.values[givers], bench.values[takers], bench.moved(takers, latent, bench.values[givers, latent])]
    giver, taker, made = bench.measured(np.concatenate(z))[name].reshape(3, -1)
    before, after = np.abs(giver - taker), np.abs(giver - made)
    known = np.isfinite(before) & np.isfinite(after)
    total = float(before[known].sum())
    return {"transfer": 1 - float(after[known].sum()) / total if total > 0 else float("nan")}


def _fixed(model: SparseVAE, bench: _Bench, name: str, latent: int) -> float:
    """How much an attribute still varies within new samples of a class once its latent is held, as a share."""
    if model.class_patterns is None:
        return float("nan")
    probs = bench.codes.class_means()[:, latent]
    labels = [int(label) for label in np.argsort(-np.nan_to_num(probs), kind="stable")[:5]]
    free, held = [], []
    for label in labels:
        z = draw_codes(model, _N_NEW, label=label, seed=label).cpu().numpy()
        on = bench.values[(bench.codes.labels == label) & (bench.values[:, latent] != 0), latent]
        free.append(z)
        held.append(z.copy())
        held[-1][:, latent] = np.median(on) if len(on) else 0.0
    measured = bench.measured(np.concatenate(free + held))[name].reshape(2, -1)
    of_class = np.repeat(np.arange(len(labels)), _N_NEW)
    before, after = (within_class_spread(values, of_class) for values in measured)
    return after / before if before > 0 else float("nan")
