"""Four workers on one PostgreSQL server, of which one is killed: nothing is lost, nothing is trained twice."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("optuna")
psycopg = pytest.importorskip("psycopg")

sys.path.insert(0, str(Path(__file__).parent))  # under importlib's way of importing, tests do not find each other
from cospike.entry import main  # noqa: E402
from postgresql import find_binaries, server  # noqa: E402

pytestmark = pytest.mark.slow

N_TRIALS, N_PARAMS = 8, 5


@pytest.fixture(scope="module")
def database():
    if (binaries := find_binaries()) is None:
        pytest.skip("no PostgreSQL server is installed (apt-get install postgresql)")
    with server(binaries) as running:
        yield running


def arguments(address, out):
    options = [
        "--trials",
        str(N_TRIALS),
        "--epochs",
        "5",
        "--hidden",
        "64",
        "--lost-after",
        "6",
        "--accelerator",
        "cpu",
    ]
    return ["sweep", "digits", "--storage", address, "--out", str(out), "--json", *options]


def start(*arguments):
    command = [sys.executable, "-m", "cospike", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def ask(address, query):
    with psycopg.connect(address) as connection:
        return connection.execute(query).fetchall()


TRIALS = """
select t.number, t.state::text,
    (select w.value_json from trial_user_attributes w where w.trial_id = t.trial_id and w.key = 'worker'),
    (select string_agg(p.param_name || '=' || p.param_value, ',' order by p.param_name)
        from trial_params p where p.trial_id = t.trial_id)
from trials t order by t.number
"""


def running_trial_of(process, address):
    """The number of the trial that a process trains, once it does."""
    for _ in range(1200):
        assert process.poll() is None, process.communicate()[1]
        tables = ask(address, "select count(*) from pg_tables where tablename = 'trial_user_attributes'")[0][0]
        for number, state, worker, params in ask(address, TRIALS) if tables else ():
            chosen = len((params or "").split(",")) == N_PARAMS
            if state == "RUNNING" and chosen and worker and worker.endswith(f' {process.pid}"'):
                return number
        time.sleep(0.05)
    pytest.fail("it never began a trial")


def test_four_workers_of_which_one_is_killed_finish_what_was_asked_for(database, tmp_path, capsys):
    address, _, _ = database
    workers = [start(*arguments(address, tmp_path / "out")) for _ in range(4)]
    try:
        victim, *others = workers
        number = running_trial_of(victim, address)
        os.kill(victim.pid, signal.SIGKILL)
        outputs = [worker.communicate(timeout=300) for worker in others]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert [worker.returncode for worker in others] == [0, 0, 0], outputs
    rows = ask(address, TRIALS)
    complete = {row[0]: row for row in rows if row[1] == "COMPLETE"}
    assert len(complete) == N_TRIALS
    assert all(state in ("COMPLETE", "FAIL") for _, state, _, _ in rows)
    assert set(Counter(params for *_, params in complete.values()).values()) == {1}

    [(_, state, worker, params)] = [row for row in rows if row[0] == number]
    assert state == "FAIL"
    [again] = [row for row in complete.values() if row[3] == params]
    assert again[2] != worker
    assert sum(params == row[3] for row in rows) == 2

    told = [int(line.split()[1][:-1]) for _, err in outputs for line in err.splitlines() if f" {N_TRIALS}: " in line]
    by_victim = {row[0] for row in complete.values() if row[2] == worker}
    assert sorted([*told, *by_victim]) == sorted(complete)
    results = [json.loads(out) for out, _ in outputs]
    assert results[0] == results[1] == results[2]
    assert [trial["number"] for trial in results[0]["trials"]] == sorted(complete)

    main(arguments(address, tmp_path / "out"))
    out, err = capsys.readouterr()
    assert json.loads(out) == results[0]
    assert err == ""
    assert ask(address, TRIALS) == rows


def test_a_server_that_is_started_anew_is_waited_for(database, tmp_path):
    from cospike.sweeps.space import Range
    from cospike.sweeps.storage import opened
    from cospike.sweeps.worker import Worker

    address, start_server, stop_server = database
    space = {"within": Range(1.0, 20.0, log=True)}
    trained = []

    def train(params):
        trained.append(params)
        if len(trained) == 2:
            stop_server()
            threading.Timer(3, start_server).start()
        return {"neg_elbo": params["within"], "consistency_gap_specific": 0.5, "seconds": 0.0}

    said = []
    with opened(address, tmp_path, name="restarted", settings={}, first={}) as study:
        Worker(study, space, train, n_trials=3, seed=0, lost_after=60, say=said.append).work()
    assert len(trained) == 3
    assert [line.split(":")[0] for line in said] == ["trial 0, 1 of 3", "trial 1, 2 of 3", "trial 2, 3 of 3"]


def test_a_server_that_does_not_answer_is_named_without_its_password(tmp_path, capsys):
    address = "postgresql://me:secret@127.0.0.1:1/nothing"
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "digits", "--epochs", "1", "--storage", address, "--out", str(tmp_path / "new")])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith(
        "cospike: '--storage' must be the storage of sweeps, and answer, got postgresql://me:***@127.0"
    )
    assert "secret" not in err
    assert err.count("\n") == 1
    assert not (tmp_path / "new").exists()
