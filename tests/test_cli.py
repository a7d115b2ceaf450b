"""The command as a user types it: what it prints, what it leaves, and how it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from typing_commands import run

QUICK = ("--epochs", "2", "--n-latents", "6", "--hidden", "32", "--accelerator", "cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "digits"
    assert run("train", "digits", "--out", out, *QUICK) == 0
    return out


@pytest.mark.slow
def test_train_leaves_a_run_and_prints_measures_and_the_report(tmp_path, capsys):
    assert run("train", "digits", "--out", tmp_path / "run", *QUICK) == 0
    out, err = capsys.readouterr()
    assert "neg_elbo" in out
    assert out.strip().endswith("report.html")
    assert "no latent tells one sample from another" in err  # after two epochs; no terminal, so no progress display
    assert err.count("\n") == 1
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        "config.json", "weights.safetensors", "state.safetensors", "history.jsonl", "codes.npz", "previews.npz",
        "attributes.npz", "references.safetensors", "metrics.json", "interventions.json", "factors.csv", "report.html",
    }  # fmt: skip


@pytest.mark.slow
def test_measure_and_report_work_from_the_folder_alone(folder, capsys, tmp_path):
    capsys.readouterr()
    assert run("measure", folder, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    metrics = told["measures"]
    assert metrics == json.loads((folder / "metrics.json").read_text())
    assert {"kind", "association", "intervention"} <= told["factors"][0].keys()
    for entry in metrics.values():
        assert set(entry) >= {"value", "unit", "direction", "how"}
    assert run("measure", folder) == 0
    assert "jaccard_within_specific_exact" in capsys.readouterr().out
    assert run("report", folder) == 0
    assert capsys.readouterr().out.strip() == str(folder / "report.html")


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["class-consistent", "paper", "vsc", "vae"])
def test_every_preset_trains_from_the_command_line(tmp_path, objective, capsys):
    assert run("train", "digits", "--out", tmp_path / "run", "--objective", objective, *QUICK) == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["objective"]["name"] == objective


@pytest.mark.slow
def test_compare_trains_side_by_side_and_can_be_repeated(tmp_path, capsys):
    command = ("compare", "digits", "--out", tmp_path, "--objectives", "vsc", "class-consistent", "--resume", *QUICK)
    assert run(*command) == 0
    first = capsys.readouterr().out
    assert "vsc" in first
    assert first.strip().endswith("class-consistent/report.html")
    assert run(*command) == 0
    assert capsys.readouterr().out == first


@pytest.mark.slow
def test_compare_gives_each_price_to_the_presets_that_have_it(tmp_path, capsys):
    prices = ("--pairwise", "300", "--within", "4")
    command = ("compare", "digits", "--objectives", "paper", "class-consistent", *QUICK)
    assert run(*command, *prices, "--out", tmp_path / "a") == 0
    configs = [
        json.loads((tmp_path / "a" / name / "config.json").read_text()) for name in ("paper", "class-consistent")
    ]
    assert [(c["objective"]["pairwise"], c["objective"]["within"]) for c in configs] == [(300, 1), (0, 4)]
    capsys.readouterr()
    assert run(*command, "--beta", "2", "--out", tmp_path / "b") == 2
    assert "belongs to vae" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_compare_is_refused_before_the_first_run_if_a_later_one_is_in_the_way(tmp_path, capsys):
    assert run("train", "digits", "--objective", "paper", "--out", tmp_path / "paper", *QUICK) == 0
    assert run("compare", "digits", "--objectives", "vsc", "paper", "--out", tmp_path, *QUICK) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert not (tmp_path / "vsc").exists()


@pytest.mark.slow
def test_options_come_from_a_yaml_file_too(tmp_path, capsys):
    (tmp_path / "options.yaml").write_text("epochs: 1\nn_latents: 7\n")
    arguments = ("--hidden", "16", "--accelerator", "cpu", "--config", tmp_path / "options.yaml")
    assert run("train", "digits", "--out", tmp_path / "run", *arguments) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["training"]["epochs"], config["model"]["n_latents"]) == (1, 7)


def test_data_lists_every_set_with_its_licence(capsys):
    assert run("data") == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("mnist", "fashion-mnist", "digits", "CC BY-SA 3.0", "MIT"))


LAUGHS = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in pairwise("abcdefghijklmnop"))


@pytest.mark.parametrize(
    "content",
    [
        "epochs: [1",
        "- 3",
        "\x00",
        LAUGHS,
        "epochs: &e 3\nseed: *e",
        "a: &a [*a]",
        "epochs: !!python/object/apply:os.mkdir ['sprung']",
        "epochs: !!int ''",
        "epochs: !!bool x",
        "epochs: 2001-99-99",
        "epochs: 2001-01-01",
        "epochs: 0x_",
        "epochs: " + "9" * 5000,
        "epochs: 0x" + "f" * 5000,
        "hidden: [8, 0b1" + "0" * 20_000 + "]",
        "seed: 1" + ":59" * 10_000,
        "epochs: " + "[" * 2000,
        "epochs: " + "[" * 20 + "]" * 20,
        "epochs: {a: 1}",
        "1: 2",
        "? [a, b]\n: 1",
        "seed: -1\n#" + "x" * 2**17,
        "--- {a: 1}\n--- {a: 1}",
        "epochs: '\\x1b[2J'\n- \x9b",
    ],
)
def test_a_file_that_is_no_yaml_is_named(tmp_path, capsys, content, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "options.yaml").write_text(content)
    assert run("train", "digits", "--out", tmp_path / "new", "--config", tmp_path / "options.yaml") == 2
    err = capsys.readouterr().err
    assert "options.yaml must" in err
    assert len(err.splitlines()) == 1
    assert len(err) < 600
    assert [path.name for path in tmp_path.iterdir()] == ["options.yaml"]


@pytest.mark.timeout(60)
def test_a_pipe_of_options_is_not_waited_for(tmp_path, capsys):
    os.mkfifo(tmp_path / "options.yaml")
    assert run("train", "digits", "--out", tmp_path / "new", "--config", tmp_path / "options.yaml") == 2
    assert "must be a plain file, got a pipe" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["[1, [2]]", "null", "x", "1.5", "[]", "''", "yes", ".nan", "-3"])
def test_an_option_of_another_kind_ends_in_one_line(tmp_path, capsys, value):
    for name in ("epochs", "hidden", "network", "learning_rate", "compile", "out", "nonsense", "config", "resume"):
        (tmp_path / "options.yaml").write_text(f"{name}: {value}\nbatch_size: -1\n")
        code = run("train", "digits", "--out", tmp_path / "new", "--config", tmp_path / "options.yaml")
        assert code == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_compare_replaces_no_run_that_lies_elsewhere(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "vsc").symlink_to(tmp_path / "mine")
    assert run("compare", "digits", "--objectives", "vsc", "--out", tmp_path / "out", "--overwrite", *QUICK) == 2
    assert "must be a place of its own, got a link to" in capsys.readouterr().err
    assert not list((tmp_path / "mine").iterdir())


def test_a_name_moves_no_cursor(tmp_path, capsys):
    assert run("measure", tmp_path / "\x1b[2J\x9bevil\u202e") == 2
    err = capsys.readouterr().err
    assert not set(err) & set("\x1b\x9b\u202e")
    assert "evil" in err


def test_help_of_benchmark_teaches(capsys):
    assert run("benchmark", "--help") == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("--quick", "--models", "--keep-runs", "mnist fashion-mnist", "default: 5"))
    assert all(word in out for word in ("shapes", "sparse-linear", "replace the rows"))


def test_help_teaches(capsys):
    assert run("train", "--help") == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("--objective", "--resume", "fashion-mnist", "sparse-linear", "default"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "fasion-mnist", "--out", "{new}"), "Did you mean 'fashion-mnist'?"),
        (("train", "digits", "--out", "{new}", "--objective", "vcs"), 'Did you mean "vsc"?'),
        (("train", "digits", "--out", "{new}", "--epoch", "3"), "--epochs"),
        (("trian", "digits"), 'Did you mean "train"?'),
        (("train", "digits", "--out", "{new}", "--objective", "vsc", "--pairwise", "3"), "belongs to paper"),
        (("train", "digits", "--out", "{new}", "--batch-size", "5000"), "at most the"),
        (("train", "digits", "--out", "{new}", "--epochs", "0"), "'epochs'"),
        (("train", "digits", "--out", "{new}", "--n-latents", "0"), "'n_latents'"),
        (("train", "digits", "--out", "{new}", "--resume", "--overwrite"), "exclude each other"),
        (("train", "digits", "--out", "{new}", "--seed", "-1"), "'seed'"),
        (("train", "digits", "--out", "{new}", "--accelerator", "mps"), "'accelerator'"),
        (("compare", "digits", "--out", "{new}", "--objectives"), "--objectives"),
        (("compare", "digits", "--out", "{new}", "--objectives", "vsc", "vsc"), "different presets"),
        (("train", "digits", "--out", "{new}", "--config", "{new}.yaml"), "YAML"),
        (("train", "digits", "--out", "/proc/nothing/run"), "can be written"),
        (("measure", "{new}"), "No config.json"),
        (("report", "{new}"), "No config.json"),
        (("benchmark", "--out", "{new}"), "must be named the first time"),
        (("benchmark", "digist", "--out", "{new}"), "Did you mean 'digits'?"),
        (("benchmark", "digits", "--out", "{new}", "--models", "vcs"), "Did you mean 'vsc'?"),
        (("benchmark", "digits", "--out", "{new}", "--models"), "--models"),
        (("benchmark", "digits", "--out", "{new}", "--seeds", "0"), "'seeds' of a benchmark"),
        (("benchmark", "digits", "--out", "{new}", "--jobs", "0"), "'jobs' of a benchmark"),
        (("benchmark", "digits", "--out", "{new}", "--epochs", "0"), "'epochs' of a benchmark"),
        (("data", "ftch"), "Unexpected argument 'ftch'"),
        (("data", "fetch", "mnits"), 'Did you mean "mnist"?'),
    ],
)
def test_a_mistake_ends_in_one_line_and_exit_code_2(tmp_path, capsys, arguments, message):
    new = tmp_path / "new"
    assert run(*(argument.format(new=new) for argument in arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert err.startswith("cospike: ")
    assert not new.exists()


@pytest.mark.slow
def test_a_benchmark_is_tables_and_a_page_and_is_not_trained_twice(tmp_path, capsys):
    command = ("benchmark", "digits", "--out", tmp_path, "--models", "classifier", "vsc", "--seeds", "1", "--jobs", "1")
    assert run(*command, "--epochs", "1") == 0
    out, err = capsys.readouterr()
    assert "classifier" in out
    assert "ELBO" in out
    assert out.strip().endswith("index.html")
    assert len(err.splitlines()) == 2
    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {"rows.jsonl", "grid.json", "measures.json", "table.csv", "table.md", "index.html"}
    (tmp_path / "index.html").unlink()
    assert run("benchmark", "--out", tmp_path) == 0
    assert capsys.readouterr() == (out, "")
    assert (tmp_path / "index.html").is_file()


def test_epochs_leave_the_rest_of_a_quick_benchmark_as_it_is(tmp_path, monkeypatch):
    from cospike.benchmark import grid
    from cospike.benchmark.recipes import QUICK
    from cospike.benchmark.run import Outcome

    trained = []
    monkeypatch.setattr(grid, "do", lambda job: trained.append(job) or Outcome(job.cell, error="not today"))
    run("benchmark", "--quick", "--out", tmp_path, "--models", "vsc", "--epochs", "3", "--jobs", "1")
    run("benchmark", "--out", tmp_path, "--epochs", "4", "--jobs", "1")
    assert [job.config["training"]["epochs"] for job in trained] == [3, 3, 4, 4]
    assert {job.config["training"]["learning_rate"] for job in trained} == {QUICK["training"]["learning_rate"]}


def test_a_benchmark_with_a_failed_run_ends_in_exit_code_2(tmp_path, capsys, monkeypatch):
    from cospike.benchmark import grid
    from cospike.benchmark.run import Outcome

    monkeypatch.setattr(grid, "do", lambda job: Outcome(job.cell, error="no luck"))
    assert run("benchmark", "digits", "--out", tmp_path, "--models", "vsc", "--seeds", "2", "--jobs", "1") == 2
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        "cospike: vsc on digits, seed 0 failed: no luck",
        "cospike: vsc on digits, seed 1 failed: no luck",
        "cospike: 2 of 2 runs failed. The same command tries them again.",
    ]
    assert out.strip().endswith("index.html")


@pytest.mark.slow
def test_an_existing_run_is_refused_without_a_flag(folder, capsys):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run("train", "digits", "--out", folder, *QUICK) == 2
    assert "--resume" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.slow
def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "cospike", "train", "digits", "--out", str(out), "--accelerator", "cpu"]
    options = ["--epochs", "3000", "--hidden", "16", "--n-latents", "4"]
    process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True, env={**os.environ})
    deadline = time.monotonic() + 60
    while not (out / "state.safetensors").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in err
    assert "Traceback" not in err
    epochs = len((out / "history.jsonl").read_text().splitlines())
    assert 0 < epochs < 3000


def test_the_path_of_a_report_is_printed_byte_by_byte(capfdbinary, monkeypatch, tmp_path):
    """Whatever bytes it has; to a pipe, which Python takes for text and nothing else."""
    from cospike import html_report

    name = os.fsdecode(b"run-\xff")
    (tmp_path / name).mkdir()
    (tmp_path / name / "config.json").touch()
    monkeypatch.setattr(html_report, "report", lambda run, compare: run / "report.html")
    with open(1, "w", encoding="utf-8", closefd=False) as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert run("report", tmp_path / name) == 0
    assert capfdbinary.readouterr().out == os.fsencode(tmp_path / name / "report.html") + b"\n"
