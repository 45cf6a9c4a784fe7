"""Keeps one known line of a native library off the standard error, where the logs go as JSON."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STANDARD_ERROR = 2
_exchange = threading.Lock()  # The descriptor is the whole process's: two exchanges at once would lose it.


@contextmanager
def without_line(unwanted: bytes) -> Iterator[None]:
    """Hold the standard error back meanwhile, then write all of it but the lines that equal `unwanted`.

    Native code writes past `sys.stderr`, so the descriptor itself is exchanged. What the process wrote is
    lost only if it crashes in the body. Start no child process there: it would keep the wrong descriptor.
    """
    with _exchange:
        try:
            real = os.dup(_STANDARD_ERROR)
        except OSError:  # It is closed; there is nothing to keep clean.
            yield
            return
        with os.fdopen(os.memfd_create("standard-error"), "w+b") as held:
            os.dup2(held.fileno(), _STANDARD_ERROR)
            try:
                yield
            finally:
                os.dup2(real, _STANDARD_ERROR)
                os.close(real)
                held.seek(0)
                _write(b"".join(line for line in held if line.rstrip(b"\n") != unwanted))


def _write(text: bytes) -> None:
    while text:
        text = text[os.write(_STANDARD_ERROR, text) :]
