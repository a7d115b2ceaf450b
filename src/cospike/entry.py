"""The command `cospike`: its options from a file, and one line instead of a traceback for what cannot be used.

Exit codes: 0 done; 1 another process of a training was lost; 2 something given cannot be used, said in one line; 130
interrupted, with what is done saved.
"""

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TextIO

from cyclopts import CycloptsError, Parameter, UnusedCliTokensError
from cyclopts.config import Yaml

from cospike import cli_runs  # noqa: F401  # its commands join the app
from cospike._errors import InputError, LostProcessError, TrainingWarning
from cospike.cli import app, note


@app.meta.default
def _with_config(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(help="A YAML file of options, such as `epochs: 40`.")] = None,
) -> None:
    if config is not None:
        _check_yaml(config)
    app.config = () if config is None else (Yaml(config, use_commands_as_keys=False),)
    app(tokens)


def _check_yaml(path: Path) -> None:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"'--config' must be a YAML file that can be read, got {path}: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} must be YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold options, such as `epochs: 40`, got {type(content).__name__}.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; a user's mistake ends in one line, never in a traceback."""
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
