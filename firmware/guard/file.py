"""The `file` guard, for development: the secret that opens the keys lies beside them on the card."""

from __future__ import annotations

import os
from pathlib import Path

import structlog

from firmware.guard import key_file
from firmware.guard.private_file import write_private
from firmware.guard.wrapped import WrappedGuard, new_keys
from firmware.guard.wrapping import derived
from trust.keys.errors import GuardUnavailable
from trust.keys.guard import GuardKind
from trust.keys.secret import SecretKey
from trust.keys.stretching import SALT_BYTES

_SECRET_BYTES = 32
WARNING = "whoever takes the card reads the store: choose `pin`, `otp` or `tpm` for people's data"

log = structlog.get_logger()


def open_file_guard(folder: Path, keys: key_file.KeyFile | None) -> WrappedGuard:
    """Open the guard of this folder; keys: None makes them. Raises GuardError."""
    log.warning("key guard for development", guard="file", reason=WARNING)
    if keys is None:
        with new_secret(folder / key_file.SECRET) as secret:
            salt = os.urandom(SALT_BYTES)
            with derived(secret, salt, GuardKind.FILE) as kek:
                keys = new_keys(GuardKind.FILE, salt, kek)
                key_file.create(folder, keys)
                return WrappedGuard(folder, keys, kek)
    with read_secret(folder / key_file.SECRET) as secret, derived(secret, keys.salt, GuardKind.FILE) as kek:
        return WrappedGuard(folder, keys, kek)


def new_secret(path: Path) -> SecretKey:
    """Write a new secret to a file; returns it, for the caller to close. Raises GuardUnavailable."""
    secret = SecretKey.random(_SECRET_BYTES)
    with secret.view() as view:
        write_private(path, view)
    return secret


def read_secret(path: Path) -> SecretKey:
    """Return the secret of a file, for the caller to close. Raises GuardUnavailable."""
    content = bytearray(_SECRET_BYTES + 1)
    try:
        with path.open("rb", buffering=0) as file:
            size = file.readinto(content)
    except OSError as error:
        raise GuardUnavailable(f"cannot read {path}: {error.strerror}; put back the file") from error
    if size != _SECRET_BYTES:
        raise GuardUnavailable(f"{path} is not {_SECRET_BYTES} bytes long; put back the file")
    del content[_SECRET_BYTES:]
    return SecretKey.taken_from(content)
