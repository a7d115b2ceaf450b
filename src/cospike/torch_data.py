"""`from_torch()`: a PyTorch `Dataset` or `DataLoader`, read once into memory."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler

from cospike._errors import InputError
from cospike._random import private_random_state
from cospike._types import UNLABELLED
from cospike.data import Dataset, from_arrays

_BATCH = 256
_MAX_BYTES = 2**33  # of all samples

_Rows: TypeAlias = tuple[np.ndarray, np.ndarray]


def from_torch(
    train: Any,
    *,
    validation: Any = 0.2,
    test: Any = 0.2,
    name: str | None = None,
    class_names: Iterable[object] | None = None,
    seed: int = 0,
) -> Dataset:
    """A data set from `torch.utils.data`: every sample is read once, in order, and kept in memory.

    Random transforms are drawn once, by the seed. A loader that shuffles is read in the order of its data set, so that
    its rows and splits are the same every time; one with a sampler of its own is read as it comes.

    Args:
        train: a `Dataset` or `DataLoader` of pairs (sample, class index), or of samples alone, of no known class.
        validation: the same to choose by, or the share of ``train`` to hold out.
        test: the same to report on, or the share of ``train`` to hold out.
        name: what to call it (default: the name of its class).
        class_names: name of each class index (default: the attribute ``classes`` of the data set, else the indices).
        seed: of random transforms, and of what is held out as a share.

    Raises:
        InputError: if the samples are no tensors of one shape, or do not fit in memory.

    >>> from torch.utils.data import TensorDataset
    >>> data = from_torch(TensorDataset(torch.rand(10, 3), torch.arange(10) % 2), class_names=("even", "odd"))
    >>> data.shape, data.class_names, len(data.train)
    ((3,), ('even', 'odd'), 6)
    """
    if isinstance(train, int | float):
        raise _refusal("train", "a Dataset or DataLoader", "a number", "It is what to train on.")
    rows = _read(train, "train", seed)
    held_out = [
        part if isinstance(part, int | float) else _read(part, argument, seed)
        for argument, part in (("validation", validation), ("test", test))
    ]
    source = train.dataset if isinstance(train, DataLoader) else train
    if class_names is None and isinstance(known := getattr(source, "classes", None), list | tuple):
        class_names = known
    title = type(source).__name__ if name is None else name
    return from_arrays(*rows, name=title, class_names=class_names, validation=held_out[0], test=held_out[1], seed=seed)


def _read(source: Any, argument: str, seed: int) -> _Rows:
    samples: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    n_bytes = 0
    try:
        with private_random_state(seed):
            for x, y in _batches(source):
                n_bytes += x.nbytes
                if n_bytes > _MAX_BYTES:
                    fix = "Give a part of it, such as torch.utils.data.Subset."
                    raise _refusal(argument, f"of at most {_MAX_BYTES / 2**30:.0f} GB", "more", fix)
                samples.append(x)
                labels.append(y)
    except (TypeError, RuntimeError, AttributeError) as error:
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        fix = "A transform such as torchvision's ToTensor makes tensors of pictures; torch says what does not fit."
        raise _refusal(argument, "a Dataset or DataLoader of tensors of one shape", reason, fix) from error
    if not samples:
        raise _refusal(argument, "a Dataset or DataLoader with samples", "an empty one", "Add samples.")
    if len({x.shape[1:] for x in samples}) > 1:
        raise _refusal(argument, "of samples of one shape", "several", "Resize or pad them.")
    return np.concatenate(samples), np.concatenate(labels)


def _batches(source: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of samples and class indices, as arrays."""
    loader: Any = source
    if not isinstance(source, DataLoader):
        loader = DataLoader(source, batch_size=_BATCH)
    elif isinstance(source.sampler, RandomSampler | SequentialSampler) and source.batch_size:
        loader = DataLoader(
            source.dataset, source.batch_size, collate_fn=source.collate_fn, num_workers=source.num_workers
        )
    for batch in loader:
        x, y = batch if isinstance(batch, list | tuple) and len(batch) == 2 else (batch, None)
        if isinstance(batch, list | tuple) and len(batch) == 1:
            x = batch[0]
        if not isinstance(x, Tensor):
            raise TypeError(f"batches of {type(x).__name__}")
        unknown = torch.full((len(x),), UNLABELLED)
        yield x.detach().cpu().numpy(), (unknown if y is None else torch.as_tensor(y)).cpu().numpy()


def _refusal(argument: str, expected: str, got: str, fix: str) -> InputError:
    return InputError(f"'{argument}' of from_torch must be {expected}, got {got}. {fix}")
