"""What giving a latent alone the value of another sample of the class changes, and how parallel such changes are."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from cospike._errors import InputError
from cospike._types import Labels, SampleLatent
from cospike.decoding import Decode

_NUMBERS_AT_ONCE = 2**23  # 64 MiB of changes


def others_of_the_class(labels: Labels) -> Int[np.ndarray, " sample"]:
    """For each sample the next of its class, for the last the first; of a class of one the sample itself.

    Of samples in random order it is another one by chance. Samples without a label count as a class.

    >>> others_of_the_class(np.array([7, 8, 7, 7])).tolist()
    [2, 1, 3, 0]
    """
    others = np.arange(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        others[rows] = np.roll(rows, -1)
    return others


def cosines_of_exchanges(
    decoders: Sequence[Decode], values: Sequence[Float[np.ndarray, "sample _"]], others: Int[np.ndarray, " sample"]
) -> Float[np.ndarray, "any_latent any_latent"]:
    """Cosines of the changes that exchanges make, of all latents of several models, one model after another.

    Args:
        decoders: from codes to outputs of one shape.
        values: of each model, codes of the same samples.
        others: for each sample, the one whose value its latents are given.

    Returns:
        0 … 1: those below 0 are 0, and those of a latent whose exchanges change nothing.

    Raises:
        InputError: if outputs differ in shape.
    """
    shapes = [decode(z[:1]).shape[1:] for decode, z in zip(decoders, values, strict=True)]
    if len(set(shapes)) > 1:
        raise InputError(f"The runs must decode to outputs of one shape, got {shapes}. Take models of the same data.")
    n_latents = sum(z.shape[1] for z in values)
    step = max(1, _NUMBERS_AT_ONCE // max(1, n_latents * int(np.prod(shapes[0]))))
    products = np.zeros((n_latents, n_latents))
    for start in range(0, len(others), step):
        now = slice(start, start + step)
        pairs = zip(decoders, values, strict=True)
        changes = np.concatenate([_changes(decode, z[now], z[others[now]]) for decode, z in pairs])
        products += changes @ changes.T
    lengths = np.sqrt(np.diag(products))
    scale = np.outer(lengths, lengths)
    return np.asarray(np.clip(np.divide(products, scale, out=np.zeros_like(products), where=scale > 0), 0, 1))


def _changes(decode: Decode, z: SampleLatent, other: SampleLatent) -> Float[np.ndarray, "latent change"]:
    """What giving each latent alone its value in another code takes from the output; 0 where it has it already."""
    latents, rows = np.nonzero((z != other).T)
    given = z[rows]
    given[np.arange(len(rows)), latents] = other[rows, latents]
    outputs = decode(np.concatenate([z, given])).reshape(len(z) + len(rows), -1).astype(float)
    changes = np.zeros((z.shape[1], len(z), outputs.shape[1]))
    changes[latents, rows] = outputs[rows] - outputs[len(z) :]
    return changes.reshape(z.shape[1], -1)
