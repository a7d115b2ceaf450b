"""A supervised network: the ceiling of the probes, and the judge of what a model draws. It has seen no code.

Optimiser, batches and the fall of the learning rate are those of `fit`; the loss is the cross entropy.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cospike._random import private_random_state
from cospike._types import UNLABELLED
from cospike.counts import LogNormalise
from cospike.data import Dataset, Split
from cospike.encoders import conv_trunk, mlp_trunk
from cospike.encoding import rows_per_pass
from cospike.metrics import Measurement
from cospike.schedule import Schedule, steps_per_epoch
from cospike.stored_rows import Rows

_HOW = "accuracy of a supervised network itself (the encoder's trunk and a linear head, cross entropy); no codes"


class Classifier(nn.Module):
    """The trunk of an encoder and one linear head: from observations to class logits.

    Args:
        shape: axes of one observation.
        n_classes: number of classes, in the order of their indices.
        network: "mlp", or "conv" for images.
        hidden: widths of the fully connected layers.
        counts: whether rows are counts, which it then sees as logarithms of shares (`cospike.counts.log_normalise`).
        seed: of the initial weights.

    >>> Classifier((4,), 3).predict_probs(np.zeros((2, 4), dtype=np.float32)).shape
    (2, 3)
    """

    def __init__(
        self,
        shape: Sequence[int],
        n_classes: int,
        *,
        network: str = "mlp",
        hidden: Sequence[int] = (400,),
        counts: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        with private_random_state(seed):
            trunk, width = (mlp_trunk if network == "mlp" else conv_trunk)(tuple(shape), hidden)
            self.layers = nn.Sequential(trunk, nn.Linear(width, n_classes))
        self.look = LogNormalise() if counts else nn.Identity()

    def forward(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch class"]:
        """Class logits."""
        logits: Tensor = self.layers(self.look(x))
        return logits

    @torch.no_grad()
    def predict_probs(self, x: Float[np.ndarray, "sample *event"]) -> Float[np.ndarray, "sample class"]:
        """P(class | x) of arrays."""
        rows = torch.as_tensor(x, dtype=torch.float32)
        parts = [self(part).softmax(dim=1) for part in rows.split(rows_per_pass(x.shape[1:]))]
        return torch.cat(parts).numpy()


def fit_classifier(
    data: Dataset,
    *,
    network: str = "mlp",
    hidden: Sequence[int] = (400,),
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int = 0,
) -> Classifier:
    """Train a classifier on the labelled training rows, on the CPU.

    Args:
        data: of at least two classes.
        network: as in `Classifier`.
        hidden: as in `Classifier`.
        epochs: as in `fit`, like the next two.
        batch_size: rows a step.
        learning_rate: at the start.
        seed: of the weights and of the order of the data.
    """
    x, y = _labelled(data.train)
    counts = data.likelihood == "negative-binomial"
    classifier = Classifier(data.shape, data.n_classes, network=network, hidden=hidden, counts=counts, seed=seed)
    optimizer = torch.optim.Adam(classifier.parameters(), lr=learning_rate)
    per_epoch = steps_per_epoch(len(y), batch_size)
    n_steps, decay = epochs * per_epoch, Schedule(1.0, 0.0, begin=0.5)
    order = torch.Generator().manual_seed(seed)
    for step in range(n_steps):
        if step % per_epoch == 0:
            batches = torch.randperm(len(y), generator=order).tensor_split(per_epoch)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * decay(step / n_steps)
        rows = batches[step % per_epoch]
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(classifier(x.index_select(0, rows)), y[rows]).backward()
        optimizer.step()
    return classifier.eval()


@torch.no_grad()
def accuracy(classifier: Classifier, split: Split) -> Measurement | None:
    """Share of the labelled rows that the network names right; None without labelled rows."""
    x, y = _labelled(split)
    if not len(y):
        return None
    right = torch.cat([classifier(part).argmax(dim=1) for part in x.split(rows_per_pass(x.shape[1:]))]) == y
    return Measurement(float(right.double().mean()), "fraction", "higher", _HOW)


def _labelled(split: Split) -> tuple[Rows, Tensor]:
    known = split.y != UNLABELLED
    return split.x[known], split.y[known]
