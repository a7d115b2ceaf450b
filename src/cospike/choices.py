"""What a user names, checked before anything that loads slowly: data sets and run folders."""

from collections.abc import Iterable
from pathlib import Path

from cospike._errors import InputError, did_you_mean

DATASETS = ("digits", "fashion-mnist", "mnist", "shapes", "sparse-linear")
"""Names that `cospike.load_dataset` knows, which loads torch."""

_LONGEST = 200  # of what was given, in a message


def check_data(*names_or_folders: str) -> None:
    """Refuse what is neither the name of a data set nor a folder.

    >>> check_data("digits", "minst")
    Traceback (most recent call last):
    cospike._errors.InputError: 'name_or_folder' of load_dataset must be ... got 'minst'. Did you mean 'mnist'?
    """
    for given in names_or_folders:
        if given not in DATASETS and not is_folder(given):
            raise unknown_data(given)


def is_folder(given: str | Path) -> bool:
    """Whether it is the path of a folder; one that no file system takes is of none."""
    try:
        return Path(given).expanduser().is_dir()
    except (OSError, RuntimeError):  # too long a name; ~ of nobody
        return False


def unknown_data(given: str) -> InputError:
    """What `cospike.load_dataset` says of a name that it does not know."""
    given = given if len(given) <= _LONGEST else f"{given[:_LONGEST]}…"
    return InputError(
        "'name_or_folder' of load_dataset must be a known name or a folder of IDX files, "
        f"got {given!r}. {did_you_mean(given, DATASETS)}"
    )


def check_runs(runs: Iterable[Path]) -> None:
    """Refuse what is no folder of a run, or the folder of none."""
    for run in runs:
        if not (run / "config.json").exists():
            raise no_run(run)


def no_run(run: Path) -> InputError:
    """What is said of a folder that holds no run."""
    return InputError(f"No config.json in {run}. Is it the folder of a run?")
