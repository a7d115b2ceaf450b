"""Cells: what a model needs of an AnnData object, as arrays: counts that stay sparse, genes, and classes.

Nothing of the object is changed, and its counts are not copied where they are compressed sparse rows already.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Int64
from scipy import sparse

from cospike._arrays import name_rows
from cospike._errors import InputError, TrainingWarning, did_you_mean
from cospike._extras import need
from cospike._types import UNLABELLED
from cospike.choices import expand
from cospike.frames import classes_of, some_of

AnnData: TypeAlias = Any
"""An object of the library anndata, which is an extra."""

_USUAL = ("counts", "raw_counts", "raw", "umi", "umis", "spliced")  # names of layers that hold counts
_ENTRIES_AT_ONCE = 2**22
_ROWS_AT_ONCE = 1_000  # of counts on disk that are not sparse


class Cells(NamedTuple):
    """Counts and classes.

    Attributes:
        counts: a CSR matrix [cell, gene].
        genes: their names.
        y: class index of each cell; −1 where it is not known.
        class_names: by index.
    """

    counts: sparse.csr_matrix
    genes: tuple[str, ...]
    y: Int64[np.ndarray, " cell"]
    class_names: tuple[str, ...]


def read_anndata(source: Any, of: str) -> AnnData:
    """An AnnData object, itself or from an .h5ad file."""
    need("anndata", ("anndata",), of=of)
    import anndata  # noqa: PLC0415  # an extra

    if isinstance(source, str | Path):
        try:
            return anndata.read_h5ad(expand(source))
        except (OSError, KeyError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise InputError(f"{source} must be an .h5ad file of cells, got: {reason.rstrip('.')}.") from error
    if not isinstance(source, anndata.AnnData):
        got = "None" if source is None else type(source).__name__
        raise InputError(f"'adata' of {of} must be an AnnData object, got {got}. anndata.AnnData(counts) makes one.")
    return source


def read_cells(
    adata: AnnData, *, label: str | None, layer: str | None, unlabelled: object, of: str, genes: Sequence[str] = ()
) -> Cells:
    """Counts and classes of all cells.

    Args:
        adata: the object.
        label: the column of ``adata.obs`` that names classes; None for none.
        layer: of ``adata.layers``; None for ``adata.X``.
        unlabelled: the class that stands for none, beside empty cells of the column.
        of: whom to name in messages.
        genes: those of a model, in its order; default: all that are seen in any cell, with a warning of the others.

    Raises:
        InputError: if there are no such counts or classes.
    """
    counts, names = _counts(adata, layer, of), _gene_names(adata, of)
    if len(genes):
        counts, names = _aligned(counts, names, genes, of), tuple(genes)
    else:
        seen = np.zeros(len(names), dtype=bool)
        seen[counts.indices] = True
        if not seen.all():
            _tell_unseen([name for name, is_seen in zip(names, seen, strict=True) if not is_seen])
            counts, names = counts[:, seen], tuple(np.array(names, dtype=object)[seen])
    if len(empty := np.flatnonzero(np.diff(counts.indptr) == 0)):
        raise InputError(
            f"'adata' of {of} must have counts in every cell, got none in {name_rows(empty)}. "
            "sc.pp.filter_cells(adata, min_counts=1) drops such cells."
        )
    if label is None:
        return Cells(counts, names, np.full(counts.shape[0], UNLABELLED, dtype=np.int64), ())
    return Cells(counts, names, *_classes(adata, label, unlabelled, of))


def _counts(adata: AnnData, layer: str | None, of: str) -> sparse.csr_matrix:
    """The counts as a CSR matrix without stored zeros, checked to be some."""
    if layer is not None and layer not in adata.layers:
        known = list(adata.layers)
        fix = did_you_mean(str(layer), known) if known else "It has none; leave it out for adata.X."
        raise InputError(f"'layer' of {of} must be one of adata.layers, got {layer!r}. {fix}")
    place = "adata.X" if layer is None else f"adata.layers[{layer!r}]"
    counts = _to_csr(adata.X if layer is None else adata.layers[layer], place, of)
    if not counts.size or not counts.nnz:
        raise InputError(f"'adata' of {of} must have counts in {place}, got none. Is it the right layer?")
    if (got := _no_count(counts.data)) is not None:
        raise InputError(
            f"'layer' of {of} must hold counts, whole numbers of at least 0, got {got} in {place}. "
            f"{_where_counts_may_be(adata, layer)}"
        )
    return counts


def _no_count(values: np.ndarray) -> str | None:
    """What is no count, if anything is not; part by part, in little memory."""
    for start in range(0, len(values), _ENTRIES_AT_ONCE):
        part = values[start : start + _ENTRIES_AT_ONCE]
        if not np.isfinite(part).all():
            return "NaN or infinity"
        if (bad := (part < 0) | (part != np.round(part))).any():
            return f"{part[bad][0]:.4g}"
    return None


def _where_counts_may_be(adata: AnnData, layer: str | None) -> str:
    for name in adata.layers:
        if name != layer and str(name).lower() in _USUAL:
            return f"Is it layer={name!r}?"
    if layer is not None:
        return "Leave it out for adata.X, or name another layer."
    raw = " adata.raw.to_adata() has what was kept there." if adata.raw is not None else ""
    return f"Keep them before they are normalised: adata.layers['counts'] = adata.X.copy().{raw}"


def _to_csr(values: Any, place: str, of: str) -> sparse.csr_matrix:
    """Any matrix of AnnData, also on disk, without more of it in memory than what is stored, and a part that is not."""
    if values is None:
        raise InputError(f"'adata' of {of} must have counts in {place}, got none. Name a layer.")
    if hasattr(values, "to_memory"):
        values = values.to_memory()
    if sparse.issparse(values):
        counts = sparse.csr_matrix(values)
        if (counts.data == 0).any() or not counts.has_canonical_format:
            counts = counts.copy()
            counts.sum_duplicates()
            counts.eliminate_zeros()
        return counts
    if not hasattr(values, "shape") or not hasattr(values, "__getitem__") or len(values.shape) != 2:
        raise InputError(f"'adata' of {of} must have a matrix in {place}, got {type(values).__name__}. Load it first.")
    starts = range(0, values.shape[0], _ROWS_AT_ONCE)
    parts = [sparse.csr_matrix(np.asarray(values[start : start + _ROWS_AT_ONCE])) for start in starts]
    return sparse.vstack(parts, format="csr") if parts else sparse.csr_matrix(values.shape)


def _gene_names(adata: AnnData, of: str) -> tuple[str, ...]:
    names = tuple(map(str, adata.var_names))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(
            f"'adata' of {of} must name each gene once, got {twice!r} twice. adata.var_names_make_unique() does."
        )
    return names


def _aligned(counts: sparse.csr_matrix, names: Sequence[str], genes: Sequence[str], of: str) -> sparse.csr_matrix:
    """The columns of the genes of a model, in its order."""
    if tuple(names) == tuple(genes):
        return counts
    place = {name: i for i, name in enumerate(names)}
    if lacking := [name for name in genes if name not in place]:
        raise InputError(
            f"'adata' of {of} must have the {len(genes):,} genes that the model was trained with, got none of "
            f"{some_of(lacking)}. Are its var_names of the same kind?"
        )
    return counts[:, [place[name] for name in genes]]


def _tell_unseen(names: Sequence[str]) -> None:
    n = f"{len(names):,} gene{'s' * (len(names) > 1)}"
    warnings.warn(
        f"Left out: {n} that no cell has a count of ({some_of(names)}). sc.pp.filter_genes(adata, min_cells=1) drops "
        "them.",
        TrainingWarning,
        stacklevel=3,
    )


def _classes(
    adata: AnnData, label: str, unlabelled: object, of: str
) -> tuple[Int64[np.ndarray, " cell"], tuple[str, ...]]:
    if label not in adata.obs.columns:
        known = [str(name) for name in adata.obs.columns]
        near = did_you_mean(str(label), known)
        fix = near if near.startswith("Did") else f"It has {some_of(known)}." if known else "It has none."
        raise InputError(f"'label' of {of} must be a column of adata.obs, got {label!r}. {fix}")
    column = adata.obs[label]
    if unlabelled is not None:
        marked = column.astype(object) == unlabelled
        if not marked.any() and not column.isna().any():
            seen = some_of([repr(value) for value in column.unique()[:12]])
            raise InputError(
                f"'unlabelled' of {of} must be a value of adata.obs[{label!r}], got {unlabelled!r}. It has {seen}."
            )
        column = column.astype(object).where(~marked)
    return classes_of(column, label, "adata.obs")
