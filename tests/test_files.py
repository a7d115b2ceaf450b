"""Files are written whole or not at all, and no damage to an archive of arrays is more than a ValueError."""

import os
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cospike._files import format_arrays, parse_arrays, write_atomic

ARRAYS = {"x": np.arange(6.0).reshape(2, 3), "names": np.array(["a", "b"])}


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, "old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_arrays_come_back():
    found = parse_arrays(format_arrays(ARRAYS))
    assert found.keys() == ARRAYS.keys()
    assert all(np.array_equal(found[name], ARRAYS[name]) for name in ARRAYS)


@given(st.data())
def test_a_flipped_byte_is_a_value_error_or_harmless(data):
    damaged = bytearray(format_arrays(ARRAYS))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(ValueError):
        parse_arrays(bytes(damaged))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY", b"no archive"])
def test_what_is_no_archive_is_a_value_error(content):
    with pytest.raises(ValueError, match=r"."):
        parse_arrays(content)


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = tmp_path / "trap.npz"
    np.savez(path, trap=np.array([Trap()]))
    with pytest.raises(ValueError, match="plain NumPy arrays"):
        parse_arrays(path.read_bytes())
    assert not (tmp_path / "sprung").exists()
