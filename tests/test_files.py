"""Files are written whole or not at all, and no damage to an archive of arrays is more than a ValueError."""

import os
import pickle
import tracemalloc
import zipfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

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


def test_a_write_replaces_a_link_and_not_what_it_points_to(tmp_path):
    (tmp_path / "mine").write_text("years of work")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    write_atomic(tmp_path / "link", "new")
    assert (tmp_path / "mine").read_text() == "years of work"
    assert (tmp_path / "link").read_text() == "new"
    assert not (tmp_path / "link").is_symlink()


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


def pack(members, **settings):
    """An archive of members by name, as `zipfile` writes it."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", **settings) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def npy(descr="<f4", shape="(2,)", values=bytes(8), order="False"):
    """An array file by the format's definition."""
    header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + values


@given(
    hnp.arrays(
        st.sampled_from(["f4", "f8", ">i4", "u1", "i8", "?", "U3", "f2"]), hnp.array_shapes(min_dims=0, min_side=0)
    )
)
def test_arrays_of_every_kind_come_back_as_numpy_reads_them(array):
    content = format_arrays({"x": array, "t": array.T})
    with np.load(BytesIO(content), allow_pickle=False) as file:
        for name, found in parse_arrays(content).items():
            np.testing.assert_array_equal(found, file[name])
            assert found.dtype == file[name].dtype.newbyteorder("=")
            assert found.flags.writeable


def test_the_definition_above_is_numpys():
    assert parse_arrays(pack([("x.npy", npy(values=np.float32([1, 2]).tobytes()))]))["x"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pack([("x.npy", npy())], compression=zipfile.ZIP_DEFLATED), "it is compressed"),
        (pack([("x.npy", npy(shape="(10000000000,)"))]), "another size"),
        (pack([("x.npy", npy(shape="(1,)"))]), "another size"),
        (pack([("x.npy", npy(shape="(0, 999999999999999999)"))]), "another size"),
        (pack([("x.npy", npy("|O"))]), "no array of numbers or text"),
        (pack([("x.npy", npy("<U0", "(1000000000000,)", b""))]), "no array of numbers or text"),
        (pack([("x.npy", npy("<U2", "(1,)", b"\xff" * 8))]), "what is no text"),
        (pack([("x.npy", npy("<U2", "(1,)", b"\x00\xd8\x00\x00" * 2))]), "what is no text"),
        (pack([("x.npy", npy("<f3"))]), ""),
        (pack([("x.npy", npy(shape="(__import__('os').getpid(),)"))]), "no array of numbers or text"),
        (pack([("x.npy", b"")]), "no array of numbers or text"),
        (pack([("x", b"text")]), "no array of numbers or text"),
    ],
)
def test_what_format_arrays_does_not_write_is_refused(content, reason):
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"plain NumPy arrays.*{reason}"):
        parse_arrays(content)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        parse_arrays(pack([("x.npy", npy()), ("x.npy", npy())]))


def test_members_that_share_their_bytes_are_refused():
    """Fifield's bomb: a thousand names for one part of the file."""
    whole = pack([("x.npy", npy(values=bytes(8)))])
    start = int.from_bytes(whole[-6:-2], "little")
    entry = whole[start : whole.index(b"PK\x05\x06")]
    entries = b"".join(entry.replace(b"x.npy", f"{i:05}".encode()) for i in range(1000))
    counts = (1000).to_bytes(2, "little") * 2 + len(entries).to_bytes(4, "little") + start.to_bytes(4, "little")
    with pytest.raises(ValueError, match="plain NumPy arrays: it is compressed"):
        parse_arrays(whole[:start] + entries + b"PK\x05\x06" + bytes(4) + counts + bytes(2))


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = tmp_path / "trap.npz"
    np.savez(path, trap=np.array([Trap()]))
    with pytest.raises(ValueError, match="plain NumPy arrays"):
        parse_arrays(path.read_bytes())
    path.write_bytes(pack([("trap.npy", npy(values=pickle.dumps(Trap())))]))  # without what says that it is one
    with pytest.raises(ValueError, match="another size"):
        parse_arrays(path.read_bytes())
    assert not (tmp_path / "sprung").exists()
