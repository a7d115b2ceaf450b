"""What the page computes with: every array against what the codes, the weights or another formula say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as drawn_arrays

from cospike import explorer_arrays, runs
from cospike.codes import Codes
from cospike.explorer_arrays import arrays_of, mean_change, probs_to_bytes
from cospike.plausibility import Pattern, Plausibility
from cospike.report_figures import RunView
from untrained_run import OFF, ON, make_run

N_CLASSES, N_LATENTS = 3, 7


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(1)


@pytest.fixture(scope="module")
def run(tmp_path_factory, rng):
    """Latents of every use: always on, of some classes, in single samples, and never; one probability is a half."""
    labels = np.repeat(np.arange(N_CLASSES), 20)
    probs = rng.random((60, N_LATENTS)).astype("float32")
    probs[:, 0] = ON
    probs[:, 1] *= 0.7  # of no class in particular: its factor stands behind those of the next ones
    probs[:, 5], probs[3, 5] = OFF, ON
    probs[:, 6] = OFF
    probs[0, 1] = 0.5
    return make_run(tmp_path_factory.mktemp("runs") / "run", labels=labels, probs=probs)


@pytest.fixture(scope="module")
def codes(run):
    return runs.read_codes(run, ("test",))[0]


@pytest.fixture(scope="module")
def view(run):
    return RunView.read(run)


@pytest.fixture(scope="module")
def arrays(view):
    return arrays_of(view)


@given(
    st.sampled_from([np.float32, np.float64]).flatmap(
        lambda kind: drawn_arrays(kind, (1, 9), elements=st.floats(0, 1, width=8 * kind().itemsize))
    )
)
def test_a_latent_is_active_in_bytes_exactly_where_it_is(probs):
    steps = probs_to_bytes(probs)
    np.testing.assert_array_equal(steps >= 128, probs > 0.5)
    assert (np.abs((steps + 0.5) / 256 - probs) <= 0.5 / 256 + 1e-12).all()
    assert (np.diff(steps[0][np.argsort(probs[0])].astype(int)) >= 0).all()


def test_the_code_of_a_sample_is_that_of_the_run(arrays, codes):
    found = np.where(arrays["active_probs"] >= 128, arrays["slab_loc"], 0)
    np.testing.assert_array_equal(found, codes.values()[arrays["index"]])
    np.testing.assert_array_equal(arrays["labels"], codes.labels[arrays["index"]])
    assert arrays["index"][0] == 0
    assert arrays["active_probs"][0, 1] == 127  # a half is not above it


def test_numbers_are_of_the_kinds_that_the_page_reads(arrays):
    kinds = {"active_probs": "uint8", "x": "uint8", "change": "int8"}
    kinds |= dict.fromkeys(("index", "labels", "surprise_n", "surprise_on"), "int32")
    assert {name: str(array.dtype) for name, array in arrays.items()} == {
        name: kinds.get(name, "float32") for name in arrays
    }


def test_use_by_class_is_in_the_order_of_latents(view, arrays, codes):
    assert [factor.latent for factor in view.factors] != list(range(N_LATENTS))
    for label in range(N_CLASSES):
        share = (codes.active_probs[codes.labels == label] > 0.5).mean(axis=0)
        np.testing.assert_allclose(arrays["active_by_class"][label], share, atol=1e-6)
        assert (arrays["active_low"][label] <= share + 1e-6).all()
        assert (arrays["active_high"][label] >= share - 1e-6).all()


def test_ranges_are_quantiles_of_the_class_or_of_all_where_it_has_few(arrays, codes):
    few = set()
    for label in range(N_CLASSES):
        for latent in range(1, 5):
            on = codes.active_probs[:, latent] > 0.5
            own = codes.slab_loc[on & (codes.labels == label), latent]
            if len(own) < 5:
                own = codes.slab_loc[on, latent]
                few.add(latent)
            ends = np.quantile(own.astype(float), [0.01, 0.99])
            found = [arrays["class_low"][label, latent], arrays["class_high"][label, latent]]
            np.testing.assert_allclose(found, ends, rtol=1e-6)
    assert few in (set(), {1})
    single = codes.slab_loc[3, 5]  # a range around the only value that there is
    np.testing.assert_allclose(arrays["class_low"][:, 5], single - 0.5, rtol=1e-5)
    np.testing.assert_allclose(arrays["class_high"][:, 5], single + 0.5, rtol=1e-5)
    assert (arrays["class_low"][:, 6] == -1).all()
    assert (arrays["class_high"][:, 6] == 1).all()


def test_a_class_of_few_active_samples_has_the_range_of_all(tmp_path):
    probs = np.full((60, 4), OFF)
    probs[:24, 0] = ON  # all of the first class, and four of the second
    run = make_run(tmp_path / "run", labels=np.repeat([0, 1, 2], 20), probs=probs)
    (codes,), found = runs.read_codes(run, ("test",)), arrays_of(RunView.read(run))
    ends = [np.quantile(codes.slab_loc[rows, 0], [0.01, 0.99]) for rows in (slice(20), slice(24), slice(24))]
    np.testing.assert_allclose(np.stack([found["class_low"][:, 0], found["class_high"][:, 0]], 1), ends, rtol=1e-5)


def test_a_slider_goes_half_the_range_further_on_request(arrays, codes):
    for latent in range(5):
        values = codes.slab_loc[codes.active_probs[:, latent] > 0.5, latent].astype(float)
        low, high = values.min(), values.max()
        np.testing.assert_allclose(arrays["latent_low"][latent], low - (high - low) / 2, rtol=1e-5)
        np.testing.assert_allclose(arrays["latent_high"][latent], high + (high - low) / 2, rtol=1e-5)
    assert (arrays["latent_low"][6], arrays["latent_high"][6]) == (-3, 3)
    assert (arrays["latent_low"] < arrays["class_low"]).all()
    assert (arrays["latent_high"] > arrays["class_high"]).all()


def decoded(run, z):
    """The output, by the weights alone."""
    weights, _ = runs.read_tensors(run, "weights.safetensors")
    one, two = ((weights[f"decoder.trunk.{i}.weight"], weights[f"decoder.trunk.{i}.bias"]) for i in (0, 2))
    hidden = np.maximum(z @ one[0].numpy().T + one[1].numpy(), 0)
    return 1 / (1 + np.exp(-(hidden @ two[0].numpy().T + two[1].numpy())))


def test_a_change_is_the_output_with_a_latent_less_without_it(run, view, arrays, codes):
    kinds = {factor.latent: factor for factor in view.factors}
    assert kinds[0].kind == "always-on"
    assert kinds[6].kind == "dead"
    for latent in range(N_LATENTS):
        on = codes.active_probs > 0.5
        rows = np.flatnonzero(on[:, latent])
        given, without = (np.where(on, codes.slab_loc, 0)[rows].astype(float) for _ in range(2))
        without[:, latent] = 0
        if latent == 0:
            without[:, latent], given[:, latent] = kinds[0].low, kinds[0].high
        expected = (decoded(run, given) - decoded(run, without)).mean(axis=0) if latent != 6 else np.zeros(36)
        scale = arrays["change_scale"][latent]
        np.testing.assert_allclose(scale, np.abs(expected).max(), rtol=1e-4)
        np.testing.assert_allclose(arrays["change"][latent] * (scale / 127), expected, atol=scale / 254 + 1e-6)
        assert np.abs(arrays["change"][latent].astype(int)).max() == (127 if latent != 6 else 0)


def test_a_change_is_of_some_samples_where_many_are_active(view, monkeypatch):
    factor = next(factor for factor in view.factors if factor.latent == 2)
    of_all = mean_change(view, factor)
    monkeypatch.setattr(explorer_arrays, "_SAMPLES_PER_CHANGE", 10)
    few = mean_change(view, factor)
    assert not np.allclose(few, of_all, rtol=1e-3)
    np.testing.assert_array_equal(few, mean_change(view, factor))


def test_surprise_can_be_had_from_the_sums_alone(view, arrays, codes, rng):
    np.testing.assert_array_equal(arrays["surprise_n"], np.bincount(codes.labels))
    on = codes.active_probs > 0.5
    np.testing.assert_array_equal(
        arrays["surprise_on"], [on[codes.labels == label].sum(axis=0) for label in range(N_CLASSES)]
    )
    rows = zip(*(arrays[f"surprise_{name}"] for name in ("n", "on", "total", "squares")), strict=True)
    patterns = tuple(
        Pattern(int(n), on[None], total[None].astype(float), squares[None].astype(float))
        for n, on, total, squares in rows
    )
    again = Plausibility(patterns, arrays["surprise_scale"].astype(float), view.data.limit)
    z = np.where(rng.random((50, N_LATENTS)) < 0.5, rng.normal(0, 3, (50, N_LATENTS)), 0)
    np.testing.assert_allclose(again.score(z), Plausibility.fit(codes).score(z), rtol=1e-4)


def test_patterns_are_the_means_of_the_training_codes(run, arrays):
    (train,) = runs.read_codes(run, ("train",))
    for label in range(N_CLASSES):
        weight = train.active_probs[train.labels == label].astype(float)
        values = train.slab_loc[train.labels == label]
        np.testing.assert_allclose(arrays["pattern_probs"][label], weight.mean(axis=0), rtol=1e-4)
        np.testing.assert_allclose(
            arrays["pattern_loc"][label], (weight * values).sum(axis=0) / weight.sum(axis=0), rtol=1e-4
        )
    assert (arrays["pattern_scale"] > 0).all()


def test_a_model_without_patterns_gives_none(run, view, monkeypatch):
    model = runs.load(run)
    model.resize_class_patterns(0)
    monkeypatch.setattr(type(view.model), "class_patterns", property(lambda self: None))
    assert not any(name.startswith("pattern") for name in arrays_of(view))
    assert model.class_patterns is None


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_images_are_grey_levels_between_black_and_white(tmp_path, likelihood):
    run = make_run(tmp_path / "run", likelihood=likelihood)
    index = runs.read_arrays(run, "previews.npz")["index"]
    x = np.random.default_rng(0).normal(0.5, 0.2, (len(index), 1, 6, 6)).astype("float32")
    runs.save_arrays(run, "previews.npz", {"index": index, "x": x})
    low, high = (0, 1) if likelihood == "bernoulli" else np.quantile(x, [0.005, 0.995])
    found = arrays_of(RunView.read(run))["x"] / 255 * (high - low) + low
    assert found.shape == x.shape
    np.testing.assert_allclose(found, np.clip(x, low, high), atol=(high - low) / 509)


@pytest.mark.parametrize(
    ("shape", "likelihood"), [((6,), "gaussian"), ((1, 1, 6), "gaussian"), ((6,), "negative-binomial")]
)
def test_what_is_no_image_stays_as_it_is(tmp_path, shape, likelihood):
    run = make_run(tmp_path / "run", shape=shape, likelihood=likelihood)
    found = arrays_of(RunView.read(run))
    np.testing.assert_array_equal(found["x"], runs.read_arrays(run, "previews.npz")["x"])
    assert found["change"].shape == (N_LATENTS, 6)


def test_classes_that_are_not_shown_count_as_unlabelled_and_in_all_else(tmp_path, rng):
    labels = np.repeat([0, 1, 2], [6, 12, 10])  # the first is that of fewest samples
    run = make_run(tmp_path / "run", labels=labels, probs=rng.random((28, 4)))
    arrays, found = arrays_of(RunView.read(run)), arrays_of(RunView.read(run, max_classes=2))
    by_class = ("active_by_class", "active_low", "active_high", "pattern_probs", "pattern_loc", "pattern_scale")
    for name in (*by_class, "class_low", "class_high"):
        np.testing.assert_array_equal(found[name], arrays[name][1:], err_msg=name)
    np.testing.assert_array_equal(found["labels"], labels[found["index"]] - 1)
    assert set(found["labels"]) == {-1, 0, 1}
    for name in ("surprise_n", "surprise_on", "latent_low", "latent_high", "change", "slab_loc"):
        np.testing.assert_array_equal(found[name], arrays[name])


def test_a_run_without_labels_and_samples_has_arrays_without_rows(tmp_path):
    run = make_run(tmp_path / "run", labels=np.full(18, -1))
    found = arrays_of(RunView.read(run))
    assert found["class_low"].shape == found["active_by_class"].shape == (0, N_LATENTS)
    assert found["x"].shape == (0, 1, 6, 6)
    np.testing.assert_array_equal(found["surprise_n"], [18])


def test_values_of_a_latent_that_is_dead_but_for_a_sample_far_out_are_within_reach(tmp_path):
    probs = np.full((300, 3), OFF)
    probs[:, 0], probs[7, 1] = ON, ON
    run = make_run(tmp_path / "run", labels=np.repeat([0, 1, 2], 100), probs=probs)
    codes = dict(zip(("test", "train"), runs.read_codes(run), strict=True))
    far = codes["test"].slab_loc.copy()
    far[7, 1] = 8
    arrays = codes["test"].to_arrays() | {"slab_loc": far}
    runs.save_codes(run, codes | {"test": Codes.from_arrays(arrays)})
    view = RunView.read(run)
    assert [factor.kind for factor in view.factors] == ["always-on", "dead", "dead"]
    found = arrays_of(view)
    np.testing.assert_array_equal(found["latent_low"][1:], [-3, -3])
    np.testing.assert_array_equal(found["latent_high"][1:], [8, 3])
