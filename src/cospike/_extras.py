"""Libraries that only some commands need: asked for where they are used, named in one line where they are missing."""

from importlib.util import find_spec

from cospike._errors import InputError


def need(extra: str, modules: tuple[str, ...], of: str) -> None:
    """Refuse to go on without the libraries of an extra, and name it; none of them is imported.

    >>> need("onnx", ("json", "no_such_library"), of="export_onnx")
    Traceback (most recent call last):
    cospike._errors.InputError: export_onnx needs no_such_library, which is not installed: pip install 'cospike[onnx]'.
    """
    if missing := [module for module in modules if find_spec(module) is None]:
        verb = "is" if len(missing) == 1 else "are"
        raise InputError(
            f"{of} needs {' and '.join(missing)}, which {verb} not installed: pip install 'cospike[{extra}]'."
        )
