"""`METRICS`: what each disentanglement metric is, where it is from, and what it cannot see."""

from dataclasses import dataclass
from typing import Literal

from cospike.metrics import Direction
from cospike.readouts import N_TREES


@dataclass(frozen=True)
class Metric:
    """One line on everything that a figure needs to be read. All metrics reach 1.

    Attributes:
        of: what has a value: each factor, each latent, or only the code as a whole.
        definition: of that value.
        estimator: how it is estimated; {bins} stands for the number of bins.
        direction: which way is better.
        worthless: what a code scores that tells nothing, but for the bias of the estimator.
        source: where it is from.
        blind_to: what it cannot see.
    """

    of: Literal["factor", "latent", "code"]
    definition: str
    estimator: str
    direction: Direction
    worthless: str
    source: str
    blind_to: str


_PLUG_IN = "plug-in information, {bins} equal-width bins, exact zeros a symbol of their own"
_NEAREST = "squared correlation (continuous) or chance-corrected nearest class mean (discrete), all rows"
_FOREST = f"random forest of {N_TREES} trees, fitted on one half and judged on the other"
_LINEAR = "logistic (discrete) or ridge (continuous) regression, fitted on one half and judged on the other"
_CHEN, _KUMAR = "Chen et al., NeurIPS 2018, arXiv:1802.04942", "Kumar et al., ICLR 2018, openreview H1kG7GZAW"
_EASTWOOD, _HSU = "Eastwood and Williams, ICLR 2018, openreview By-7dz-AZ", "Hsu et al., NeurIPS 2023, arXiv:2305.18378"
_RIDGEWAY, _PACH = "Ridgeway and Mozer, NeurIPS 2018, arXiv:1802.05312", "Pach et al., 2025, arXiv:2504.02821"

METRICS: dict[str, Metric] = {
    "mig": Metric(
        of="factor",
        definition="(information on a factor in the best latent - in the second) / entropy of the factor",
        estimator=_PLUG_IN,
        direction="higher",
        worthless="0",
        source=_CHEN,
        blind_to="a latent that serves several factors; a factor that rightly has several latents",
    ),
    "sap": Metric(
        of="factor",
        definition="how well the best latent predicts a factor - how well the second does",
        estimator=_NEAREST,
        direction="higher",
        worthless="0",
        source=_KUMAR,
        blind_to="what is not monotonic, such as a class that a latent tells by values of both signs",
    ),
    "modularity": Metric(
        of="latent",
        definition="1 - mean squared information of a latent on its other factors / that on its best one",
        estimator=_PLUG_IN,
        direction="higher",
        worthless="the bias decides, between 0 and 1",
        source=_RIDGEWAY,
        blind_to="how much is told, and whether anything is; copies of a latent; that factors differ in entropy",
    ),
    "explicitness": Metric(
        of="factor",
        definition="ROC AUC of a linear model for each value of a factor (continuous: concordance)",
        estimator=_LINEAR,
        direction="higher",
        worthless="1/2",
        source=_RIDGEWAY,
        blind_to="which latents tell it, so a rotation; what is not linear",
    ),
    "infom": Metric(
        of="latent",
        definition="share of its best factor in all information of a latent that is not idle, chance at 0",
        estimator=_PLUG_IN,
        direction="higher",
        worthless="the bias decides, near 0",
        source=_HSU,
        blind_to="how much is told; copies of a latent; latents of small range, which are left out",
    ),
    "infoc": Metric(
        of="factor",
        definition="share of its best latent in all information on a factor, chance at 0",
        estimator=_PLUG_IN,
        direction="higher",
        worthless="the bias decides, near 0",
        source=_HSU,
        blind_to="how much is told; a latent that serves several factors; noise of many latents lowers it",
    ),
    "infoe": Metric(
        of="factor",
        definition="share of the uncertainty of a factor (log loss, or variance) that a linear model resolves",
        estimator=_LINEAR,
        direction="higher",
        worthless="0",
        source=_HSU,
        blind_to="which latents tell it, so a rotation; what is not linear",
    ),
    "dci_disentanglement": Metric(
        of="code",
        definition="1 - entropy of the importance of a latent over the factors, mean weighted by importance",
        estimator=_FOREST,
        direction="higher",
        worthless="chance decides, near 0",
        source=_EASTWOOD,
        blind_to="how well factors are predicted; copies of a latent",
    ),
    "dci_completeness": Metric(
        of="factor",
        definition="1 - entropy of the importance for a factor over the latents",
        estimator=_FOREST,
        direction="higher",
        worthless="chance decides, near 0",
        source=_EASTWOOD,
        blind_to="how well factors are predicted; a latent that serves several factors",
    ),
    "dci_informativeness": Metric(
        of="factor",
        definition="1 - loss (error rate, or squares) / loss of the best constant",
        estimator=_FOREST,
        direction="higher",
        worthless="0",
        source=_EASTWOOD,
        blind_to="which latents tell it: a rotation costs little",
    ),
    "monoscore": Metric(
        of="latent",
        definition="mean cosine similarity of the embeddings of two samples, weighted by its activation in both",
        estimator="closed form over all pairs",
        direction="higher",
        worthless="the mean similarity of any two samples",
        source=_PACH,
        blind_to="what the embedding does not know; how rarely a latent is on; all, on signed codes",
    ),
}
"""Every metric; `measure_disentanglement` gives all but ``monoscore``, which needs embeddings."""
