"""Faults of devices. A bad presentation is not here: it is a `Retry` value in `sensors.frames`.

Each class is also a builtin error, so that callers that know nothing of Aidpost can catch it.
Every message says what to do next.
"""

from __future__ import annotations


class SensorError(Exception):
    """Base of all device faults."""


class SensorUnavailable(SensorError, OSError):
    """The device cannot be opened or has gone: missing port, busy port, unplugged."""


class SensorTimeout(SensorError, TimeoutError):
    """The device did not answer in the time that its data sheet allows."""


class SensorProtocolError(SensorError, OSError):
    """The device answered with bytes that the protocol does not allow (checksum, address, frame, length)."""


class SensorRefused(SensorError, RuntimeError):
    """The device answered properly and refused: wrong password, library full, flash fault."""


class SensorMisconfigured(SensorError, ValueError):
    """The settings name a device that does not exist or does not fit what was found."""
