"""The folder of a run before it is trained: whether it may be begun, resumed or replaced, and its beginning."""

import json
from pathlib import Path
from typing import Any

from cospike._errors import InputError
from cospike._files import is_temporary, remove_temporaries, write_atomic
from cospike._reading import refuse_links
from cospike.folders import LOCK, check_room
from cospike.runs import FILES, read_config


def open_run(
    run: Path, config: dict[str, Any], *, resume: bool = False, overwrite: bool = False, room: int = 0
) -> bool:
    """Make sure of a folder for training with ``config``; returns whether there is something to resume.

    But for what a killed process left half written, nothing in it changes before `begin_run`: a training that fails
    at once costs no older run.

    Args:
        run: the folder, in which nobody else may be writing.
        config: everything that decides the run.
        resume: go on with what is there.
        overwrite: replace it.
        room: bytes that the run will take at least.

    Raises:
        InputError: if the folder holds a run and neither flag is given, if it holds something that is no run, if
            the run was started with other settings, or if the disk is full or cannot be written.
    """
    resuming = False
    refuse_links(*{(run / name).parent for name in FILES} - {run})
    if check_folder(run, resume=resume, overwrite=overwrite) and resume:
        old = read_config(run)
        if (run / "previews.npz").is_file():  # finished: another version takes it as it is
            old |= {name: config[name] for name in ("cospike", "torch")}
        _check_same(old, config, run)
        resuming = (run / "state.safetensors").is_file()
    remove_temporaries(run, FILES)
    sizes = {name: (run / name).stat().st_size for name in FILES if (run / name).is_file()}
    # What is there is replaced; new content of the state stands beside the old one for a moment.
    check_room(run, max(room - sum(sizes.values()), sizes["state.safetensors"] if resuming else 0))
    return resuming


def recorded_training(run: Path) -> dict[str, Any]:
    """How the run in the folder was started; empty if there is none."""
    return dict(read_config(run)["training"]) if (run / "config.json").is_file() else {}


def begin_run(run: Path, config: dict[str, Any]) -> None:
    """Make the folder the run of ``config``: an older run's files go, whatever else a user keeps there stays."""
    for name in FILES:
        if name != "config.json":  # it is replaced: without one this would be no folder of a run for a moment
            (run / name).unlink(missing_ok=True)
    write_atomic(run / "config.json", json.dumps(config, indent=2) + "\n")


def check_folder(run: Path, *, resume: bool = False, overwrite: bool = False) -> bool:
    """Whether ``run`` holds a run that the flags allow to go on with or to replace.

    Raises:
        InputError: as `open_run`. Nothing is changed.
    """
    if resume and overwrite:
        raise InputError("'resume' and 'overwrite' exclude each other: choose one.")
    if run.exists() and not run.is_dir():
        raise InputError(f"'out' must be a folder, got the file {run}.")
    if not run.is_dir() or all(path.name == LOCK or is_temporary(path, FILES) for path in run.iterdir()):
        return False
    if not (run / "config.json").is_file():
        raise InputError(f"'out' must be a new folder or a run, got {run}, which holds other files. Choose another.")
    if not (resume or overwrite):
        raise InputError(f"'out' holds a run already: {run}. Continue it with --resume or replace it with --overwrite.")
    read_config(run)
    return True


def _check_same(old: dict[str, Any], new: dict[str, Any], run: Path, path: str = "") -> None:
    """Refuse to resume with other settings: the bits could not be the same."""
    for key in sorted(old.keys() | new.keys()):
        before, now = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(now, dict):
            _check_same(before, now, run, f"{path}{key}.")
        elif before != now:
            raise InputError(
                f"Cannot resume {run} with another {path}{key}: it was started with {before}, got {now}. "
                "Give the same settings, or start anew with --overwrite."
            )
