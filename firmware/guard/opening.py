"""Opens the guard that the configuration names, and no other."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Never, assert_never

import structlog

from firmware.clock import Clock
from firmware.guard import key_file
from firmware.guard.file import open_file_guard
from firmware.guard.fuses import burn_rows, probe_rows
from firmware.guard.key_file import KeyFile, Mark
from firmware.guard.mailbox import Mailbox
from firmware.guard.otp import open_otp_guard
from firmware.guard.pin import AskPin, ask_for_new_pin, ask_for_pin, change_pin, checked, open_pin_guard
from firmware.guard.settings import GuardSettings
from firmware.guard.tpm_library import tpm_library
from firmware.guard.virtual_board import board_mailbox
from firmware.records import Moment
from trust.keys.errors import (
    GuardError,
    GuardMisconfigured,
    GuardUnavailable,
    KeysDamaged,
    KeysMissing,
    PinRefused,
)
from trust.keys.guard import GuardKind, KeyGuard

log = structlog.get_logger()

_DESTROYER_WAITS_S = 5.0  # Argon2id, the longest that the lock is held for, takes about a second on a Pi 4
_LOCK_POLL_S = 0.05


def no_console(prompt: str) -> Never:
    """Stand for an operator who is not there."""
    raise PinRefused(f"nobody can be asked for the {prompt} here: start from a console")


def open_guard(
    settings: GuardSettings,
    folder: Path,
    *,
    store_exists: bool,
    ask_pin: AskPin = no_console,
    now: Callable[[], Moment] | None = None,
    mailbox: Mailbox | None = None,
) -> KeyGuard:
    """Open the guard whose files lie in `folder`; the keys are made at the first start.

    store_exists: there is a store already, so that missing keys are a loss and no beginning.
    now, mailbox: the kernel's and the board's own, unless a test hands in others.
    Raises GuardError and its kinds.
    """
    _make_private(folder)
    now, pin = now or Clock().now, None
    if settings.kind is GuardKind.PIN:
        # No process waits for an operator: the lock is held to look, and the keys are read again below.
        with _alone(folder):
            known = _read(settings.kind, folder, store_exists=store_exists)
        pin = ask_for_pin(folder, known, ask_pin, now)
    with _alone(folder):
        _go_on_destroying(settings, folder, mailbox)
        keys = _read(settings.kind, folder, store_exists=store_exists)
        match settings.kind:
            case GuardKind.FILE:
                return open_file_guard(folder, keys)
            case GuardKind.PIN:
                if pin is None or (keys is None) is not (known is None):
                    raise PinRefused(f"the keys in {folder} were changed meanwhile: try again")
                return open_pin_guard(folder, keys, pin, now)
            case GuardKind.OTP:
                return open_otp_guard(folder, keys, mailbox or board_mailbox(), burn=settings.burn)
            case GuardKind.TPM:
                return _open_tpm(settings, folder, keys)
            case _:
                assert_never(settings.kind)


def probe_guard(settings: GuardSettings, mailbox: Mailbox | None = None) -> None:
    """Check that what will hold the keys is there, without making any. Raises GuardUnavailable."""
    match settings.kind:
        case GuardKind.FILE | GuardKind.PIN:
            pass  # a folder and a person
        case GuardKind.OTP:
            probe_rows(mailbox or board_mailbox())
        case GuardKind.TPM:
            with tpm_library():
                from firmware.guard.tpm import TpmSettings, probe_tpm
            probe_tpm(TpmSettings(settings.tpm, settings.pcrs))
        case _:
            assert_never(settings.kind)


def destroy_keys(
    settings: GuardSettings,
    folder: Path,
    reason: str,
    mailbox: Mailbox | None = None,
    wait_s: float = _DESTROYER_WAITS_S,
) -> None:
    """Destroy keys without opening them: no PIN is asked for. Raises GuardError where a part was not reached.

    What is on the card is destroyed first, whatever the TPM or the board then answers. Called again, it goes
    on with what was not reached; KeysDestroyed when there is nothing left to do.
    wait_s: for another process that opens these keys just now; then they are destroyed all the same.
    """
    with _alone(folder, wait_s):
        mark = key_file.mark(folder)
        if mark is None or not mark.unfinished():
            try:
                keys = key_file.read(folder)
            except KeysDamaged:  # no reason to leave what may still be read of them
                mark = Mark(reason, settings.kind, burn=settings.kind is GuardKind.OTP and settings.burn)
            else:
                if keys is None:
                    raise KeysMissing(f"there are no keys in {folder} yet: nothing to destroy")
                burn = keys.guard is GuardKind.OTP and settings.burn
                mark = Mark(reason, keys.guard, keys.tpm, burn)
        key_file.destroy(folder, mark, partial(_destroy_beyond_the_card, settings, mailbox))


def change_pin_in(folder: Path, ask_pin: AskPin, now: Callable[[], Moment] | None = None) -> None:
    """Ask for the PIN and a new one, and wrap the keys anew. Raises GuardError."""
    now = now or Clock().now
    with _alone(folder):
        keys = _made(folder)
    pin = ask_for_pin(folder, keys, ask_pin, now)
    with _alone(folder):
        former = checked(folder, _made(folder), pin, now)
    with former:
        new_pin = ask_for_new_pin(ask_pin)
        with _alone(folder):
            change_pin(folder, _made(folder), former, new_pin)


def _made(folder: Path) -> KeyFile:
    keys = _read(GuardKind.PIN, folder, store_exists=True)
    if keys is None:
        raise AssertionError("keys that are missing beside a store were refused")
    return keys


def _make_private(folder: Path) -> None:
    """Make the folder, or close it to others where it is ours: names and sizes tell something too."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_mode & 0o077 and found.st_uid == os.geteuid():
            folder.chmod(0o700)
            log.warning("folder closed to other users", folder=str(folder), mode=oct(found.st_mode & 0o777))
    except OSError as error:
        raise GuardUnavailable(
            f"cannot use the folder {folder}: {error.strerror}; change `device.data`"
        ) from error


def _read(kind: GuardKind, folder: Path, *, store_exists: bool) -> KeyFile | None:
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
    return keys


def _open_tpm(settings: GuardSettings, folder: Path, keys: KeyFile | None) -> KeyGuard:
    with tpm_library():
        from firmware.guard.tpm import TpmSettings, open_tpm_guard
    return open_tpm_guard(folder, keys, TpmSettings(settings.tpm, settings.pcrs))


def _destroy_beyond_the_card(settings: GuardSettings, mailbox: Mailbox | None, mark: Mark) -> None:
    if mark.tpm is not None:
        with tpm_library():
            from firmware.guard.tpm import TpmSettings, evict
        evict(mark.tpm, TpmSettings(settings.tpm, settings.pcrs))
    if mark.burn:
        burn_rows(mailbox or board_mailbox())


def _go_on_destroying(settings: GuardSettings, folder: Path, mailbox: Mailbox | None) -> None:
    """Finish what an earlier destruction did not reach; what cannot be reached now stays to be done."""
    mark = key_file.mark(folder)
    if mark is None or not mark.unfinished():
        return
    try:
        key_file.destroy(folder, mark, partial(_destroy_beyond_the_card, settings, mailbox))
    except GuardError as error:
        log.error("keys not wholly destroyed", kind=type(error).__name__, reason=str(error))  # noqa: TRY400


@contextmanager
def _alone(folder: Path, wait_s: float | None = None) -> Iterator[None]:
    """Let one process at a time make or open keys here, so that two first starts make one pair of keys.

    wait_s: go on without the lock after so long; None waits for ever.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if wait_s is None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        elif not _locked_within(descriptor, wait_s):
            log.warning("keys in use by another process: going on all the same", folder=str(folder))
        yield
    finally:
        os.close(descriptor)


def _locked_within(descriptor: int, wait_s: float) -> bool:
    end_s = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end_s:
                return False
            time.sleep(_LOCK_POLL_S)
        else:
            return True
