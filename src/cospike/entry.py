"""The command `cospike`: its options from a file, and one line instead of a traceback for what cannot be used.

Exit codes: 0 done; 1 another process of a training was lost; 2 something given cannot be used, said in one line; 130
interrupted, with what is done saved; 141 nobody reads what is printed.
"""

import errno
import os
import sys
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Literal, TextIO

from cyclopts import CycloptsError, Group, Parameter, UnusedCliTokensError

from cospike import cli_data, cli_reproduction, cli_runs, cli_sweeps  # noqa: F401  # their commands join the app
from cospike._errors import InputError, LostProcessError, TrainingWarning
from cospike.cli import app, note
from cospike.option_files import format_options, use_options
from cospike.results import Result, of_files

_everywhere = Group("Everywhere", sort_key=9)


@app.command(name="--install-completion")
def _install_completion(*, shell: Literal["bash", "zsh", "fish"] | None = None) -> Result:
    """Complete commands, options and choices in your shell, from now on.

    Args:
        shell: Which one (default: that from which the command is started).
    """
    from cyclopts.completion.detect import ShellDetectionError

    try:
        return of_files(completion=app.install_completion(shell=shell))
    except ShellDetectionError:
        raise InputError("The shell is none that can be completed in. Name one: --shell bash, zsh or fish.") from None


@app.meta.default
def _run(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Annotated[Path | None, Parameter(group=_everywhere)] = None,
    print_config: Annotated[bool, Parameter(group=_everywhere, negative="")] = False,
    json: Annotated[bool, Parameter(group=_everywhere, negative="")] = False,
) -> None:
    """Every command takes these.

    Args:
        tokens: The command and what is its own.
        config: A YAML file of options, such as `epochs: 40`; what is typed comes first.
        print_config: Print all options as such a file, and do nothing else.
        json: Print the result as JSON.
    """
    use_options(app, tokens, config)
    if print_config:
        print(format_options(app, tokens), end="")
        return
    result = app(tokens)
    if isinstance(result, Result):
        result.print(json=json)
        if result.failure:
            raise InputError(result.failure)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; a user's mistake ends in one line, never in a traceback."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files need not be text
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            warnings.simplefilter("always", TrainingWarning)
            app.meta(arguments)
            sys.stdout.flush()
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
    except BrokenPipeError:  # `| head` has seen enough; what is left in the buffer would be a second error
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(141)
    except OSError as error:
        hint = ". Free some space, and try again." if error.errno in {errno.ENOSPC, errno.EDQUOT} else ""
        note(f"cospike: {error.strerror or error}: {error.filename or 'no file named'}{hint}")
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
