"""The run folder: whole or not at all, never emptied by mistake, and only data when it is read."""

import json
import os
import resource
import shutil
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cospike import run_folders, runs
from cospike._errors import InputError
from cospike.evaluation import evaluate, read_metrics
from cospike.evidence import read_interventions
from cospike.model import SparseVAE
from cospike.references import read_references
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
    assert run_folders.open_run(run, CONFIG) is False
    assert not list(run.iterdir())  # nothing to show yet
    run_folders.begin_run(run, CONFIG)
    with pytest.raises(InputError, match=r"--resume .* --overwrite"):
        run_folders.open_run(run, CONFIG)
    with pytest.raises(InputError, match="exclude"):
        run_folders.open_run(run, CONFIG, resume=True, overwrite=True)
    with pytest.raises(InputError, match=r"another training.epochs: it was started with 3, got 4"):
        run_folders.open_run(run, {**CONFIG, "training": {"epochs": 4, "seed": 0}}, resume=True)
    runs.save_tensors(run, "state.safetensors", {"a": torch.ones(1)})
    assert run_folders.open_run(run, CONFIG, resume=True) is True
    (run / "notes.txt").write_text("mine")
    before = {path.name for path in run.iterdir()}
    assert run_folders.open_run(run, CONFIG, overwrite=True) is False
    assert {path.name for path in run.iterdir()} == before  # until the first epoch is done
    run_folders.begin_run(run, CONFIG)
    assert {path.name for path in run.iterdir()} == {"config.json", "notes.txt"}


@pytest.mark.parametrize("flag", ["resume", "overwrite"])
def test_a_folder_that_is_no_run_is_never_touched(tmp_path, flag):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="other files"):
        run_folders.open_run(tmp_path, CONFIG, **{flag: True})
    for foreign, message in (
        ('{"some": "other program"}', "schema_version"),
        ('{"schema_version": 2}', "must have cospike"),
    ):
        (tmp_path / "config.json").write_text(foreign)
        with pytest.raises(InputError, match=message):
            run_folders.open_run(tmp_path, CONFIG, **{flag: True})
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="folder, got the file"):
        run_folders.open_run(tmp_path / "file", CONFIG)
    with pytest.raises(InputError, match="can be written"):
        run_folders.open_run(tmp_path / "file" / "run", CONFIG)


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
    assert run_folders.open_run(trained.run, {**config, "torch": "9.9"}, resume=True) is True


@contextmanager
def memory(n_bytes):
    """Fails what takes more than ``n_bytes`` beside what is taken already."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.fixture
def copied(trained, tmp_path):
    """A run of one's own to damage."""
    return shutil.copytree(trained.run, tmp_path / "copied")


def edit_config(run, part, **changes):
    config = json.loads((run / "config.json").read_bytes())
    config[part] |= changes
    (run / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    "changes",
    [
        {"n_latents": 10**12, "n_dense": 0},
        {"n_latents": 10**19},
        {"hidden": [10**9]},
        {"hidden": [10**19, 10**19]},
        {"hidden": [1] * 100_000},
        {"hidden": []},
        {"hidden": "64"},
        {"hidden": {}},
        {"shape": [10**9]},
        {"shape": [1] * 33},
        {"shape": []},
        {"shape": [1, 8, "8"]},
        {"shape": [True, 8, 8]},
        {"n_latents": True},
        {"n_latents": 16.0},
        {"n_latents": None},
        {"n_latents": [16]},
        {"network": "conv"},
        {"network": []},
        {"prior": "per-class", "n_classes": 10**12},
        {"prior": "pseudo-inputs", "n_pseudo_inputs": 10**12},
        {"active_prior": "x"},
        {"seed": "x"},
        {"seed": 10**20 - 1},
        {"n_dense": 10**10},
        {"device": "cuda"},
    ],
)
def test_a_config_is_held_against_the_weights_before_anything_is_allocated(copied, changes):
    edit_config(copied, "model", **changes)
    with memory(2**28), pytest.raises(InputError, match=r"does not fit config\.json") as error:
        runs.load(copied)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_the_message_says_which_tensor_does_not_fit(copied):
    edit_config(copied, "model", hidden=[65])
    with pytest.raises(
        InputError, match=r"encoder\.trunk\.1\.weight must have the shape \(65, 64\), got \(64, 64\)\.$"
    ):
        runs.load(copied)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a"] * (2**17 + 1), "names of classes, each"),
        (["a" * 1001, *"123456789"], "names of classes, each"),
        ([1, *"123456789"], "names of classes, each"),
        ([None, *"123456789"], "names of classes, each"),
        ("0123456789", r"must have data\.class_names"),
        (["a"], "patterns of 10 classes, of which 1 have names"),
        (["a"] * 11, "patterns of 10 classes, of which 11 have names"),
    ],
    ids=["many", "long", "number", "null", "text", "few", "more"],
)
def test_class_names_are_names_and_as_many_as_patterns(copied, names, message):
    edit_config(copied, "data", class_names=names)
    with pytest.raises(InputError, match=message):
        runs.load(copied)


def test_a_surrogate_is_no_name(copied):
    """It could be printed nowhere, and written into no page."""
    text = (copied / "config.json").read_text().replace('"digits"', '"\\ud800"')
    (copied / "config.json").write_text(text)
    with pytest.raises(InputError, match="surrogates"):
        runs.read_config(copied)


def test_weights_that_are_no_numbers_are_refused(copied):
    weights, _ = runs.read_tensors(copied, "weights.safetensors")
    weights["decoder.trunk.0.bias"][3] = float("nan")
    runs.save_tensors(copied, "weights.safetensors", weights)
    with pytest.raises(InputError, match=r"decoder\.trunk\.0\.bias must be finite"):
        runs.load(copied)


READERS = {
    "config.json": runs.load,
    "weights.safetensors": runs.load,
    "state.safetensors": lambda run: runs.read_tensors(run, "state.safetensors"),
    "references.safetensors": lambda run: read_references(run, (1, 8, 8), 10),
    "codes.npz": runs.read_codes,
    "attributes.npz": lambda run: runs.read_arrays(run, "attributes.npz"),
    "history.jsonl": runs.read_history,
    "metrics.json": read_metrics,
    "interventions.json": read_interventions,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "link to a device", "folder"])
def test_no_reader_waits_for_a_pipe_or_reads_a_device(copied, name, kind, monkeypatch):
    (copied / name).unlink(missing_ok=True)
    if kind == "folder":
        (copied / name).mkdir()
    if "pipe" in kind:
        os.mkfifo(copied / (name if kind == "pipe" else "pipe"))
    if "link" in kind:
        (copied / name).symlink_to("pipe" if "pipe" in kind else "/dev/zero")
    monkeypatch.setattr("cospike.evaluation.evaluate", lambda run: SimpleNamespace(metrics={}))
    if name in ("history.jsonl", "references.safetensors", "metrics.json", "interventions.json"):
        assert not READERS[name](copied)  # a file that a run may lack: it does
    else:
        with pytest.raises(InputError, match="must be a plain file"):
            READERS[name](copied)


@pytest.fixture(scope="module")
def shared_copy(trained, tmp_path_factory):
    run = shutil.copytree(trained.run, tmp_path_factory.mktemp("untrusted") / "run")
    evaluate(run)
    return run


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_with_other_bytes_is_read_or_refused_in_one_line(shared_copy, name, data):
    whole = (shared_copy / name).read_bytes()
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, 400) | st.integers(0, len(whole)))
        piece = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"9" * 30, b"NaN", b"[" * 50, b'"\\ud800"', b"-1e999"])
        )
        changed[place : place + data.draw(st.integers(0, 6))] = piece
    (shared_copy / name).write_bytes(changed)
    refusal = ""
    try:
        READERS[name](shared_copy)
    except InputError as error:
        refusal = str(error)
    finally:
        (shared_copy / name).write_bytes(whole)
    assert "\n" not in refusal


def test_history_that_no_sum_takes_is_refused(tmp_path):
    for number in ("NaN", "1e999", "9" * 400):
        (tmp_path / "history.jsonl").write_text(f'{{"epoch": 1, "seconds": {number}}}\n')
        with pytest.raises(InputError, match="must be JSON"):
            runs.read_history(tmp_path)


def test_what_begins_a_run_removes_links_and_not_what_they_point_to(tmp_path):
    run = tmp_path / "run"
    run_folders.open_run(run, CONFIG)
    run_folders.begin_run(run, CONFIG)
    (tmp_path / "mine").write_text("years of work")
    (run / "weights.safetensors").symlink_to(tmp_path / "mine")
    (run / "state.safetensors").symlink_to(tmp_path / "new")
    run_folders.begin_run(run, CONFIG)
    assert (tmp_path / "mine").read_text() == "years of work"
    runs.save_tensors(run, "state.safetensors", {"a": torch.ones(1)})
    assert not (tmp_path / "new").exists()
