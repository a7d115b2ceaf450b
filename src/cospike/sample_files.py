"""`write_samples()`: samples of a run, drawn as `generate` draws them, as a picture, a table or arrays."""

import csv
import math
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from cospike import runs
from cospike._errors import InputError
from cospike._files import format_arrays, write_atomic
from cospike._text import cell
from cospike.column_entries import decode_columns
from cospike.generation import draw_codes
from cospike.held_out import read_previews
from cospike.model import SparseVAE
from cospike.mosaic import mosaic, tile

FORMATS = (".png", ".csv", ".npz")

_MAX_PICTURES = 2_500  # in one mosaic
_PER_SWEEP = 4  # samples


def write_samples(
    run: str | Path,
    *,
    label: int | str | None = None,
    set: Mapping[int, Sequence[float]] | None = None,  # noqa: A002
    n: int | None = None,
    seed: int = 0,
    out: Path | None = None,
) -> Path:
    """Draw samples and write them.

    Args:
        run: the folder of a run.
        label: name or index of a class; default: from the prior.
        set: values of some latents. One of them may have several: then every sample is decoded with each of these, a
            row of pictures a sample.
        n: how many; default 16, or 4 with a latent of several values.
        seed: of the draw.
        out: a file that ends in .png (of images), .csv (a row a sample) or .npz (``x``, ``code``); default:
            `samples.png` in the run, or `samples.csv` where samples are no images.

    Returns:
        The file.
    """
    run, settings = Path(run), dict(set or {})
    model = runs.load(run)
    out = run / ("samples.png" if _are_images(model) else "samples.csv") if out is None else out
    _check_out(model, out)
    swept = [latent for latent, values in settings.items() if len(values) > 1]
    if len(swept) > 1:
        raise InputError(
            f"'set' of generate must give several values to one latent at most, got {' and '.join(map(str, swept))}."
        )
    n = (_PER_SWEEP if swept else 16) if n is None else n
    values = settings[swept[0]] if swept else (0.0,)
    if out.suffix == ".png" and n * len(values) > _MAX_PICTURES:
        raise InputError(
            f"'n' of generate must be at most {_MAX_PICTURES // len(values)} for a .png, got {n}. Write .npz."
        )
    fixed = {latent: values[0] for latent, values in settings.items()}
    codes = draw_codes(model, n, label=_label(model, label), set=fixed, seed=seed).cpu().numpy()
    codes = np.repeat(codes[:, None], len(values), axis=1)
    for latent in swept:
        codes[:, :, latent] = values
    x = model.decode_mean(codes.reshape(-1, model.n_latents)).reshape(n, len(values), *model.shape)
    if out.suffix == ".png":
        grid = x if swept else _wrapped(x[:, 0])
        write_atomic(out, _to_png(_pictures(model, run, grid)))
    elif out.suffix == ".csv":
        write_atomic(out, _to_csv(_cells(run, x), np.shape(x)[:2], values if swept else ()))
    else:
        arrays = {"x": x, "code": codes} if swept else {"x": x[:, 0], "code": codes[:, 0]}
        write_atomic(out, format_arrays(arrays | ({"value": np.array(values)} if swept else {})))
    return out


def parse_settings(texts: Sequence[str]) -> dict[int, tuple[float, ...]]:
    """Values of latents from ``12=1.5``, ``12=-1,0,1`` and ``12=-2:2:9``, which is nine from −2 to 2.

    >>> parse_settings(["12=1.5", "3=-1:1:3"])
    {12: (1.5,), 3: (-1.0, 0.0, 1.0)}
    """
    settings: dict[int, tuple[float, ...]] = {}
    for text in texts:
        latent, _, values = text.partition("=")
        try:
            numbers = _parse_values(values)
            index = int(latent)
        except ValueError:
            numbers, index = (), 0
        if not numbers or not all(map(math.isfinite, numbers)):
            raise InputError(
                "'set' of generate must be LATENT=VALUE, such as 12=1.5, or LATENT=FROM:TO:STEPS, such as 12=-2:2:9, "
                f"got {text!r}."
            )
        if index in settings:
            raise InputError(
                f"'set' of generate must name each latent once, got {index} twice. Try {index}=FROM:TO:STEPS."
            )
        settings[index] = numbers
    return settings


def _parse_values(text: str) -> tuple[float, ...]:
    if ":" in text:
        first, last, steps = text.split(":")
        if not 2 <= int(steps) <= _MAX_PICTURES:
            raise ValueError(steps)
        return tuple(map(float, np.linspace(float(first), float(last), int(steps))))
    return tuple(map(float, text.split(",")))


def _label(model: SparseVAE, label: int | str | None) -> int | str | None:
    """A class by its name; what is no name, but a number, is an index."""
    is_index = isinstance(label, str) and label not in model.class_names and label.isdecimal()
    return int(label) if is_index and label is not None else label


def _are_images(model: SparseVAE) -> bool:
    return len(model.shape) == 3 and model.shape[0] in (1, 3)


def _check_out(model: SparseVAE, out: Path) -> None:
    if out.suffix not in FORMATS:
        raise InputError(f"'out' of generate must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, got {out}.")
    if out.suffix == ".png" and not _are_images(model):
        raise InputError(f"'out' of generate must end in .csv or .npz where samples are no images, got {out}.")
    if not out.parent.is_dir():
        raise InputError(f"'out' of generate must lie in a folder that is there, got {out}. Make {out.parent} first.")


def _wrapped(x: Float[np.ndarray, "sample *event"]) -> Float[np.ndarray, "row column *event"]:
    """Samples as a square, near enough; NaN where there is none."""
    columns = math.ceil(math.sqrt(len(x)))
    square = np.full((-(-len(x) // columns) * columns, *x.shape[1:]), np.nan, dtype=x.dtype)
    square[: len(x)] = x
    return square.reshape(-1, columns, *x.shape[1:])


def _pictures(
    model: SparseVAE, run: Path, x: Float[np.ndarray, "row column channel height width"]
) -> Float[np.ndarray, "row column height width 3"]:
    """In 0 … 1; of a Gaussian likelihood, black and white are what they are of the samples that the run keeps."""
    low, high = 0.0, 1.0
    if model.settings["likelihood"] != "bernoulli":
        kept = read_previews(run, model.shape)["x"]
        low, high = map(float, np.quantile(kept if kept.size else x[np.isfinite(x)], (0.005, 0.995)))
    pictures = np.moveaxis(np.clip((x - low) / max(high - low, 1e-12), 0, 1), 2, -1)
    return np.broadcast_to(pictures, (*pictures.shape[:-1], 3))


def _to_png(pictures: Float[np.ndarray, "row column height width 3"]) -> bytes:
    canvas, _, _ = mosaic(tile(pictures), (), ())
    buffer = BytesIO()
    Image.fromarray(np.round(255 * canvas).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _cells(run: Path, x: Float[np.ndarray, "sample step *event"]) -> dict[str, np.ndarray]:
    """By name, the columns that the run was trained on, in their own units; of what was no table, all numbers."""
    rows = x.reshape(x.shape[0] * x.shape[1], -1)
    if columns := runs.read_columns(run):
        return decode_columns(columns, rows)
    return {f"x_{entry}": column for entry, column in enumerate(rows.T)}


def _to_csv(columns: Mapping[str, np.ndarray], shape: tuple[int, ...], values: Sequence[float]) -> str:
    """A row a sample, or of a sweep a row a sample and value."""
    text = StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["sample", *["value"] * bool(values), *map(cell, columns)])
    texts = (map(cell, column) if column.dtype == object else column.astype(str) for column in columns.values())
    for (sample, step), row in zip(np.ndindex(*shape), zip(*texts, strict=True), strict=True):
        lines.writerow([sample, *values[step : step + 1], *row])
    return text.getvalue()
