"""PyTorch data sets and loaders are what from_arrays makes of their samples."""

import itertools

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, SubsetRandomSampler, TensorDataset

from cospike import torch_data
from cospike._errors import InputError
from cospike.data import from_arrays
from cospike.torch_data import from_torch

X, Y = torch.rand(300, 1, 5, 4, generator=torch.Generator().manual_seed(0)), torch.arange(300) % 3
PAIRS = TensorDataset(X, Y)


def same(data, other):
    return all(
        torch.equal(getattr(data, split).x, getattr(other, split).x)
        and torch.equal(getattr(data, split).y, getattr(other, split).y)
        for split in ("train", "validation", "test")
    )


class Named(Dataset):
    """Grey levels, names of classes, and labels that are numbers of Python, as torchvision's sets have them."""

    classes = ("ant", "bee", "cow")

    def __len__(self):
        return len(X)

    def __getitem__(self, i):
        return (X[i] * 255).to(torch.uint8), int(Y[i])


class Noisy(Dataset):
    def __len__(self):
        return 50

    def __getitem__(self, i):
        return torch.rand(3), i % 2


class Endless(IterableDataset):
    def __iter__(self):
        return ((torch.zeros(8), i % 2) for i in itertools.count())


@pytest.mark.parametrize(
    "source",
    [PAIRS, DataLoader(PAIRS, 7), DataLoader(PAIRS, 7, shuffle=True, drop_last=True), DataLoader(PAIRS, 64)],
    ids=["set", "loader", "shuffled", "large batches"],
)
def test_it_is_what_from_arrays_makes_of_the_samples(source):
    data = from_torch(source, seed=4)
    assert same(data, from_arrays(X, Y, seed=4))
    assert data.name == "TensorDataset"


def test_splits_names_and_grey_levels_are_kept():
    data = from_torch(Named(), test=Subset(Named(), range(20)), name="insects")
    levels = (X * 255).to(torch.uint8).numpy()
    expected = from_arrays(levels, Y, test=(levels[:20], Y[:20]))
    assert same(data, expected)
    assert (data.name, data.class_names) == ("insects", ("ant", "bee", "cow"))
    assert from_torch(Named(), class_names="abc").class_names == ("a", "b", "c")


def test_samples_alone_are_of_no_class():
    data = from_torch(TensorDataset(X))
    assert same(data, from_arrays(X, torch.full((300,), -1)))


def test_a_sampler_of_ones_own_chooses():
    data = from_torch(DataLoader(PAIRS, 16, sampler=SubsetRandomSampler(range(100))))
    assert sum(map(len, (data.train, data.validation, data.test))) == 100


def test_random_transforms_are_drawn_by_the_seed_and_nobody_elses_numbers_move():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = from_torch(Noisy(), seed=1)
    assert torch.equal(torch.rand(2), expected)
    assert same(first, from_torch(Noisy(), seed=1))
    assert not torch.equal(first.train.x, from_torch(Noisy(), seed=2).train.x)


def test_what_has_no_end_is_refused(monkeypatch):
    monkeypatch.setattr(torch_data, "_MAX_BYTES", 2**20)
    with pytest.raises(InputError, match="'train' of from_torch must be of at most 0 GB, got more"):
        from_torch(Endless())


class Ragged(Noisy):
    def __getitem__(self, i):
        return torch.rand(3 + i % 2), i % 2


class Texts(Noisy):
    def __getitem__(self, i):
        return "text", i % 2


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            Ragged(),
            "must be a Dataset or DataLoader of tensors of one shape, got stack expects each tensor to be equal",
        ),
        (DataLoader(Ragged(), batch_size=1), "must be of samples of one shape, got several"),
        (Texts(), "must be a Dataset or DataLoader of tensors of one shape, got batches of"),
        (TensorDataset(X[:0], Y[:0]), "must be a Dataset or DataLoader with samples, got an empty one"),
        (0.5, "must be a Dataset or DataLoader, got a number"),
        (None, "must be a Dataset or DataLoader of tensors of one shape, got"),
    ],
)
def test_what_gives_no_samples_is_refused_in_one_line(source, message):
    with pytest.raises(InputError, match=message) as caught:
        from_torch(source)
    assert "\n" not in str(caught.value)
