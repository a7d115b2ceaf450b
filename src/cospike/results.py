"""What a command comes to: plain values for programs, and how a reader sees them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Result(NamedTuple):
    """Of a command, printed once it has ended.

    Args:
        values: for `--json`: numbers, text, lists and dictionaries by name; None where a number is not known.
        show: prints them for a reader.
        failure: what went wrong on the way, after which the command ends in exit code 2.
    """

    values: dict[str, Any]
    show: Callable[[], None]
    failure: str = ""

    def print(self, *, json: bool) -> None:
        """To standard output, for a program or for a reader."""
        if json:
            from cospike._files import format_json  # noqa: PLC0415  # it loads NumPy, which a mistake does not need

            print(format_json(self.values, indent=2), end="")
        else:
            self.show()


def of_files(**paths: Path | str) -> Result:
    """Files, or addresses, by what they are: a reader sees one in a line."""
    texts = {name: str(path) for name, path in paths.items()}
    return Result(dict(texts), lambda: print(*texts.values(), sep="\n"))
