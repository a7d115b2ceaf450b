"""`measure_references()`: what the probes of codes stand beside, the raw input and a supervised network.

They depend on the data alone, so that every run on them is held against the same, and are kept in the cache by its
fingerprint. The network serves as judge too: of what a model draws (`cospike.interventions`).
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors.torch import save as format_tensors

from cospike import probes
from cospike._errors import InputError
from cospike._files import write_cached
from cospike._reading import MAX_BINARY, parse_json, read_file
from cospike._types import UNLABELLED
from cospike.classifier import Classifier, accuracy, fit_classifier
from cospike.counts import LogNormalise, log_normalise
from cospike.data import Dataset, Split
from cospike.metrics import PROBE_ROWS, Measurement, parse_measurements
from cospike.progress import working
from cospike.runs import read_config
from cospike.schedule import steps_per_epoch
from cospike.sources import cache_folder
from cospike.tensors import check_fit, parse_tensors

_VERSION = 2  # of what is below: a higher one passes over what is in the cache
_STEPS, _EPOCHS = 1_200, 30  # six epochs of MNIST; of small data, what is enough
_MAX_COLUMNS = 4_096  # a probe of more raw columns takes minutes
_MAX_INPUTS = 65_536  # the network then has 26 million weights, 100 MB
_INPUT = (
    f"accuracy of a logistic regression (standardised, C = 1, first {PROBE_ROWS:,} labelled training rows) on the raw "
    "input, of counts the logarithms of their shares: what a probe reads without a model"
)
_CEILING = (
    "accuracy of a supervised network (fully connected, 400 hidden units, all labelled training rows): what can be "
    "read from the input"
)


@dataclass(frozen=True, eq=False)
class References:
    """What the raw data give away.

    Attributes:
        classifier: the supervised network.
        metrics: ``probe_input`` and ``probe_supervised``, as far as there are rows to measure them on.
        fingerprint: of the data.
    """

    classifier: Classifier
    metrics: dict[str, Measurement]
    fingerprint: str

    def to_bytes(self) -> bytes:
        """One safetensors file."""
        metrics = {name: asdict(measured) for name, measured in self.metrics.items()}
        told = {"metrics": json.dumps(metrics), "fingerprint": self.fingerprint}
        told |= {"input": "counts"} if isinstance(self.classifier.look, LogNormalise) else {}
        return bytes(format_tensors(self.classifier.state_dict(), told))

    @classmethod
    def from_bytes(cls, content: bytes, shape: tuple[int, ...], n_classes: int, fingerprint: str) -> "References":
        """The inverse of `to_bytes`.

        Raises:
            ValueError: if the content is no such file, or of other data.
        """
        try:
            weights, told = parse_tensors(content)
            counts = told.get("input") == "counts"
            check_fit(lambda: Classifier(shape, n_classes, counts=counts), weights)
            classifier = Classifier(shape, n_classes, counts=counts)
            classifier.load_state_dict(weights)
            metrics = parse_measurements(parse_json(told["metrics"].encode()))
        except (RuntimeError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError("it is no supervised network for these data") from error
        if told.get("fingerprint") != fingerprint:
            raise ValueError("it is no supervised network for these data")
        return cls(classifier.eval(), metrics, fingerprint)


def measure_references(data: Dataset, *, cache: bool = True) -> References | None:
    """A supervised network, and how well it and a probe of the raw input name the class of test rows.

    Args:
        data: any; None comes back if fewer than two classes have training rows, or a row has over 65,536 values, of
            which the network would be too large to keep.
        cache: keep and use results in the folder COSPIKE_CACHE_DIR, or the platform's own for caches, by the
            fingerprint of the data: they take a quarter of a minute on MNIST.
    """
    if len(np.setdiff1d(data.train.y.numpy(), [UNLABELLED])) < 2 or np.prod(data.shape) > _MAX_INPUTS:
        return None
    fingerprint = data.fingerprint
    path = cache_folder() / "references" / f"{fingerprint}-{_VERSION}.safetensors"
    if cache:
        with suppress(OSError, ValueError):
            return References.from_bytes(read_file(path, MAX_BINARY), data.shape, data.n_classes, fingerprint)
    with working("training a supervised network, to compare with"):
        references = _measure(data, fingerprint)
    if cache:
        write_cached(path, references.to_bytes())
    return references


def read_references(run: Path, shape: tuple[int, ...], n_classes: int) -> References | None:
    """What a run keeps; None if it keeps nothing.

    Raises:
        InputError: if the file is damaged, or of other data.
    """
    path = run / "references.safetensors"
    if not path.is_file():
        return None
    try:
        fingerprint = str(read_config(run)["data"].get("fingerprint"))
        return References.from_bytes(read_file(path, MAX_BINARY), shape, n_classes, fingerprint)
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}. Delete it: a report does without.") from error


def _measure(data: Dataset, fingerprint: str) -> References:
    batch_size = min(250, max(1, len(data.train) // 10))
    epochs = min(_EPOCHS, max(1, round(_STEPS / steps_per_epoch(len(data.train), batch_size))))
    classifier = fit_classifier(data, epochs=epochs, batch_size=batch_size, learning_rate=2.5e-3)
    metrics = {}
    if ceiling := accuracy(classifier, data.test):
        metrics["probe_supervised"] = Measurement(ceiling.value, "fraction", "higher", _CEILING)
        if np.prod(data.shape) <= _MAX_COLUMNS:
            counts = data.likelihood == "negative-binomial"
            train, held_out = _rows(data.train, PROBE_ROWS, counts=counts), _rows(data.test, counts=counts)
            if 1 < len(np.unique(train.labels)) <= probes.MOST_CLASSES:
                value = probes.logistic_accuracy(train, held_out)
                metrics["probe_input"] = Measurement(value, "fraction", "higher", _INPUT)
    return References(classifier, metrics, fingerprint)


def _rows(split: Split, n: int | None = None, *, counts: bool = False) -> probes.Rows:
    """The first ``n`` labelled rows, flat; of counts the logarithms of their shares."""
    known = (split.y != UNLABELLED).nonzero().squeeze(1)[:n]
    x = split.x.index_select(0, known).flatten(1)
    return probes.Rows((log_normalise(x) if counts else x).numpy(), split.y[known].numpy())
