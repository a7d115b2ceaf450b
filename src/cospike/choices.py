"""What a user names, checked before anything that loads slowly: data sets and run folders."""

from collections.abc import Iterable
from pathlib import Path

from cospike._errors import InputError, did_you_mean

DATASETS = ("digits", "fashion-mnist", "mnist", "shapes", "sparse-linear")
"""Names that `cospike.load_dataset` knows, which loads torch."""

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".pq", ".feather", ".arrow")
"""Files that are read as tables."""

ARRAY_SUFFIXES = (".npz", ".npy")
"""Files that are read as arrays."""


def is_table(source: str | Path) -> bool:
    """Whether a path is named as a table."""
    return Path(source).suffix.lower() in TABLE_SUFFIXES


def is_file_of_data(source: str | Path) -> bool:
    """Whether a path is named as a table or as arrays."""
    return Path(source).suffix.lower() in (*TABLE_SUFFIXES, *ARRAY_SUFFIXES)


def check_data(*names_or_folders: str, tables: bool = False) -> None:
    """Refuse what is neither the name of a data set nor a folder or file of data; of tables, where none are taken.

    >>> check_data("digits", "minst")
    Traceback (most recent call last):
    cospike._errors.InputError: 'name_or_folder' of load_dataset must be ... got 'minst'. Did you mean 'mnist'?
    """
    for given in names_or_folders:
        path = Path(given).expanduser()
        is_file = is_file_of_data(given) and path.is_file() and (tables or not is_table(given))
        if given not in DATASETS and not path.is_dir() and not is_file:
            raise unknown_data(given)


def unknown_data(given: str) -> InputError:
    """What `cospike.load_dataset` says of a name that it does not know."""
    fix = did_you_mean(given, DATASETS)
    if is_file_of_data(given):
        fix = "Is the path right?" if not Path(given).expanduser().is_file() else "`cospike train` takes tables."
    return InputError(
        "'name_or_folder' of load_dataset must be a known name or a folder of IDX files or pictures, a table or "
        f"arrays, got {given!r}. {fix}"
    )


def check_runs(runs: Iterable[Path]) -> None:
    """Refuse what is no folder of a run, or the folder of none."""
    for run in runs:
        if not (run / "config.json").exists():
            raise no_run(run)


def no_run(run: Path) -> InputError:
    """What is said of a folder that holds no run."""
    return InputError(f"No config.json in {run}. Is it the folder of a run?")
