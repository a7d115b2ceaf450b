"""The run folder: whole or not at all, never emptied by mistake, and only data when it is read."""

import json

import pytest
import torch

from cospike import runs
from cospike._errors import InputError
from cospike.model import SparseVAE
from cospike.train import fit

CONFIG = {
    "schema_version": runs.SCHEMA_VERSION,
    "cospike": "0.1.0",
    "torch": "2.6",
    "model": {},
    "objective": {"name": "vsc"},
    "training": {"epochs": 3, "seed": 0},
    "data": {"name": "digits", "class_names": ["a", "b"]},
}


def test_an_existing_run_needs_a_flag(tmp_path):
    run = tmp_path / "run"
    assert runs.open_run(run, CONFIG) is False
    assert not list(run.iterdir())  # nothing to show yet
    runs.begin_run(run, CONFIG)
    with pytest.raises(InputError, match=r"--resume .* --overwrite"):
        runs.open_run(run, CONFIG)
    with pytest.raises(InputError, match="exclude"):
        runs.open_run(run, CONFIG, resume=True, overwrite=True)
    with pytest.raises(InputError, match=r"another training.epochs: it was started with 3, got 4"):
        runs.open_run(run, {**CONFIG, "training": {"epochs": 4, "seed": 0}}, resume=True)
    runs.save_tensors(run, "state.safetensors", {"a": torch.ones(1)})
    assert runs.open_run(run, CONFIG, resume=True) is True
    (run / "notes.txt").write_text("mine")
    before = {path.name for path in run.iterdir()}
    assert runs.open_run(run, CONFIG, overwrite=True) is False
    assert {path.name for path in run.iterdir()} == before  # until the first epoch is done
    runs.begin_run(run, CONFIG)
    assert {path.name for path in run.iterdir()} == {"config.json", "notes.txt"}


@pytest.mark.parametrize("flag", ["resume", "overwrite"])
def test_a_folder_that_is_no_run_is_never_touched(tmp_path, flag):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="other files"):
        runs.open_run(tmp_path, CONFIG, **{flag: True})
    for foreign, message in (
        ('{"some": "other program"}', "schema_version"),
        ('{"schema_version": 2}', "must have cospike"),
    ):
        (tmp_path / "config.json").write_text(foreign)
        with pytest.raises(InputError, match=message):
            runs.open_run(tmp_path, CONFIG, **{flag: True})
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="folder, got the file"):
        runs.open_run(tmp_path / "file", CONFIG)
    with pytest.raises(InputError, match="can be written"):
        runs.open_run(tmp_path / "file" / "run", CONFIG)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b"{", "JSON"),
        ("config.json", json.dumps({"schema_version": 99}).encode(), "schema_version 2, got 99"),
        ("config.json", b"[]", "schema_version"),
        ("weights.safetensors", b"", "damaged"),
        ("weights.safetensors", b"\xff" * 64, "damaged"),
        ("config.json", json.dumps({**CONFIG, "data": {"name": "x"}}).encode(), r"must have data\.class_names"),
        ("codes.npz", b"PK\x03\x04", "damaged"),
        ("codes.npz", b"\x93NUMPY", "damaged"),
    ],
)
def test_damaged_files_are_refused_in_one_line(trained, tmp_path, name, content, message):
    for path in trained.run.iterdir():
        (tmp_path / path.name).write_bytes(content if path.name == name else path.read_bytes())
    with pytest.raises(InputError, match=message) as caught:
        (runs.read_codes if name == "codes.npz" else runs.load)(tmp_path)
    assert "\n" not in str(caught.value)


def test_weights_of_another_model_are_refused(trained, tmp_path):
    for path in trained.run.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_bytes())
    config["model"]["n_latents"] = 3
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"does not fit config\.json"):
        runs.load(tmp_path)


def test_axes_that_turn_nothing_into_something_else_are_refused(digits, tmp_path):
    model = SparseVAE(digits.shape, 12, hidden=(8,), n_dense=3)
    fit(model, digits, epochs=1, out=tmp_path, progress=False)
    weights, _ = runs.read_tensors(tmp_path, "weights.safetensors")
    runs.save_tensors(tmp_path, "weights.safetensors", weights | {"dense_axes": 2 * weights["dense_axes"]})
    with pytest.raises(InputError, match=r"weights\.safetensors does not fit config\.json .* not orthogonal"):
        runs.load(tmp_path)


def test_a_folder_without_a_run_says_so(tmp_path):
    with pytest.raises(InputError, match=r"No config\.json"):
        runs.load(tmp_path)


def test_history_that_is_no_history_is_refused(tmp_path):
    for line in ("[1]", '{"epoch": 1}', '{"epoch": 1, "seconds": "long"}'):
        (tmp_path / "history.jsonl").write_text(line + "\n")
        with pytest.raises(InputError, match="object of numbers"):
            runs.read_history(tmp_path)


def test_codes_that_are_missing_are_not_called_damaged(tmp_path):
    with pytest.raises(InputError, match=r"^No codes\.npz") as caught:
        runs.read_codes(tmp_path)
    assert "damaged" not in str(caught.value)


def test_a_finished_run_outlives_the_version_that_made_it(trained):
    config = runs.read_config(trained.run)
    assert runs.open_run(trained.run, {**config, "torch": "9.9"}, resume=True) is True
