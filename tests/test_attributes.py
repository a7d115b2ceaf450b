"""What is measured of which data, whichever way it was split up, kept or found again."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cospike import attributes
from cospike._errors import InputError
from cospike.attributes import UNITS, attribute_kind, measure_attributes
from cospike.synthetic import make_shapes


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COSPIKE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "attributes"


@pytest.fixture(scope="module")
def images():
    return make_shapes(70, seed=1).x


@pytest.fixture
def measured(monkeypatch):
    """How many images were measured, block by block."""
    counts = []

    def count(measure):
        def counting(block):
            counts.append(len(block))
            return measure(block)

        return counting

    for kind, measure in attributes._MEASURES.items():
        monkeypatch.setitem(attributes._MEASURES, kind, count(measure))
    return counts


def same(found, expected):
    return list(found) == list(expected) and all(
        np.array_equal(found[name], expected[name], equal_nan=True) for name in expected
    )


# --- what is measured


def test_every_data_set_has_the_attributes_that_fit():
    grey = (1, 28, 28)
    assert [attribute_kind(name, grey) for name in ("mnist", "shapes", "mine")] == ["strokes"] * 3
    assert attribute_kind("digits", (1, 8, 8)) == "strokes"
    assert attribute_kind("fashion-mnist", grey) == "clothes"
    assert attribute_kind("sparse-linear", (64,)) == "columns"
    assert attribute_kind("photographs", (3, 32, 32)) is None


@pytest.mark.parametrize("kind", UNITS)
def test_every_attribute_has_a_unit_and_a_value_a_sample(images, kind):
    found = measure_attributes(images, kind=kind)
    assert list(found) == list(UNITS[kind]) == list(attributes._MEASURES[kind](images[:1, 0])), "and none is dropped"
    for values in found.values():
        assert (values.shape, values.dtype) == ((len(images),), np.float64)


def test_strokes_are_what_images_have_by_default(images):
    assert same(measure_attributes(images), measure_attributes(images, kind="strokes", cache=False))


def test_grey_levels_of_any_type_will_do(images):
    bytes_ = np.round(images * 255).astype(np.uint8)
    found, expected = measure_attributes(bytes_), measure_attributes(bytes_ / 255)
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, rel=1e-5, abs=1e-5), name


def test_a_table_has_its_columns(cache):
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    found = measure_attributes(rows, column_names=("age", "height"))
    assert {name: values.tolist() for name, values in found.items()} == {"age": [0, 2, 4], "height": [1, 3, 5]}
    assert list(measure_attributes(rows)) == ["column 0", "column 1"]
    found["age"][:] = 9
    assert rows[0, 0] == 0, "a copy"
    assert not cache.exists()


# --- in parts


@pytest.mark.slow
def test_processes_and_blocks_do_not_change_the_result(images, monkeypatch):
    alone = measure_attributes(images, jobs=1, cache=False)
    assert len(images) * 28 * 28 > attributes._PIXELS_AT_ONCE, "several blocks"
    assert same(measure_attributes(images, jobs=2, cache=False), alone)
    monkeypatch.setattr(attributes, "_PIXELS_AT_ONCE", 1)
    one_by_one = measure_attributes(images, jobs=1, cache=False)
    for name, values in alone.items():
        assert one_by_one[name] == pytest.approx(values, rel=1e-9, abs=1e-9), name


# --- the cache


def test_what_was_measured_is_found_again(images, measured):
    found = measure_attributes(images)
    assert sum(measured) == len(images)
    assert same(measure_attributes(images), found)
    assert same(measure_attributes(images.astype(np.float64)[::-1].copy()[::-1]), found), "content, not type or layout"
    assert sum(measured) == len(images)


def test_without_the_cache_nothing_is_kept_or_found(images, measured, cache):
    measure_attributes(images, cache=False)
    assert not cache.exists()
    measure_attributes(images)
    measure_attributes(images, cache=False)
    assert sum(measured) == 3 * len(images)


def test_other_images_kinds_and_definitions_are_measured_anew(images, measured, cache, monkeypatch):
    measure_attributes(images)
    changed = images.copy()
    changed[-1, 0, -1, -1] += 1e-3
    measure_attributes(changed)
    measure_attributes(images.reshape(-1, 1, 14, 56))
    measure_attributes(images, kind="clothes")
    monkeypatch.setattr(attributes, "_VERSION", attributes._VERSION + 1)
    measure_attributes(images)
    assert sum(measured) == 5 * len(images)
    assert len(list(cache.iterdir())) == 5, "and no temporary file"


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"no archive", "half", "array", "other", "short", "text", "pickle"],
)
def test_a_damaged_file_is_mended(images, measured, cache, content):
    found = measure_attributes(images)
    [path] = cache.iterdir()
    if content == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif content == "array":
        with path.open("wb") as file:
            np.save(file, found["area"])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        replaced = {
            "other": {"area": found["area"]},
            "short": {name: values[1:] for name, values in found.items()},
            "text": {name: values.astype(str) for name, values in found.items()},
            "pickle": {name: values.astype(object) for name, values in found.items()},
        }[content]
        np.savez(path, **replaced)
    assert same(measure_attributes(images), found)
    assert same(measure_attributes(images), found)
    assert sum(measured) == 2 * len(images), "once more, and then it is mended"


def test_a_malicious_file_does_nothing(images, cache, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    found = measure_attributes(images)
    [path] = cache.iterdir()
    np.savez(path, **dict.fromkeys(found, np.array([Trap()])))
    assert same(measure_attributes(images), found)
    assert not (tmp_path / "sprung").exists()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_flipped_byte_is_believed_or_an_error(cache, data):
    images = np.zeros((2, 1, 8, 8))
    images[:, 0, 2:6, 2:6] = [[[1]], [[0.5]]]
    images[0, 0, 3, 3] = 0
    found = measure_attributes(images, cache=False)
    measure_attributes(images)
    [path] = cache.iterdir()
    damaged = bytearray(path.read_bytes())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(damaged)
    assert same(measure_attributes(images), found)
    path.unlink()


def test_a_cache_that_cannot_be_written_is_no_error(images, measured, cache):
    cache.parent.write_text("a file")
    assert same(measure_attributes(images), measure_attributes(images))
    assert sum(measured) == 2 * len(images)


def test_a_write_that_fails_half_way_leaves_nothing(images, measured, cache, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        found = measure_attributes(images)
    assert list(cache.iterdir()) == []
    assert same(measure_attributes(images), found)
    assert len(list(cache.iterdir())) == 1


# --- misuse


@pytest.mark.parametrize(
    ("x", "arguments", "message"),
    [
        (np.zeros((2, 1, 8, 8)), {"kind": "stroke"}, "'kind' .* strokes, clothes or columns, got 'stroke'"),
        (np.zeros((2, 3, 8, 8)), {}, r"'x' .* grey images \[sample, 1, h, w\], got shape \(2, 3, 8, 8\)"),
        (np.zeros((2, 8, 8)), {}, r"'x' .* got shape \(2, 8, 8\)"),
        (np.zeros((0, 1, 8, 8)), {}, r"'x' .* got shape \(0, 1, 8, 8\)"),
        (np.zeros((2, 8)), {"kind": "clothes"}, r"'x' .* got shape \(2, 8\)"),
        (np.zeros((2, 1, 8, 8)), {"kind": "columns"}, r"'x' .* table rows \[sample, column\]"),
        (np.full((2, 1, 8, 8), np.nan), {}, "'x' .* finite float32, got 128 NaN or infinite pixels"),
        (np.full((2, 1, 8, 8), 1e300), {}, "'x' .* finite float32, got 128 NaN or infinite pixels"),
        (np.zeros((2, 1, 8, 8)), {"column_names": ("a",)}, "'column_names' .* None for images"),
        (np.zeros((2, 2)), {"column_names": ("a",)}, "'column_names' .* 2 different names, got 1"),
        (np.zeros((2, 2)), {"column_names": ("a", "a")}, "'column_names' .* 2 different names, got 2 of which 1"),
        (np.zeros((2, 1, 8, 8)), {"jobs": 0}, "'jobs' .* at least 1, got 0"),
    ],
)
def test_what_cannot_be_measured_is_refused(unchecked, x, arguments, message):
    with pytest.raises(InputError, match=message) as refusal:
        measure_attributes(x, **arguments)
    assert "\n" not in str(refusal.value)


def test_measuring_does_not_load_torch():
    code = "import numpy as np, sys, cospike.attributes as a; a.measure_attributes(np.eye(8)[None, None], cache=False)"
    code += "; sys.exit(any(name in sys.modules for name in ('torch', 'matplotlib')))"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
