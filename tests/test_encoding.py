"""Encoding: whole or in parts, from memory or from disk, the same codes; what cannot be encoded is named."""

import tracemalloc
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.lib.format import open_memmap

from cospike import encoding, progress
from cospike._errors import InputError
from cospike.data import Split, from_arrays
from cospike.encoding import encode_dataset
from cospike.model import SparseVAE
from cospike.progress import counting

PARTS = ("active_probs", "slab_loc", "slab_scale", "labels", "reconstruction")


def on_disk(folder, values):
    """An array as a user opens what is too large for the memory: it cannot be written to."""
    np.save(folder / "x.npy", values)
    return np.load(folder / "x.npy", mmap_mode="r")


def same(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in PARTS)


@pytest.fixture(scope="module")
def model():
    return SparseVAE((12,), 5, hidden=(8,), n_dense=2)


def rows(n=90, seed=0):
    return np.random.default_rng(seed).random((n, 12), dtype=np.float32)


def test_codes_are_the_models_own_whatever_the_parts(model, monkeypatch):
    x = torch.from_numpy(rows())
    with torch.no_grad():
        q = model.encode(x)
    for n in (7, 45, 90, 1000):
        monkeypatch.setattr(encoding, "ROWS_PER_PASS", n)
        codes = encode_dataset(model, Split(x, torch.arange(90) % 3), accelerator="cpu")
        for name, whole in (("active_probs", q.active_probs), ("slab_loc", q.loc), ("slab_scale", q.scale)):
            np.testing.assert_allclose(getattr(codes, name), whole.numpy(), rtol=1e-5, atol=1e-6)
        assert codes.labels.tolist() == (np.arange(90) % 3).tolist()
        assert np.isfinite(codes.reconstruction).all()


def test_the_reconstruction_is_that_of_an_exact_draw(model, monkeypatch):
    """Its mean over many draws against that of exact samples, decoded."""
    x = torch.from_numpy(rows(1)).expand(20_000, -1)
    codes = encode_dataset(model, Split(x, torch.zeros(len(x), dtype=torch.long)), accelerator="cpu")
    with torch.no_grad():
        costs = -model.decode(model.encode(x).sample()).log_prob(x)
    error = float(costs.std() / len(x) ** 0.5)
    assert codes.reconstruction.mean() == pytest.approx(float(costs.mean()), abs=6 * error)
    assert codes.reconstruction.std() == pytest.approx(float(costs.std()), rel=0.05)


def test_rows_on_disk_have_the_codes_of_the_same_rows_in_memory(model, tmp_path, monkeypatch):
    """Warnings are errors here: torch has one for memory that cannot be written to."""
    monkeypatch.setattr(encoding, "ROWS_PER_PASS", 40)
    x, labels = rows(), np.arange(90) % 4 - 1
    known = encode_dataset(model, Split(torch.from_numpy(x), torch.from_numpy(labels)), accelerator="cpu")
    for stored in (x, x.astype(">f4"), np.asfortranarray(x), x.astype(float)):
        found = encode_dataset(model, on_disk(tmp_path, stored), labels=labels, accelerator="cpu")
        assert same(found, known)
    assert encode_dataset(model, x, accelerator="cpu").labels.tolist() == [-1] * 90, "labels are not known"
    assert same(encode_dataset(model, torch.from_numpy(x), labels=labels.tolist(), accelerator="cpu"), known)


def test_grey_levels_on_disk_are_those_of_from_arrays(tmp_path):
    images = np.random.default_rng(0).integers(256, size=(30, 5, 6), dtype=np.uint8)
    labels = np.arange(30) % 2
    model = SparseVAE((1, 5, 6), 4, hidden=(8,))
    split = from_arrays(images, labels, test=(images, labels), validation=(images, labels)).test
    known = encode_dataset(model, split, accelerator="cpu")
    for x in (on_disk(tmp_path, images), images[:, None], np.asfortranarray(images), torch.from_numpy(images)):
        assert same(encode_dataset(model, x, labels=labels, accelerator="cpu"), known)


class Watched(np.memmap):
    """Remembers what was taken from it."""

    taken: ClassVar[list] = []

    def __getitem__(self, index):
        self.taken.append(index)
        return super().__getitem__(index)


def test_nothing_is_read_twice_or_held_whole(tmp_path):
    n, width = 20_000, 500
    open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float32, shape=(n, width)).flush()
    x = np.load(tmp_path / "x.npy", mmap_mode="r").view(Watched)
    model = SparseVAE((width,), 3, hidden=(4,))
    encode_dataset(model, np.zeros((1, width)), accelerator="cpu")  # what loads on first use
    Watched.taken.clear()
    tracemalloc.start()
    try:
        codes = encode_dataset(model, x, accelerator="cpu")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    read = np.concatenate([np.arange(n)[index] for index in Watched.taken])
    assert np.array_equal(read, np.arange(n))
    assert max(len(np.arange(n)[index]) for index in Watched.taken) <= encoding.ROWS_PER_PASS
    result = sum(getattr(codes, name).nbytes for name in PARTS)
    assert peak < result + 3 * encoding.ROWS_PER_PASS * width * 4 < x.nbytes / 2


def test_a_bad_value_is_found_where_it_is(model, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "ROWS_PER_PASS", 40)
    x = rows()
    x[50, 3] = np.nan
    with pytest.raises(
        InputError, match=r"values of the split must be finite in float32, got NaN or infinity in row 50\. F"
    ):
        encode_dataset(model, on_disk(tmp_path, x), accelerator="cpu")
    x[50, 3] = 2
    with pytest.raises(InputError, match=r"the split must lie in 0 … 1 .* got .* … 2, out of it in row 50\. Scale"):
        encode_dataset(model, on_disk(tmp_path, x), accelerator="cpu")
    with pytest.raises(InputError, match=r"The values of the split must lie in 0 … 1 .* in row 5\."):
        encode_dataset(model, x[45:55], accelerator="cpu")
    with pytest.raises(InputError, match=r"finite in float32, got NaN or infinity in rows 0, 1, 2\. .* scale"):
        encode_dataset(model, np.full((3, 12), 1e300), accelerator="cpu")
    wide = SparseVAE((12,), 5, hidden=(8,), likelihood="gaussian")
    assert len(encode_dataset(wide, x, accelerator="cpu")) == 90


@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (rows(3).astype(int), None, "'split' of encode_dataset must be floating-point or uint8, got int64. Convert"),
        (
            rows(3)[:, :5],
            None,
            r"'split' of encode_dataset must be rows of shape \(12,\), as 'model' was made for, got \(5,\)",
        ),
        (rows(3)[:0], None, "'split' of encode_dataset must have at least one row, got none"),
        (np.float32(1)[...], None, "'split' of encode_dataset must be an array .*, got a single number"),
        (rows(3), [0, 1], r"'labels' of encode_dataset must be 3 class indices, got int64 of shape \(2,\)"),
        (rows(3), np.ones(3), "'labels' of encode_dataset must be 3 class indices, got float64"),
        (rows(3), [0, -2, 1], "'labels' of encode_dataset must be at least -1 .*, got -2"),
        (Split(torch.ones(1, 12), torch.zeros(1, dtype=torch.long)), [0], "'labels' .* must be left out .* a Split"),
    ],
)
def test_what_cannot_be_encoded_is_refused(model, x, labels, message):
    with pytest.raises(InputError, match=message):
        encode_dataset(model, x, labels=labels, accelerator="cpu")


def test_a_bar_shows_what_takes_long_on_a_terminal_alone(model, capsys, monkeypatch):
    monkeypatch.setattr(encoding, "ROWS_PER_PASS", 10)
    encode_dataset(model, rows(), accelerator="cpu")
    assert capsys.readouterr().err == "", "no terminal"

    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal
    encode_dataset(model, rows(), accelerator="cpu")
    assert capsys.readouterr().err == "", "too quick for a bar"

    monkeypatch.setattr(progress, "_SECONDS_WITHOUT_A_BAR", -1)
    encode_dataset(model, rows(), accelerator="cpu", progress=False)
    assert capsys.readouterr().err == ""
    encode_dataset(model, rows(), accelerator="cpu")
    shown, printed = reversed(capsys.readouterr())
    assert "encoding" in shown
    assert "90/90" in shown
    assert printed == ""


def test_a_bar_is_gone_after_an_error(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(progress, "_SECONDS_WITHOUT_A_BAR", -1)
    with pytest.raises(KeyError), counting("work", 3) as advance:
        {}[advance(1)]
    shown = capsys.readouterr().err
    assert "1/3" in shown
    assert shown.rstrip().endswith(("\x1b[?25h", "\x1b[2K"))
