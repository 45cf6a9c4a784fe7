"""Names of things in the cache: a digest of what they are made from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec


def key(*parts: object) -> str:
    """Return 16 hexadecimal digits for values that msgspec can write as JSON."""
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic", enc_hook=str)).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
