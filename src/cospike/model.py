"""`SparseVAE`: an encoder that returns a distribution, a decoder that returns a distribution, and a prior."""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributions import Distribution

from cospike._errors import InputError
from cospike._random import Noise
from cospike.codes import Codes
from cospike.columns import Column
from cospike.counts import LogNormalise
from cospike.decoders import Decoder, LikelihoodName, conv_mirror, mlp_mirror
from cospike.divergence import ALWAYS_ON_LOGIT
from cospike.encoders import Encoder, conv_trunk, mlp_trunk
from cospike.mixed import parse_likelihood
from cospike.priors import ClassPrior, FixedPrior, PseudoInputPrior, default_active_prior, default_n_dense
from cospike.settings import check_model_settings, sizes, whole
from cospike.sparse_rows import ENTRIES_PER_PASS
from cospike.spike_slab import Spikes, SpikeSlab

NetworkName: TypeAlias = Literal["mlp", "conv"]
PriorName: TypeAlias = Literal["fixed", "per-class", "pseudo-inputs"]


class Output(NamedTuple):
    """What one pass gives: all that an objective needs."""

    posterior: SpikeSlab
    prior: SpikeSlab
    spikes: Float[Tensor, "batch latent"]  # what is active in the draw that was decoded, 1 or 0, with gradients
    likelihood: Distribution
    pattern: SpikeSlab | None = None  # what a conditional prior expects of each row
    by_class: bool = False  # whether that is the pattern of its class, and says nothing where the class is not known


class SparseVAE(nn.Module):
    """A variational autoencoder whose latents are exactly 0 or drawn from a Gaussian slab.

    Every model of this library, from a plain VAE to the class-consistent one, is this module: what differs is the
    prior and the `Objective` (Tonolini et al., *Variational Sparse Coding*, UAI 2019; Sangari Abiz et al., arXiv
    2505.14476).

    Args:
        shape: axes of one observation, such as ``(1, 28, 28)``.
        n_latents: number of latents offered; training uses as many as pay.
        network: "mlp", or "conv" for images.
        hidden: widths of the fully connected layers of the encoder, mirrored in the decoder.
        likelihood: "bernoulli" for values in [0, 1], "gaussian" for any, "negative-binomial" for counts, which the
            encoder sees as logarithms of shares (`cospike.counts`), or blocks for a table (`Dataset.likelihood`).
        active_prior: α, the prior P(latent ≠ 0) of a sparse latent; default `default_active_prior`.
        n_dense: the first so many latents are always on (α = 1), for factors that every sample has; default
            `default_n_dense`. With 0 all are sparse, as in VSC and the paper; with ``n_latents`` it is a VAE.
        prior: what training holds a sample's latents to: "fixed", or also a learned pattern, "per-class" or of
            "pseudo-inputs" (`cospike.priors`).
        n_classes: of a "per-class" prior.
        n_pseudo_inputs: of a prior of "pseudo-inputs".
        seed: of the initial weights.

    Raises:
        InputError: for an unknown name or a value that makes no model.

    >>> model = SparseVAE(shape=(1, 8, 8), n_latents=5)
    >>> q = model.encode(torch.zeros(3, 1, 8, 8))
    >>> q.batch_shape, model.decode(q.sample()).mean.shape
    (torch.Size([3, 5]), torch.Size([3, 1, 8, 8]))
    """

    pattern_logits: Tensor
    pattern_loc: Tensor
    pattern_scale: Tensor
    pattern_counts: Tensor
    dense_axes: Tensor | None

    def __init__(
        self,
        shape: Sequence[int],
        n_latents: int = 60,
        *,
        network: NetworkName = "mlp",
        hidden: Sequence[int] = (400,),
        likelihood: LikelihoodName | Sequence[Sequence[Any]] = "bernoulli",
        active_prior: float | None = None,
        n_dense: int | None = None,
        prior: PriorName = "fixed",
        n_classes: int | None = None,
        n_pseudo_inputs: int = 20,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape, n_latents = sizes(shape, "shape"), whole(n_latents, "n_latents")
        likelihood = parse_likelihood(likelihood, self.shape)
        counts = likelihood == "negative-binomial"
        active_prior = default_active_prior(self.shape, counts=counts) if active_prior is None else active_prior
        n_dense = default_n_dense(self.shape, n_latents, counts=counts) if n_dense is None else n_dense
        self.settings: dict[str, Any] = {
            "shape": list(self.shape),
            "n_latents": n_latents,
            "network": network,
            "hidden": list(sizes(hidden, "hidden")),
            "likelihood": likelihood,
            "active_prior": active_prior,
            "n_dense": n_dense,
            "prior": prior,
            "n_classes": n_classes,
            "n_pseudo_inputs": n_pseudo_inputs,
            "seed": seed,
        }
        self.class_names: tuple[str, ...] = ()
        self.columns: tuple[Column, ...] = ()  # what the entries of a row are, as far as `fit` knew
        choices = {"network": NetworkName, "likelihood": LikelihoodName, "prior": PriorName}
        check_model_settings(self.settings, {name: get_args(known) for name, known in choices.items()})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            trunk, mirror = (mlp_trunk, mlp_mirror) if network == "mlp" else (conv_trunk, conv_mirror)
            self.prior = FixedPrior(n_latents, active_prior, n_dense=n_dense)
            layers, n_features = trunk(self.shape, self.settings["hidden"])
            if counts:
                layers = nn.Sequential(LogNormalise(), *layers)
            self.encoder = Encoder(layers, n_features, n_latents, n_dense=n_dense)
            self.decoder = Decoder(mirror(self.shape, self.settings["hidden"], n_latents), self.shape, likelihood)
            self.conditional_prior: nn.Module | None = None
            if prior == "per-class":
                self.conditional_prior = ClassPrior(n_latents, n_classes or 0, n_dense=n_dense)
            if prior == "pseudo-inputs":
                self.conditional_prior = PseudoInputPrior(self.shape, n_pseudo_inputs)
        for name in ("logits", "loc", "scale"):
            self.register_buffer(f"pattern_{name}", torch.empty(0, n_latents))
        self.register_buffer("pattern_counts", torch.empty(0))
        self.register_buffer("dense_axes", None)  # until `turn`

    @torch.no_grad()
    def start_from(self, counts: Float[Tensor, " gene"]) -> None:
        """Let a model of counts start from the shares of each entry in the training rows, unless it has a start.

        Args:
            counts: of all training rows together.
        """
        if self.settings["likelihood"] == "negative-binomial" and not self.decoder.baseline.any():
            self.decoder.baseline.copy_(((counts + 0.5) / (counts + 0.5).sum()).log())

    @property
    def n_latents(self) -> int:
        """Number of latents."""
        return int(self.settings["n_latents"])

    @property
    def n_dense(self) -> int:
        """Number of latents that are always on, the first ones."""
        return int(self.settings["n_dense"])

    @property
    def is_dense(self) -> bool:
        """Whether no latent has a spike: a VAE."""
        return self.n_dense == self.n_latents

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.prior.logits.device

    def encode(self, x: Float[Tensor, "batch *event"]) -> SpikeSlab:
        """q(z | x) [batch, latent]."""
        posterior: SpikeSlab = self.encoder(x)
        if self.dense_axes is None:
            return posterior
        k, axes = self.n_dense, self.dense_axes
        loc, scale = posterior.loc[:, :k, None], posterior.scale[:, :k, None]  # no product that bfloat16 would round
        loc = torch.cat([(loc * axes).sum(1), posterior.loc[:, k:]], dim=1)
        scale = torch.cat([(axes / scale).square().sum(1).rsqrt(), posterior.scale[:, k:]], dim=1)
        return SpikeSlab(posterior.active_logits, loc, scale, validate_args=False)

    def decode(self, z: Float[Tensor, "batch latent"]) -> Distribution:
        """p(x | z): a likelihood whose `log_prob` is nats per row, and whose `mean` is the picture."""
        if self.dense_axes is not None:
            z = torch.cat([z[:, : self.n_dense] @ self.dense_axes.T, z[:, self.n_dense :]], dim=1)
        likelihood: Distribution = self.decoder(z)
        return likelihood

    @torch.no_grad()
    def decode_mean(self, z: Float[np.ndarray, "sample latent"]) -> Float[np.ndarray, "sample *event"]:
        """The mean of the likelihood of each code, as an array: a picture, of images."""
        codes = torch.as_tensor(np.require(z, np.float32, "W"), device=self.device)  # what pandas gives is read-only
        parts = codes.split(max(1, ENTRIES_PER_PASS // math.prod(self.shape)))
        return torch.cat([self.decode(part).mean.cpu() for part in parts]).numpy()

    def forward(
        self,
        x: Float[Tensor, "batch *event"],
        labels: Int[Tensor, " batch"] | None = None,
        *,
        spikes: Spikes = "second-order",
        sharpness: float = 200.0,
        slab_share: float = 1.0,
        noise: Noise | None = None,
    ) -> Output:
        """One pass with one draw of the latents.

        Args:
            x: observations.
            labels: class of each row, −1 where unknown; only a conditional prior looks at them.
            spikes: how a gradient passes the spikes (`SpikeSlab.rsample`).
            sharpness: of a relaxed step.
            slab_share: λ of VSC's spike warm-up (`SpikeSlab.tempered`).
            noise: to draw the latents with.
        """
        posterior = self.encode(x).tempered(slab_share)
        drawn, z = posterior.rsample_parts(spikes=spikes, sharpness=sharpness, noise=noise)
        pattern = None
        if self.conditional_prior is not None and labels is not None:
            pattern = self.conditional_prior(x, labels, lambda inputs: self.encode(inputs).tempered(slab_share))
        by_class = isinstance(self.conditional_prior, ClassPrior)
        return Output(posterior, self.prior(), drawn, self.decode(z), pattern, by_class)

    def turn(self, axes: Float[np.ndarray, "dense axis"]) -> None:
        """Take other axes for the dense block: p(x) stays what it is, as its fixed prior N(0, I) has no axes.

        The posterior stays diagonal, now in the new axes. Of all such, it is the one with the lowest KL to what it was:
        the precisions along the axes are kept, not the variances (`cospike.axes` says what is lost). Class patterns are
        of the old axes, and are forgotten: `set_class_patterns` makes them anew.

        Args:
            axes: an orthogonal matrix whose columns are the new axes in those that the model has now.

        Raises:
            InputError: if it is of another size, or not orthogonal: p(x) would not stay.
        """
        axes = np.asarray(axes, dtype=float)
        fits = axes.shape == (self.n_dense, self.n_dense)
        if not fits or not np.allclose(axes.T @ axes, np.eye(self.n_dense), atol=1e-4):
            got = "one that is not orthogonal" if fits else f"shape {axes.shape}"
            raise InputError(
                f"'axes' of SparseVAE.turn must be an orthogonal matrix [{self.n_dense}, {self.n_dense}], got {got}. "
                "`orthogonal_axes` of cospike.axes gives one."
            )
        new = torch.as_tensor(axes, dtype=torch.float32, device=self.device)
        self.dense_axes = new if self.dense_axes is None else self.dense_axes @ new
        self.resize_class_patterns(0)

    def prior_components(self) -> SpikeSlab:
        """The prior that the model was trained for, as a uniform mixture: `SpikeSlab` [component, latent].

        One component, the fixed prior, but for pseudo-inputs: their codes (VSC, UAI 2019; after Tomczak, Welling,
        *VAE with a VampPrior*, AISTATS 2018).
        """
        if isinstance(self.conditional_prior, PseudoInputPrior):
            return self.encode(self.conditional_prior.pseudo_inputs.view(-1, *self.shape))
        prior: SpikeSlab = self.prior()
        return prior.expand((1, self.n_latents))

    @property
    def class_patterns(self) -> SpikeSlab | None:
        """What is active in each class, and with which values: `SpikeSlab` [class, latent], or None before `fit`.

        Moment-matched to the class's training codes: the mean active_probs, and mean and variance of the slabs
        weighted by them.
        """
        parts = self.pattern_logits, self.pattern_loc, self.pattern_scale
        return SpikeSlab(*parts, validate_args=False) if len(self.pattern_counts) else None

    @property
    def class_probs(self) -> Float[Tensor, " class"]:
        """Share of each class in the labelled training data; zeros if none is labelled."""
        return self.pattern_counts / self.pattern_counts.sum().clamp_min(1)

    def resize_class_patterns(self, n_classes: int) -> None:
        """Make room for the patterns of ``n_classes`` classes, before weights are loaded into them."""
        for name in ("logits", "loc", "scale"):
            setattr(self, f"pattern_{name}", torch.zeros(n_classes, self.n_latents, device=self.device))
        self.pattern_counts = torch.zeros(n_classes, device=self.device)

    def set_class_patterns(self, codes: Codes) -> None:
        """Store the class patterns of the training ``codes``; a class without samples keeps the prior's."""
        weight = codes.active_probs.astype("float64")
        mean_on, mean_off = codes.class_means(weight), codes.class_means(1.0 - weight)
        with np.errstate(invalid="ignore", divide="ignore"):  # a latent that is never on keeps the prior's slab
            loc = codes.class_means(weight * codes.slab_loc) / mean_on
            second = codes.class_means(weight * (codes.slab_scale**2.0 + codes.slab_loc**2.0)) / mean_on
        prior = self.prior()

        def buffer(values: Any, empty: Tensor) -> Tensor:
            tensor = torch.as_tensor(values, dtype=torch.float32, device=self.device)
            return torch.where(tensor.isfinite(), tensor, empty)

        on, off = torch.as_tensor(mean_on), torch.as_tensor(mean_off)
        logits = (on.log() - off.log()).clamp(-ALWAYS_ON_LOGIT, ALWAYS_ON_LOGIT)
        self.pattern_logits = buffer(logits, prior.active_logits)
        self.pattern_loc = buffer(loc, prior.loc)
        self.pattern_scale = buffer((second - loc**2.0).clip(1e-12) ** 0.5, prior.scale)
        self.pattern_counts = torch.as_tensor(codes.class_counts(), dtype=torch.float32, device=self.device)
        self.class_names = codes.class_names
