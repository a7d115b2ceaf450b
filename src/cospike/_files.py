"""Files that are written whole or not at all, and arrays in them that need no pickle."""

import json
import math
import os
import re
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# What NumPy writes of numbers and text, in format 1.0; strings of no characters are nothing that it writes.
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<>|](?:[biuf]\d{1,2}|U[1-9]\d{0,8}))', "
    rb"'fortran_order': (True|False), 'shape': \(((?:\d{1,40}, ?){0,31}\d{0,40}),?\), \} *\n",
    re.DOTALL,
)
_TEMPORARY = re.compile(r"\.(.+)\.[a-z0-9_]{8}")  # as `tempfile.mkstemp` names them
_DAY = 86_400.0


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all: a temporary file beside it, fsync, rename."""
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path``, to be written in parts: it takes its place at the end, or is gone."""
    temporary = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException as error:
        if temporary:
            temporary.unlink(missing_ok=True)
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
    """The inverse of `format_arrays`: nothing is unpickled or evaluated, and nothing larger than the content comes out.

    An archive as `format_arrays` writes it is not compressed: one that claims to become larger is none of ours.

    Raises:
        ValueError: if the content is no such file, or a damaged one.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > len(content) or any(m.compress_type for m in members):
                raise ValueError("it is compressed")
            if len({member.filename for member in members}) < len(members):
                raise ValueError("a name stands there twice")
            return {member.filename.removesuffix(".npy"): parse_array(archive.read(member)) for member in members}
    except Exception as error:  # zipfile meets flipped bytes with anything, KeyError to NotImplementedError
        reason = f": {error}" if type(error) is ValueError else ""
        raise ValueError(f"it is no whole archive of plain NumPy arrays{reason}") from error


class Head(NamedTuple):
    """What stands before the numbers of an array: their type and shape, whether columns come first, its own bytes."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    by_columns: bool
    size: int

    @property
    def n_bytes(self) -> int:
        """Bytes that the array says it takes."""
        return self.dtype.itemsize * math.prod(self.shape)


def parse_head(content: bytes) -> Head:
    """The head of an array. It is a Python expression, which NumPy evaluates; a pattern is enough.

    Raises:
        ValueError: if it is none of numbers or text.
    """
    if not (header := _HEADER.match(content)):
        raise ValueError("a member is no array of numbers or text")
    shape = tuple(map(int, re.findall(rb"\d+", header[3])))
    return Head(np.dtype(header[1].decode()), shape, header[2] == b"True", header.end())


def parse_array(content: bytes) -> np.ndarray:
    """An `.npy` file, or a member of an archive.

    Raises:
        ValueError: if it is no array of numbers or text, or no whole one.
    """
    head = parse_head(content)
    dtype, shape = head.dtype, head.shape
    values = memoryview(content)[head.size :]
    if int.from_bytes(content[8:10], "little") != head.size - 10 or dtype.itemsize * math.prod(shape) != len(values):
        raise ValueError("a member has another size than its header says")
    array = np.ndarray(shape, dtype, buffer=values, order="F" if head.by_columns else "C")
    if dtype.kind == "U":
        marks = np.frombuffer(values, np.uint32 if dtype.isnative else np.dtype(np.uint32).newbyteorder())
        if marks.size and (marks.max() > sys.maxunicode or ((marks >= 0xD800) & (marks < 0xE000)).any()):
            raise ValueError("a member holds what is no text")
    return array.astype(dtype.newbyteorder("="))


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
