"""The port: what the appliance asks of a camera.

Calls block and belong to one thread (see `sensors.worker`). `tests/contract/test_camera.py` is the contract
that every driver passes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from sensors.frames import ColourFrame, DeviceIdentity


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """What an opened camera says of itself; width and height in pixels."""

    identity: DeviceIdentity
    width: int
    height: int
    driver: str


class Camera(ABC):
    """One opened camera."""

    @property
    @abstractmethod
    def info(self) -> CameraInfo:
        """What was found when the camera was opened."""

    @abstractmethod
    def capture(self, timeout_s: float) -> ColourFrame:
        """Return a frame taken after this call began.

        Its pixels are writable and belong to the caller, so that they can be wiped. Raises `SensorTimeout`
        when no frame came within `timeout_s` (the driver then restarts its capture by itself), and
        `SensorUnavailable` when the camera has gone.
        """

    @abstractmethod
    def self_test(self) -> None:
        """Return when the camera is well; raise a `SensorError` that says what to do when it is not."""

    @abstractmethod
    def close(self) -> None:
        """Free the camera. May be called twice, and never raises."""
