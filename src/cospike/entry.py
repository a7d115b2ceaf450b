"""The command `cospike`: its options from a file, and one line instead of a traceback for what cannot be used.

Exit codes: 0 done; 1 another process of a training was lost; 2 something given cannot be used, said in one line; 130
interrupted, with what is done saved.
"""

import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

from cyclopts import CycloptsError, Parameter, UnusedCliTokensError
from cyclopts.config import Dict

from cospike import cli_runs, cli_sweeps  # noqa: F401  # their commands join the app
from cospike._errors import InputError, LostProcessError, TrainingWarning
from cospike._reading import read_file
from cospike.cli import app, note

if TYPE_CHECKING:
    import yaml

_MAX_OPTIONS = 2**16  # bytes: there are thirty options
_MAX_DEPTH = 4


@app.meta.default
def _with_config(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(help="A YAML file of options, such as `epochs: 40`.")] = None,
) -> None:
    settings = None if config is None else Dict(read_options(config), source=str(config), use_commands_as_keys=False)
    app.config = () if settings is None else (settings,)
    app(tokens)


def read_options(path: Path) -> dict[str, Any]:
    """The options in a YAML file: numbers, words and lists of them by name, and no more of YAML than that.

    Anchors, by which ten lines become a billion, and tags, which construct other things, have no place among options.

    Raises:
        InputError: if the file holds something else, or cannot be read.
    """
    import yaml

    try:
        text = read_file(path, _MAX_OPTIONS).decode("utf-8-sig")
        _check_events(yaml.parse(text, Loader=yaml.SafeLoader))
        content = yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"'--config' must be a YAML file that can be read, got {path}: {error.strerror}.") from error
    except InputError:
        raise
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{path} must be YAML: {' '.join(str(error).split()):.300}.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold options, such as `epochs: 40`, got {type(content).__name__}.")
    for name, value in content.items():
        parts = value if isinstance(value, list) else [value]
        if not isinstance(name, str) or not all(isinstance(part, str | int | float | None) for part in parts):
            raise InputError(
                f"{path} must hold numbers, words and lists of them by name, such as `epochs: 40`, not what it has "
                f"for {name!r:.40}."
            )
    return content


def _check_events(events: Iterable["yaml.Event"]) -> None:
    import yaml

    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        marked = getattr(event, "anchor", None) or getattr(event, "tag", None)
        if marked or depth > _MAX_DEPTH:
            raise ValueError("anchors and tags are not for options" if marked else "it is nested too deeply")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; a user's mistake ends in one line, never in a traceback."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files need not be text
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            warnings.simplefilter("always", TrainingWarning)
            app.meta(arguments)
    except UnusedCliTokensError as error:
        note(f"cospike: Unexpected argument {(error.unused_tokens or ['?'])[0]!r}. `--help` lists what fits here.")
        sys.exit(2)
    except (CycloptsError, InputError, FloatingPointError) as error:
        note(f"cospike: {' '.join(str(error).split())}")
        sys.exit(2)
    except LostProcessError as error:
        note(f"cospike: {error}")
        sys.stderr.flush()
        os._exit(1)  # threads that wait for the lost one would turn the usual way out into an abort
    except OSError as error:
        note(f"cospike: {error.strerror or error}: {error.filename or 'no file named'}")
        sys.exit(2)
    except KeyboardInterrupt as error:
        note(f"cospike: interrupted. {error}" if str(error) else "cospike: interrupted.")
        sys.exit(130)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """One line without a place in the source, which is nothing to a user; another library's warning with its name."""
    note(f"cospike: {message}" if issubclass(category, TrainingWarning) else f"{category.__name__}: {message}")
