"""The rows of a history, as they come, for a tracker: one by its name, or any logger of Fabric's kind.

A logger of one's own has `log_hyperparams(settings)`, which is called once, and `log_metrics(row, step=epoch)`, which
is called after every epoch that is saved. Nothing of a tracker is imported unless it is asked for.
"""

import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from cospike._errors import InputError, TrainingWarning, did_you_mean
from cospike._extras import need
from cospike._reading import refuse_links
from cospike.metrics import Measurement

FOLDER = "tensorboard"
"""Of the events, in the folder of a run."""

LOGGERS = {"tensorboard": ("tensorboard",), "mlflow": ("mlflow", "sqlalchemy", "alembic"), "wandb": ("wandb",)}
"""Those that go by their name, which is that of an extra too, and the libraries that they need."""


@runtime_checkable
class Logger(Protocol):
    """What is asked of a tracker, as of `lightning_fabric.loggers.Logger`."""

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        """Take the settings of a run."""
        ...

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Take numbers of one epoch."""
        ...


class Tracker:
    """Hands the settings and each row of a history on, if there is anyone to take them.

    Args:
        logger: "tensorboard" or "wandb", which write below ``run``, or "mlflow"; or a `Logger`; or None.
        run: the folder of the run.
        settings: what decides the run.

    Raises:
        InputError: for an unknown name, or a tracker that is not installed.
    """

    def __init__(self, logger: object, run: Path | None, settings: Mapping[str, Any]) -> None:
        check_logger(logger, run)
        self._run, self._settings = run, dict(settings)
        self._by_name, self._name = isinstance(logger, str), str(logger)
        self._logger: Any = None if self._by_name else logger
        self._begun = False

    def log_row(self, row: Mapping[str, Any]) -> None:
        """Hand on a row of the history; the settings go before the first one."""
        epoch, numbers = int(row["epoch"]), {name: value for name, value in row.items() if name != "epoch"}
        try:
            if not self._begun:
                self._begin(epoch, numbers)
            if self._logger is not None:
                self._logger.log_metrics(numbers, step=epoch)
        except Exception as error:
            self._lose(error)

    def _begin(self, epoch: int, numbers: dict[str, Any]) -> None:
        """Open what goes by a name, and hand the settings on, unless it has them from before a run went on."""
        self._begun = True
        if self._by_name and self._run is not None:
            self._logger = _opened(self._name, self._run, first_step=epoch)
        if self._logger is None or (self._by_name and epoch > 1):
            return
        if self._by_name and self._name == "tensorboard":  # its table of settings wants a number beside them
            self._logger.log_hyperparams(self._settings, {"validation_loss": numbers.pop("validation_loss")}, epoch)
        else:
            with suppress(NotImplementedError):  # as Fabric's logger to CSV has it
                self._logger.log_hyperparams(self._settings)

    def _lose(self, error: Exception) -> None:
        """A service that is not there today costs no training; what a user's own logger raises is the user's."""
        if not self._by_name:
            raise error
        _warn_of_loss(f"The logger {self._name!r} takes nothing more of this training", error)
        self._logger = None

    def close(self) -> None:
        """Let go of what was opened by name; a logger that was given is its owner's."""
        if self._by_name and self._logger is not None:
            try:
                self._logger.finalize("success")
            except Exception as error:
                self._lose(error)


def check_logger(logger: object, run: Path | None) -> None:
    """Refuse what is no logger, or is not installed, before anything is trained."""
    if isinstance(logger, str):
        if logger not in LOGGERS:
            raise InputError(f"Unknown logger {logger!r} of fit. {did_you_mean(logger, [*LOGGERS])}")
        if run is None:
            raise InputError(f"'logger' of fit must have a folder of a run to go by, got {logger!r} without 'out'.")
        need(logger, LOGGERS[logger], of=f"The logger {logger!r}")
        refuse_links(run / logger)
    elif logger is not None and not isinstance(logger, Logger):
        raise InputError(
            f"'logger' of fit must be one of {', '.join(LOGGERS)} or have log_hyperparams and log_metrics, got "
            f"{type(logger).__name__}. Those of lightning_fabric.loggers have."
        )


def log_measures(logger: str, run: Path, measures: Mapping[str, Measurement]) -> None:
    """Hand the measures of a finished run on, as ``measures/NAME``.

    Args:
        logger: a name of `LOGGERS`.
        run: its folder.
        measures: by name.

    Raises:
        InputError: if the tracker's folder in the run is a link, and what it writes would lie elsewhere.

    Warns:
        TrainingWarning: if the tracker does not take them.
    """
    refuse_links(run / logger)
    step = 0 if logger == "tensorboard" else None
    try:
        opened = _opened(logger, run, first_step=None)
        opened.log_metrics({f"measures/{name}": one.value for name, one in measures.items()}, step=step)
        opened.finalize("success")
    except Exception as error:  # of a service or of its library, whatever it is: the run is done and stays
        _warn_of_loss(f"The logger {logger!r} has no measures of this run", error)


def _warn_of_loss(what: str, error: Exception) -> None:
    warnings.warn(f"{what}: {' '.join(str(error).split())[:200]}", TrainingWarning, stacklevel=4)


def _opened(name: str, run: Path, *, first_step: int | None) -> Any:
    if name == "tensorboard":
        return _tensorboard(run, first_step=first_step)
    from cospike import tracker_services  # noqa: PLC0415  # what it needs loads with it

    return (tracker_services.MLflowRun if name == "mlflow" else tracker_services.WandbRun)(run)


def _tensorboard(run: Path, *, first_step: int | None) -> Any:
    """A writer below ``run``; what an earlier training wrote of ``first_step`` and later is hidden, of all goes."""
    from lightning_fabric.loggers.tensorboard import TensorBoardLogger  # noqa: PLC0415  # an extra

    if first_step == 1:  # whatever is there is of the run that this one replaces
        for events in (run / FOLDER).glob("events.out.tfevents.*"):
            events.unlink()
    return TensorBoardLogger(run, name=FOLDER, version="", default_hp_metric=False, purge_step=first_step)
