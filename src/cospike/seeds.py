"""Runs of the same data, and whether they differ in their seed alone: what comes back, and against what."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cospike import runs
from cospike._errors import InputError
from cospike.codes import Codes
from cospike.matching import Reading, Stability, stability


def held_out_codes(run: Path, *, like: Path | None = None) -> Codes:
    """The codes of the held-out samples of a run, which must be those of the run ``like``, if one is given.

    Raises:
        InputError: if the two were trained on other data, or on another split of them.
    """
    mine, theirs = (runs.read_config(folder)["data"].get("fingerprint") for folder in (run, like or run))
    if mine != theirs:
        raise InputError(
            f"{run} must be trained on the data of {like}, split alike, got other data. A set that comes without a "
            "split is split by --seed: give both runs one --split-seed."
        )
    (codes,) = runs.read_codes(run, ("test",))
    return codes


def seeds_of(run: Path) -> tuple[Any, Any]:
    """Of the weights, and of the order of the data."""
    config = runs.read_config(run)
    return config["model"].get("seed"), config["training"].get("seed")


def differ_in_seed(run: Path, other: Path) -> bool:
    """Whether two runs have the same model, objective and training on the same rows, and other seeds."""
    return _but_seeds(run) == _but_seeds(other) and seeds_of(run) != seeds_of(other)


def _but_seeds(run: Path) -> list[Any]:
    config = runs.read_config(run)
    parts = [{name: value for name, value in config[part].items() if name != "seed"} for part in ("model", "training")]
    return [*parts, config["objective"], config["data"].get("fingerprint")]


def stability_of(run: Path, seeds: Sequence[Path]) -> Stability:
    """How much of a run comes back in runs with other seeds, on the same held-out samples.

    Raises:
        InputError: if a run is of other data, or was trained with the seed of ``run``.
    """
    readings = [Reading(runs.load(folder), held_out_codes(folder, like=run)) for folder in (run, *seeds)]
    for folder in seeds:
        if seeds_of(folder) == seeds_of(run):
            raise InputError(
                f"{folder} must be trained with another seed than {run}, got the same: it would say that everything "
                "comes back. Train it with another --seed."
            )
    return stability(readings)
