"""Tensors of a file are held against the model before the model takes memory."""

import json
import tracemalloc

import pytest
import torch
from safetensors.torch import save
from torch import nn

from cospike.tensors import check_fit, parse_tensors

TENSORS = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.zeros(2)}


def forge(header, values=b""):
    """A safetensors file by the format's definition."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + values


def test_tensors_and_metadata_come_back():
    tensors, told = parse_tensors(save(TENSORS, {"epoch": "3"}))
    assert told == {"epoch": "3"}
    assert all(torch.equal(tensors[name], part) for name, part in TENSORS.items())
    assert parse_tensors(save(TENSORS))[1] == {}


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "header is not whole"),
        (b"\xff" * 8, "header is not whole"),
        ((2**60).to_bytes(8, "little") + b"{}", "header is not whole"),
        (forge(b"[]"), "no object"),
        (forge(b"[" * 100_000), "32 levels"),
        (forge(b'{"a": 1, "a": 2}'), "twice"),
        (forge({"a": ENTRY}), "."),  # no values
        (forge({"a": ENTRY | {"shape": [2**40, 2**40]}}, bytes(8)), "."),
        (forge({"a": ENTRY | {"shape": [10**12]}}, bytes(8)), "."),
        (forge({"a": ENTRY | {"dtype": "F4"}}, bytes(8)), "."),
        (forge({"a": ENTRY, "b": ENTRY}, bytes(8)), "."),  # overlapping
        (forge({"a": ENTRY, "__metadata__": {"x": 1}}, bytes(8)), "."),
        (save(TENSORS)[:-1], "."),
    ],
)
def test_what_is_no_safetensors_file_is_a_value_error(content, reason):
    tracemalloc.start()
    with pytest.raises(ValueError, match=reason) as error:
        parse_tensors(content)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
    assert "\n" not in str(error.value)


def test_weights_fit_their_model():
    check_fit(lambda: nn.Linear(3, 2), TENSORS)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ({"bias": TENSORS["bias"]}, "lacks weight"),
        (TENSORS | {"more": torch.zeros(1)}, "foreign more"),
        (TENSORS | {"bias": torch.zeros(3)}, r"bias must have the shape \(2,\), got \(3,\)"),
        (TENSORS | {"bias": torch.tensor([0.0, float("nan")])}, "bias must be finite"),
    ],
)
def test_other_weights_do_not(weights, reason):
    with pytest.raises(ValueError, match=reason):
        check_fit(lambda: nn.Linear(3, 2), weights)


def test_a_model_of_a_petabyte_is_refused_without_one():
    with pytest.raises(ValueError, match="must have the shape"):
        check_fit(lambda: nn.Linear(10**8, 10**7), TENSORS)
