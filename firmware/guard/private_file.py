"""Files for their owner alone, written through to the disk, and overwritten when they go."""

from __future__ import annotations

import os
from pathlib import Path

from trust.keys.errors import GuardUnavailable

NEW = ".new"
"""Behind the name of what is being written: so a crash leaves one file, which the next start knows.

Versions before had the process id in it.
"""


def write_private(path: Path, content: bytes | memoryview) -> None:
    """Write a file that its owner alone may read, through to the disk."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise GuardUnavailable(
            f"cannot write {path}: {error.strerror}; check owner and free space"
        ) from error


def replace_private(path: Path, content: bytes) -> None:
    """Write a file that its owner alone may read anew in one step, and overwrite what it held."""
    fresh = path.with_name(path.name + NEW)
    shred(fresh)
    write_private(fresh, content)
    try:
        former = path.open("r+b") if path.exists() else None
        fresh.replace(path)
        sync_folder(path.parent)
        if former is not None:
            with former:
                overwrite(former.fileno())
    except OSError as error:
        raise GuardUnavailable(f"cannot write {path}: {error.strerror}; try again") from error


def shred(*paths: Path) -> None:
    """Overwrite and remove these files, each of them whatever becomes of the others."""
    failure = None
    for path in paths:
        try:
            with path.open("r+b") as file:
                # What has another name still is that file's content: a crash while keys were made left both.
                if os.fstat(file.fileno()).st_nlink == 1:
                    overwrite(file.fileno())
            path.unlink()
        except FileNotFoundError:
            pass
        except OSError as error:
            failure = error
    if failure is not None:
        raise failure


def overwrite(descriptor: int) -> None:
    """Write random bytes over what an open file holds."""
    os.pwrite(descriptor, os.urandom(os.fstat(descriptor).st_size), 0)
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Write the names of a folder through to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
