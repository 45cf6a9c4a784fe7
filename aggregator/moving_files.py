"""Copies what lies beside a store's file to where the workers of a server look for it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from aggregator.beside import Beside
from aggregator.store.errors import MoveRefused

_PART = ".copying"


def copy_files(there: Beside, here: Beside) -> int:
    """Copy artifacts, bundles of diagnostics and the key for receipts; returns how many files are here.

    Each copy is read again and compared; what was copied before is left as it is. Raises MoveRefused and
    OSError.
    """
    copied = 0
    for source, target in _files(there, here):
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = _digest(source)
        if target == here.receipt_key and target.exists() and _digest(target) != digest:
            raise MoveRefused(
                f"{target} is another key than {source}, which devices know: take it away if it is unused"
            )
        if not target.exists() or _digest(target) != digest:
            _copy(source, target)
        if _digest(target) != digest:
            raise MoveRefused(f"{target} is not what {source} is: check the disk, and run it again")
        copied += 1
    return copied


def _files(there: Beside, here: Beside) -> Iterator[tuple[Path, Path]]:
    if there.receipt_key.exists():
        yield there.receipt_key, here.receipt_key
    for source, target in ((there.artifacts, here.artifacts), (there.diagnostics, here.diagnostics)):
        for file in sorted(source.iterdir()) if source.is_dir() else ():
            yield file, target / file.name


def _copy(source: Path, target: Path) -> None:
    part = target.with_name(target.name + _PART)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with source.open("rb") as taken, os.fdopen(descriptor, "wb") as given:
        while data := taken.read(1 << 20):
            given.write(data)
        given.flush()
        os.fsync(given.fileno())
    part.replace(target)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
