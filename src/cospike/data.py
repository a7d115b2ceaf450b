"""The ways to get a `Dataset`: by name, from files, or from one's own arrays and tables.

By name or from files (`load_dataset`), or from one's own arrays (`from_arrays`), tables (`from_table`) and cells
(`from_anndata`). Published sets keep their test rows and hold out the last sixth of their training rows; of sets that
are drawn on demand, each split is a draw of its own. Everywhere else what has to be held out is drawn by a seed, in
proportion to every class.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from cospike._arrays import MAX_UNNAMED, default_names, name_rows, to_array, to_labels
from cospike._errors import InputError
from cospike._text import to_text
from cospike.cells import Cells, read_anndata, read_cells
from cospike.choices import DATASETS, expand, is_cells, is_file, is_file_of_data, is_folder, is_table, unknown_data
from cospike.columns import Column
from cospike.data_folders import read_parts
from cospike.frames import read_table
from cospike.records import Dataset as Dataset  # noqa: PLC0414  # which belong here as well
from cospike.records import Split as Split  # noqa: PLC0414
from cospike.sources import PUBLISHED, DatasetNotFoundError, load_published
from cospike.sparse_rows import SparseRows
from cospike.splits import deal
from cospike.synthetic import SPLITS, SYNTHETIC

Array: TypeAlias = np.ndarray | Tensor
"""What a user gives: its shape is checked here, with a message that helps, not by its type."""


def load_dataset(
    name_or_folder: str | Path,
    *,
    label: str | None = None,
    layer: str | None = None,
    image_size: Sequence[int] | None = None,
    seed: int = 0,
) -> Dataset:
    """A data set by name, or from a table, a file of arrays or cells, or a folder of pictures or of IDX files.

    The names: 'mnist', 'fashion-mnist', 'digits', and, drawn on demand, 'shapes' and 'sparse-linear'. `from_table` says
    how tables are read (CSV, TSV, Parquet, Feather), `from_anndata` cells (`.h5ad`), `cospike.array_files` `.npz` and
    `.npy`, `cospike.pictures` a sub-folder for each class. A folder of IDX files holds one `train-images*` and one
    `train-labels*`, and may hold `t10k-…` or `test-…` of both.

    Args:
        name_or_folder: what to load.
        label: the column or array that tells the classes.
        layer: of cells, which layer holds the counts; default: X.
        image_size: of pictures in a folder: height and width, or one number for both.
        seed: decides which rows are held out where the data come without a split. What is drawn on demand is the same
            whatever the seed: `cospike.synthetic.SPLITS` says how to draw it again with its causes.

    Raises:
        DatasetNotFoundError: if a published set is neither here nor within reach.
        InputError: if the name is unknown, or a file or an argument cannot be used.

    >>> load_dataset("digits").shape
    (1, 8, 8)
    """
    _check_seed(seed, "load_dataset")
    path = expand(name_or_folder) if isinstance(name_or_folder, str | Path) else None
    if path is not None and is_cells(path) and is_file(path) and image_size is None:
        return from_anndata(path, label=label, layer=layer, name=to_text(path.stem), seed=seed)
    if layer is not None:
        got, expected = f"{layer} for {name_or_folder}", "left out for what is no .h5ad file"
        raise _refusal("layer", expected, got, "Leave it out.", of="load_dataset")
    if path is not None and name_or_folder not in DATASETS and (is_file_of_data(path) or is_folder(path)):
        name = to_text(path.resolve().name if is_folder(path) else path.stem)
        if is_table(path) and image_size is None:
            return from_table(path, label=label, name=name, seed=seed)
        (x, y), names, validation, test = read_parts(path, label=label, image_size=image_size)
        return from_arrays(x, y, name=name, class_names=names, validation=validation, test=test, seed=seed)
    if label is not None or image_size is not None:
        got, expected = f"{label or image_size} for {name_or_folder}", "left out for data that are known by name"
        raise _refusal("label or image_size", expected, got, "Leave it out.", of="load_dataset")
    if isinstance(name_or_folder, str) and name_or_folder in PUBLISHED:
        images, names = load_published(name_or_folder), PUBLISHED[name_or_folder].class_names
        (x, y), test, n_kept = images[:2], images[2:], len(images[0]) * 5 // 6
        last = (x[n_kept:], y[n_kept:])
        return from_arrays(x[:n_kept], y[:n_kept], name=name_or_folder, class_names=names, validation=last, test=test)
    if isinstance(name_or_folder, str) and (make := SYNTHETIC.get(name_or_folder)):
        parts = {split: make(n, seed=draw) for split, (n, draw) in SPLITS.items()}
        (x, y), validation, test = ((part.x, part.labels) for part in parts.values())
        names = parts["train"].class_names
        return from_arrays(x, y, name=name_or_folder, class_names=names, validation=validation, test=test)
    if name_or_folder == "digits":
        from sklearn.datasets import load_digits  # noqa: PLC0415

        digits = load_digits()  # 1,797 images of 8 × 8 with grey levels 0 … 16
        return from_arrays(digits.images / 16, digits.target, name="digits", seed=seed)
    raise unknown_data(str(name_or_folder))


def load_default(*, seed: int = 0) -> tuple[Dataset, str | None]:
    """What to use when no data set is named: MNIST, else digits and a line that says so."""
    try:
        return load_dataset("mnist", seed=seed), None
    except DatasetNotFoundError:
        notice = "MNIST is neither here nor within reach: these are scikit-learn's digits; `cospike data fetch mnist`."
        return load_dataset("digits", seed=seed), notice


def from_arrays(
    x: Array,
    y: Array,
    *,
    name: str = "arrays",
    class_names: Iterable[object] | None = None,
    validation: float | tuple[Array, Array] = 0.2,
    test: float | tuple[Array, Array] = 0.2,
    seed: int = 0,
) -> Dataset:
    """A data set from arrays of NumPy or torch, which are copied.

    Args:
        x: [sample, …], floating-point, or uint8 grey levels, which are divided by 255. Three axes are taken for
            grey images [sample, height, width] and gain a channel.
        y: [sample], class indices; −1 where the class is not known.
        name: what to call it.
        class_names: name of each class index (default: the indices up to the largest).
        validation: a tuple of rows and labels to choose by, or the share of ``x`` to hold out.
        test: a tuple of rows and labels to report on, or the share of ``x`` to hold out.
        seed: decides which rows are held out as a share: of every class in proportion, and of a class with a row
            for every split at least one, even where that makes a small share larger.

    Raises:
        InputError: if the arrays disagree, are empty or hold what is neither a finite number nor a class.
    """
    _check_seed(seed, "from_arrays")
    rows = _check_rows(x, y, arguments=("x", "y"))
    parts, sizes = {"train": rows}, dict[str, int]()
    for argument, part in (("test", test), ("validation", validation)):
        if isinstance(part, tuple) and len(part) == 2:
            arguments = (f"{argument}[0]", f"{argument}[1]")
            parts[argument] = _check_rows(*part, arguments=arguments, event=rows.x.shape[1:])
        else:
            sizes[argument] = _count(part, n_rows=len(rows.y), n_taken=sum(sizes.values()), argument=argument)
    names = _check_labels([part.y for part in parts.values()], class_names)
    if sizes:  # else the rows keep their order
        dealt = zip([*sizes, "train"], deal(rows.y, list(sizes.values()), seed=seed), strict=True)
        parts |= {split: _Rows(rows.x[chosen], rows.y[chosen]) for split, chosen in dealt}
    splits: dict[str, Any] = {split: _to_split(part) for split, part in parts.items()}
    return Dataset(name=name, class_names=names, **splits)


def from_table(table: Any, *, label: str | None = None, name: str = "table", seed: int = 0) -> Dataset:
    """A data set from a table: numbers are standardised, choices are coded, missing cells filled and told.

    Each column has its own likelihood (`Dataset.likelihood`), and `to_table` gives what a model makes back in the
    columns' own units. What no model can learn from (constant columns, numbers of rows, texts) is left out, with a
    `TrainingWarning` that names it. A fifth of the rows is held out to choose by, a fifth to report on.

    Args:
        table: the path of a file, a data frame of pandas or polars, or a dictionary of columns.
        label: the column that names the classes, empty where the class is not known; default: no class is known.
        name: what to call it.
        seed: decides which rows are held out: of every class in proportion.

    Raises:
        InputError: if it is no table that can be trained on, or an extra is missing.
    """
    _check_seed(seed, "from_table")
    x, y, names, columns, parts = read_table(table, label=label, name=name, seed=seed)
    train, validation, test = ((x[parts[split]], y[parts[split]]) for split in ("train", "validation", "test"))
    data = from_arrays(*train, name=name, class_names=names, validation=validation, test=test)
    return replace(data, columns=columns)


def from_anndata(
    adata: Any,
    *,
    label: str | None = None,
    layer: str | None = None,
    unlabelled: object = None,
    name: str = "cells",
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """A data set of cells from an AnnData object: counts of genes, which stay as sparse as they are.

    Its likelihood is negative binomial (`cospike.counts`), its columns are the genes, and its counts share memory with
    those of the object, where these are compressed sparse rows. Genes of which no cell has a count are left out, with
    a `TrainingWarning`. Counts on disk (``backed="r"``) are read, nothing else is.

    Args:
        adata: the object, or the path of an `.h5ad` file.
        label: the column of ``adata.obs`` that names the classes; cells in which it is empty are of no known class.
        layer: which of ``adata.layers`` holds the counts; default: ``adata.X``.
        unlabelled: the class that stands for none, such as "Unknown".
        name: what to call it.
        validation: the share of cells to choose by.
        test: the share of cells to report on.
        seed: decides which cells are held out: of every class in proportion.

    Raises:
        InputError: if there are no such counts or classes, or the extra `anndata` is missing.
    """
    of = "from_anndata"
    cells = read_cells(read_anndata(adata, of), label=label, layer=layer, unlabelled=unlabelled, of=of)
    return from_cells(cells, name=name, validation=validation, test=test, seed=seed, of=of)


def from_cells(cells: Cells, *, name: str, validation: float, test: float, seed: int, of: str) -> Dataset:
    """What `from_anndata` makes of the cells that it reads; ``of`` is whom to name in messages."""
    _check_seed(seed, of)
    sizes = [_count(test, n_rows=len(cells.y), n_taken=0, argument="test", of=of)]
    sizes.append(_count(validation, n_rows=len(cells.y), n_taken=sizes[0], argument="validation", of=of))
    x, y = SparseRows.from_csr(cells.counts), torch.from_numpy(cells.y)
    parts = (torch.from_numpy(rows) for rows in deal(cells.y, sizes, seed=seed))
    splits = {
        split: Split(x[rows], y[rows]) for split, rows in zip(("test", "validation", "train"), parts, strict=True)
    }
    columns = tuple(Column(gene, "count") for gene in cells.genes)
    return Dataset(name=name, class_names=cells.class_names, columns=columns, **splits)


class _Rows(NamedTuple):
    """Rows that passed the checks, before they become a tensor: float32, or grey levels in a quarter of the memory."""

    x: np.ndarray
    y: np.ndarray


def _check_rows(x: Array, y: Array, *, arguments: tuple[str, str], event: tuple[int, ...] | None = None) -> _Rows:
    """Rows and labels as NumPy arrays that make sense together, each row of shape ``event`` if that is known."""
    rows = to_array(x, arguments[0], "from_arrays")
    rows = rows[:, None] if rows.ndim == 3 else rows
    for passes, expected, got, fix in (
        (rows.ndim > 1 and rows.size, "[sample, …], not empty", f"shape {rows.shape}", "Give one row a sample."),
        (rows.dtype == np.uint8 or rows.dtype.kind == "f", "uint8 or floating-point", rows.dtype, "Convert it."),
        (event in (None, rows.shape[1:]), f"rows of shape {event}, as x", rows.shape[1:], "Reshape them."),
    ):
        if not passes:
            raise _refusal(arguments[0], expected, got, fix)
    labels = to_labels(y, len(rows), arguments[1], "from_arrays")
    if rows.dtype != np.uint8:
        given = rows
        with np.errstate(over="ignore"):  # what is too large for float32 is found below, as infinite
            rows = np.array(given, dtype=np.float32)
        if (wrong := ~np.isfinite(rows).reshape(len(rows), -1).all(axis=1)).any():
            got = f"NaN or infinity in {name_rows(np.flatnonzero(wrong))}"
            fix = "Fill or drop them."
            if np.isfinite(given).all():
                got, fix = f"what is too large in {name_rows(np.flatnonzero(wrong))}", "Scale it."
            raise _refusal(arguments[0], "finite float32", got, fix)
    return _Rows(rows, labels)


def _check_labels(labels: Sequence[np.ndarray], class_names: Iterable[object] | None) -> tuple[str, ...]:
    """The names of the classes, which must cover every label and differ."""
    everywhere = np.concatenate(labels)
    if class_names is None:
        return default_names(everywhere, "y", "from_arrays", limit=min(MAX_UNNAMED, len(everywhere)))
    if not isinstance(class_names, Iterable):
        got = type(class_names).__name__
        raise _refusal("class_names", "names of the classes, in a list", got, "Name each class once.")
    names = tuple(map(str, class_names))
    if len(set(names)) < len(names):
        got = f"{max(names, key=names.count)!r} more than once"
        raise _refusal("class_names", "distinct", got, "Name each class once.")
    if (highest := int(everywhere.max())) >= len(names):
        fix = "Number the classes from 0, as numpy.unique(labels, return_inverse=True) does, and name each of them."
        got = f"{everywhere.min()} … {highest}"
        raise _refusal("y", f"in -1 … {len(names) - 1} (-1: not known)", got, fix)
    return names


def _refusal(argument: str, expected: str, got: object, fix: str, *, of: str = "from_arrays") -> InputError:
    return InputError(f"'{argument}' of {of} must be {expected}, got {got}. {fix}")


def _check_seed(seed: int, of: str) -> None:
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise _refusal("seed", "at least 0", repr(seed), "Give a whole number.", of=of)


def _count(share: object, *, n_rows: int, n_taken: int, argument: str, of: str = "from_arrays") -> int:
    """How many rows a share of ``n_rows`` is, of which some are taken and one must be left."""
    got = f"a {type(share).__name__}"
    if isinstance(share, int | float | np.floating):
        if 0 < share < 1 and (count := max(1, round(float(share) * n_rows))) < n_rows - n_taken:
            return count
        got = f"{share:.3g} of {n_rows} rows"
    expected, fix = "a share that leaves every split a row, or a tuple (x, y)", "Give more rows or another share."
    raise _refusal(argument, expected, got, fix, of=of)


def _to_split(rows: _Rows) -> Split:
    """The tensors of a split, which share no memory with what the user gave."""
    x = np.divide(rows.x, np.float32(255)) if rows.x.dtype == np.uint8 else rows.x
    return Split(x=torch.from_numpy(x), y=torch.from_numpy(rows.y.astype(np.int64)))
