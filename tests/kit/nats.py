"""A real NATS server, Debian's, on a free port, as long as a block lasts; it can be stopped and started."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.kit.postgres import free_port

PROGRAM = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")


class NatsServer:
    """One node; `url` is for --bus. prefix: a command that executes the one after it, as in its namespace."""

    def __init__(
        self, port: int, options: Sequence[str] = (), address: str = "127.0.0.1", prefix: Sequence[str] = ()
    ) -> None:
        self.port = port
        self.address = address
        self.url = f"nats://{address}:{port}"
        self._options = options
        self._prefix = prefix
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start, with other options than before where there are any, and return when it listens."""
        assert PROGRAM is not None
        where = ("--addr", self.address, "--port", str(self.port))
        self._process = subprocess.Popen(
            [*self._prefix, PROGRAM, *where, *(options or self._options)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.wait_until_it_says("Server is ready")

    def wait_until_it_says(self, words: str) -> None:
        """Read its log up to a line with these words; it says little, and the rest has room in the pipe."""
        assert self._process is not None
        assert self._process.stderr is not None
        if not any(words.encode() in line for line in self._process.stderr):
            raise RuntimeError(f"nats-server has ended before it said: {words}")

    def reload(self) -> None:
        """Let it read its configuration file again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()  # and closes the pipe
            self._process = None


@contextmanager
def running_nats() -> Iterator[NatsServer]:
    """Run a node."""
    server = NatsServer(free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()
