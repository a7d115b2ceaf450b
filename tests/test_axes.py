"""Axes of the dense block: that a turn changes no model, and finds the axes that are known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import ortho_group, special_ortho_group
from torch.distributions import MultivariateNormal, kl_divergence

from cospike._errors import InputError
from cospike.axes import _joint_diagonaliser, orthogonal_axes
from cospike.data import Split
from cospike.model import SparseVAE
from cospike.objective import Objective
from cospike.runs import load
from cospike.train import encode_dataset, fit

CLASSES = np.repeat([0, 1, 2], 5)


def by_class(directions, strengths):
    """A decoder in which each latent moves the output along a direction of its own, by class as strongly as given."""
    return lambda z: np.einsum("nk,nk,kp->np", z, np.repeat(strengths, 5, axis=0), directions)


@given(st.integers(0, 1_000))
def test_axes_of_known_angle_are_found_from_any_other(seed):
    """Each latent has a template of its own; the strengths differ between classes, so that no other axes will do."""
    rng = np.random.default_rng(seed)
    directions = ortho_group.rvs(8, random_state=seed)[:4]
    plain = by_class(directions, rng.uniform(0.2, 3, (3, 4)))
    turn = special_ortho_group.rvs(4, random_state=seed)
    axes = orthogonal_axes(lambda z: plain(z @ turn.T), np.zeros((15, 4)), CLASSES, 4)
    np.testing.assert_allclose(axes.T @ axes, np.eye(4), atol=1e-9)
    found = np.abs(turn @ axes)  # a permutation, up to signs
    np.testing.assert_allclose(np.sort(found, axis=0), np.array([[0.0], [0], [0], [1]]).repeat(4, axis=1), atol=1e-4)


def test_equal_strengths_in_one_class_are_told_apart_by_another():
    directions = np.eye(3)[:2]
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])

    def axes(strengths):
        plain = by_class(directions, np.array(strengths))
        return orthogonal_axes(lambda z: plain(z @ turn.T), np.zeros((15, 2)), CLASSES, 2)

    assert np.abs(turn @ axes([[1.0, 1.0], [1.0, 1.0], [1.0, 2.0]])).max(axis=0) == pytest.approx([1, 1], abs=1e-6)
    # the mean of these three classes says nothing, and each of them alone does
    assert np.abs(turn @ axes([[1.0, 2.0], [2.0, 1.0], [1.0, 1.0]])).max(axis=0) == pytest.approx([1, 1], abs=1e-6)


@given(st.integers(0, 1_000))
def test_no_other_turn_of_noisy_matrices_is_better(seed):
    """Against a general optimiser over all turns, from a near start and a far one."""
    rng = np.random.default_rng(seed)
    common = special_ortho_group.rvs(3, random_state=seed)
    noise = rng.normal(size=(5, 3, 3)) * 0.05
    matrices = common @ (np.eye(3) * rng.uniform(0, 2, (5, 1, 3))) @ common.T + noise + noise.transpose(0, 2, 1)

    def cost(axes):
        turned = axes.T @ matrices @ axes
        return float(np.square(turned).sum() - np.square(np.diagonal(turned, axis1=1, axis2=2)).sum())

    def turn(angles):
        a, b, c = angles
        skew = np.array([[0, a, b], [-a, 0, c], [-b, -c, 0]])
        return np.linalg.solve(np.eye(3) + skew, np.eye(3) - skew)  # Cayley's

    found = _joint_diagonaliser(matrices)
    starts = [(lambda angles, start=start: cost(start @ turn(angles))) for start in (found, common)]
    best = min(minimize(from_there, np.zeros(3)).fun for from_there in starts)
    assert cost(found) <= best + 1e-6


def test_the_strongest_axis_comes_first_and_adds():
    directions = -np.eye(5)[:3]
    axes = orthogonal_axes(by_class(directions, np.array([[1.0, 3.0, 2.0]] * 3)), np.zeros((15, 3)), CLASSES, 3)
    np.testing.assert_allclose(axes, [[0, 0, -1], [-1, 0, 0], [0, -1, 0]], atol=1e-9)


def test_nothing_is_turned_where_nothing_is_known():
    decode = by_class(np.eye(3)[:2], np.ones((3, 2)))
    np.testing.assert_array_equal(orthogonal_axes(decode, np.zeros((15, 2)), np.full(15, -1), 2), np.eye(2))
    assert orthogonal_axes(decode, np.zeros((15, 2)), CLASSES, 0).shape == (0, 0)
    flat = orthogonal_axes(lambda z: np.zeros((len(z), 4)), np.zeros((15, 2)), CLASSES, 2)
    np.testing.assert_allclose(flat.T @ flat, np.eye(2), atol=1e-12)


def test_a_turn_changes_codes_and_decoder_together_and_the_model_not_at_all():
    torch.manual_seed(0)
    model = SparseVAE((1, 6, 6), 10, n_dense=3, hidden=(20,)).eval()
    x, z = torch.rand(7, 1, 6, 6), torch.randn(7, 10)
    before, picture = model.encode(x), model.decode(z).mean
    axes = special_ortho_group.rvs(3, random_state=0).astype(np.float32)
    for _ in range(2):
        model.turn(axes)
    turn = axes @ axes
    after = model.encode(x)
    torch.testing.assert_close(after.loc[:, :3], before.loc[:, :3] @ torch.from_numpy(turn))
    torch.testing.assert_close(after.loc[:, 3:], before.loc[:, 3:])
    torch.testing.assert_close(after.active_logits, before.active_logits)
    turned_back = torch.from_numpy(turn).T @ torch.diag_embed(before.scale[:, :3] ** 2) @ torch.from_numpy(turn)
    was = MultivariateNormal(torch.zeros(7, 3), turned_back)

    def distance(scale):
        return kl_divergence(MultivariateNormal(torch.zeros(7, 3), torch.diag_embed(scale**2)), was)

    nearest = distance(after.scale[:, :3])
    for other in (0.97, 1.03):
        for axis in range(3):
            assert (distance(after.scale[:, :3] * torch.eye(3)[axis].mul(other - 1).add(1)) > nearest).all()
    logs = (before.scale.log() - after.scale.log()).sum(1)
    torch.testing.assert_close(nearest, logs, rtol=1e-3, atol=1e-5)
    turned = torch.cat([z[:, :3] @ torch.from_numpy(turn), z[:, 3:]], dim=1)
    torch.testing.assert_close(model.decode(turned).mean, picture, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("axes", [np.eye(2), np.ones((3, 3)), 1.01 * np.eye(3), np.ones(3)])
def test_axes_that_would_change_the_model_are_refused(axes):
    with pytest.raises(InputError, match=r"'axes' of SparseVAE.turn must be an orthogonal matrix \[3, 3\]"):
        SparseVAE((4,), 5, n_dense=3).turn(axes)


def test_a_turn_forgets_the_class_patterns_of_the_old_axes(digits):
    model = SparseVAE(digits.shape, 12, hidden=(8,), n_dense=3)
    fit(model, digits, epochs=1, progress=False)
    assert model.class_patterns is not None
    model.turn(special_ortho_group.rvs(3, random_state=0))
    assert model.class_patterns is None


def test_training_that_sees_no_label_turns_nothing(digits):
    model = SparseVAE(digits.shape, 12, hidden=(8,), n_dense=3)
    fit(model, digits, objective=Objective.vsc(), epochs=1, progress=False)
    assert model.dense_axes is None


def test_a_single_dense_latent_has_its_sign(digits):
    model = SparseVAE(digits.shape, 12, hidden=(8,), n_dense=1)
    fit(model, digits, epochs=1, progress=False)
    assert model.dense_axes.abs().item() == pytest.approx(1)


def test_training_with_labels_ends_in_orthogonal_effects_and_the_run_keeps_them(digits, tmp_path):
    model = SparseVAE(digits.shape, 12, hidden=(32,), n_dense=3)
    fit(model, digits, epochs=4, out=tmp_path / "run", progress=False)
    back = load(tmp_path / "run")
    torch.testing.assert_close(back.dense_axes, model.dense_axes)
    codes = encode_dataset(back, Split(digits.train.x[:500], digits.train.y[:500]))
    z, labels = codes.values(codes.active()), codes.labels
    torch.testing.assert_close(back.encode(digits.test.x).loc, model.encode(digits.test.x).loc)

    def mixed(axes):
        """How much of the mean effects in a class is common to two latents."""
        share = []
        for label in range(10):
            rows = z[labels == label]
            ends = []
            for axis in axes.T:
                moved = rows.copy()
                moved[:, :3] += 0.1 * axis
                ends.append((back.decode_mean(moved) - back.decode_mean(rows)).mean(axis=0).ravel())
            gram = np.stack(ends) @ np.stack(ends).T
            share.append(np.square(gram).sum() - np.square(np.diag(gram)).sum())
        return sum(share)

    assert mixed(np.eye(3)) < 1.1 * min(mixed(special_ortho_group.rvs(3, random_state=s)) for s in range(20))
    fit(back, digits, objective=Objective.vsc(), epochs=1, progress=False)
    assert back.dense_axes is None  # of an earlier training
