"""Begins a camera's process for each connection, as systemd does for a socket with `Accept=yes`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


class CameraService:
    """Listens at `path` until it is stopped; source: what the processes open."""

    def __init__(self, path: Path, source: str, environment: Mapping[str, str]) -> None:
        self._source = source
        self._environment = {**os.environ, **environment}
        self._children: list[subprocess.Popen[bytes]] = []
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(str(path))
        self._listening.listen()
        self._thread = threading.Thread(target=self._serve, name="camera service")
        self._thread.start()

    @property
    def newest_pid(self) -> int:
        return self._children[-1].pid

    def stop(self) -> None:
        """Stop listening, and wait for the processes, which end with their connections."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()
        for child in self._children:
            child.wait()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            command = [sys.executable, "-P", "-m", "sensors.camera.child", "--source", self._source]
            with connection:
                descriptor = connection.fileno()
                child = subprocess.Popen(command, stdin=descriptor, stdout=descriptor, env=self._environment)
            self._children.append(child)
            # Reaped as soon as it ends, so that nobody takes it for alive.
            threading.Thread(target=child.wait, daemon=True).start()
