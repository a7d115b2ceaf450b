"""Codes of cells beside PCA of the same cells: `python benchmarks/cells.py [--choices] [--partly]`.

The 700 blood cells that come with scanpy (`scanpy.datasets.pbmc68k_reduced`), whose counts can be had back exactly,
split five times: 490 cells to learn from, 70 to choose by (which nothing does), 140 to report on. Of each code of the
140, fitted on the 490: the share whose class 5 neighbours name, the share that a linear probe names, and how well ten
k-means clusters of the 140 alone agree with the classes (adjusted Rand index, normalised mutual information). The
class-consistent codes have seen the labels of the 490 cells, plain VSC and PCA (of log-normalised counts) none, a
probe of all genes only labels: what can be compared with what. With ``--choices``, the class-consistent codes beside
those of other choices than the defaults. With ``--partly``, half of the labels are hidden, as on docs/cells.md, and
named by the patterns, and by what else is fitted on the training cells that kept theirs.
"""

import argparse
import warnings
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import anndata
import numpy as np
import scanpy as sc
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import cospike as cs

LABEL, SEEDS = "bulk_labels", range(5)
MEASURES = ("5 neighbours", "linear probe", "ARI", "NMI")


def load_cells() -> anndata.AnnData:
    """The cells with their counts: what was normalised and logged is undone, and none is off by over a tenth."""
    adata = sc.datasets.pbmc68k_reduced().raw.to_adata()
    counts = np.expm1(adata.X.toarray()) * adata.obs["n_counts"].to_numpy()[:, None] / 1e4
    assert np.abs(counts - counts.round()).max() < 0.1
    adata.layers["counts"] = sparse.csr_matrix(counts.round())
    return adata


def judge(code: np.ndarray, adata: anndata.AnnData) -> tuple[float, ...]:
    """The measures of a code [cell, …] of all cells."""
    train, test = ((adata.obs["cospike_split"] == split).to_numpy() for split in ("train", "test"))
    y = adata.obs[LABEL].astype(str).to_numpy()
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2_000))
    clusters = KMeans(len(np.unique(y)), n_init=10, random_state=0).fit_predict(code[test])
    return (
        KNeighborsClassifier(5).fit(code[train], y[train]).score(code[test], y[test]),
        probe.fit(code[train], y[train]).score(code[test], y[test]),
        adjusted_rand_score(y[test], clusters),
        normalized_mutual_info_score(y[test], clusters),
    )


def codes_of(objective: Callable[[], cs.Objective], **settings: Any) -> Callable[[anndata.AnnData, int], np.ndarray]:
    """The codes of a model that is trained on the cells, which it splits."""

    def code(adata: anndata.AnnData, seed: int) -> np.ndarray:
        cs.fit_anndata(adata, label=LABEL, layer="counts", objective=objective(), seed=seed, progress=False, **settings)
        return np.asarray(adata.obsm["X_cospike"])

    return code


def without_a_start(adata: anndata.AnnData, seed: int) -> np.ndarray:
    """The codes of a model whose decoder has to learn what an average cell is."""
    with patch.object(cs.SparseVAE, "start_from", lambda *_: None):
        return codes_of(cs.Objective.class_consistent)(adata, seed)


def genes(adata: anndata.AnnData, seed: int) -> np.ndarray:
    """All genes, log-normalised."""
    x = adata.layers["counts"].toarray()
    return np.log1p(1e4 * x / x.sum(axis=1, keepdims=True))


def principal(n: int) -> Callable[[anndata.AnnData, int], np.ndarray]:
    """Principal components of the training cells."""

    def code(adata: anndata.AnnData, seed: int) -> np.ndarray:
        x, train = genes(adata, seed), (adata.obs["cospike_split"] == "train").to_numpy()
        return PCA(n, random_state=seed).fit(x[train]).transform(x)

    return code


METHODS = {
    "class-consistent": codes_of(cs.Objective.class_consistent),
    "VSC, 6 dense latents": codes_of(cs.Objective.vsc, n_dense=6),
    "PCA, 20": principal(20),
    "PCA, 50": principal(50),
    "all genes": genes,
}
CHOICES = {
    "defaults": codes_of(cs.Objective.class_consistent),
    "no start": without_a_start,
    "240 epochs": codes_of(cs.Objective.class_consistent, epochs=240),
    "hidden=(400,)": codes_of(cs.Objective.class_consistent, hidden=(400,)),
    "active_prior=0.01": codes_of(cs.Objective.class_consistent, active_prior=0.01),
    "n_dense=1": codes_of(cs.Objective.class_consistent, n_dense=1),
}
FROM_THE_MODEL = {"latents": "latents_in_use", "by patterns": "bayes_accuracy", "-ELBO, patterns": "neg_elbo_mixture"}


def name_hidden() -> None:
    """Print which share of the hidden labels comes back."""
    adata = load_cells()
    truth = adata.obs[LABEL].astype(str)
    hidden = (np.random.default_rng(0).random(adata.n_obs) < 0.5) & (truth.map(truth.value_counts()) >= 20)
    adata.obs["known"] = truth.where(~hidden, "Unknown")
    cs.fit_anndata(adata, label="known", layer="counts", unlabelled="Unknown", progress=False)
    train = (adata.obs["cospike_split"] == "train").to_numpy() & ~hidden.to_numpy()
    y, asked = truth.to_numpy(), hidden.to_numpy()
    print(f"{asked.sum()} hidden, {train.sum()} to learn from")
    print(f"patterns: {(adata.obs['cospike_class'].astype(str).to_numpy() == y)[asked].mean():.3f}")
    neighbours, probe = KNeighborsClassifier(5), make_pipeline(StandardScaler(), LogisticRegression(max_iter=2_000))
    for name, code, judge_by in (
        ("5 neighbours by the codes", adata.obsm["X_cospike"], neighbours),
        ("5 neighbours by PCA, 50", principal(50)(adata, 0), neighbours),
        ("linear probe of all genes", genes(adata, 0), probe),
    ):
        print(f"{name}: {judge_by.fit(code[train], y[train]).score(code[asked], y[asked]):.3f}")


def main() -> None:
    """Print a table: mean and standard deviation over the five splits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--choices", action="store_true", help="other choices than the defaults")
    parser.add_argument("--partly", action="store_true", help="labels that are hidden, and asked for")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.partly:
        return name_hidden()
    methods = CHOICES if given.choices else METHODS
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in methods}
    for seed in SEEDS:
        adata = load_cells()
        for name, code in methods.items():  # the first one splits
            adata.uns.pop("cospike", None)
            judged = judge(code(adata, seed), adata)
            told = adata.uns.get("cospike", {}).get("measures", {})
            found[name].append((*judged, *(told.get(one, np.nan) for one in FROM_THE_MODEL.values())))
    heads = (*MEASURES, *FROM_THE_MODEL)
    print(f"| code | {' | '.join(heads)} |\n|{'---|' * (len(heads) + 1)}")
    for name, rows in found.items():
        pairs = zip(np.mean(rows, 0), np.std(rows, 0), strict=True)
        cells = ("" if np.isnan(mean) else f"{mean:.3g} ± {sd:.2g}" for mean, sd in pairs)
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return None


if __name__ == "__main__":
    main()
