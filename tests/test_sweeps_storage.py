"""An SQLite file that several workers share, and what one from elsewhere may not do."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cospike._errors import InputError
from cospike.sweeps.storage import opened
from stand_in import SPACE, work

pytestmark = pytest.mark.slow  # every test opens a database

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
            "update trial_user_attributes set key = 'slot', value_json = '[1]' where key = 'measures'",
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
