"""The command that searches settings, as a user types it."""

import csv
import json
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
import yaml

from typing_commands import run

QUICK = ("--epochs", "1", "--hidden", "16", "--accelerator", "cpu")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    out = tmp_path_factory.mktemp("sweeps") / "digits"
    assert run("sweep", "digits", "--trials", "3", "--out", out, "--apply", "best", *QUICK) == 0
    return out


@pytest.mark.slow
def test_a_sweep_leaves_a_table_a_figure_and_a_config(swept, capsys):
    assert run("sweep", "digits", "--trials", "3", "--out", swept, "--json", *QUICK) == 0
    out, err = capsys.readouterr()
    assert err == ""  # nothing was left to do
    found = json.loads(out)
    assert [trial["number"] for trial in found["trials"]] == [0, 1, 2]
    assert found["trials"][0]["params"] == {
        "n_latents": 60, "active_prior": 0.1, "within": 5.0, "equivocation": 8.0, "learning_rate": 0.0025,
    }  # fmt: skip
    assert found["best"] in found["frontier"]
    with (swept / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["neg_elbo"]) for row in rows] == [trial["measures"]["neg_elbo"] for trial in found["trials"]]
    assert [row["trial"] for row in rows if row["frontier"] == "1"] == [str(number) for number in found["frontier"]]
    assert (swept / "frontier.png").read_bytes().startswith(b"\x89PNG")
    assert run("sweep", "digits", "--trials", "0", "--out", swept, *QUICK) == 0
    assert capsys.readouterr().out.strip().endswith("frontier.png")


@pytest.mark.slow
def test_the_config_of_a_trial_holds_its_settings_and_what_all_share(swept, capsys):
    assert run("sweep", "digits", "--trials", "0", "--out", swept, "--apply", "2", "--json", *QUICK) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["config"] == str(swept / "trial-2.yaml")
    trial = found["trials"][2]
    settings = yaml.safe_load((swept / "trial-2.yaml").read_text())
    assert settings == {"objective": "class-consistent", "hidden": [16], **trial["params"]}


@pytest.mark.slow
def test_another_sweep_does_not_go_on_in_its_folder(swept, capsys):
    before = (swept / "trials.csv").read_bytes()
    assert run("sweep", "digits", "--out", swept, *QUICK[2:], "--epochs", "2") == 2
    err = capsys.readouterr().err
    assert err.startswith("cospike: The sweep 'sweep' was begun with another options: ")
    assert run("sweep", "digits", "--out", swept, "--search", "within=1:3", *QUICK) == 2
    assert "another search" in capsys.readouterr().err
    assert (swept / "trials.csv").read_bytes() == before


@pytest.mark.slow
def test_ctrl_c_leaves_the_trial_to_the_same_command(tmp_path):
    command = [sys.executable, "-m", "cospike", "sweep", "digits", "--trials", "1", "--out", str(tmp_path / "sweep")]
    process = subprocess.Popen([*command, *QUICK[2:], "--epochs", "3000"], stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(1200):
            if (tmp_path / "sweep" / "sweep.db").exists() and state_of(tmp_path / "sweep" / "sweep.db") == ["RUNNING"]:
                break
            time.sleep(0.05)
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert err == "cospike: interrupted. What is finished is saved; the same command goes on.\n"
    assert state_of(tmp_path / "sweep" / "sweep.db") == ["FAIL", "WAITING"]


def state_of(path):
    try:
        with sqlite3.connect(path) as connection:
            return [state for (state,) in connection.execute("select state from trials order by number")]
    except sqlite3.Error:
        return []
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("digist",), "Did you mean 'digits'?"),
        (("digits", "--trials", "-1"), "'--trials' must lie in 0"),
        (("digits", "--trials", "x"), "no whole number"),
        (("digits", "--name", "other"), "got it without --storage. Choose another --out"),
        (("digits", "--lost-after", "1"), "'--lost-after' must be seconds from 5 on"),
        (("digits", "--search", "within"), "'--search' must be NAME=LOW:HIGH or NAME=A,B,C, got 'within'"),
        (("digits", "--search", "wihtin=1:20"), "knows no option 'wihtin'. Did you mean 'within'?"),
        (("digits", "--search", "seed=1,2"), "knows no option 'seed'"),
        (("digits", "--search", "within=20:1"), "from low to high"),
        (("digits", "--search", "within=0:1:log"), "a log range above 0"),
        (("digits", "--search", "within=1:2:3"), "NAME=LOW:HIGH:linear"),
        (("digits", "--search", "within=1:nan"), "must give numbers"),
        (("digits", "--search", "n_latents=1:2.5"), "must give whole numbers"),
        (("digits", "--search", "n_latents=8,8"), "different choices"),
        (("digits", "--search", "network=mlp,cnv"), "choices of mlp, conv"),
        (("digits", "--search", "network=1:2"), "It has choices"),
        (("digits", "--search", "within=1:2", "within=3:4"), "must name within once"),
        (("digits", "--search", "within=1:2", "--within", "3"), "got within as both"),
        (("digits", "--search", "pairwise=1:2"), "belongs to paper"),
        (("digits", "--search", "n_dense=0,50"), "'n_dense'"),
        (("digits", "--search", "batch_size=10:5000"), "'batch_size'"),
        (("digits", "--search", "epochs=0:5"), "'epochs'"),
        (("digits", "--logger", "tensorboard"), "'--logger'"),
        (("digits", "--storage", "mysql://a/b"), "'--storage' must be postgresql://"),
        (("digits", "--storage", "nothing"), "'--storage' must be postgresql://"),
        (("digits", "--apply", "best", "--trials", "0"), "'--apply' must be best or a finished trial"),
    ],
)
def test_a_mistake_ends_in_one_line_and_exit_code_2(tmp_path, capsys, arguments, message):
    new = tmp_path / "new"
    assert run("sweep", *arguments, "--out", new) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert err.startswith("cospike: ")
    assert not new.exists() or "--apply" in arguments


def test_help_says_what_is_searched(capsys):
    assert run("sweep", "--help") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert all(word in out for word in ("n_latents=20:120", "active_prior", "learning_rate", "--storage", "validation"))


def test_a_missing_extra_is_named_in_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("cospike._extras.find_spec", lambda name: None if name == "optuna" else True)
    assert run("sweep", "digits", "--out", tmp_path / "new") == 2
    assert capsys.readouterr().err == "cospike: cospike sweep needs optuna, which is not installed: " \
        "pip install 'cospike[sweep]'.\n"  # fmt: skip
