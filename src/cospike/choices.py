"""What a user names, checked before anything that loads slowly: data sets and run folders."""

import os
from collections.abc import Iterable
from pathlib import Path

from cospike._errors import InputError, did_you_mean

DATASETS = ("digits", "fashion-mnist", "mnist", "shapes", "sparse-linear")
"""Names that `cospike.load_dataset` knows, which loads torch."""

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".pq", ".feather", ".arrow")
"""Files that are read as tables."""

ARRAY_SUFFIXES = (".npz", ".npy")
"""Files that are read as arrays."""

CELL_SUFFIXES = (".h5ad",)
"""Files that are read as cells."""

_LONGEST = 200  # of what was given, in a message


def is_table(source: str | Path) -> bool:
    """Whether a path is named as a table."""
    return Path(source).suffix.lower() in TABLE_SUFFIXES


def is_cells(source: str | Path) -> bool:
    """Whether a path is named as a file of cells."""
    return Path(source).suffix.lower() in CELL_SUFFIXES


def is_file_of_data(source: str | Path) -> bool:
    """Whether a path is named as a table, as arrays or as cells."""
    return Path(source).suffix.lower() in (*TABLE_SUFFIXES, *ARRAY_SUFFIXES, *CELL_SUFFIXES)


def check_data(*names_or_folders: str, tables: bool = False) -> None:
    """Refuse what is neither the name of a data set nor a folder or file of data; of tables, where none are taken.

    >>> check_data("digits", "minst")
    Traceback (most recent call last):
    cospike._errors.InputError: 'name_or_folder' of load_dataset must be ... got 'minst'. Did you mean 'mnist'?
    """
    for given in names_or_folders:
        taken = is_file_of_data(given) and is_file(given) and (tables or not (is_table(given) or is_cells(given)))
        if given not in DATASETS and not is_folder(given) and not taken:
            raise unknown_data(given)


def expand(given: str | Path) -> Path:
    """The path, with the home of a user for ~; one of nobody stays as it is."""
    try:
        return Path(given).expanduser()
    except RuntimeError:
        return Path(given)


def is_folder(given: str | Path) -> bool:
    """Whether it is the path of a folder; one that no file system takes is of none."""
    try:
        return expand(given).is_dir()
    except OSError:  # too long a name
        return False


def is_file(given: str | Path) -> bool:
    """Whether it is the path of a plain file; one that no file system takes is of none."""
    try:
        return expand(given).is_file()
    except OSError:  # too long a name
        return False


def no_file(path: Path) -> InputError:
    """What is said of a path that is to be a file of data, and is none."""
    got = "a folder" if is_folder(path) else "no plain file" if os.path.lexists(path) else "nothing there"
    return InputError(f"{path} must be a file, got {got}.")


def unknown_data(given: str) -> InputError:
    """What `cospike.load_dataset` says of a name that it does not know."""
    fix = did_you_mean(given, DATASETS)
    if is_file_of_data(given):
        kind = "cells" if is_cells(given) else "tables"
        fix = f"`cospike train` takes {kind}." if is_file(given) else "Is the path right?"
    given = given if len(given) <= _LONGEST else f"{given[:_LONGEST]}…"
    return InputError(
        "'name_or_folder' of load_dataset must be a known name or a folder of IDX files or pictures, a table, "
        f"arrays or cells, got {given!r}. {fix}"
    )


def check_runs(runs: Iterable[Path]) -> None:
    """Refuse what is no folder of a run, or the folder of none."""
    for run in runs:
        if not (run / "config.json").exists():
            raise no_run(run)


def no_run(run: Path) -> InputError:
    """What is said of a folder that holds no run."""
    return InputError(f"No config.json in {run}. Is it the folder of a run?")
