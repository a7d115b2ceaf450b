"""Sweeps on one machine: what is searched, kept and chosen, and what a storage from elsewhere may not do."""

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cospike._errors import InputError
from cospike.entry import main
from cospike.options import Options
from cospike.sweeps.space import Choice, Range, corners, parse_search, searchable

optuna = pytest.importorskip("optuna")

from cospike.sweeps.results import Trial, choose_best, costs, format_config, format_csv, frontier, pick  # noqa: E402
from cospike.sweeps.storage import DIRECTIONS, opened  # noqa: E402
from cospike.sweeps.trial import Setup, default_params, prepare, train  # noqa: E402
from cospike.sweeps.worker import Worker  # noqa: E402

QUICK = ("--epochs", "1", "--hidden", "16", "--accelerator", "cpu")
SPACE = {"within": Range(1.0, 20.0, log=True)}


def run(*arguments):
    """The exit code of a command run in this process."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as exit_:
        return exit_.code
    return 0


def stand_in(params):
    return {"neg_elbo": params["within"], "consistency_gap_specific": params["within"] / 20, "seconds": 0.0}


def work(out, n_trials, train=stand_in, said=None, seed=0):
    with opened(None, out, name="sweep", settings={}, first={}) as study:
        say = (said if said is not None else []).append
        Worker(study, SPACE, train, n_trials=n_trials, seed=seed, lost_after=60, say=say).work()
        return [(trial.params, trial.values) for trial in study.trials if trial.values]


def test_ranges_and_choices_are_of_the_kind_of_their_option():
    space = parse_search(["within=1:20", "sharing=0:1", "n-latents=16:64:linear", "network=mlp,conv", "n_dense=0,3"])
    assert space == {
        "within": Range(1.0, 20.0, log=True),
        "sharing": Range(0.0, 1.0, log=False),
        "n_latents": Range(16, 64, log=False, whole=True),
        "network": Choice(("mlp", "conv")),
        "n_dense": Choice((0, 3)),
    }
    assert {name: parse_search([f"{name}={part}"])[name] for name, part in space.items()} == space
    assert 16 in space["n_latents"]
    assert 16.5 not in space["n_latents"]
    assert "conv" in space["network"]


def test_what_changes_the_measures_themselves_is_not_searched():
    assert not {"seed", "split_seed", "likelihood", "accelerator", "precision"} & searchable().keys()
    assert {"n_latents", "active_prior", "within", "learning_rate", "epochs", "hidden"} <= searchable().keys()


def test_corners_hold_both_ends_and_every_choice():
    found = list(corners(parse_search(["within=1:20", "network=mlp,conv"])))
    assert {"within": 1.0, "network": "mlp"} in found
    assert {"within": 20.0, "network": "conv"} in found
    assert {params["network"] for params in found} == {"mlp", "conv"}


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_the_frontier_is_optunas(values):
    study = optuna.create_study(directions=["minimize", "minimize"])
    for pair in values:
        study.add_trial(optuna.create_trial(values=[float(value) for value in pair]))
    best = {trial.number for trial in study.best_trials}
    assert {int(row) for row in np.flatnonzero(frontier(np.array(values, dtype=float)))} == best


def test_the_best_is_nearest_to_the_best_of_both():
    pairs = [(100.0, 0.1), (101.0, 0.75), (110.0, 0.8), (105.0, 0.5)]
    trials = [Trial(i, {}, dict(zip(DIRECTIONS, pair, strict=True))) for i, pair in enumerate(pairs)]
    trials = [replace(trial, on_frontier=bool(on)) for trial, on in zip(trials, frontier(costs(trials)), strict=True)]
    assert [trial.on_frontier for trial in trials] == [True, True, True, False]
    assert choose_best(trials).number == 1
    assert pick(trials, "3").number == 3
    assert choose_best([]) is None
    with pytest.raises(InputError, match=r"must be best or a finished trial, got '9'\. Finished: 0, 1, 2, 3\."):
        pick(trials, "9")


@pytest.mark.slow
def test_the_same_seed_tries_the_same_whether_it_is_interrupted_or_not(tmp_path):
    n = 12  # beyond the first ten, which do not depend on what came out
    whole = work(tmp_path / "whole", n)
    calls = []

    def interrupted(params):
        calls.append(params)
        if len(calls) in (3, 11):
            raise KeyboardInterrupt
        return stand_in(params)

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
            work(tmp_path / "cut", n, interrupted)
    assert sorted(map(repr, work(tmp_path / "cut", n, interrupted))) == sorted(map(repr, whole))
    assert len(calls) == n + 2
    assert work(tmp_path / "other", n, seed=1) != whole


def test_a_trial_that_fails_by_itself_is_told_and_not_repeated(tmp_path):
    calls, said = [], []

    def failing(params):
        calls.append(params)
        if len(calls) == 2:
            raise FloatingPointError("no number")
        return stand_in(params)

    assert len(work(tmp_path, 4, failing, said)) == 3
    assert len(calls) == 4
    assert "trial 1 failed: no number" in said
    assert len(work(tmp_path, 5, failing)) == 4


def test_a_trial_that_was_left_is_trained_with_its_settings(tmp_path):
    def interrupted(params):
        raise KeyboardInterrupt

    with opened(None, tmp_path, name="sweep", settings={}, first={"within": 5.0}) as study:
        settings = {"n_trials": 2, "seed": 0, "lost_after": 60, "say": lambda line: None}
        with pytest.raises(KeyboardInterrupt):
            Worker(study, SPACE, interrupted, **settings).work()
        Worker(study, SPACE, stand_in, **settings).work()
        states = [(trial.state.name, trial.params["within"]) for trial in study.trials]
    assert states[:2] == [("FAIL", 5.0), ("COMPLETE", 5.0)]
    assert states[2][0] == "COMPLETE"


def test_an_answer_that_does_not_arrive_does_not_count_twice(tmp_path, monkeypatch):
    """The storage does what it is told, and the connection breaks before it says so."""
    from cospike.sweeps import worker

    monkeypatch.setattr(worker, "_LOOKS", 0.01)
    said, calls = [], []
    with opened(None, tmp_path, name="sweep", settings={}, first={}) as study:
        tell = study.tell

        def deaf(*given, **settings):
            tell(*given, **settings)
            calls.append(given)
            if len(calls) == 1:
                raise optuna.exceptions.StorageInternalError("the connection is broken")

        monkeypatch.setattr(study, "tell", deaf)
        Worker(study, SPACE, stand_in, n_trials=2, seed=0, lost_after=60, say=said.append).work()
        assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE"]
    assert [line.split(":")[0] for line in said] == ["trial 0, 1 of 2", "trial 1, 2 of 2"]


def test_a_storage_that_stays_out_of_reach_ends_the_worker_with_a_line(tmp_path, monkeypatch):
    from cospike.sweeps import worker

    monkeypatch.setattr(worker, "_LOOKS", 0.01)

    def broken(*_, **__):
        raise optuna.exceptions.StorageInternalError("the disk is full")

    with opened(None, tmp_path, name="sweep", settings={}, first={}) as study:
        monkeypatch.setattr(study, "tell", broken)
        with pytest.raises(
            InputError, match=r"cannot be read and written: the disk is full\. What is finished is saved"
        ):
            Worker(study, SPACE, stand_in, n_trials=2, seed=0, lost_after=0.1, say=print).work()


HAMMER = """
import sys
from pathlib import Path
from cospike.sweeps.space import Range
from cospike.sweeps.storage import opened
from cospike.sweeps.worker import Worker

def stand_in(params):
    return {"neg_elbo": params["within"], "consistency_gap_specific": 0.5, "seconds": 0.0}

with opened(None, Path(sys.argv[1]), name="sweep", settings={}, first={}) as study:
    space = {"within": Range(1.0, 20.0, log=True)}
    say = lambda line: print(line, flush=True)
    Worker(study, space, stand_in, n_trials=30, seed=0, lost_after=5, say=say).work()
"""


@pytest.mark.slow
def test_several_processes_share_a_file_and_one_is_killed(tmp_path):
    command = [sys.executable, "-c", HAMMER, str(tmp_path)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    victim, *others = workers
    n_lines = [victim.stdout.readline() for _ in range(3)]
    victim.send_signal(signal.SIGKILL)
    told = [line for worker in others for line in worker.communicate(timeout=200)[0].splitlines() if " 30: " in line]
    told += [line for line in [*n_lines, *victim.communicate()[0].splitlines()] if " 30: " in line]
    numbers = [line.split(",")[0] for line in told]
    assert len(set(numbers)) == len(numbers)
    with sqlite3.connect(tmp_path / "sweep.db") as connection:
        states = dict(connection.execute("select state, count(*) from trials group by state").fetchall())
        params = connection.execute(
            "select count(distinct param_value) from trial_params join trials using (trial_id) where state = 'COMPLETE'"
        ).fetchone()
    connection.close()
    assert states["COMPLETE"] == 30
    assert "RUNNING" not in states
    assert params == (30,)
    assert 27 <= len(numbers) <= 30  # the one that was killed may have finished trials that it did not come to tell


def test_two_workers_do_not_begin_the_same_trial_of_a_file(tmp_path):
    """Each is slow between looking whether a trial waits and taking it."""
    from sqlalchemy import event

    place = {"name": "sweep", "settings": {}, "first": {"within": 5.0}}
    with opened(None, tmp_path, **place) as one, opened(None, tmp_path, **place) as other:
        for study in (one, other):
            engine = study._storage._backend.engine
            event.listen(
                engine, "before_cursor_execute", lambda *call: time.sleep(0.3) if "UPDATE trials" in call[2] else None
            )
        with ThreadPoolExecutor() as threads:
            begun = list(threads.map(lambda study: study.ask().number, (one, other)))
    assert sorted(begun) == [0, 1]


@pytest.mark.slow
def test_nothing_of_a_storage_is_unpickled(tmp_path, monkeypatch):
    work(tmp_path, 3)
    bomb = "80049520000000000000008c05706f736978948c0673797374656d9493948c05746f756368948594529429"
    with sqlite3.connect(tmp_path / "sweep.db") as connection:
        for table in ("trial_system_attributes", "trial_user_attributes"):
            key = f"insert into {table} (trial_id, key, value_json) select trial_id, ?, ? from trials"
            connection.execute(key, ("cma:optimizer", json.dumps(bomb)))
            connection.execute(key, ("cma:optimizer:0", json.dumps(bomb)))
    connection.close()

    def refuse(*_, **__):
        raise AssertionError("something is unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(f"pickle.{name}", refuse)
    assert len(work(tmp_path, 12)) == 12


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("update trial_params set param_value = 1e9", "must have settings of its sweep, got within"),
        ("update trial_user_attributes set value_json = '[1]' where key = 'measures'", "must have numbers by measure"),
        ("delete from trial_values", "must have both objectives, got 0"),
        ("update trial_values set value_type = 'INF_POS'", "must hold trials of sweeps, got: AssertionError"),
        ("update trial_values set value_type = 'INF_POS', value = null", "must have numbers by measure"),
        (
            "update trial_user_attributes set value_json = '{'",
            "must hold trials of sweeps, got: Expecting property name",
        ),
        ("update trial_params set distribution_json = '{}'", "must hold trials of sweeps"),
        ("update trials set state = 'GONE'", "must hold trials of sweeps, got: 'GONE' is not among"),
        (
            "update trial_user_attributes set key = 'slot', value_json = '[1]' where key = 'worker'",
            "of a sweep of cospike",
        ),
        ("update study_user_attributes set value_json = '{'", "must be the storage of sweeps"),
        ("delete from study_user_attributes", "was begun with something that is no sweep of cospike"),
    ],
)
def test_a_storage_that_somebody_changed_is_refused(tmp_path, change, says):
    from cospike.sweeps.records import finished, read_trials

    work(tmp_path, 2)
    with sqlite3.connect(tmp_path / "sweep.db") as connection:
        connection.execute(change)
    connection.close()
    with (
        pytest.raises(InputError, match=says),
        opened(None, tmp_path, name="sweep", settings={}, first={}) as study,
    ):
        finished(read_trials(study), SPACE)


def test_a_config_has_searched_options_as_train_takes_them():
    trial = Trial(4, {"hidden": 16, "within": 1e-5, "epochs": 2}, dict(zip(DIRECTIONS, (1.0, 0.5), strict=True)))
    text = format_config(trial, objective="paper", options=Options(seed=2, epochs=8, accelerator="cpu"))
    settings = {"objective": "paper", "seed": 2, "hidden": [16], "within": 1e-5, "epochs": 2}
    assert yaml.safe_load(text) == settings  # 1e-05, as Python writes it, would be a word
    assert "after 2 epochs" in text


def test_a_table_is_swept_too():
    from sklearn.datasets import load_iris

    from cospike import from_table
    from cospike.sweeps.run import make_plan

    pytest.importorskip("pandas")
    data = from_table(load_iris(as_frame=True).frame, label="target")
    plan = make_plan(data, "class-consistent", Options(accelerator="cpu"), parse_search(["hidden=16,32"]))
    assert plan.first == {
        "n_latents": 60,
        "active_prior": 0.1,
        "within": 5.0,
        "equivocation": 8.0,
        "learning_rate": 0.0025,
    }
    assert str(plan.space["active_prior"]) == "0.025:0.4:log"


def test_what_a_trial_says_is_no_formula():
    trials = [Trial(0, {"prior": "fixed"}, {}, error="=1+1"), Trial(1, {"prior": "fixed"}, {"neg_elbo": -1.5})]
    rows = list(csv.DictReader(format_csv(trials).splitlines()))
    assert [row["error"] for row in rows] == ["'=1+1", ""]
    assert [row["neg_elbo"] for row in rows] == ["", "-1.5"]


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be taken for one" * 40, b"\x00" * 8192])
def test_a_file_that_is_no_storage_is_refused(tmp_path, content):
    (tmp_path / "sweep.db").write_bytes(content)
    with pytest.raises(InputError, match=r"must be the storage of sweeps, .*, got .*sweep.db: file is not a data"):
        work(tmp_path, 2)
    assert (tmp_path / "sweep.db").read_bytes() == content


@pytest.mark.timeout(60)
def test_a_pipe_in_the_place_of_a_storage_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "sweep.db")
    with pytest.raises(InputError, match="must be a plain file, got a pipe"):
        work(tmp_path, 2)


@pytest.mark.slow
def test_a_trial_does_not_see_the_test_rows(digits):
    from cospike.data import Split

    options = Options(epochs=1, hidden=(16,), accelerator="cpu")
    other = replace(digits, test=Split(1 - digits.test.x, digits.test.y.flip(0)))
    found = [train(prepare(data, "class-consistent", options), {"within": 2.0}) for data in (digits, other)]
    assert [{**values, "seconds": 0} for values in found] == [{**found[0], "seconds": 0}] * 2
    shown = replace(digits, validation=other.test)
    differs = train(prepare(shown, "class-consistent", options), {"within": 2.0})
    assert differs["neg_elbo"] != found[0]["neg_elbo"]


def test_defaults_are_searched_that_are_not_given(digits):
    setup = prepare(digits, "class-consistent", Options(within=3.0, accelerator="cpu"))
    assert default_params(setup) == {"n_latents": 60, "active_prior": 0.1, "equivocation": 8.0, "learning_rate": 0.0025}
    assert setup.options.epochs == 80  # a third of 240
    assert default_params(Setup(setup.data, "", "paper", Options())).keys() >= {"pairwise"}
    assert "active_prior" not in default_params(Setup(setup.data, "", "vae", Options()))


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
