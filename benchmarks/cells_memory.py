"""Peak memory of `fit_anndata` on cells of thirty thousand genes: `python benchmarks/cells_memory.py`.

Counts are drawn: ten classes, a twentieth of the genes marked in each, a tenth of the entries not 0. Peaks are those of
the process (`ru_maxrss`), in GiB: when the counts are drawn, and at the end. One epoch takes as much as another; two
are trained.
"""

import argparse
import resource
import time

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

import cospike as cs

N_CLASSES = 10


def draw_cells(n_cells: int, n_genes: int, *, seed: int = 0) -> anndata.AnnData:
    """Poisson counts of log-normal means, part by part, so that they are never dense together."""
    rng = np.random.default_rng(seed)
    shares = rng.lognormal(sigma=1.6, size=n_genes)
    programs = np.where(rng.random((N_CLASSES, n_genes)) < 0.05, 4.0, 1.0) * shares
    programs *= 4_500 / programs.sum(1, keepdims=True)
    labels = rng.integers(0, N_CLASSES, n_cells)
    parts = []
    for part in np.array_split(labels, -(-n_cells // 500)):
        size = rng.lognormal(sigma=0.4, size=(len(part), 1))
        parts.append(sparse.csr_matrix(rng.poisson(programs[part] * size).astype(np.float32)))
    obs = pd.DataFrame({"cell_type": pd.Categorical(labels.astype(str))}, index=[f"cell {i}" for i in range(n_cells)])
    var = pd.DataFrame(index=[f"gene {i}" for i in range(n_genes)])
    return anndata.AnnData(sparse.vstack(parts, format="csr"), obs=obs, var=var)


def peak() -> float:
    """Of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Print the peaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--genes", type=int, default=30_000)
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    adata = draw_cells(given.cells, given.genes)
    share = adata.X.nnz / (given.cells * given.genes)
    stored = (adata.X.data.nbytes + adata.X.indices.nbytes + adata.X.indptr.nbytes) / 2**30
    print(f"counts: {peak():.2f} GiB, of which {stored:.2f} are the counts ({100 * share:.1f} % of all entries)")
    started = time.perf_counter()
    cs.fit_anndata(adata, label="cell_type", epochs=given.epochs, accelerator="cpu", progress=False)
    dense = 4 * given.cells * given.genes / 2**30
    print(f"fit_anndata: {peak():.2f} GiB in {time.perf_counter() - started:.0f} s; dense counts are {dense:.2f}")


if __name__ == "__main__":
    main()
