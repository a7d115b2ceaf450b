"""What turns codes into observations: a model of ours, or any function of arrays, such as another library's decoder."""

from collections.abc import Callable
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float

from cospike._errors import InputError

Decode: TypeAlias = Callable[[Float[np.ndarray, "sample latent"]], Float[np.ndarray, "sample *event"]]
"""From codes to the means of their likelihoods: of images, pictures."""

_ROWS_PER_PASS = 4096


@runtime_checkable
class HasDecoder(Protocol):
    """A model that decodes arrays, as `cospike.SparseVAE` does."""

    def decode_mean(self, z: Float[np.ndarray, "sample latent"]) -> Float[np.ndarray, "sample *event"]:
        """The mean of the likelihood of each code."""
        ...


def decoder_of(model: HasDecoder | Decode) -> Decode:
    """The function from codes to observations, in passes that fit into memory, checked to give a row a code.

    Raises:
        InputError: by the function returned, if the rows are not as many as the codes, or not finite.

    >>> decoder_of(lambda z: 2 * z)(np.ones((1, 3)))
    array([[2., 2., 2.]])
    """
    decode = model.decode_mean if isinstance(model, HasDecoder) else model
    if not callable(decode):
        raise InputError(f"A model must be a SparseVAE, or a function from codes to data, got {type(model).__name__}.")

    def in_passes(z: Float[np.ndarray, "sample latent"]) -> Float[np.ndarray, "sample *event"]:
        starts = range(0, max(len(z), 1), _ROWS_PER_PASS)
        parts = [_decoded(decode, z[start : start + _ROWS_PER_PASS]) for start in starts]
        if len({part.shape[1:] for part in parts}) > 1:
            raise InputError(f"The decoder must give rows of one shape, got {parts[0].shape} and {parts[-1].shape}.")
        return np.concatenate(parts)

    return in_passes


def _decoded(decode: Decode, z: Float[np.ndarray, "sample latent"]) -> Float[np.ndarray, "sample *event"]:
    try:
        x = np.asarray(decode(z))
    except (TypeError, RuntimeError) as error:  # torch's: a module wants tensors, or a tensor has a gradient
        raise InputError(
            f"The decoder must map arrays to arrays, got: {str(error).splitlines()[0]} Of a torch module, give "
            "lambda z: module(torch.as_tensor(z)).detach().numpy()."
        ) from error
    if x.shape[:1] != (len(z),) or x.dtype.kind not in "fiub" or not np.isfinite(x).all():
        raise InputError(
            f"The decoder must give finite numbers, a row for each of {len(z)} codes, got {x.dtype} of shape "
            f"{x.shape}. Give a function from arrays [sample, latent] to arrays [sample, …]."
        )
    return x
