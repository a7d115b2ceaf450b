"""Images of eight classes of strokes, and the causes that move them: what `cospike.synthetic.make_shapes` draws.

A class is a function from two causes, that of its category and its own, to strokes; four causes act on them all. An
image is the distance of each pixel to the nearest stroke, cut off at the half width, so that it is anti-aliased.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float, Float32, Int64

_Column: TypeAlias = Float[np.ndarray, " sample"]
_Strokes: TypeAlias = Float[np.ndarray, "sample stroke 2 2"]  # two ends, each x (right) and y (up)

_ROWS_AT_ONCE = 100  # so that what is being drawn stays in the processor's cache
_ARC_STROKES = 24


def _arc(aspect: _Column, opening: _Column) -> _Strokes:
    """An ellipse of the area of the unit circle, open to the right by ± ``opening`` radians."""
    angle = opening[:, None] + np.linspace(0, 1, _ARC_STROKES + 1) * (2 * np.pi - 2 * opening[:, None])
    stretch = np.exp(aspect)[:, None]
    points = np.stack([np.cos(angle) * stretch, np.sin(angle) / stretch], axis=-1)
    return np.stack([points[:, :-1], points[:, 1:]], axis=2)


def _lines(*ends: tuple[_Column | float, ...]) -> _Strokes:
    """Straight strokes, each given as x and y of its one end and x and y of its other."""
    columns = np.broadcast_arrays(*(value for stroke in ends for value in stroke))
    return np.stack(columns, axis=1).reshape(-1, len(ends), 2, 2)


def _ring(aspect: _Column, gap: _Column) -> _Strokes:
    return _arc(aspect, gap)


def _eye(aspect: _Column, gaze: _Column) -> _Strokes:
    x = gaze * np.exp(aspect)
    return np.concatenate([_arc(aspect, 0 * aspect), _lines((x, -0.3, x, 0.3))], axis=1)


def _theta(aspect: _Column, height: _Column) -> _Strokes:
    x, y = np.exp(aspect) * np.sqrt(1 - height**2), height * np.exp(-aspect)
    return np.concatenate([_arc(aspect, 0 * aspect), _lines((-x, y, x, y))], axis=1)


def _cross(rotation: _Column, beam: _Column) -> _Strokes:
    x, y = np.cos(rotation), np.sin(rotation)
    return _lines((-beam * x, -beam * y, beam * x, beam * y), (y, -x, -y, x))


def _fork(rotation: _Column, spread: _Column) -> _Strokes:
    prongs = [np.pi / 2 + rotation + side * spread for side in (-1, 1)]
    return _lines(
        *((0, 0, np.cos(angle), np.sin(angle)) for angle in prongs), (0, 0, np.sin(rotation), -np.cos(rotation))
    )


def _bars(slant: _Column, *bars: tuple[float, _Column | float, _Column | float]) -> _Strokes:
    """Upright strokes at x from y to y, then sheared."""
    return _lines(*((x + slant * low, low, x + slant * high, high) for x, low, high in bars))


def _pair(slant: _Column, shift: _Column) -> _Strokes:
    return _bars(slant, (-0.5, -0.8 - shift, 0.8 - shift), (0.5, -0.8 + shift, 0.8 + shift))


def _triple(slant: _Column, middle: _Column) -> _Strokes:
    return _bars(slant, (-0.75, -0.9, 0.9), (0, -middle, middle), (0.75, -0.9, 0.9))


def _ladder(slant: _Column, rung: _Column) -> _Strokes:
    rails = _bars(slant, (-0.65, -0.9, 0.9), (0.65, -0.9, 0.9))
    return np.concatenate([rails, _lines((slant * rung - 0.65, rung, slant * rung + 0.65, rung))], axis=1)


class Range(NamedTuple):
    """A cause and what its values −1 and 1 stand for."""

    name: str
    low: float
    high: float

    def scale(self, values: _Column) -> _Column:
        """From −1 … 1 to the range."""
        return self.low + (self.high - self.low) * (values + 1) / 2


class Shape(NamedTuple):
    """A class: its category, the cause of its own, and what the two causes draw, in units of the radius."""

    category: str
    own: Range
    strokes: Callable[[_Column, _Column], _Strokes]


_RADIUS = 7.5
GLOBAL = (  # pixels of 28 × 28; half the width of a stroke, in pixels; a grey level
    Range("x", -1.8, 1.8),
    Range("y", -1.2, 1.2),
    Range("thickness", 1.0, 2.0),
    Range("background", 0.0, 0.3),
)
CATEGORIES = {  # the logarithm of a stretch; radians; a share of the height
    "round": Range("aspect", -0.18, 0.18),
    "star": Range("rotation", -0.45, 0.45),
    "bars": Range("slant", -0.45, 0.45),
}
SHAPES = {  # radians, or in units of the radius
    "ring": Shape("round", Range("ring gap", 0.35, 1.7), _ring),
    "eye": Shape("round", Range("eye gaze", -0.45, 0.45), _eye),
    "theta": Shape("round", Range("theta height", -0.55, 0.55), _theta),
    "cross": Shape("star", Range("cross beam", 0.2, 1.2), _cross),
    "fork": Shape("star", Range("fork spread", 0.35, 1.3), _fork),
    "pair": Shape("bars", Range("pair shift", -0.4, 0.4), _pair),
    "triple": Shape("bars", Range("triple middle", 0.1, 1.1), _triple),
    "ladder": Shape("bars", Range("ladder rung", -0.65, 0.65), _ladder),
}


class Values(NamedTuple):
    """The values of the causes of each image, on −1 … 1: [sample, global], of its category's, of its class's."""

    shared: Float[np.ndarray, "sample cause"]
    of_category: _Column
    of_class: _Column


def draw_shapes(
    labels: Int64[np.ndarray, " sample"], values: Values, side: int
) -> Float32[np.ndarray, "sample 1 side side"]:
    """Grey levels in 0 … 1: strokes are white, and what they do not cover has the level of the background."""
    images = np.empty((len(labels), 1, side, side), dtype=np.float32)
    for label, shape in enumerate(SHAPES.values()):
        rows = np.flatnonzero(labels == label)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = rows[start : start + _ROWS_AT_ONCE]
            of_category = CATEGORIES[shape.category].scale(values.of_category[part])
            strokes = shape.strokes(of_category, shape.own.scale(values.of_class[part]))
            x, y, thickness, background = (cause.scale(values.shared[part, k]) for k, cause in enumerate(GLOBAL))
            points = strokes * _RADIUS + np.stack([x, y], axis=1)[:, None, None]
            covered = _draw(points * side / 28, thickness * side / 28, side)
            images[part, 0] = covered + (1 - covered) * background[:, None, None]
    return images


def _draw(strokes: _Strokes, half_width: _Column, side: int) -> Float32[np.ndarray, "sample side side"]:
    """How much of each pixel the strokes cover, from the distance of its centre to the nearest of them."""
    centres = np.arange(side, dtype=np.float32) - (side - 1) / 2
    strokes, half_width = (values.astype(np.float32)[..., None, None] for values in (strokes, half_width))
    nearest = np.full((len(strokes), side, side), np.inf, dtype=np.float32)
    for (x, y), (to_x, to_y) in strokes.transpose(1, 2, 3, 0, 4, 5):
        along_x, along_y, from_x, from_y = to_x - x, to_y - y, centres - x, -centres[:, None] - y
        place = np.clip((from_x * along_x + from_y * along_y) / (along_x**2 + along_y**2), 0, 1)
        nearest = np.minimum(nearest, (from_x - place * along_x) ** 2 + (from_y - place * along_y) ** 2)
    return np.asarray(np.clip(half_width + 0.5 - np.sqrt(nearest), 0, 1))
