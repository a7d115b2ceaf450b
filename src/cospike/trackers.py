"""The rows of a history, as they come, for a tracker: TensorBoard by name, or any logger of Fabric's kind.

A logger of one's own has `log_hyperparams(settings)`, which is called once, and `log_metrics(row, step=epoch)`, which
is called after every epoch that is saved. Nothing of a tracker is imported unless it is asked for.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from cospike._errors import InputError, did_you_mean
from cospike._extras import need
from cospike._reading import refuse_links
from cospike.metrics import Measurement

FOLDER = "tensorboard"
"""Of the events, in the folder of a run."""


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
        logger: "tensorboard", which writes below ``run``; or a `Logger`; or None.
        run: the folder of the run.
        settings: what decides the run.

    Raises:
        InputError: for an unknown name, or a tracker that is not installed.
    """

    def __init__(self, logger: object, run: Path | None, settings: Mapping[str, Any]) -> None:
        check_logger(logger, run)
        self._run, self._settings = run, dict(settings)
        self._by_name = isinstance(logger, str)
        self._logger: Any = None if self._by_name else logger
        self._begun = False

    def log_row(self, row: Mapping[str, Any]) -> None:
        """Hand on a row of the history; the settings go before the first one."""
        epoch, numbers = int(row["epoch"]), {name: value for name, value in row.items() if name != "epoch"}
        if not self._begun and self._by_name and self._run is not None:
            self._logger = _tensorboard(self._run, first_step=epoch)
            if epoch == 1:  # TensorBoard's table of settings wants a number beside them
                self._logger.log_hyperparams(self._settings, {"validation_loss": numbers.pop("validation_loss")}, epoch)
        elif not self._begun and self._logger is not None:
            with suppress(NotImplementedError):  # as Fabric's logger to CSV has it
                self._logger.log_hyperparams(self._settings)
        self._begun = True
        if self._logger is not None:
            self._logger.log_metrics(numbers, step=epoch)

    def close(self) -> None:
        """Let go of what was opened by name; a logger that was given is its owner's."""
        if self._by_name and self._logger is not None:
            self._logger.finalize("success")


def check_logger(logger: object, run: Path | None) -> None:
    """Refuse what is no logger, or is not installed, before anything is trained."""
    if isinstance(logger, str):
        if logger != "tensorboard":
            raise InputError(f"Unknown logger {logger!r} of fit. {did_you_mean(logger, ['tensorboard'])}")
        if run is None:
            raise InputError("'logger' of fit must have a folder to write in, got 'tensorboard' without 'out'.")
        need("tensorboard", ("tensorboard",), of="The logger 'tensorboard'")
        refuse_links(run / FOLDER)
    elif logger is not None and not isinstance(logger, Logger):
        raise InputError(
            "'logger' of fit must be 'tensorboard' or have log_hyperparams and log_metrics, got "
            f"{type(logger).__name__}. Those of lightning_fabric.loggers have."
        )


def log_measures(run: Path, measures: Mapping[str, Measurement]) -> None:
    """Write the measures of a finished run to its TensorBoard, as ``measures/NAME``.

    Raises:
        InputError: if its folder is a link, and the files would lie elsewhere.
    """
    refuse_links(run / FOLDER)
    logger = _tensorboard(run, first_step=None)
    logger.log_metrics({f"measures/{name}": one.value for name, one in measures.items()}, step=0)
    logger.finalize("success")


def _tensorboard(run: Path, *, first_step: int | None) -> Any:
    """A writer below ``run``; what an earlier training wrote of ``first_step`` and later is hidden, of all goes."""
    from lightning_fabric.loggers.tensorboard import TensorBoardLogger  # noqa: PLC0415  # an extra

    if first_step == 1:  # whatever is there is of the run that this one replaces
        for events in (run / FOLDER).glob("events.out.tfevents.*"):
            events.unlink()
    return TensorBoardLogger(run, name=FOLDER, version="", default_hp_metric=False, purge_step=first_step)
