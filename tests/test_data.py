import gzip
import hashlib
import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from cospike._errors import InputError
from cospike.data import from_arrays, load_dataset, load_default
from cospike.idx import MEMBERS
from cospike.sources import PUBLISHED
from cospike.synthetic import SYNTHETIC

RNG = np.random.default_rng(0)
SMALL = (  # 12 training and 5 test images of 4 × 3
    RNG.integers(0, 256, (12, 4, 3), dtype=np.uint8),
    np.arange(12, dtype=np.uint8) % 3,
    RNG.integers(0, 256, (5, 4, 3), dtype=np.uint8),
    np.arange(5, dtype=np.uint8) % 3,
)


def encode(array):
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def fill(folder, arrays=SMALL, names=MEMBERS):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(names, arrays, strict=False):
        raw = encode(array)
        (folder / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return folder


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A MNIST of 17 images in a folder of the user's; no mirror, an empty cache."""
    sha256 = tuple(hashlib.sha256(encode(array)).hexdigest() for array in SMALL)
    monkeypatch.setitem(PUBLISHED, "mnist", replace(PUBLISHED["mnist"], sha256=sha256, mirrors=()))
    monkeypatch.setenv("COSPIKE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COSPIKE_DATA_DIR", str(tmp_path))
    return fill(tmp_path / "mnist")


def grey(images):
    return torch.tensor(images.astype(np.float64) / 255, dtype=torch.float32)[:, None]


# --- by name


def test_a_published_set_keeps_its_test_rows_and_holds_out_its_last_training_rows(small_mnist):
    mnist = load_dataset("mnist")
    assert (mnist.name, mnist.shape, mnist.n_classes) == ("mnist", (1, 4, 3), 10)
    for split, images, labels in (
        (mnist.train, SMALL[0][:10], SMALL[1][:10]),
        (mnist.validation, SMALL[0][10:], SMALL[1][10:]),
        (mnist.test, SMALL[2], SMALL[3]),
    ):
        assert torch.equal(split.x, grey(images))
        assert split.y.tolist() == labels.tolist()
        assert len(split) == len(labels)


def test_a_wrong_checksum_is_refused_even_where_there_is_a_default(small_mnist):
    fill(small_mnist, [SMALL[0] ^ 1])
    for load in (lambda: load_dataset("mnist"), load_default):
        with pytest.raises(InputError, match=f"published file.*{small_mnist / MEMBERS[0]}"):
            load()


def test_the_default_is_mnist_where_it_can_be_had(small_mnist, monkeypatch):
    dataset, notice = load_default()
    assert (dataset.name, notice) == ("mnist", None)
    monkeypatch.delenv("COSPIKE_DATA_DIR")
    dataset, notice = load_default()
    assert dataset.name == "digits"
    assert "cospike data fetch mnist" in notice
    assert "\n" not in notice


def test_digits_are_split_by_the_seed():
    digits, same, other = load_dataset("digits"), load_dataset("digits"), load_dataset("digits", seed=1)
    assert [len(split) for split in (digits.train, digits.validation, digits.test)] == [1079, 359, 359]
    assert digits.shape == (1, 8, 8)
    assert (digits.train.x.min(), digits.train.x.max(), digits.train.x.dtype) == (0, 1, torch.float32)
    assert set(digits.test.y.tolist()) == set(range(digits.n_classes))
    assert digits.fingerprint == same.fingerprint != other.fingerprint


@pytest.mark.parametrize(("name", "make"), SYNTHETIC.items())
def test_what_is_drawn_on_demand_can_be_drawn_again_with_its_causes(name, make, monkeypatch):
    monkeypatch.setattr("cospike.data.SPLITS", {"train": (60, 0), "validation": (40, 1), "test": (50, 2)})
    dataset, other = load_dataset(name), load_dataset(name, seed=1)
    for split, n, draw in ((dataset.train, 60, 0), (dataset.validation, 40, 1), (dataset.test, 50, 2)):
        again = make(n, seed=draw)
        assert np.array_equal(split.x.numpy(), again.x)
        assert np.array_equal(split.y.numpy(), again.labels)
    assert dataset.fingerprint == other.fingerprint, "the seed is that of the split"
    assert (dataset.name, dataset.class_names) == (name, again.class_names)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fasion-mnist", "Did you mean 'fashion-mnist'"),
        ("cifar10", "Known: digits, fashion-mnist, mnist, shapes, sparse-linear"),
    ],
)
def test_an_unknown_name_is_refused(name, message):
    with pytest.raises(InputError, match=f"got '{name}'. {message}"):
        load_dataset(name)


@pytest.mark.parametrize("given", [None, 7, ["digits"]])
def test_what_is_no_name_is_refused(unchecked, given):
    with pytest.raises(InputError, match="'name_or_folder' of load_dataset must be a known name or a folder"):
        load_dataset(given)


@pytest.mark.parametrize("name", ["mnist", "digits"])
def test_a_negative_seed_is_refused(small_mnist, name):
    with pytest.raises(InputError, match="'seed' of load_dataset must be at least 0, got -1"):
        load_dataset(name, seed=-1)


# --- from a folder


@pytest.mark.parametrize("test_stem", ["t10k", "test"])
def test_a_folder_keeps_its_test_rows_and_holds_out_training_rows_by_the_seed(tmp_path, test_stem):
    names = [f"{stem}-{kind}-ubyte" for stem in ("train", test_stem) for kind in ("images", "labels")]
    dataset, other = (load_dataset(fill(tmp_path / "mine", names=names), seed=seed) for seed in (0, 1))
    assert (dataset.name, dataset.class_names) == ("mine", ("0", "1", "2"))
    assert torch.equal(dataset.test.x, grey(SMALL[2]))
    rows = torch.cat([dataset.train.x, dataset.validation.x])
    assert sorted(rows.flatten(1).tolist()) == sorted(grey(SMALL[0]).flatten(1).tolist())
    assert torch.equal(dataset.test.x, other.test.x)
    assert dataset.fingerprint != other.fingerprint


def test_a_folder_sorted_by_class_has_every_class_in_each_split(tmp_path):
    images, labels = RNG.integers(0, 256, (60, 4, 3), dtype=np.uint8), np.arange(60, dtype=np.uint8) // 20
    for arrays, sizes in (((images, labels), [40, 10, 10]), ((images, labels, *SMALL[2:]), [50, 10, 5])):
        dataset = load_dataset(fill(tmp_path, arrays))
        splits = (dataset.train, dataset.validation, dataset.test)
        assert [len(split) for split in splits] == sizes
        assert all(set(split.y.tolist()) == {0, 1, 2} for split in splits)


def test_a_folder_without_test_files_gives_up_a_share(tmp_path):
    dataset = load_dataset(str(fill(tmp_path, SMALL[:2])), seed=3)
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [6, 3, 3], "one of each class"


@pytest.mark.parametrize("label", [7, 8, 255])
def test_a_label_far_beyond_the_classes_seen_is_no_class(tmp_path, label):
    labels = SMALL[1].copy()
    labels[:2] = label
    folder = fill(tmp_path, (SMALL[0], labels, *SMALL[2:]))
    if label == 7:  # half of the indices occur
        assert load_dataset(folder).n_classes == 8
    else:
        with pytest.raises(InputError, match=f"number the classes from 0, got {folder} with 4 of them up to {label}"):
            load_dataset(folder)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((), "without train-images"),
        (SMALL[:1], r"one train-labels\* beside its pair, got .* with 0\. Add it"),
        (SMALL[:3], r"one t10k-labels\*"),
        ((SMALL[0], SMALL[1][:-1]), "got 12 images in .* and 11 labels in"),
        ((SMALL[1], SMALL[0]), "It seems to hold labels"),
        ((SMALL[0][:0], SMALL[1][:0], *SMALL[2:]), "not empty"),
        ((SMALL[0][:1], SMALL[1][:1], *SMALL[2:]), "leaves every split a row, .* got 0.167 of 1 rows"),
        ((*SMALL[:2], SMALL[2][:, 1:], SMALL[3]), r"test\[0\].*rows of shape \(1, 4, 3\), as x, got \(1, 3, 3\)"),
    ],
)
def test_a_folder_that_makes_no_sense_is_refused(tmp_path, arrays, message):
    with pytest.raises(InputError, match=message) as refusal:
        load_dataset(fill(tmp_path, arrays))
    assert "\n" not in str(refusal.value)


def test_two_files_for_one_are_refused(tmp_path):
    fill(fill(tmp_path), names=["train-images-idx3-ubyte"])
    with pytest.raises(InputError, match=r"with 2\. Keep one of them"):
        load_dataset(tmp_path)


# --- from arrays


@given(n=st.integers(5, 60), seed=st.integers(0, 9))
def test_shares_are_a_partition_of_the_rows(n, seed):
    dataset = from_arrays(np.arange(n, dtype=np.float64)[:, None], np.arange(n), seed=seed)
    splits = (dataset.train, dataset.validation, dataset.test)
    assert [len(split) for split in splits[1:]] == [round(n / 5)] * 2
    assert sorted(torch.cat([split.y for split in splits]).tolist()) == list(range(n))
    for split in splits:
        assert torch.equal(split.x[:, 0].long(), split.y), "a row keeps its label"


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_arrays_of_numpy_and_torch_are_copied(convert):
    x, y = RNG.random((10, 6)).astype(np.float32), np.arange(10) % 2
    held_out = (convert(x[:3].copy()), convert(y[:3].copy()))
    dataset = from_arrays(convert(x), convert(y), validation=held_out, test=held_out, class_names=["a", "b"])
    kept = x.copy()
    x[:], y[:] = 7, 7
    assert torch.equal(dataset.train.x, torch.from_numpy(kept)), "rows keep their order if no share is held out"
    assert torch.equal(dataset.test.x, dataset.validation.x)
    assert dataset.train.y.tolist() == [0, 1] * 5
    assert dataset.class_names == ("a", "b")


def test_read_only_and_reversed_arrays_are_fine():
    x = np.arange(60, dtype=np.uint8).reshape(10, 2, 3)[::-1]
    x.flags.writeable = False
    part = (x, np.zeros(10, dtype=np.uint8))
    assert torch.equal(from_arrays(*part, validation=part, test=part).train.x, grey(x))


def test_unlabelled_rows_need_no_name():
    dataset = from_arrays(np.zeros((10, 2)), np.full(10, -1))
    assert dataset.n_classes == 0
    assert dataset.test.y.tolist() == [-1, -1]


def test_the_last_label_of_a_byte_has_a_name():
    assert from_arrays(np.zeros((256, 2)), np.arange(256, dtype=np.uint8)).n_classes == 256


@pytest.mark.parametrize("names", [np.array([3, 7]), np.array(["3", "7"]), iter([3, 7])])
def test_class_names_become_text(unchecked, names):
    data = from_arrays(np.zeros((10, 2)), np.arange(10) % 2, class_names=names)
    assert json.dumps(data.class_names) == '["3", "7"]'


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    shares=st.sampled_from([(0.2, 0.2), (1 / 6, 1 / 6), (0.1, 0.5), (0.5, 0.1), (0.02, 0.9)]),
    seed=st.integers(0, 9),
)
def test_every_class_has_rows_in_each_split_in_proportion(counts, shares, seed):
    y = np.repeat(np.arange(len(counts)) - 1, counts)
    assume(len(y) >= 6 and sum(max(1, round(share * len(y))) for share in shares) < len(y))
    data = from_arrays(np.arange(len(y), dtype=float)[:, None], y, validation=shares[0], test=shares[1], seed=seed)
    splits = (data.validation, data.test, data.train)
    found = np.array([np.bincount(split.y + 1, minlength=len(counts)) for split in splits])
    assert found.sum(axis=0).tolist() == counts
    assert found[:, np.array(counts) >= 3].all()
    small = min(*shares, 1 - sum(shares)) * min(counts) < 1
    for split, share, in_class in zip(splits, shares, found, strict=False):
        assert small or len(split) == round(share * len(y))
        assert small or np.abs(in_class - share * np.array(counts)).max() < 4
    assert sorted(torch.cat([split.x for split in splits]).flatten().tolist()) == list(range(len(y)))


def test_a_thousand_classes_are_split_evenly_and_at_random():
    x, y = np.zeros((10_000, 1)), np.arange(10_000) // 10
    one, same, other = (from_arrays(x, y, seed=seed) for seed in (0, 0, 1))
    for split, n_rows in ((one.train, 6), (one.validation, 2), (one.test, 2)):
        assert (np.bincount(split.y) == n_rows).all()
        assert (np.diff(split.y) < 0).any(), "not sorted by class"
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_rare_classes_are_not_kept_from_the_splits():
    data = from_arrays(np.zeros((200, 1)), np.r_[np.zeros(100, dtype=int), np.arange(1, 101)])
    assert [len(split) for split in (data.train, data.validation, data.test)] == [120, 40, 40]
    assert 10 < int((data.test.y == 0).sum()) < 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros((0, 4))}, r"'x' of from_arrays must be \[sample, …\], not empty, got shape \(0, 4\)"),
        ({"x": np.zeros(10)}, r"\[sample, …\]"),
        ({"x": np.zeros((10, 4), dtype=np.int64)}, "'x' of from_arrays must be uint8 or floating-point, got int64"),
        (
            {"x": np.full((10, 4), np.nan)},
            r"finite float32, got NaN or infinity in rows 0, 1, 2, 3, 4 and 5 more\. Fill",
        ),
        ({"x": np.full((10, 4), 1e300)}, "must be finite float32, got what is too large in rows 0, .* Scale it"),
        (
            {"y": np.zeros(9, dtype=int)},
            r"'y' of from_arrays must be 10 class indices, got int64 of shape \(9,\). Give one",
        ),
        (
            {"y": np.zeros((10, 1), dtype=int)},
            r"must be 10 class indices, got int64 of shape \(10, 1\). `labels\[:, 0\]`",
        ),
        ({"y": np.zeros(10)}, r"class indices, got float64 .* `labels.astype\(int\)`"),
        ({"y": np.array(["cat"] * 10)}, "class indices, got <U3 .* numpy.unique"),
        ({"y": np.full(10, -2)}, r"must be at least -1 .*, got -2\. Number"),
        ({"class_names": ("a", "b")}, r"must be in -1 … 1 .*, got 0 … 2. Number the classes"),
        ({"test": 0.0}, r"'test' of from_arrays must be a share .* got 0 of 10 rows"),
        ({"validation": 0.8}, "'validation' of from_arrays must be a share"),
        (
            {"test": (np.zeros((3, 5)), np.zeros(3, dtype=int))},
            r"'test\[0\]' .* rows of shape \(4,\), as x, got \(5,\)",
        ),
        (
            {"validation": (np.zeros((3, 4)), np.zeros(2, dtype=int))},
            r"'validation\[1\]' .* must be 3 class indices, got",
        ),
        ({"validation": (np.zeros((1, 4)), np.array([9])), "class_names": "abc"}, "got 0 … 9"),
        (
            {"y": np.full(10, 2**63, dtype=np.uint64)},
            r"'y' of from_arrays must be class indices, got 9223372036854775808\. -1 says",
        ),
        ({"y": np.arange(10) * 10**9}, "'y' of from_arrays must be below 10 where .*, got 9000000000. .*numpy.unique"),
        ({"class_names": ["a", "b", "a"]}, "'class_names' of from_arrays must be distinct, got 'a' more than once"),
        (
            {"class_names": ["a", "b", "c" * 1001]},
            "names of up to 1,000 characters, got 'cccccccccccccccccccc' and 981",
        ),
        ({"class_names": ["a", "b", "\udc80"]}, r"must be texts, got '\\udc80', which has half a character. Rename it"),
        ({"class_names": range(2**17 + 1)}, "must be at most 131,072 names, got 131,073. Join classes"),
        ({"class_names": np.array([3, 7])}, "in -1 … 1 .*, got 0 … 2"),
        ({"validation": float("nan")}, "'validation' of from_arrays must be a share .* got nan of 10 rows"),
        ({"test": float("inf")}, "'test' of from_arrays must be a share .* got inf of 10 rows"),
        ({"validation": [np.zeros((3, 4)), np.zeros(3, dtype=int)]}, r"or a tuple \(x, y\), got a list"),
        ({"test": (np.zeros((3, 4)),)}, r"'test' .* or a tuple \(x, y\), got a tuple"),
        ({"test": None}, "got a NoneType"),
        ({"x": [[1.0, 2.0], [3.0]]}, "'x' of from_arrays must be an array, got a ragged list"),
        ({"seed": -1}, "'seed' of from_arrays must be at least 0, got -1"),
        ({"seed": 0.5}, "'seed' of from_arrays must be at least 0, got 0.5"),
    ],
)
def test_arrays_that_make_no_sense_are_refused(unchecked, change, message):
    given = {"x": np.zeros((10, 4)), "y": np.arange(10) % 3} | change
    with pytest.raises(InputError, match=message) as refusal:
        from_arrays(given.pop("x"), given.pop("y"), **given)
    assert "\n" not in str(refusal.value)


def test_the_fingerprint_sees_every_part():
    x, y = RNG.random((10, 6)), np.arange(10) % 2

    def fingerprint(x=x, y=y, **options):
        return from_arrays(x, y, **options).fingerprint

    other_x, other_y = x.copy(), y.copy()
    other_x[9, 5] += 0.1
    other_y[0] = 1
    prints = [
        fingerprint(),
        fingerprint(other_x),
        fingerprint(y=other_y),
        fingerprint(x.reshape(10, 3, 2)),
        fingerprint(class_names=("even", "odd")),
        fingerprint(seed=1),
        fingerprint(test=0.3),
    ]
    assert len(set(prints)) == len(prints)
    assert fingerprint(name="other") == prints[0] == fingerprint()
    assert len(prints[0]) == 16
