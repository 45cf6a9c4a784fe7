"""Where a store is: a file of SQLite, or a database of a PostgreSQL server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

SCHEMES = ("postgresql", "postgres")


@dataclass(frozen=True, slots=True)
class Server:
    """A database of a server; dsn: postgresql://user@host/database. Its text tells no password."""

    dsn: str

    def __str__(self) -> str:
        parts = urlsplit(self.dsn)
        return f"{parts.hostname or 'the local socket'}:{parts.port or 5432}{parts.path}"

    def __repr__(self) -> str:
        return f"Server({self})"


Place: TypeAlias = "Path | Server"


class PlaceRefused(ValueError):
    """It names no store; the message says what to write."""


def parse_place(text: str) -> Place:
    """Return a place as `--store` has it. Raises PlaceRefused."""
    scheme, separator, _ = text.partition("://")
    if not separator:
        return Path(text)
    try:
        known = scheme in SCHEMES and bool(urlsplit(text).path.strip("/")) and (urlsplit(text).port or 1) > 0
    except ValueError:
        known = False
    if not known:
        raise PlaceRefused("write a file, or postgresql://USER@HOST/DATABASE")
    return Server(text)
