"""`measure_attributes()`: what a person could say of an image or a table row, as numbers to hold a latent against.

How images are measured is told in `cospike.morphology`. It takes two milliseconds an image, so what was measured once
is kept in the cache, by the content of the images. Arrays only.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Literal, TypeAlias

import joblib
import numpy as np
from jaxtyping import Real

from cospike._arrays import to_array
from cospike._errors import InputError, check_number, check_type
from cospike._files import format_arrays, parse_arrays, write_cached
from cospike._reading import MAX_BINARY, read_file
from cospike.morphology import Attributes, Images, measure_clothes, measure_strokes
from cospike.sources import cache_folder

AttributeKind: TypeAlias = Literal["strokes", "clothes", "columns"]
"""What can be measured: two sets of attributes of images, and the columns of a table."""

UNITS: Mapping[str, Mapping[str, str]] = {
    "strokes": {
        "thickness": "pixels",
        "slant": "radians",
        "width": "pixels",
        "height": "pixels",
        "area": "pixels²",
        "length": "pixels",
        "n_loops": "loops",
        "loop_area": "pixels²",
    },
    "clothes": {
        "intensity": "grey level",
        "width": "pixels",
        "height": "pixels",
        "aspect": "height / width",
        "heel_height": "pixels",
        "sleeve_length": "pixels",
    },
}
"""The attributes of each set, and their units; pixels are those of the image as given."""

_NAME = "measure_attributes"
_VERSION = 1  # of the definitions: a higher one passes over what is in the cache
_PIXELS_AT_ONCE = 25_000  # so that what is being measured stays in the cache of the processor
_PIXELS_ALONE = 1_000_000  # so few are measured before another process has started


def attribute_kind(name: str, shape: Sequence[int]) -> AttributeKind | None:
    """What can be measured of a data set, by its name and the shape of one sample; None for colour images.

    >>> attribute_kind("mnist", (1, 28, 28)), attribute_kind("fashion-mnist", (1, 28, 28)), attribute_kind("iris", (4,))
    ('strokes', 'clothes', 'columns')
    """
    if len(shape) == 3 and shape[0] == 1:
        return "clothes" if name == "fashion-mnist" else "strokes"
    return "columns" if len(shape) == 1 else None


def measure_attributes(
    x: Real[np.ndarray, "sample *event"],
    *,
    kind: AttributeKind | None = None,
    column_names: Sequence[str] | None = None,
    jobs: int | None = None,
    cache: bool = True,
) -> Attributes:
    """Attributes of each sample, by name; NaN where an image has none, as one of a single grey level.

    Strokes, which are brighter than the background, in the units of `UNITS`:

        thickness      twice the mean distance of the skeleton to the background
        slant          −arctan(μ₁₁ / μ₀₂) of the light above the background: how far upright strokes lean to the right
        width, height  of the parallelogram of that slant that holds the light but for 1 % at each of its sides
        area           of the ink
        length         of the skeleton
        n_loops        connected holes in the ink (sides connect, corners do not)
        loop_area      of the holes together; 0 without a loop

    Clothes:

        intensity      mean grey level within the outline
        width, height  of the box around the outline; aspect = height / width
        heel_height    how high the underside rises between two places where it is lower, as before a heel: 0 on a flat
                       sole, NaN for what is higher than wide and so no shoe
        sleeve_length  from the top down to where the outermost sixth of the columns at either side ends: all the way
                       without sleeves, NaN for what is not higher than wide (shoes) or over twice so (trousers)

    Args:
        x: images [sample, 1, height, width] of any grey levels, or table rows [sample, column].
        kind: what to measure; default: strokes of images, columns of table rows. `attribute_kind` knows more.
        column_names: the names of the columns (default: column 0, column 1, …); for tables only.
        jobs: processes (default: one a core where that pays); they do not change the result.
        cache: keep and use results in the folder COSPIKE_CACHE_DIR, or the platform's own for caches, by content.

    Raises:
        InputError: if the kind is unknown or does not fit the shape, a pixel is not finite, or names do not fit.

    >>> distance = np.hypot(*np.mgrid[-10:11, -10:11])
    >>> ring = (np.abs(distance - 7) < 1.5).astype(np.float32)
    >>> attributes = measure_attributes(ring[None, None], cache=False)
    >>> attributes["n_loops"]
    array([1.])
    """
    x = _numbers(x)
    check_type(kind, (str, NoneType), "kind", _NAME, "strokes, clothes or columns", "Leave it out for what fits.")
    if jobs is not None:
        check_number(jobs, "jobs", _NAME, whole=True)
    chosen = kind or attribute_kind("", x.shape[1:]) or "strokes"
    if chosen == "columns":
        return _columns(x, column_names)
    images = _check_images(x, chosen, column_names, jobs)
    path = _cached_at(images, chosen)
    if cache and (known := _read(path, chosen, len(images))):
        return known
    attributes = _measure(images, chosen, jobs)
    if cache:
        write_cached(path, format_arrays(attributes))
    return attributes


def _numbers(x: object) -> Real[np.ndarray, "..."]:
    """As an array, which a list of images or rows may be."""
    found = to_array(x, "x", _NAME)
    if found.dtype.kind not in "fiub":
        got = f"{found.dtype} of shape {found.shape}"
        raise _refusal("x", "images or rows of numbers", got, "Give an array with a row a sample.")
    return found


def _columns(x: Real[np.ndarray, "sample *event"], names: Sequence[str] | None) -> Attributes:
    if x.ndim != 2:
        raise _refusal("x", "table rows [sample, column] for columns", f"shape {x.shape}", "Choose another kind.")
    names = [f"column {column}" for column in range(x.shape[1])] if names is None else names
    if not all(isinstance(name, str) for name in names):
        raise _refusal("column_names", f"{x.shape[1]} different names", repr(names), "Name each column once.")
    if len(set(names)) != x.shape[1] or len(names) != x.shape[1]:
        got = f"{len(names)} of which {len(set(names))} differ"
        raise _refusal("column_names", f"{x.shape[1]} different names", got, "Name each column once.")
    return {name: x[:, column].astype(np.float64) for column, name in enumerate(names)}


def _check_images(
    x: Real[np.ndarray, "sample *event"], kind: str, column_names: Sequence[str] | None, jobs: int | None
) -> Images:
    """The images without their channel, once all arguments make sense."""
    shape = f"shape {x.shape}"
    for argument, passes, expected, got, fix in (
        ("kind", kind in UNITS, "strokes, clothes or columns", repr(kind), "Leave it out for what fits."),
        ("x", x.ndim == 4 and x.shape[1] == 1 and x.size, "grey images [sample, 1, h, w]", shape, "Reshape them."),
        ("column_names", column_names is None, "None for images", repr(column_names), "They are for tables."),
        ("jobs", jobs is None or jobs >= 1, "at least 1", jobs, "Leave it out for one a core."),
    ):
        if not passes:
            raise _refusal(argument, expected, got, fix)
    with np.errstate(over="ignore"):  # what is too large for float32 is found below, as infinite
        images = np.ascontiguousarray(x[:, 0], dtype=np.float32)
    if wrong := int(np.sum(~np.isfinite(images))):
        raise _refusal("x", "finite float32", f"{wrong} NaN or infinite pixels", "Fill or drop them.")
    return images


def _refusal(argument: str, expected: str, got: object, fix: str) -> InputError:
    return InputError(f"'{argument}' of {_NAME} must be {expected}, got {got}. {fix}")


def _measure(images: Images, kind: str, jobs: int | None) -> Attributes:
    """Block by block, in several processes: of threads, only one at a time would thin a skeleton."""
    n_rows = max(1, _PIXELS_AT_ONCE // images[0].size)
    blocks = [images[start : start + n_rows] for start in range(0, len(images), n_rows)]
    if jobs is None:
        jobs = joblib.cpu_count() if kind == "strokes" and images.size > _PIXELS_ALONE else 1
    measure = joblib.delayed(_MEASURES[kind])
    parts = joblib.Parallel(n_jobs=min(jobs, len(blocks)))(measure(block) for block in blocks)
    return {name: np.concatenate([part[name] for part in parts]) for name in UNITS[kind]}


_MEASURES: dict[str, Callable[[Images], Attributes]] = {"strokes": measure_strokes, "clothes": measure_clothes}


def _cached_at(images: Images, kind: str) -> Path:
    digest = hashlib.sha256(repr((_VERSION, images.shape)).encode())
    digest.update(images.data)
    return cache_folder() / "attributes" / f"{kind}-{digest.hexdigest()[:32]}.npz"


def _read(path: Path, kind: str, n: int) -> Attributes | None:
    """What is kept at ``path``; None if that is nothing, or not what it should be."""
    try:
        arrays = parse_arrays(read_file(path, MAX_BINARY))
    except (OSError, ValueError):
        return None
    fine = all(values.shape == (n,) and values.dtype == np.float64 for values in arrays.values())
    return arrays if fine and arrays.keys() == UNITS[kind].keys() else None
