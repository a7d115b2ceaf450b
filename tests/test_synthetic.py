"""Known causes that are what they are said to be: measured on the pixels and rows, not read from the drawing code."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from threadpoolctl import threadpool_limits

from cospike._errors import InputError
from cospike.kinds import latent_kinds
from cospike.shapes import GLOBAL, SHAPES, Values, draw_shapes
from cospike.synthetic import SPLITS, SYNTHETIC, make_shapes, make_sparse_linear

SHAPE_NAMES = list(SHAPES)


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(4_000)


@pytest.fixture(scope="module")
def rows():
    return make_sparse_linear(4_000)


def sweep(name, cause, values, *, side=28, start=None):
    """Images of one class on black, one cause at ``values`` (−1 … 1) and the others in the middle or at ``start``."""
    names = [*(cause.name for cause in GLOBAL), "category", "own"]
    drawn = np.tile(np.array([0, 0, 0, -1, 0, 0] if start is None else start, dtype=float), (len(values), 1))
    drawn[:, names.index(cause)] = values
    labels = np.full(len(values), SHAPE_NAMES.index(name))
    return draw_shapes(labels, Values(drawn[:, :4], drawn[:, 4], drawn[:, 5]), side)[:, 0].astype(float)


def centroid(images):
    """Of the light, in pixels: x to the right, y up."""
    place = np.arange(images.shape[-1]) - (images.shape[-1] - 1) / 2
    light = images.sum(axis=(1, 2))
    return (images.sum(axis=1) @ place) / light, -(images.sum(axis=2) @ place) / light


# --- the drawing

STEPS = np.linspace(-1, 1, 9)


@pytest.mark.parametrize("name", SHAPE_NAMES)
def test_x_and_y_move_the_light_by_as_many_pixels_and_lose_none(name):
    for cause, axis, pixels in (("x", 0, 1.8), ("y", 1, 1.2)):
        images = sweep(name, cause, STEPS)
        moved = centroid(images)
        assert moved[axis] - moved[axis][4] == pytest.approx(pixels * STEPS, abs=0.07)
        assert moved[1 - axis] == pytest.approx(moved[1 - axis][4], abs=0.06)
        light = images.sum(axis=(1, 2))
        assert light == pytest.approx(light[4], rel=0.02), "anti-aliased: a part of a pixel counts in part"


def test_a_stroke_covers_the_area_of_a_capsule():
    half_width, length = 1.5 + 0.5 * STEPS, 1.6 * 7.5
    area = sweep("pair", "thickness", STEPS).sum(axis=(1, 2))
    assert area == pytest.approx(2 * (2 * half_width * length + np.pi * half_width**2), rel=0.02)


def test_an_aspect_stretches_a_round_shape_and_keeps_its_area():
    images = sweep("eye", "category", STEPS, side=280, start=[0, 0, -1, -1, 0, 0])
    width, height = ((images.max(axis=axis) > 0.5).sum(axis=1) / 10 - 2 for axis in (1, 2))  # less two half widths
    assert width / height == pytest.approx(np.exp(2 * 0.18 * STEPS), rel=0.02)
    assert width * height == pytest.approx(15**2, rel=0.02)


def test_a_rotated_star_is_the_star_rotated():
    images = sweep("fork", "category", STEPS, start=[0, 0, 0, -1, 0, -1])
    place = np.arange(28) - 13.5
    for image, value in zip(images, STEPS, strict=True):
        stem = image * (place[:, None] > 4)  # the lower end, whose light lies opposite to the prongs
        [x], [y] = centroid(stem[None])
        assert np.arctan2(x, -y) == pytest.approx(0.45 * value, abs=0.05)


@pytest.mark.parametrize("name", SHAPE_NAMES)
def test_a_larger_side_draws_the_same_picture(name):
    start = [0.5, -0.5, 0.3, -0.2, 0.8, -0.7]
    small, large = (sweep(name, "x", [0.5], side=side, start=start)[0] for side in (28, 84))
    assert np.abs(large.reshape(28, 3, 28, 3).mean(axis=(1, 3)) - small).mean() < 0.01


def test_no_shape_leaves_the_picture():
    corners = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 6), axis=-1).reshape(-1, 6)
    corners[:, 3] = -1  # on black
    for label in range(8):
        labels = np.full(len(corners), label)
        images = draw_shapes(labels, Values(corners[:, :4], corners[:, 4], corners[:, 5]), 28)[:, 0]
        for border in (images[:, [0, -1]], images[:, :, [0, -1]]):
            assert border.max() < 0.5


def test_every_cause_can_be_read_off_the_pixels(shapes):
    for label, name in enumerate(shapes.class_names):
        of_class, acting = shapes.true_labels == label, np.flatnonzero(shapes.support[label])
        x, y = shapes.x[of_class].reshape(of_class.sum(), -1), shapes.z[of_class][:, acting]
        half = len(x) // 2
        with threadpool_limits(1):
            told = Ridge(10).fit(x[:half], y[:half]).predict(x[half:])
        for k, r2 in zip(acting, r2_score(y[half:], told, multioutput="raw_values"), strict=True):
            assert r2 > 0.8, (name, shapes.causes[k].name)


# --- the record


def test_shapes_are_grey_images_with_causes_on_all_three_levels(shapes):
    assert (shapes.x.shape, shapes.x.dtype, len(shapes)) == ((4_000, 1, 28, 28), np.float32, 4_000)
    assert shapes.x.min() >= 0
    assert 0.95 < shapes.x.max() <= 1
    assert np.array_equal(shapes.labels, shapes.true_labels)
    for cause in shapes.causes:
        acts = np.isin(shapes.true_labels, cause.classes)
        assert np.array_equal(np.isfinite(cause.values), acts)
        assert stats.kstest(cause.values[acts], "uniform", (-1, 2)).pvalue > 1e-3
        categories = {shapes.categories[label] for label in cause.classes}
        of_category = [label for label in range(8) if shapes.categories[label] in categories]
        assert {
            "global": len(cause.classes) == 8,
            "group": len(categories) == 1 and list(cause.classes) == of_category,
            "class-specific": cause.name.split()[0] == shapes.class_names[cause.classes[0]],
        }[cause.kind]
    assert shapes.support.sum(axis=1).tolist() == [6] * 8
    together = np.corrcoef(shapes.z[:, :4].T)[np.triu_indices(4, 1)]
    assert np.abs(together).max() < 0.06


@pytest.mark.parametrize("make", SYNTHETIC.values())
def test_the_ideal_code_has_latents_of_the_kinds_of_the_causes(make, make_codes):
    data = make(4_000)
    codes = make_codes(data.z != 0, data.true_labels, slab_loc=data.z)
    kinds = ["global" if kind == "always-on" else kind for kind in latent_kinds(codes)]
    assert kinds == [cause.kind for cause in data.causes]
    assert np.array_equal(np.unique(data.true_labels), np.arange(len(data.class_names)))


@pytest.mark.parametrize("make", SYNTHETIC.values())
def test_the_seed_decides_every_draw(make):
    one, same, other = make(50, seed=1), make(50, seed=np.random.default_rng(1)), make(50, seed=2)
    assert np.array_equal(one.x, same.x)
    assert np.array_equal(one.z, same.z)
    assert not np.array_equal(one.labels, other.labels)
    assert len({draw for _, draw in SPLITS.values()}) == 3, "no split has another's rows"


# --- the knobs of the shapes


def test_imbalance_is_the_ratio_of_the_first_class_to_the_last():
    counts = np.bincount(make_shapes(20_000, side=8, imbalance=10).labels)
    assert counts[0] / counts[-1] == pytest.approx(10, rel=0.15)
    assert np.log(counts[:-1] / counts[1:]) == pytest.approx(np.full(7, np.log(10) / 7), abs=0.2)
    assert stats.chisquare(np.bincount(make_shapes(20_000, side=8).labels)).pvalue > 1e-3


def test_label_noise_names_other_classes_and_leaves_the_images_alone():
    clean, noisy = make_shapes(20_000, side=8), make_shapes(20_000, side=8, label_noise=0.3)
    assert np.array_equal(clean.x, noisy.x)
    assert np.array_equal(clean.true_labels, noisy.true_labels)
    wrong = noisy.labels != noisy.true_labels
    assert wrong.mean() == pytest.approx(0.3, abs=0.015)
    shift = (noisy.labels - noisy.true_labels)[wrong] % 8
    assert stats.chisquare(np.bincount(shift, minlength=8)[1:]).pvalue > 1e-3


def test_correlation_is_pearsons_and_leaves_each_cause_uniform():
    for correlation in (0.5, 1):
        causes = make_shapes(20_000, side=8, correlation=correlation).z[:, :4]
        found = np.corrcoef(causes.T)[np.triu_indices(4, 1)]
        assert found == pytest.approx(np.full(6, correlation), abs=0.02)
        assert found.mean() == pytest.approx(correlation, abs=0.01), "that of the normals would be .483 for .5"
        assert min(stats.kstest(values, "uniform", (-1, 2)).pvalue for values in causes.T) > 1e-3


# --- sparse sums


def test_four_latents_are_active_and_together_they_are_pinned_down(rows):
    assert (rows.x.shape, rows.x.dtype, rows.support.shape) == ((4_000, 64), np.float32, (16, 32))
    assert np.array_equal(rows.z != 0, rows.support[rows.true_labels])
    assert rows.support.sum(axis=1).tolist() == [4] * 16
    for latent, users in enumerate(rows.support.T):
        if users.sum() > 1:  # what its classes have in common is it alone
            assert np.flatnonzero(rows.support[users].all(axis=0)).tolist() == [latent]
            assert len({rows.categories[label] for label in np.flatnonzero(users)}) == 1
    assert (rows.support.sum(axis=0) == 1).sum() == 16
    assert np.abs(rows.z[rows.z != 0]).min() >= 0.5


@pytest.mark.parametrize("snr", [20, 0])
def test_the_noise_has_the_ratio_asked_for_and_the_directions_stay(snr):
    one, other = make_sparse_linear(8_000, snr=snr), make_sparse_linear(8_000, seed=1, snr=snr)
    fits = [LinearRegression(fit_intercept=False).fit(data.z, data.x) for data in (one, other)]
    signal = fits[0].predict(one.z)
    assert 10 * np.log10(np.mean(signal**2) / np.mean((one.x - signal) ** 2)) == pytest.approx(snr, abs=0.2)
    assert np.corrcoef(fits[0].coef_.ravel(), fits[1].coef_.ravel())[0, 1] > 0.98


def test_knowing_the_directions_the_code_can_be_read_off(rows):
    directions = LinearRegression(fit_intercept=False).fit(rows.z, rows.x).coef_
    found = np.linalg.lstsq(directions, rows.x.T, rcond=None)[0].T
    assert np.mean((np.abs(found) > 0.25) == (rows.z != 0)) > 0.999


# --- misuse


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("n", 0),
        ("seed", -1),
        ("side", 4),
        ("imbalance", 0.5),
        ("imbalance", float("inf")),
        ("label_noise", 1.0),
        ("label_noise", -0.1),
        ("correlation", 1.1),
        ("correlation", float("nan")),
    ],
)
def test_a_setting_of_shapes_outside_its_range_is_refused(argument, value):
    with pytest.raises(InputError, match=f"'{argument}' of make_shapes must be .*, got {value}"):
        make_shapes(**{"n": 10, argument: value})


@pytest.mark.parametrize(("argument", "value"), [("n", 0), ("seed", -1), ("snr", float("nan"))])
def test_a_setting_of_sparse_linear_outside_its_range_is_refused(argument, value):
    with pytest.raises(InputError, match=f"'{argument}' of make_sparse_linear must be .*, got {value}"):
        make_sparse_linear(**{"n": 10, argument: value})


def test_drawing_does_not_load_torch():
    code = "import cospike.synthetic as s, sys; s.make_shapes(1); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
