"""`Schedule`: a setting that changes over training; and how many steps an epoch has."""

import math
from dataclasses import dataclass

from cospike._errors import InputError, check_number


@dataclass(frozen=True)
class Schedule:
    """A line from ``start`` to ``end`` between two fractions of training, level before and after.

    Fractions, not steps: no warm-up can outlast the training that it belongs to.

    >>> Schedule(0.0, 1.0, until=0.5)(0.25)
    0.5
    """

    start: float
    end: float
    begin: float = 0.0
    until: float = 1.0

    def __post_init__(self) -> None:
        """Check that the line ends within training."""
        for name in ("start", "end", "begin", "until"):
            check_number(getattr(self, name), name, "Schedule")
        if not math.isfinite(self.start + self.end):
            raise InputError(f"'start' and 'end' of Schedule must be finite, got {self.start} and {self.end}.")
        if not 0 <= self.begin <= self.until <= 1:
            raise InputError(
                f"'begin' and 'until' of Schedule must be fractions of training with 0 ≤ begin ≤ until ≤ 1, "
                f"got {self.begin} and {self.until}."
            )

    def __call__(self, progress: float) -> float:
        """The value when a share ``progress`` of training is done."""
        if progress >= self.until:
            return self.end
        if progress <= self.begin:
            return self.start
        share = (progress - self.begin) / (self.until - self.begin)
        return self.start + share * (self.end - self.start)


def steps_per_epoch(n_rows: int, batch_size: int) -> int:
    """Steps of an epoch: its batches are equal to within a row, so that no runt of a few samples ends it."""
    return max(1, round(n_rows / batch_size))
