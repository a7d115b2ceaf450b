"""Files that are written whole or not at all, and arrays in them that need no pickle."""

import json
import math
import os
import re
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

_TEMPORARY = re.compile(r"\.(.+)\.[a-z0-9_]{8}")  # as `tempfile.mkstemp` names them
_DAY = 86_400.0


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all: a temporary file beside it, fsync, rename."""
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno:  # a full disk does not say which file it was
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def is_temporary(path: Path, names: Iterable[str]) -> bool:
    """Whether it is what `write_atomic`, killed, left of one of the files ``names``, which may have wildcards."""
    found = _TEMPORARY.fullmatch(path.name)
    return found is not None and any(fnmatchcase(found[1], name) for name in names)


def remove_temporaries(folder: Path, names: Iterable[str], *, seconds: float = 0.0) -> None:
    """Take away what killed processes left of the files ``names``; nobody else may be writing them.

    Args:
        folder: where; it need not be there.
        names: of the files, which may have wildcards.
        seconds: how old it must be; that of a folder that others write in too is left alone until it is surely dead.
    """
    names, before = tuple(names), time.time() - seconds
    with suppress(OSError):
        for path in folder.iterdir():
            if is_temporary(path, names) and path.lstat().st_mtime <= before:
                path.unlink(missing_ok=True)


def write_cached(path: Path, content: bytes) -> None:
    """Keep what can be had again: a cache that cannot be written is no failure."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_temporaries(path.parent, ["*"], seconds=_DAY)
        write_atomic(path, content)


def format_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Plain arrays as one `.npz` file."""
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def parse_arrays(content: bytes) -> dict[str, np.ndarray]:
    """The inverse of `format_arrays`; nothing is unpickled.

    Raises:
        ValueError: if the content is no such file, or a damaged one.
    """
    try:
        with np.load(BytesIO(content), allow_pickle=False) as file:
            return dict(file)
    except Exception as error:  # zipfile and numpy meet flipped bytes with anything, KeyError to NotImplementedError
        raise ValueError("it is no whole archive of plain NumPy arrays") from error


def format_json(value: Any, *, indent: int | None = None) -> str:
    """JSON that any reader takes: what is not a finite number is null."""
    return json.dumps(_without_nan(value), allow_nan=False, indent=indent) + "\n"


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nan(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
