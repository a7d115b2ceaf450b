"""`fit_anndata()` and `encode_anndata()`: a model of cells, and what it says of them, in an AnnData object.

What is written, all of which an `.h5ad` file takes:

    obsm["X_cospike"]                  [cell, latent] codes, exactly 0 where a latent is off
    obs["cospike_class"]               the likeliest class by the class patterns, of cells without a label too,
    obs["cospike_class_probability"]   and how likely it is
    obs["cospike_split"]               "train", "validation" or "test", whose labels were not seen
    varm["cospike_effects"]            [gene, latent] log2 fold change when the latent is switched on (`programs`)
    uns["cospike"]["factors"]          a row a latent: kind, classes, use, the genes that tell most
    uns["cospike"]["genes"]            a row a latent, class and gene, ranked
    uns["cospike"]["active_by_class"]  [class, latent] P(active | class)
    uns["cospike"]["measures"]         measures on test cells, by name
    uns["cospike"]["settings"]         label, layer and seed

What `varm` and `uns` say is said of test cells alone.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cospike._errors import InputError, check_type
from cospike._version import __version__
from cospike.cells import AnnData, read_anndata, read_cells
from cospike.codes import Codes
from cospike.data import Dataset, Split, from_cells
from cospike.encoding import encode_dataset
from cospike.factors import Factor, explain
from cospike.likelihood import bounds, class_probabilities
from cospike.metrics import measure
from cospike.model import SparseVAE
from cospike.objective import Objective
from cospike.options import model_settings
from cospike.programs import Program, program, programs
from cospike.sparse_rows import SparseRows
from cospike.train import fit

_GENES_PER_PROGRAM, _GENES_PER_FACTOR = 20, 5


def fit_anndata(
    adata: AnnData,
    *,
    label: str | None = None,
    layer: str | None = None,
    unlabelled: object = None,
    n_latents: int = 60,
    objective: Objective | None = None,
    hidden: Sequence[int] = (128,),
    active_prior: float | None = None,
    n_dense: int | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    out: str | Path | None = None,
    accelerator: str = "auto",
    **training: Any,
) -> SparseVAE:
    """Train on the counts of cells, and write into ``adata`` what comes out (module docstring).

    Args:
        adata: an AnnData object.
        label: the column of ``adata.obs`` that names the classes; cells in which it is empty are of no known class.
            Default: of no cell, and the objective is plain Variational Sparse Coding.
        layer: which of ``adata.layers`` holds the counts; default: ``adata.X``.
        unlabelled: the class that stands for none, such as "Unknown".
        n_latents: number of latents offered; training uses as many as pay.
        objective: default `Objective.class_consistent`, or without a label `Objective.vsc`.
        hidden: widths of the layers of the encoder, mirrored in the decoder.
        active_prior: as in `SparseVAE`.
        n_dense: as in `SparseVAE`.
        validation: the share of cells to choose by.
        test: the share of cells to report on.
        seed: of the split, the weights and every draw.
        out: a run folder to leave, for `cospike.report` and `cospike.load`.
        accelerator: as in `fit`.
        training: what else `fit` takes: epochs, batch_size, learning_rate, patience, overwrite, progress, ….

    Returns:
        The model.

    Raises:
        InputError: if there are no such counts or classes, or a setting cannot be used.
    """
    of = "fit_anndata"
    adata = _in_memory(adata, of)
    cells = read_cells(adata, label=label, layer=layer, unlabelled=unlabelled, of=of)
    data = from_cells(cells, name="cells", validation=validation, test=test, seed=seed, of=of)
    objective = objective or (Objective.class_consistent() if data.n_classes > 1 else Objective.vsc())
    settings = model_settings(objective.name, n_latents, active_prior=active_prior, n_dense=n_dense)
    model = SparseVAE(data.shape, n_latents, hidden=hidden, likelihood=data.likelihood, seed=seed, **settings)
    fit(model, data, objective=objective, seed=seed, out=out, accelerator=accelerator, **training)
    _annotate(adata, model, data, accelerator, training.get("progress"))
    adata.uns["cospike"]["settings"] = {
        "version": __version__, "label": label or "", "layer": layer or "", "seed": seed, "objective": objective.name
    }  # fmt: skip
    return model


def encode_anndata(
    model: SparseVAE, adata: AnnData, *, layer: str | None = None, seed: int = 0, accelerator: str = "auto"
) -> None:
    """Codes and likeliest classes of other cells, written into their object as `fit_anndata` does.

    Args:
        model: from `fit_anndata`, or loaded from its run.
        adata: an AnnData object that has all genes of the model, in any order; others do not count.
        layer: which of ``adata.layers`` holds the counts; default: ``adata.X``.
        seed: as in `encode_dataset`.
        accelerator: as in `fit`.

    Raises:
        InputError: if genes are lacking, or there are no such counts.
    """
    of = "encode_anndata"
    check_type(model, SparseVAE, "model", of, "a SparseVAE", "`load` of a run folder gives one.")
    if not model.columns or model.columns[0].kind != "count":
        raise InputError(
            f"'model' of {of} must have been trained on cells, got one of other data. `fit_anndata` gives one."
        )
    adata = _in_memory(adata, of)
    genes = [column.name for column in model.columns]
    cells = read_cells(adata, label=None, layer=layer, unlabelled=None, of=of, genes=genes)
    split = Split(SparseRows.from_csr(cells.counts), torch.from_numpy(cells.y))
    _write_codes(adata, model, encode_dataset(model, split, seed=seed, accelerator=accelerator))


def _in_memory(adata: Any, of: str) -> AnnData:
    if isinstance(adata, str | Path):
        raise InputError(
            f"'adata' of {of} must be an AnnData object to write into, got a path. anndata.read_h5ad(path) gives one."
        )
    return read_anndata(adata, of)


def _annotate(adata: AnnData, model: SparseVAE, data: Dataset, accelerator: str, progress: bool | None) -> None:
    """Everything but the settings."""
    import pandas  # noqa: PLC0415  # comes with anndata

    rows, everything = _all_cells(data)
    codes = encode_dataset(model, everything, accelerator=accelerator, progress=progress)
    _write_codes(adata, model, codes)
    split = np.empty(len(codes), dtype=object)
    for name, chosen in rows.items():
        split[chosen] = name
    adata.obs["cospike_split"] = pandas.Categorical(split, categories=list(rows))
    test, train = (codes.select(rows[name]) for name in ("test", "train"))
    factors, genes = explain(model, test), [column.name for column in model.columns]
    in_use = [factor for factor in factors if factor.kind != "dead"]
    found = {factor.latent: one for factor in in_use if (one := program(model, test, factor))}
    effects = np.full((adata.n_vars, model.n_latents), np.nan, dtype=np.float32)
    effects[adata.var_names.get_indexer(genes)] = 0.0
    for latent, one in found.items():
        effects[adata.var_names.get_indexer(genes), latent] = one.log2_fold_change
    adata.varm["cospike_effects"] = effects
    measures = measure(test, train=train) | bounds(model, test)
    adata.uns["cospike"] = {
        "factors": _factor_table(factors, found, genes),
        "genes": _gene_table(programs(model, test, factors), genes),
        "active_by_class": pandas.DataFrame(
            test.class_means(test.active()),
            index=list(test.class_names),
            columns=[str(i) for i in range(test.n_latents)],
        ),
        "measures": {name: measured.value for name, measured in measures.items()},
    }


def _all_cells(data: Dataset) -> tuple[dict[str, np.ndarray], Split]:
    """Which cells are in which split, and all of them in the order of the object."""
    parts = {name: getattr(data, name) for name in ("train", "validation", "test")}
    rows = {name: part.x.rows for name, part in parts.items()}
    y = torch.empty(sum(map(len, parts.values())), dtype=torch.int64)
    for name, part in parts.items():
        y[rows[name]] = part.y
    return {name: chosen.numpy() for name, chosen in rows.items()}, Split(parts["train"].x.every_row(), y)


def _write_codes(adata: AnnData, model: SparseVAE, codes: Codes) -> None:
    import pandas  # noqa: PLC0415  # comes with anndata

    adata.obsm["X_cospike"] = codes.values().astype(np.float32)
    if model.class_patterns is not None and model.class_probs.any():
        probs = class_probabilities(model, codes)
        adata.obs["cospike_class"] = pandas.Categorical.from_codes(probs.argmax(1), categories=list(model.class_names))
        adata.obs["cospike_class_probability"] = probs.max(1)


def _factor_table(factors: Sequence[Factor], found: Mapping[int, Program], genes: Sequence[str]) -> Any:
    import pandas  # noqa: PLC0415

    numbers = ("usage", "lift", "lift_low", "lift_high", "effect", "low", "high")
    rows = []
    for factor in factors:
        one = found.get(factor.latent)
        rows.append(
            {
                "kind": factor.kind,
                "classes": "; ".join(factor.classes),
                "undecided": "; ".join(factor.undecided),
                **{name: getattr(factor, name) for name in numbers},
                **{name: _named(one, genes, up=name == "genes_up") for name in ("genes_up", "genes_down")},
            }
        )
    return pandas.DataFrame(rows, index=[str(factor.latent) for factor in factors])


def _named(one: Program | None, genes: Sequence[str], *, up: bool) -> str:
    return ", ".join(genes[gene] for gene in one.top(_GENES_PER_FACTOR, up=up)) if one else ""


def _gene_table(found: Sequence[Program], genes: Sequence[str]) -> Any:
    import pandas  # noqa: PLC0415

    rows = []
    for one in found:
        nats = one.nats
        for rank, gene in enumerate(one.top(_GENES_PER_PROGRAM), start=1):
            rows.append(
                {
                    "latent": one.latent,
                    "cells": one.cells or "all",
                    "rank": rank,
                    "gene": genes[gene],
                    "log2_fold_change": one.log2_fold_change[gene],
                    "count_on": one.count_on[gene],
                    "count_off": one.count_off[gene],
                    "nats": nats[gene],
                }
            )
    table = pandas.DataFrame(rows, columns=list(rows[0]) if rows else [])
    return table.set_axis([str(i) for i in range(len(table))], axis=0)
