"""How strokes and outlines are measured, image by image: what `measure_attributes` works with. Arrays only.

Strokes (digits, drawn shapes) are measured as Morpho-MNIST does (D. C. Castro, J. Tan, B. Kainz, E. Konukoglu,
B. Glocker, *Morpho-MNIST: Quantitative Assessment and Diagnostics for Representation Learning*, JMLR 20, 2019): small
images are enlarged four times, what is brighter than half of the range is ink, and the ink has a skeleton, in whose
points the distance to the background is half the thickness. To theirs come the loops, connected holes in the ink.
Four things differ:

- the skeleton is that of T. Y. Zhang and C. Y. Suen (*A fast parallel algorithm for thinning digital patterns*, 1984):
  a hundred times faster than the medial axis, and without its twigs towards the corners of a stroke;
- what is darkest in an image weighs nothing in the moments, whatever its grey level;
- a dark rim is laid around, so that a stroke may touch the frame;
- enlarging is bilinear, not cubic, and so makes no level that was not there.

Clothes (Fashion-MNIST) are measured on their outline: what is brighter than a tenth of the range.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import ndimage
from skimage.morphology import skeletonize

Attributes: TypeAlias = dict[str, Float[np.ndarray, " sample"]]
"""Float64, by name; NaN where an image has none."""

Images: TypeAlias = Float[np.ndarray, "sample h w"]

_Column: TypeAlias = Shaped[np.ndarray, " sample"]
_Mask: TypeAlias = Bool[np.ndarray, "sample h w"]

_SMALL = 64  # pixels of side up to which an image is enlarged
_INK, _OUTLINE = 0.5 - 1e-6, 0.1  # shares of the range of an image; what lies half way is ink, however it is rounded
_TAILS = (0.01, 0.99)  # between them lies the light that a bounding parallelogram holds
_LINKS = np.array([[0, 0, 0], [0, 0, 1], [np.sqrt(2), 1, np.sqrt(2)]])  # to the neighbours not yet met
_WITHIN_IMAGE = np.array([np.zeros((3, 3)), [[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.zeros((3, 3))])  # by sides


def measure_strokes(images: Images) -> Attributes:
    """The attributes of strokes that `cospike.attributes.measure_attributes` defines."""
    scale = 4 if max(images.shape[1:]) <= _SMALL else 1
    light = _enlarge(np.pad(_normalise(images), ((0, 0), (1, 1), (1, 1))), scale)
    ink = light > _INK
    # Each image has a dark rim, so that one below the other they are a single image in which none touches another.
    tall = ink.reshape(-1, ink.shape[2])
    skeleton = skeletonize(tall)
    depth = (ndimage.distance_transform_edt(tall) * skeleton).reshape(ink.shape)
    links = (ndimage.correlate(skeleton.astype(float), _LINKS, mode="constant") * skeleton).reshape(ink.shape)
    slant, width, height = _parallelogram(light)
    n_loops, loop_area = _loops(ink)
    attributes = {
        "thickness": 2 * _divide(depth.sum(axis=(1, 2)), np.count_nonzero(depth, axis=(1, 2))) / scale,
        "slant": slant,
        "width": width / scale,
        "height": height / scale,
        "area": ink.sum(axis=(1, 2)) / scale**2,
        "length": links.sum(axis=(1, 2)) / scale,
        "n_loops": n_loops,
        "loop_area": loop_area / scale**2,
    }
    return _where(_any(ink, (1, 2)), attributes)


def _normalise(images: Images) -> Images:
    """Grey levels from 0, the darkest of an image, to 1; all 0 if there is but one level."""
    low, high = (extreme(images, axis=(1, 2), keepdims=True).astype(np.float64) for extreme in (np.min, np.max))
    return _divide(images - low, high - low)


def _enlarge(light: Images, scale: int) -> Float[np.ndarray, "sample down across"]:
    """Bilinear, with the centres of the pixels as knots."""

    def hats(n: int) -> Float[np.ndarray, "fine coarse"]:
        place = np.clip((np.arange(scale * n) + 0.5) / scale - 0.5, 0, n - 1)
        return np.asarray(np.maximum(0, 1 - np.abs(place[:, None] - np.arange(n))))

    return np.asarray(hats(light.shape[1]) @ light @ hats(light.shape[2]).T)


def _parallelogram(light: Images) -> tuple[_Column, _Column, _Column]:
    """Slant, width and height, from the moments of the light."""
    of_row, of_column = light.sum(axis=2), light.sum(axis=1)
    y, x = (np.arange(n, dtype=np.float64) for n in light.shape[1:])
    down = y - _divide(of_row @ y, of_row.sum(axis=1))[:, None]  # from the centroid, [sample, row]
    right = x - _divide(of_column @ x, of_column.sum(axis=1))[:, None]
    u11 = np.einsum("nhw,nh,nw->n", light, down, right, optimize=True)
    shear = _divide(u11, np.einsum("nh,nh->n", of_row, down**2))
    upright = right[:, None, :] - (shear[:, None] * down)[:, :, None]
    n, reach = len(light), sum(light.shape[1:])
    width = _extent(upright.reshape(n, -1), light.reshape(n, -1), reach)
    return -np.arctan(shear), width, _extent(down, of_row, reach)


def _extent(
    place: Float[np.ndarray, "sample point"], light: Float[np.ndarray, "sample point"], reach: int
) -> Float[np.ndarray, " sample"]:
    """Length of the interval that holds the light but for `_TAILS`, each point being one wide.

    Beyond ± ``reach`` lie only the ends of a line that is all but level; they count as if they lay there.
    """
    n_bins = 2 * reach + 1
    samples, points = np.nonzero(light)
    lit = light[samples, points]
    from_left = np.clip(place[samples, points], 0.5 - reach, reach - 0.5) + reach - 0.5
    bins = from_left.astype(np.int64)
    in_next = lit * (from_left - bins)  # a point lies across two bins
    bins += n_bins * samples
    mass = np.bincount(bins, lit - in_next, len(light) * n_bins)
    mass += np.bincount(bins + 1, in_next, len(light) * n_bins)
    shares = np.cumsum(mass.reshape(-1, n_bins), axis=1)
    shares = _divide(shares, shares[:, -1:])
    return np.array([np.diff(np.interp(_TAILS, share, np.arange(n_bins)))[0] for share in shares])


def _loops(ink: _Mask) -> tuple[_Column, _Column]:
    """Number of the holes in each image, and their area."""
    regions, n_regions = ndimage.label(~ink, _WITHIN_IMAGE)
    home = np.zeros(n_regions + 1, dtype=np.int64)  # the image that each region lies in
    home[regions] = np.arange(len(ink))[:, None, None]
    n_loops = np.bincount(home[1:], minlength=len(ink)) - 1.0  # without the region around the ink
    holes = ~ink & (regions != regions[:, :1, :1])
    return n_loops, np.asarray(holes.sum(axis=(1, 2)))


def measure_clothes(images: Images) -> Attributes:
    """The attributes of clothes that `cospike.attributes.measure_attributes` defines."""
    cloth = _normalise(images) > _OUTLINE
    in_row, in_column = _any(cloth, 2), _any(cloth, 1)
    (top, height), (left, width) = _span(in_row), _span(in_column)
    underside = cloth.shape[1] - np.argmax(cloth[:, ::-1], axis=1) - top[:, None]  # in rows from the top
    underside = np.where(in_column, underside, 0)
    before = np.maximum.accumulate(underside, axis=1)
    after = np.maximum.accumulate(underside[:, ::-1], axis=1)[:, ::-1]
    arch = np.where(in_column, np.minimum(before, after) - underside, 0)
    middle = (np.arange(cloth.shape[2]) - left[:, None] + 0.5) / np.maximum(width, 1)[:, None] - 0.5
    sleeves = in_column & (np.abs(middle) > 1 / 3)  # the outermost sixth at either side
    reach = _divide((underside * sleeves).sum(axis=1), sleeves.sum(axis=1))
    aspect = _divide(height, width)
    attributes = {
        "intensity": _divide((images * cloth).sum(axis=(1, 2), dtype=np.float64), cloth.sum(axis=(1, 2))),
        "width": width,
        "height": height,
        "aspect": aspect,
        "heel_height": np.where(aspect <= 1, arch.max(axis=1), np.nan),
        "sleeve_length": np.where((aspect > 1) & (aspect <= 2), reach, np.nan),
    }
    return _where(_any(in_row, 1), attributes)


def _span(there: Bool[np.ndarray, "sample place"]) -> tuple[_Column, _Column]:
    """The first place of each sample, and how far it is to the last; 0 and the whole length if there is none."""
    first = np.argmax(there, axis=1)
    return first, there.shape[1] - np.argmax(there[:, ::-1], axis=1) - first


def _divide(a: Shaped[np.ndarray, "..."], b: Shaped[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """A / b, and 0 where b is."""
    a, b = np.broadcast_arrays(a, b)
    return np.asarray(np.divide(a, b, out=np.zeros(a.shape), where=b != 0))


def _any(mask: Bool[np.ndarray, "*axes"], axis: int | tuple[int, ...]) -> Bool[np.ndarray, "*left"]:
    return np.asarray(mask.any(axis=axis))


def _where(seen: Bool[np.ndarray, " sample"], attributes: Attributes) -> Attributes:
    """NaN for an image in which nothing is seen."""
    return {name: np.where(seen, values, np.nan).astype(np.float64) for name, values in attributes.items()}
