"""A folder to write in: room on its disk, and one writer at a time.

The lock is the kernel's, on the file `.lock`, and goes with its process, however that ends. The file names the process
for the message to others; what a killed one leaves of it is in nobody's way.
"""

import errno
import os
import platform
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from cospike._errors import InputError, TrainingWarning, failed_write

LOCK = ".lock"

_WAIT = 0.5  # seconds: who only looks whether a folder is in use holds its lock for an instant
_UNLOCKED: set[Path] = set()  # folders that have been warned of
_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Keep every other process away from ``folder``, which is made if it is not there, and goes if it stays empty.

    The same thread may enter again. Of the processes of one training (RANK, as torchrun sets it) the first alone
    writes, and holds the lock.

    Raises:
        InputError: if another process is at work in the folder, or it cannot be written.

    Warns:
        TrainingWarning: if the file system has no locks, so that nothing keeps others away.
    """
    if not _is_first():
        yield
        return
    with made(folder):
        lock = _acquire(folder)
        try:
            yield
        finally:
            if lock:
                _release(lock)


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """A folder, which goes again, with what was made above it, if it stays empty.

    Raises:
        InputError: if it cannot be made.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if folder.exists():
            raise InputError(f"'out' must be a folder, got the file {folder}.") from error
        raise _unwritable(folder, error) from error
    try:
        yield
    finally:
        with suppress(OSError):  # something is kept there
            for path in new:
                path.rmdir()


@contextmanager
def writing(*folders: Path, again: str = "go on with --resume") -> Iterator[None]:
    """`one_writer` of several folders; a file that cannot be written is named, with what to do before trying `again`.

    Raises:
        InputError: as `one_writer`, and for an OSError within.
    """
    with ExitStack() as locks:
        for folder in folders:
            locks.enter_context(one_writer(folder))
        try:
            yield
        except OSError as error:
            if error.filename is None:  # a pipe that is closed, for one
                raise
            raise failed_write(error, folders[0], again) from error


def check_idle(folder: Path) -> None:
    """Refuse to read a run that another process is writing.

    Raises:
        InputError: which process it is.
    """
    path = folder / LOCK
    if not _is_first() or not path.is_file():
        return
    lock = _lock(path)
    try:
        with lock.acquire(timeout=0):
            pass
    except Timeout:
        raise InputError(
            f"{folder} is being trained by another process{_holder(path)}. It can be read when that is done."
        ) from None
    except (OSError, NotImplementedError):  # a disk that cannot be written, or without locks
        return


def _is_first() -> bool:
    """Whether this process is the first of a training, or its only one."""
    return "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("RANK") == "0"


def check_room(folder: Path, needed: int) -> None:
    """Make a folder, and refuse a disk that cannot be written or has less than ``needed`` bytes left.

    Raises:
        InputError: with what is left.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        disk = shutil.disk_usage(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    if disk.free < needed and disk.total:  # some file systems know neither
        raise InputError(
            f"'out' must be on a disk with room for what is written, {needed / 1e6:,.2f} MB more at least, got "
            f"{disk.free / 1e6:,.2f} MB for {folder}. Free some space, or choose another disk."
        )


def _acquire(folder: Path) -> FileLock | None:
    """The lock, held; None where there can be none."""
    path = folder / LOCK
    if path.exists() and path.lstat().st_nlink > 1:  # what is written into it would be written there as well
        raise InputError(f"{path} must be a file of its own, got another name of one elsewhere. Remove it.")
    lock = _lock(path)
    again = lock.is_locked
    try:
        lock.acquire(timeout=_WAIT)
    except Timeout:
        raise InputError(
            f"'out' is in use by another process{_holder(path)}: {folder}. Wait for it, or choose another folder."
        ) from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise _unwritable(folder, error) from error
        path.unlink(missing_ok=True)
        if folder.resolve() not in _UNLOCKED:
            _UNLOCKED.add(folder.resolve())
            warnings.warn(
                f"The file system of {folder} has no locks, so that nothing keeps a second process from writing there. "
                "See to it that this is the only one.",
                TrainingWarning,
                stacklevel=4,
            )
        return None
    if not again:
        with suppress(OSError):  # a full disk: the lock holds without a name
            path.write_text(f"{os.getpid()} {platform.node()}\n")
    return lock


def _release(lock: FileLock) -> None:
    """Take the file away with the last hold: who has it open already sees that it is gone, and tries again."""
    if lock.lock_counter == 1:
        with suppress(OSError):
            Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def _lock(path: Path) -> FileLock:
    """The one lock of a path in this process, which its thread may take again; a link in its place is refused."""
    return FileLock(path.parent.resolve() / path.name, is_singleton=True, fallback_to_soft=False)


def _holder(path: Path) -> str:
    """Who holds a lock, as far as it is known."""
    with suppress(OSError, ValueError):
        process, _, host = path.read_text().strip().partition(" ")
        return f", {int(process)}" + ("" if host == platform.node() else f" on {host}")
    return ""


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(f"'out' must be a folder that can be written, got {folder}: {error.strerror}.")
