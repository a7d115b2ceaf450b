"""Safetensors files: bytes to tensors, held against what they are for before anything is allocated for it.

A config is a claim: `n_latents` of 10¹² is a line of text, and a terabyte of weights. The header of the file beside it
says which tensors there are, and the file is as large as they are. So a model is first built without memory (torch's
meta device), and only if its tensors are those of the file, by name and shape, is it built for good.
"""

from collections.abc import Callable, Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse
from torch import Tensor, nn

from cospike._reading import parse_json

_MAX_HEADER = 2**24  # a hundred thousand tensors


def parse_tensors(content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file, in little more memory than the file.

    Raises:
        ValueError: if the content is no such file.
    """
    size = int.from_bytes(content[:8], "little")
    if not 2 <= size <= min(len(content) - 8, _MAX_HEADER):
        raise ValueError("its header is not whole")
    header = parse_json(content[8 : 8 + size])
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    try:
        tensors = parse(content)
    except (SafetensorError, RuntimeError, KeyError, TypeError, OverflowError) as error:
        raise ValueError((str(error) or type(error).__name__).splitlines()[0]) from error  # torch's have a stack below
    return tensors, header.get("__metadata__") or {}


def check_fit(build: Callable[[], nn.Module], weights: Mapping[str, Tensor]) -> None:
    """Hold the tensors of a file against the model that ``build`` makes, before it is made.

    Raises:
        ValueError: if they are not its own, by name and shape, or not finite; whatever ``build`` raises.
    """
    with torch.device("meta"):
        wanted = {name: tuple(part.shape) for name, part in build().state_dict().items()}
    if lacking := sorted(wanted.keys() - weights.keys()):
        raise ValueError(f"it lacks {lacking[0]}")
    if foreign := sorted(weights.keys() - wanted.keys()):
        raise ValueError(f"it has a foreign {foreign[0]:.100}")
    for name, shape in wanted.items():
        if (found := tuple(weights[name].shape)) != shape:
            raise ValueError(f"{name} must have the shape {shape}, got {found}")
        if not bool(weights[name].isfinite().all()):
            raise ValueError(f"{name} must be finite, got NaN or infinity")
