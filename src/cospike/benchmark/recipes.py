"""The models of `cospike benchmark`, one line each: all on the same network, with the same training.

A recipe is a preset of `Objective`, on the model that the preset is meant for, and settings of both. Edit the table,
and the next benchmark trains anew what changed, and only that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cospike._errors import InputError, did_you_mean

CLASSIFIER = "classifier"
"""In place of a preset: no model of the data, but a supervised network, as the ceiling of the probes."""


@dataclass(frozen=True)
class Recipe:
    """A named model.

    Attributes:
        name: on the command line and in tables.
        preset: of `Objective`, or `CLASSIFIER`.
        about: what it is, in a few words.
        label: in figures, where the family is known.
        objective: settings of the preset.
        model: settings of `SparseVAE`, where not those of the preset; None is the default of `SparseVAE`.
    """

    name: str
    preset: str
    about: str
    label: str = ""
    objective: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)


_DISTANCE = "the paper's loss as a distance (square root)"

_TABLE = (
    Recipe("vae", "vae", "a VAE: every latent always on", "VAE"),
    Recipe("beta-vae", "vae", "a β-VAE, β = 4", "β-VAE", {"beta": 4.0}),
    Recipe("vsc", "vsc", "variational sparse coding: no labels", "VSC"),
    Recipe(
        "vsc-dense", "vsc", "VSC with the default's dense block: no labels", "VSC, dense block",
        {"early_dense": 1.0}, {"n_dense": None},
    ),
    Recipe("vsc-pseudo-inputs", "vsc-pseudo-inputs", "VSC with its learned prior: no labels", "VSC, pseudo-inputs"),
    Recipe("paper-60", "paper", "VSC + λ · the paper's class loss, λ = 60", "λ = 60", {"pairwise": 60.0}),
    Recipe("paper-300", "paper", "λ = 300", "λ = 300", {"pairwise": 300.0}),
    Recipe("paper-1000", "paper", "λ = 1000", "λ = 1000", {"pairwise": 1000.0}),
    Recipe("paper-3000", "paper", "λ = 3000", "λ = 3000", {"pairwise": 3000.0}),
    Recipe(
        "distance-300", "paper", f"{_DISTANCE}, λ = 300", "λ = 300", {"pairwise": 300.0, "distance": True}
    ),
    Recipe(
        "distance-1000", "paper", f"{_DISTANCE}, λ = 1000", "λ = 1000", {"pairwise": 1000.0, "distance": True}
    ),
    Recipe("class-consistent-3", "class-consistent", "a lower price of straying, 3", "within 3", {"within": 3.0}),
    Recipe("class-consistent", "class-consistent", "cospike's default", "default"),
    Recipe("class-consistent-10", "class-consistent", "a higher price of straying, 10", "within 10", {"within": 10.0}),
    Recipe(
        "classifier", CLASSIFIER, "the encoder's trunk and a linear head, trained on the labels: the probes' ceiling"
    ),
)  # fmt: skip

MODELS: dict[str, Recipe] = {recipe.name: recipe for recipe in _TABLE}
"""Every model by name, in the order of the tables."""


def check_models(names: Iterable[str]) -> None:
    """Refuse a model that the table does not have."""
    for name in names:
        if name not in MODELS:
            raise InputError(f"Unknown model {name!r}. {did_you_mean(name, MODELS)}")


FAMILIES: dict[str, tuple[str, ...]] = {
    "class-consistent": ("class-consistent-3", "class-consistent", "class-consistent-10"),
    "paper": ("vsc", "paper-60", "paper-300", "paper-1000", "paper-3000"),
    "paper, distance": ("vsc", "distance-300", "distance-1000"),
}
"""Models that differ in one price, in its order: a line of a figure. VSC is the paper's model at λ = 0."""

QUICK: dict[str, Any] = {
    "models": ("vae", "vsc", "paper-300", "class-consistent-3", "class-consistent", "classifier"),
    "seeds": 2,
    "model": {"n_latents": 20, "hidden": (64,)},
    "training": {"epochs": 80, "learning_rate": 5e-3},
}
"""What `--quick` asks for: every part of a result, on digits within a minute; too few steps for codes to settle."""
