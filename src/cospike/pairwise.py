r"""The mean Jensen-Shannon divergence over all pairs of a group, with no pair in it, or few; and its gradient.

From s ln s = ∫₀^∞ (e^{−st} − 1 + s(1 − e^{−t})) t⁻² dt, the Jensen-Shannon divergence of two Bernoullis is a squared
distance,

    JSD(p, q) = ¼ ∫₀^∞ [(e^{−pt} − e^{−qt})² + (e^{−(1−p)t} − e^{−(1−q)t})²] t⁻² dt

so that the mean over the pairs of n of them needs no pair, but the mean distance to any one point r, and how far the
mean lies from it:

    mean_{j<k} JSD(γ_j, γ_k) = 2n/(n−1) · [ mean_j JSD(γ_j, r) − ¼ ∫₀^∞ (D² + D′²) t⁻² dt ]
    D(t) = mean_j (e^{−γ_j t} − e^{−rt}),  D′(t) the same of 1 − γ and 1 − r

The first part is taken in closed form. With r the mean of the group, the second is small, and of fourth order in the
spread of γ, so that it may be less accurate, and nothing is lost where a group agrees. In ln t its integrand is
analytic: the trapezoid rule converges exponentially, and with the step ln 2 each node is the square of the one before
it. Nodes begin at ⅛ and end at 2¹⁹, over the largest γ of the latent, or where e^{−γt} is nothing even for the
smallest; those left out below are made up for by five weights at the beginning (`_node_weights`).

**What is lost.** All this is done in the precision of the logits, at least float32. Against float64 pairs of the same
logits the value is off by 1e-5 of itself at most, and the gradient by 6e-5 of its norm, whether γ are spread,
saturated, tiny, rare or nearly equal (tests/test_divergence.py; figures in docs/design/0013-pairwise-loss.md). The
part of a gradient that belongs to a γ below 1e-6 of the latent's largest is off by more; it is below 1e-5 whatever it
is. Logits beyond ±40 count as ±40.

**Few rows a group.** Pairs themselves are quicker where there are fewer than `_FEW_PAIRS` a row. With a and b the
logits of p and q, and S = sinh²((a − b)/2),

    JSD(p, q) = ¼ (p − q)(a − b) − ½ [m ln(1 + S(1−p)(1−q)) + (1−m) ln(1 + Spq)],   m = (p + q)/2
    p − q = 2 sinh((a − b)/2) √(p(1−p) q(1−q))

keep their digits where p and q nearly agree.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

_LOGIT_RANGE = 40.0
_FIRST_NODE = 2.0**-3
_N_NODES = 23  # up to t = 2^19
_N_CENTRED = 6  # the first nodes, up to t = 4: beyond, e^{−γt} of the largest γ is small
_N_CORRECTED = 5
_AT_ONCE = 1 << 16  # numbers of an array, a side: it stays in the cache
_NARROWEST = 32  # latents at once: rows shorter than this are slow to walk
_FEW_PAIRS = 3  # a row


class MeanPairwiseJS(torch.autograd.Function):
    """Value and gradient come out of one pass, so that no node of the integral is kept for the backward pass."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, groups: Tensor, distance: bool) -> Tensor:
        """Mean per latent; arguments as of `cospike.divergence.mean_pairwise_js`."""
        order = groups.argsort(stable=True)
        present, sizes = groups[order].unique_consecutive(return_counts=True)
        sizes = sizes[present >= 0]
        n_left_out = len(order) - int(sizes.sum())
        rows = logits.detach().index_select(0, order[n_left_out:])
        if rows.device.type == "mps":  # which lacks some of the operations
            rows, sizes = rows.cpu(), sizes.cpu()
        rows = rows if rows.dtype == torch.float64 else rows.float()
        n_pairs = int((sizes * (sizes - 1)).sum()) // 2
        rows = rows.clamp_(-_LOGIT_RANGE, _LOGIT_RANGE)
        if not rows.shape[1]:
            value, gradient = rows.new_zeros(0), rows
        elif distance or n_pairs <= _FEW_PAIRS * len(rows):
            value, gradient = _visit_pairs(rows, sizes, distance=distance)
        else:
            value, gradient = _integrate(rows, sizes)
        if n_left_out:
            gradient = torch.cat([gradient.new_zeros(n_left_out, gradient.shape[1]), gradient])
        ctx.save_for_backward(gradient.to(logits).index_select(0, order.argsort()))
        return value.clamp_min_(0.0).to(logits)  # rounding may end a little below

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        """The gradient that came with the value, times what comes from above."""
        (gradient,) = ctx.saved_tensors
        return gradient * upstream, None, None


class _Bernoulli(NamedTuple):
    """p, 1 − p, and √(p(1−p))."""

    on: Tensor
    off: Tensor
    spread: Tensor

    @classmethod
    def of(cls, on: Tensor, off: Tensor) -> "_Bernoulli":
        return cls(on, off, (on * off).sqrt_())

    def rows(self, index: Tensor) -> "_Bernoulli":
        return _Bernoulli(*(part.index_select(0, index) for part in self))


def _compare(gap: Tensor, p: _Bernoulli, q: _Bernoulli) -> tuple[Tensor, Tensor, Tensor]:
    """JSD(p, q), the lean, and p − q, from the difference ``gap`` of their logits (module docstring).

    Of the lean, ¼ p(1−p) (lean + gap) is the derivative in the logit of p, and ¼ q(1−q) (lean − gap) in that of q.
    """
    half = torch.sinh(0.5 * gap)
    change = (2.0 * half).mul_(p.spread).mul_(q.spread)
    square = half.square_()
    log_on, log_off = torch.log1p((square * p.off).mul_(q.off)), torch.log1p(square.mul_(p.on).mul_(q.on))
    divergence = (change * gap).mul_(0.25)
    divergence.addcmul_((p.on + q.on), log_on, value=-0.25).addcmul_((p.off + q.off), log_off, value=-0.25)
    return divergence, log_off.sub_(log_on), change


def _integrate(logits: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Value [latent] and gradient [batch, latent] by the trapezoid rule in ln t, some latents at a time."""
    n_rows, n_latents = logits.shape
    at_once = max(_NARROWEST, _AT_ONCE // n_rows) if logits.device.type == "cpu" else n_latents
    n_blocks = max(1, -(-n_latents // at_once))
    groups = _Groups.of(sizes, logits)
    blocks = (part.tensor_split(n_blocks, dim=-1) for part in (logits, logits.amin(0), logits.amax(0)))
    parts = [
        _integrate_block(rows.contiguous(), least, most, groups) for rows, least, most in zip(*blocks, strict=True)
    ]
    return torch.cat([value for value, _ in parts]), torch.cat([gradient for _, gradient in parts], dim=1)


class _Groups(NamedTuple):
    """Of rows that are sorted by group: where each belongs, and what a group counts."""

    of_row: Tensor
    shares: Tensor  # of a row in the mean of its group
    weights: Tensor  # 2 / (n − 1) over the number of groups that have a pair; 0 for groups of one
    members: Tensor  # the rows of each group and then, as one more row, what is taken from their mean
    starts: Tensor
    signs: Tensor  # what each of the members counts: its share, and −1

    @classmethod
    def of(cls, sizes: Tensor, like: Tensor) -> "_Groups":
        of_row = torch.repeat_interleave(sizes)
        n_rows, n_groups = len(of_row), len(sizes)
        group = torch.arange(n_groups, device=sizes.device)
        shares = (1.0 / sizes.double()).to(like.dtype)
        weights = _of_paired(2.0 / (sizes - 1).double(), sizes).to(like.dtype)
        last = sizes.cumsum(0) + group
        members = torch.empty(n_rows + n_groups, dtype=torch.long, device=sizes.device)
        signs = like.new_full((len(members),), -1.0)
        place = torch.arange(n_rows, device=sizes.device) + of_row
        members[place], signs[place] = torch.arange(n_rows, device=sizes.device), shares[of_row]
        members[last] = n_rows + group
        return cls(of_row, shares[:, None], weights[:, None], members, last - sizes, signs)

    def excess(self, rows: Tensor) -> Tensor:
        """Mean of the rows of each group, less the one row that stands for it at the end."""
        # Half as dear as index_add.
        return torch.embedding_bag(rows, self.members, self.starts, mode=0, per_sample_weights=self.signs)[0]

    def at_rows(self, values: Tensor, out: Tensor | None = None) -> Tensor:
        return torch.index_select(values, 0, self.of_row, out=out)


def _integrate_block(logits: Tensor, least: Tensor, most: Tensor, groups: _Groups) -> tuple[Tensor, Tensor]:
    """The same for a few latents. Both sides, γ and 1 − γ, lie side by side; the means of the groups after the rows."""
    n_rows, width = logits.shape
    on, off = slice(0, width), slice(width, None)
    sides = logits.new_zeros(n_rows + len(groups.shares), 2 * width)
    rows, means = sides[:n_rows], sides[n_rows:]
    torch.sigmoid(logits, out=rows[:, on])
    torch.sigmoid(-logits, out=rows[:, off])
    log_means = groups.excess(sides).log_()
    mean_logits = log_means[:, on] - log_means[:, off]
    torch.sigmoid(mean_logits, out=means[:, on])
    torch.sigmoid(-mean_logits, out=means[:, off])

    of_group, slope, change = _from_reference(logits, sides, mean_logits, groups)
    scale = torch.cat([most.sigmoid(), (-least).sigmoid()])
    smallest = torch.cat([least.sigmoid(), (-most).sigmoid()]) / scale
    shifts = torch.zeros_like(sides)
    torch.mul(change, -_FIRST_NODE / scale[on], out=shifts[:n_rows, on])
    torch.mul(change, _FIRST_NODE / scale[off], out=shifts[:n_rows, off])
    del change
    shift, pull = _mean_shift(sides, shifts, scale, groups, _n_nodes(float(smallest.min())))
    of_group.sub_(shift[:, on]).sub_(shift[:, off])
    value = (of_group * (groups.weights / groups.shares)).sum(0)
    gradient = slope.add_(pull[:, on]).sub_(pull[:, off])
    return value, gradient.mul_(rows[:, on]).mul_(rows[:, off]).mul_(groups.at_rows(groups.weights))


def _from_reference(
    logits: Tensor, sides: Tensor, mean_logits: Tensor, groups: _Groups
) -> tuple[Tensor, Tensor, Tensor]:
    """The first part of the mean per group; in each row, n times its derivative in the logit over γ(1−γ); and γ − r.

    Of its own, so that what it needs is free again for `_mean_shift`.
    """
    n_rows, width = logits.shape
    p, q = (_Bernoulli.of(part[:, :width], part[:, width:]) for part in (sides[:n_rows], sides[n_rows:]))
    gap = logits - groups.at_rows(mean_logits)
    divergence, lean, change = _compare(gap, p, q.rows(groups.of_row))
    sums = torch.zeros_like(mean_logits).index_add_(0, groups.of_row, divergence)
    return sums.mul_(groups.shares), lean.add_(gap).mul_(0.25), change


def _n_nodes(smallest: float) -> int:
    """How many nodes count, where no γ is below ``smallest`` of the largest.

    What a node adds to value and gradient is a product of two e^{−γt}, and e^{−12} e^{−12} = 4e-11.
    """
    if not smallest > 0.0:
        return _N_NODES
    first_of_no_use = math.ceil(math.log2(12.0 / (smallest * _FIRST_NODE)))
    return min(_N_NODES, max(_N_CENTRED, first_of_no_use))


def _mean_shift(sides: Tensor, shifts: Tensor, scale: Tensor, groups: _Groups, n_nodes: int) -> tuple[Tensor, Tensor]:
    """The second part of the mean, ¼ ∫ D² t⁻² dt, per group; and −n times its derivative in each row.

    The first nodes see e^{−(γ−r)t} − 1, which is exact to rounding where γ is nearly r; the others e^{−γt} itself.
    ``shifts`` are (r − γ)t at the first node, and are overwritten.
    """
    n_rows = len(groups.of_row)
    mean_decay = (sides[n_rows:] * (-_FIRST_NODE / scale)).exp_()
    total, constant = torch.zeros_like(mean_decay), torch.zeros_like(mean_decay)
    decay, buffer = shifts.expm1_(), torch.empty_like(sides)
    rows, at_rows = decay[:n_rows], buffer[:n_rows]
    pull = torch.zeros_like(rows)
    for node, weight in enumerate(_NODE_WEIGHTS[:n_nodes]):
        time = _FIRST_NODE * 2.0**node
        if node == _N_CENTRED:
            torch.mul(sides, -time / scale, out=decay).exp_()
        mean = groups.excess(decay)
        if node < _N_CENTRED:
            mean.mul_(mean_decay)
        total.addcmul_(mean, mean, value=weight / time)
        if node < _N_CENTRED:
            constant.add_(mean.mul_(mean_decay), alpha=weight)
            mean_decay.square_()
        pull.addcmul_(rows, groups.at_rows(mean, out=at_rows), value=weight)  # d e^{−γt}/dγ = −t e^{−γt}: t cancels
        if node < _N_CENTRED - 1:
            decay.mul_(torch.add(decay, 2.0, out=buffer))  # (1 + u)² − 1
        else:
            decay.square_()
    return total.mul_(0.5 * scale), pull.add_(groups.at_rows(constant, out=at_rows))


def _node_weights() -> list[float]:
    """½ ln 2 a node, and five corrections at the beginning.

    Nodes t₀ 2⁻¹, t₀ 2⁻², … are left out. Where they are, e^{−st} is its series: they would add Σ_i t₀^m 2^{−im} =
    t₀^m / (2^m − 1) of its m-th term. The corrections add as much for m = 1 … 5; m = 0 cancels in D.
    """
    powers = range(1, _N_CORRECTED + 1)
    terms = torch.tensor([[2.0 ** (m * node) for node in range(_N_CORRECTED)] for m in powers], dtype=torch.float64)
    omitted = torch.tensor([1.0 / (2.0**m - 1.0) for m in powers], dtype=torch.float64)
    weights = torch.ones(_N_NODES, dtype=torch.float64)
    weights[:_N_CORRECTED] += torch.linalg.solve(terms, omitted)
    return [0.5 * math.log(2.0) * float(weight) for weight in weights]


_NODE_WEIGHTS = _node_weights()


def _visit_pairs(logits: Tensor, sizes: Tensor, *, distance: bool) -> tuple[Tensor, Tensor]:
    """Value [latent] and gradient [batch, latent] from the pairs themselves; of the root with ``distance``."""
    groups = torch.repeat_interleave(sizes)
    probs = _Bernoulli.of(logits.sigmoid(), (-logits).sigmoid())
    weights = _of_paired(2.0 / (sizes * (sizes - 1)).double(), sizes).to(logits.dtype)[groups][:, None]
    value, gradient = logits.new_zeros(logits.shape[1]), torch.zeros_like(logits)
    for first, second in _pairs(groups, sizes, logits.shape[1]):
        gap = logits.index_select(0, first).sub_(logits.index_select(0, second))
        divergence, lean, _ = _compare(gap, probs.rows(first), probs.rows(second))
        weight = weights.index_select(0, first)
        if distance:
            apart = ~(divergence <= 0.0)  # NaN stays NaN
            divergence = torch.where(apart, divergence, 1.0).sqrt_()
            slope = torch.where(apart, 0.5 * weight / divergence, 0.0)
            divergence = torch.where(apart, divergence, 0.0)
        else:
            slope = weight
        value += (divergence * weight).sum(0)
        gradient.index_add_(0, first, (lean + gap).mul_(slope))
        gradient.index_add_(0, second, lean.sub_(gap).mul_(slope))
    return value, gradient.mul_(0.25).mul_(probs.on).mul_(probs.off)


def _pairs(groups: Tensor, sizes: Tensor, width: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The rows of all pairs, groups being sorted: as many at a time as give about `_AT_ONCE` numbers of ``width``."""
    n_later = sizes.cumsum(0)[groups] - torch.arange(1, len(groups) + 1, device=groups.device)
    n_rows = max(1, _AT_ONCE // max(1, width * int(sizes.max()))) if len(sizes) else 1
    for rows in torch.arange(len(groups), device=groups.device).split(n_rows):
        first = torch.repeat_interleave(rows, n_later[rows])
        begin = torch.repeat_interleave(n_later[rows].cumsum(0) - n_later[rows], n_later[rows])
        yield first, first + 1 + torch.arange(len(first), device=groups.device) - begin


def _of_paired(weights: Tensor, sizes: Tensor) -> Tensor:
    """A group's weight in a mean over the groups with a pair; 0 for groups of one."""
    paired = sizes > 1
    return torch.where(paired, weights / paired.sum().clamp_min(1), 0.0)
