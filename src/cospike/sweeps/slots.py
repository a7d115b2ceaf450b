"""Which trial is whose: how workers that know nothing of each other do every trial once, whoever of them dies.

A sweep of n trials has n slots. An *attempt* is a trial of Optuna: it is begun by one worker and ends complete, failed
by itself (its training came to nothing, which it would again) or lost (its worker died, was interrupted, or found that
it was one too many). The k-th attempt that was not made for another's slot opens slot k.

Of all attempts for a slot, the one with the lowest number that is not lost *owns* it; only an owner may be trained. A
storage numbers attempts one after another and lets one worker alone begin each, so that all workers find the same
owner, in whatever order they look: once an attempt is there, all lower numbers are, and what is lost stays lost. So

    - no more than n trials are ever trained to their end: there are n slots, and an owner that is finished stays it;
    - none is trained by two: two attempts for a slot have one owner, and who began the other lets it go;
    - none is lost: a slot without an owner is seen as such by whoever looks next, and gets another attempt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

State: TypeAlias = Literal["waiting", "running", "complete", "failed"]


@dataclass(frozen=True)
class Attempt:
    """A trial of Optuna.

    Attributes:
        number: its place; no other has it.
        state: "waiting" until a worker begins it.
        slot: the number of the attempt that opened the slot, where it is not this one.
        error: why the training came to nothing, of an attempt that failed by itself.
    """

    number: int
    state: State
    slot: int | None = None
    error: str | None = None

    @property
    def is_lost(self) -> bool:
        """Whether its slot is free for another."""
        return self.state == "failed" and self.error is None


class Survey(NamedTuple):
    """What a worker sees: slots by what they wait for, and the attempts that own them.

    Attributes:
        owners: of each slot that has one, by slot.
        ownerless: slots whose attempts are all lost.
        unopened: how many slots no attempt was begun for.
    """

    owners: dict[int, Attempt]
    ownerless: tuple[int, ...]
    unopened: int

    def of_state(self, *states: State) -> list[Attempt]:
        """Owners in one of ``states``."""
        return [owner for owner in self.owners.values() if owner.state in states]

    @property
    def has_work(self) -> bool:
        """Whether there is something to begin."""
        return bool(self.unopened or self.ownerless or self.of_state("waiting"))

    @property
    def n_finished(self) -> int:
        """Slots that are done with, complete or failed by themselves."""
        return len(self.of_state("complete", "failed"))


def survey(attempts: Sequence[Attempt], n_slots: int) -> Survey:
    """Look over all attempts, as they are by number.

    Args:
        attempts: all of them, in any order.
        n_slots: how many trials were asked for.
    """
    ordered = sorted(attempts, key=lambda attempt: attempt.number)
    opened = [attempt.number for attempt in ordered if attempt.slot is None][:n_slots]
    owners: dict[int, Attempt] = {}
    for attempt in ordered:
        slot = attempt.number if attempt.slot is None else attempt.slot
        if not attempt.is_lost:
            owners.setdefault(slot, attempt)
    return Survey(
        {slot: owners[slot] for slot in opened if slot in owners},
        tuple(slot for slot in opened if slot not in owners),
        max(0, n_slots - len(opened)),
    )


def place(slot: int, attempts: Sequence[Attempt]) -> int:
    """Which of all slots it is, counted from 0: the same, whether attempts for others came in between or not."""
    return sum(attempt.slot is None and attempt.number < slot for attempt in attempts)


def may_train(number: int, attempts: Sequence[Attempt], n_slots: int) -> bool:
    """Whether the attempt with this number, which a worker has begun, is an owner."""
    return any(owner.number == number for owner in survey(attempts, n_slots).owners.values())


class Watch:
    """Which running attempts have shown no sign of life for long, by the clock of the one who looks.

    A worker counts up in the storage while it trains. No two clocks are compared: what counts is how long the number
    stood still while it was looked at.

    Args:
        seconds: how long is long.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._seen: dict[int, tuple[object, float]] = {}

    def still(self, signs: dict[int, object], now: float) -> list[int]:
        """The attempts that stood still for longer; those that are not among ``signs`` are forgotten.

        Args:
            signs: the last sign of life of every running attempt.
            now: seconds, of a clock that never goes back.
        """
        self._seen = {
            number: self._seen[number] if number in self._seen and self._seen[number][0] == sign else (sign, now)
            for number, sign in signs.items()
        }
        return [number for number, (_, since) in self._seen.items() if now - since > self.seconds]
