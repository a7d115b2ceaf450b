"""`Objective`: a sum of named terms, and the only place that reduces to one number.

    loss = reconstruction + pairwise · mean over latents of the paper's class loss
           + slab · [ w(t) · slab_kl + w_dense(t) · dense_kl ] + w(t) · [ within · within + between · between ]
           + sparsity · sparsity(α_t) + w(t) · sharing · spread + equivocation · equivocation

Every term is in nats a sample: summed over pixels and latents (the paper's pairwise term alone is averaged over
latents, as the paper says), averaged over the batch. The prices of the split are totals, not extras: (1, 1, 1)
is VSC. A latent that is always on pays its KL, ``dense_kl``, alone. With a conditional prior (`cospike.priors`), its
patterns stand where the class means of the batch do otherwise, and its slabs where those of the fixed prior do; only
equivocation always takes the class means.

**The warm-up** w(t) goes from 0 to 1. Sparsity is not free meanwhile: it is charged in full, against a milder prior
that tightens, α_t = early_prior^(1−w) · α^w. With free sparsity every latent is on in every sample at first, and
pruning then leaves a few that all classes share. With the annealed prior, patterns start sparse and differ between
classes (docs/design/0001-prior-annealing.md). Equivocation is charged in full throughout: classes that begin on one
pattern stay there. Dense latents may pay from the start, w_dense = e + (1 − e) w with
e = early_dense: free ones would take what the sparse ones are there to tell.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from inspect import signature
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cospike._errors import InputError, did_you_mean
from cospike.divergence import ALWAYS_ON_LOGIT
from cospike.information import equivocation, pairwise_js, prior_information, spike_parts
from cospike.model import Output
from cospike.schedule import Schedule
from cospike.settings import check_prices
from cospike.share import Share
from cospike.spike_slab import Spikes, check_spikes, slab_kl


class Terms(NamedTuple):
    """One scalar to minimise, and what it is made of: each part in nats a sample, before its price, detached."""

    loss: Float[Tensor, ""]
    parts: dict[str, Float[Tensor, ""]]


@dataclass(frozen=True)
class Objective:
    """Prices and schedules of a training objective; use a preset, or set the prices.

    Attributes:
        name: shown in tables and kept in the run folder.
        slab: price of a nat of slab KL (β of a β-VAE).
        within: price of a nat by which a sample's pattern strays from its class.
        between: price of a nat that the pattern tells about the class.
        equivocation: price of a nat of doubt about the class that the pattern leaves. Without it, classes that look
            alike may end on one pattern: within it all agree.
        sparsity: price of a nat of average use.
        sharing: ρ of the reward for spreading use that is taken back. At 0 it pays to copy a global factor into
            every class; as it grows, copies merge into shared latents.
        pairwise: λ of the paper's class loss.
        distance: take the paper's loss as a distance (square root) instead of a divergence.
        spikes: how a gradient passes the spikes (`SpikeSlab.rsample`).
        sharpness: of a relaxed step, over training.
        warm_up: weight of the KL terms, over training; against collapse onto few latents.
        early_prior: the prior P(latent ≠ 0) at the start of the warm-up.
        early_dense: the share of their price that dense latents pay at the start of the warm-up.
        slab_warm_up: λ of VSC's spike warm-up: the slab is N(λμ, λσ² + 1 − λ), so that at 0 only spikes can inform.
        pooled: take sparsity of the mean over latents, which then may be used unequally (VSC's pseudo-input version).

    >>> Objective.class_consistent(sharing=0.3)
    Objective(name='class-consistent', ... sharing=0.3, ...)
    """

    name: str = "custom"
    slab: float = 1.0
    within: float = 1.0
    between: float = 1.0
    equivocation: float = 0.0
    sparsity: float = 1.0
    sharing: float = 0.0
    pairwise: float = 0.0
    distance: bool = False
    spikes: Spikes = "second-order"
    sharpness: Schedule = field(default=Schedule(50.0, 200.0))
    warm_up: Schedule = field(default=Schedule(0.0, 1.0, until=0.5))
    early_prior: float = 0.2
    early_dense: float = 0.0
    slab_warm_up: Schedule = field(default=Schedule(1.0, 1.0))
    pooled: bool = False

    def __post_init__(self) -> None:
        """Refuse prices under which the objective has no minimum."""
        prices = ("slab", "within", "between", "equivocation", "sparsity", "sharing", "pairwise")
        check_prices(self, prices, ("early_prior", "early_dense"), ("sharpness", "warm_up", "slab_warm_up"))
        if self.sharing > 1:
            raise InputError(f"'sharing' of Objective must lie in 0 … 1, got {self.sharing}.")
        if not 0 < self.early_prior < 1 or not 0 <= self.early_dense <= 1:
            raise InputError(
                "'early_prior' and 'early_dense' of Objective must lie between 0 and 1, "
                f"got {self.early_prior} and {self.early_dense}."
            )
        for name in ("warm_up", "slab_warm_up"):
            ends = getattr(self, name)
            if not 0 <= min(ends.start, ends.end) <= max(ends.start, ends.end) <= 1:
                raise InputError(
                    f"'{name}' of Objective must go between 0 and 1, got {ends.start} … {ends.end}. It is a share."
                )
        check_spikes(self.spikes, "Objective")

    @classmethod
    def vae(cls, *, beta: float = 1.0) -> "Objective":
        """A VAE, or a β-VAE (Higgins et al., ICLR 2017): for a model in which every latent is dense."""
        return cls(name="vae", slab=beta)

    @classmethod
    def vsc(cls, *, early_dense: float = 0.0) -> "Objective":
        """Variational Sparse Coding (Tonolini, Jensen, Murray-Smith, UAI 2019), with the fixed prior (arXiv version).

        The warm-up, an annealed prior, is cospike's own, here as in every preset; so is its gain over published VSC.
        ``early_dense`` concerns a model with a dense block, which VSC itself has not.
        """
        return cls(name="vsc", early_dense=early_dense)

    @classmethod
    def vsc_pseudo_inputs(cls) -> "Objective":
        """VSC as in its UAI version: for a model with ``prior="pseudo-inputs"``; the spikes are warmed up first.

        Nothing is charged for the choice of a pseudo-input; sparsity is that of the mean over latents (supplement).
        Spikes are relaxed, as in VSC: with exact ones, this objective alone does worse (docs/design page 7).
        """
        slabs_last = Schedule(0.0, 1.0, begin=0.2, until=0.5)
        return cls(name="vsc-pseudo-inputs", between=0.0, pooled=True, spikes="relaxed", slab_warm_up=slabs_last)

    @classmethod
    def paper(cls, *, pairwise: float = 1000.0, distance: bool = False) -> "Objective":
        """VSC with class information (Sangari Abiz, Hosseini, Araabi, arXiv 2505.14476): VSC + λ · pairwise loss.

        The paper's λ and schedules are not known to us: the default λ and the warm-up are cospike's choice.
        """
        return cls(name="paper", pairwise=pairwise, distance=distance)

    @classmethod
    def class_consistent(
        cls, *, within: float = 5.0, between: float = 0.0, equivocation: float = 8.0, sharing: float = 0.0
    ) -> "Objective":
        """The default, cospike's own: straying from the class is dear, and so is a pattern that does not name it.

        Global factors have latents of their own that are always on (``n_dense`` of `SparseVAE`).
        """
        return cls(
            name="class-consistent",
            within=within,
            between=between,
            equivocation=equivocation,
            sharing=sharing,
            early_dense=1.0,
        )

    @classmethod
    def preset(cls, name: str, **settings: Any) -> "Objective":
        """A preset by its name on the command line, with some of its settings.

        Raises:
            InputError: for an unknown name, or a setting that the preset does not have.

        >>> Objective.preset("paper", pairwise=300.0).pairwise
        300.0
        """
        if name not in PRESETS:
            raise InputError(f"Unknown objective {name!r}. {did_you_mean(str(name), PRESETS)}")
        for setting in settings:
            owners = [other for other in PRESETS if setting in signature(PRESETS[other]).parameters]
            if name not in owners:
                belongs = f"; it belongs to {', '.join(owners)}" if owners else ""
                raise InputError(f"The objective {name!r} has no setting {setting!r}{belongs}.")
        return PRESETS[name](**settings)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, for `config.json`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> "Objective":
        """The inverse of `to_dict`."""
        unknown = set(settings) - {entry.name for entry in fields(cls)}
        if unknown:
            raise InputError(f"Unknown setting {min(unknown)!r} of Objective.")
        values: dict[str, Any] = {
            name: Schedule(**value) if isinstance(value, dict) else value for name, value in settings.items()
        }
        return cls(**values)

    def __call__(
        self,
        output: Output,
        x: Float[Tensor, "batch *event"],
        labels: Int[Tensor, " batch"],
        *,
        progress: float = 1.0,
    ) -> Terms:
        """The loss of a batch when a share ``progress`` of training is done.

        Rows labelled −1 take part in everything but the class terms: they add their plain spike KL (in two parts,
        what the pattern says about the sample, and sparsity), and both kinds of row are weighted by their share of
        the batch.
        """
        prior_probs = self.annealed(output.prior.active_probs, progress)
        return self.priced(self.terms(output, x, labels, prior_probs=prior_probs), progress)

    def terms(
        self,
        output: Output,
        x: Float[Tensor, "batch *event"],
        labels: Int[Tensor, " batch"],
        *,
        prior_probs: Float[Tensor, " latent"],
        share: Share | None = None,
        **known: Any,
    ) -> dict[str, Float[Tensor, ""]]:
        """What `__call__` puts its prices on; all that changes over training is in ``prior_probs`` (`annealed`).

        Of a ``share`` of a batch, what its rows contribute to them. What is ``known`` of the labels, the number of
        classes and whether every row has one, need not be looked for (`spike_parts`).
        """
        q, p, pattern = output.posterior, output.prior, output.pattern
        whole = share or Share(len(labels))
        kl = whole.mean(slab_kl(q, p if pattern is None else pattern))
        is_dense = p.active_logits >= ALWAYS_ON_LOGIT
        parts = {"reconstruction": -whole.mean(output.likelihood.log_prob(x))}
        for name, others in (("slab_kl", is_dense), ("dense_kl", ~is_dense)):
            parts[name] = kl.masked_fill(others, 0.0).sum()  # a product with 0 would keep a NaN of the others
        pattern_logits = None if pattern is None else pattern.active_logits
        spikes = output.spikes if self.equivocation else None
        if pattern_logits is not None and not output.by_class:
            parts |= prior_information(
                q.active_logits, pattern_logits, prior_probs, pooled=self.pooled, share=share
            ).totals()
            if spikes is not None:
                n_classes = known.get("n_classes")
                doubt = equivocation(spikes, q.active_logits, labels, n_classes=n_classes, share=share)
                parts["equivocation"] = doubt.sum() / whole.n_rows
        else:
            parts |= spike_parts(
                q.active_logits, labels, prior_probs, pattern_logits=pattern_logits, spikes=spikes, share=share, **known
            )
        if self.pairwise:
            n_sparse = (~is_dense).sum().clamp_min(1)
            parts["pairwise"] = (
                pairwise_js(q.active_logits, labels, distance=self.distance, share=share).sum() / n_sparse
            )
        return parts

    def priced(self, parts: dict[str, Float[Tensor, ""]], progress: float) -> Terms:
        """The loss that ``parts`` make when a share ``progress`` of training is done."""
        weight = self.warm_up(progress)
        prices = {
            "reconstruction": 1.0,
            "slab_kl": weight * self.slab,
            "dense_kl": (self.early_dense + (1.0 - self.early_dense) * weight) * self.slab,
            "within": weight * self.within,
            "between": weight * self.between,
            "equivocation": self.equivocation,
            "sparsity": self.sparsity,
            "spread": weight * self.sharing,
            "unlabelled_information": weight,
            "unlabelled_sparsity": 1.0,
            "pairwise": self.pairwise,
        }
        values = torch.stack(list(parts.values()))
        loss = values @ torch.tensor([prices[name] for name in parts], dtype=values.dtype).to(values.device)
        return Terms(loss, dict(zip(parts, values.detach().unbind(), strict=True)))

    def annealed(self, prior_probs: Float[Tensor, " latent"], progress: float) -> Float[Tensor, " latent"]:
        """α on its way from its early value, along a geometric path; one that is milder already stays as it is."""
        weight = self.warm_up(progress)
        early = prior_probs.clamp_min(self.early_prior)
        return early ** (1.0 - weight) * prior_probs**weight

    @property
    def needs_labels(self) -> bool:
        """Whether labels change the loss of a model with the fixed prior."""
        alike = self.within == self.between == self.sparsity == 1 and not self.sharing
        return bool(self.pairwise or self.equivocation) or not (alike or self.pooled)


PRESETS: dict[str, Callable[..., Objective]] = {
    "class-consistent": Objective.class_consistent,
    "paper": Objective.paper,
    "vsc": Objective.vsc,
    "vsc-pseudo-inputs": Objective.vsc_pseudo_inputs,
    "vae": Objective.vae,
}
"""The presets by name, the default first."""
