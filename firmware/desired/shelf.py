"""The files of desired states on the disk: by their digests, in pieces until they are whole."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from trust.signed_file import unpack
from trust.state import Artifact, ArtifactKind

FOLDER = "desired"
SMALL_BYTES = 1 << 20
"""Operating points (11 kB) and data policies (some kB) are kept in the store too; they are never larger."""
SMALL = frozenset({ArtifactKind.OPERATING_POINT, ArtifactKind.POLICY})
SPARE_BYTES = 200 << 20
"""What a large file leaves free on the disk: records of people come first."""
_PART = ".part"
_POLICY = ".toml"


class Shelf:
    """One folder; all methods raise OSError."""

    def __init__(self, data: Path) -> None:
        """data: the appliance's folder; this one's is made in it when it is needed."""
        self._folder = data / FOLDER

    def path(self, artifact: Artifact) -> Path:
        """Return where the file lies, as its readers take it; a policy lies there without its signature."""
        return self._folder / (artifact.digest + (_POLICY if artifact.kind is ArtifactKind.POLICY else ""))

    def is_held(self, artifact: Artifact) -> bool:
        """Whether the whole file was taken in."""
        return (self._folder / artifact.digest).exists()

    def read(self, artifact: Artifact) -> bytes:
        """Return a file that is held."""
        return (self._folder / artifact.digest).read_bytes()

    def begun_bytes(self, artifact: Artifact) -> int:
        """Return how much of it came so far."""
        part = self._part(artifact)
        return part.stat().st_size if part.exists() else 0

    def room_for(self, artifact: Artifact) -> bool:
        """Whether the disk has room for what is missing of it."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        missing = artifact.size_bytes - self.begun_bytes(artifact)
        spare = 0 if artifact.kind in SMALL else SPARE_BYTES
        return missing + spare <= shutil.disk_usage(self._folder).free

    def append(self, artifact: Artifact, data: bytes) -> None:
        """Add the next piece; it is on the disk when the call returns."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        with self._part(artifact).open("ab") as file:
            file.write(data)
            file.flush()
            os.fdatasync(file.fileno())

    def complete(self, artifact: Artifact) -> bool:
        """Take in what came; False, and nothing is left, where it is not the file of this digest."""
        part = self._part(artifact)
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != artifact.digest:
            part.unlink()
            return False
        if artifact.kind is ArtifactKind.POLICY:
            unpack(part.read_bytes(), self.path(artifact))
        part.rename(self._folder / artifact.digest)  # last: from here on it is held
        _sync(self._folder)
        return True

    def discard(self, artifact: Artifact) -> None:
        """Begin anew with a file."""
        self._part(artifact).unlink(missing_ok=True)

    def restore(self, artifacts: Collection[Artifact], contents: Mapping[str, bytes]) -> None:
        """Put the small files there again as the store has them: another card, or a damaged disk."""
        for artifact in artifacts:
            content = contents.get(artifact.digest)
            if content is None or (self.is_held(artifact) and self.read(artifact) == content):
                continue
            self.discard(artifact)
            self.append(artifact, content)
            self.complete(artifact)

    def keep(self, digests: Collection[str]) -> None:
        """Erase every file that is not one of these."""
        if not self._folder.exists():
            return
        for path in self._folder.iterdir():
            if path.name.partition(".")[0] not in digests:
                path.unlink()

    def _part(self, artifact: Artifact) -> Path:
        return self._folder / (artifact.digest + _PART)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
