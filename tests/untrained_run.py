"""A run that was never trained, for tests of what reads one: made in no time, and with codes that are known."""

import json

import numpy as np

from cospike import runs
from cospike._files import write_atomic
from cospike.codes import Codes
from cospike.model import SparseVAE

OFF, ON = 1e-4, 0.98


def make_run(
    folder,
    *,
    shape=(1, 6, 6),
    n_classes=3,
    names=None,
    per_class=6,
    labels=None,
    probs=None,
    likelihood="bernoulli",
    active_prior=0.01,
    n_dense=0,
    objective="class-consistent",
):
    """A run that was never trained: codes with a global latent, a group's, one for each class, and dead ones."""
    rng = np.random.default_rng(0)
    names = names or tuple(f"class {i}" for i in range(n_classes))
    labels = np.repeat(np.arange(n_classes), per_class) if labels is None else np.asarray(labels)
    n, d = len(labels), n_classes + 4
    if probs is None:
        probs = np.full((n, d), OFF)
        probs[:, 0] = ON
        probs[labels < n_classes - 1, 1] = ON
        probs[np.arange(n)[labels >= 0], 2 + labels[labels >= 0]] = ON
    d = probs.shape[1]
    model = SparseVAE(shape, d, hidden=(8,), likelihood=likelihood, n_dense=n_dense, active_prior=active_prior)
    codes = Codes(
        active_probs=probs.astype("float32"),
        slab_loc=rng.normal(0, 2, (n, d)).astype("float32"),
        slab_scale=np.full((n, d), 0.3, dtype="float32"),
        labels=labels,
        class_names=names,
        prior_probs=model.prior().active_probs.numpy(),
        reconstruction=rng.gamma(2.0, 10.0, n).astype("float32"),
    )
    model.set_class_patterns(codes)
    config = {
        "schema_version": runs.SCHEMA_VERSION,
        "cospike": "0.1.0",
        "torch": "2",
        "model": model.settings,
        "objective": {"name": objective, "within": 5.0},
        "training": {"epochs": 2, "seed": 0},
        "data": {"name": "toys", "fingerprint": "abc", "class_names": list(names), "rows": {"test": n}},
    }
    terms = {"loss": 9.0, "within": 1.0, "validation_loss": 8.0, "validation_within": 1.0}
    history = [{"epoch": epoch, "seconds": 1.0, **terms} for epoch in (1, 2)]
    folder.mkdir(parents=True)
    write_atomic(folder / "config.json", json.dumps(config))
    runs.save_tensors(folder, "weights.safetensors", model.state_dict())
    runs.save_codes(folder, {"test": codes, "train": codes})
    runs.write_history(folder, history)
    index = np.flatnonzero(labels >= 0)[::2]
    runs.save_arrays(folder, "previews.npz", {"index": index, "x": rng.random((len(index), *shape), dtype="float32")})
    return folder
