"""A model of cells writes what it finds into their object, and finds the genes that were put there."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse

from cospike._errors import InputError
from cospike.annotated import encode_anndata, fit_anndata
from cospike.data import from_anndata
from cospike.encoding import encode_dataset
from cospike.entry import main
from cospike.html_report import report
from cospike.likelihood import bounds
from cospike.model import SparseVAE
from cospike.programs import poisson_nats, program, programs
from cospike.runs import load, read_columns

anndata = pytest.importorskip("anndata")
pandas = pytest.importorskip("pandas")
pytestmark = [
    pytest.mark.usefixtures("writable_cells"),
    pytest.mark.filterwarnings(
        "ignore:The 'mode.chained_assignment' option:DeprecationWarning"
    ),  # of AnnData, by pandas
]

N, GENES, TYPES = 900, 80, ("B/naive", "NK", "T")
MARKERS = {name: range(10 * i, 10 * i + 10) for i, name in enumerate(TYPES)}
UNKNOWN = np.arange(N) % 6 == 0


def draw(seed=0):
    """Cells of three types, each with ten genes of its own, eight times as frequent there; a sixth is not labelled."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, N)
    shares = np.tile(rng.uniform(0.5, 2, GENES), (3, 1))
    for i, genes in enumerate(MARKERS.values()):
        shares[i, list(genes)] *= 8
    shares /= shares.sum(1, keepdims=True)
    counts = rng.poisson(shares[labels] * rng.uniform(200, 600, (N, 1))).astype(np.float32)
    truth = np.array(TYPES)[labels]
    obs = pandas.DataFrame({"cell_type": np.where(UNKNOWN, "Unknown", truth), "truth": truth})
    obs.index = [f"cell {i}" for i in range(N)]
    var = pandas.DataFrame(index=[f"gene {i}" for i in range(GENES)])
    adata = anndata.AnnData(sparse.csr_matrix(np.log1p(counts)), obs=obs, var=var)
    adata.layers["counts"] = sparse.csr_matrix(counts)
    return adata


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    adata = draw()
    run = tmp_path_factory.mktemp("runs") / "cells"
    model = fit_anndata(
        adata,
        label="cell_type",
        layer="counts",
        unlabelled="Unknown",
        n_latents=20,
        epochs=30,
        out=run,
        accelerator="cpu",
        progress=False,
    )
    return adata, model, run


@pytest.mark.slow
def test_codes_are_the_models_and_the_object_can_be_saved(fitted, tmp_path):
    adata, model, _ = fitted
    rows = torch.from_numpy(adata.layers["counts"].toarray())
    codes = encode_dataset(model, rows, progress=False)
    np.testing.assert_allclose(adata.obsm["X_cospike"], codes.values(), atol=1e-4)
    assert (adata.obsm["X_cospike"] == 0).mean() > 0.3
    assert adata.obs["cospike_split"].value_counts().to_dict() == {"train": 630, "test": 180, "validation": 90}
    adata.write(tmp_path / "cells.h5ad")
    again = anndata.read_h5ad(tmp_path / "cells.h5ad")
    np.testing.assert_array_equal(again.obsm["X_cospike"], adata.obsm["X_cospike"])
    for name in ("factors", "genes", "active_by_class"):
        pandas.testing.assert_frame_equal(
            again.uns["cospike"][name], adata.uns["cospike"][name], check_dtype=False, check_index_type=False,
            check_column_type=False,
        )  # fmt: skip
    assert again.uns["cospike"]["settings"]["layer"] == "counts"


@pytest.mark.slow
def test_cells_without_a_label_get_their_class(fitted):
    adata, _, _ = fitted
    right = (adata.obs["cospike_class"].astype(str) == adata.obs["truth"])[UNKNOWN]
    assert right.mean() > 0.97
    assert adata.obs["cospike_class_probability"].between(0, 1).all()
    assert set(adata.obs["cospike_class"].cat.categories) == set(TYPES)


@pytest.mark.slow
def test_the_genes_that_were_put_there_are_found(fitted):
    """Of a latent of one type that moves more than a tenth of a cell, what tells most is what that type was given."""
    adata, _, _ = fitted
    genes = adata.uns["cospike"]["genes"]
    given = {name: {f"gene {gene}" for gene in numbers} for name, numbers in MARKERS.items()}
    own = adata.uns["cospike"]["factors"].query("kind == 'class-specific' and effect > 1000")
    assert own["classes"].nunique() >= 2  # the third may be what is left where both are off
    for latent, factor in own.iterrows():
        top = genes[(genes["latent"] == int(latent)) & (genes["rank"] <= 5)]
        assert set(top["cells"]) == {factor["classes"]}
        assert len(set(top["gene"]) & given[factor["classes"]]) == 5
        assert (top["nats"].diff().dropna() <= 0).all()
        assert (top["log2_fold_change"] > 0).all()


@pytest.mark.slow
def test_an_effect_is_what_two_decoded_cells_differ_in(fitted):
    adata, model, _ = fitted
    data = from_anndata(adata, label="cell_type", layer="counts", unlabelled="Unknown")
    codes = encode_dataset(model, data.test, progress=False)
    factors = adata.uns["cospike"]["factors"]
    sparse_ones = factors[factors["kind"].isin(["class-specific", "group"])]
    latent = int(sparse_ones.index[0])
    rows = codes.active()[:, latent] & np.isin(codes.labels, [
        codes.class_names.index(name) for name in sparse_ones.iloc[0]["classes"].split("; ")
    ])  # fmt: skip
    z = codes.values()[rows]
    without = z.copy()
    without[:, latent] = 0
    on, off = (model.decode_mean(one).astype(float) for one in (z, without))
    np.testing.assert_allclose(adata.varm["cospike_effects"][:, latent], np.log2(on.mean(0) / off.mean(0)), atol=1e-3)
    dead = factors.index[factors["kind"] == "dead"].astype(int)
    assert (adata.varm["cospike_effects"][:, dead] == 0).all()


@pytest.mark.slow
def test_a_run_of_cells_is_loaded_reported_and_encodes_other_cells_in_any_order_of_genes(fitted):
    _, model, run = fitted
    again = load(run)
    assert again.columns == model.columns == read_columns(run)
    other = draw(1)
    shuffled = other[:, ::-1].copy()
    for one, using in ((other, model), (shuffled, again)):
        encode_anndata(using, one, layer="counts", accelerator="cpu")
    np.testing.assert_allclose(other.obsm["X_cospike"], shuffled.obsm["X_cospike"], atol=1e-4)
    assert (other.obs["cospike_class"].astype(str) == other.obs["truth"]).mean() > 0.97
    with pytest.raises(
        InputError, match=r"must have the 80 genes that the model was trained with, got none of gene 3\."
    ):
        encode_anndata(model, other[:, np.arange(GENES) != 3].copy(), layer="counts")
    page = report(run).read_text(encoding="utf-8")
    assert "gene 3" in page
    assert "counts in a cell of 10,000" in page


@pytest.mark.slow
def test_without_a_label_it_is_plain_variational_sparse_coding_and_nothing_is_said_of_classes():
    adata = draw()
    fit_anndata(adata, layer="counts", n_latents=10, epochs=2, accelerator="cpu", progress=False)
    assert "cospike_class" not in adata.obs
    assert adata.uns["cospike"]["settings"]["objective"] == "vsc"
    assert (adata.uns["cospike"]["factors"]["classes"] == "").all()


@pytest.mark.slow
def test_sparse_and_dense_counts_train_the_same_model_to_the_same_bits():
    models = []
    for convert in (lambda x: x, lambda x: x.toarray(), lambda x: x.astype(np.int32)):
        adata = draw()
        adata.layers["counts"] = convert(adata.layers["counts"])
        models.append(fit_anndata(adata, label="truth", layer="counts", n_latents=8, epochs=2, accelerator="cpu"))
    for other in models[1:]:
        for name, values in models[0].state_dict().items():
            torch.testing.assert_close(other.state_dict()[name], values, rtol=0, atol=0)


@pytest.mark.slow
def test_the_command_line_trains_on_a_file_of_cells(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    draw().write("cells.h5ad")
    command = "train cells.h5ad --label truth --layer counts --n-latents 8 --hidden 32 --epochs 3 --out r"
    main([*command.split(), "--accelerator", "cpu"])
    assert capsys.readouterr().out.strip().endswith("report.html")
    assert bounds(load("r"), from_anndata("cells.h5ad", label="truth", layer="counts").test)["neg_elbo"].value > 0
    some = draw()[:9, ::-1].copy()  # in another order
    some.write("some.h5ad")
    main(
        [
            "encode",
            "r",
            "some.h5ad",
            "--layer",
            "counts",
            "--label",
            "truth",
            "--out",
            "codes.csv",
            "--accelerator",
            "cpu",
        ]
    )
    header, *rows = (line.split(",") for line in Path("codes.csv").read_text().splitlines())
    assert [row[1] for row in rows] == some.obs["truth"].astype(str).tolist()
    encode_anndata(load("r"), some, layer="counts", accelerator="cpu")
    np.testing.assert_allclose(np.array([row[2:] for row in rows], float), some.obsm["X_cospike"], rtol=1e-5, atol=1e-6)
    assert header[:2] == ["id", "label"]


def test_a_model_of_other_data_and_a_path_are_refused(unchecked):
    adata = draw()
    with pytest.raises(InputError, match="'model' of encode_anndata must have been trained on cells, got one of other"):
        encode_anndata(SparseVAE((GENES,), 4, likelihood="negative-binomial"), adata)
    with pytest.raises(InputError, match="'model' of encode_anndata must be a SparseVAE, got str"):
        encode_anndata("run", adata)
    with pytest.raises(InputError, match=r"'adata' of fit_anndata must be an AnnData object to write into, got a path"):
        fit_anndata("cells.h5ad", label="truth")


def test_nats_are_the_divergence_of_poisson_distributions():
    from scipy.stats import poisson

    k = np.arange(300)
    for mean, other in ((3.0, 1.5), (0.2, 4.0), (20.0, 20.0)):
        expected = (poisson.pmf(k, mean) * (poisson.logpmf(k, mean) - poisson.logpmf(k, other))).sum()
        assert poisson_nats(np.array([mean]), np.array([other]))[0] == pytest.approx(expected, abs=1e-9)


def test_a_program_needs_a_model_of_counts_and_a_class_that_is_there(make_codes):
    from cospike.factors import explain

    codes = make_codes(np.eye(2)[[0, 1, 0, 1] * 5], [0, 1, 0, 1] * 5)
    counts = SparseVAE((6,), 2, hidden=(4,), likelihood="negative-binomial")
    factors = explain(counts, codes)
    with pytest.raises(InputError, match="'cells' of program must be a class of the codes, got 'none'"):
        program(counts, codes, factors[0], cells="none")
    with pytest.raises(
        InputError, match="'model' of program must have a negative-binomial likelihood, got 'bernoulli'"
    ):
        program(SparseVAE((6,), 2, hidden=(4,)), codes, factors[0])
    assert {one.cells for one in programs(counts, codes, factors)} == {"class 0", "class 1"}
