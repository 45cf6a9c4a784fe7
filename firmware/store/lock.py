"""One process for one appliance: a lock file beside the store that names its holder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from firmware.store.errors import StoreBusy, StoreError


def holder(path: Path) -> int | None:
    """Return the process id of who holds the lock at `path`, None when nobody does."""
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read(20) or 0) or None
    except FileNotFoundError:
        pass
    return None


class ProcessLock:
    """Holds the lock from construction to `release`; the kernel releases it if the process dies.

    Raises StoreBusy, naming the process that holds it.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"cannot open the lock {path}: {error.strerror}; check its owner and mode"
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise StoreBusy(
                f"another aidpost process (pid {holder or 'unknown'}) holds this appliance; stop it first"
            ) from error
        except OSError as error:
            os.close(self._descriptor)
            raise StoreError(f"cannot write the lock {path}: {error.strerror}; free space there") from error

    def release(self) -> None:
        """Let go; the file stays, because deleting it could take it from the next holder."""
        os.close(self._descriptor)
