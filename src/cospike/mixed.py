"""`Mixed`: the likelihood of a row whose columns are of different kinds, as those of a table are.

Columns are independent given the code, so that log p(x | z) = Σ_c log p(x_c | z), each in nats of its own measure: a
Gaussian density of what is measured, a probability of what is counted. A cell that may be missing is told by an
indicator m, and p(m | z) p(x_c | z)^(1−m) is what it costs: what stands in the place of a missing value costs nothing
(after Nazábal et al., *Handling Incomplete Heterogeneous Data using VAEs*, Pattern Recognition 2020, eq. 3).
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import binary_cross_entropy_with_logits

from cospike._errors import InputError, did_you_mean

BlockKind: TypeAlias = Literal["gaussian", "bernoulli", "categorical"]
"""What an entry, or a group of them, can be."""

_MAX_SIZE = 2**20  # entries of a row: far more than a table has, and no more than a machine holds


class Block(NamedTuple):
    """Neighbouring entries of a row.

    Attributes:
        kind: "gaussian" and "bernoulli" entries are independent; those of a "categorical" are the shares of one choice.
        size: how many entries.
        missing: whether one more entry follows that is 1 where all of them are missing, and 0 elsewhere.
    """

    kind: BlockKind
    size: int = 1
    missing: bool = False

    @property
    def width(self) -> int:
        """Entries with the indicator."""
        return self.size + self.missing


def parse_likelihood(given: Any, shape: Sequence[int]) -> Any:
    """The setting of a model from what a user or a file gives: a name as it is, blocks as lists, which JSON has.

    Raises:
        InputError: if what is no name is no blocks either, or blocks that fill no rows of this shape.

    >>> parse_likelihood([("gaussian", 2), ["categorical", 3, True]], (6,))
    [['gaussian', 2, False], ['categorical', 3, True]]
    """
    if isinstance(given, str):
        return given
    if not isinstance(given, Sequence):
        raise _refusal(repr(given))
    blocks = [_parse_block(block) for block in given]
    if [width := sum(block.width for block in blocks)] != [*shape]:
        raise InputError(
            f"'likelihood' of SparseVAE must have blocks that fill rows of shape {tuple(shape)}, got {width} entries. "
            "A block that may be missing has one entry more, its indicator."
        )
    if width > _MAX_SIZE:
        raise InputError(f"'likelihood' of SparseVAE must have blocks of at most {_MAX_SIZE:,} entries, got {width:,}.")
    return [list(block) for block in blocks]


def _parse_block(given: Any) -> Block:
    if isinstance(given, str) or not isinstance(given, Sequence) or not 1 <= len(given) <= 3:
        raise _refusal(repr(given))
    defaults: tuple[Any, ...] = (1, False)
    kind, size, missing = (*given, *defaults[len(given) - 1 :])
    if kind not in get_args(BlockKind):
        meant = did_you_mean(str(kind), get_args(BlockKind))
        raise InputError(f"Unknown kind {kind!r} of a block in 'likelihood' of SparseVAE. {meant}")
    fewest = 2 if kind == "categorical" else 1
    if type(size) is not int or not fewest <= size <= _MAX_SIZE or type(missing) is not bool:
        raise _refusal(repr(given))
    return Block(kind, size, missing)


def _refusal(got: str) -> InputError:
    return InputError(
        "'likelihood' of SparseVAE must be 'bernoulli', 'gaussian', 'negative-binomial' or blocks such as "
        f"[('gaussian', 2), ('categorical', 3)], got {got[:80]}. `Dataset.likelihood` fits the data."
    )


class MixedHead(nn.Module):
    """Where in a row each kind of entry stands, and the likelihood of what a decoder gives.

    Args:
        blocks: of a row, in their order.
    """

    gaussian: Tensor
    bernoulli: Tensor
    indicator: Tensor
    has_indicator: Tensor

    def __init__(self, blocks: Sequence[Sequence[Any]]) -> None:
        super().__init__()
        places: dict[str, list[int]] = {"gaussian": [], "bernoulli": []}
        choices: dict[int, list[list[int]]] = {}  # by their size: a softmax each, and no padding
        indicator, start = [], 0
        for block in (Block(*one) for one in blocks):
            entries = list(range(start, start + block.size))
            start += block.width
            indicator += [start - 1 if block.missing else -1] * block.size + [-1] * block.missing
            if block.kind == "categorical":
                choices.setdefault(block.size, []).append(entries)
            else:
                places[block.kind] += entries
            places["bernoulli"] += [start - 1] * block.missing
        self.sizes = tuple(choices)
        told = torch.tensor(indicator)
        for name, values in (
            *((kind, torch.tensor(found, dtype=torch.long)) for kind, found in places.items()),
            *((f"choices_{size}", torch.tensor(found)) for size, found in choices.items()),
            ("indicator", told.clamp_min(0)),
            ("has_indicator", (told >= 0).float()),
        ):
            self.register_buffer(name, values, persistent=False)  # the blocks say it all

    @property
    def shares(self) -> Tensor:
        """The entries that lie in 0 … 1."""
        return torch.cat([self.bernoulli, *(entries.flatten() for entries in self.choices)])

    @property
    def choices(self) -> list[Tensor]:
        """The entries [column, category] of the categorical columns, those of one size together."""
        return [self.get_buffer(f"choices_{size}") for size in self.sizes]

    def forward(self, out: Float[Tensor, "*batch entry"], log_scale: Float[Tensor, ""]) -> "Mixed":
        """The likelihood of each row."""
        return Mixed(out, log_scale, self)


class Mixed(Distribution):
    """Gaussian, Bernoulli and categorical columns beside each other; an event is a row.

    Args:
        out: what the decoder gives: means of Gaussian entries, logits of all others.
        log_scale: of all Gaussian entries.
        layout: which entry is what.

    >>> head = MixedHead([Block("categorical", 2), Block("bernoulli")])
    >>> Mixed(torch.zeros(1, 3), torch.zeros(()), head).log_prob(torch.tensor([[1.0, 0, 1]]))   # twice ln ½
    tensor([-1.3863])
    """

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012  # as torch has it
    has_rsample = False

    def __init__(self, out: Float[Tensor, "*batch entry"], log_scale: Float[Tensor, ""], layout: MixedHead) -> None:
        self.out, self.log_scale, self.layout = out, log_scale, layout
        super().__init__(out.shape[:-1], out.shape[-1:], validate_args=False)

    def log_prob(self, value: Float[Tensor, "*shape"]) -> Float[Tensor, "*batch"]:
        """In nats a row. Shares count as what is expected of a choice; a cell as far as it is not missing."""
        out, x = torch.broadcast_tensors(self.out, value)
        layout = self.layout
        observed = 1 - x[..., layout.indicator] * layout.has_indicator
        at = layout.gaussian
        squares = ((x[..., at] - out[..., at]) * (-self.log_scale).exp()).square()
        densities = -0.5 * squares - self.log_scale - 0.5 * math.log(2 * math.pi)
        total: Tensor = (densities * observed[..., at]).sum(-1)
        at = layout.bernoulli
        costs = binary_cross_entropy_with_logits(out[..., at], x[..., at], reduction="none")
        total = total - (costs * observed[..., at]).sum(-1)
        for at in layout.choices:
            total = total + (x[..., at] * out[..., at].log_softmax(-1) * observed[..., at]).sum((-2, -1))
        return total

    @property
    def mean(self) -> Float[Tensor, "*batch entry"]:
        """In the layout of a row: means, probabilities, and shares; of a cell that may be missing, where it is not."""
        mean = self.out.clone()
        at = self.layout.bernoulli
        mean[..., at] = self.out[..., at].sigmoid()
        for at in self.layout.choices:
            mean[..., at] = self.out[..., at].softmax(-1)
        return mean

    def expand(self, batch_shape: Any, _instance: Any = None) -> "Mixed":
        """The same distribution over a larger batch shape."""
        return Mixed(self.out.expand((*batch_shape, *self.event_shape)), self.log_scale, self.layout)
