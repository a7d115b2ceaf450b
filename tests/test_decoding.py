"""Whatever decodes: a model of ours, a function, and what is neither."""

import numpy as np
import pytest
import torch

import cospike as cs
from cospike.decoding import decoder_of


def test_a_model_of_ours_and_a_function_decode_in_passes():
    model = cs.SparseVAE((3,), 2, hidden=())
    z = np.random.default_rng(0).normal(size=(5000, 2)).astype(np.float32)
    sizes = []

    def decode(part):
        sizes.append(len(part))
        return model.decode_mean(part)

    np.testing.assert_array_equal(decoder_of(model)(z), decoder_of(decode)(z))
    assert sum(sizes) == 5000
    assert max(sizes) < 5000
    assert decoder_of(model)(z[:0]).shape == (0, 3)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (None, "A model must be a SparseVAE, or a function from codes to data, got NoneType"),
        ("decoder", "got str"),
        (lambda z: None, "must give finite numbers, a row for each of 2 codes"),
        (lambda z: 1.0, "a row for each of 2 codes"),
        (lambda z: z[:1], "a row for each of 2 codes"),
        (lambda z: z * np.nan, "must give finite numbers"),
        (torch.nn.Linear(3, 2), "must map arrays to arrays, got: .*Of a torch module, give"),
        (lambda z: torch.nn.Linear(3, 2)(torch.as_tensor(z)), r"detach\(\)\.numpy\(\)"),
    ],
)
def test_what_does_not_decode_is_said_in_one_line(model, message):
    with pytest.raises(ValueError, match=message) as caught:
        decoder_of(model)(np.ones((2, 3), dtype=np.float32))
    assert "\n" not in str(caught.value)
