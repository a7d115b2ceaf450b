"""`SparseVAE`: an encoder that returns a distribution, a decoder that returns a distribution, and a prior."""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from cospike._errors import InputError, did_you_mean
from cospike.codes import Codes
from cospike.decoders import Decoder, LikelihoodName, conv_mirror, mlp_mirror
from cospike.encoders import Encoder, conv_trunk, mlp_trunk
from cospike.priors import FixedPrior
from cospike.spike_slab import ALWAYS_ON_LOGIT, Spikes, SpikeSlab

NetworkName: TypeAlias = Literal["mlp", "conv"]


class Output(NamedTuple):
    """What one pass gives: all that an objective needs."""

    posterior: SpikeSlab
    prior: SpikeSlab
    likelihood: Distribution


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
        likelihood: "bernoulli" for values in [0, 1], "gaussian" for any.
        active_prior: α, the prior P(latent ≠ 0); default `default_active_prior`. With 1 there are no spikes: a VAE.
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

    def __init__(
        self,
        shape: Sequence[int],
        n_latents: int = 60,
        *,
        network: NetworkName = "mlp",
        hidden: Sequence[int] = (400,),
        likelihood: LikelihoodName = "bernoulli",
        active_prior: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        active_prior = default_active_prior(self.shape) if active_prior is None else active_prior
        self.settings: dict[str, Any] = {
            "shape": list(self.shape),
            "n_latents": n_latents,
            "network": network,
            "hidden": list(hidden),
            "likelihood": likelihood,
            "active_prior": active_prior,
            "seed": seed,
        }
        self.class_names: tuple[str, ...] = ()
        _check(self.settings)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            trunk, mirror = (mlp_trunk, mlp_mirror) if network == "mlp" else (conv_trunk, conv_mirror)
            self.prior = FixedPrior(n_latents, active_prior)
            self.encoder = Encoder(*trunk(self.shape, hidden), n_latents, always_on=self.always_on)
            self.decoder = Decoder(mirror(self.shape, hidden, n_latents), self.shape, likelihood)
        for name in ("logits", "loc", "scale"):
            self.register_buffer(f"pattern_{name}", torch.empty(0, n_latents))
        self.register_buffer("pattern_counts", torch.empty(0))

    @property
    def n_latents(self) -> int:
        """Number of latents."""
        return int(self.settings["n_latents"])

    @property
    def always_on(self) -> bool:
        """Whether the prior leaves no spikes (α = 1): a VAE."""
        return bool(self.prior.active_prob == 1)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.prior.logits.device

    def encode(self, x: Float[Tensor, "batch *event"]) -> SpikeSlab:
        """q(z | x) [batch, latent]."""
        posterior: SpikeSlab = self.encoder(x)
        return posterior

    def decode(self, z: Float[Tensor, "batch latent"]) -> Distribution:
        """p(x | z): a likelihood whose `log_prob` is nats per row, and whose `mean` is the picture."""
        likelihood: Distribution = self.decoder(z)
        return likelihood

    def forward(
        self, x: Float[Tensor, "batch *event"], *, spikes: Spikes | Literal["exact"] = "exact", sharpness: float = 200.0
    ) -> Output:
        """One pass with one draw of the latents; "exact" spikes carry no gradient to the encoder."""
        posterior = self.encode(x)
        z = posterior.sample() if spikes == "exact" else posterior.rsample(spikes=spikes, sharpness=sharpness)
        return Output(posterior, self.prior(), self.decode(z))

    @property
    def class_patterns(self) -> SpikeSlab | None:
        """What is active in each class, and with which values: `SpikeSlab` [class, latent], or None before `fit`.

        Moment-matched to the class's training codes: the mean active_probs, and mean and variance of the slabs
        weighted by them.
        """
        if not len(self.pattern_counts):
            return None
        return SpikeSlab(self.pattern_logits, self.pattern_loc, self.pattern_scale, validate_args=False)

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
        self.pattern_logits = buffer(
            (on.log() - off.log()).clamp(-ALWAYS_ON_LOGIT, ALWAYS_ON_LOGIT), prior.active_logits
        )
        self.pattern_loc = buffer(loc, prior.loc)
        self.pattern_scale = buffer((second - loc**2.0).clip(1e-12) ** 0.5, prior.scale)
        self.pattern_counts = torch.as_tensor(codes.class_counts(), dtype=torch.float32, device=self.device)
        self.class_names = codes.class_names


def default_active_prior(shape: tuple[int, ...]) -> float:
    """The α of a model that is given none: 0.01 for 28 × 28 values and more, up to 0.1 for fewer.

    A latent that is on costs ln(1/α) nats. An observation of few values has few nats to win: at 0.01 the codes of
    8 × 8 digits are mostly empty. The rule is ours, a starting point.

    >>> default_active_prior((1, 28, 28)), default_active_prior((1, 8, 8))
    (0.01, 0.1)
    """
    return min(0.1, max(0.01, 0.01 * 28 * 28 / max(1, math.prod(shape))))


def _check(settings: dict[str, Any]) -> None:
    """Refuse settings that make no model, with the reason."""
    for name, known in (("network", get_args(NetworkName)), ("likelihood", get_args(LikelihoodName))):
        if settings[name] not in known:
            raise InputError(
                f"Unknown {name} {settings[name]!r} of SparseVAE. {did_you_mean(str(settings[name]), known)}"
            )
    for name in ("shape", "hidden"):
        if any(size < 1 for size in settings[name]):
            raise InputError(f"'{name}' of SparseVAE must be positive numbers, got {settings[name]}.")
    if settings["n_latents"] < 1:
        raise InputError(f"'n_latents' of SparseVAE must be at least 1, got {settings['n_latents']}.")
    if settings["network"] == "conv" and len(settings["shape"]) != 3:
        raise InputError(
            f"'network' of SparseVAE must be 'mlp' for observations of shape {settings['shape']}: "
            "'conv' needs (channels, height, width)."
        )
