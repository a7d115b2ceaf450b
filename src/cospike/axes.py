"""`orthogonal_axes()`: the axes in which latents that are always on are read. Arrays only.

The prior of a dense block is N(0, I), which has no axes: turn the block, and the decoder with it, and p(x) stays what
it is. A training thus leaves it at some angle, and what is one factor to a reader, such as the thickness of a line, may
lie half in one latent and half in another. The angle is ours to choose. With J_n the slopes of the decoder's mean in
the dense latents at sample n, and the template of a latent in a class its mean slope there, J̄_y = E_{n|y} J_n, the
axes are those in which the templates of different latents are as orthogonal as can be in *every* class at once:

    V = argmin_{V orthogonal} Σ_y ‖off(Vᵀ G_y V)‖²,    G_y = J̄_yᵀ J̄_y.

One class would not do: its principal axes are arbitrary where two effects are equally strong. Several classes have the
same axes only if these do different things in each. What a variational autoencoder prefers by itself is to diagonalise
the slopes of each *sample* (Rolinek et al.); that is near, so that the turn costs little: a posterior that is diagonal
in the new axes too is not quite the one that was trained, by Σ ½ ln(σ² / σ'²) nats (docs/design/0012-axes.md).

Sources: Cardoso and Souloumiac, *Jacobi Angles for Simultaneous Diagonalization*, SIAM Journal on Matrix Analysis 1996,
for the method; Rolinek, Zietlow, Martius, *Variational Autoencoders Pursue PCA Directions (by Accident)*, CVPR 2019.
"""

from itertools import combinations

import numpy as np
from jaxtyping import Float

from cospike._types import UNLABELLED, Labels
from cospike.decoding import Decode, HasDecoder, decoder_of

_STEP = 0.1  # standard deviations of the prior, to either side
_SWEEPS, _SETTLED = 100, 1e-9  # of all pairs; an angle below which nothing turns


def orthogonal_axes(
    model: HasDecoder | Decode, z: Float[np.ndarray, "sample latent"], labels: Labels, n_dense: int
) -> Float[np.ndarray, "dense axis"]:
    """The axes in which the effects of the first ``n_dense`` latents are orthogonal, in the mean of each class.

    Args:
        model: what decodes, or its function from codes to data.
        z: codes, best of training samples, of each class as many.
        labels: their classes; −1 rows are left out. Without any labelled row the axes stay as they are.
        n_dense: how many latents, the first ones, have a prior N(0, I).

    Returns:
        An orthogonal matrix whose columns are the axes: ``z @ axes`` are the codes in them. Those that change most
        come first, and each adds to the output in the mean, rather than takes from it.

    >>> mixed = np.array([[0.6, 0.8], [-0.8, 0.6]]) @ np.diag([1.0, 3.0])          # two directions, at an angle
    >>> axes = orthogonal_axes(lambda z: z @ mixed, np.zeros((4, 2)), np.array([0, 0, 1, 1]), 2)
    >>> np.round(axes.T @ mixed, 6) + 0.0
    array([[0., 3.],
           [1., 0.]])
    """
    known = labels != UNLABELLED
    if not known.any() or not n_dense:
        return np.eye(n_dense)
    templates = _templates(decoder_of(model), z[known].astype(float), labels[known], n_dense)
    grams = templates @ templates.transpose(0, 2, 1)
    axes = _joint_diagonaliser(grams / max(np.trace(grams, axis1=1, axis2=2).mean(), np.finfo(float).tiny))
    turned = np.einsum("ka,ckp->cap", axes, templates)
    sign = np.where(turned.sum(axis=(0, 2)) < 0, -1.0, 1.0)
    order = np.argsort(-np.square(turned).sum(axis=(0, 2)), kind="stable")
    return np.asarray((axes * sign)[:, order])


def _templates(
    decode: Decode, z: Float[np.ndarray, "sample latent"], labels: Labels, n_dense: int
) -> Float[np.ndarray, "class dense output"]:
    """Mean slope of the output in each dense latent, over the samples of each class: a central difference."""
    classes = np.unique(labels)
    slopes = []
    for latent in range(n_dense):
        ends = []
        for step in (_STEP, -_STEP):
            moved = z.copy()
            moved[:, latent] += step
            output = decode(moved).reshape(len(z), -1)
            ends.append(np.stack([output[labels == label].mean(axis=0, dtype=float) for label in classes]))
        slopes.append((ends[0] - ends[1]) / (2 * _STEP))
    return np.stack(slopes, axis=1)


def _joint_diagonaliser(matrices: Float[np.ndarray, "matrix n n"]) -> Float[np.ndarray, "n n"]:
    """The orthogonal V that makes Vᵀ M V as diagonal as can be for all symmetric M: Jacobi sweeps over pairs of axes.

    A pair is turned by the angle that is best for all matrices at once, in closed form (Cardoso and Souloumiac, 1996);
    for one matrix it is Jacobi's method for eigenvectors. The start is the eigenvectors of the mean.
    """
    axes = np.linalg.eigh(matrices.mean(axis=0))[1]
    matrices = axes.T @ matrices @ axes
    for _ in range(_SWEEPS):
        largest = 0.0
        for p, q in combinations(range(len(axes)), 2):
            h = np.stack([matrices[:, p, p] - matrices[:, q, q], 2 * matrices[:, p, q]])
            (a, b), (_, c) = h @ h.T
            angle = 0.25 * np.arctan2(2 * b, a - c)
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            axes[:, [p, q]] = axes[:, [p, q]] @ turn
            matrices[:, :, [p, q]] = matrices[:, :, [p, q]] @ turn
            matrices[:, [p, q], :] = turn.T @ matrices[:, [p, q], :]
            largest = max(largest, abs(angle))
        if largest < _SETTLED:
            break
    return np.asarray(axes)
