"""The version of the library; `pyproject.toml` takes it from here."""

__version__ = "0.2.0.dev0"
