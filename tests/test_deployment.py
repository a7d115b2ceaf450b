"""ONNX files: what they compute is what the model computes, by other means; and they say what they are."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from cospike import deployment, run_folders, runs
from cospike._errors import InputError
from cospike.deployment import export_onnx
from cospike.model import SparseVAE

pytestmark = pytest.mark.slow  # it trains, or loads what takes seconds

ort = pytest.importorskip("onnxruntime")


def open_session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    return export_onnx(trained.run, out=tmp_path_factory.mktemp("onnx"))


def save_run(folder, like, model):
    """A run of an untrained model: as much of it as an export reads."""
    folder.mkdir()
    config = runs.read_config(like) | {"model": model.settings}
    (folder / "config.json").write_text(json.dumps(config))
    runs.save_tensors(folder, "weights.safetensors", model.state_dict())
    return folder


def test_the_decoder_is_a_matrix_product_after_another(trained, exported):
    weights = load_file(trained.run / "weights.safetensors")
    assert not np.allclose(weights["dense_axes"], np.eye(len(weights["dense_axes"])), atol=0.1)  # else it shows nothing
    rng = np.random.default_rng(0)
    code = rng.normal(0, 2, (7, 16)) * (rng.random((7, 16)) < 0.4)
    z, n_dense = code.copy(), len(weights["dense_axes"])
    z[:, :n_dense] = code[:, :n_dense] @ weights["dense_axes"].T
    hidden = np.maximum(z @ weights["decoder.trunk.0.weight"].T + weights["decoder.trunk.0.bias"], 0)
    logits = hidden @ weights["decoder.trunk.2.weight"].T + weights["decoder.trunk.2.bias"]
    (mean,) = open_session(exported.decoder).run(["mean"], {"code": code.astype(np.float32)})
    np.testing.assert_allclose(mean, (1 / (1 + np.exp(-logits))).reshape(7, 1, 8, 8), atol=1e-5)


@pytest.mark.parametrize("n", [1, 4, 300])
def test_the_encoder_gives_the_codes_of_the_run(trained, exported, n):
    x = trained.data.test.x[:n].numpy()
    names = ["active_probs", "slab_loc", "slab_scale", "code"]
    found = dict(zip(names, open_session(exported.encoder).run(names, {"x": x}), strict=True))
    (codes,) = runs.read_codes(trained.run, ("test",))
    for name in names[:3]:
        np.testing.assert_allclose(found[name], getattr(codes, name)[:n], atol=1e-5)
    np.testing.assert_allclose(found["code"], codes.values()[:n], atol=1e-5)
    assert (found["code"] == 0).any()


def test_files_say_what_they_are_and_nothing_of_this_machine(trained, exported):
    for path, inputs in (
        (exported.encoder, [("x", ["batch", 1, 8, 8])]),
        (exported.decoder, [("code", ["batch", 16])]),
    ):
        session = open_session(path)
        assert [(given.name, given.shape) for given in session.get_inputs()] == inputs
        told = session.get_modelmeta().custom_metadata_map
        assert json.loads(told["class_names"]) == [str(digit) for digit in range(10)]
        assert (json.loads(told["shape"]), json.loads(told["n_latents"]), json.loads(told["threshold"])) == (
            [1, 8, 8],
            16,
            0.5,
        )
        assert told["cospike"] == runs.read_config(trained.run)["cospike"]
        assert b".py" not in path.read_bytes()
        assert b"torch" not in path.read_bytes()
    n_weights = sum(weight.numel() for weight in trained.model.decoder.parameters())
    assert exported.decoder.stat().st_size < 4 * n_weights + 5_000
    assert (exported.opset, exported.difference <= 1e-5) == (20, True)


def test_the_same_run_gives_the_same_bytes_in_its_own_folder(trained, exported, tmp_path):
    folder = shutil.copytree(trained.run, tmp_path / "run")  # others read the files that are there
    again = export_onnx(folder)
    assert again.decoder == folder / "onnx" / "decoder.onnx"
    assert again.decoder.read_bytes() == exported.decoder.read_bytes()
    assert again.encoder.read_bytes() == exported.encoder.read_bytes()
    assert sorted(path.name for path in again.decoder.parent.iterdir()) == ["decoder.onnx", "encoder.onnx"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ((1, 10, 13), {"network": "conv", "n_dense": 0}),
        ((3, 8, 8), {"network": "conv", "likelihood": "gaussian", "n_dense": 2}),
        ((5,), {"likelihood": "gaussian", "n_dense": 6, "hidden": (9, 7)}),
        ((6,), {"likelihood": [["gaussian", 2, True], ["categorical", 3, False]]}),
        ((5,), {"prior": "pseudo-inputs", "n_pseudo_inputs": 3}),
    ],
)
def test_every_network_and_likelihood_can_be_exported(trained, tmp_path, shape, settings):
    model = SparseVAE(shape, 6, **{"hidden": (9,)} | settings)
    with torch.no_grad():
        model.encoder.head.weight.mul_(20.0)  # large values, and probabilities near 0 and 1
    exported = export_onnx(save_run(tmp_path / "run", trained.run, model))
    z = torch.randn(5, 6, generator=torch.Generator().manual_seed(3))
    (mean,) = open_session(exported.decoder).run(None, {"code": z.numpy()})
    np.testing.assert_allclose(mean, model.decode_mean(z.numpy()), atol=1e-5)


def test_a_file_that_computes_something_else_is_not_written(trained, tmp_path, monkeypatch):
    class Other(deployment._Decoder):
        calls = 0

        def forward(self, code):
            Other.calls += 1
            return super().forward(code) + (1e-4 if Other.calls > 1 else 0.0)  # after the export

    monkeypatch.setattr(deployment, "_Decoder", Other)
    with pytest.raises(FloatingPointError, match=r"decoder\.onnx .* within 1e-05 of PyTorch, got 0\.0001 in mean"):
        export_onnx(trained.run, out=tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()


def test_a_code_at_the_threshold_may_be_on_or_off_but_nothing_else_may():
    at, on = np.array([[0.500004]]), np.array([[0.7]])
    assert (
        deployment._differences({"active_probs": at, "code": at * 4}, {"active_probs": at, "code": at * 0})["code"] == 0
    )
    assert (
        deployment._differences({"active_probs": on, "code": on}, {"active_probs": on, "code": on * 0})["code"] == 0.7
    )
    assert deployment._differences({"mean": np.array([200.0])}, {"mean": np.array([201.0])})["mean"] == 0.005
    assert deployment._differences({"mean": np.zeros((2, 1))}, {"mean": np.zeros((2, 2))})["mean"] == np.inf
    assert not deployment._differences({"mean": np.array([1.0])}, {"mean": np.array([np.nan])})["mean"] <= 1e-5


def test_a_missing_extra_is_named_in_one_line(trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"^export_onnx needs onnxscript, .* pip install 'cospike\[onnx\]'\.$"):
        export_onnx(trained.run)


def test_a_folder_that_cannot_be_made_is_named(trained, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="'out' must be a folder that can be written"):
        export_onnx(trained.run, out=tmp_path / "file" / "onnx")


def test_kept_samples_that_are_none_are_refused_in_one_line(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained.run, run)
    index = np.arange(3)
    for arrays in ({}, {"index": index, "x": np.array(["a"] * 3)}, {"index": index, "x": np.zeros((3, 2))}):
        runs.save_arrays(run, "previews.npz", arrays)
        with pytest.raises(InputError, match=r"previews\.npz (lacks|must have) '(x|index)'"):
            export_onnx(run)


def test_nothing_is_written_or_removed_where_a_link_leads(trained, tmp_path):
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    shutil.copytree(trained.run, run, ignore=lambda *_: ["onnx"])
    elsewhere.mkdir()
    (elsewhere / "encoder.onnx").write_text("of someone")
    (run / "onnx").symlink_to(elsewhere)
    with pytest.raises(InputError, match="must be a place of its own, got a link to"):
        export_onnx(run)
    with pytest.raises(InputError, match="must be a place of its own, got a link to"):
        run_folders.open_run(run, runs.read_config(run), overwrite=True)
    assert [path.read_text() for path in elsewhere.iterdir()] == ["of someone"]


def test_a_run_that_replaces_another_takes_its_files_away(trained, tmp_path):
    run = tmp_path / "run"
    (run / "onnx").mkdir(parents=True)
    for name in ("onnx/decoder.onnx", "onnx/mine.txt", "samples.png"):
        (run / name).touch()
    run_folders.begin_run(run, runs.read_config(trained.run))
    assert sorted(path.name for path in run.rglob("*")) == ["config.json", "mine.txt", "onnx"]
