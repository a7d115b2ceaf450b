"""Shared by the tests: small data with known structure, and one small trained run."""

import contextlib
import os
import subprocess

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from types import SimpleNamespace

import hypothesis
import numpy as np
import pytest
import torch

torch.set_num_threads(1)
hypothesis.settings.register_profile("untimed", deadline=None)  # a first call loads libraries; speed is no test's job
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def digits():
    from cospike.data import load_dataset

    return load_dataset("digits")


@pytest.fixture(scope="session")
def trained(digits, tmp_path_factory):
    """A short class-consistent run on digits: data, model, folder and history."""
    from cospike.model import SparseVAE
    from cospike.train import fit

    folder = tmp_path_factory.mktemp("runs") / "digits"
    model = SparseVAE(digits.shape, 16, hidden=(64,))
    history = fit(model, digits, epochs=60, batch_size=100, out=folder, accelerator="cpu")
    return SimpleNamespace(data=digits, model=model, run=folder, history=history)


@pytest.fixture
def make_codes():
    """Codes from active_probs and labels alone."""
    from cospike.codes import Codes

    def make(active_probs, labels, *, slab_loc=None, n_classes=None, alpha=0.01, reconstruction=None):
        active_probs = np.asarray(active_probs, dtype=np.float64)
        labels = np.asarray(labels)
        return Codes(
            active_probs=active_probs,
            slab_loc=np.ones_like(active_probs) if slab_loc is None else np.asarray(slab_loc, dtype=np.float64),
            slab_scale=np.full_like(active_probs, 0.5),
            labels=labels,
            class_names=tuple(f"class {i}" for i in range(n_classes or int(labels.max()) + 1)),
            prior_probs=np.full(active_probs.shape[1], alpha),
            reconstruction=reconstruction,
        )

    return make


@pytest.fixture(scope="session")
def mounted():
    """A context in which a new folder is a disk of its own, of 2 MB."""

    @contextlib.contextmanager
    def mount(folder):
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
        if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("mounting a small disk takes root, and a container that may mount")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)

    return mount


@pytest.fixture
def unchecked():
    """Without the type checks of the tests: what a user who gives a wrong type or name meets."""
    from jaxtyping import config

    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def writable_cells():
    """With what AnnData needs to write the texts of pandas 3, where it does not do without (0.12 on Python 3.11)."""
    anndata, pandas = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    with (
        anndata.settings.override(allow_write_nullable_strings=True),
        pandas.option_context("mode.string_storage", "python"),
    ):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Where everything is installed (COSPIKE_NO_SKIPS), a skipped test is a failed one."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("COSPIKE_NO_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"skipped, though COSPIKE_NO_SKIPS is set: {report.longrepr}"
