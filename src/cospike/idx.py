"""IDX, the file format of MNIST and its like: read strictly, written atomically.

A file is two zero bytes, a type code, the number of axes, each axis as a big-endian uint32, then the values in
row-major order. Only unsigned bytes (type code 8) are known here: the published image sets hold nothing else.

A header is a claim, not a fact. Memory follows the bytes that are really there, never the size declared, and
reading stops one byte past it. A gzip bomb may have an honest header, so that a compressed file may become 256 times as
large as it is, or 256 MiB: MNIST becomes 5 times as large, binary drawings 120 times.

A published set is four such files (`MEMBERS`) in a folder, read together as an `ImageSet`.
"""

import gzip
import hashlib
import io
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from cospike._errors import InputError
from cospike._files import write_atomic
from cospike._reading import open_file

MEMBERS = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
"""The files of a published set; their numbers of axes are 3, 1, 3, 1."""

MAX_BYTES = 2**31
"""The largest file that is read: 2 GiB of grey levels become 8 GiB of float32."""

_MAX_RATIO, _ALWAYS_FINE = 256, 2**28  # decoded bytes for one of gzip; whatever the ratio
_MAX_AXES = 32
_UNSIGNED_BYTE = 0x08
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 2**20


class ImageSet(NamedTuple):
    """The four arrays of a published set, in the order of `MEMBERS`."""

    train_images: UInt8[np.ndarray, "train height width"]
    train_labels: UInt8[np.ndarray, " train"]
    test_images: UInt8[np.ndarray, "test height width"]
    test_labels: UInt8[np.ndarray, " test"]


def find_image_set(folder: Path) -> list[Path]:
    """The four files of a set in a folder, each compressed or not; none if one is missing."""
    candidates = ([folder / member, folder / member.removesuffix(".gz")] for member in MEMBERS)
    found = [path for names in candidates for path in [p for p in names if p.is_file()][:1]]
    return found if len(found) == len(MEMBERS) else []


def read_image_set(files: Sequence[Path | bytes], *, sha256: Sequence[str], place: str = "") -> ImageSet:
    """The arrays in the four files of a set, each of which must have its SHA-256.

    Raises:
        InputError: as `read_idx`; ``place`` says there where bytes came from.
    """
    names = [f"{member} from {place}" if place else None for member in MEMBERS]
    rows = zip(files, (3, 1, 3, 1), sha256, names, strict=True)
    return ImageSet(*(read_idx(file, ndim=ndim, sha256=digest, name=name) for file, ndim, digest, name in rows))


def write_image_set(folder: Path, images: ImageSet) -> None:
    """Write the four files of a set, compressed, into a folder that exists."""
    for member, array in zip(MEMBERS, images, strict=True):
        write_idx(folder / member, array)


def read_idx(
    source: Path | bytes, *, ndim: int | None = None, sha256: str | None = None, name: str | None = None
) -> UInt8[np.ndarray, "..."]:
    """The array in an IDX file, plain or gzip.

    Args:
        source: a file, or its bytes.
        ndim: the number of axes expected (3 for images, 1 for labels); None takes any.
        sha256: the SHA-256 expected of the *decoded* bytes.
        name: what to call the source in a message (default: its path).

    Raises:
        InputError: if it is unreadable, no IDX file of unsigned bytes, longer or shorter than its header says,
            or not the file that ``ndim`` and ``sha256`` ask for.

    >>> read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
    array([7, 8, 9], dtype=uint8)
    """
    name = name or (str(source) if isinstance(source, Path) else "the given bytes")
    try:
        with _open(source) as (stream, limit):
            shape, raw = _read(stream, name, ndim, limit)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _refusal("a whole gzip file", f"{name}, which is damaged ({error})", "Download it again.") from None
    except OSError as error:
        problem = error.strerror or error
        raise _refusal("a readable file", f"{name} ({problem})", "Check the path.") from None
    if sha256 is not None and (digest := hashlib.sha256(raw).hexdigest()) != sha256:
        raise _refusal(
            f"the published file (SHA-256 {sha256[:12]}…)", f"{name} ({digest[:12]}…)", "Replace it by the original."
        )
    # Backed by a bytearray, so writable: torch refuses to share read-only memory quietly.
    return np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def encode_idx(array: UInt8[np.ndarray, "..."]) -> bytes:
    """The IDX file, not compressed, that holds an array.

    Raises:
        InputError: if the array is no array of unsigned bytes with at least one axis.

    >>> encode_idx(np.array([7, 8, 9], dtype=np.uint8)).hex(" ")
    '00 00 08 01 00 00 00 03 07 08 09'
    """
    if array.dtype != np.uint8 or array.ndim == 0:
        raise InputError(
            f"'array' of encode_idx must be uint8 with one axis or more, got {array.dtype} of shape {array.shape}."
        )
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, _UNSIGNED_BYTE, array.ndim, *array.shape) + array.tobytes()


def write_idx(path: Path, array: UInt8[np.ndarray, "..."]) -> None:
    """Write an array as an IDX file, gzip if ``path`` ends in `.gz`: the whole file or nothing.

    Raises:
        InputError: as `encode_idx`.
        OSError: if the folder cannot be written.
    """
    data = encode_idx(array)
    if path.suffix == ".gz":
        data = gzip.compress(data, compresslevel=1, mtime=0)  # level 1: twice as fast, a tenth larger
    write_atomic(path, data)


@contextmanager
def _open(source: Path | bytes) -> Iterator[tuple[io.BufferedIOBase, int]]:
    """The bytes of a source as a stream, unzipped as they are read, and how many values there may be."""
    with open_file(source, 2 * MAX_BYTES) if isinstance(source, Path) else io.BytesIO(source) as file:
        start = file.read(2)
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        if start == _GZIP_MAGIC:
            with gzip.GzipFile(fileobj=file) as unzipped:
                yield unzipped, min(MAX_BYTES, max(_ALWAYS_FINE, _MAX_RATIO * size))
        else:
            yield file, MAX_BYTES


def _read(stream: io.BufferedIOBase, name: str, ndim: int | None, limit: int) -> tuple[tuple[int, ...], bytearray]:
    """The declared shape and all bytes of the file, header included, once they agree."""
    raw = _read_up_to(stream, 4)
    if len(raw) < 4 or raw[0] or raw[1]:
        raise _refusal("an IDX file (first bytes 00 00)", f"{name} ({raw.hex(' ') or 'empty'})", "Is it another file?")
    code, axes = raw[2:]
    if code != _UNSIGNED_BYTE or not axes:
        raise _refusal(
            "an IDX file of unsigned bytes (type code 0x08) with one axis or more",
            f"{name} (type code {code:#04x}, {axes} axes)",
            "Write it again as uint8.",
        )
    raw += _read_up_to(stream, 4 * axes)
    if len(raw) < 4 + 4 * axes:
        raise _refusal("a whole IDX file", f"{name}, cut short in its header", "Download it again.")
    shape = struct.unpack(f">{axes}I", raw[4:])
    if ndim not in (None, axes):
        kind = {1: "labels", 3: "images"}
        raise _refusal(
            f"an IDX file of {kind.get(ndim or 0, 'values')} ({ndim} axes)",
            f"{name} of shape {shape}",
            f"It seems to hold {kind[axes]}." if axes in kind else "Is it another file?",
        )
    if (size := math.prod(shape)) > limit:
        raise _refusal(f"at most {limit:,} bytes", f"{name} that declares {size:,}", "Is its header damaged?")
    if axes > _MAX_AXES or math.prod(side for side in shape if side) > MAX_BYTES:  # of an empty array, NumPy multiplies
        raise _refusal(f"an array of at most {_MAX_AXES} axes", f"{name} of shape {shape!s:.200}", "Is it damaged?")
    raw += _read_up_to(stream, size + 1)
    if (found := len(raw) - 4 - 4 * axes) != size:
        surplus = f"more than {size:,}" if found > size else f"{found:,}"
        raise _refusal(f"the {size:,} values of its shape {shape}", f"{name} with {surplus}", "Download it again.")
    return shape, raw


def _read_up_to(stream: io.BufferedIOBase, n_bytes: int) -> bytearray:
    """At most ``n_bytes`` from a stream; grown chunk by chunk, as ``read(n)`` would reserve all n at once."""
    data = bytearray()
    while chunk := stream.read(min(_CHUNK, n_bytes - len(data))):
        data += chunk
    return data


def _refusal(expected: str, got: str, fix: str) -> InputError:
    return InputError(f"A data file must be {expected}, got {got}. {fix}")
