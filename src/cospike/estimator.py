"""cospike in scikit-learn: a transformer whose codes are sparse, and a classifier that reads the class off them.

Both are `fit` behind the conventions of scikit-learn: pipelines, `GridSearchCV`, cloning, names of columns. A row is a
sample. For a Gaussian likelihood the columns are standardised, so that units do not matter; for a Bernoulli one they
lie in 0 … 1. Labels may be of any type. Run folders, displays and several processes are not a matter of an estimator:
train with `fit` for those.
"""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from cospike._errors import InputError
from cospike._types import UNLABELLED
from cospike.labels import is_unlabelled, number_classes

if TYPE_CHECKING:
    from cospike.codes import Codes

_MOST_VALIDATION_ROWS = 1_000  # without `patience` they decide nothing, and are looked at once an epoch


class _SparseVAEEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What transformer and classifier have in common: a model that is fitted, and the codes of rows."""

    def __init__(
        self,
        n_latents: int = 32,
        *,
        objective: str | None = None,
        objective_settings: dict[str, float] | None = None,
        hidden: tuple[int, ...] = (400,),
        likelihood: Literal["gaussian", "bernoulli"] = "gaussian",
        active_prior: float | None = None,
        n_dense: int | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        patience: int | None = None,
        validation_fraction: float = 0.1,
        unlabelled: Any = None,
        random_state: int | np.random.RandomState | None = 0,
        accelerator: str = "auto",
    ) -> None:
        self.n_latents = n_latents
        self.objective = objective
        self.objective_settings = objective_settings
        self.hidden = hidden
        self.likelihood = likelihood
        self.active_prior = active_prior
        self.n_dense = n_dense
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.unlabelled = unlabelled
        self.random_state = random_state
        self.accelerator = accelerator

    def _read_rows(self, X: Any, **settings: Any) -> np.ndarray:
        """Rows as scikit-learn checks them, which drops a mask in silence."""
        if np.ma.is_masked(X):
            raise InputError("'X' must have no masked values, got some. Fill them, or drop their rows.")
        return np.asarray(validate_data(self, X, dtype=[np.float64, np.float32], **settings))

    def _fit(self, rows: np.ndarray, labels: np.ndarray) -> None:
        """Train on checked rows and their class indices."""
        import torch

        from cospike.data import Dataset, Split
        from cospike.model import SparseVAE
        from cospike.objective import Objective
        from cospike.options import model_settings
        from cospike.train import fit

        name = self.objective or ("class-consistent" if len(np.setdiff1d(labels, [UNLABELLED])) > 1 else "vsc")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._set_scale(rows)
        train, validation = self._deal(labels, seed)
        x, y = torch.from_numpy(self._scaled(rows)), torch.from_numpy(labels)
        model = SparseVAE(
            x.shape[1:],
            self.n_latents,
            hidden=self.hidden,
            likelihood=self.likelihood,
            seed=seed,
            **model_settings(name, self.n_latents, active_prior=self.active_prior, n_dense=self.n_dense),
        )
        held_out = Split(x[validation], y[validation])
        self.history_ = fit(
            model,
            Dataset("X", Split(x[train], y[train]), held_out, held_out, tuple(map(str, self.classes_))),
            objective=Objective.preset(name, **(self.objective_settings or {})),
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            patience=self.patience,
            seed=seed,
            accelerator=self.accelerator,
            progress=False,
        )
        self.model_ = model
        self.n_iter_ = len(self.history_)

    def _deal(self, labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows to train on, and those to look at after an epoch: others only if they decide when to stop."""
        from cospike.splits import deal

        if self.patience is None:
            return np.arange(len(labels)), np.arange(min(len(labels), _MOST_VALIDATION_ROWS))
        n_held_out = round(self.validation_fraction * len(labels))
        if not 0 < n_held_out < len(labels):
            raise InputError(
                f"'validation_fraction' of {type(self).__name__} must leave rows to train on and to choose by, "
                f"got {self.validation_fraction} of {len(labels)} rows."
            )
        held_out, train = deal(labels, [n_held_out], seed=seed)
        return train, held_out

    def _set_scale(self, rows: np.ndarray) -> None:
        """Mean and standard deviation of each column, of one that is constant 1; of Bernoulli means they are let be."""
        if self.likelihood == "gaussian":
            with np.errstate(over="ignore", invalid="ignore"):
                self.mean_, deviation = rows.mean(axis=0, dtype=float), rows.std(axis=0, dtype=float)
            if not np.isfinite(deviation).all():
                raise InputError(
                    "'X' of fit must have columns of finite variance, got values up to "
                    f"{np.abs(rows).max():.0e}. Scale them."
                )
            negligible = deviation <= 10 * np.finfo(rows.dtype).eps * np.abs(self.mean_)
            self.scale_ = np.where(negligible, 1.0, deviation)
        else:
            self.mean_, self.scale_ = np.zeros(rows.shape[1]), np.ones(rows.shape[1])

    def _scaled(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray((rows - self.mean_) / self.scale_, dtype=np.float32)

    def _encode(self, X: Any) -> "tuple[Codes, np.dtype[Any]]":
        """The codes of rows that look like those of the fit, and their type of number."""
        from cospike.encoding import encode_dataset

        check_is_fitted(self, "model_")
        rows = self._read_rows(X, reset=False)
        codes = encode_dataset(self.model_, self._scaled(rows), accelerator=self.accelerator, progress=False)
        return codes, rows.dtype


class SparseVAETransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _SparseVAEEstimator):  # type: ignore[misc]
    """Sparse codes of rows: each latent is exactly 0, or the mean of what it may be where it is active.

    With labels, what is active agrees within a class (the objective "class-consistent"); without, it is plain
    Variational Sparse Coding ("vsc").

    Args:
        n_latents: number of latents offered; training uses as many as pay.
        objective: a preset of `Objective` by its name on the command line; default as above.
        objective_settings: of the preset, such as ``{"within": 3.0}``.
        hidden: widths of the layers of the encoder, mirrored in the decoder.
        likelihood: "gaussian" for any values, or "bernoulli" for values in 0 … 1.
        active_prior: the share of rows in which a sparse latent is expected to be active; default: by the columns.
        n_dense: the first so many latents are always active; default: by the columns and the objective.
        epochs: of the training; default, as of the next two: as `fit` has them.
        batch_size: rows a step.
        learning_rate: of Adam.
        patience: stop after so many epochs without a better loss on held-out rows; default: train to the end.
        validation_fraction: the share of rows to hold out, if ``patience`` is given.
        unlabelled: the label that says that a row has none, such as −1, or ``numpy.nan`` for NaN and None; default:
            every row has one.
        random_state: of the weights, the order of rows and all draws.
        accelerator: "auto", "cpu", "cuda", "mps".

    Attributes:
        model_: the `SparseVAE`.
        classes_: the labels, in the order of its class patterns; empty without any.
        history_: a row an epoch, as of `fit`; ``n_iter_`` of them.
        mean_, scale_: what columns were standardised with.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> codes = SparseVAETransformer(n_latents=6, epochs=5).fit(X, y).transform(X)
    >>> codes.shape, bool((codes == 0).any())
    ((150, 6), True)
    """

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return int(self.n_latents)

    def fit(self, X: Any, y: Any = None) -> "SparseVAETransformer":
        """Train on rows, and on their labels if they are given."""
        rows = self._read_rows(X, ensure_min_samples=2)
        self.classes_, labels = number_classes(y, len(rows), self.unlabelled)
        self._fit(rows, labels)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The codes [sample, latent] of rows, in their type of number."""
        codes, dtype = self._encode(X)
        return np.asarray(codes.values(), dtype=dtype)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """The rows [sample, column] that codes stand for: the mean of the likelihood, in the columns' own units."""
        check_is_fitted(self, "model_")
        codes = np.asarray(X)
        if codes.ndim != 2 or codes.shape[1] != self.n_latents or codes.dtype.kind not in "fiub":
            raise InputError(
                f"'X' of inverse_transform must be codes [sample, {self.n_latents}], "
                f"got {codes.dtype} of shape {codes.shape}."
            )
        if not np.isfinite(codes).all():
            raise InputError("'X' of inverse_transform must be finite codes, got NaN or infinity. Fill or drop them.")
        rows = self.model_.decode_mean(codes) * self.scale_ + self.mean_
        return np.asarray(rows, dtype=codes.dtype if codes.dtype.kind == "f" else float)

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of a lower bound on ln p(x), in nats a row, in the columns' own units: higher is better.

        Against the fixed prior (`cospike.bounds`); labels are not looked at.
        """
        from cospike.likelihood import bounds

        codes, _ = self._encode(X)
        return float(-bounds(self.model_, codes)["neg_elbo"].value - np.log(self.scale_).sum())


class SparseVAEClassifier(ClassifierMixin, _SparseVAEEstimator):  # type: ignore[misc]
    """The class of a row by Bayes' rule from class patterns: p(y | x) ∝ p(y) exp(−KL(q(s | x) ‖ p(s | y))).

    No classifier is trained: the model is the same as `SparseVAETransformer`'s, and what decides is which latents are
    active (`cospike.class_probabilities`). Rows without a label help to learn what rows look like.

    Args and attributes are those of `SparseVAETransformer`.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True, as_frame=False)
    >>> SparseVAEClassifier(n_latents=8, epochs=60).fit(X, y).score(X, y) > 0.9
    True
    """

    def fit(self, X: Any, y: Any) -> "SparseVAEClassifier":
        """Train on rows and their labels, of which two classes at least are needed."""
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        rows = self._read_rows(X)
        self.classes_, labels = number_classes(y, len(rows), self.unlabelled)
        if len(self.classes_) < 2:
            raise InputError(f"'y' of fit must be of two classes at least, got {len(self.classes_)} class.")
        self._fit(rows, labels)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """p(class | row) [sample, class], in the order of ``classes_``."""
        from cospike.likelihood import class_probabilities

        codes, _ = self._encode(X)
        return class_probabilities(self.model_, codes)

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each row."""
        probs = self.predict_proba(X)
        return np.asarray(self.classes_[probs.argmax(axis=1)])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of rows whose class is right; rows without a label are left out."""
        y = column_or_1d(y)
        known = ~is_unlabelled(y, self.unlabelled)
        if not known.any():
            raise InputError("'y' of score must have a label of at least one row, got none.")
        rows = X[known] if not hasattr(X, "iloc") else X.iloc[known]
        weight = None if sample_weight is None else np.asarray(sample_weight)[known]
        return float(super().score(rows, y[known], weight))
