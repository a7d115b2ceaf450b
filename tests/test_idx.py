import gzip
import hashlib
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from cospike._errors import InputError
from cospike.idx import encode_idx, read_idx, write_idx

ARRAYS = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))


def build(shape, values, code=8):
    """An IDX file by the format's definition, without the code under test."""
    axes = b"".join(struct.pack(">I", side) for side in shape)
    return bytes([0, 0, code, len(shape)]) + axes + bytes(values)


TWO_IMAGES = build((2, 2, 3), range(12))


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_reads_what_the_format_says(compress):
    array = read_idx(compress(TWO_IMAGES), ndim=3, sha256=hashlib.sha256(TWO_IMAGES).hexdigest())
    np.testing.assert_array_equal(array, np.arange(12).reshape(2, 2, 3))
    assert array.dtype == np.uint8
    assert array.flags.writeable


@given(ARRAYS)
def test_reads_what_it_encodes(array):
    assert encode_idx(array) == build(array.shape, array.tobytes())
    np.testing.assert_array_equal(read_idx(encode_idx(array)), array)


@pytest.mark.parametrize("file", ["a-idx1-ubyte", "a-idx1-ubyte.gz"])
def test_reads_what_it_writes_and_leaves_nothing_else(tmp_path, file):
    write_idx(tmp_path / file, np.arange(200, dtype=np.uint8))
    np.testing.assert_array_equal(read_idx(tmp_path / file), np.arange(200))
    assert (tmp_path / file).read_bytes().startswith(b"\x1f\x8b") is file.endswith(".gz")
    assert [path.name for path in tmp_path.iterdir()] == [file]


def test_who_reads_while_a_file_is_replaced_reads_the_old_one(tmp_path):
    path = tmp_path / "a-idx1-ubyte"
    write_idx(path, np.zeros(3, np.uint8))
    with path.open("rb") as reader:
        write_idx(path, np.ones(3, np.uint8))
        assert read_idx(reader.read()).sum() == 0
    assert read_idx(path).sum() == 3


def test_an_interrupted_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a-idx1-ubyte"
    write_idx(path, np.zeros(3, np.uint8))

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_idx(path, np.ones(3, np.uint8))
    assert read_idx(path).sum() == 0
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_truncation_at_every_byte_is_refused(compress):
    whole = compress(TWO_IMAGES)
    for length in range(len(whole)):
        with pytest.raises(InputError, match=r"^A data file must be") as refusal:
            read_idx(whole[:length])
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (TWO_IMAGES + b"\0", "the 12 values of its shape .* got mine with more than 12"),
        (gzip.compress(TWO_IMAGES + b"\0", mtime=0), "got mine with more than 12"),
        (gzip.compress(TWO_IMAGES, mtime=0) + b"tail", "a whole gzip file, got mine, which is damaged"),
        (b"<html>not here</html>", "first bytes 00 00.*3c 68 74 6d"),
        (build((2,), bytes(8), code=0x0D), "type code 0x0d"),
        (build((), [1]), "0 axes"),
        (b"", "empty"),
        (build((2**32 - 1, 2**32 - 1), []), "must be at most 2,147,483,648 bytes"),
        (build((2**30,), [1]), "got mine with 1"),
    ],
)
def test_what_is_no_idx_file_is_refused(data, message):
    with pytest.raises(InputError, match=message):
        read_idx(data, name="mine")


def test_labels_are_not_taken_for_images():
    with pytest.raises(InputError, match=r"of images \(3 axes\), got mine of shape \(5,\)\. It seems to hold labels"):
        read_idx(build((5,), range(5)), ndim=3, name="mine")


def test_another_file_than_the_published_is_refused(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(TWO_IMAGES)
    found = hashlib.sha256(TWO_IMAGES).hexdigest()[:12]
    with pytest.raises(InputError, match=f"SHA-256 ffffffffffff….*{path} .{found}…"):
        read_idx(path, sha256="f" * 64)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path, expected in ((tmp_path / "nowhere", "a readable file"), (tmp_path, "a plain file, got a folder")):
        with pytest.raises(InputError, match=f"{path}.*{expected}|{expected}.*{path}"):
            read_idx(path)


@pytest.mark.timeout(60)
def test_a_pipe_is_not_waited_for_and_a_device_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "train-images-idx3-ubyte")
    for path in (tmp_path / "train-images-idx3-ubyte", Path("/dev/zero")):
        with pytest.raises(InputError, match="must be a plain file"):
            read_idx(path)


def test_a_bomb_with_an_honest_header_is_refused():
    """A megabyte that becomes a gibibyte; what becomes 256 MiB is read, whatever the ratio."""
    for declared, fits in ((2**28, True), (2**28 + 1, False), (2**30, False)):
        squeezed = zlib.compressobj(9, wbits=31)
        bomb = squeezed.compress(build((declared,), b""))
        for _ in range(min(declared, 2**28) >> 24):
            bomb += squeezed.compress(bytes(2**24))
        bomb += squeezed.flush()
        assert len(bomb) < 2**19
        if fits:
            assert read_idx(bomb).shape == (declared,)
        else:
            with pytest.raises(InputError, match="must be at most 268,435,456 bytes"):
                read_idx(bomb)


@pytest.mark.parametrize(
    "shape", [(1,) * 33, (1,) * 255, (0, 2**32 - 1, 2**32 - 1, 2**32 - 1), (2**31, 2**31, 2**31, 0)]
)
def test_what_no_array_can_be_is_refused(shape):
    with pytest.raises(InputError, match="at most 32 axes"):
        read_idx(build(shape, bytes(int(0 not in shape))))


@pytest.mark.parametrize("declared", [10, 2**27, 2**31])
def test_memory_follows_neither_a_bomb_nor_a_forged_header(declared):
    bomb = gzip.compress(build((declared,), b"") + bytes(2**26 if declared == 10 else 100))
    tracemalloc.start()
    with pytest.raises(InputError, match="Is its header damaged" if declared == 2**31 else "Download it again"):
        read_idx(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**20


@pytest.mark.parametrize("array", [np.zeros(3), np.array(1, np.uint8)])
def test_only_unsigned_bytes_with_an_axis_are_encoded(array):
    with pytest.raises((InputError, TypeError)):
        encode_idx(array)
