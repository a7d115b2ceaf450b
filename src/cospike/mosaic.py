"""Pictures beside each other on one canvas. Arrays only."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from jaxtyping import Float

_SIDE = 56  # pixels of the longer side of a picture, near enough: twice what it takes on a page


def mosaic(
    tiles: Float[np.ndarray, "row column height width 3"], row_breaks: Sequence[int], column_breaks: Sequence[int]
) -> tuple[Float[np.ndarray, "y x 4"], Float[np.ndarray, " row"], Float[np.ndarray, " column"]]:
    """Tiles on one canvas, transparent between them and where a tile is NaN, and the centres of rows and columns.

    Values are rounded to 64 levels, which no one sees and which halves the file.
    """
    n_rows, n_columns, height, width, _ = tiles.shape
    gap = max(1, width // 20)
    starts = [
        np.arange(n) * (size + gap) + 4 * gap * np.searchsorted(np.array(breaks, dtype=int), np.arange(n), "right")
        for n, size, breaks in ((n_rows, height, row_breaks), (n_columns, width, column_breaks))
    ]
    canvas = np.zeros((starts[0][-1] + height, starts[1][-1] + width, 4))
    for (i, y), (j, x) in product(enumerate(starts[0]), enumerate(starts[1])):
        place = canvas[y : y + height, x : x + width]
        place[..., :3] = np.nan_to_num(np.round(63 * tiles[i, j]) / 63)
        place[..., 3] = np.isfinite(tiles[i, j]).all(axis=-1)
    return canvas, starts[0] + (height - 1) / 2, starts[1] + (width - 1) / 2


def tile(pictures: Float[np.ndarray, "row column height width 3"]) -> Float[np.ndarray, "row column y x 3"]:
    """Pictures brought near the size of a tile by a whole factor: small ones stay sharp, large ones are averaged."""
    n_rows, n_columns, height, width, _ = pictures.shape
    if (factor := _SIDE // max(height, width)) > 1:
        return pictures.repeat(factor, axis=2).repeat(factor, axis=3)
    factor = max(1, round(max(height, width) / _SIDE))
    y, x = min(factor, height), min(factor, width)
    cut = pictures[:, :, : height // y * y, : width // x * x]
    return np.asarray(cut.reshape(n_rows, n_columns, height // y, y, width // x, x, 3).mean(axis=(3, 5)))
