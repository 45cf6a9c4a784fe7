"""What becomes of the two slots: pure, so that every order of events and every power cut can be tried.

One slot is the primary: the firmware starts it whenever it is not told otherwise, so it is always one that
has passed its health gate. The other one is good (it was the primary once), on trial, bad, or damaged. A
trial is started by the reboot flag that the firmware honours once, and ends with the slot as the new primary,
or with no try left. A primary whose root turns out to be damaged is left by the initial file system for the
other one, if that is good (image-build/imaging/slots.sh); until it is written anew it counts as bad.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, unique

TRIES = 3


@unique
class Slot(Enum):
    """A slot by the name that RAUC's configuration gives it."""

    A = "A"
    B = "B"

    @property
    def other(self) -> Slot:
        """The one beside it."""
        return Slot.B if self is Slot.A else Slot.A


class Refused(Exception):
    """The slots do not allow it; the message says why."""


@dataclass(frozen=True, slots=True)
class Slots:
    """primary: starts by itself. tries: of the other one, how often it may still be started; 0: no trial.

    other_is_good: it has been the primary, and was neither written to nor failed since. other_is_damaged: it
    has been the primary too, was left because its root is not what it was, and was not written to since.
    """

    primary: Slot
    other_is_good: bool = False
    tries: int = 0
    other_is_damaged: bool = False

    @property
    def next(self) -> Slot:
        """The one that is to start next."""
        return self.primary.other if self.tries else self.primary

    def is_good(self, slot: Slot) -> bool:
        """Whether it may be started: what is on trial may."""
        return slot is self.primary or self.other_is_good or self.tries > 0


def activated(slots: Slots, slot: Slot) -> Slots:
    """A slot was written whole and is to be started: it has its tries. The primary ends the other's trial."""
    if slot is slots.primary:
        return replace(slots, tries=0)
    return Slots(slots.primary, tries=TRIES)


def marked_good(slots: Slots, slot: Slot, running: Slot) -> Slots:
    """The health gate passed. Raises Refused for a slot that does not run: nobody has seen it serve."""
    if slot is slots.primary:
        return slots
    if slot is not running:
        raise Refused(f"slot {slot.value} does not run, so nothing can vouch for it")
    return Slots(primary=slot, other_is_good=True)


def marked_bad(slots: Slots, slot: Slot) -> Slots:
    """It failed, or is about to be written. Raises Refused where nothing would be left to start."""
    if slot is not slots.primary:
        return Slots(slots.primary)
    if not slots.other_is_good:
        raise Refused(f"slot {slot.value} is the only one that has ever passed its health gate")
    return Slots(primary=slot.other)


def started(slots: Slots, running: Slot) -> Slots:
    """The machine started. That the primary runs while the other has tries left means that a try failed.

    So does a power cut before the first try: it costs one.
    """
    if running is not slots.primary or not slots.tries:
        return slots
    return replace(slots, tries=slots.tries - 1)
