"""Samples in files: those that `generate` draws, each where it belongs."""

import csv

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

import cospike as cs
from cospike import runs
from cospike._errors import InputError
from cospike.sample_files import parse_settings, write_samples


def read_png(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_an_npz_file_is_what_generate_draws(trained, tmp_path):
    write_samples(trained.run, label="3", set={2: (1.5,)}, n=5, seed=7, out=tmp_path / "s.npz")
    found = np.load(tmp_path / "s.npz")
    assert_array_equal(found["x"], cs.generate(trained.model, 5, label=3, set={2: 1.5}, seed=7))
    assert (found["code"][:, 2] == 1.5).all()


def test_a_sweep_changes_one_latent_and_nothing_else(trained, tmp_path):
    write_samples(trained.run, label="3", set={2: (-1.0, 0.0, 1.0), 4: (0.5,)}, out=tmp_path / "s.npz")
    found = np.load(tmp_path / "s.npz")
    assert found["x"].shape == (4, 3, 1, 8, 8)
    assert_array_equal(found["code"][:, :, 2], np.tile([-1.0, 0.0, 1.0], (4, 1)))
    others = np.delete(found["code"], 2, axis=2)
    assert_array_equal(others, np.broadcast_to(others[:, :1], others.shape))
    for step, value in enumerate(found["value"]):
        expected = cs.generate(trained.model, 4, label=3, set={2: float(value), 4: 0.5})
        np.testing.assert_allclose(found["x"][:, step], expected, atol=1e-6)


def test_a_picture_has_the_samples_in_rows_and_nothing_after_the_last(trained):
    path = write_samples(trained.run, n=5)
    assert path == trained.run / "samples.png"
    canvas, drawn = read_png(path), cs.generate(trained.model, 5)
    side, gap = 56, 2  # 8 pixels, seven times
    assert canvas.shape == (2 * side + gap, 3 * side + 2 * gap, 4)
    for i, picture in enumerate(drawn):
        y, x = i // 3 * (side + gap), i % 3 * (side + gap)
        tile = canvas[y : y + side, x : x + side]
        assert (tile[..., 3] == 255).all()
        np.testing.assert_allclose(tile[3::7, 3::7, 1] / 255, picture[0], atol=0.011)  # 64 levels of 256
    assert (canvas[side + gap :, 2 * (side + gap) :, 3] == 0).all()


def test_a_csv_file_has_a_row_a_sample_and_of_a_sweep_a_row_a_value(trained, tmp_path):
    for out, settings, n_rows in (("plain.csv", {}, 3), ("sweep.csv", {1: (0.0, 2.0)}, 6)):
        write_samples(trained.run, set=settings, n=3, out=tmp_path / out)
        with (tmp_path / out).open(newline="") as file:
            header, *rows = csv.reader(file)
        assert len(rows) == n_rows
        if settings:
            assert [row[:2] for row in rows] == [[str(i), value] for i in range(3) for value in ("0.0", "2.0")]
        assert header == ["sample", *["value"] * bool(settings), *(f"x_{i}" for i in range(64))]
        first = np.array(rows[0][-64:], dtype=np.float32).reshape(1, 8, 8)
        np.testing.assert_allclose(
            first, cs.generate(trained.model, 3, set={k: v[0] for k, v in settings.items()})[0], atol=1e-6
        )


def test_rows_that_are_no_pictures_become_a_table(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    data = cs.from_arrays(x, np.arange(60) % 2)
    model = cs.SparseVAE((4,), 5, hidden=(6,), likelihood="gaussian")
    cs.fit(model, data, epochs=2, out=tmp_path / "run", accelerator="cpu")
    assert write_samples(tmp_path / "run") == tmp_path / "run" / "samples.csv"
    with pytest.raises(InputError, match=r"end in \.csv or \.npz where samples are no images"):
        write_samples(tmp_path / "run", out=tmp_path / "s.png")


def test_pictures_of_any_values_are_as_bright_as_the_data(tmp_path):
    x = np.random.default_rng(0).uniform(-300, 500, size=(60, 3, 6, 6)).astype(np.float32)
    model = cs.SparseVAE((3, 6, 6), 5, hidden=(6,), likelihood="gaussian")
    cs.fit(model, cs.from_arrays(x, np.arange(60) % 2), epochs=3, out=tmp_path / "run", accelerator="cpu")
    write_samples(tmp_path / "run", n=1)
    drawn = cs.generate(runs.load(tmp_path / "run"), 1)[0]
    low, high = np.quantile(np.load(tmp_path / "run" / "previews.npz")["x"], (0.005, 0.995))
    shown = read_png(tmp_path / "run" / "samples.png")[4::9, 4::9, :3] / 255
    np.testing.assert_allclose(shown, np.moveaxis((drawn - low) / (high - low), 0, -1), atol=0.011)


def test_kept_samples_that_are_none_are_refused_in_one_line(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 1, 6, 6)).astype(np.float32)
    model = cs.SparseVAE((1, 6, 6), 5, hidden=(6,), likelihood="gaussian")
    run = tmp_path / "run"
    cs.fit(model, cs.from_arrays(x, np.arange(60) % 2), epochs=1, out=run, accelerator="cpu")
    index = np.arange(3)
    for arrays in ({"index": index}, {"index": index, "x": np.array(["a"] * 3)}, {"index": index, "x": x[:3, 0]}):
        runs.save_arrays(run, "previews.npz", arrays)
        with pytest.raises(InputError, match=r"previews\.npz (lacks|must have) 'x'"):
            write_samples(run)


def test_settings_are_read_as_they_are_written():
    assert parse_settings(["12=-2:2:9"]) == {12: tuple(np.linspace(-2, 2, 9))}
    assert parse_settings(["3=1,2.5,-1e-1", "0=0"]) == {3: (1.0, 2.5, -0.1), 0: (0.0,)}


@pytest.mark.parametrize(
    "text", ["12", "12=", "=1", "a=1", "12=b", "12=1:2", "12=1:2:1", "12=1:2:x", "12=nan", "12=1,inf", "12=1:2:3:4"]
)
def test_what_is_no_setting_is_refused(text):
    with pytest.raises(InputError, match="LATENT=VALUE") as refusal:
        parse_settings([text])
    assert repr(text) in str(refusal.value)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"label": "tree"}, "Unknown class 'tree'"),
        ({"label": "11"}, "0 … 9, got 11"),
        ({"set": {16: (1.0,)}}, "latents 0 … 15"),
        ({"set": {1: (0.0, 1.0), 2: (0.0, 1.0)}}, "one latent at most, got 1 and 2"),
        ({"n": 0}, "at least 1"),
        ({"n": 3000}, r"at most 2500 for a \.png, got 3000"),
        ({"out": "s.gif"}, r"\.png, \.csv or \.npz"),
        ({"out": "none/s.png"}, "Make .*none first"),
    ],
)
def test_impossible_requests_are_refused(trained, tmp_path, more, message):
    out = tmp_path / more.pop("out", "s.png")
    with pytest.raises(InputError, match=message):
        write_samples(trained.run, out=out, **more)
    assert not list(tmp_path.iterdir())


def test_a_latent_is_named_once():
    with pytest.raises(InputError, match="each latent once, got 3 twice"):
        parse_settings(["3=1", "3=2"])
