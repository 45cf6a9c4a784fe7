"""A backup: one file, the store as SQLCipher under a random key, and that key under a recovery passphrase.

It opens on another board, so it is bound to the passphrase and not to the guard. The file begins with one
line of JSON, which is authenticated with the key; what follows is SQLCipher's own format.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from firmware.guard.wrapping import unwrap, wrap
from firmware.records import Moment
from firmware.store import inheritance
from firmware.store.connection import open_database, translated
from firmware.store.entry_keys import EntryKeys
from firmware.store.errors import BackupRefused, StoreDamaged, StoreError, StoreKeyWrong
from firmware.store.inheritance import Inheritance
from firmware.store.migrations import migrate
from firmware.store.reading import RangeReader
from firmware.store.store import Store
from trust.consent import Purpose
from trust.keys.errors import KeysDamaged
from trust.keys.guard import STORE_KEY_BYTES
from trust.keys.secret import SecretKey
from trust.keys.stretching import SALT_BYTES, Argon2Cost, stretched

MIN_PASSPHRASE = 15  # SP 800-63B-4 §3.1.1.2: characters of a password that is the only factor
_FORMAT = "aidpost backup 1"
_MOST_HEADER_BYTES = 4096


class _Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: str
    site: str
    purpose: str
    made_ns: int
    salt: bytes
    cost: Argon2Cost
    key: bytes = b""

    def context(self) -> bytes:
        """What the wrapped key is bound to: all of the header but itself."""
        return msgspec.json.encode(msgspec.structs.replace(self, key=b""))


def write(
    store: Store, target: Path, passphrase: bytearray, moment: Moment, cost: Argon2Cost | None = None
) -> None:
    """Write a backup of the whole store to `target`; the passphrase is overwritten.

    Raises BackupRefused for a short passphrase or a target that exists, StoreError for a full disk.
    """
    if len(passphrase.decode("utf-8", "replace")) < MIN_PASSPHRASE:
        raise BackupRefused(
            f"a recovery passphrase has at least {MIN_PASSPHRASE} characters: take a sentence"
        )
    if target.exists():
        raise BackupRefused(f"{target} exists: choose another name")
    header = _Header(
        format=_FORMAT,
        site=store.site,
        purpose=store.purpose.value,
        made_ns=moment.wall_ns,
        salt=os.urandom(SALT_BYTES),
        cost=cost or Argon2Cost(),
    )
    with (
        _part(target, ".db") as database,
        _part(target, ".part") as part,
        SecretKey.random(STORE_KEY_BYTES) as key,
        stretched(passphrase, header.salt, header.cost) as kek,
    ):
        store.copy_to(database, key)
        with key.view() as value:
            header = msgspec.structs.replace(header, key=wrap(kek, value, header.context()))
        try:
            with part.open("wb") as out, database.open("rb") as source:
                out.write(msgspec.json.encode(header) + b"\n")
                shutil.copyfileobj(source, out)
                out.flush()
                os.fsync(out.fileno())
            part.rename(target)  # no link: the FAT of a memory stick has none
            _sync_folder(target.parent)
        except OSError as error:
            raise BackupRefused(f"cannot write {target}: {error.strerror}; free space there") from error


def read(source: Path, passphrase: bytearray, folder: Path, purpose: Purpose, site: str) -> Inheritance:
    """Return what a store of this purpose and site may take over; the passphrase is overwritten.

    folder: where the encrypted copy lies meanwhile. Raises BackupRefused.
    """
    with _part(folder / "restore", ".db") as database:
        try:
            with source.open("rb") as file, database.open("wb") as out:
                line = file.readline(_MOST_HEADER_BYTES)
                shutil.copyfileobj(file, out)
        except OSError as error:
            raise BackupRefused(f"cannot read {source}: {error.strerror}") from error
        header = _header(line, source)
        with _key(header, passphrase, source) as key:
            try:
                former = open_database(database, key)
                with translated(database):
                    migrate(former)
                former.close()
                with RangeReader(database, key) as reader:
                    entry_keys = _entry_keys(reader)
                    inherited = inheritance.read(reader, purpose, site, entry_keys)
                    entry_keys.close()
            except (StoreDamaged, StoreKeyWrong) as error:
                raise BackupRefused(
                    f"{source} cannot be restored: this backup is damaged or was changed; take an earlier one"
                ) from error
            except StoreError as error:
                raise BackupRefused(f"{source} cannot be restored: {error}") from error
    if inherited.lost:
        raise BackupRefused(f"{source} is damaged: take an earlier backup")
    return replace(inherited, as_of_ns=header.made_ns)


def _entry_keys(reader: RangeReader) -> EntryKeys:
    """Return the keys of the entries of a backup; one of an earlier version has none."""
    if "entry_keys" not in reader.tables():
        return EntryKeys()
    rows, _ = reader.rows("entry_keys", "number", "id, key")
    return EntryKeys((wrap_id, key) for _, wrap_id, key in rows)


def _header(line: bytes, source: Path) -> _Header:
    try:
        header = msgspec.json.decode(line, type=_Header)
    except msgspec.DecodeError as error:
        raise BackupRefused(f"{source} is no backup of Aidpost") from error
    if header.format != _FORMAT:
        raise BackupRefused(f"{source} was written by a newer version of Aidpost: install that version")
    return header


def _key(header: _Header, passphrase: bytearray, source: Path) -> SecretKey:
    with stretched(passphrase, header.salt, header.cost) as kek:
        try:
            return unwrap(kek, header.key, header.context())
        except KeysDamaged as error:
            raise BackupRefused(f"{source} does not open: another passphrase, or a changed file") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _part(beside: Path, suffix: str) -> Iterator[Path]:
    """Make an empty private file for the time of the block; nothing of it is left, nor of its log."""
    path = beside.with_name(f".{beside.name}.{os.getpid()}{suffix}")
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise BackupRefused(f"cannot make {path}: {error.strerror}") from error
    try:
        yield path
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            with suppress(FileNotFoundError):
                path.with_name(path.name + end).unlink()
