"""`from_torch()`: a PyTorch `Dataset` or `DataLoader`, read once: into memory, or onto the disk."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler

from cospike._arrays import map_array
from cospike._errors import InputError
from cospike._files import replacing
from cospike._random import private_random_state
from cospike._types import UNLABELLED
from cospike.choices import expand
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
    store: str | Path | None = None,
) -> Dataset:
    """A data set from `torch.utils.data`: every sample is read once, in order, and kept in memory or in a file.

    Random transforms are drawn once, by the seed. A loader that shuffles is read in the order of its data set, so that
    its rows and splits are the same every time; one with a sampler of its own is read as it comes.

    Args:
        train: a `Dataset` or `DataLoader` of pairs (sample, class index), or of samples alone, of no known class.
        validation: the same to choose by, or the share of ``train`` to hold out.
        test: the same to report on, or the share of ``train`` to hold out.
        name: what to call it (default: the name of its class).
        class_names: name of each class index (default: the attribute ``classes`` of the data set, else the indices).
        seed: of random transforms, and of what is held out as a share.
        store: a new `.npy` file for the samples of ``train`` (and beside it, of what is held out); if they are large, a
            batch at a time is read from then on. For streams that do not fit in memory.

    Raises:
        InputError: if the samples are no tensors of one shape, do not fit in memory where they are to, or the file is
            there already.

    >>> from torch.utils.data import TensorDataset
    >>> data = from_torch(TensorDataset(torch.rand(10, 3), torch.arange(10) % 2), class_names=("even", "odd"))
    >>> data.shape, data.class_names, len(data.train)
    ((3,), ('even', 'odd'), 6)
    """
    if isinstance(train, int | float):
        raise _refusal("train", "a Dataset or DataLoader", "a number", "It is what to train on.")
    files = _files(store)
    rows = _read(train, "train", seed, files["train"])
    held_out = [
        part if isinstance(part, int | float) else _read(part, argument, seed, files[argument])
        for argument, part in (("validation", validation), ("test", test))
    ]
    source = train.dataset if isinstance(train, DataLoader) else train
    if class_names is None and isinstance(known := getattr(source, "classes", None), list | tuple):
        class_names = known
    title = type(source).__name__ if name is None else name
    return from_arrays(*rows, name=title, class_names=class_names, validation=held_out[0], test=held_out[1], seed=seed)


def _files(store: str | Path | None) -> dict[str, Path | None]:
    """The file of each split."""
    if store is None:
        return dict.fromkeys(("train", "validation", "test"))
    path = expand(store)
    if path.suffix != ".npy" or not path.parent.is_dir():
        raise _refusal(
            "store", "an .npy file in a folder that is there", str(path), "Make the folder, or name another."
        )
    files: dict[str, Path | None] = {"train": path}
    files |= {split: path.with_name(f"{path.stem}-{split}.npy") for split in ("validation", "test")}
    if there := [file for file in files.values() if file is not None and file.exists()]:
        fix = "`load_dataset` reads one that was written before; or remove it."
        raise _refusal("store", "a new file", f"{there[0]}, which is there", fix)
    return files


def _read(source: Any, argument: str, seed: int, file: Path | None) -> _Rows:
    """All samples and labels, the samples in memory, or mapped from ``file``."""
    labels: list[np.ndarray] = []

    def samples() -> Iterator[np.ndarray]:
        for x, y in _batches(source):
            labels.append(y)
            yield x

    try:
        with private_random_state(seed):
            rows = _in_memory(samples(), argument) if file is None else _in_file(samples(), argument, file)
    except InputError:
        raise
    except (TypeError, RuntimeError, AttributeError) as error:
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        fix = "A transform such as torchvision's ToTensor makes tensors of pictures; torch says what does not fit."
        raise _refusal(argument, "a Dataset or DataLoader of tensors of one shape", reason, fix) from error
    return rows, np.concatenate(labels)


def _in_memory(samples: Iterator[np.ndarray], argument: str) -> np.ndarray:
    kept, n_bytes = list[np.ndarray](), 0
    for x in samples:
        n_bytes += x.nbytes
        if n_bytes > _MAX_BYTES:
            fix = "With `store` they go to a file as they come."
            raise _refusal(argument, f"of at most {_MAX_BYTES / 2**30:.0f} GB", "more", fix)
        kept.append(x)
    if not kept:
        raise _refusal(argument, "a Dataset or DataLoader with samples", "an empty one", "Add samples.")
    if len({x.shape[1:] for x in kept}) > 1:
        raise _refusal(argument, "of samples of one shape", "several", "Resize or pad them.")
    return np.concatenate(kept)


def _in_file(samples: Iterator[np.ndarray], argument: str, file: Path) -> np.ndarray:
    """Written as they come; the head, which says how many there are, takes its place at the end."""
    n, kind = 0, None
    with replacing(file) as temporary, temporary.open("rb+") as out:
        for x in samples:
            kind = kind or (x.dtype, x.shape[1:])
            if kind != (x.dtype, x.shape[1:]):
                raise _refusal(argument, "of samples of one shape and type", "several", "Resize or pad them.")
            if not n:
                _write_head(out, kind, 0)
            out.write(np.ascontiguousarray(x).data)
            n += len(x)
        if kind is None:
            raise _refusal(argument, "a Dataset or DataLoader with samples", "an empty one", "Add samples.")
        out.seek(0)
        _write_head(out, kind, n)
    return map_array(file)


def _write_head(out: Any, kind: tuple[np.dtype[Any], tuple[int, ...]], n: int) -> None:
    """NumPy leaves room in a head for a first axis that grows, so that each has the same size."""
    dtype, shape = kind
    head = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (n, *shape)}
    np.lib.format.write_array_header_1_0(out, head)


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
