"""What probes stand beside: it depends on the data alone, is kept, and is read again as it was."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import cospike as cs
import cospike.references
from cospike._errors import InputError
from cospike.data import from_arrays
from cospike.metrics import Measurement
from cospike.references import References, measure_references, read_references


@pytest.fixture
def rings():
    """Two rings: a network tells them apart, and a linear probe of the input cannot."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=900)
    angle = rng.uniform(0, 2 * np.pi, 900)
    points = (1 + 2 * labels + 0.2 * rng.normal(size=900))[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    labels[:50] = -1
    return from_arrays(points.astype(np.float32), labels, class_names=("inner", "outer"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COSPIKE_CACHE_DIR", str(tmp_path / "cache"))


def test_the_network_is_the_ceiling_and_the_probe_is_scikit_learns(rings):
    metrics = measure_references(rings).metrics
    assert metrics["probe_supervised"].value > 0.97
    train, test = ((s.x.numpy()[s.y.numpy() >= 0], s.y.numpy()[s.y.numpy() >= 0]) for s in (rings.train, rings.test))
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(*train)
    assert metrics["probe_input"].value == pytest.approx(probe.score(*test))
    assert metrics["probe_input"].value < 0.7


def test_what_is_known_is_not_measured_again(rings, monkeypatch):
    first = measure_references(rings)
    monkeypatch.setattr(cospike.references, "_measure", lambda data: pytest.fail("measured again"))
    again = measure_references(rings)
    x = rings.test.x.numpy()
    np.testing.assert_array_equal(again.classifier.predict_probs(x), first.classifier.predict_probs(x))
    assert again.metrics == first.metrics


def test_a_damaged_cache_is_passed_over_and_mended(rings, tmp_path):
    first = measure_references(rings)
    (file,) = (tmp_path / "cache" / "references").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert measure_references(rings).metrics == first.metrics
    assert References.from_bytes(file.read_bytes(), rings.shape, 2, rings.fingerprint).metrics == first.metrics


def test_of_fewer_than_two_classes_there_are_none(rings):
    x = rings.train.x.numpy()
    assert measure_references(from_arrays(x, np.zeros(len(x), dtype=int))) is None
    assert measure_references(from_arrays(x, np.full(len(x), -1), class_names=("a", "b"))) is None


def test_sorted_rows_cost_no_finished_training(rings, monkeypatch):
    """The rows that a probe is fitted on may be of one class."""
    monkeypatch.setattr(cospike.references, "PROBE_ROWS", 1)
    assert measure_references(rings).metrics.keys() == {"probe_supervised"}


@pytest.mark.usefixtures("unchecked")
def test_the_file_of_a_run_is_read_or_refused(rings, tmp_path):
    run = tmp_path / "run"
    cs.fit(cs.SparseVAE(rings.shape, 3, hidden=(8,), likelihood="gaussian"), rings, epochs=1, out=run)
    path, whole = run / "references.safetensors", (run / "references.safetensors").read_bytes()
    assert read_references(run, rings.shape, 2).metrics["probe_supervised"].value > 0.97
    told = r"references\.safetensors is damaged: it is no supervised network for these"
    for shape, n_classes in (((3,), 2), (rings.shape, 3)):
        with pytest.raises(InputError, match=told):
            read_references(run, shape, n_classes)
    other = from_arrays(rings.train.x.numpy(), rings.train.y.numpy(), class_names=("inner", "outer"))
    wrong = replace(measure_references(rings), metrics={"probe_input": Measurement("x", "fraction", "higher", "")})
    diverged = measure_references(rings)
    torch.nn.init.constant_(diverged.classifier.layers[-1].bias, float("nan"))
    for content in (
        *(b"", b"not a tensor", whole[:-9]),
        *(references.to_bytes() for references in (measure_references(other), wrong, diverged)),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=told):
            read_references(run, rings.shape, 2)
    path.unlink()
    assert read_references(run, rings.shape, 2) is None
