"""A pseudo-terminal behind a stable path: the cable between a virtual sensor and its host."""

from __future__ import annotations

import os
import pty
import select
import termios
import tty
from pathlib import Path
from threading import Event, Lock
from typing import Final

SPEEDS: Final = {
    9_600: termios.B9600,
    19_200: termios.B19200,
    38_400: termios.B38400,
    57_600: termios.B57600,
    115_200: termios.B115200,
}
_SPEED_AT = 5  # of tcgetattr: the rate of the end that the host has opened
_DEAF_HOST_S = 1.0  # a host that reads nothing for this long loses the rest, as on a wire


class PtyPort:
    """The module's end of the cable. One thread reads, writes and closes it; any thread may pull it."""

    def __init__(self, link: Path) -> None:
        self._link = link
        # The host's end stays open here too: else the module's end reports a hang-up between two hosts.
        self._module_end, self._host_end = pty.openpty()
        tty.setraw(self._host_end)
        os.set_blocking(self._module_end, False)
        self._pull_seen, self._pull_sent = os.pipe()
        self._pulled = Event()
        self._lock = Lock()
        fresh = link.with_name(f"{link.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(self._host_end))
        fresh.replace(link)

    @property
    def pulled(self) -> bool:
        """Whether the plug has been pulled."""
        return self._pulled.is_set()

    def pull(self) -> None:
        """Pull the plug: reading, writing and pausing end at once. Any thread may call it, twice."""
        with self._lock:
            if not self.pulled:
                self._pulled.set()
                os.write(self._pull_sent, b"!")

    def host_talks_at(self, baud: int) -> bool:
        """Tell whether the host has set its end to `baud`."""
        return bool(termios.tcgetattr(self._module_end)[_SPEED_AT] == SPEEDS[baud])

    def read(self) -> bytes:
        """Wait for bytes and return them; nothing once the plug is pulled."""
        select.select([self._module_end, self._pull_seen], [], [])
        return b"" if self.pulled else os.read(self._module_end, 4096)

    def write(self, data: bytes) -> None:
        """Send `data`; a host that does not read loses it."""
        while data and not self.pulled:
            _, writable, _ = select.select([self._pull_seen], [self._module_end], [], _DEAF_HOST_S)
            if not writable:
                return
            data = data[os.write(self._module_end, data) :]

    def pause(self, seconds: float) -> None:
        """Wait, unless the plug is pulled."""
        self._pulled.wait(seconds)

    def close(self) -> None:
        """Remove the path and hang up; the host's next read or write fails."""
        self.pull()
        with self._lock:
            self._link.unlink(missing_ok=True)
            for descriptor in (self._module_end, self._host_end, self._pull_seen, self._pull_sent):
                os.close(descriptor)
