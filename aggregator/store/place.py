"""Where a store is: a file of SQLite, or a database of a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

SCHEMES = ("postgresql", "postgres")
DEFAULT_PORT = 5432


@dataclass(frozen=True, slots=True)
class Server:
    """A database of a server, or of several of which one is the primary. Its text tells no password.

    dsn: postgresql://user@host/database, or postgresql://user@host1,host2/database.
    """

    dsn: str

    def each(self) -> tuple[Server, ...]:
        """Return its hosts one by one, in the order in which they were named."""
        parts = urlsplit(self.dsn)
        user, at, _ = parts.netloc.rpartition("@")
        return tuple(Server(parts._replace(netloc=user + at + host).geturl()) for host in _hosts(parts))

    def __str__(self) -> str:
        parts = urlsplit(self.dsn)
        return ", ".join(map(_shown, _hosts(parts))) + parts.path

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
        parts = urlsplit(text)
        # A port that is none raises ValueError, and 0 is none.
        ports = [urlsplit(f"//{host}").port for host in _hosts(parts)]
        known = scheme in SCHEMES and bool(parts.path.strip("/")) and 0 not in ports
    except ValueError:
        known = False
    if not known:
        raise PlaceRefused("write a file, or postgresql://USER@HOST/DATABASE")
    return Server(text)


def _hosts(parts: SplitResult) -> Sequence[str]:
    return parts.netloc.rpartition("@")[2].split(",")


def _shown(host: str) -> str:
    parts = urlsplit(f"//{host}")
    return f"{parts.hostname or 'the local socket'}:{parts.port or DEFAULT_PORT}"
