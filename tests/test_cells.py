"""Cells from AnnData: counts stay sparse and are those of the object, and what is no count is refused in one line."""

import sys
import warnings

import numpy as np
import pytest
import torch
from scipy import sparse

from cospike._errors import InputError, TrainingWarning
from cospike.cells import read_anndata, read_cells
from cospike.columns import columns_from_json, columns_to_json
from cospike.data import from_anndata, load_dataset
from cospike.entry import main
from cospike.sparse_rows import SparseRows

anndata = pytest.importorskip("anndata")
pandas = pytest.importorskip("pandas")
pytestmark = pytest.mark.usefixtures("writable_cells")

N, GENES = 60, 25


def draw(kind=sparse.csr_matrix, dtype=np.float32):
    """Cells of two types and of none, in which every gene is seen, and their counts as a plain array."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.4, size=(N, GENES))
    counts[:, 0] += 1
    counts[0] += 1
    obs = pandas.DataFrame(
        {"cell_type": pandas.Categorical(np.where(np.arange(N) % 5 == 0, None, np.where(np.arange(N) % 2, "T", "B")))},
        index=[f"cell {i}" for i in range(N)],
    )
    var = pandas.DataFrame(index=[f"gene {i}" for i in range(GENES)])
    return anndata.AnnData(kind(counts.astype(dtype)), obs=obs, var=var), counts


def read(adata, **given):
    given = {"label": "cell_type", "layer": None, "unlabelled": None, "of": "fit_anndata"} | given
    return read_cells(adata, **given)


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, np.asarray])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint16])
def test_counts_and_classes_are_those_of_the_object_however_they_are_kept(kind, dtype):
    adata, counts = draw(kind, dtype)
    cells = read(adata)
    np.testing.assert_array_equal(cells.counts.toarray(), counts)
    assert cells.class_names == ("B", "T")
    assert cells.y.tolist() == [-1 if i % 5 == 0 else i % 2 for i in range(N)]
    assert cells.genes == tuple(f"gene {i}" for i in range(GENES))
    np.testing.assert_array_equal(np.asarray(adata.X.todense() if sparse.issparse(adata.X) else adata.X), counts)


def test_sparse_counts_are_not_copied():
    adata, _ = draw()
    data = from_anndata(adata, label="cell_type")
    assert isinstance(data.train.x, SparseRows)
    adata.X.data[:] = 7
    assert set(data.train.x.dense().unique().tolist()) == {0.0, 7.0}


def test_the_splits_hold_all_cells_once_and_the_data_are_negative_binomial():
    adata, counts = draw()
    data = from_anndata(adata, label="cell_type", validation=0.1, test=0.2)
    splits = (data.train, data.validation, data.test)
    assert [len(split) for split in splits] == [42, 6, 12]
    rows = torch.cat([split.x.rows for split in splits])
    assert sorted(rows.tolist()) == list(range(N))
    np.testing.assert_array_equal(torch.cat([split.x.dense() for split in splits]), counts[rows])
    assert (data.likelihood, data.shape) == ("negative-binomial", (GENES,))
    again = from_anndata(draw(np.asarray, np.int64)[0], label="cell_type", validation=0.1, test=0.2)
    assert again.fingerprint == data.fingerprint, "sparse or dense, the data are the same"
    assert from_anndata(adata, label="cell_type", seed=1).fingerprint != data.fingerprint
    assert columns_from_json(columns_to_json(data.columns)) == data.columns


def test_a_file_a_layer_and_counts_on_disk_are_the_same(tmp_path):
    adata, counts = draw()
    expected = from_anndata(adata, label="cell_type").fingerprint
    adata.layers["counts"] = adata.X.copy()
    for name, x in (("sparse", sparse.csr_matrix(np.log1p(counts))), ("dense", np.log1p(counts))):
        adata.X = x.astype(np.float32)
        adata.write(tmp_path / f"{name}.h5ad")
        assert load_dataset(tmp_path / f"{name}.h5ad", label="cell_type", layer="counts").fingerprint == expected
    for name, x in (("sparse", sparse.csr_matrix(counts)), ("dense", counts)):
        adata.X = x.astype(np.float32)
        adata.write(tmp_path / f"{name}.h5ad")
        backed = anndata.read_h5ad(tmp_path / f"{name}.h5ad", backed="r")
        assert from_anndata(backed, label="cell_type").fingerprint == expected
        backed.file.close()


def test_a_marker_and_an_empty_cell_are_of_no_class():
    adata, _ = draw()
    adata.obs["cell_type"] = adata.obs["cell_type"].astype(object).where(adata.obs["cell_type"].notna(), "Unknown")
    assert read(adata, unlabelled="Unknown").y.tolist() == read(draw()[0]).y.tolist()
    assert read(adata, unlabelled="Unknown").class_names == ("B", "T")
    assert read(adata).class_names == ("B", "T", "Unknown")
    adata.obs["cluster"] = np.where(np.arange(N) % 3, np.arange(N) % 2, np.nan)
    assert read(adata, label="cluster").class_names == ("0", "1")
    assert set(read(adata, label=None).y) == {-1}


def test_genes_that_no_cell_has_are_left_out_with_a_line():
    adata, counts = draw()
    counts[:, [3, 7]] = 0
    adata.X = sparse.csr_matrix(counts)
    with pytest.warns(TrainingWarning, match=r"Left out: 2 genes that no cell has a count of \(gene 3, gene 7\)"):
        cells = read(adata)
    assert len(cells.genes) == GENES - 2
    np.testing.assert_array_equal(cells.counts.toarray(), np.delete(counts, [3, 7], axis=1))


def test_zeros_that_are_stored_and_entries_that_stand_twice_count_once():
    adata, _ = draw()
    stored = adata.X.copy()
    stored.data[5] = 0
    adata.X = stored
    cells = read(adata)
    assert cells.counts.nnz == np.count_nonzero(stored.toarray())
    assert adata.X.nnz == stored.nnz, "the object stays as it is"


def bad(**changes):
    adata, counts = draw()
    for name, change in changes.items():
        if name == "x":
            adata.X = change(counts.astype(np.float32))
        if name == "layer":
            adata.layers[change] = adata.X.copy()
        if name == "empty":
            counts[change] = 0
            adata.X = sparse.csr_matrix(counts.astype(np.float32))
        if name == "names":
            adata.var_names = ["same", "same", *adata.var_names[2:]]
        if name == "raw":
            adata.raw = adata.copy()
        if name == "label":
            adata.obs["cell_type"] = change
    return adata


@pytest.mark.parametrize(
    ("changes", "given", "says"),
    [
        (
            {"x": np.log1p},
            {},
            r"'layer' of fit_anndata must hold counts, whole numbers of at least 0, got 1\.099 in adata\.X\. "
            r"Keep them before they are normalised: adata\.layers\['counts'\] = adata\.X\.copy\(\)\.$",
        ),
        ({"x": np.log1p, "layer": "counts"}, {}, r"in adata\.X\. Is it layer='counts'\?$"),
        ({"raw": True, "x": np.log1p}, {}, r"adata\.raw\.to_adata\(\) has what was kept there\.$"),
        ({"x": lambda x: -x}, {}, r"whole numbers of at least 0, got -\d in adata\.X\. Keep"),
        ({"x": lambda x: np.where(x > 1, np.nan, x)}, {}, r"got NaN or infinity in adata\.X"),
        ({"x": lambda x: 0 * x}, {}, r"'adata' of fit_anndata must have counts in adata\.X, got none\. Is it"),
        ({"empty": [4, 9]}, {}, r"must have counts in every cell, got none in rows 4, 9\. sc\.pp\.filter_cells\(adata"),
        ({"layer": "counts"}, {"layer": "count"}, r"one of adata\.layers, got 'count'. Did you mean 'counts'"),
        ({}, {"layer": "counts"}, r"one of adata\.layers, got 'counts'\. It has none; leave it out for adata\.X\."),
        ({}, {"label": "celltype"}, r"'label' .* column of adata\.obs, got 'celltype'\. Did you mean 'cell_type'\?"),
        ({}, {"unlabelled": "none"}, None),
        ({"label": "one"}, {"unlabelled": "none"}, r"'unlabelled' .* a value of adata\.obs\['cell_type'\], got 'none'"),
        ({"label": np.nan}, {}, r"The column 'cell_type' of adata\.obs must name classes, got nothing in any row"),
        ({"label": [f"c{i}" for i in range(N)]}, {}, r"must name classes, got 60 different ones in 60 rows"),
        ({"names": True}, {}, r"must name each gene once, got 'same' twice\. adata\.var_names_make_unique\(\) does"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_in_one_line(unchecked, changes, given, says):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata = bad(**changes)
    if says is None:  # some cells are empty, and so of no class: the marker need not occur
        assert read(adata, **given).class_names == ("B", "T")
        return
    with pytest.raises(InputError, match=says) as caught:
        read(adata, **given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", [None, np.zeros((3, 3)), {"x": 1}])
def test_what_is_no_object_of_cells_is_refused(unchecked, source):
    with pytest.raises(
        InputError, match=r"'adata' of from_anndata must be an AnnData object, got \w+\. anndata\.AnnData"
    ):
        from_anndata(source)


@pytest.mark.parametrize("argument", [{"test": 0.0}, {"validation": 1.5}, {"test": 0.6, "validation": 0.6}])
def test_shares_leave_every_split_a_cell(argument):
    with pytest.raises(InputError, match="of from_anndata must be a share that leaves every split a row"):
        from_anndata(draw()[0], **argument)


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"\x89HDF\r\n\x1a\n" + b"\0" * 600])
def test_a_damaged_file_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "a.h5ad").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.h5ad must be an \.h5ad file of cells, got: ") as caught:
        load_dataset(tmp_path / "a.h5ad")
    assert "\n" not in str(caught.value)


def test_a_missing_extra_is_named(monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr("cospike._extras.find_spec", lambda name: None if name == "anndata" else find(name))
    with pytest.raises(InputError, match=r"from_anndata needs anndata, .*: pip install 'cospike\[anndata\]'"):
        read_anndata("a.h5ad", "from_anndata")
    assert "anndata" in sys.modules


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("train none.h5ad --label cell_type --out run", "got 'none.h5ad'. Is the path right?"),
        ("train a.h5ad --label celltype --out run", "must be a column of adata.obs, got 'celltype'. Did you mean"),
        ("train a.h5ad --label cell_type --layer counts --out run", "It has none; leave it out for adata.X."),
        ("train digits --layer counts --out run", "'--layer' is for cells in an .h5ad file, got 'counts' for digits."),
        ("train a.h5ad --out run", "needs labelled samples of at least two classes, got 0"),
        ("benchmark a.h5ad --out run", "got 'a.h5ad'. `cospike train` takes cells."),
        ("train a.h5ad --label cell_type --image-size 28 --out run", "'image_size' of load_dataset is for folders of"),
    ],
)
def test_the_command_line_refuses_in_one_line(tmp_path, monkeypatch, capsys, words, says):
    monkeypatch.chdir(tmp_path)
    draw()[0].write("a.h5ad")
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1
    assert not (tmp_path / "run").exists()
