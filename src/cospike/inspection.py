"""`inspect_run()`: what `cospike measure` says of a run folder, as far as it is asked, by the public verbs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cospike import runs
from cospike._errors import InputError
from cospike.class_views import Score, measure_disentanglement
from cospike.collapse import warn_of_collapse
from cospike.evaluation import Evaluation, evaluate
from cospike.families import Sharing, group_sharing
from cospike.matching import Stability
from cospike.seeds import held_out_codes, stability_of

N_RESAMPLES = 10
"""For the intervals of disentanglement: as many times the work, on all held-out samples."""


@dataclass(frozen=True, eq=False)
class Inspection:
    """A run, measured; what was not asked for is None.

    Attributes:
        evaluation: its measures, its factor table and the evidence.
        stability: of its latents, against runs with other seeds.
        disentanglement: with the measured attributes as factors.
        sharing: of a group of classes.
    """

    evaluation: Evaluation
    stability: Stability | None = None
    disentanglement: dict[str, Score] | None = None
    sharing: Sharing | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        parts: dict[str, Any] = {"measures": {name: asdict(one) for name, one in self.evaluation.metrics.items()}}
        parts["factors"] = [self._factor(asdict(factor)) for factor in self.evaluation.factors]
        parts["directions"] = [asdict(direction) for direction in self.evaluation.evidence.directions]
        if self.stability is not None:
            parts["stability"] = {"kinds_ari": self.stability.kinds_ari, "same_kind": self.stability.same_kind}
        if self.disentanglement is not None:
            parts["disentanglement"] = {
                name: asdict(score) | {"interval": score.interval} for name, score in self.disentanglement.items()
            }
        if self.sharing is not None:
            parts["sharing"] = asdict(self.sharing)
        return parts

    def _factor(self, row: dict[str, Any]) -> dict[str, Any]:
        latent, evidence = row["latent"], self.evaluation.evidence
        association, intervention = evidence.associations.get(latent), evidence.interventions.get(latent)
        row["association"] = asdict(association) if association else None
        row["intervention"] = asdict(intervention) if intervention else None
        if self.stability is not None:
            row["stability"] = float(self.stability.similarity[latent])
        return row


def inspect_run(
    run: Path,
    *,
    seeds: Sequence[Path] = (),
    disentanglement: bool = False,
    group: Sequence[str] = (),
    baseline: Path | None = None,
) -> Inspection:
    """Measure a run from its folder, without writing into it.

    Args:
        run: the folder of a finished run.
        seeds: of runs with the same settings and other seeds, on the same held-out samples.
        disentanglement: whether to hold the codes against the measured attributes of the samples.
        group: names of classes, which may share more than others.
        baseline: the folder of a run that they may share more than, such as plain VSC.

    Warns:
        TrainingWarning: if the spikes have collapsed (`cospike.collapse`).

    Raises:
        InputError: if a folder is no finished run, or of other data; if there are no attributes to hold codes against.
    """
    if baseline is not None and not group:
        raise InputError("'baseline' is what a group of classes is compared with: name the classes with --group.")
    codes = held_out_codes(run)
    warn_of_collapse(codes, str(run))
    sharing = None
    if group:
        sharing = group_sharing(
            codes, tuple(group), baseline=None if baseline is None else held_out_codes(baseline, like=run)
        )
    return Inspection(
        evaluate(run, write=False),
        stability_of(run, seeds) if seeds else None,
        measure_disentanglement(codes, _attributes(run), n_resamples=N_RESAMPLES) if disentanglement else None,
        sharing,
    )


def _attributes(run: Path) -> dict[str, Any]:
    if not (run / "attributes.npz").is_file():
        raise InputError(
            f"{run} has no attributes.npz to hold its codes against: the samples are neither grey images nor rows of "
            "a small table. Call measure_disentanglement with what you measured."
        )
    return runs.read_arrays(run, "attributes.npz")
