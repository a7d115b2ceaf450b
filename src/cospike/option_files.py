"""Options in a YAML file: read as data, and written from what was typed."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App, Group, MissingArgumentError
from cyclopts.argument import Argument
from cyclopts.config import Dict

from cospike._errors import InputError
from cospike._reading import read_file

if TYPE_CHECKING:
    import yaml

_MAX_OPTIONS = 2**16  # bytes: there are thirty options
_MAX_DEPTH = 4
_TOO_MUCH = 10**20  # for a whole number


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
    if content is None and text.strip():  # comments alone, as of a command without options
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold options, such as `epochs: 40`, got {type(content).__name__}.")
    for name, value in content.items():
        parts = value if isinstance(value, list) else [value]
        if not isinstance(name, str) or not all(map(_is_option, parts)):
            raise InputError(
                f"{path} must hold numbers, words and lists of them by name, such as `epochs: 40`, not what it has "
                f"for {name!r:.40}."
            )
    return content


def use_options(app: App, tokens: Sequence[str], path: Path | None) -> None:
    """Let a command have what a file says, where it is not typed.

    Options may have the name of another command, as `data`, so that they stand below the command's own.

    Raises:
        InputError: as `read_options`.
    """
    if path is None:
        app.config = ()
        return
    options = read_options(path)
    for name in reversed(app.parse_commands(tokens)[0]):
        options = {name: options}
    app.config = (Dict(options, source=str(path)),)


def format_options(app: App, tokens: Sequence[str]) -> str:
    """All options of a command, as `read_options` takes them: what was typed, the defaults, and as comments the rest.

    Raises:
        InputError: if no command is named.
        CycloptsError: for what the command does not take.
    """
    names, apps, _ = app.parse_commands(tokens)
    if not names or apps[-1].default_command is None:
        raise InputError(
            "'--print-config' needs a command, as in `cospike train mnist --out runs/mnist --print-config`."
        )
    values = _values(app, list(tokens))
    lines = [f"# Options of `cospike {' '.join(names)} --config FILE`; what is commented out takes its default."]
    heading = ""
    for argument in apps[-1].assemble_argument_collection(parse_docstring=True):
        typed_only = argument.field_info.kind is argument.field_info.VAR_POSITIONAL
        if argument.show and not typed_only:
            if heading != (heading := _heading(argument)):
                lines += ["", heading]
            lines.append(_line(argument, values))
    return "\n".join(lines) + "\n"


def _values(app: App, tokens: list[str]) -> dict[str, Any]:
    """What each parameter of a command has, by name; one that must be given and is not has none."""
    missing: set[str] = set()
    while True:
        try:
            _, bound, _ = app.parse_args(tokens)
            break
        except MissingArgumentError as error:
            if error.argument is None:
                raise
            missing.add(error.argument.name.removeprefix("--"))
            tokens += [error.argument.name, "?"]
    bound.apply_defaults()
    values: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        values |= vars(value) if is_dataclass(value) else {name: value}
    return {name: value for name, value in values.items() if name.replace("_", "-") not in missing}


def _heading(argument: Argument) -> str:
    groups = argument.parameter.group
    return f"# {', '.join(one.name for one in groups if isinstance(one, Group))}" if isinstance(groups, tuple) else "#"


def _line(argument: Argument, values: dict[str, Any]) -> str:
    import yaml

    name = argument.field_info.name.removeprefix("*")
    about, value = " ".join((argument.parameter.help or "").split()), values.get(name)
    if value is None or value is False or value == ():
        return f"# {name}:  # {about}"
    plain = [str(one) if isinstance(one, Path) else one for one in (value if isinstance(value, tuple) else [value])]
    shown = plain if isinstance(value, tuple) else plain[0]
    text = yaml.safe_dump(shown, default_flow_style=True, allow_unicode=True, width=math.inf)
    return f"{name}: {text.removesuffix('...' + chr(10)).strip(chr(10))}  # {about}"


def _is_option(value: Any) -> bool:
    """A word or a number; of over 20 digits, which a hexadecimal one may have, it is none."""
    return isinstance(value, str | float | None) or (isinstance(value, int) and abs(value) < _TOO_MUCH)


def _check_events(events: Iterable["yaml.Event"]) -> None:
    import yaml

    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        marked = getattr(event, "anchor", None) or getattr(event, "tag", None)
        if marked or depth > _MAX_DEPTH:
            raise ValueError("anchors and tags are not for options" if marked else "it is nested too deeply")
