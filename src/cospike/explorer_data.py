"""What the page of a run, `explorer.html`, knows: one safetensors file, with all that is no array as JSON in its head.

The page decodes by itself; what it cannot know without the codes stands here: which class uses which latent and how
surely, over which values, what each latent changes, what leaves the data, and the samples that the run keeps. Arrays
only, of a `RunView`; nothing is written here.

What is not known is null in the JSON and NaN in an array. `explorer_arrays` has the arrays.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors.numpy import save as format_tensors

from cospike import __version__
from cospike._files import format_json
from cospike._text import to_text
from cospike.codes import ACTIVE_THRESHOLD
from cospike.column_entries import entries_of
from cospike.evidence import Evidence
from cospike.explorer_arrays import arrays_of
from cospike.metrics import Measurement
from cospike.report_figures import RunView, class_order
from cospike.report_words import Words, shown_changes, shown_value

SCHEMA = 1
"""Of what the page is given; it refuses any other."""

MAX_CLASSES = 100
"""Classes that the page shows."""


def explorer_bytes(view: RunView, evidence: Evidence, metrics: Mapping[str, Measurement]) -> bytes:
    """All of it; the same bytes for the same run.

    Args:
        view: the run, read with up to `MAX_CLASSES` classes.
        evidence: of its latents.
        metrics: its measures.
    """
    description = format_json(describe(view, evidence, metrics)).strip()
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays_of(view).items()}
    return bytes(format_tensors(arrays, metadata={"explorer": description}))


def describe(view: RunView, evidence: Evidence, metrics: Mapping[str, Measurement]) -> dict[str, Any]:
    """What is no array."""
    words = Words(view, metrics)
    settings = view.model.settings
    return {
        "schema": SCHEMA,
        "version": __version__,
        "run": to_text(view.name),
        "data": view.config["data"]["name"],
        "objective": view.config["objective"]["name"],
        "summary": words.summary,
        "shape": list(view.model.shape),
        "likelihood": settings["likelihood"] if isinstance(settings["likelihood"], str) else "mixed",
        "view": _view_name(view),
        "range": _value_range(view),
        "n_latents": view.model.n_latents,
        "n_dense": view.model.n_dense,
        "threshold": ACTIVE_THRESHOLD,
        "class_names": list(view.codes.class_names),
        "class_counts": view.codes.class_counts().tolist(),
        "order": [int(label) for label in class_order(view)],
        "columns": _columns(view),
        "factors": _factors(view, evidence),
        "effect_unit": words.effect_unit,
        "measures": _measures(metrics, words.measures),
        "limit": view.data.limit,
        "notes": words.notes,
    }


def _view_name(view: RunView) -> str:
    if view.are_images:
        return "images"
    if view.columns:
        return "genes" if view.of_genes else "columns"
    return "profile"


def _value_range(view: RunView) -> list[float]:
    """Of images black and white; of all else the least and the largest value of the samples."""
    x = view.previews["x"]
    if view.are_images or not x.size:
        return [*view.picture_range]
    return [float(x.min()), float(x.max())]


def _columns(view: RunView) -> list[dict[str, Any]]:
    return [
        {
            "name": column.name,
            "kind": column.kind,
            "missing": column.missing,
            "loc": column.loc,
            "scale": column.scale,
            "categories": list(column.categories),
            "at": [at.start, at.stop],
        }
        for column, at in entries_of(view.columns)
    ]


def _factors(view: RunView, evidence: Evidence) -> list[dict[str, Any]]:
    """In the order of the factor table, the dead ones too."""
    changes = shown_changes(evidence.interventions, view)
    rows = []
    for factor in view.factors:
        by_class = np.array(factor.active_by_class)[view.classes]
        name, done = evidence.associations.get(factor.latent), evidence.interventions.get(factor.latent)
        rows.append(
            {
                "latent": factor.latent,
                "kind": factor.kind,
                "classes": sorted(view.shown_owners(factor), key=lambda label: -by_class[label]),
                "undecided": list(factor.undecided),
                **{key: getattr(factor, key) for key in ("usage", "lift", "lift_low", "lift_high")},
                **{key: getattr(factor, key) for key in ("effect", "low", "high")},
                "goes_with": name and {"attribute": name.attribute.replace("_", " "), "rho": name.rho},
                "changes": changes.get(factor.latent),
                "targeted": done.targeted._asdict() if done and math.isfinite(done.targeted.value) else None,
            }
        )
    return rows


def _measures(metrics: Mapping[str, Measurement], described: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """As the report has them: what it describes comes first, and what is not known is left out."""
    known = {name: one for name, one in metrics.items() if math.isfinite(one.value)}
    names = [*(name for name in described if name in known), *(name for name in known if name not in described)]
    rows = []
    for name in names:
        title, meaning = described.get(name, (None, None))
        one = known[name]
        rows.append(
            {
                "name": name,
                "title": title,
                "meaning": meaning,
                "value": float(one.value),
                "text": shown_value(one),
                "stderr": one.stderr,
                "unit": one.unit,
                "direction": one.direction,
                "how": one.how,
            }
        )
    return rows
