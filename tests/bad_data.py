"""What is given to cospike that it cannot use, and what it says; and what is unusual, and taken.

The tests run every line, and `docs/make_bad_data.py` makes a page of them.
"""

import contextlib
import io
import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import anndata
import numpy as np
import scipy.sparse
import torch

import cospike as cs
from cospike.entry import main
from cospike.idx import write_idx


class Refused(NamedTuple):
    """Bad input: what it is, the line that gives it, and the one line that comes back, of which … may be anything.

    scikit-learn checks what an estimator gets, before cospike does: its message may go on after the line.
    """

    what: str
    given: str
    says: str
    by_scikit_learn: bool = False


class Taken(NamedTuple):
    """Unusual input: what it is, the line that gives it, what comes of it, and how ``it``, the result, shows that."""

    what: str
    given: str
    so: str
    check: str


def make_place(folder: Path) -> None:
    """Files and folders to be named, and a finished run."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(256, size=(60, 4, 4), dtype=np.uint8), (np.arange(60) % 3).astype(np.uint8)
    parts = {"images": (x, y), os.fsdecode(b"images-\xff"): (x, y), "hollow": (None, y), "nested": (..., y)}
    parts |= {"unpaired": (x, None), "short": (x, y[:9]), "empty-folder": (None, None)}
    for name, (images, labels) in parts.items():
        (folder / name).mkdir()
        paths = (folder / name / f"train-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1"))
        for path, part in zip(paths, (images, labels), strict=True):
            if isinstance(part, np.ndarray):
                write_idx(path, part)
            elif part is ...:
                path.mkdir()
    (folder / "hollow" / "train-images-idx3-ubyte").touch()
    (folder / "empty").touch()
    with contextlib.chdir(folder):
        assert (
            run_command("cospike train images --out run --epochs 1 --n-latents 4 --hidden 8 --accelerator cpu")[0] == 0
        )
    shutil.copytree(folder / "run", folder / os.fsdecode(b"run-\xff"))


def fill_disk(disk: Path, run: Path) -> None:
    """Put a finished run on a disk, and something beside it that uses the disk up to its last page."""
    shutil.copytree(run, disk / "run")
    with (disk / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def make_names() -> dict[str, Any]:
    """What the lines may speak of: 60 samples of six values in three classes, codes of them, and a model."""
    rng = np.random.default_rng(0)
    x, y = rng.random((60, 6), dtype=np.float32), np.arange(60) % 3
    z = np.eye(3)[y] * rng.uniform(1, 2, (60, 1))
    many = np.arange(20_000) % 5_000
    return {
        **{name: getattr(cs, name) for name in cs.__all__},
        **{"np": np, "torch": torch, "scipy": scipy, "os": os, "x": x, "y": y, "z": z, "with_counts": with_counts},
        "data": cs.from_arrays(x, y),
        "model": cs.SparseVAE((6,), 4, hidden=(8,)),
        "gaussian": cs.SparseVAE((6,), 4, hidden=(8,), likelihood="gaussian"),
        "codes": cs.Codes.from_values(z, y),
        "many_x": rng.random((20_000, 8), dtype=np.float32) / 2 + (many[:, None] >> np.arange(8) & 1) / 2,
        "many_y": many,
        "vsc": cs.Objective.vsc(),
        "transformer": cs.SparseVAETransformer(4, epochs=1, hidden=(8,), accelerator="cpu"),
        "classifier": cs.SparseVAEClassifier(4, epochs=1, hidden=(8,), accelerator="cpu"),
        "cells": make_cells(),
        "counter": cs.SparseVAE((6,), 4, hidden=(8,), likelihood="negative-binomial"),
    }


def make_cells() -> anndata.AnnData:
    """Sixty cells of six genes and three types: counts in a layer, their logarithms in X."""
    counts = 1 + np.random.default_rng(0).poisson(2, (60, 6)).astype(np.float32)
    cells = anndata.AnnData(np.log1p(counts), layers={"counts": scipy.sparse.csr_matrix(counts)})
    cells.obs["kind"], cells.obs["batch"] = [f"kind {i % 3}" for i in range(60)], np.nan
    return cells


def with_counts(change: Callable[[np.ndarray], np.ndarray]) -> anndata.AnnData:
    """Those cells with other counts."""
    cells = make_cells()
    cells.layers["counts"] = change(cells.layers["counts"].toarray())
    return cells


def run_command(line: str) -> tuple[int, str, str]:
    r"""The exit code, the output and the errors of a command line, in which \xff stands for that byte."""
    words = [word.replace("\\xff", os.fsdecode(b"\xff")) for word in shlex.split(line.replace("\\", "\\\\"))]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words[1:])
        except SystemExit as end:
            return int(end.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def evaluate(line: str, names: dict[str, Any]) -> Any:
    """What a line of Python gives."""
    of_python: Callable[[str, dict[str, Any]], Any] = eval
    return of_python(line, dict(names))


REFUSED: dict[str, list[Refused]] = {
    "Samples and labels": [
        Refused(
            "NaN",
            "from_arrays(np.where(x > 0.99, np.nan, x), y)",
            "'x' of from_arrays must be finite float32, got NaN or infinity in rows 8, 20, 25, 57. Fill or drop them.",
        ),
        Refused(
            "infinity",
            "from_arrays(np.where(x > 0.99, np.inf, x), y)",
            "'x' of from_arrays must be finite float32, got NaN or infinity in rows 8, 20, 25, 57. Fill or drop them.",
        ),
        Refused(
            "too large for float32",
            "from_arrays(x.astype(float) * 1e300, y)",
            "'x' of from_arrays must be finite float32, got what is too large in rows 0, 1, 2, 3, 4 and 55 more. Scale it.",
        ),
        Refused(
            "no samples",
            "from_arrays(x[:0], y[:0])",
            "'x' of from_arrays must be [sample, …], not empty, got shape (0, 6). Give one row a sample.",
        ),
        Refused(
            "one sample",
            "from_arrays(x[:1], y[:1])",
            "'test' of from_arrays must be a share that leaves every split a row, or a tuple (x, y), got 0.2 of 1 rows. Give more rows or another share.",
        ),
        Refused(
            "no features",
            "from_arrays(x[:, :0], y)",
            "'x' of from_arrays must be [sample, …], not empty, got shape (60, 0). Give one row a sample.",
        ),
        Refused(
            "a single number",
            "from_arrays(np.float32(1), 0)",
            "'x' of from_arrays must be [sample, …], not empty, got shape (). Give one row a sample.",
        ),
        Refused(
            "a vector",
            "from_arrays(x[:, 0], y)",
            "'x' of from_arrays must be [sample, …], not empty, got shape (60,). Give one row a sample.",
        ),
        Refused(
            "rows of several lengths",
            "from_arrays([[1.0], [2.0, 3.0]], [0, 1])",
            "'x' of from_arrays must be an array, got a ragged list. Make its rows alike.",
        ),
        Refused(
            "nothing",
            "from_arrays(None, y)",
            "'x' of from_arrays must be an array, got None. Give one row a sample.",
        ),
        Refused(
            "a path",
            "from_arrays('x.npy', y)",
            "'x' of from_arrays must be an array, got str. Give one row a sample.",
        ),
        Refused(
            "a sparse matrix",
            "from_arrays(scipy.sparse.csr_array(x), y)",
            "'x' of from_arrays must be a dense array, got csr_array. Its `toarray()` is one.",
        ),
        Refused(
            "a sparse tensor",
            "from_arrays(torch.as_tensor(x).to_sparse(), y)",
            "'x' of from_arrays must be a dense tensor of numbers, got torch.sparse_coo. Its `to_dense()` is one.",
        ),
        Refused(
            "a tensor without memory",
            "from_arrays(torch.zeros(60, 6, device='meta'), y)",
            "'x' of from_arrays must be a dense tensor of numbers, got one of meta device. Give its values.",
        ),
        Refused(
            "masked values",
            "from_arrays(np.ma.masked_greater(x, 0.9), y)",
            "'x' of from_arrays must have no masked values, got 42 masked values. Fill or drop them, or their rows.",
        ),
        Refused(
            "integers",
            "from_arrays((9 * x).astype(int), y)",
            "'x' of from_arrays must be uint8 or floating-point, got int64. Convert it.",
        ),
        Refused(
            "booleans",
            "from_arrays(x > 0.5, y)",
            "'x' of from_arrays must be uint8 or floating-point, got bool. Convert it.",
        ),
        Refused(
            "complex numbers",
            "from_arrays(x + 0j, y)",
            "'x' of from_arrays must be uint8 or floating-point, got complex64. Convert it.",
        ),
        Refused(
            "objects",
            "from_arrays(x.astype(object), y)",
            "'x' of from_arrays must be uint8 or floating-point, got object. Convert it.",
        ),
        Refused(
            "dates",
            "from_arrays(x.astype('datetime64[s]'), y)",
            "'x' of from_arrays must be uint8 or floating-point, got datetime64[s]. Convert it.",
        ),
        Refused(
            "text",
            "from_arrays(x.astype(str), y)",
            "'x' of from_arrays must be uint8 or floating-point, got <U32. Convert it.",
        ),
        Refused(
            "labels as text",
            "from_arrays(x, np.array(['cat', 'dog', 'owl'])[y])",
            "'y' of from_arrays must be 60 class indices, got <U3 of shape (60,). `names, labels = numpy.unique(labels, return_inverse=True)` makes names and indices of names.",
        ),
        Refused(
            "labels as objects",
            "from_arrays(x, y.astype(object))",
            "'y' of from_arrays must be 60 class indices, got object of shape (60,). `names, labels = numpy.unique(labels, return_inverse=True)` makes names and indices of names.",
        ),
        Refused(
            "labels with NaN",
            "from_arrays(x, np.where(y > 1, np.nan, y))",
            "'y' of from_arrays must be 60 class indices, got float64 of shape (60,). `names, labels = numpy.unique(labels, return_inverse=True)` makes names and indices of names.",
        ),
        Refused(
            "whole numbers as float",
            "from_arrays(x, y.astype(float))",
            "'y' of from_arrays must be 60 class indices, got float64 of shape (60,). `labels.astype(int)` makes whole numbers of them.",
        ),
        Refused(
            "labels as booleans",
            "from_arrays(x, y > 0)",
            "'y' of from_arrays must be 60 class indices, got bool of shape (60,). `labels.astype(int)` makes whole numbers of them.",
        ),
        Refused(
            "one-hot labels",
            "from_arrays(x, np.eye(3)[y])",
            "'y' of from_arrays must be 60 class indices, got float64 of shape (60, 3). Of one-hot rows, `labels.argmax(1)` are indices.",
        ),
        Refused(
            "labels in a column",
            "from_arrays(x, y[:, None])",
            "'y' of from_arrays must be 60 class indices, got int64 of shape (60, 1). `labels[:, 0]` has no second axis.",
        ),
        Refused(
            "ragged labels",
            "from_arrays(x, [[0], [1, 2]] * 30)",
            "'y' of from_arrays must be an array, got a ragged list. Make its rows alike.",
        ),
        Refused(
            "no labels",
            "from_arrays(x, None)",
            "'y' of from_arrays must be an array, got None. Give one label a sample.",
        ),
        Refused(
            "too few labels",
            "from_arrays(x, y[:9])",
            "'y' of from_arrays must be 60 class indices, got int64 of shape (9,). Give one label a row.",
        ),
        Refused(
            "masked labels",
            "from_arrays(x, np.ma.masked_equal(y, 2))",
            "'y' of from_arrays must have no masked values, got 20 masked values. Fill or drop them, or their rows.",
        ),
        Refused(
            "labels below -1",
            "from_arrays(x, y - 2)",
            "'y' of from_arrays must be at least -1 (-1: not known), got -2. Number the classes from 0.",
        ),
        Refused(
            "-1 without a sign",
            "from_arrays(x, (y - 1).astype(np.uint64))",
            "'y' of from_arrays must be class indices, got 18446744073709551615. -1 says that a class is not known.",
        ),
        Refused(
            "a label larger than the number of samples",
            "from_arrays(x, y + 1000)",
            "'y' of from_arrays must be below 60 where classes have no names, got 1002. Number the classes from 0, as numpy.unique(labels, return_inverse=True) does, and name each of them.",
        ),
        Refused(
            "a label without a name",
            "from_arrays(x, y, class_names=['a', 'b'])",
            "'y' of from_arrays must be in -1 … 1 (-1: not known), got 0 … 2. Number the classes from 0, as numpy.unique(labels, return_inverse=True) does, and name each of them.",
        ),
        Refused(
            "a name twice",
            "from_arrays(x, y, class_names=['a', 'b', 'a'])",
            "'class_names' of from_arrays must be distinct, got 'a' more than once. Name each class once.",
        ),
        Refused(
            "a number for names",
            "from_arrays(x, y, class_names=3)",
            "'class_names' of from_arrays must be names of the classes, in a list, got int. Name each class once.",
        ),
        Refused(
            "a share of nothing",
            "from_arrays(x, y, test=0)",
            "'test' of from_arrays must be a share that leaves every split a row, or a tuple (x, y), got 0 of 60 rows. Give more rows or another share.",
        ),
        Refused(
            "shares that leave nothing",
            "from_arrays(x, y, test=0.5, validation=0.5)",
            "'validation' of from_arrays must be a share that leaves every split a row, or a tuple (x, y), got 0.5 of 60 rows. Give more rows or another share.",
        ),
        Refused(
            "a share that is NaN",
            "from_arrays(x, y, validation=float('nan'))",
            "'validation' of from_arrays must be a share that leaves every split a row, or a tuple (x, y), got nan of 60 rows. Give more rows or another share.",
        ),
        Refused(
            "validation rows of another shape",
            "from_arrays(x, y, validation=(x[:, :3], y))",
            "'validation[0]' of from_arrays must be rows of shape (6,), as x, got (3,). Reshape them.",
        ),
        Refused(
            "validation rows without labels",
            "from_arrays(x, y, validation=x)",
            "'validation' of from_arrays must be a share that leaves every split a row, or a tuple (x, y), got a ndarray. Give more rows or another share.",
        ),
        Refused(
            "a negative seed",
            "from_arrays(x, y, seed=-1)",
            "'seed' of from_arrays must be at least 0, got -1. Give a whole number.",
        ),
    ],
    "Data sets by name or folder": [
        Refused(
            "an unknown name",
            "load_dataset('minst')",
            "'name_or_folder' of load_dataset must be a known name or a folder of IDX files or pictures, a table, arrays or cells, got 'minst'. Did you mean 'mnist'?",
        ),
        Refused(
            "no name",
            "load_dataset(None)",
            "'name_or_folder' of load_dataset must be a known name or a folder of IDX files or pictures, a table, arrays or cells, got 'None'. Known: digits, fashion-mnist, mnist, shapes, sparse-linear.",
        ),
        Refused(
            "an empty file",
            "load_dataset('empty')",
            "'name_or_folder' of load_dataset must be a known name or a folder of IDX files or pictures, a table, arrays or cells, got 'empty'. Known: digits, fashion-mnist, mnist, shapes, sparse-linear.",
        ),
        Refused(
            "an empty folder",
            "load_dataset('empty-folder')",
            "'name_or_folder' of load_dataset must be a folder of IDX files, got empty-folder without train-images* and train-labels*. Name the folder that holds them, or one with a sub-folder of pictures for each class.",
        ),
        Refused(
            "a file that is empty in a folder",
            "load_dataset('hollow')",
            "A data file must be an IDX file (first bytes 00 00), got hollow/train-images-idx3-ubyte (empty). Is it another file?",
        ),
        Refused(
            "a folder named like a file",
            "load_dataset('nested')",
            "nested/train-images-idx3-ubyte must be a plain file, got a folder. Where does it come from?",
        ),
        Refused(
            "images without labels",
            "load_dataset('unpaired')",
            "'name_or_folder' of load_dataset must be a folder with one train-labels* beside its pair, got unpaired with 0. Add it.",
        ),
        Refused(
            "fewer labels than images",
            "load_dataset('short')",
            "'name_or_folder' of load_dataset must be a folder with one label an image, got 60 images in short/train-images-idx3-ubyte and 9 labels in short/train-labels-idx1-ubyte. Are they of the same set?",
        ),
        Refused(
            "a name longer than file systems take",
            "load_dataset('x' * 300)",
            "'name_or_folder' of load_dataset must be a known name or a folder of IDX files or pictures, a table, arrays or cells, got 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…'. Known: digits, fashion-mnist, mnist, shapes, sparse-linear.",
        ),
        Refused(
            "a name that is not UTF-8, of nothing",
            "load_dataset(os.fsdecode(b'\\xff'))",
            "'name_or_folder' of load_dataset must be a known name or a folder of IDX files or pictures, a table, arrays or cells, got '\\udcff'. Known: digits, fashion-mnist, mnist, shapes, sparse-linear.",
        ),
    ],
    "Cells": [
        Refused(
            "logarithms of counts",
            "from_anndata(cells, label='kind')",
            "'layer' of from_anndata must hold counts, whole numbers of at least 0, got 1.386 in adata.X. Is it layer='counts'?",
        ),
        Refused(
            "a negative count",
            "fit_anndata(with_counts(lambda counts: counts - 3), label='kind', layer='counts')",
            "'layer' of fit_anndata must hold counts, whole numbers of at least 0, got -2 in adata.layers['counts']. Leave it out for adata.X, or name another layer.",
        ),
        Refused(
            "NaN",
            "from_anndata(with_counts(lambda counts: np.where(counts > 5, np.nan, counts)), layer='counts')",
            "'layer' of from_anndata must hold counts, whole numbers of at least 0, got NaN or infinity in adata.layers['counts']. Leave it out for adata.X, or name another layer.",
        ),
        Refused(
            "cells without counts",
            "from_anndata(with_counts(lambda counts: counts * (np.arange(60) > 1)[:, None]), layer='counts')",
            "'adata' of from_anndata must have counts in every cell, got none in rows 0, 1. sc.pp.filter_cells(adata, min_counts=1) drops such cells.",
        ),
        Refused(
            "no counts at all",
            "from_anndata(with_counts(lambda counts: 0 * counts), layer='counts')",
            "'adata' of from_anndata must have counts in adata.layers['counts'], got none. Is it the right layer?",
        ),
        Refused(
            "a layer that is not there",
            "from_anndata(cells, layer='count')",
            "'layer' of from_anndata must be one of adata.layers, got 'count'. Did you mean 'counts'?",
        ),
        Refused(
            "a label that is not there",
            "from_anndata(cells, label='kinds', layer='counts')",
            "'label' of from_anndata must be a column of adata.obs, got 'kinds'. Did you mean 'kind'?",
        ),
        Refused(
            "a label of no cell",
            "from_anndata(cells, label='batch', layer='counts')",
            "The column 'batch' of adata.obs must name classes, got nothing in any row.",
        ),
        Refused(
            "a marker that is not there",
            "from_anndata(cells, label='kind', layer='counts', unlabelled='Unknown')",
            "'unlabelled' of from_anndata must be a value of adata.obs['kind'], got 'Unknown'. It has 'kind 0', 'kind 1', 'kind 2'.",
        ),
        Refused(
            "an array in place of the object",
            "fit_anndata(x, label='kind')",
            "'adata' of fit_anndata must be an AnnData object, got ndarray. anndata.AnnData(counts) makes one.",
        ),
        Refused(
            "a path in place of the object",
            "fit_anndata('cells.h5ad', label='kind')",
            "'adata' of fit_anndata must be an AnnData object to write into, got a path. anndata.read_h5ad(path) gives one.",
        ),
        Refused(
            "a model of other data",
            "encode_anndata(model, cells, layer='counts')",
            "'model' of encode_anndata must have been trained on cells, got one of other data. `fit_anndata` gives one.",
        ),
        Refused(
            "fractions for a model of counts",
            "encode_dataset(counter, x)",
            "The values of the split must be whole numbers for a negative-binomial likelihood, got others in rows 0, 1, 2, 3, 4 and 55 more. Are they logarithms, or scaled? Give counts as they were measured.",
        ),
        Refused(
            "pictures of counts",
            "SparseVAE((1, 8, 8), likelihood='negative-binomial')",
            "'likelihood' of SparseVAE must not be 'negative-binomial' for observations of shape [1, 8, 8]: it is for rows of counts, such as those of genes. Use 'gaussian', or reshape them.",
        ),
        Refused(
            "pseudo-inputs for counts",
            "SparseVAE((6,), 4, likelihood='negative-binomial', prior='pseudo-inputs')",
            "'prior' of SparseVAE must be 'fixed' or 'per-class' for a negative-binomial likelihood, got 'pseudo-inputs': they are learned, and are no counts. Leave it out.",
        ),
    ],
    "Training": [
        Refused(
            "an array for a data set",
            "fit(model, x)",
            "'data' of fit must be a Dataset, got ndarray. `from_arrays(x, y)` and `load_dataset(name)` make one.",
        ),
        Refused(
            "a name for a data set",
            "fit(model, 'digits')",
            "'data' of fit must be a Dataset, got str. `from_arrays(x, y)` and `load_dataset(name)` make one.",
        ),
        Refused(
            "no model",
            "fit(None, data)",
            "'model' of fit must be a SparseVAE, got None. SparseVAE(data.shape) is one.",
        ),
        Refused(
            "a name for an objective",
            "fit(model, data, objective='vsc')",
            "'objective' of fit must be an Objective, got str. Objective.preset(name) is one.",
        ),
        Refused(
            "half an epoch",
            "fit(model, data, epochs=0.5)",
            "'epochs' of fit must be a whole number, got float. Leave it out for the default.",
        ),
        Refused(
            "no epoch",
            "fit(model, data, epochs=0)",
            "'epochs' of fit must be at least 1, got 0.",
        ),
        Refused(
            "a batch larger than the data",
            "fit(model, data, batch_size=1000)",
            "'batch_size' of fit must be at most the 36 training rows of arrays, got 1000.",
        ),
        Refused(
            "a learning rate that is NaN",
            "fit(model, data, learning_rate=float('nan'))",
            "'learning_rate' of fit must be above 0, got nan.",
        ),
        Refused(
            "a negative learning rate",
            "fit(model, data, learning_rate=-1.0)",
            "'learning_rate' of fit must be above 0, got -1.0.",
        ),
        Refused(
            "a seed of 70 bits",
            "fit(model, data, seed=2**70)",
            "'seed' of fit must lie in 0 … 2**63 - 1, got 1180591620717411303424.",
        ),
        Refused(
            "no patience",
            "fit(model, data, patience=0)",
            "'patience' of fit must be at least 1, got 0.",
        ),
        Refused(
            "a number for a folder",
            "fit(model, data, out=3)",
            "'out' of fit must be the path of a folder, got int. Leave it out to write nothing.",
        ),
        Refused(
            "another precision",
            "fit(model, data, precision='16')",
            "'precision' of fit must be '32-true' or 'bf16-mixed', got '16'.",
        ),
        Refused(
            "another device",
            "fit(model, data, accelerator='abacus')",
            "'accelerator' of fit must be one that this machine has, got 'abacus': You selected an invalid accelerator name: `accelerator='abacus'`. Available names are: … Try 'cpu'.",
        ),
        Refused(
            "values above 1",
            "fit(model, from_arrays(3 * x, y))",
            "The values of arrays must lie in 0 … 1 for a Bernoulli likelihood, got 0.008215 … 2.985, out of it in rows 0, 1, 2, 3, 4 and 31 more. Scale them, or use likelihood='gaussian'.",
        ),
        Refused(
            "values that float32 cannot square",
            "fit(gaussian, from_arrays(1e30 * x, y))",
            "The values of arrays must lie in -1e+12 … 1e+12 for a Gaussian likelihood, got 2.738e+27 … 9.951e+29, out of it in rows 0, 1, 2, 3, 4 and 31 more. Standardise them: their squares must fit in float32, with room to spare.",
        ),
        Refused(
            "rows of another shape",
            "fit(model, from_arrays(x[:, :5], y))",
            "'shape' of SparseVAE must be that of the data, (5,), got (6,).",
        ),
        Refused(
            "one class",
            "fit(model, from_arrays(x, 0 * y))",
            "The objective 'class-consistent' needs labelled samples of at least two classes, got 1 in the training rows of arrays. Train with the objective 'vsc' instead.",
        ),
        Refused(
            "no class that is known",
            "fit(model, from_arrays(x, np.full(60, -1)))",
            "The objective 'class-consistent' needs labelled samples of at least two classes, got 0 in the training rows of arrays. Train with the objective 'vsc' instead.",
        ),
        Refused(
            "a class of a single sample",
            "fit(model, from_arrays(x, np.where(np.arange(60) == 7, 3, y)))",
            "A class needs at least two training samples to agree, got 0 of '3' in arrays. Add samples, leave it out, or take its label away: -1 in arrays, an empty cell in a table.",
        ),
        Refused(
            "a VAE's objective for a model with spikes",
            "fit(model, data, objective=Objective.vae())",
            "The objective 'vae' does not fit 'n_dense' = 0 of SparseVAE: a VAE has no spikes. Set n_dense=4, or use Objective.vsc().",
        ),
    ],
    "Models and objectives": [
        Refused(
            "a number for a shape",
            "SparseVAE(784)",
            "'shape' of SparseVAE must be whole numbers, such as (1, 28, 28), got 784. Put them in a tuple.",
        ),
        Refused(
            "text for a shape",
            "SparseVAE('mnist')",
            "'shape' of SparseVAE must be whole numbers, such as (1, 28, 28), got 'mnist'. Put them in a tuple.",
        ),
        Refused(
            "an axis of no length",
            "SparseVAE((0, 8))",
            "'shape' of SparseVAE must be positive numbers, got [0, 8].",
        ),
        Refused(
            "half a latent",
            "SparseVAE((6,), 2.5)",
            "'n_latents' of SparseVAE must be a whole number, got float. Leave it out for the default.",
        ),
        Refused(
            "no latent",
            "SparseVAE((6,), 0)",
            "'n_latents' of SparseVAE must be at least 1, got 0.",
        ),
        Refused(
            "a hundred thousand million latents",
            "SparseVAE((6,), 10**11)",
            "'n_latents' and 'hidden' of SparseVAE must be at most 1,000,000, got 100000000000.",
        ),
        Refused(
            "a number for widths",
            "SparseVAE((6,), hidden=400)",
            "'hidden' of SparseVAE must be whole numbers, such as (400,), got 400. Put them in a tuple.",
        ),
        Refused(
            "more dense latents than latents",
            "SparseVAE((6,), 4, n_dense=5)",
            "'n_dense' of SparseVAE must lie in 0 … n_latents = 4, got 5.",
        ),
        Refused(
            "a prior of 0",
            "SparseVAE((6,), active_prior=0.0)",
            "'active_prior' of SparseVAE must lie in 1e-6 … 1 - 1e-6, got 0.0. 0.01 keeps codes sparse; for a VAE, without spikes, set n_dense to n_latents.",
        ),
        Refused(
            "a prior that is NaN",
            "SparseVAE((6,), active_prior=float('nan'))",
            "'active_prior' of SparseVAE must lie in 1e-6 … 1 - 1e-6, got nan. 0.01 keeps codes sparse; for a VAE, without spikes, set n_dense to n_latents.",
        ),
        Refused(
            "an unknown likelihood",
            "SparseVAE((6,), likelihood='gausian')",
            "Unknown likelihood 'gausian' of SparseVAE. Did you mean 'gaussian'?",
        ),
        Refused(
            "a prior of classes without their number",
            "SparseVAE((6,), prior='per-class')",
            "'n_classes' of SparseVAE must be at least 1 for the prior 'per-class', got None.",
        ),
        Refused(
            "convolutions of a table",
            "SparseVAE((6,), network='conv')",
            "'network' of SparseVAE must be 'mlp' for observations of shape [6]: 'conv' needs (channels, height, width).",
        ),
        Refused(
            "text for a seed",
            "SparseVAE((6,), seed='0')",
            "'seed' of SparseVAE must be a whole number, got str. Leave it out for the default.",
        ),
        Refused(
            "a negative price",
            "Objective(within=-1)",
            "'within' of Objective must be a finite price of at least 0, got -1. A negative price is unstable: the term can be lowered without end.",
        ),
        Refused(
            "a price that is NaN",
            "Objective(within=float('nan'))",
            "'within' of Objective must be a finite price of at least 0, got nan. A negative price is unstable: the term can be lowered without end.",
        ),
        Refused(
            "text for a price",
            "Objective(within='5')",
            "'within' of Objective must be a number, got str. Leave it out for the default.",
        ),
        Refused(
            "a number for a schedule",
            "Objective(warm_up=0.5)",
            "'warm_up' of Objective must be a Schedule, got float. Schedule(1.0, 1.0) is 1 throughout.",
        ),
        Refused(
            "an unknown preset",
            "Objective.preset('vcs')",
            "Unknown objective 'vcs'. Did you mean 'vsc'?",
        ),
        Refused(
            "a price that a preset has not",
            "Objective.preset('vsc', within=3)",
            "The objective 'vsc' has no setting 'within'; it belongs to class-consistent.",
        ),
    ],
    "Encoding": [
        Refused(
            "NaN",
            "encode_dataset(model, np.where(x > 0.99, np.nan, x))",
            "The values of the split must be finite in float32, got NaN or infinity in rows 8, 20, 25, 57. Fill or drop them, and scale what is too large.",
        ),
        Refused(
            "too large for float32",
            "encode_dataset(model, x.astype(float) * 1e300)",
            "The values of the split must be finite in float32, got NaN or infinity in rows 0, 1, 2, 3, 4 and 55 more. Fill or drop them, and scale what is too large.",
        ),
        Refused(
            "values above 1",
            "encode_dataset(model, 2 * x)",
            "The values of the split must lie in 0 … 1 for a Bernoulli likelihood, got 0.005477 … 1.994, out of it in rows 0, 1, 2, 3, 4 and 52 more. Scale them, or use likelihood='gaussian'.",
        ),
        Refused(
            "rows of another shape",
            "encode_dataset(model, x[:, :5])",
            "'split' of encode_dataset must be rows of shape (6,), as 'model' was made for, got (5,). Reshape them, or take the model of these samples.",
        ),
        Refused(
            "a single row",
            "encode_dataset(model, x[0])",
            "'split' of encode_dataset must be rows of shape (6,), as 'model' was made for, got (). Reshape them, or take the model of these samples.",
        ),
        Refused(
            "a single number",
            "encode_dataset(model, np.array(1.0))",
            "'split' of encode_dataset must be an array [sample, …], got a single number. Give one row a sample.",
        ),
        Refused(
            "no samples",
            "encode_dataset(model, x[:0])",
            "'split' of encode_dataset must have at least one row, got none.",
        ),
        Refused(
            "a list",
            "encode_dataset(model, x.tolist())",
            "'split' of encode_dataset must be a Split or an array [sample, …], got list. np.asarray(values) makes one, np.load(path, mmap_mode='r') one of what is too large for the memory.",
        ),
        Refused(
            "a data set for a split",
            "encode_dataset(model, data)",
            "'split' of encode_dataset must be a Split or an array [sample, …], got Dataset. np.asarray(values) makes one, np.load(path, mmap_mode='r') one of what is too large for the memory.",
        ),
        Refused(
            "masked values",
            "encode_dataset(model, np.ma.masked_greater(x, 0.9))",
            "'split' of encode_dataset must have no masked values, got 42 masked values. Fill or drop them, or their rows.",
        ),
        Refused(
            "a sparse tensor",
            "encode_dataset(model, torch.as_tensor(x).to_sparse())",
            "'split' of encode_dataset must be a dense tensor of numbers, got torch.sparse_coo. Its `to_dense()` is one.",
        ),
        Refused(
            "integers",
            "encode_dataset(model, (9 * x).astype(int))",
            "'split' of encode_dataset must be floating-point or uint8, got int64. Convert it.",
        ),
        Refused(
            "ragged labels",
            "encode_dataset(model, x, labels=[[0], [1, 2]] * 30)",
            "'labels' of encode_dataset must be an array, got a ragged list. Make its rows alike.",
        ),
        Refused(
            "labels as text",
            "encode_dataset(model, x, labels=np.array(['cat', 'dog', 'owl'])[y])",
            "'labels' of encode_dataset must be 60 class indices, got <U3 of shape (60,). `names, labels = numpy.unique(labels, return_inverse=True)` makes names and indices of names.",
        ),
        Refused(
            "-1 without a sign",
            "encode_dataset(model, x, labels=np.full(60, 2**64 - 1, dtype=np.uint64))",
            "'labels' of encode_dataset must be class indices, got 18446744073709551615. -1 says that a class is not known.",
        ),
        Refused(
            "a label of a thousand million",
            "encode_dataset(model, x, labels=10**9 * y)",
            "'labels' of encode_dataset must be below 10,000 where classes have no names, got 2000000000. Number the classes from 0, as numpy.unique(labels, return_inverse=True) does, and name each of them.",
        ),
        Refused(
            "labels of a split that has its own",
            "encode_dataset(model, data.test, labels=[0])",
            "'labels' of encode_dataset must be left out where the samples are a Split, got list. It has its own.",
        ),
        Refused(
            "no model",
            "encode_dataset(None, x)",
            "'model' of encode_dataset must be a SparseVAE, got None. `load` of a run folder gives one.",
        ),
    ],
    "Codes and measures": [
        Refused(
            "NaN",
            "Codes.from_values(np.where(z > 1.9, np.nan, z), y)",
            "'values' of Codes.from_values must be finite, got NaN or infinity in rows 7, 14, 18, 26, 38 and 2 more. Fill or drop them.",
        ),
        Refused(
            "a vector",
            "Codes.from_values(z[0], y)",
            "'values' of Codes.from_values must be numbers [sample, latent], got float64 of shape (3,). Give a matrix with a row a sample.",
        ),
        Refused(
            "complex numbers",
            "Codes.from_values(z + 0j, y)",
            "'values' of Codes.from_values must be numbers [sample, latent], got complex128 of shape (60, 3). Give a matrix with a row a sample.",
        ),
        Refused(
            "a sparse matrix",
            "Codes.from_values(scipy.sparse.csr_array(z), y)",
            "'values' of Codes.from_values must be a dense array, got csr_array. Its `toarray()` is one.",
        ),
        Refused(
            "masked values",
            "Codes.from_values(np.ma.masked_equal(z, 0), y)",
            "'values' of Codes.from_values must have no masked values, got 120 masked values. Fill or drop them, or their rows.",
        ),
        Refused(
            "values whose squares are too large",
            "Codes.from_values(1e30 * z, y)",
            "'slab_loc' of Codes must lie in -1e+15 … 1e+15, got 0 … 1.989e+30. Scale them: float32 must hold their squares.",
        ),
        Refused(
            "labels as text",
            "Codes.from_values(z, np.array(['cat', 'dog', 'owl'])[y])",
            "'labels' of Codes.from_values must be 60 class indices, got <U3 of shape (60,). `names, labels = numpy.unique(labels, return_inverse=True)` makes names and indices of names.",
        ),
        Refused(
            "a label of a thousand million",
            "Codes.from_values(z, 10**9 * y)",
            "'labels' of Codes.from_values must be below 10,000 where classes have no names, got 2000000000. Number the classes from 0, as numpy.unique(labels, return_inverse=True) does, and name each of them.",
        ),
        Refused(
            "a label without a name",
            "Codes.from_values(z, y, class_names=['a'])",
            "'labels' of Codes must lie in -1 … 0 (-1: unlabelled), got 0 … 2.",
        ),
        Refused(
            "a list",
            "Codes(z.tolist(), z, 1 + z, y, ('a', 'b', 'c'), z[0])",
            "'active_probs' of Codes must be an array, got list. np.asarray makes one; see also Codes.from_values.",
        ),
        Refused(
            "probabilities above 1",
            "Codes(1 + z, z, 1 + z, y, ('a', 'b', 'c'), np.full(3, 0.5))",
            "'active_probs' of Codes must lie in 0 … 1, got 1 … 2.989. They are probabilities.",
        ),
        Refused(
            "parts of two shapes",
            "Codes(0 * z, z[:9], 1 + z, y, ('a', 'b', 'c'), np.full(3, 0.5))",
            "'slab_loc' of Codes must have shape (60, 3) to match active_probs, got (9, 3).",
        ),
        Refused(
            "a scale of 0",
            "Codes(0 * z, z, 0 * z, y, ('a', 'b', 'c'), np.full(3, 0.5))",
            "'slab_scale' of Codes must lie in 1e-30 … 1e+15, got 0 … 0. They are standard deviations, whose squares float32 must hold.",
        ),
        Refused(
            "an array for codes",
            "measure(z)",
            "'codes' of measure must be Codes, got ndarray. Codes.from_values(array, labels) makes them of an array.",
        ),
        Refused(
            "no samples",
            "measure(Codes.from_values(z[:0], y[:0]))",
            "'codes' of measure must have rows and latents, got shape (0, 3). Is the set empty?",
        ),
        Refused(
            "no latents",
            "measure(Codes.from_values(z[:, :0], y))",
            "'codes' of measure must have rows and latents, got shape (60, 0). Is the set empty?",
        ),
        Refused(
            "training codes of another model",
            "measure(codes, train=Codes.from_values(z[:, :2], y))",
            "'train' of measure must have the 3 latents and the 3 classes of codes, got 2 and 3, of which some may have other names. Encode both with one model.",
        ),
        Refused(
            "a threshold of 1",
            "measure(codes, threshold=1)",
            "'threshold' of measure must be in [0, 1), got 1. Try 0.5.",
        ),
        Refused(
            "an array for codes",
            "explain(None, z)",
            "'codes' of explain must be Codes, got ndarray. Codes.from_values(array, labels) makes them of an array.",
        ),
        Refused(
            "no samples",
            "explain(None, Codes.from_values(z[:0], y[:0]))",
            "'codes' of explain must be one or more samples coded by this model of 3 latents, got 0 of 3 latents.",
        ),
        Refused(
            "text for a model",
            "explain('model', codes)",
            "A model must be a SparseVAE, or a function from codes to data, got str.",
        ),
        Refused(
            "a decoder that gives NaN",
            "explain(lambda z: z * np.nan, codes)",
            "The decoder must give finite numbers, a row for each of 20 codes, got float64 of shape (20, 3). Give a function from arrays [sample, latent] to arrays [sample, …].",
        ),
        Refused(
            "a decoder that gives one row",
            "explain(lambda z: z[0], codes)",
            "The decoder must give finite numbers, a row for each of 20 codes, got float64 of shape (3,). Give a function from arrays [sample, latent] to arrays [sample, …].",
        ),
        Refused(
            "attributes of other samples",
            "associate(codes, {'size': z[:9, 0]})",
            "'attributes' of associate must be a number for each of the 60 samples of codes, got float64 of shape (9,) for 'size'. Measure the split that was encoded.",
        ),
        Refused(
            "attributes as text",
            "associate(codes, {'size': ['large'] * 60})",
            "'attributes' of associate must be a number for each of the 60 samples of codes, got <U5 of shape (60,) for 'size'. Measure the split that was encoded.",
        ),
        Refused(
            "masked attributes",
            "associate(codes, {'size': np.ma.masked_equal(z[:, 0], 0)})",
            "'attributes['size']' of associate must have no masked values, got 40 masked values. Fill or drop them, or their rows.",
        ),
        Refused(
            "a list for attributes",
            "associate(codes, [1, 2])",
            "'attributes' of associate must be numbers by name, got list. Give {\"name\": array}.",
        ),
        Refused(
            "colours",
            "measure_attributes(np.ones((2, 3, 8, 8)))",
            "'x' of measure_attributes must be grey images [sample, 1, h, w], got shape (2, 3, 8, 8). Reshape them.",
        ),
        Refused(
            "NaN in an image",
            "measure_attributes(np.full((1, 1, 8, 8), np.nan))",
            "'x' of measure_attributes must be finite float32, got 64 NaN or infinite pixels. Fill or drop them.",
        ),
        Refused(
            "objects",
            "measure_attributes(x.astype(object))",
            "'x' of measure_attributes must be images or rows of numbers, got object of shape (60, 6). Give an array with a row a sample.",
        ),
    ],
    "Estimators of scikit-learn": [
        Refused(
            "NaN",
            "transformer.fit(np.where(x > 0.99, np.nan, x))",
            "Input X contains NaN.",
            by_scikit_learn=True,
        ),
        Refused(
            "infinity",
            "transformer.fit(np.where(x > 0.99, np.inf, x))",
            "Input X contains infinity or a value too large for dtype('float32').",
            by_scikit_learn=True,
        ),
        Refused(
            "too large to be standardised",
            "transformer.fit(x.astype(float) * 1e300)",
            "'X' of fit must have columns of finite variance, got values up to 1e+300. Scale them.",
        ),
        Refused(
            "no samples",
            "transformer.fit(x[:0])",
            "Found array with 0 sample(s) (shape=(0, 6)) while a minimum of 2 is required by SparseVAETransformer.",
            by_scikit_learn=True,
        ),
        Refused(
            "one sample",
            "transformer.fit(x[:1])",
            "Found array with 1 sample(s) (shape=(1, 6)) while a minimum of 2 is required by SparseVAETransformer.",
            by_scikit_learn=True,
        ),
        Refused(
            "no columns",
            "transformer.fit(x[:, :0])",
            "Found array with 0 feature(s) (shape=(60, 0)) while a minimum of 1 is required by SparseVAETransformer.",
            by_scikit_learn=True,
        ),
        Refused(
            "a vector",
            "transformer.fit(x[:, 0])",
            "Expected 2D array, got 1D array instead:",
            by_scikit_learn=True,
        ),
        Refused(
            "images",
            "transformer.fit(x.reshape(60, 2, 3))",
            "Found array with dim 3, while dim <= 2 is required by SparseVAETransformer.",
            by_scikit_learn=True,
        ),
        Refused(
            "text",
            "transformer.fit(np.full((60, 6), 'a'))",
            "could not convert string to float: …'a'…",
            by_scikit_learn=True,
        ),
        Refused(
            "complex numbers",
            "transformer.fit(x + 0j)",
            "Complex data not supported",
            by_scikit_learn=True,
        ),
        Refused(
            "a sparse matrix",
            "transformer.fit(scipy.sparse.csr_array(x))",
            "Sparse data was passed for X, but dense data is required. Use '.toarray()' to convert to a dense numpy array.",
            by_scikit_learn=True,
        ),
        Refused(
            "nothing",
            "transformer.fit(None)",
            "Expected 2D array, got scalar array instead:",
            by_scikit_learn=True,
        ),
        Refused(
            "a path",
            "transformer.fit('x.npy')",
            "could not convert string to float: 'x.npy'",
            by_scikit_learn=True,
        ),
        Refused(
            "masked values",
            "transformer.fit(np.ma.masked_greater(x, 0.9))",
            "'X' must have no masked values, got some. Fill them, or drop their rows.",
        ),
        Refused(
            "too few labels",
            "transformer.fit(x, y[:9])",
            "'y' of fit must have 60 labels, one a row of X, got 9.",
        ),
        Refused(
            "one-hot labels",
            "transformer.fit(x, np.eye(3)[y])",
            "y should be a 1d array, got an array of shape (60, 3) instead.",
            by_scikit_learn=True,
        ),
        Refused(
            "labels with NaN",
            "transformer.fit(x, np.where(y > 1, np.nan, y))",
            "'y' of fit must have a label in each row, got none in 20. `unlabelled=numpy.nan` takes rows without a label.",
        ),
        Refused(
            "labels that are None",
            "classifier.fit(x, ['a', 'b', None] * 20)",
            "'y' of fit must have a label in each row, got none in 20. `unlabelled=numpy.nan` takes rows without a label.",
        ),
        Refused(
            "measurements for labels",
            "classifier.fit(x, x[:, 0])",
            "Unknown label type: continuous. Maybe you are trying to fit a classifier, which expects discrete classes on a regression target with continuous values.",
            by_scikit_learn=True,
        ),
        Refused(
            "no labels",
            "classifier.fit(x, None)",
            "requires y to be passed, but the target y is None",
            by_scikit_learn=True,
        ),
        Refused(
            "one class",
            "classifier.fit(x, 0 * y)",
            "'y' of fit must be of two classes at least, got 1 class.",
        ),
        Refused(
            "values out of 0 … 1",
            "transformer.set_params(likelihood='bernoulli').fit(9 * x)",
            "The values of X must lie in 0 … 1 for a Bernoulli likelihood, got 0.02465 … 8.975, out of it in rows 0, 1, 2, 3, 4 and 55 more. Scale them, or use likelihood='gaussian'.",
        ),
        Refused(
            "not fitted",
            "transformer.transform(x)",
            "This SparseVAETransformer instance is not fitted yet. Call 'fit' with appropriate arguments before using this estimator.",
            by_scikit_learn=True,
        ),
        Refused(
            "other columns",
            "transformer.fit(x).transform(x[:, :5])",
            "X has 5 features, but SparseVAETransformer is expecting 6 features as input.",
            by_scikit_learn=True,
        ),
        Refused(
            "codes of other latents",
            "transformer.fit(x).inverse_transform(z)",
            "'X' of inverse_transform must be codes [sample, 4], got float64 of shape (60, 3).",
        ),
        Refused(
            "codes with NaN",
            "transformer.fit(x).inverse_transform(np.full((2, 4), np.nan))",
            "'X' of inverse_transform must be finite codes, got NaN or infinity. Fill or drop them.",
        ),
        Refused(
            "no latents",
            "SparseVAETransformer(0).fit(x)",
            "'n_latents' of SparseVAE must be at least 1, got 0.",
        ),
        Refused(
            "an unknown objective",
            "SparseVAETransformer(objective='vcs').fit(x)",
            "Unknown objective 'vcs'. Did you mean 'vsc'?",
        ),
        Refused(
            "an unknown setting",
            "SparseVAETransformer(objective_settings={'witin': 3}).fit(x, y)",
            "The objective 'class-consistent' has no setting 'witin'.",
        ),
        Refused(
            "no labels for an objective of classes",
            "SparseVAETransformer(objective='class-consistent').fit(x)",
            "The objective 'class-consistent' needs labelled samples of at least two classes, got 0 in the training rows of X. Train with the objective 'vsc' instead.",
        ),
    ],
    "The command line": [
        Refused(
            "an unknown name",
            "cospike train minst --out new",
            "'name_or_folder' of load_dataset must be a known name or a folder of IDX files or pictures, a table, arrays or cells, got 'minst'. Did you mean 'mnist'?",
        ),
        Refused(
            "an empty file",
            "cospike train empty --out new",
            "'name_or_folder' of load_dataset must be a known name or a folder of IDX files or pictures, a table, arrays or cells, got 'empty'. Known: digits, fashion-mnist, mnist, shapes, sparse-linear.",
        ),
        Refused(
            "an empty folder",
            "cospike train empty-folder --out new",
            "'name_or_folder' of load_dataset must be a folder of IDX files, got empty-folder without train-images* and train-labels*. Name the folder that holds them, or one with a sub-folder of pictures for each class.",
        ),
        Refused(
            "a file that is empty in a folder",
            "cospike train hollow --out new",
            "A data file must be an IDX file (first bytes 00 00), got hollow/train-images-idx3-ubyte (empty). Is it another file?",
        ),
        Refused(
            "a name that is not UTF-8, of nothing",
            "cospike train \\xff --out new",
            "'name_or_folder' of load_dataset must be a known name or a folder of IDX files or pictures, a table, arrays or cells, got '\\udcff'. Known: digits, fashion-mnist, mnist, shapes, sparse-linear.",
        ),
        Refused(
            "a file for a run",
            "cospike train images --out empty",
            "'out' must be a folder, got the file empty.",
        ),
        Refused(
            "a folder below a file",
            "cospike train images --out empty/new",
            "'out' must be a folder that can be written, got empty/new: Not a directory.",
        ),
        Refused(
            "a folder that holds other files",
            "cospike train images --out images",
            "'out' must be a new folder or a run, got images, which holds other files. Choose another.",
        ),
        Refused(
            "a run that is there",
            "cospike train images --out run",
            "'out' holds a run already: run. Continue it with --resume or replace it with --overwrite.",
        ),
        Refused(
            "a run of other data",
            "cospike train digits --out run --resume",
            "Cannot resume run with another data.class_names: it was started with ['0', '1', '2'], got ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']. Give the same settings, or start anew with --overwrite.",
        ),
        Refused(
            "half an epoch",
            "cospike train images --out new --epochs 0.5",
            "Invalid value for --epochs: '0.5' is no whole number.",
        ),
        Refused(
            "half a unit in a layer",
            "cospike train images --out new --hidden 400 0.5",
            "Invalid value for --hidden: '0.5' is no whole number.",
        ),
        Refused(
            "half a seed",
            "cospike benchmark images --out new --seeds 1.5",
            "Invalid value for --seeds: '1.5' is no whole number.",
        ),
        Refused(
            "no epoch",
            "cospike train images --out new --epochs 0",
            "'epochs' of fit must be at least 1, got 0.",
        ),
        Refused(
            "a learning rate that is NaN",
            "cospike train images --out new --learning-rate nan",
            "'learning_rate' of fit must be above 0, got nan.",
        ),
        Refused(
            "an infinite learning rate",
            "cospike train images --out run --overwrite --learning-rate inf",
            "'learning_rate' of fit must be above 0, got inf.",
        ),
        Refused(
            "a price that is NaN",
            "cospike train images --out new --within nan",
            "'within' of Objective must be a finite price of at least 0, got nan. A negative price is unstable: the term can be lowered without end.",
        ),
        Refused(
            "a price that the objective has not",
            "cospike train images --out new --objective vsc --within 3",
            "The objective 'vsc' has no setting 'within'; it belongs to class-consistent.",
        ),
        Refused(
            "a batch larger than the data",
            "cospike train images --out run --overwrite --batch-size 1000",
            "'batch_size' of fit must be at most the 40 training rows of images, got 1000.",
        ),
        Refused(
            "a seed of 80 bits",
            "cospike train images --out new --seed 999999999999999999999999",
            "'seed' of SparseVAE must lie in -2**63 … 2**64 - 1, got 999999999999999999999999.",
        ),
        Refused(
            "a hundred thousand million latents",
            "cospike train images --out new --n-latents 100000000000",
            "'n_latents' and 'hidden' of SparseVAE must be at most 1,000,000, got 100000000000.",
        ),
        Refused(
            "a layer of no width",
            "cospike train images --out new --hidden 0",
            "'hidden' of SparseVAE must be positive numbers, got [0].",
        ),
        Refused(
            "a folder of options",
            "cospike train images --out new --config images",
            "images must be a plain file, got a folder. Where does it come from?",
        ),
        Refused(
            "no options in a file",
            "cospike train images --out new --config empty",
            "empty must hold options, such as `epochs: 40`, got NoneType.",
        ),
        Refused(
            "a VAE with spikes",
            "cospike train images --out new --objective vae --n-dense 3",
            "The objective 'vae' does not fit 'n_dense' = 3 of SparseVAE: a VAE has no spikes. Set n_dense=60, or use Objective.vsc().",
        ),
        Refused(
            "two presets alike",
            "cospike compare images --out new --objectives vsc vsc",
            "'objectives' of compare must name one or more different presets, got vsc, vsc.",
        ),
        Refused(
            "an empty file",
            "cospike compare empty --out new",
            "'name_or_folder' of load_dataset must be a known name or a folder of IDX files or pictures, a table, arrays or cells, got 'empty'. Known: digits, fashion-mnist, mnist, shapes, sparse-linear.",
        ),
        Refused(
            "a file for a run",
            "cospike measure empty",
            "No config.json in empty. Is it the folder of a run?",
        ),
        Refused(
            "no run",
            "cospike measure images",
            "No config.json in images. Is it the folder of a run?",
        ),
        Refused(
            "a class that is none",
            "cospike measure run --group cat",
            "Unknown class 'cat' in 'group'. Known: 0, 1, 2.",
        ),
        Refused(
            "a baseline of nothing",
            "cospike measure run --baseline run",
            "'baseline' is what a group of classes is compared with: name the classes with --group.",
        ),
        Refused(
            "another seed that is no run",
            "cospike measure run --seeds images",
            "No config.json in images. Is it the folder of a run?",
        ),
        Refused(
            "no attributes to hold against",
            "cospike report empty-folder",
            "No config.json in empty-folder. Is it the folder of a run?",
        ),
        Refused(
            "a file for another run",
            "cospike report run --compare empty",
            "No config.json in empty. Is it the folder of a run?",
        ),
        Refused(
            "no run to explore",
            "cospike explore images",
            "No config.json in images. Is it the folder of a run?",
        ),
        Refused(
            "a page that is no page",
            "cospike explore run --out page.txt",
            "'out' of explore must end in .html, got page.txt. Browsers go by it.",
        ),
        Refused(
            "a page in no folder",
            "cospike explore run --out new/page.html",
            "'out' of explore must lie in a folder that is there, got new/page.html. Make new first.",
        ),
        Refused(
            "a file for a benchmark",
            "cospike benchmark images --out empty",
            "'out' must be a folder that can be written, got empty/runs: Not a directory.",
        ),
        Refused(
            "an empty file",
            "cospike benchmark empty --out new",
            "'name_or_folder' of load_dataset must be a known name or a folder of IDX files or pictures, a table, arrays or cells, got 'empty'. Known: digits, fashion-mnist, mnist, shapes, sparse-linear.",
        ),
        Refused(
            "an unknown model",
            "cospike benchmark images --out new --models vcs",
            "Unknown model 'vcs'. Did you mean 'vsc'?",
        ),
        Refused(
            "an unknown name",
            "cospike data fetch minst",
            'Invalid value "minst" for NAME. Choose from: "mnist", "fashion-mnist". Did you mean "mnist"?',
        ),
    ],
    "A full disk": [
        Refused(
            "train",
            "cospike train images --out full/new --epochs 1 --n-latents 4 --hidden 8 --accelerator cpu",
            "'out' must be on a disk with room for what is written, …MB more at least, got 0.00 MB for full/new. Free some space, or choose another disk.",
        ),
        Refused(
            "report",
            "cospike report full/run",
            "Cannot write full/run/report.html: No space left on device. What was saved before is whole. Free some space and report again.",
        ),
        Refused(
            "export",
            "cospike export full/run --onnx",
            "No space left on device: full/run/onnx/encoder.onnx. Free some space, and try again.",
        ),
        Refused(
            "encode",
            "cospike encode full/run images --out full/codes.npz",
            "No space left on device: full/codes.npz. Free some space, and try again.",
        ),
        Refused(
            "compare",
            "cospike compare images --out full/new --epochs 1",
            "'out' must be on a disk with room for what is written, … MB more at least, got 0.00 MB for full/new/vsc. Free some space, or choose another disk.",
        ),
        Refused(
            "generate",
            "cospike generate full/run --n 4 --out full/new.png",
            "No space left on device: full/new.png. Free some space, and try again.",
        ),
    ],
}

TAKEN: dict[str, list[Taken]] = {
    "Samples and labels": [
        Taken(
            "float64, float16",
            "[from_arrays(x.astype(kind), y) for kind in (np.float64, np.float16)]",
            "float32 is made of it",
            "all(part.train.x.dtype == torch.float32 for part in it)",
        ),
        Taken(
            "bfloat16",
            "from_arrays(torch.as_tensor(x).bfloat16(), y)",
            "float32 is made of it",
            "it.train.x.dtype == torch.float32",
        ),
        Taken(
            "another byte order",
            "from_arrays(x.astype('>f4'), y)",
            "as any other",
            "it.fingerprint == data.fingerprint",
        ),
        Taken(
            "grey levels in uint8",
            "from_arrays((255 * x).astype(np.uint8), y)",
            "divided by 255",
            "0.9 < it.train.x.max() <= 1",
        ),
        Taken(
            "lists",
            "from_arrays(x.tolist(), y.tolist())",
            "as arrays",
            "it.fingerprint == data.fingerprint",
        ),
        Taken(
            "not contiguous",
            "from_arrays(np.asfortranarray(x), y[::-1][::-1])",
            "copied",
            "it.fingerprint == data.fingerprint",
        ),
        Taken(
            "read-only",
            "from_arrays(np.frombuffer(x.tobytes(), x.dtype).reshape(60, 6), y)",
            "copied",
            "it.fingerprint == data.fingerprint",
        ),
        Taken(
            "a masked array in which nothing is masked",
            "from_arrays(np.ma.masked_array(x), y)",
            "as an array",
            "it.fingerprint == data.fingerprint",
        ),
        Taken(
            "a tensor with gradients",
            "from_arrays(torch.tensor(x, requires_grad=True), y)",
            "copied without",
            "not it.train.x.requires_grad",
        ),
        Taken(
            "one feature",
            "fit(SparseVAE((1,), 4, hidden=(8,)), from_arrays(x[:, :1], y), epochs=1)",
            "trained",
            "np.isfinite(it[0]['loss'])",
        ),
        Taken(
            "three samples",
            "from_arrays(x[:3], y[:3])",
            "one a split",
            "len(it.train) == len(it.validation) == len(it.test) == 1",
        ),
        Taken(
            "a class that is not known",
            "from_arrays(x, y - 1)",
            "-1 says so: it takes part in everything but the class terms",
            "it.n_classes == 2",
        ),
        Taken(
            "labels with gaps",
            "from_arrays(x, 4 * y)",
            "the classes between have no samples, and names",
            "it.n_classes == 9",
        ),
        Taken(
            "unsigned labels",
            "from_arrays(x, y.astype(np.uint64))",
            "as others",
            "it.fingerprint == data.fingerprint",
        ),
        Taken(
            "5,000 classes",
            "from_arrays(many_x, many_y)",
            "named by their numbers",
            "it.n_classes == 5_000",
        ),
        Taken(
            "a folder whose name is not UTF-8",
            "load_dataset(os.fsdecode(b'images-\\xff'))",
            "read",
            "it.n_classes == 3",
        ),
    ],
    "Cells": [
        Taken(
            "cells without a label",
            "from_anndata(cells, label='kind', layer='counts', unlabelled='kind 1')",
            "they are of no known class",
            "it.class_names == ('kind 0', 'kind 2') and -1 in it.train.y",
        ),
        Taken(
            "counts as whole numbers, dense",
            "from_anndata(with_counts(lambda counts: counts.astype(int)), layer='counts')",
            "compressed sparse rows are made of them",
            "it.train.x.dense().dtype == torch.float32",
        ),
    ],
    "Training and encoding": [
        Taken(
            "constant samples",
            "fit(model, from_arrays(0 * x, y), epochs=1)",
            "trained; a warning says that the codes tell nothing",
            "np.isfinite(it[0]['loss'])",
        ),
        Taken(
            "constant samples, Gaussian",
            "fit(gaussian, from_arrays(0 * x + 0.5, y), epochs=60)",
            "the scale stays above 8e-7",
            "np.isfinite(it[-1]['loss'])",
        ),
        Taken(
            "one class, or none that is known",
            "[fit(model, from_arrays(x, labels), objective=vsc, epochs=1) for labels in (0 * y, 0 * y - 1)]",
            "trained by an objective that needs no classes",
            "len(it) == 2",
        ),
        Taken(
            "a class of a single sample",
            "fit(model, from_arrays(x, np.where(np.arange(60) == 7, 3, y)), objective=vsc, epochs=1)",
            "likewise",
            "np.isfinite(it[0]['loss'])",
        ),
        Taken(
            "labels with gaps",
            "fit(model, from_arrays(x, 4 * y), epochs=1)",
            "trained: a class without samples costs nothing",
            "np.isfinite(it[0]['loss'])",
        ),
        Taken(
            "a batch of one",
            "fit(model, data, batch_size=1, epochs=1)",
            "trained, slowly",
            "np.isfinite(it[0]['loss'])",
        ),
        Taken(
            "values of 1e12",
            "fit(gaussian, from_arrays(1e12 * x, y), epochs=1)",
            "trained, to nothing good: standardise them",
            "np.isfinite(it[0]['loss'])",
        ),
        Taken(
            "values of 1e-30",
            "fit(gaussian, from_arrays(1e-30 * x, y), epochs=1)",
            "likewise",
            "np.isfinite(it[0]['loss'])",
        ),
        Taken(
            "float16, float64, uint8",
            "[encode_dataset(model, x.astype(kind)) for kind in (np.float16, np.float64, np.uint8)]",
            "as in `from_arrays`",
            "[len(part) for part in it] == [60, 60, 60]",
        ),
        Taken(
            "not contiguous, read-only",
            "[encode_dataset(model, part) for part in (x[::-1], np.frombuffer(x.tobytes(), x.dtype).reshape(60, 6))]",
            "read as they lie",
            "np.allclose(it[0].slab_loc[::-1], it[1].slab_loc)",
        ),
        Taken(
            "classes that the model has not seen",
            "encode_dataset(model, x, labels=4 * y)",
            "named by their numbers",
            "it.n_classes == 9",
        ),
    ],
    "Codes and measures": [
        Taken(
            "float32 of another library, a tensor, a list",
            "[Codes.from_values(part, y) for part in (z.astype(np.float32), torch.tensor(z), z.tolist())]",
            "copied",
            "all(part.n_latents == 3 for part in it)",
        ),
        Taken(
            "one sample",
            "measure(Codes.from_values(z[:1], y[:1]))",
            "what needs pairs or classes is left out",
            "'jaccard_within' not in it",
        ),
        Taken(
            "one class",
            "measure(Codes.from_values(z, 0 * y))",
            "what compares classes is left out",
            "'jaccard_between' not in it",
        ),
        Taken(
            "no class that is known",
            "measure(Codes.from_values(z))",
            "use and sparsity alone",
            "'within' not in it",
        ),
        Taken(
            "a class of a single sample",
            "measure(Codes.from_values(z, np.where(np.arange(60) == 7, 3, y)))",
            "it has no pairs, and counts in the rest",
            "np.isfinite(it['within'].value)",
        ),
        Taken(
            "labels with gaps",
            "measure(Codes.from_values(z, 4 * y))",
            "a class without samples does not count",
            "it['within'].value == measure(codes)['within'].value",
        ),
        Taken(
            "codes that are all alike",
            "measure(Codes.from_values(0 * z + 1, y))",
            "they agree, and tell nothing",
            "abs(it['between'].value) < 1e-9",
        ),
        Taken(
            "codes that are all 0",
            "measure(Codes.from_values(0 * z, y))",
            "what needs an active latent is left out",
            "'hoyer' not in it",
        ),
        Taken(
            "a class without samples",
            "explain(None, Codes.from_values(z, 4 * y))",
            "it uses nothing",
            "all(set(factor.classes) <= {'0', '4', '8'} for factor in it)",
        ),
        Taken(
            "attributes that are NaN",
            "associate(codes, {'size': np.where(y > 0, np.nan, z[:, 0])})",
            "not measured: those samples are left out",
            "{one.attribute for one in it} <= {'size'}",
        ),
        Taken(
            "a constant image",
            "measure_attributes(np.ones((1, 1, 8, 8)))",
            "NaN",
            "np.isnan(it['slant']).all()",
        ),
        Taken(
            "NaN in a table",
            "measure_attributes(np.where(x > 0.99, np.nan, x))",
            "kept: not measured",
            "np.isnan(it['column 0']).any() or np.isnan(it['column 1']).any()",
        ),
    ],
    "Estimators of scikit-learn": [
        Taken(
            "too large for float32",
            "transformer.fit_transform(x.astype(float) * 1e100)",
            "standardised",
            "np.isfinite(it).all()",
        ),
        Taken(
            "uint8, booleans, objects that are numbers, not contiguous",
            "[transformer.fit_transform(rows) for rows in ((255 * x).astype(np.uint8), x > 0.5, x.astype(object), x[:, ::-1])]",
            "float64, and float32 as it was",
            "[codes.dtype for codes in it] == [np.float64] * 3 + [np.float32]",
        ),
        Taken(
            "a constant table",
            "transformer.fit_transform(np.ones((60, 6)))",
            "encoded",
            "np.isfinite(it).all()",
        ),
        Taken(
            "labels as text, with gaps, or as any type that can be sorted",
            "[classifier.fit(x, labels).classes_.tolist() for labels in (np.array(['owl', 'cat', 'dog'])[y], 7.0 * y - 3)]",
            "as they are, sorted",
            "it == [['cat', 'dog', 'owl'], [-3.0, 4.0, 11.0]]",
        ),
        Taken(
            "rows without a label",
            "classifier.set_params(unlabelled=np.nan).fit(x, np.where(y > 1, np.nan, y)).classes_.tolist()",
            "trained with; no class of their own",
            "it == [0, 1]",
        ),
    ],
    "The command line": [
        Taken(
            "names of a folder and of a run that are not UTF-8",
            "cospike train images-\\xff --out new-\\xff --epochs 1 --n-latents 4 --hidden 8 --accelerator cpu",
            "trained and reported; the page says � for a byte that is no text",
            "it[0] == 0",
        ),
        Taken(
            "the report of such a run",
            "cospike report run-\\xff",
            "written again, and its path printed byte by byte",
            "it[0] == 0",
        ),
    ],
}
