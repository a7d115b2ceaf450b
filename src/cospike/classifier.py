"""A supervised network, the ceiling of the probes: the encoder's trunk, one linear head, and the labels.

Optimiser, batches, epochs and the fall of the learning rate are those of `fit`; the loss is the cross entropy.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cospike._random import private_random_state
from cospike._types import UNLABELLED
from cospike.data import Dataset, Split
from cospike.encoders import conv_trunk, mlp_trunk
from cospike.metrics import Measurement
from cospike.schedule import Schedule
from cospike.trainer import ROWS_PER_PASS, steps_per_epoch

_HOW = "accuracy of a supervised network itself (the encoder's trunk and a linear head, cross entropy); no codes"


def fit_classifier(data: Dataset, model: dict[str, Any], training: dict[str, Any]) -> nn.Module:
    """Train a classifier on the labelled training rows, on the CPU.

    Args:
        data: of at least two classes.
        model: settings of `SparseVAE`: ``network``, ``hidden`` and ``seed`` count.
        training: ``epochs``, ``batch_size``, ``learning_rate`` and ``seed``, as in `fit`.

    Returns:
        A module from observations to class logits.
    """
    x, y = _labelled(data.train)
    with private_random_state(model["seed"]):
        trunk, width = (mlp_trunk if model["network"] == "mlp" else conv_trunk)(data.shape, model["hidden"])
        network = nn.Sequential(trunk, nn.Linear(width, data.n_classes))
    optimizer = torch.optim.Adam(network.parameters(), lr=training["learning_rate"])
    per_epoch = steps_per_epoch(len(y), training["batch_size"])
    n_steps, decay = training["epochs"] * per_epoch, Schedule(1.0, 0.0, begin=0.5)
    order = torch.Generator().manual_seed(training["seed"])
    for step in range(n_steps):
        if step % per_epoch == 0:
            batches = torch.randperm(len(y), generator=order).tensor_split(per_epoch)
        for group in optimizer.param_groups:
            group["lr"] = training["learning_rate"] * decay(step / n_steps)
        rows = batches[step % per_epoch]
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(network(x[rows]), y[rows]).backward()
        optimizer.step()
    return network


@torch.no_grad()
def accuracy(network: nn.Module, split: Split) -> dict[str, Measurement]:
    """Share of the labelled rows that the network names right, under the name of the probe it is a ceiling of.

    Without labelled rows there is none, and nothing is returned.
    """
    x, y = _labelled(split)
    if not len(y):
        return {}
    right = torch.cat([network(part).argmax(dim=1) for part in x.split(ROWS_PER_PASS)]) == y
    return {"probe_codes": Measurement(float(right.double().mean()), "fraction", "higher", _HOW)}


def _labelled(split: Split) -> tuple[Tensor, Tensor]:
    known = split.y != UNLABELLED
    return split.x[known], split.y[known]
