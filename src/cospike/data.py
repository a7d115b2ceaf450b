"""The ways to get a `Dataset`: by name, from files, or from one's own arrays and tables.

By name or from files (`load_dataset`), or from one's own arrays (`from_arrays`), tables (`from_table`) and cells
(`from_anndata`). Published sets keep their test rows and hold out the last sixth of their training rows; of sets that
are drawn on demand, each split is a draw of its own. Everywhere else what has to be held out is drawn by a seed, in
proportion to every class.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from cospike._text import to_text
from cospike.cells import Cells, read_anndata, read_cells
from cospike.checked_rows import Array as Array  # noqa: PLC0414
from cospike.checked_rows import CheckedRows, check_labels, check_rows, check_seed, count_share, refusal, to_split
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


def load_dataset(
    name_or_folder: str | Path,
    *,
    label: str | None = None,
    layer: str | None = None,
    image_size: Sequence[int] | int | None = None,
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
    check_seed(seed, "load_dataset")
    image_size = (image_size,) if isinstance(image_size, int) else image_size
    path = expand(name_or_folder) if isinstance(name_or_folder, str | Path) else None
    if path is not None and is_cells(path) and is_file(path) and image_size is None:
        return from_anndata(path, label=label, layer=layer, name=to_text(path.stem), seed=seed)
    if layer is not None:
        got, expected = f"{layer} for {name_or_folder}", "left out for what is no .h5ad file"
        raise refusal("layer", expected, got, "Leave it out.", of="load_dataset")
    if path is not None and name_or_folder not in DATASETS and (is_file_of_data(path) or is_folder(path)):
        name = to_text(path.resolve().name if is_folder(path) else path.stem)
        name = name if name.strip(".") else "data"  # it is that of a folder too: .. would be a way up
        if is_table(path) and image_size is None:
            return from_table(path, label=label, name=name, seed=seed)
        (x, y), names, validation, test = read_parts(path, label=label, image_size=image_size)
        return from_arrays(x, y, name=name, class_names=names, validation=validation, test=test, seed=seed)
    if label is not None or image_size is not None:
        got, expected = f"{label or image_size} for {name_or_folder}", "left out for data that are known by name"
        raise refusal("label or image_size", expected, got, "Leave it out.", of="load_dataset")
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
    """A data set from arrays of NumPy or torch, which are copied, unless they lie on the disk and are large.

    Of what `numpy.load(path, mmap_mode="r")` gives, and would take over 2 GiB as float32, a batch at a time is read, as
    long as the data set is used.

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
    check_seed(seed, "from_arrays")
    rows = check_rows(x, y, arguments=("x", "y"))
    parts, sizes = {"train": rows}, dict[str, int]()
    for argument, part in (("test", test), ("validation", validation)):
        if isinstance(part, tuple) and len(part) == 2:
            arguments = (f"{argument}[0]", f"{argument}[1]")
            parts[argument] = check_rows(*part, arguments=arguments, event=rows.x.shape[1:])
        else:
            sizes[argument] = count_share(part, n_rows=len(rows.y), n_taken=sum(sizes.values()), argument=argument)
    names = check_labels([part.y for part in parts.values()], class_names)
    if sizes:  # else the rows keep their order
        dealt = zip([*sizes, "train"], deal(rows.y, list(sizes.values()), seed=seed), strict=True)
        parts |= {split: CheckedRows(rows.x[chosen], rows.y[chosen]) for split, chosen in dealt}
    splits: dict[str, Any] = {split: to_split(part) for split, part in parts.items()}
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
    check_seed(seed, "from_table")
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
    check_seed(seed, of)
    sizes = [count_share(test, n_rows=len(cells.y), n_taken=0, argument="test", of=of)]
    sizes.append(count_share(validation, n_rows=len(cells.y), n_taken=sizes[0], argument="validation", of=of))
    x, y = SparseRows.from_csr(cells.counts), torch.from_numpy(cells.y)
    parts = (torch.from_numpy(rows) for rows in deal(cells.y, sizes, seed=seed))
    splits = {
        split: Split(x[rows], y[rows]) for split, rows in zip(("test", "validation", "train"), parts, strict=True)
    }
    columns = tuple(Column(gene, "count") for gene in cells.genes)
    return Dataset(name=name, class_names=cells.class_names, columns=columns, **splits)
