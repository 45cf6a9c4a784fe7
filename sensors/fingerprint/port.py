"""The port: what the appliance asks of a fingerprint reader.

Calls block and belong to one thread (see `sensors.worker`). Each has its own time-out, because a cancelled
await does not stop a thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from sensors.board.signals import RingLight
from sensors.frames import DeviceIdentity, FingerFrame, Retry


@dataclass(frozen=True, slots=True)
class ReaderInfo:
    """What an opened reader says of itself.

    width, height: image size in pixels; resolution_ppi: pixels per inch; capacity, stored: templates that
    its library can hold, and holds (Aidpost stores none there, so anything but 0 is a finding).
    """

    identity: DeviceIdentity
    width: int
    height: int
    resolution_ppi: float
    baud: int
    packet_bytes: int
    capacity: int
    stored: int
    has_ring: bool


class FingerprintReader(ABC):
    """One opened fingerprint reader."""

    @property
    @abstractmethod
    def info(self) -> ReaderInfo:
        """What was found when the reader was opened."""

    @abstractmethod
    def capture(self, timeout_s: float) -> FingerFrame | Retry:
        """Wait up to `timeout_s` for a finger and return its image, or the reason to try again.

        No finger within the time is `Retry(RetryReason.NO_FINGER)`. Raises a `SensorError` on a fault; the
        reader is then closed and must be opened anew.
        """

    @abstractmethod
    def finger_present(self) -> bool:
        """Tell whether something lies on the platen now. Raises a `SensorError` on a fault."""

    @abstractmethod
    def show(self, light: RingLight) -> None:
        """Light the ring; does nothing on a reader without one. Raises a `SensorError` on a fault."""

    @abstractmethod
    def self_test(self) -> None:
        """Return when the reader is well; raise a `SensorError` that says what to do when it is not."""

    @abstractmethod
    def close(self) -> None:
        """Free the port. May be called twice, and never raises."""
