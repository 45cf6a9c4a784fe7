"""Keys that make an erased entry unreadable in older copies of the store too: they lie beside it, not in it.

The templates of an entry are sealed under a key of its own. That key stands in the entry's row, wrapped under
one key that lies in a small file beside the store and is replaced whenever an entry is erased. What an older
page, frame of the write-ahead log or copy of the store holds is wrapped under a key that is gone then.
docs/decisions/0601-entry-keys.md says what this reaches, what not, and what it costs.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from sqlite_utils import Database

from firmware.guard.private_file import replace_private
from firmware.guard.wrapping import unwrap, wrap
from firmware.store.errors import EntryKeysMissing
from trust.gallery.entry_seal import KEY_BYTES, WRAP_ID_BYTES, EntrySeal, WrappingKey
from trust.gallery.errors import EntryRefused
from trust.keys.errors import GuardError
from trust.keys.secret import SecretKey

_FILE = b"aidpost entry keys 1"


class EntryKeys:
    """The wrapping keys of one store: one, and the former one while entries are wrapped anew."""

    def __init__(self, keys: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """keys: (id, key), the newest last; those of a backup, which are in no file of their own."""
        self._keys = {
            wrap_id: WrappingKey(wrap_id, SecretKey.taken_from(bytearray(key))) for wrap_id, key in keys
        }
        self._path = Path()
        self._file_key = SecretKey(KEY_BYTES)

    @classmethod
    def open(cls, path: Path, store_key: SecretKey) -> Self:
        """Read the file, or make it with a first key. Raises EntryKeysMissing where it does not open."""
        with store_key.view() as view:
            file_key = SecretKey.taken_from(bytearray(hmac.digest(view, _FILE, "sha256")))
        try:
            keys = cls(_read(path, file_key))
        except BaseException:
            file_key.close()
            raise
        keys._file_key.close()
        keys._path, keys._file_key = path, file_key
        if not keys._keys:
            keys._add()
        return keys

    def new(self, entry_id: bytes) -> tuple[bytes, EntrySeal]:
        """Draw a key for an entry; returns it wrapped, for its row, and what seals under it."""
        key = os.urandom(KEY_BYTES)
        return self._newest().wrap(entry_id, key), EntrySeal(entry_id, key)

    def opened(self, entry_id: bytes, wrapped: bytes) -> EntrySeal:
        """Return what opens an entry. Raises EntryRefused where its key was shredded or changed."""
        return EntrySeal(entry_id, self._unwrapped(entry_id, wrapped))

    def require(self, database: Database) -> None:
        """Raise EntryKeysMissing where entries are wrapped under keys that are not here."""
        if _in_use(database) - self._keys.keys():
            raise EntryKeysMissing(_MISSING.format(path=self._path))

    def replace(self, database: Database) -> None:
        """Wrap every entry's key under a new one, within the caller's transaction; then `drop_former`."""
        self._add()
        rewrapped = []
        for number, entry_id, wrapped in database.execute("SELECT number, entry_id, sealed_key FROM gallery"):
            try:
                key = self._unwrapped(entry_id, wrapped)
            except EntryRefused:
                continue  # a damaged row stays what it is, and keeps nobody from being erased
            rewrapped.append((self._newest().wrap(entry_id, key), number))
        database.conn.executemany("UPDATE gallery SET sealed_key = ? WHERE number = ?", rewrapped)

    def drop_former(self, database: Database) -> None:
        """Forget and overwrite the keys under which nothing is wrapped any more, outside any transaction."""
        kept = _in_use(database) | {self._newest().wrap_id}
        gone = self._keys.keys() - kept
        for wrap_id in gone:
            self._keys.pop(wrap_id).close()
        if gone:
            self._write()

    def rows(self) -> list[tuple[bytes, bytes]]:
        """Return (id, key), for a backup."""
        found = []
        for wrap_id, wrapping in self._keys.items():
            with wrapping.key.view() as view:
                found.append((wrap_id, bytes(view)))
        return found

    def close(self) -> None:
        """Overwrite the keys in memory. May be called twice."""
        for wrapping in self._keys.values():
            wrapping.close()
        self._file_key.close()

    def _add(self) -> None:
        wrap_id = os.urandom(WRAP_ID_BYTES)
        self._keys[wrap_id] = WrappingKey(wrap_id, SecretKey.random(KEY_BYTES))
        self._write()

    def _newest(self) -> WrappingKey:
        return self._keys[next(reversed(self._keys))]

    def _unwrapped(self, entry_id: bytes, wrapped: bytes) -> bytes:
        wrapping = self._keys.get(wrapped[:WRAP_ID_BYTES])
        if wrapping is None:
            raise EntryRefused(f"the key of the entry {entry_id.hex()} is gone")
        return wrapping.unwrapped(entry_id, wrapped)

    def _write(self) -> None:
        content = bytearray(b"".join(part for row in self.rows() for part in row))
        try:
            replace_private(self._path, wrap(self._file_key, memoryview(content), _FILE))
        finally:
            content[:] = bytes(len(content))


def _in_use(database: Database) -> set[bytes]:
    rows = database.execute(
        "SELECT DISTINCT substr(sealed_key, 1, ?) FROM gallery WHERE sealed_key <> x''", (WRAP_ID_BYTES,)
    )
    return {wrap_id for (wrap_id,) in rows}


def _read(path: Path, file_key: SecretKey) -> list[tuple[bytes, bytes]]:
    try:
        sealed = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise EntryKeysMissing(f"cannot read {path} ({error.strerror}): {_PUT_BACK}") from error
    try:
        with unwrap(file_key, sealed, _FILE) as content, content.view() as view:
            size = WRAP_ID_BYTES + KEY_BYTES
            rows = [bytes(view[at : at + size]) for at in range(0, len(view), size)]
    except GuardError as error:
        raise EntryKeysMissing(_MISSING.format(path=path)) from error
    return [(row[:WRAP_ID_BYTES], row[WRAP_ID_BYTES:]) for row in rows]


_PUT_BACK = (
    "put the file back that belongs to this store, or move the folder away and restore a backup with "
    "`aidpost restore`"
)
_MISSING = "{path} does not hold the keys of the entries in the store beside it: " + _PUT_BACK
