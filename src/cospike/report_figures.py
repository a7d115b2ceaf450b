"""The figures of a report: which latents, classes and samples of a run are shown, each drawn by `plots` as SVG.

Nothing is chosen for its looks: latents by what they do, classes by how many samples they have, samples as they come.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.cluster.hierarchy import dendrogram

from cospike import plots, runs
from cospike._errors import InputError
from cospike._types import UNLABELLED
from cospike.codes import Codes
from cospike.columns import Column
from cospike.factors import Factor, explain
from cospike.families import class_overlap, class_tree
from cospike.held_out import read_previews
from cospike.kinds import KINDS, uses
from cospike.model import SparseVAE
from cospike.plausibility import Plausibility

_MAX_CLASSES, _MAX_LATENTS, _MAX_TRAVERSALS = 24, 60, 24  # what a reader takes in, and a page of 3 MB holds
_MAX_COLOUR_TRAVERSALS = 16


@dataclass(frozen=True, eq=False)
class RunView:
    """A finished run, and what of it is shown.

    Attributes:
        name: of its folder.
        config: of the run.
        model: of the run.
        codes: of the held-out samples; they know the classes shown only.
        classes: indices of these in the data.
        n_present: number of classes with held-out samples.
        n_unlabelled: number of held-out samples without a class.
        factors: of all latents and classes.
        uses: which classes, of all, use which latents.
        data: whether a code is among the held-out ones of all classes.
        history: a row an epoch.
        previews: a few held-out samples ``x``, and their rows in the codes, ``index``.
        columns: of a table, what the entries of a sample are.
    """

    name: str
    config: dict[str, Any]
    model: SparseVAE
    codes: Codes
    classes: Int[np.ndarray, " class"]
    n_present: int
    n_unlabelled: int
    factors: tuple[Factor, ...]
    uses: Bool[np.ndarray, "every_class latent"]
    data: Plausibility
    history: list[dict[str, Any]]
    previews: dict[str, np.ndarray]
    columns: tuple[Column, ...] = ()

    @classmethod
    def read(cls, run: Path, *, max_classes: int = _MAX_CLASSES) -> "RunView":
        """From the folder of a run, and nothing else.

        Args:
            run: the folder.
            max_classes: how many classes are shown, those with most held-out samples.

        Raises:
            InputError: if a file lacks something, or does not fit the others.
        """
        model, (codes,) = runs.load(run), runs.read_codes(run, ("test",))
        if not len(codes) or (codes.n_latents, codes.class_names) != (model.n_latents, model.class_names):
            raise InputError(
                f"{run / 'codes.npz'} must hold samples with the {model.n_latents} latents and the classes of "
                f"config.json, got {len(codes)} with {codes.n_latents} latents and {codes.n_classes} classes. "
                "Train again."
            )
        counts = codes.class_counts()
        present = int(np.count_nonzero(counts))
        classes = np.sort(np.argsort(-counts, kind="stable")[: min(max_classes, present)])
        return cls(
            name=run.resolve().name,
            config=runs.read_config(run),
            model=model,
            codes=_of_classes(codes, classes),
            classes=classes,
            n_present=present,
            n_unlabelled=int(np.count_nonzero(codes.labels == UNLABELLED)),
            factors=explain(model, codes),
            uses=uses(codes),
            data=Plausibility.fit(codes),
            history=_read_history(run),
            previews=read_previews(run, model.shape, len(codes)),
            columns=runs.read_columns(run),
        )

    @property
    def of_genes(self) -> bool:
        """Whether samples are cells, and columns counts of genes."""
        return bool(self.columns) and self.columns[0].kind == "count"

    def shown_classes(self, codes: Codes) -> Codes:
        """Other codes of the run, which know the classes shown only."""
        return _of_classes(codes, self.classes)

    def owners(self, factor: Factor) -> list[int]:
        """Indices in the data of the classes that use a latent: names need not differ."""
        return [int(label) for label in np.flatnonzero(self.uses[:, factor.latent])]

    def shown_owners(self, factor: Factor) -> list[int]:
        """Indices in the codes of those that are shown."""
        return [int(label) for label in np.flatnonzero(self.uses[self.classes, factor.latent])]

    @property
    def used(self) -> list[Factor]:
        """The latents that do something; those that do most, where there are too many to show."""
        return most_important([factor for factor in self.factors if factor.kind != "dead"], _MAX_LATENTS)

    @property
    def are_images(self) -> bool:
        """Whether a sample is a picture, grey or in colour."""
        shape = self.model.shape
        return len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) > 1

    @property
    def n_traversals(self) -> int:
        """How many latents are traversed: colour takes three times the room."""
        return _MAX_COLOUR_TRAVERSALS if self.are_images and self.model.shape[0] == 3 else _MAX_TRAVERSALS

    @cached_property
    def picture_range(self) -> tuple[float, float]:
        """The values of an image that are black and white."""
        if self.model.settings["likelihood"] == "bernoulli" or not self.previews["x"].size:
            return 0.0, 1.0
        low, high = np.quantile(self.previews["x"], (0.005, 0.995))
        return float(low), float(high)

    def pictures(self, x: Float[np.ndarray, "*samples"]) -> Float[np.ndarray, "*pictures"]:
        """Samples [..., channel, height, width] as pictures [..., height, width, channel] in 0 … 1."""
        low, high = self.picture_range
        return np.moveaxis(np.clip((x - low) / max(high - low, 1e-12), 0, 1), -3, -1)


def _of_classes(codes: Codes, classes: Int[np.ndarray, " class"]) -> Codes:
    """With these classes alone; samples of others count as unlabelled."""
    place = np.full(codes.n_classes + 1, UNLABELLED)  # the last entry, place[-1], is that of unlabelled rows
    place[classes] = np.arange(len(classes))
    names = tuple(codes.class_names[label] for label in classes)
    return replace(codes, labels=place[codes.labels], class_names=names)


def _read_history(run: Path) -> list[dict[str, Any]]:
    """The rows of the history, checked to have the same terms each."""
    rows = runs.read_history(run)
    for i, row in enumerate(rows, 1):
        if "epoch" not in row or row.keys() != rows[0].keys():
            raise InputError(
                f"{run / 'history.jsonl'} must have 'epoch' and the same terms in every row, row {i} has not. "
                "Train again, or delete it to leave the curves out."
            )
    return rows


def most_important(factors: Iterable[Factor], n: int) -> list[Factor]:
    """The ``n`` factors that do most in all, in the order of the table."""
    factors = list(factors)
    kept = sorted(factors, key=lambda factor: -factor.usage * factor.effect)[:n]
    return [factor for factor in factors if factor in kept]


def class_order(view: RunView) -> list[int]:
    """Leaf order of the classes shown in the tree of their overlap; as they come, where there is none to speak of."""
    order, _, _ = _joined(view)
    return order


def overlap(view: RunView) -> tuple[list[int], str | None]:
    """Leaf order of the classes shown, and the figure of their overlap in the latents in use.

    None for fewer than two classes, or with no latent in use: dead latents are alike in all classes.
    """
    order, overlap, tree = _joined(view)
    if overlap is None:
        return order, None
    branches = [([(x - 5) / 10 for x in xs], ys) for xs, ys in zip(tree["icoord"], tree["dcoord"], strict=True)]
    names = [view.codes.class_names[label] for label in order]
    figure = plots.overlap_figure(overlap[np.ix_(order, order)], names, branches)
    return order, plots.to_svg(figure, f"Matrix of the overlap of classes in the order {', '.join(names)}, with a tree")


def _joined(view: RunView) -> tuple[list[int], Float[np.ndarray, "class class"] | None, dict[str, Any]]:
    """The order, the overlap and the tree of the classes shown."""
    n, latents = view.codes.n_classes, [factor.latent for factor in view.factors if factor.kind != "dead"]
    if n < 2 or not latents:
        return list(range(n)), None, {}
    parts = ("active_probs", "slab_loc", "slab_scale", "prior_probs")
    overlap = class_overlap(replace(view.codes, **{name: getattr(view.codes, name)[..., latents] for name in parts}))
    tree = dendrogram(class_tree(overlap), no_plot=True)
    return tree["leaves"], overlap, tree


def pattern(view: RunView, order: Sequence[int]) -> str | None:
    """Classes × latents, so ordered that shared latents stand left and each class's own make a staircase."""
    if not view.used or not len(order):
        return None
    place = {label: i for i, label in enumerate(order)}

    def staircase(factor: Factor) -> tuple[int, list[int]]:
        owners = sorted(place[label] for label in view.shown_owners(factor))
        return KINDS.index(factor.kind), owners if factor.kind in ("group", "class-specific") else []

    factors = sorted(view.used, key=staircase)
    latents = [factor.latent for factor in factors]
    means = view.codes.class_means()[np.ix_(order, latents)]
    names = [view.codes.class_names[label] for label in order]
    figure = plots.pattern_figure(means, names, latents, [factor.kind for factor in factors])
    return plots.to_svg(figure, f"Heat map of {len(order)} classes by {len(latents)} latents: mean active_probs")


def curves(history: Sequence[dict[str, Any]]) -> Iterator[tuple[str, float, str]]:
    """Each term, its last value on the validation data, and its figure."""
    for name in history[0] if history else ():
        if f"validation_{name}" in history[0]:
            train, validation = ([row[key] for row in history] for key in (name, f"validation_{name}"))
            figure = plots.curve_figure([row["epoch"] for row in history], train, validation)
            yield name, validation[-1], plots.to_svg(figure, f"{name} over epochs, training and validation")
