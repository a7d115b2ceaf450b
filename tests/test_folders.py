"""One writer a folder, whatever becomes of him; and no work for a disk that has no room for it."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import namedtuple

import pytest

from cospike import folders, run_folders, runs
from cospike._errors import InputError, TrainingWarning
from cospike.folders import LOCK, check_idle, check_room, one_writer, writing
from typing_commands import run

HOLD = """
import sys, time
from pathlib import Path
from cospike.folders import one_writer
with one_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def hold():
    """Other processes that hold the lock of a folder."""
    processes = []

    def start(folder):
        process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_second_process_is_told_which_one_is_the_first(tmp_path, hold):
    process = hold(tmp_path / "run")
    with (
        pytest.raises(InputError, match=rf"in use by another process, {process.pid}: .*run\. Wait"),
        one_writer(tmp_path / "run"),
    ):
        pass
    with pytest.raises(InputError, match=rf"being trained by another process, {process.pid}\."):
        check_idle(tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK]


def test_a_killed_holder_is_in_nobodys_way(tmp_path, hold):
    process = hold(tmp_path / "run")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert (tmp_path / "run" / LOCK).is_file()
    check_idle(tmp_path / "run")
    with one_writer(tmp_path / "run"):
        (tmp_path / "run" / "mine").write_text("")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine"]


def test_the_holder_may_enter_again_and_his_other_threads_may_not(tmp_path):
    refused = []

    def enter():
        try:
            with one_writer(tmp_path):
                pass
        except InputError as error:
            refused.append(str(error))

    with one_writer(tmp_path):
        with one_writer(tmp_path):
            check_idle(tmp_path)
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        assert f"another process, {os.getpid()}:" in refused[0]
        assert (tmp_path / LOCK).is_file()  # still held
    with one_writer(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_one_folder_by_two_paths_has_one_lock(tmp_path, hold):
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    hold(tmp_path / "run")
    with pytest.raises(InputError, match="in use"), one_writer(tmp_path / "link"):
        pass


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK).symlink_to(tmp_path / "precious")
    with pytest.raises(InputError, match="can be written"), one_writer(tmp_path / "run"):
        pass
    check_idle(tmp_path / "run")  # it can be read
    assert (tmp_path / "precious").read_text() == "mine"


def test_another_name_of_a_file_in_place_of_the_lock_is_refused(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK).hardlink_to(tmp_path / "precious")
    with pytest.raises(InputError, match="must be a file of its own"), one_writer(tmp_path / "run"):
        pass
    assert (tmp_path / "precious").read_text() == "mine"


def test_of_several_processes_of_one_training_the_first_holds_the_lock(tmp_path, monkeypatch, hold):
    hold(tmp_path / "run")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("RANK", "1")
    with one_writer(tmp_path / "run"):
        check_idle(tmp_path / "run")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(InputError, match="in use"), one_writer(tmp_path / "run"):
        pass


def test_a_folder_that_stays_empty_goes_and_what_is_put_into_it_stays(tmp_path):
    with pytest.raises(ZeroDivisionError), one_writer(tmp_path / "a" / "b"):
        raise ZeroDivisionError
    assert not (tmp_path / "a").exists()
    (tmp_path / "was there").mkdir()
    with one_writer(tmp_path / "was there"):
        pass
    with one_writer(tmp_path / "c" / "d"):
        (tmp_path / "c" / "d" / "file").write_text("")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "was there"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOLCK, "No locks"), OSError(errno.ENOSYS, "No"), NotImplementedError()]
)
def test_a_file_system_without_locks_is_written_with_a_warning(tmp_path, monkeypatch, error):
    class NoLocks:
        is_locked = False

        def acquire(self, timeout):
            raise error

    monkeypatch.setattr(folders, "_lock", lambda path: NoLocks())
    with pytest.warns(TrainingWarning, match=r"has no locks.*only one"), one_writer(tmp_path / "run"):
        (tmp_path / "run" / "file").write_text("")
    with one_writer(tmp_path / "run"):  # it has been said
        pass
    (tmp_path / "run" / LOCK).write_text("")
    check_idle(tmp_path / "run")


def test_an_error_that_is_of_no_file_is_left_as_it_is(tmp_path):
    with pytest.raises(BrokenPipeError), writing(tmp_path / "run"):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"must be a folder, got the file .*file\."), one_writer(tmp_path / "file"):
        pass
    with pytest.raises(InputError, match=r"can be written.*Not a directory"), one_writer(tmp_path / "file" / "run"):
        pass


def test_a_disk_without_room_is_refused_and_one_that_knows_no_size_is_not(tmp_path, monkeypatch):
    usage = namedtuple("usage", ("total", "used", "free"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 0, 2_000_000))
    check_room(tmp_path / "run", 2_000_000)
    with pytest.raises(InputError, match=r"2\.50 MB more at least, got 2\.00 MB for .*run\. Free some space"):
        check_room(tmp_path / "run", 2_500_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 0))
    check_room(tmp_path / "run", 10**15)


def test_a_run_needs_room_for_what_it_has_not_yet_and_for_a_second_state(tmp_path, monkeypatch):
    usage = namedtuple("usage", ("total", "used", "free"))
    run_folders.begin_run(tmp_path, CONFIG)
    (tmp_path / "state.safetensors").write_bytes(bytes(3_000_000))
    for free, room in ((3_000_000, 5_900_000), (2_900_000, 5_900_001), (2_900_000, 0)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(10**9, 0, free))
        if free == 3_000_000:
            assert run_folders.open_run(tmp_path, CONFIG, resume=True, room=room)
        else:
            with pytest.raises(InputError, match=r"3\.00 MB more at least, got 2\.90 MB"):
                run_folders.open_run(tmp_path, CONFIG, resume=True, room=room)


def test_what_cannot_be_written_is_named_with_what_to_do(tmp_path):
    for error, remedy in (
        (
            OSError(errno.ENOSPC, "No space left on device", "codes.npz"),
            "codes.npz: No space .* Free some space and go on",
        ),
        (OSError(errno.EIO, "Input/output error", "run"), "run: Input/output error.* See to the disk and go on"),
    ):
        with pytest.raises(InputError, match=remedy + " with --resume"), writing(tmp_path / "run"):
            raise error


CONFIG = {
    "schema_version": runs.SCHEMA_VERSION,
    "cospike": "0.1.0",
    "torch": "2.6",
    "model": {},
    "objective": {"name": "vsc"},
    "training": {},
    "data": {"name": "digits", "class_names": []},
}
QUICK = ("--epochs", "2", "--n-latents", "6", "--hidden", "16", "--accelerator", "cpu")


@pytest.mark.slow
def test_commands_on_the_folder_of_a_run_that_is_trained_end_in_one_line(trained, tmp_path, hold, capsys):
    folder = tmp_path / "runs" / "vsc"
    shutil.copytree(trained.run, folder, ignore=shutil.ignore_patterns("metrics.json", "onnx"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    process = hold(folder)
    for command, message in (
        (("train", "digits", "--out", folder, "--overwrite", *QUICK), "in use by"),
        (("train", "digits", "--out", folder, "--resume"), "in use by"),
        (("compare", "digits", "--out", tmp_path / "runs", "--objectives", "paper", "vsc", "--overwrite"), "in use by"),
        (("measure", folder), "being trained by"),
        (("report", folder), "being trained by"),
        (("report", trained.run, "--compare", folder), "being trained by"),
    ):
        assert run(*command) == 2, command
        err = capsys.readouterr().err
        assert f"{message} another process, {process.pid}" in err
        assert len(err.splitlines()) == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != LOCK} == before
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["vsc"]


def test_a_training_holds_its_folder_to_the_end(digits, tmp_path, monkeypatch):
    from cospike import train
    from cospike.model import SparseVAE

    seen, finish = [], train._finish

    def watch(*arguments):
        seen.append((tmp_path / "run" / LOCK).read_text().split()[0])
        return finish(*arguments)

    monkeypatch.setattr(train, "_finish", watch)
    model = SparseVAE(digits.shape, 4, hidden=(8,))
    train.fit(model, digits, epochs=1, out=tmp_path / "run", accelerator="cpu")
    assert seen == [str(os.getpid())]
    assert LOCK not in {path.name for path in (tmp_path / "run").iterdir()}


@pytest.mark.slow
def test_a_command_holds_its_folders_until_it_has_reported(tmp_path, monkeypatch, capsys):
    held = []

    def watch(folder, **_):
        held.append(sorted(path.parent.name for path in tmp_path.glob(f"*/{LOCK}")))
        return folder

    monkeypatch.setattr("cospike.html_report.report", watch)
    assert run("train", "digits", "--out", tmp_path / "run", *QUICK) == 0
    objectives = ("--objectives", "vsc", "paper")
    assert run("compare", "digits", "--out", tmp_path, *objectives, *QUICK) == 0
    assert held == [["run"], ["paper", "vsc"]]
    assert not list(tmp_path.glob(f"*/{LOCK}"))


def test_what_killed_processes_left_goes_with_the_next_training(tmp_path):
    run_folders.begin_run(tmp_path, CONFIG)
    (tmp_path / ".weights.safetensors.zz_zz_00").write_text("half")
    (tmp_path / ".notes.abcdefgh").write_text("mine")
    (tmp_path / LOCK).write_text("1 nowhere")
    run_folders.open_run(tmp_path, CONFIG, resume=True)
    assert {path.name for path in tmp_path.iterdir()} == {LOCK, ".notes.abcdefgh", "config.json"}


def test_a_run_that_is_being_replaced_is_a_run_at_every_moment(tmp_path, monkeypatch):
    run_folders.begin_run(tmp_path, CONFIG)
    (tmp_path / "notes.txt").write_text("mine")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_folders, "write_atomic", fail)
    with pytest.raises(OSError, match="No space"):
        run_folders.begin_run(tmp_path, CONFIG | {"torch": "9.9"})
    assert run_folders.check_folder(tmp_path, overwrite=True)
