"""Opens the guard that the configuration names, and no other."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import assert_never

from firmware.guard import key_file
from firmware.guard.file import open_file_guard
from trust.keys.errors import GuardMisconfigured, GuardUnavailable, KeysMissing
from trust.keys.guard import GuardKind, KeyGuard


def open_guard(kind: GuardKind, folder: Path, *, store_exists: bool) -> KeyGuard:
    """Open the guard whose files lie in `folder`; the keys are made at the first start.

    store_exists: there is a store already, so that missing keys are a loss and no beginning.
    Raises GuardError and its kinds.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GuardUnavailable(
            f"cannot use the folder {folder}: {error.strerror}; change `device.data`"
        ) from error
    with _alone(folder):
        return _open(kind, folder, store_exists)


def _open(kind: GuardKind, folder: Path, store_exists: bool) -> KeyGuard:
    keys = key_file.read(folder)
    if keys is None and store_exists:
        raise KeysMissing(
            f"there is a store in {folder} and no {key_file.KEYS}: put that file back, or move the folder "
            "away and restore a backup with `aidpost restore`"
        )
    if keys is not None and keys.guard is not kind:
        raise GuardMisconfigured(
            f"the keys in {folder} are guarded by {keys.guard.value!r}, and the configuration says "
            f"{kind.value!r}: set `keys.guard` to {keys.guard.value!r}"
        )
    match kind:
        case GuardKind.FILE:
            return open_file_guard(folder, keys)
        case GuardKind.PIN | GuardKind.OTP | GuardKind.TPM:
            raise GuardUnavailable(f"the {kind.value} guard is not built yet")
        case _:
            assert_never(kind)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time make or open keys here, so that two first starts make one pair of keys."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
