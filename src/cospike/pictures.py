"""Folders of pictures, a sub-folder a class: any formats, modes and sizes, made alike. Arrays only.

What comes from anywhere is decoded by Pillow's own decoders of seven raster formats alone, none of which runs another
program, and only after its size is known.
"""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64, UInt8

from cospike._ceiling import limited_memory
from cospike._errors import InputError, TrainingWarning
from cospike._reading import MAX_BINARY, open_file
from cospike.columns import in_order

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm")
"""Files that are taken for pictures."""

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
_MAX_SIDE, _LARGEST_SIDE = 64, 1024  # of what pictures are made to: by default, and at most
_MAX_PIXELS = 2**27  # of a picture: 134 million, more than a camera takes
_MAX_BYTES = 2**31  # of all, once they are alike
_NAMED = 3  # files in a message


class Pictures(NamedTuple):
    """Pictures that are alike.

    Attributes:
        x: grey or red, green and blue levels.
        y: class index of each.
        class_names: the names of the sub-folders.
    """

    x: UInt8[np.ndarray, "sample channel height width"]
    y: Int64[np.ndarray, " sample"]
    class_names: tuple[str, ...]


def has_pictures(folder: Path) -> bool:
    """Whether some sub-folder holds a file that is named as a picture."""
    return any(_is_picture(file) for one in _classes(folder) for file in one.iterdir())


def read_pictures(folder: Path, *, size: Sequence[int] | None = None) -> Pictures:
    """All pictures of a folder, turned upright, on white where they are transparent, and of one size.

    They are grey if every one of them is, else in colour. A picture is scaled until it covers the size and cut at the
    middle, so that nothing is distorted. Files that are no pictures or cannot be read are left out, and named in a
    `TrainingWarning`; hidden ones are passed over.

    Args:
        folder: with a sub-folder a class.
        size: height and width, or one number for both; default: what all have, if that is at most 64 a side; else their
            median height and width, scaled so that the longer one is 64.

    Raises:
        InputError: if no picture can be read, or all of them do not fit in memory.
    """
    goal = None if size is None else _check_size(size)
    files = [(file, _name(label)) for label in _classes(folder) for file in _files(label)]
    pictures, others = (
        [one for one in files if _is_picture(one[0])],
        [one[0] for one in files if not _is_picture(one[0])],
    )
    others += [file for file in _files(folder) if file.is_file()]
    sizes, broken = _sizes(pictures)
    if goal is None and sizes:
        goal = _common_size(list(sizes.values()))
    if goal is not None:
        _check_total(folder, len(sizes), goal)
    kept, labels = [], []
    for file, label in pictures:
        if goal is not None and file in sizes:
            if (pixels := _read(file, goal)) is None:
                broken.append(file)
            else:
                kept.append(pixels)
                labels.append(label)
    _tell(folder, "no pictures", others)
    _tell(folder, "unreadable pictures", broken)
    if not kept:
        raise InputError(f"{folder} must hold pictures in a sub-folder for each class, got none that can be read.")
    names = sorted(set(labels), key=in_order)
    x = np.stack(kept).transpose(0, 3, 1, 2)
    if (x == x[:, :1]).all():
        x = x[:, :1]
    return Pictures(np.ascontiguousarray(x), np.array([names.index(one) for one in labels]), tuple(names))


def _classes(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))


def _name(folder: Path) -> str:
    """Its name as text, which it need not be: two classes do not become one of it."""
    return os.fsencode(folder.name).decode(errors="backslashreplace")


def _files(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if not one.name.startswith(".") and not one.is_dir())


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()


def _check_size(size: Sequence[int]) -> tuple[int, int]:
    given = tuple(size)
    if len(given) not in (1, 2) or not all(type(side) is int and 4 <= side <= _LARGEST_SIDE for side in given):
        got = " ".join(map(str, given)) or "nothing"
        raise InputError(
            f"'image_size' of load_dataset must be one or two numbers of 4 … {_LARGEST_SIDE} pixels, got {got}. "
            "Give a side of squares, or height and width."
        )
    return given[0], given[-1]


def _common_size(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Height and width that suit all.

    >>> _common_size([(28, 28), (28, 28)]), _common_size([(480, 640), (480, 640), (640, 480)])
    ((28, 28), (48, 64))
    """
    if len(set(sizes)) == 1 and max(sizes[0]) <= _MAX_SIDE:
        return sizes[0]
    height, width = np.median(sizes, axis=0)
    scale = min(1.0, _MAX_SIDE / max(height, width))
    return max(4, round(height * scale)), max(4, round(width * scale))


def _sizes(pictures: Sequence[tuple[Path, str]]) -> tuple[dict[Path, tuple[int, int]], list[Path]]:
    """Upright height and width of each file, from its head alone; and those that have none."""
    sizes, broken = {}, []
    for file, _ in pictures:
        try:
            with _open(file) as image:
                width, height = image.size
                sizes[file] = (width, height) if image.getexif().get(0x0112, 1) >= 5 else (height, width)
        except Exception:  # damaged bytes meet decoders with anything, struct.error to SyntaxError
            broken.append(file)
    return sizes, broken


def _read(file: Path, size: tuple[int, int]) -> UInt8[np.ndarray, "height width 3"] | None:
    """The picture in red, green and blue, of the size; None if it cannot be read."""
    from PIL import Image, ImageOps  # noqa: PLC0415  # slow to load

    height, width = size
    try:
        with _open(file) as image:
            if image.mode in ("L", "RGB"):
                image.draft(image.mode, (2 * max(size), 2 * max(size)))  # of a large JPEG, decode no more than helps
            ImageOps.exif_transpose(image, in_place=True)
            fitted = ImageOps.fit(_in_levels(image), (width, height), Image.Resampling.BICUBIC)
            return np.asarray(_in_colour(fitted), dtype=np.uint8)
    except Exception:  # as above
        return None


@contextmanager
def _open(file: Path) -> Iterator[Any]:
    from PIL import Image  # noqa: PLC0415  # slow to load

    with open_file(file, MAX_BINARY) as content, limited_memory(file.stat().st_size):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes: the limit is below; of odd heads: what matters is the pixels
            image = Image.open(content, formats=_FORMATS)
        with image:
            tags = getattr(image, "tag_v2", {})  # of TIFF: a picture of a few pixels may be a corner of a tile
            if max(image.size[0] * image.size[1], tags.get(322, 0) * tags.get(323, 0)) > _MAX_PIXELS:
                raise ValueError("too large")
            yield image


def _in_levels(image: Any) -> Any:
    """In a mode that can be scaled, with no more copies than it takes: a file of kilobytes may have 10⁸ pixels."""
    from PIL import Image  # noqa: PLC0415  # slow to load

    if image.mode == "F" or image.mode.startswith("I"):  # more than eight bits a channel
        low, high = image.getextrema()
        most = 1.0 if image.mode == "F" else 65_535.0
        if not (low >= 0 and high <= most):
            raise ValueError("levels beyond what the mode has")
        return Image.fromarray(np.asarray(image, dtype=np.float32) * np.float32(255 / most))
    if "transparency" in image.info or image.mode == "PA":
        return image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in ("L", "LA", "RGB", "RGBA") else image.convert("RGB")


def _in_colour(image: Any) -> Any:
    """Eight bits of red, green and blue, on white where it is transparent."""
    from PIL import Image  # noqa: PLC0415  # slow to load

    if image.mode == "F":  # what scaling adds to its ends is cut
        levels = np.asarray(image)
        if not np.isfinite(levels).all():
            raise ValueError("levels that are no numbers")
        image = Image.fromarray(np.rint(np.clip(levels, 0, 255)).astype(np.uint8))
    if "A" in image.getbands():
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image)
    return image.convert("RGB")


def _check_total(folder: Path, n: int, size: tuple[int, int]) -> None:
    if (n_bytes := 3 * n * size[0] * size[1]) > _MAX_BYTES:
        raise InputError(
            f"The {n:,} pictures of {folder} must fit in memory, got {n_bytes / 2**30:.0f} GB at {size[0]} by "
            f"{size[1]} pixels. Give a smaller --image-size."
        )


def _tell(folder: Path, what: str, files: Sequence[Path]) -> None:
    if files:
        named = ", ".join(str(file.relative_to(folder)) for file in files[:_NAMED])
        more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
        warnings.warn(f"Left out of {folder.name}, as {what}: {named}{more}.", TrainingWarning, stacklevel=2)
