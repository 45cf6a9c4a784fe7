"""The files of diagnostic bundles, in a folder: each grows piece by piece until it is whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

MAX_BUNDLE_BYTES = 16 << 20
READ_BYTES = 64 * 1024
_WHOLE = ".zip"
_PART = ".part"


class BundleRefused(Exception):
    """A piece does not go with what is held; the message says why."""


class BundleDamaged(BundleRefused):
    """What was handed in is not what its digest says; nothing of it is kept."""


class BundleShelf:
    """One folder; names are command ids. All methods raise OSError where the disk cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def held_bytes(self, command_id: bytes) -> int:
        """Return how much of a bundle is held, 0 for none."""
        for path in (self._whole(command_id), self._part(command_id)):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                continue
        return 0

    def append(self, command_id: bytes, offset: int, data: bytes) -> None:
        """Add a piece at the end of what is held. Raises BundleRefused."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if offset + len(data) > MAX_BUNDLE_BYTES:
            raise BundleRefused(f"a bundle has at most {MAX_BUNDLE_BYTES} bytes")
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self._part(command_id), flags, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            if file.tell() != offset:
                raise BundleRefused(f"{file.tell()} bytes are held: go on from there")
            file.write(data)

    def finish(self, command_id: bytes, digest: bytes) -> None:
        """Take what is held for whole. Raises BundleDamaged."""
        part = self._part(command_id)
        with part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").digest()
            os.fsync(file.fileno())
        if found != digest:
            part.unlink()
            raise BundleDamaged("what came is not what its digest says: hand it in again from the beginning")
        part.replace(self._whole(command_id))

    def read(self, command_id: bytes, offset: int) -> Iterator[bytes]:
        """Yield a whole bundle from an offset on; raises FileNotFoundError for one that is not there."""
        with self._whole(command_id).open("rb") as file:
            file.seek(offset)
            while data := file.read(READ_BYTES):
                yield data

    def erase(self, command_id: bytes) -> None:
        """Remove a bundle, whole or not."""
        for path in (self._whole(command_id), self._part(command_id)):
            path.unlink(missing_ok=True)

    def _whole(self, command_id: bytes) -> Path:
        return self._folder / (command_id.hex() + _WHOLE)

    def _part(self, command_id: bytes) -> Path:
        return self._folder / (command_id.hex() + _PART)
