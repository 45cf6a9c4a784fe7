"""The files for devices, in a folder, each under its digest: whole or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MAX_ARTIFACT_BYTES = 4 << 30  # a root file system, and more
_PART = ".part"
ABANDONED_S = 24 * 3600.0


class FileRefused(Exception):
    """What came is not what was announced, and nothing of it is kept; the message says what to do."""


class Incoming:
    """A file on its way in; it counts once it was finished."""

    def __init__(self, folder: Path, part: Path, digest: str, size_bytes: int) -> None:
        self._folder = folder
        self._part = part
        self._digest = digest
        self._size_bytes = size_bytes
        self._hash = hashlib.sha256()
        self._taken = 0
        self._file = os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def append(self, data: bytes) -> None:
        """Take the next piece; raises FileRefused and OSError."""
        self._taken += len(data)
        if self._taken > self._size_bytes:
            raise FileRefused(f"more came than the {self._size_bytes} bytes that were announced")
        self._hash.update(data)
        self._file.write(data)

    def finish(self) -> None:
        """Keep it; raises FileRefused and OSError."""
        if self._taken != self._size_bytes:
            raise FileRefused(f"{self._taken} of {self._size_bytes} bytes came: send it again")
        if self._hash.hexdigest() != self._digest:
            raise FileRefused("what came is not what its digest says: take the digest of this very file")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._part.replace(self._folder / self._digest)
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Drop what was not finished."""
        self._file.close()
        self._part.unlink(missing_ok=True)


class ArtifactShelf:
    """One folder; names are SHA-256 digests in hex. Methods raise OSError where the disk cannot be used.

    shared: whether other workers use it too.
    """

    def __init__(self, folder: Path, *, shared: bool = False) -> None:
        self._folder = folder
        self._shared = shared

    def tidy(self) -> None:
        """Remove what was on its way in when the server stopped; other workers may still be at theirs."""
        for part in self._folder.glob(f"*{_PART}"):
            with suppress(FileNotFoundError):
                if not self._shared or time.time() - part.stat().st_mtime > ABANDONED_S:
                    part.unlink()

    @contextmanager
    def incoming(self, digest: str, size_bytes: int) -> Iterator[Incoming]:
        """Yield a file to be filled."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = Incoming(self._folder, self._folder / f"{secrets.token_hex(8)}{_PART}", digest, size_bytes)
        try:
            yield made
        finally:
            made.close()

    def holds(self, digest: str, size_bytes: int) -> bool:
        """Tell whether a file is here."""
        try:
            return (self._folder / digest).stat().st_size == size_bytes
        except FileNotFoundError:
            return False

    def read(self, digest: str, offset: int, count: int) -> bytes:
        """Return so many bytes of a file, fewer at its end; raises FileNotFoundError."""
        with (self._folder / digest).open("rb") as file:
            file.seek(offset)
            return file.read(count)
