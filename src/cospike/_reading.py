"""Files from elsewhere are only data: read whole and up to a limit, parsed without anything being run.

A path is a claim too. A file of a run that somebody sent may be a link to a device that never ends, to a pipe on which
a reader waits for ever, or have a size that no memory holds. Links to plain files are followed, as caches of models are
made of them; what is written replaces a link and never what it points to (`cospike._files.write_atomic`).
"""

import json
import math
import os
import stat
from collections.abc import Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any

from cospike._errors import InputError

MAX_TEXT = 2**26
"""The largest JSON file that is read, 64 MiB: Python's objects take up to thirty times the room of their text."""

MAX_BINARY = 2**33
"""The largest file of arrays or tensors that is read, 8 GiB."""

ANY_SIZE = 2**63
"""For what is not read whole, as the heads of arrays say what they take."""

_MAX_DEPTH = 32  # of JSON; what is written here has 4
_MAX_DIGITS = 20  # of a whole number: a seed has up to 64 bits
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


def open_file(path: Path, limit: int) -> BufferedReader:
    """A plain file of at most ``limit`` bytes, open for reading; never waits for a pipe.

    Raises:
        InputError: if it is a folder, a pipe or a device, itself or by a link, or larger.
        OSError: if it cannot be opened.
    """
    _check_plain(path.stat(), path, limit)  # before it is opened, which alone makes some devices act
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, flags), "rb")
    try:
        _check_plain(os.fstat(file.fileno()), path, limit)  # what is open cannot be exchanged any more
    except InputError:
        file.close()
        raise
    return file


def read_file(path: Path, limit: int = MAX_TEXT) -> bytes:
    """The bytes of a plain file.

    Raises:
        InputError: as `open_file`, or if it grows while it is read.
        OSError: if it cannot be read.
    """
    with open_file(path, limit) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(size + 1)
    if len(content) > size:
        raise InputError(f"{path} must be a file that stays as it is, got one that grows while it is read.")
    return content


def _check_plain(found: os.stat_result, path: Path, limit: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "a device")
        raise InputError(f"{path} must be a plain file, got {kind}. Where does it come from?")
    if found.st_size > limit:
        raise InputError(f"{path} must have at most {limit:,} bytes, got {found.st_size:,}. Where does it come from?")


def refuse_links(*folders: Path) -> None:
    """Refuse what lies elsewhere: what is written or removed below them would be, too.

    Raises:
        InputError: if one is a link.
    """
    for folder in folders:
        if folder.is_symlink():
            raise InputError(
                f"{folder} must be a place of its own, got a link to {folder.readlink()}. Name that one instead."
            )


def parse_json(content: bytes, *, finite: bool = True) -> Any:
    """The value of a JSON text in UTF-8, of plain size and depth.

    Args:
        content: the text.
        finite: refuse NaN and infinity, which JSON does not know, but Python's writes.

    Raises:
        ValueError: if it is none; if an object has a name twice, of which two readers may choose another; for whole
            numbers of over 20 digits, text that is no Unicode, and over 32 levels.

    >>> parse_json(b'{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    """
    try:
        value = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_object, parse_int=_whole)
    except RecursionError:
        raise ValueError(f"more than {_MAX_DEPTH} levels") from None
    _check_values(value, finite)
    return value


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a name twice")
    return found


def _whole(digits: str) -> int:
    if (n := len(digits.lstrip("-"))) > _MAX_DIGITS:
        raise ValueError(f"a whole number of {n} digits")
    return int(digits)


def _check_values(value: Any, finite: bool) -> None:
    """Level by level, so that no depth is too much for the check itself."""
    level, depth = [value], 0
    while level:
        if (depth := depth + 1) > _MAX_DEPTH:
            raise ValueError(f"more than {_MAX_DEPTH} levels")
        below: list[Any] = []
        for part in level:
            if isinstance(part, str):
                part.encode()  # half a pair of surrogates could be written nowhere
            elif isinstance(part, dict):
                below += part.keys()
                below += part.values()
            elif isinstance(part, list):
                below += part
            elif finite and isinstance(part, float) and not math.isfinite(part):
                raise ValueError(f"{part}, which is no number of JSON")
        level = below
