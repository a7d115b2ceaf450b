"""Arrays in files: the names that people give them, labels of any type, and what is refused."""

import io
import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from cospike import array_files
from cospike._errors import InputError, TrainingWarning
from cospike.data import from_arrays, load_dataset
from cospike.entry import main

N = 40
X = np.random.default_rng(0).random((N, 6)).astype(np.float32)
Y = np.arange(N) % 3


def same(data, other):
    return all(
        np.array_equal(getattr(data, split).x, getattr(other, split).x)
        and np.array_equal(getattr(data, split).y, getattr(other, split).y)
        for split in ("train", "validation", "test")
    )


@pytest.mark.parametrize(
    ("rows", "labels"), [("x", "y"), ("X", "Y"), ("images", "labels"), ("data", "target"), ("x_train", "y_train")]
)
def test_an_archive_is_what_from_arrays_makes_of_its_arrays(tmp_path, rows, labels):
    np.savez(tmp_path / "mine.npz", **{rows: X, labels: Y})
    data = load_dataset(tmp_path / "mine.npz")
    assert data.name == "mine"
    assert same(data, from_arrays(X, Y))


@pytest.mark.parametrize("file", ["...npz", "....npz", "..x.npz"])
def test_a_name_is_no_way_up(tmp_path, file):
    np.savez(tmp_path / file, x=X, y=Y)
    assert load_dataset(tmp_path / file).name == ("..x" if "x" in file else "data")


def test_splits_of_a_file_are_kept(tmp_path):
    part = X[:10], Y[:10]
    np.savez(
        tmp_path / "a.npz", x_train=X, y_train=Y, x_test=part[0], y_test=part[1], valX=part[0] / 2, val_labels=Y[:10]
    )
    with pytest.warns(TrainingWarning, match=r"Left out of a\.npz: valX"):
        data = load_dataset(tmp_path / "a.npz")
    assert same(data, from_arrays(X, Y, test=part))
    np.savez_compressed(tmp_path / "a.npz", train_images=X, train_labels=Y, test_images=part[0], test_labels=part[1],
                        validation_images=part[0] / 2, validation_labels=part[1])  # fmt: skip
    assert same(load_dataset(tmp_path / "a.npz"), from_arrays(X, Y, test=part, validation=(part[0] / 2, part[1])))


def test_labels_may_be_names_whole_numbers_or_a_column(tmp_path):
    names = np.array(["ant", "bee", "", "cow"])
    plain = load_dataset_of(tmp_path, x=X, y=Y)
    assert same(load_dataset_of(tmp_path, x=X, y=Y.astype(float)), plain)
    assert same(load_dataset_of(tmp_path, x=X, y=Y[:, None].astype(np.uint8)), plain)
    data = load_dataset_of(tmp_path, x=X, y=names[np.arange(N) % 4])
    assert data.class_names == ("ant", "bee", "cow")
    assert sum(int((split.y == -1).sum()) for split in (data.train, data.validation, data.test)) == N // 4
    assert load_dataset_of(tmp_path, x=X, y=Y == 1).class_names == ("False", "True")
    data = load_dataset_of(tmp_path, label="digit", x=X, y=Y, digit=(Y + 1) % 3)
    assert same(data, from_arrays(X, (Y + 1) % 3))
    assert load_dataset_of(tmp_path, x=X).class_names == (), "without labels no class is known"


def load_dataset_of(folder, *, label=None, **arrays):
    np.savez(folder / "a.npz", **arrays)
    return load_dataset(folder / "a.npz", label=label)


def test_channels_come_first(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (N, 8, 9, 3), dtype=np.uint8)
    data = load_dataset_of(tmp_path, x=pictures, y=Y)
    assert data.shape == (3, 8, 9)
    assert same(data, from_arrays(pictures.transpose(0, 3, 1, 2), Y))
    assert load_dataset_of(tmp_path, x=pictures.transpose(0, 3, 1, 2), y=Y).shape == (3, 8, 9)
    assert load_dataset_of(tmp_path, x=pictures[..., 0], y=Y).shape == (1, 8, 9)


@pytest.mark.parametrize("beside", ["x-labels.npy", "x_labels.npy", "x.labels.npy", "other.npy"])
def test_an_array_has_its_labels_beside_it(tmp_path, beside):
    np.save(tmp_path / "x.npy", X)
    assert load_dataset(tmp_path / "x.npy").class_names == ()
    np.save(tmp_path / beside, Y)
    label = str(tmp_path / beside) if beside == "other.npy" else None
    assert same(load_dataset(tmp_path / "x.npy", label=label), from_arrays(X, Y))


def archive(content, name="x.npy"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    return buffer.getvalue()


def bomb(method, size, said):
    """An archive of ``size`` zeros whose directory says that there are ``said``, packed by any method."""
    buffer = io.BytesIO()
    content = head((said // 8,)) + bytes(size)
    with zipfile.ZipFile(buffer, "w", method) as file:
        file.writestr("x.npy", content)
    whole, n_head = buffer.getvalue(), len(content) - size
    return whole.replace(struct.pack("<I", n_head + size), struct.pack("<I", n_head + said))


def head(shape):
    """The head of an array with nothing behind it."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def pickled():
    buffer = io.BytesIO()
    np.savez(buffer, x=np.array([{}, []], dtype=object))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must be whole and hold plain arrays of NumPy"),
        (b"nothing", "must be whole and hold plain arrays of NumPy"),
        (archive(b"nothing"), "must be whole and hold plain arrays of NumPy"),
        (archive(head((10**6, 10**6))), "must fit in memory, got 7451 GB"),
        (archive(head((10**30, 10**30))), "must fit in memory"),
        (archive(head((100, 100))), "must be whole and hold plain arrays of NumPy"),
        (pickled(), "objects, which need pickle, are refused"),
        (bomb(zipfile.ZIP_BZIP2, 2**20, 80), "must be whole and hold plain arrays of NumPy"),
        (bomb(zipfile.ZIP_LZMA, 2**20, 80), "must be whole and hold plain arrays of NumPy"),
    ],
)
def test_a_bad_archive_is_refused_in_one_line(tmp_path, content, message):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_dataset(tmp_path / "a.npz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "label", "message"),
    [
        ({"z": X, "y": Y}, None, "must hold an array of rows, named as 'x' or 'x_train', got z, y"),
        ({}, None, "must hold an array of rows.*got nothing"),
        ({"x": X, "y": Y}, "lables", "'label' of load_dataset must be an array of a.npz, got 'lables'"),
        ({"x": X, "y": np.eye(3)[Y]}, None, "must be one a row, got shape .* take numpy.argmax"),
        ({"x": X, "y": Y / 2}, None, "must be class indices or names"),
        ({"x": X, "y": Y[:-1]}, None, "must be 40 class indices"),
        ({"x": X.astype(int), "y": Y}, None, "must be uint8 or floating-point"),
        ({"x": np.float32(3), "y": Y}, None, r"must be an array \[sample, …\], got shape \(\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_in_one_line(tmp_path, arrays, label, message):
    with pytest.raises(InputError, match=message) as caught:
        load_dataset_of(tmp_path, label=label, **arrays)
    assert "\n" not in str(caught.value)


def test_an_archive_holds_no_more_than_its_size_accounts_for(tmp_path, monkeypatch):
    (tmp_path / "a.npz").write_bytes(bomb(zipfile.ZIP_DEFLATED, 2**20, 2**20))
    with pytest.raises(InputError, match=r"must be an array \[sample, …\], got shape"):  # read, but a vector
        load_dataset(tmp_path / "a.npz")
    monkeypatch.setattr(array_files, "_ALWAYS_FINE", 2**16)
    with pytest.raises(InputError, match=r"must have at most 256 times its size, got \d+ times"):
        load_dataset(tmp_path / "a.npz")


def test_what_is_packed_otherwise_is_not_unpacked(tmp_path):
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):  # Python takes their whole stream, whatever the directory says
        (tmp_path / "a.npz").write_bytes(bomb(method, 2**24, 80))
        tracemalloc.start()
        with pytest.raises(InputError):
            load_dataset(tmp_path / "a.npz")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**22


def test_an_array_on_disk_is_refused_before_it_is_read(tmp_path):
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(InputError, match=r"must be the file of the labels of x.npy, got 'none.npy'"):
        load_dataset(tmp_path / "x.npy", label="none.npy")
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object))
    with pytest.raises(InputError, match="objects, which need pickle, are refused"):
        load_dataset(tmp_path / "o.npy")


def test_names_of_more_than_a_line_end_in_one(tmp_path):
    np.savez(tmp_path / "a.npz", **{"new\nline": X, "\x1b[2J": Y})
    with pytest.raises(InputError, match="got new line, �") as caught:
        load_dataset(tmp_path / "a.npz")
    assert "\n" not in str(caught.value)
    np.savez(tmp_path / "a.npz", x=X, y=Y, **{"be\nside": X})
    with pytest.warns(TrainingWarning, match="be side"):
        load_dataset(tmp_path / "a.npz")


def test_flipped_bytes_never_end_in_a_traceback(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    np.save(tmp_path / "a.npy", X)
    for name in ("a.npz", "a.npy"):
        whole = (tmp_path / name).read_bytes()
        for _ in range(80):
            content = bytearray(whole)
            for place in rng.integers(0, len(content) if name == "a.npz" else 200, 3):
                content[place] ^= 1 << rng.integers(8)
            (tmp_path / name).write_bytes(content)
            try:
                load_dataset(tmp_path / name)
            except InputError as error:
                assert "\n" not in str(error)  # noqa: PT017  # a flipped number is a number


@pytest.mark.slow
def test_the_command_takes_arrays(tmp_path, capsys):
    np.savez(tmp_path / "a.npz", x=X, kind=np.array(["p", "q", "r"])[Y])
    few = ["--epochs", "2", "--n-latents", "4", "--hidden", "8", "--accelerator", "cpu"]
    main(["train", str(tmp_path / "a.npz"), "--label", "kind", "--out", str(tmp_path / "run"), *few])
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["data"]["class_names"] == ["p", "q", "r"]
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["train", str(tmp_path / "b.npz"), "--out", str(tmp_path / "run"), *few])
    assert "Is the path right?" in capsys.readouterr().err
