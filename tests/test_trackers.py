"""What a tracker gets: the rows of the history, the settings and the measures, read back by its own library."""

import json
import subprocess
import sys
import time

import pytest

from cospike import runs
from cospike._errors import InputError
from cospike.entry import main
from cospike.metrics import Measurement
from cospike.model import SparseVAE
from cospike.objective import Objective
from cospike.trackers import Tracker, log_measures
from cospike.train import fit

pytestmark = pytest.mark.slow  # it trains, or loads what takes seconds

pytest.importorskip("tensorboard")


def read_events(folder):
    """The scalars of a folder, {tag: [(step, value), …]}, and the settings, as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    events = EventAccumulator(str(folder))
    events.Reload()
    scalars = {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    settings = {}
    for content in events.PluginTagToContent("hparams").values():
        settings |= dict(HParamsPluginData.FromString(content).session_start_info.hparams)
    return scalars, settings


class Recorder:
    """A logger of one's own, which may fail at an epoch."""

    def __init__(self, fails_at=None):
        self.settings, self.rows, self.fails_at = [], [], fails_at

    def log_hyperparams(self, params):
        self.settings.append(params)

    def log_metrics(self, metrics, step=None):
        self.rows.append({"epoch": step, **metrics})
        if step == self.fails_at:
            raise KeyboardInterrupt


def test_tensorboard_gets_every_row_the_settings_and_the_measures(tmp_path, capsys):
    command = ("train", "digits", "--out", tmp_path / "run", "--epochs", "2", "--n-latents", "6", "--hidden", "16")
    main([str(part) for part in (*command, "--accelerator", "cpu", "--logger", "tensorboard")])
    scalars, settings = read_events(tmp_path / "run" / "tensorboard")
    history = runs.read_history(tmp_path / "run")
    for name in history[0].keys() - {"epoch"}:
        assert scalars[name] == [(row["epoch"], pytest.approx(row[name], rel=1e-6)) for row in history], name
    measures = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert {f"measures/{name}" for name in measures} == {tag for tag in scalars if tag.startswith("measures/")}
    for name, entry in measures.items():
        assert scalars[f"measures/{name}"] == [(0, pytest.approx(entry["value"], rel=1e-6))], name
    assert settings["training/epochs"].number_value == 2
    assert settings["objective/name"].string_value == "class-consistent"


def test_a_run_that_goes_on_has_each_epoch_once_and_one_that_is_replaced_leaves_none(digits, tmp_path):
    def train(**more):
        model = SparseVAE(digits.shape, 4, hidden=(8,), n_dense=0)
        common = {"objective": Objective.vsc(), "out": tmp_path / "run", "accelerator": "cpu", "logger": "tensorboard"}
        return fit(model, digits, **{"epochs": 4} | common | more)

    with pytest.raises(KeyboardInterrupt):
        train(logger=Recorder(fails_at=2))
    events = tmp_path / "run" / "tensorboard"
    early = Tracker("tensorboard", tmp_path / "run", {})
    for epoch in (1, 2, 3):  # it got further before than what was saved
        early.log_row({"epoch": epoch, "validation_loss": -1.0})
    early.close()
    history = train(resume=True)
    scalars, _ = read_events(events)
    losses = [(1, -1.0), (2, -1.0), *((row["epoch"], pytest.approx(row["validation_loss"])) for row in history[2:])]
    assert scalars["validation_loss"] == losses
    log_measures("tensorboard", tmp_path / "run", {"older": Measurement(1.0, "nats", "lower", "how")})
    assert "measures/older" in read_events(events)[0]
    train(overwrite=True, epochs=2)
    scalars, _ = read_events(events)
    assert "measures/older" not in scalars
    assert [step for step, _ in scalars["validation_loss"]] == [1, 2]


def test_a_logger_of_ones_own_gets_the_settings_once_and_the_rows(digits, tmp_path):
    logger = Recorder()
    model = SparseVAE(digits.shape, 4, hidden=(8,))
    history = fit(model, digits, epochs=3, accelerator="cpu", logger=logger)
    assert logger.rows == history
    assert [settings["model"] for settings in logger.settings] == [model.settings]


def test_a_logger_of_fabric_takes_the_same(digits, tmp_path):
    from lightning_fabric.loggers import CSVLogger

    logger = CSVLogger(tmp_path, flush_logs_every_n_steps=1)
    history = fit(SparseVAE(digits.shape, 4, hidden=(8,)), digits, epochs=2, accelerator="cpu", logger=logger)
    header, *rows = (tmp_path / "lightning_logs" / "version_0" / "metrics.csv").read_text().splitlines()
    column = header.split(",").index("validation_loss")
    assert [float(row.split(",")[column]) for row in rows] == [row["validation_loss"] for row in history]


@pytest.mark.parametrize(
    ("logger", "out", "message"),
    [
        ("tensorbord", True, "Did you mean 'tensorboard'?"),
        ("tensorboard", False, "without 'out'"),
        (3, True, "log_hyperparams and log_metrics, got int"),
    ],
)
def test_what_is_no_logger_is_refused_before_anything_is_written(digits, tmp_path, logger, out, message):
    with pytest.raises(InputError, match=message):
        fit(SparseVAE(digits.shape, 4), digits, out=tmp_path / "run" if out else None, logger=logger)
    assert not list(tmp_path.iterdir())


def test_events_are_not_written_nor_removed_where_a_link_leads(digits, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "events.out.tfevents.1").write_text("of someone")
    run = tmp_path / "run"
    run.mkdir()
    (run / "tensorboard").symlink_to(elsewhere)
    with pytest.raises(InputError, match="must be a place of its own, got a link to"):
        fit(SparseVAE(digits.shape, 4), digits, epochs=1, out=run, logger="tensorboard", overwrite=True)
    with pytest.raises(InputError, match="must be a place of its own"):
        log_measures("tensorboard", run, {"older": Measurement(1.0, "nats", "lower", "how")})
    assert [path.read_text() for path in elsewhere.iterdir()] == ["of someone"]


def test_a_missing_extra_is_named_in_one_line(digits, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(InputError, match=r"^The logger 'tensorboard' needs tensorboard, .*'cospike\[tensorboard\]'\.$"):
        fit(SparseVAE(digits.shape, 4), digits, out=tmp_path / "run", logger="tensorboard")
    assert not list(tmp_path.iterdir())


def test_nothing_of_a_tracker_is_imported_unless_it_is_asked_for(tmp_path):
    program = (
        "import sys, numpy as np, cospike as cs; x = np.random.default_rng(0).random((40, 4)); "
        "cs.fit(cs.SparseVAE((4,), 3, hidden=(4,)), cs.from_arrays(x, np.arange(40) % 2), epochs=1, out=sys.argv[1], "
        "accelerator='cpu'); print([m for m in ('tensorboard', 'mlflow', 'wandb', 'torch.utils.tensorboard', "
        "'onnx', 'onnxruntime', 'huggingface_hub') if m in sys.modules])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "run")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"
    assert not (tmp_path / "run" / "tensorboard").exists()


class Cut(KeyboardInterrupt):
    """Ends a training at an epoch."""


def train_and_go_on(digits, run, name, monkeypatch):
    """Three epochs of four, and then the rest; the history."""

    def train(**more):
        model = SparseVAE(digits.shape, 4, hidden=(8,), n_dense=0)
        common = {"objective": Objective.vsc(), "epochs": 4, "out": run, "accelerator": "cpu", "logger": name}
        return fit(model, digits, **common | more)

    log_row = Tracker.log_row

    def cut(self, row):
        log_row(self, row)
        if row["epoch"] == 3:
            raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "log_row", cut)
        with pytest.raises(Cut):
            train()
    history = train(resume=True)
    time.sleep(1.1)  # W&B names what it writes by the second, and measuring takes longer
    log_measures(name, run, {"within": Measurement(0.5, "nats", "lower", "how")})
    return train, history


def test_mlflow_knows_a_training_that_goes_on_as_one_run(digits, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "trials")
    train, history = train_and_go_on(digits, tmp_path / "run", "mlflow", monkeypatch)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (experiment,) = [one.experiment_id for one in client.search_experiments() if one.name == "trials"]
    (found,) = client.search_runs([experiment])
    assert (found.info.run_name, found.info.status) == ("run", "FINISHED")
    assert found.data.params["training/epochs"] == "4"
    assert found.data.metrics["measures/within"] == 0.5
    for name in ("validation_loss", "within"):
        told = {one.step: one.value for one in client.get_metric_history(found.info.run_id, name)}
        assert told == {row["epoch"]: pytest.approx(row[name]) for row in history}
    train(overwrite=True, epochs=1)  # another training is another run
    assert len(client.search_runs([experiment])) == 2


def read_log(content, block=2**15):
    """The records of a log of LevelDB's format, in which W&B writes: chunks with a head of seven bytes, in blocks."""
    at, record = 7, b""
    while at + 7 <= len(content):
        if block - at % block < 7:  # no room for a head
            at += block - at % block
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        record += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or its last part
            yield record
            record = b""


def test_weights_and_biases_stays_on_this_machine_and_knows_one_run(digits, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.delenv("WANDB_MODE", raising=False)
    _, history = train_and_go_on(digits, tmp_path / "run", "wandb", monkeypatch)
    told, measures, names, settings = {}, {}, set(), {}
    for path in sorted((tmp_path / "run" / "wandb").glob("offline-run-*/run-*.wandb")):
        for content in read_log(path.read_bytes()):
            record = wandb_internal_pb2.Record.FromString(content)
            names |= {record.run.run_id} - {""}
            settings |= {"/".join(one.nested_key) or one.key: one.value_json for one in record.config.update}
            row = {"/".join(one.nested_key) or one.key: json.loads(one.value_json) for one in record.history.item}
            if "validation_loss" in row:
                told[row["_step"]] = row["validation_loss"]
            measures |= {one.key or "/".join(one.nested_key): one.value_json for one in record.summary.update}
    assert told == {row["epoch"]: pytest.approx(row["validation_loss"]) for row in history}
    assert names == {json.loads((tmp_path / "run" / "tracker.json").read_text())["wandb"]}
    assert settings["training/epochs"] == "4"
    assert measures["measures/within"] == "0.5"


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"mlflow": "../x"}', '{"mlflow": 3}', '{"mlflow": "' + "a" * 99 + '"}']
)
def test_a_damaged_name_of_a_run_is_none(tmp_path, content):
    from cospike.tracker_services import _identity

    (tmp_path / "tracker.json").write_text(content)
    assert _identity(tmp_path, "mlflow") == ""


def test_a_service_that_is_not_there_costs_no_training(digits, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none/mlflow.db")
    (tmp_path / "none").touch()
    with pytest.warns(UserWarning, match="'mlflow' takes nothing more of this training") as warned:
        history = fit(
            SparseVAE(digits.shape, 4, hidden=(8,)), digits, epochs=2, out=tmp_path / "run", accelerator="cpu",
            logger="mlflow",
        )  # fmt: skip
    assert len(history) == 2
    assert sum("takes nothing more" in str(one.message) for one in warned) == 1
