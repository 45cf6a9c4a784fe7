"""The files of a guard: the keys, encrypted under its secret, and the mark that they were destroyed.

`keys.json` holds nothing in the clear but the public key and what derives the guard's secret.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from firmware.guard.private_file import NEW, overwrite, shred, sync_folder, write_private
from trust.keys.errors import GuardUnavailable, KeysDamaged, KeysDestroyed
from trust.keys.guard import GuardKind
from trust.keys.stretching import Argon2Cost

KEYS = "keys.json"
DESTROYED = "keys.destroyed"
SECRET = "keys.secret"  # noqa: S105 -- the name of a file, which the `file` guard alone has
_LEFT_OVER = f"keys.*{NEW}"
_MOST_REASON = 200  # characters: the mark must fit where the keys were

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


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """The content of `keys.destroyed`.

    tpm: what the TPM still holds. burn: whether the board is still to be burnt. Both are taken out when done.
    """

    reason: str
    guard: GuardKind | None = None
    tpm: TpmState | None = None
    burn: bool = False

    def unfinished(self) -> bool:
        """Whether something beyond the card is still to be done."""
        return self.burn or self.tpm is not None


def mark(folder: Path) -> Mark | None:
    """Return why the keys were destroyed, None when they were not. Raises GuardUnavailable."""
    for name in (DESTROYED, KEYS):  # on a full disk the mark is written over the keys, then renamed
        try:
            found = _decoded(folder / name, Mark)
        except KeysDamaged:
            found = Mark("unknown") if name == DESTROYED else None
        if found is not None:
            return found
    return None


def read(folder: Path) -> KeyFile | None:
    """Return the keys of this folder, None before they were made; what a crash left over is overwritten.

    Raises KeysDestroyed, KeysDamaged, GuardUnavailable.
    """
    standing = mark(folder)
    if standing is None:
        shred(*folder.glob(_LEFT_OVER))
        return _decoded(folder / KEYS, KeyFile)
    destroy(folder, standing)  # the power may have failed between the mark and the shredding
    raise KeysDestroyed(
        f"the keys of this appliance were destroyed ({standing.reason}): what its store held stays closed. "
        f"To use it again, move {folder} away, start anew, and restore a backup with `aidpost restore`"
    )


def create(folder: Path, keys: KeyFile) -> None:
    """Write the keys for the first time. Raises GuardUnavailable when there are some already."""
    fresh = _written(folder, KEYS, keys)
    try:
        os.link(fresh, folder / KEYS)  # unlike a rename, never over another process's keys
    except OSError as error:
        raise GuardUnavailable(f"cannot make {folder / KEYS}: {error.strerror}; try again") from error
    finally:
        fresh.unlink()
    sync_folder(folder)
    _stay_destroyed(folder)


def replace(folder: Path, keys: KeyFile) -> None:
    """Write the keys anew in one step, and overwrite the former file."""
    fresh = _written(folder, KEYS, keys)
    try:
        with (folder / KEYS).open("r+b") as former:
            fresh.replace(folder / KEYS)
            sync_folder(folder)
            overwrite(former.fileno())
    except OSError as error:
        raise GuardUnavailable(f"cannot write {folder / KEYS}: {error.strerror}; try again") from error
    _stay_destroyed(folder)


def destroy(folder: Path, new_mark: Mark, beyond_the_card: Callable[[Mark], None] | None = None) -> None:
    """Leave the mark, overwrite and remove every file with a key, then do what is to be done beyond the card.

    May be called again, and goes on where it failed; the first mark stands. beyond_the_card: evicts or burns;
    it is tried even if the card cannot be written. Raises GuardUnavailable where a part was not reached.
    Flash may keep old blocks, and a copy made before holds what it held: see `docs/keys.md`.
    """
    standing, failure = mark(folder) or new_mark, None
    try:
        _destroy_on_card(folder, standing)
    except OSError as error:
        failure = error
    if beyond_the_card is not None and standing.unfinished():
        beyond_the_card(standing)
        if failure is None:
            _leave_mark(folder, Mark(standing.reason, standing.guard))
    if failure is not None:
        raise GuardUnavailable(
            f"the keys in {folder} are not wholly destroyed ({failure.strerror or failure}): check the card, "
            "then `aidpost lock` again"
        ) from failure


def _destroy_on_card(folder: Path, standing: Mark) -> None:
    marked = folder / DESTROYED
    if not marked.exists():
        with suppress(OSError):
            _leave_mark(folder, standing)
    if not marked.exists():
        # A full disk. Overwriting needs no space, so the mark goes over the keys themselves.
        with suppress(OSError):
            _write_over(folder / KEYS, standing)
            (folder / KEYS).replace(marked)
    shred(folder / KEYS, folder / SECRET, *folder.glob(_LEFT_OVER))
    if not marked.exists():
        _leave_mark(folder, standing)  # into what was freed just now
    sync_folder(folder)


def _leave_mark(folder: Path, new_mark: Mark) -> None:
    new_mark = msgspec.structs.replace(new_mark, reason=new_mark.reason[:_MOST_REASON])
    _written(folder, DESTROYED, new_mark).replace(folder / DESTROYED)
    sync_folder(folder)


def _write_over(path: Path, new_mark: Mark) -> None:
    """Overwrite the keys with the mark, filled up with blanks to their length."""
    new_mark = msgspec.structs.replace(new_mark, reason=new_mark.reason[:_MOST_REASON])
    with path.open("r+b") as file:
        os.pwrite(file.fileno(), msgspec.json.encode(new_mark).ljust(os.fstat(file.fileno()).st_size), 0)
        os.fsync(file.fileno())


def _stay_destroyed(folder: Path) -> None:
    """Undo what was written while another process destroyed the keys: it waits for no lock for long."""
    if (folder / DESTROYED).exists():
        read(folder)


def _written(folder: Path, name: str, content: msgspec.Struct) -> Path:
    path = folder / f"{name}{NEW}"
    shred(path)
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
