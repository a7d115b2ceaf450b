"""`match_latents()` and `stability()`: which latents of one run come back in another, and which are accidents.

Two trainings order their latents differently, and flip their signs. What a latent does is free of that: with z the code
of sample n, and m(n) another sample of the same class, the same for all latents and runs,

    Δ_i(n) = decode(z(n)) − decode(z(n) with z_i(m(n)) in place of z_i(n)),

the signed change of the output where latent i alone takes the value that it has in m(n), 0 (off) being one; it is 0
where the two are equal. Two latents are as similar as their changes, taken together over the samples, are parallel:

    similarity(i, j) = max(0, Σ_n Δ_i(n)·Δ_j(n) / √(Σ_n |Δ_i(n)|² Σ_n |Δ_j(n)|²)).

This cosine is Tucker's coefficient of congruence, of effects on samples instead of loadings on variables. Of a linear
decoder it is the cosine of the directions times the correlation of the values within classes. A latent whose classes
were divided between two is as similar to one of them as the root of its share of the squared change.

Latents are not switched off: what a latent of one class changes then is first of all that the class is drawn no more,
as for any latent that draws the class, sample by sample too, since all that is drawn leans as the sample does. Values
that are shuffled within the class have a similarity of 0 but for noise (design page 10). So a latent that never varies
within a class has no partner: nothing tells it from others that draw the class.

How often a latent is on does not count: partners chosen by active sets (Jaccard) are of one kind all but by
construction, and the Rand index below would say nothing. One-to-one partners are those with the highest sum of squared
similarities (the assignment problem): the square is the share of the change that two latents have in common, and
without it two poor pairs displace a good one, as .44 + .41 > .68. Everyone gets the best partner that is left, so that
low similarities mean nothing; of latents that are always on, they may have rotated among themselves.

Sources: Lorenzo-Seva and ten Berge, Tucker's Congruence Coefficient as a Meaningful Index of Factor Similarity,
Methodology 2006; Kuhn, The Hungarian Method for the Assignment Problem, Naval Research Logistics Quarterly 1955; Paulo
and Belrose, Sparse Autoencoders Trained on the Same Data Learn Different Features, 2025,
https://arxiv.org/abs/2501.16615, who match by directions alone; Hubert and Arabie, Comparing Partitions, Journal of
Classification 1985.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from cospike._errors import InputError, check_number, check_type
from cospike.codes import ACTIVE_THRESHOLD, Codes, check_codes
from cospike.decoding import Decode, HasDecoder, decoder_of
from cospike.exchanges import cosines_of_exchanges, others_of_the_class
from cospike.kinds import GLOBAL_KINDS, latent_kinds
from cospike.splits import in_turns

STABLE = 0.85
"""Similarity from which a latent has come back: where judges begin to take two factors for one (Lorenzo-Seva and ten
Berge 2006, who call .85 … .94 fair, and more equal). They judged loadings; of changes it is taken over, not tested."""

ALIKE = 0.5
"""Similarity from which the kinds of two partners are compared; below, they are what was left over: our convention."""

_SAMPLES = 2_000  # of fewer, chance makes similarities: design page 10 has how large


@dataclass(frozen=True, eq=False)
class Reading:
    """What one run says of samples. Readings are compared on the same samples in the same order, best held-out ones.

    The split of a run may depend on its seed, and so may the codes that it saved: encode one split with every model.

    Attributes:
        model: what the codes come from, or its function from codes to data.
        codes: of the samples.
    """

    model: HasDecoder | Decode
    codes: Codes


@dataclass(frozen=True)
class Match:
    """A latent of the first run and its partner in the second.

    Attributes:
        latent: its index.
        partner: index in the second run; None if nothing there resembles it, or what does is taken, or it never varies.
        similarity: of what the two vary within classes, 0 … 1; 0 without a partner.
        kind: one of `cospike.kinds.KINDS`.
        partner_kind: that of the partner; None without one.
    """

    latent: int
    partner: int | None
    similarity: float
    kind: str
    partner_kind: str | None


@dataclass(frozen=True)
class Matching:
    """What `match_latents` found: a row a latent of the first run, in its order.

    The scores are over the pairs that are `alike`; how many these are of all latents in use is for the rows to say.
    Global and always-on are one kind here: both serve all classes.
    """

    matches: tuple[Match, ...]

    @property
    def alike(self) -> tuple[Match, ...]:
        """The pairs with a similarity of at least `ALIKE`, of which neither latent is dead."""
        return tuple(
            row for row in self.matches if row.similarity >= ALIKE and "dead" not in (row.kind, row.partner_kind)
        )

    @property
    def kinds_ari(self) -> float:
        """Adjusted Rand index of the kinds: 1 if any two pairs are of one kind in both runs or in neither, 0 by chance.

        NaN where it is 0/0: if each run has one kind only, or all pairs are of different kinds, or there is no pair. It
        compares partitions: runs that disagree on every name, yet always in the same way, have 1, see `same_kind`.
        """
        from sklearn.metrics import adjusted_rand_score  # noqa: PLC0415  (loads slowly)

        first, second = self._kinds()
        if len(set(first)) == len(set(second)) and len(set(first)) in (1, len(first)):
            return float("nan")
        return float(adjusted_rand_score(first, second))

    @property
    def same_kind(self) -> float:
        """Share of the pairs whose kinds bear the same name, 0 … 1; NaN without a pair."""
        first, second = self._kinds()
        return float(np.mean([one == other for one, other in zip(first, second, strict=True)])) if first else np.nan

    def _kinds(self) -> tuple[list[str | None], list[str | None]]:
        pairs = [(row.kind, row.partner_kind) for row in self.alike]
        merged = [["global" if kind in GLOBAL_KINDS else kind for kind in pair] for pair in pairs]
        return [kind for kind, _ in merged], [kind for _, kind in merged]


@dataclass(frozen=True, eq=False)
class Stability:
    """How much of a run comes back in others.

    Attributes:
        similarity: of each latent of the first run to its partners, mean over the other runs, 0 where it has none;
            0 … 1, higher is better; below `STABLE`, a latent may be an accident of the seed.
        kinds_ari: `Matching.kinds_ari`, mean over all pairs of runs of which it is defined; NaN if none.
        same_kind: `Matching.same_kind`, likewise.
    """

    similarity: Float[np.ndarray, " latent"]
    kinds_ari: float
    same_kind: float


def match_latents(first: Reading, second: Reading, *, threshold: float = ACTIVE_THRESHOLD, seed: int = 0) -> Matching:
    """Pair the latents of two runs by what they vary within the classes.

    Args:
        first: the run to be judged.
        second: another run, of as many latents or not, on the same samples.
        threshold: a latent is active where its active_probs are above it.
        seed: of the 2,000 samples on which changes are measured, the classes as equally among them as can be, and of
            whose value each of them is given. Samples without a label count as a class.

    Raises:
        InputError: if there are no samples, the samples are not the same as far as labels can tell, codes are not of
            their model, or outputs differ in shape.

    >>> values = np.array([[0.0, 2.0], [1.0, 0.0], [3.0, 1.0]])
    >>> first = Reading(lambda z: z, Codes.from_values(values))
    >>> second = Reading(lambda z: -z[:, ::-1], Codes.from_values(-values[:, ::-1]))
    >>> [(row.latent, row.partner, round(row.similarity, 6)) for row in match_latents(first, second).matches]
    [(0, 1, 1.0), (1, 0, 1.0)]
    """
    return _match_all([first, second], threshold, seed, of="match_latents")[0, 1]


def stability(runs: Sequence[Reading], *, threshold: float = ACTIVE_THRESHOLD, seed: int = 0) -> Stability:
    """Judge the latents of the first of several runs by whether the others have them too.

    Args:
        runs: two or more, on the same samples.
        threshold: as in `match_latents`.
        seed: likewise; all runs are compared on the same samples.

    Raises:
        InputError: as `match_latents`, and for fewer than two runs.
    """
    check_type(runs, Sequence, "runs", "stability", "a list of Readings", "Give [Reading(model, codes), …].")
    if len(runs) < 2:
        raise InputError(f"'runs' of stability must be two or more, got {len(runs)}. Train with another seed.")
    matchings = _match_all(runs, threshold, seed, of="stability")
    similarity = [[row.similarity for row in matchings[0, other].matches] for other in range(1, len(runs))]
    return Stability(
        similarity=np.mean(similarity, axis=0),
        kinds_ari=_mean([matching.kinds_ari for matching in matchings.values()]),
        same_kind=_mean([matching.same_kind for matching in matchings.values()]),
    )


def _match_all(runs: Sequence[Reading], threshold: float, seed: int, *, of: str) -> dict[tuple[int, int], Matching]:
    """The matching of every pair of runs, an earlier with a later one."""
    _check(runs, of)
    check_number(threshold, "threshold", of)
    kinds = [latent_kinds(run.codes, threshold) for run in runs]
    matchings = {}
    for (one, other), block in effect_similarities(runs, threshold=threshold, seed=seed).items():
        partners = {
            i: j for i, j in zip(*linear_sum_assignment(block**2, maximize=True), strict=True) if block[i, j] > 0
        }
        matchings[one, other] = Matching(
            tuple(
                Match(i, int(j), float(block[i, j]), str(kind), str(kinds[other][j]))
                if (j := partners.get(i)) is not None
                else Match(i, None, 0.0, str(kind), None)
                for i, kind in enumerate(kinds[one])
            )
        )
    return matchings


def effect_similarities(
    runs: Sequence[Reading], *, threshold: float = ACTIVE_THRESHOLD, seed: int = 0
) -> dict[tuple[int, int], Float[np.ndarray, "latent other"]]:
    """The similarity of every latent of a run with every latent of a later one, by the places of the two runs.

    Args:
        runs: on the same samples.
        threshold: as in `match_latents`.
        seed: likewise.

    Returns:
        Cosines of the changes, 0 … 1: those below 0 are 0.
    """
    ends = np.cumsum([0, *(run.codes.n_latents for run in runs)])
    cosines = _cosines(runs, threshold, seed)
    return {
        (one, other): cosines[ends[one] : ends[one + 1], ends[other] : ends[other + 1]]
        for one, other in combinations(range(len(runs)), 2)
    }


def _cosines(runs: Sequence[Reading], threshold: float, seed: int) -> Float[np.ndarray, "any_latent any_latent"]:
    """Of the changes of all latents of all runs, one run after another."""
    labels = runs[0].codes.labels
    rows = in_turns(labels, np.random.default_rng(seed))[:_SAMPLES]
    decoders = [decoder_of(run.model) for run in runs]
    values = [run.codes.select(rows).values(run.codes.active(threshold)[rows]).astype(float) for run in runs]
    return cosines_of_exchanges(decoders, values, others_of_the_class(labels[rows]))


def _mean(scores: Sequence[float]) -> float:
    """Of those that are defined; NaN if none is."""
    defined = [score for score in scores if not np.isnan(score)]
    return float(np.mean(defined)) if defined else float("nan")


def _check(runs: Sequence[Reading], of: str) -> None:
    for place, run in enumerate(runs):
        argument, expected = ("runs", "Readings") if of == "stability" else (("first", "second")[place], "a Reading")
        check_type(run, Reading, argument, of, expected, "Give Reading(model, codes).")
        check_codes(run.codes, f"a Reading of {of}")
    first = runs[0].codes
    if not len(first):
        raise InputError(f"Readings of {of} must be of one or more samples, got none. Encode a held-out split.")
    for run in runs:
        codes, n_latents = run.codes, getattr(run.model, "n_latents", run.codes.n_latents)
        if not np.array_equal(codes.labels, first.labels) or codes.class_names != first.class_names:
            raise InputError(
                f"Readings of {of} must be of the same {len(first)} samples, got {len(codes)} or other labels or "
                "class names. Encode one split with every model: saved codes may be of splits that go by the seed."
            )
        if codes.n_latents != n_latents:
            raise InputError(
                f"Codes of a Reading of {of} must have the {n_latents} latents of its model, got {codes.n_latents}. "
                "Encode with the model that decodes."
            )
