"""The way to a camera's own process: a child, or one that systemd starts for a connection.

Both end when their input ends, and both can be ended at once. What is said there is `sensors.camera.wire`.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from sensors.camera import wire
from sensors.errors import SensorUnavailable

_CHILD = "sensors.camera.child"
# What the libraries say on standard error goes to the log; their default is a page per start.
_QUIET = {"LIBCAMERA_LOG_LEVELS": "*:WARN", "OPENCV_LOG_LEVEL": "ERROR"}
_DISCARDED_AT_ONCE = 65_536  # bytes


class Channel(ABC):
    """To one process, from its start to its end."""

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """The process id, None where systemd alone knows it."""

    @property
    @abstractmethod
    def output_fd(self) -> int:
        """What the process says is read here; it ends when the process does."""

    @abstractmethod
    def send(self, message: bytes) -> None:
        """Say something to the process. Raises OSError when it has gone."""

    @abstractmethod
    def end_input(self) -> None:
        """Let the process close the camera and end."""

    @abstractmethod
    def kill(self) -> None:
        """End the process at once, whatever its camera does."""

    @abstractmethod
    def ended(self, timeout_s: float) -> str | None:
        """Wait for the end of the process, and return it in words; None when it is still there."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the process, which has ended or never will."""


OpenChannel: TypeAlias = Callable[[], Channel]
"""Begins a process. Raises SensorUnavailable."""


class Spawned(Channel):
    """A child of this process, with a pipe each way."""

    def __init__(self, source: str, environment: Mapping[str, str]) -> None:
        """source: `module:factory` of what opens the camera. environment: added to this process's own."""
        try:
            self._child = subprocess.Popen(
                # -P: a file in the current folder must not shadow a module of the driver.
                [sys.executable, "-P", "-m", _CHILD, "--source", source],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                env={**_QUIET, **os.environ, **environment},
                # Ctrl-C is for the appliance alone; it closes the child in its own order.
                start_new_session=True,
            )
        except OSError as error:
            raise SensorUnavailable(
                f"the camera's process cannot be started ({error.strerror}): end other programs"
            ) from error
        assert self._child.stdin is not None  # noqa: S101 - Popen gives both pipes, as asked
        assert self._child.stdout is not None  # noqa: S101
        self._input, self._output = self._child.stdin, self._child.stdout

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._child.pid

    @property
    def output_fd(self) -> int:
        """The pipe from the child."""
        return self._output.fileno()

    def send(self, message: bytes) -> None:
        """Write into the pipe to the child."""
        self._input.write(message)

    def end_input(self) -> None:
        """Close the pipe to the child."""
        self._input.close()

    def kill(self) -> None:
        """Kill the child."""
        self._child.kill()

    def ended(self, timeout_s: float) -> str | None:
        """Wait for the child, and return its exit status."""
        try:
            return f"ended with status {self._child.wait(timeout_s)}"
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """Close both pipes."""
        self._input.close()
        self._output.close()


class Connected(Channel):
    """A process that systemd starts for this connection (image-build/units/aidpost-capture.socket).

    It runs as another user, so it is asked to end and cannot be killed from here; it listens for that in a
    thread of its own, which a camera that hangs does not stop.
    """

    def __init__(self, path: Path) -> None:
        """Raises SensorUnavailable."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise SensorUnavailable(
                f"the camera's service is not reached at {path} ({error.strerror}): start "
                "aidpost-capture.socket, or take `socket` out of [camera]"
            ) from error

    @property
    def pid(self) -> None:
        """The socket names systemd, which listens."""
        return

    @property
    def output_fd(self) -> int:
        """The connection."""
        return self._socket.fileno()

    def send(self, message: bytes) -> None:
        """Write into the connection."""
        self._socket.sendall(message)

    def end_input(self) -> None:
        """Close our half."""
        with suppress(OSError):  # the process has closed its half already
            self._socket.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """Ask the process to end without closing its camera."""
        with suppress(OSError):
            self._socket.sendall(wire.encode_end())
        self.end_input()

    def ended(self, timeout_s: float) -> str | None:
        """Wait for the end of its half, which its last thread leaves open."""
        end_s = time.monotonic() + timeout_s
        while True:
            ready, _, _ = select.select([self._socket], [], [], max(0.0, end_s - time.monotonic()))
            if not ready:
                return None
            try:
                if not self._socket.recv(_DISCARDED_AT_ONCE):
                    return "ended"
            except OSError:
                return "ended"

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
