"""Faults that a virtual sensor can be told to have, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import Final


@unique
class FaultKind(Enum):
    """What goes wrong; the value is what one types at the emulator's console."""

    LATE = "late"
    SHORT = "short"
    CHECKSUM = "checksum"
    ADDRESS = "address"
    GARBAGE = "garbage"
    UNPLUG = "unplug"
    NAK_UPLOAD = "nak-upload"
    FULL_LIBRARY = "full-library"
    NO_FINGER = "no-finger"
    DRY = "dry"
    WET = "wet"


WIRE_FAULTS: Final = (
    FaultKind.LATE,
    FaultKind.SHORT,
    FaultKind.CHECKSUM,
    FaultKind.ADDRESS,
    FaultKind.GARBAGE,
    FaultKind.UNPLUG,
)
"""Faults of a frame on its way to the host; the others are answers that the sensor gives."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One armed fault.

    skip: occasions that pass unharmed first, frames for a fault of the wire, commands for the others.
    every: None strikes once; n strikes again at every n-th occasion after the first strike.
    delay_s: how late LATE is; the driver waits 2 s.
    """

    kind: FaultKind
    skip: int = 0
    every: int | None = None
    delay_s: float = 3.0

    def __post_init__(self) -> None:
        if self.skip < 0 or (self.every is not None and self.every < 1) or self.delay_s < 0:
            raise ValueError("a fault skips 0 or more, strikes every 1 or more, and is 0 s or more late")


class FaultSchedule:
    """The armed faults and how many occasions each still lets pass."""

    def __init__(self) -> None:
        self._armed: list[tuple[Fault, int]] = []

    def arm(self, fault: Fault) -> None:
        """Add one fault to those already armed."""
        self._armed.append((fault, fault.skip))

    def strike(self, *kinds: FaultKind) -> Fault | None:
        """Count one occasion for faults of `kinds` and return the first that strikes now."""
        struck: Fault | None = None
        kept: list[tuple[Fault, int]] = []
        for fault, passes in self._armed:
            if fault.kind not in kinds:
                kept.append((fault, passes))
            elif passes > 0 or struck is not None:
                kept.append((fault, max(passes - 1, 0)))
            else:
                struck = fault
                if fault.every is not None:
                    kept.append((fault, fault.every - 1))
        self._armed = kept
        return struck
