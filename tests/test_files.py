"""Files are written whole or not at all, and no damage to an archive of arrays is more than a ValueError."""

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cospike._files import format_arrays, parse_arrays, remove_temporaries, write_atomic, write_cached

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


def test_content_is_on_the_disk_before_it_takes_the_place_of_the_old(tmp_path, monkeypatch):
    done, fsync, replace = [], os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("fsync"), fsync(handle)))
    monkeypatch.setattr(Path, "replace", lambda path, target: (done.append("replace"), replace(path, target)))
    write_atomic(tmp_path / "file", "new")
    assert done == ["fsync", "replace"]


def test_of_temporary_files_only_those_of_the_names_go(tmp_path):
    kept = {".notes.abcdefgh", ".rows.jsonl.backup", ".rows.jsonl.ABCDEFGH", "rows.jsonl.abcdefgh", "rows.jsonl"}
    for name in (*kept, ".rows.jsonl.a1b2c3d4", ".frontier-gap-digits.svg.01_34567"):
        (tmp_path / name).write_text("")
    remove_temporaries(tmp_path, ["rows.jsonl", "frontier-*.svg"])
    assert {path.name for path in tmp_path.iterdir()} == kept
    remove_temporaries(tmp_path / "nowhere", ["rows.jsonl"])


def test_a_cache_leaves_what_another_process_may_be_writing(tmp_path):
    old, fresh = tmp_path / ".a.npz.old_old_", tmp_path / ".a.npz.fresh_00"
    for path in (old, fresh):
        path.write_text("")
    os.utime(old, (0, 0))
    write_cached(tmp_path / "b.npz", b"new")
    assert {path.name for path in tmp_path.iterdir()} == {fresh.name, "b.npz"}
    write_cached(fresh / "no folder", b"new")  # and one that cannot be written is no failure


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
