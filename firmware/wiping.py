"""Erases the appliance's folder after its keys are destroyed; a power cut in between changes nothing.

The data was readable with the keys alone, and is not without them: erasing it takes away the rest, as names
and sizes of files. What says why the keys were destroyed stays, for each later start.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import structlog

from firmware.guard.key_file import DESTROYED, KEYS
from firmware.guard.opening import destroy_keys
from firmware.guard.settings import GuardSettings
from trust.keys.errors import KeysDestroyed, KeysMissing

MARK = "wipe"
REASON = "wiped by an operator through the aggregator"
log = structlog.get_logger()


def mark(data: Path) -> None:
    """Note that everything here is to be erased, whatever happens next. Raises OSError."""
    descriptor = os.open(data / MARK, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def go_on(data: Path, settings: GuardSettings) -> None:
    """Finish a wipe that was begun; nothing where none was. Raises GuardError where a key is out of reach."""
    if not (data / MARK).exists():
        return
    with suppress(KeysDestroyed, KeysMissing):
        destroy_keys(settings, data, REASON)
    erase(data)


def erase(data: Path) -> None:
    """Erase everything but what says that the keys are destroyed; nothing where no wipe was begun."""
    if not (data / MARK).exists():
        return
    failed = 0
    for path in data.iterdir():
        if path.name in (MARK, DESTROYED, KEYS):
            continue
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as error:
            failed += 1
            log.warning("not erased", file=path.name, reason=error.strerror)
    if not failed:
        (data / MARK).unlink()
        log.info("data erased", folder=str(data))
