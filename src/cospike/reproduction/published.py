"""VSC's published figures: the bound with relaxed spikes, as it was trained, and with exact ones, and the probe."""

from typing import Any

import numpy as np
import torch

from cospike._random import private_random_state
from cospike._types import UNLABELLED
from cospike.codes import Codes
from cospike.data import Split
from cospike.encoding import evaluating, rows_per_pass
from cospike.model import SparseVAE
from cospike.probes import Rows, logistic_accuracy

PROBE_LABELS = 5_000
"""Labels of the probe on μ, as published."""

SHARPNESS = 200.0
"""Of the relaxed step at the end of training."""


@torch.no_grad()
def relaxed_reconstruction(model: SparseVAE, split: Split, *, sharpness: float = SHARPNESS, seed: int = 0) -> float:
    """−ln p(x | z) in nats a sample, mean, of a z whose spikes are relaxed: a latent that is off leaks a little."""
    total = 0.0
    with private_random_state(seed), evaluating(model):
        for x in split.x.split(rows_per_pass(model.shape)):
            output = model(x, spikes="relaxed", sharpness=sharpness)
            total -= float(output.likelihood.log_prob(x).double().sum())
    return total / len(split)


def probe_of_means(train: Codes, test: Codes, *, n_labels: int = PROBE_LABELS) -> float:
    """Accuracy of a logistic regression on the slab means, active or not, fitted on the first ``n_labels`` rows."""
    rows = np.flatnonzero(train.labels != UNLABELLED)[:n_labels]
    known = test.labels != UNLABELLED
    fitted, judged = Rows(train.slab_loc[rows], train.labels[rows]), Rows(test.slab_loc[known], test.labels[known])
    return logistic_accuracy(fitted, judged)


def figures(model: SparseVAE, split: Split, test: Codes, train: Codes, exact: dict[str, float]) -> dict[str, Any]:
    """What stands beside a published figure.

    Args:
        model: trained at the published settings.
        split: the test rows.
        test: their codes.
        train: codes of the training rows.
        exact: ``neg_elbo`` and ``reconstruction`` with exact spikes.
    """
    kl = exact["neg_elbo"] - exact["reconstruction"]
    relaxed = exact["neg_elbo"] if model.is_dense else relaxed_reconstruction(model, split) + kl
    return {
        "exact": exact["neg_elbo"],
        "relaxed": relaxed,
        "probe": probe_of_means(train, test),
        "n_labels": int(min(PROBE_LABELS, len(train))),
        "n_test": len(test),
    }
