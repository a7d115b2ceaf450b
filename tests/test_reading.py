"""Files from elsewhere: read whole and up to a limit, never waited for, parsed strictly."""

import ast
import json
import os
import signal
import socket
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cospike
from cospike._errors import InputError
from cospike._reading import parse_json, read_file, refuse_links

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**19), 10**19) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@contextmanager
def within(seconds):
    """Fails what would wait for ever."""

    def late(*_):
        raise AssertionError("still waiting")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_a_plain_file_and_a_link_to_one_are_read(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "file") == read_file(tmp_path / "link") == b"content"
    assert read_file(tmp_path / "file", 7) == b"content"
    with pytest.raises(InputError, match="at most 6 bytes, got 7"):
        read_file(tmp_path / "file", 6)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none")


def test_what_is_no_plain_file_is_refused_at_once(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    (tmp_path / "waits").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # the name of a socket is short
        listening.bind("socket")
        kinds = {"pipe": "a pipe", "waits": "a pipe", "endless": "a device", ".": "a folder", "socket": "a socket"}
        for name, kind in kinds.items():
            with within(5), pytest.raises(InputError, match=f"must be a plain file, got {kind}"):
                read_file(tmp_path / name)


def test_what_waits_for_others_is_not_opened(tmp_path, monkeypatch):
    """A device may act on being opened."""
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened"))
    with pytest.raises(InputError, match="a pipe"):
        read_file(tmp_path / "pipe")


def test_a_pipe_put_in_the_place_of_a_file_is_not_waited_for(tmp_path, monkeypatch):
    """Between the look and the opening."""
    (tmp_path / "file").write_bytes(b"")
    plain = (tmp_path / "file").stat()
    (tmp_path / "file").unlink()
    os.mkfifo(tmp_path / "file")
    monkeypatch.setattr(type(tmp_path), "stat", lambda self, **_: plain)
    with within(5), pytest.raises(InputError, match="a pipe"):
        read_file(tmp_path / "file")


def test_a_hole_of_terabytes_is_refused_unread(tmp_path):
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(2**42)
    with pytest.raises(InputError, match="at most"):
        read_file(tmp_path / "holes")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
def test_a_file_that_grows_is_refused():
    """Its size is said to be 0."""
    with pytest.raises(InputError, match="grows"):
        read_file(Path("/proc/self/status"))


def test_folders_that_lie_elsewhere_are_refused(tmp_path):
    (tmp_path / "here").mkdir()
    refuse_links(tmp_path / "here", tmp_path / "nothing")
    (tmp_path / "link").symlink_to("here")
    (tmp_path / "dangling").symlink_to("nothing")
    for name in ("link", "dangling"):
        with pytest.raises(InputError, match="got a link to"):
            refuse_links(tmp_path / name)


@given(JSON)
def test_what_json_writes_is_read(value):
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(b"\xef\xbb\xbf" + json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=60) | st.text('[]{}",:0123456789eE.+-\\uda ', max_size=60).map(str.encode))
def test_anything_else_is_a_value_error(content):
    try:
        value = parse_json(content)
    except ValueError:
        return
    assert json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 33 + "]" * 33, "32 levels"),
        ("[" * 100_000 + "]" * 100_000, "32 levels"),
        ('{"a":' * 40 + "1" + "}" * 40, "32 levels"),
        ('{"a": 1, "a": 2}', "twice"),
        ("9" * 5000, "5000 digits"),
        ("1" + "0" * 20, "21 digits"),
        ("NaN", "nan"),
        ("[-Infinity]", "inf"),
        ('{"a": 1e999}', "inf"),
        ('"\\ud800"', "surrogates"),
        ('{"\\udfff": 1}', "surrogates"),
        ("[1,]", "Expecting value|Illegal trailing comma"),
    ],
)
def test_json_that_python_would_take_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_json(text.encode())


def test_what_is_not_finite_may_be_asked_for():
    found = parse_json(b"[NaN, 1e999]", finite=False)
    assert found[0] != found[0]
    assert found[1] == float("inf")


def test_bytes_of_another_encoding_are_refused():
    with pytest.raises(ValueError, match="utf-8"):
        parse_json('"é"'.encode("latin-1"))


def test_nothing_in_the_package_unpickles_or_evaluates():
    """`pickletools` only lists opcodes, for the one wheel whose checksum is known."""
    forbidden = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "jsonpickle", "xmlrpc"}
    calls = {"eval", "exec", "unsafe_load", "full_load", "loads_pickle", "memmap"}
    for path in Path(cospike.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not forbidden & {name.partition(".")[0] for name in names}, path
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {"torch.load", "yaml.load", "joblib.load"}, path
                stated = {k.arg for k in node.keywords}
                assert called not in {"np.load", "numpy.load"} or "allow_pickle" in stated, path
                own = isinstance(node.func, ast.Name) or called.startswith("yaml.")
                assert not (own and called.rpartition(".")[2] in calls), path
                assert "allow_pickle" not in [k.arg for k in node.keywords if ast.unparse(k.value) != "False"], path
