"""The files of a guard: the keys, encrypted under its secret, and the mark that they were destroyed.

`keys.json` holds nothing in the clear but the public key and what derives the guard's secret.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from firmware.guard.wrapping import Argon2Cost
from trust.keys.errors import GuardUnavailable, KeysDamaged, KeysDestroyed
from trust.keys.guard import GuardKind

KEYS = "keys.json"
DESTROYED = "keys.destroyed"

FileT = TypeVar("FileT", bound=msgspec.Struct)


class PinState(msgspec.Struct, frozen=True):
    """What Argon2id costs, and how many wrong tries there were in a row, the last one when.

    failed_boot, failed_ns: boot and monotonic time of the last failure; empty and 0 without one.
    """

    cost: Argon2Cost = Argon2Cost()
    failures: int = 0
    failed_boot: bytes = b""
    failed_ns: int = 0


class TpmState(msgspec.Struct, frozen=True):
    """The persistent handles of the sealed secret and of the signing key, and the PCRs they are bound to."""

    sealed_handle: int
    signing_handle: int
    pcrs: tuple[int, ...] = ()


class KeyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of `keys.json`.

    salt: 32 random bytes that go into the key-encryption key. store_key, device_key: made by
    `firmware.guard.wrapping`; device_key is None where the TPM holds it. public_key: SubjectPublicKeyInfo
    as DER.
    """

    version: int = 1
    guard: GuardKind
    salt: bytes
    store_key: bytes
    device_key: bytes | None
    public_key: bytes
    pin: PinState | None = None
    tpm: TpmState | None = None


class Mark(msgspec.Struct, frozen=True):
    """The content of `keys.destroyed`."""

    reason: str


def read(folder: Path) -> KeyFile | None:
    """Return the keys of this folder, None before they were made.

    Raises KeysDestroyed, KeysDamaged, GuardUnavailable.
    """
    if (folder / DESTROYED).exists():
        _shred(folder / KEYS)  # the power may have failed between the mark and the shredding
        mark = _decoded(folder / DESTROYED, Mark)
        reason = mark.reason if mark else "unknown"
        raise KeysDestroyed(
            f"the keys of this appliance were destroyed ({reason}): what its store held stays closed. To use "
            f"it again, move {folder} away, start anew, and restore a backup with `aidpost restore`"
        )
    return _decoded(folder / KEYS, KeyFile)


def create(folder: Path, keys: KeyFile) -> None:
    """Write the keys for the first time. Raises GuardUnavailable when there are some already."""
    fresh = _written(folder, KEYS, keys)
    try:
        os.link(fresh, folder / KEYS)  # unlike a rename, never over another process's keys
    except OSError as error:
        raise GuardUnavailable(f"cannot make {folder / KEYS}: {error.strerror}; try again") from error
    finally:
        fresh.unlink()
    _sync_folder(folder)


def replace(folder: Path, keys: KeyFile) -> None:
    """Write the keys anew in one step, and overwrite the former file."""
    fresh = _written(folder, KEYS, keys)
    with (folder / KEYS).open("r+b") as former:
        fresh.replace(folder / KEYS)
        _sync_folder(folder)
        _overwrite(former.fileno())


def destroy(folder: Path, reason: str, *others: str) -> None:
    """Leave the mark, then overwrite and remove the keys and the files `others`. May be called twice.

    Flash may keep old blocks, and a copy made before holds what it held: see `docs/keys.md`.
    """
    if not (folder / DESTROYED).exists():
        _written(folder, DESTROYED, Mark(reason)).replace(folder / DESTROYED)
        _sync_folder(folder)
    for name in (KEYS, *others):
        _shred(folder / name)
    _sync_folder(folder)


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


def _written(folder: Path, name: str, content: msgspec.Struct) -> Path:
    path = folder / f"{name}.{os.getpid()}.new"
    write_private(path, msgspec.json.format(msgspec.json.encode(content)) + b"\n")
    return path


def _decoded(path: Path, kind: type[FileT]) -> FileT | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise GuardUnavailable(f"cannot read {path}: {error.strerror}; check its owner and mode") from error
    except msgspec.DecodeError as error:
        raise KeysDamaged(f"{path} cannot be read ({error}); put back the file of this store") from error


def _shred(path: Path) -> None:
    try:
        with path.open("r+b") as file:
            _overwrite(file.fileno())
    except FileNotFoundError:
        return
    path.unlink()


def _overwrite(descriptor: int) -> None:
    os.pwrite(descriptor, os.urandom(os.fstat(descriptor).st_size), 0)
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
