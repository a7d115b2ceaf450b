"""Where the trials of a sweep are kept: an SQLite file in its folder, or a PostgreSQL database that machines share.

Both through Optuna's `RDBStorage`. What is read of either are numbers, names and JSON: nothing is unpickled. (Optuna
keeps pickles for its CMA-ES sampler and in Redis alone; neither is used here.)
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout

from cospike._errors import InputError
from cospike._extras import need
from cospike._files import format_json
from cospike._reading import ANY_SIZE, open_file
from cospike.folders import check_room

if TYPE_CHECKING:
    import optuna
    from sqlalchemy import Engine
    from sqlalchemy.engine import URL

FILE = "sweep.db"
"""The storage in the folder of a sweep, where no other is named."""

DIRECTIONS: dict[str, Literal["minimize", "maximize"]] = {
    "neg_elbo": "minimize",
    "consistency_gap_specific": "maximize",
}
"""The objectives by the name of their measure, in the order of the values of a trial."""

_ROOM = 4_000_000  # bytes: a thousand trials and their figure
_WAIT = 60.0  # seconds, for the others that open a storage, or write one
_LOCK = 0x636F7370696B65  # of PostgreSQL, for the same: "cospike"
_SETTINGS = "cospike"  # the attribute of a study that says what is swept


@contextmanager
def opened(
    address: str | None, out: Path, *, name: str, settings: dict[str, Any], first: dict[str, Any]
) -> Iterator["optuna.Study"]:
    """The study of a sweep, begun if it is not there; while one worker looks for it, no other does.

    Args:
        address: of a PostgreSQL database; None: the file in ``out``.
        out: the folder of the sweep, made if it is not there.
        name: of the study.
        settings: everything that decides its trials; kept, and held against what it was begun with.
        first: settings of a trial that is to come first, where the study is begun.

    Raises:
        InputError: for another kind of address, a server that does not answer, a file that is none of a sweep, a folder
            that cannot be written, and a study that was begun with other settings.
    """
    import optuna  # noqa: PLC0415  # an extra
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    place = str(out / FILE) if address is None else _shown(address)
    try:
        with _opened_file(out / FILE) if address is None else _opened_server(address) as storage:
            check_room(out, _ROOM)
            study = _find_study(storage, name, settings, first)
    except InputError:
        raise
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError, RuntimeError, ValueError, LookupError) as error:
        raise InputError(
            f"'--storage' must be the storage of sweeps, and answer, got {place}: {reason(error)}"
        ) from error
    try:
        yield study
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise InputError(f"The storage {place} does not answer any more: {reason(error)}") from error
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _find_study(
    storage: "optuna.storages.RDBStorage", name: str, settings: dict[str, Any], first: dict[str, Any]
) -> "optuna.Study":
    import optuna  # noqa: PLC0415

    try:
        study = optuna.load_study(study_name=name, storage=storage, sampler=optuna.samplers.RandomSampler())
    except KeyError:
        study = optuna.create_study(
            storage=storage, study_name=name, directions=list(DIRECTIONS.values()),
            sampler=optuna.samplers.RandomSampler(),
        )  # fmt: skip
        study.set_user_attr(_SETTINGS, settings)
        if first:
            study.enqueue_trial(first)
        return study
    begun = study.user_attrs.get(_SETTINGS)
    ours = [direction.name.lower() for direction in study.directions] == list(DIRECTIONS.values())
    if ours and begun is None and not study.trials:  # whoever began it was killed
        study.set_user_attr(_SETTINGS, settings)
    elif not ours or begun != settings:
        raise InputError(
            f"The sweep {name!r} was begun with {_difference(begun, settings)}. Use another --out, or in a database "
            "another --name."
        )
    return study


def reason(error: BaseException) -> str:
    """What a database says is wrong, in one line and without the statement."""
    cause: Any = error
    while (below := getattr(cause, "orig", None) or cause.__cause__) is not None:
        cause = below
    return f"{' '.join(str(cause).split()).rstrip('.'):.200}."


def _difference(begun: Any, settings: dict[str, Any]) -> str:
    if not isinstance(begun, dict):
        return "something that is no sweep of cospike"
    for name in sorted(begun.keys() | settings.keys()):
        if begun.get(name) != settings.get(name):
            old, new = (format_json(part.get(name)).strip() for part in (begun, settings))
            return f"another {name}: {old:.200}, not {new:.200}"
    return "other settings"


@contextmanager
def _opened_file(path: Path) -> Iterator["optuna.storages.RDBStorage"]:
    """An SQLite file whose transactions come one after another: each takes the right to write when it begins.

    Python's own way begins one with its first write, after what it depends on was read: two workers would begin the
    same trial. The file survives whatever happens to a worker, its locks are the kernel's and go with their process.
    """
    import optuna  # noqa: PLC0415
    from sqlalchemy import NullPool, event  # noqa: PLC0415

    check_room(path.parent, _ROOM)
    if path.exists():
        open_file(path, ANY_SIZE).close()

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
        connection.execute("PRAGMA trusted_schema = OFF")  # what a file from elsewhere may not do
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    try:
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=_WAIT):
            engine = {"creator": connect, "poolclass": NullPool}
            storage = optuna.storages.RDBStorage("sqlite://", engine_kwargs=engine)
            event.listen(storage.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
            yield storage
    except Timeout as error:
        raise InputError(f"{path} is kept locked by another process. Is one of the workers stopped?") from error
    except sqlite3.Error as error:
        raise InputError(f"{path} must be the storage of sweeps, got: {reason(error)}") from error


@contextmanager
def _opened_server(address: str) -> Iterator["optuna.storages.RDBStorage"]:
    """A PostgreSQL database; tables are made by one worker at a time, since making them twice is an error there."""
    import optuna  # noqa: PLC0415
    from sqlalchemy import create_engine, text  # noqa: PLC0415

    url = parse_address(address).render_as_string(hide_password=False)
    settings: dict[str, Any] = {
        "pool_pre_ping": True,  # a connection may have been cut while a trial was trained
        "connect_args": {"connect_timeout": 10, "application_name": "cospike sweep"},
    }
    engine: Engine = create_engine(url, **settings)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            braces = url.replace("{", "{{").replace("}", "}}")  # Optuna takes an address for a template
            yield optuna.storages.RDBStorage(braces, engine_kwargs=settings)
    finally:
        engine.dispose()


def parse_address(address: str) -> "URL":
    """The address of a PostgreSQL database, for the driver that is used here; any other is refused."""
    from sqlalchemy import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        got = "something else" if url is None else f"{url.drivername}://"
        raise InputError(
            f"'--storage' must be postgresql://USER@HOST/DATABASE, got {got}. Leave it out for a file in --out."
        )
    need("sweep-postgresql", ("psycopg",), of="cospike sweep --storage")
    return url.set(drivername="postgresql+psycopg")


def _shown(address: str) -> str:
    """An address without its password."""
    return parse_address(address).set(drivername="postgresql").render_as_string(hide_password=True)
