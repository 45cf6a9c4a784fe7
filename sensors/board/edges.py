"""Tells of edges on input pins: one thread that waits for the events of all of them."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable

_END_TIMEOUT_S = 2.0  # the thread waits on a descriptor that ends it


class EdgeWatch:
    """Calls a reader, in its own thread, while its file descriptor has something to read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers: dict[int, Callable[[], None]] = {}
        self._poll = select.poll()
        self._ending = False
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC)
        self._poll.register(self._wake_fd, select.POLLIN)
        self._thread = threading.Thread(target=self._run, name="edges", daemon=True)
        self._thread.start()

    def watch(self, fd: int, read: Callable[[], None]) -> None:
        """Call `read` from now on whenever `fd` is readable; `read` takes what there is and does not wait."""
        with self._lock:
            self._readers[fd] = read
            # The poll that waits takes up a new descriptor when it is woken.
            self._poll.register(fd, select.POLLIN)
        os.eventfd_write(self._wake_fd, 1)

    def unwatch(self, fd: int) -> None:
        """Call its reader no more; a call that has begun may still be under way."""
        with self._lock:
            if self._readers.pop(fd, None) is not None:
                self._poll.unregister(fd)

    def close(self) -> None:
        """End the thread. May be called twice."""
        if self._ending:
            return
        self._ending = True
        os.eventfd_write(self._wake_fd, 1)
        self._thread.join(_END_TIMEOUT_S)
        if not self._thread.is_alive():
            os.close(self._wake_fd)

    def _run(self) -> None:
        while not self._ending:
            for fd, _ in self._poll.poll():
                if fd == self._wake_fd:
                    os.eventfd_read(fd)
                    continue
                with self._lock:
                    read = self._readers.get(fd)
                if read is not None:
                    read()
