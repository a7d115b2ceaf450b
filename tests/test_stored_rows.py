"""Rows on disk: the same numbers, splits and training as in memory, a batch at a time."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import cospike as cs
from cospike import checked_rows
from cospike._errors import InputError
from cospike.stored_rows import StoredRows, is_mapped


@pytest.fixture
def always_stored(monkeypatch):
    """However small, what lies on the disk stays there."""
    monkeypatch.setattr(checked_rows, "IN_MEMORY", 0)


def draws(kind, shape=(90, 4, 5)):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, shape, dtype=np.uint8) if kind == "uint8" else rng.random(shape).astype(kind)


def mapped(path, array):
    np.save(path, array)
    return np.load(path, mmap_mode="r")


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "uint8"])
def test_stored_rows_are_those_in_memory(tmp_path, kind):
    array = draws(kind)
    rows = StoredRows(mapped(tmp_path / "x.npy", array))
    whole = torch.from_numpy(array.astype(np.float32) / (255 if kind == "uint8" else 1))
    assert (rows.shape, rows.ndim, len(rows)) == (whole.shape, 3, 90)
    assert_close(rows.dense(), whole)
    chosen = torch.tensor([7, 3, 3, 88])
    assert_close(rows.index_select(0, chosen), whole[chosen])
    assert_close(rows[chosen][torch.tensor([2, 0])].dense(), whole[chosen[[2, 0]]])
    assert_close(rows[10:20][whole[10:20, 0, 0] > 0.5].dense(), whole[10:20][whole[10:20, 0, 0] > 0.5])
    assert_close(torch.cat(list(rows.split(32))), whole)
    assert sum(map(len, rows.content())) == 90


def test_what_is_mapped_is_known(tmp_path):
    array = mapped(tmp_path / "x.npy", draws("float32"))
    assert is_mapped(array)
    assert is_mapped(np.asarray(array)[3:, None])
    assert not is_mapped(np.array(array))
    assert not is_mapped(None)


@pytest.mark.slow
@pytest.mark.usefixtures("always_stored")
@pytest.mark.parametrize("kind", ["float32", "uint8"])
def test_a_training_from_disk_is_the_one_from_memory(tmp_path, kind):
    array, y = draws(kind), np.arange(90) % 3
    stored = cs.from_arrays(mapped(tmp_path / "x.npy", array), y, seed=1)
    in_memory = cs.from_arrays(array, y, seed=1)
    assert isinstance(stored.train.x, StoredRows)
    assert isinstance(in_memory.train.x, torch.Tensor)
    assert stored.shape == in_memory.shape == (1, 4, 5)

    def train(data):
        model = cs.SparseVAE(data.shape, 6, hidden=(8,))
        history = cs.fit(model, data, epochs=3, batch_size=16, accelerator="cpu", out=tmp_path / str(id(data)))
        return model, history, cs.encode_dataset(model, data.test, accelerator="cpu"), tmp_path / str(id(data))

    (model, history, codes, run), (other, expected, same, beside) = train(stored), train(in_memory)
    seconds = "seconds"
    assert [{k: v for k, v in row.items() if k != seconds} for row in history] == [
        {k: v for k, v in row.items() if k != seconds} for row in expected
    ]
    for name, value in model.state_dict().items():
        assert_close(value, other.state_dict()[name], rtol=0, atol=0)
    assert_close(codes.active_probs, same.active_probs, rtol=0, atol=0)
    for file in ("codes.npz", "previews.npz", "attributes.npz"):
        assert (run / file).read_bytes() == (beside / file).read_bytes(), file
    assert cs.report(run).is_file()


@pytest.mark.usefixtures("always_stored", "unchecked")
def test_what_is_not_finite_is_found_on_the_disk(tmp_path):
    array = draws("float32")
    array[41] = np.inf
    with pytest.raises(InputError, match="NaN or infinity in row 41"):
        cs.from_arrays(mapped(tmp_path / "x.npy", array), np.arange(90) % 3)


@pytest.mark.usefixtures("always_stored")
def test_an_npy_file_is_trained_on_where_it_lies(tmp_path):
    np.save(tmp_path / "x.npy", draws("uint8"))
    np.save(tmp_path / "x-labels.npy", np.arange(90) % 3)
    data = cs.load_dataset(tmp_path / "x.npy")
    assert isinstance(data.train.x, StoredRows)
    assert data.n_classes == 3
    assert_close(data.train.x.dense(), cs.from_arrays(draws("uint8"), np.arange(90) % 3).train.x)


class Stream(IterableDataset):
    """Samples that come once, one after another; nobody knows how many."""

    def __iter__(self):
        for row, label in zip(draws("float32"), np.arange(90) % 3, strict=True):
            yield torch.from_numpy(row), int(label)


@pytest.mark.usefixtures("always_stored")
@pytest.mark.parametrize("source", [Stream(), DataLoader(Stream(), batch_size=7)])
def test_a_stream_is_written_as_it_comes_and_read_from_there(tmp_path, source):
    held_out = TensorDataset(torch.rand(20, 4, 5), torch.arange(20) % 3)
    data = cs.from_torch(source, test=held_out, store=tmp_path / "rows.npy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows-test.npy", "rows.npy"]
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), draws("float32"))
    assert isinstance(data.train.x, StoredRows)
    expected = cs.from_torch(source, test=held_out)
    assert data.fingerprint == expected.fingerprint
    with pytest.raises(InputError, match=r"a new file, got .*rows\.npy, which is there"):
        cs.from_torch(source, store=tmp_path / "rows.npy")


class Odd(Dataset):
    def __len__(self):
        return 600

    def __getitem__(self, at):
        return torch.zeros(3 + at // 300), 0


@pytest.mark.usefixtures("unchecked")
def test_a_stream_that_breaks_off_leaves_no_file(tmp_path):
    with pytest.raises(InputError, match="of one shape"):
        cs.from_torch(Odd(), store=tmp_path / "rows.npy")
    with pytest.raises(InputError, match=r"an \.npy file in a folder that is there"):
        cs.from_torch(Stream(), store=tmp_path / "none" / "rows.npy")
    assert not list(tmp_path.iterdir())


PEAK = """
import resource, sys
import numpy as np
import cospike as cs
x = np.load(sys.argv[1], mmap_mode="r")
tiny = cs.from_arrays(np.random.default_rng(0).random((64, 784), dtype=np.float32), np.arange(64) % 4)
model = cs.SparseVAE((784,), 6, hidden=(8,))
cs.fit(model, tiny, epochs=1, accelerator="cpu", progress=False)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = cs.from_arrays(x, np.arange(len(x)) % 4)
assert type(data.train.x).__name__ == sys.argv[2], type(data.train.x)
cs.fit(cs.SparseVAE((784,), 6, hidden=(8,)), data, epochs=1, batch_size=1000, accelerator="cpu", progress=False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_memory_does_not_follow_the_file(tmp_path):
    rows = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.uint8, shape=(700_000, 784))
    rows[::1000] = 7
    rows.flush()
    command = [sys.executable, "-c", PEAK, tmp_path / "x.npy", "StoredRows"]
    grown = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1024
    assert grown < 1_200  # MiB, of 2,100 as float32; what is mapped counts while the system has room
