"""Sparse generative models whose active latents agree within a class, and the tools to read them.

Three nouns: `SpikeSlab`, a distribution; `SparseVAE`, a module; `Codes`, arrays. Five verbs: `fit`,
`encode_dataset`, `measure`, `explain`, `report` (and `explore`, its live form). Left of `Codes` is torch, right of it
is NumPy. Read the sources in this order: `spike_slab`, `information`, `divergence`, `priors`, `model`, `objective`,
`train`, `encoding`, `metrics`, `likelihood`, `importance`, `kinds`, `factors`, `interventions`, `plausibility`,
`counterfactuals`, `matching`, `families`, `attributes`, `associations`, `directions`, `disentanglement`; then
`synthetic` and `recovery`, `benchmark`, and `sweeps`.

Names load on first use, so that work on arrays alone, and `cospike --help`, never load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cospike._version import __version__ as __version__

if TYPE_CHECKING:
    from cospike._errors import InputError, LostProcessError, TrainingWarning
    from cospike.annotated import encode_anndata, fit_anndata
    from cospike.associations import Association, associate
    from cospike.attributes import measure_attributes
    from cospike.class_views import Score, measure_disentanglement
    from cospike.codes import Codes
    from cospike.counterfactuals import Counterfactual, find_counterfactual
    from cospike.data import from_anndata, from_arrays, from_table, load_dataset
    from cospike.deployment import export_onnx
    from cospike.directions import Direction, block_directions
    from cospike.disentanglement import monoscore
    from cospike.encoding import encode_dataset
    from cospike.estimator import SparseVAEClassifier, SparseVAETransformer
    from cospike.evaluation import evaluate
    from cospike.factors import Factor, explain, traverse
    from cospike.families import Sharing, group_sharing
    from cospike.frames import to_rows, to_table
    from cospike.generation import generate
    from cospike.html_explorer import explore
    from cospike.html_report import report
    from cospike.hub import load, push_to_hub
    from cospike.importance import importance_bounds, latent_worth, n_global_worth
    from cospike.information import pairwise_js, spike_information
    from cospike.interventions import Intervention, intervene
    from cospike.likelihood import bounds, class_probabilities
    from cospike.matching import Reading, Stability, match_latents, stability
    from cospike.metrics import Measurement, measure
    from cospike.model import SparseVAE
    from cospike.objective import Objective
    from cospike.plausibility import Plausibility
    from cospike.records import Dataset, Split
    from cospike.recovery import measure_recovery, support_f1
    from cospike.references import measure_references
    from cospike.runs import read_columns
    from cospike.schedule import Schedule
    from cospike.spike_slab import SpikeSlab
    from cospike.synthetic import Cause, make_shapes, make_sparse_linear
    from cospike.torch_data import from_torch
    from cospike.train import fit

_HOMES = {
    "_errors": ("InputError", "LostProcessError", "TrainingWarning"),
    "annotated": ("encode_anndata", "fit_anndata"),
    "associations": ("Association", "associate"),
    "attributes": ("measure_attributes",),
    "class_views": ("Score", "measure_disentanglement"),
    "codes": ("Codes",),
    "counterfactuals": ("Counterfactual", "find_counterfactual"),
    "data": ("from_anndata", "from_arrays", "from_table", "load_dataset"),
    "deployment": ("export_onnx",),
    "directions": ("Direction", "block_directions"),
    "disentanglement": ("monoscore",),
    "encoding": ("encode_dataset",),
    "estimator": ("SparseVAEClassifier", "SparseVAETransformer"),
    "evaluation": ("evaluate",),
    "factors": ("Factor", "explain", "traverse"),
    "families": ("Sharing", "group_sharing"),
    "frames": ("to_rows", "to_table"),
    "generation": ("generate",),
    "html_explorer": ("explore",),
    "html_report": ("report",),
    "hub": ("load", "push_to_hub"),
    "importance": ("importance_bounds", "latent_worth", "n_global_worth"),
    "information": ("pairwise_js", "spike_information"),
    "interventions": ("Intervention", "intervene"),
    "likelihood": ("bounds", "class_probabilities"),
    "matching": ("Reading", "Stability", "match_latents", "stability"),
    "metrics": ("Measurement", "measure"),
    "model": ("SparseVAE",),
    "objective": ("Objective",),
    "plausibility": ("Plausibility",),
    "records": ("Dataset", "Split"),
    "recovery": ("measure_recovery", "support_f1"),
    "references": ("measure_references",),
    "runs": ("read_columns",),
    "schedule": ("Schedule",),
    "spike_slab": ("SpikeSlab",),
    "synthetic": ("Cause", "make_shapes", "make_sparse_linear"),
    "torch_data": ("from_torch",),
    "train": ("fit",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Association",
    "Cause",
    "Codes",
    "Counterfactual",
    "Dataset",
    "Direction",
    "Factor",
    "InputError",
    "Intervention",
    "LostProcessError",
    "Measurement",
    "Objective",
    "Plausibility",
    "Reading",
    "Schedule",
    "Score",
    "Sharing",
    "SparseVAE",
    "SparseVAEClassifier",
    "SparseVAETransformer",
    "SpikeSlab",
    "Split",
    "Stability",
    "TrainingWarning",
    "associate",
    "block_directions",
    "bounds",
    "class_probabilities",
    "encode_anndata",
    "encode_dataset",
    "evaluate",
    "explain",
    "explore",
    "export_onnx",
    "find_counterfactual",
    "fit",
    "fit_anndata",
    "from_anndata",
    "from_arrays",
    "from_table",
    "from_torch",
    "generate",
    "group_sharing",
    "importance_bounds",
    "intervene",
    "latent_worth",
    "load",
    "load_dataset",
    "make_shapes",
    "make_sparse_linear",
    "match_latents",
    "measure",
    "measure_attributes",
    "measure_disentanglement",
    "measure_recovery",
    "measure_references",
    "monoscore",
    "n_global_worth",
    "pairwise_js",
    "push_to_hub",
    "read_columns",
    "report",
    "spike_information",
    "stability",
    "support_f1",
    "to_rows",
    "to_table",
    "traverse",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'cospike' has no attribute {name!r}")
    value = getattr(import_module(f"cospike.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
