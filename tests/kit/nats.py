"""A real NATS server, Debian's, on a free port, as long as a block lasts; it can be stopped and started."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PROGRAM = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
START_S = 10.0


class NatsServer:
    """One node; `url` is for --bus."""

    def __init__(self, port: int, options: tuple[str, ...] = ()) -> None:
        self.port = port
        self.url = f"nats://127.0.0.1:{port}"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return when it listens."""
        assert PROGRAM is not None
        self._process = subprocess.Popen(
            [PROGRAM, "--addr", "127.0.0.1", "--port", str(self.port), *self._options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ends = time.monotonic() + START_S
        while time.monotonic() < ends:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as asked:
                assert asked.recv(5) == b"INFO "
                return
            time.sleep(0.01)
        raise RuntimeError("nats-server does not listen")

    def stop(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running_nats() -> Iterator[NatsServer]:
    """Run a node."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        server = NatsServer(held.getsockname()[1])
    server.start()
    try:
        yield server
    finally:
        server.stop()
