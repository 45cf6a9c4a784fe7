"""Where Debian's packages come from: the archive of one day, or the archive as it is now."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime

from imaging.recipe import SNAPSHOT, Debian

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DEBIAN = "http://deb.debian.org"
REACH_S = 10.0


@dataclass(frozen=True)
class Archive:
    """Addresses of the archive and of its security updates."""

    debian: str
    security: str
    name: str


def pinned(debian: Debian) -> Archive:
    """Return the archive of the recipe's day; its packages stay as they are."""
    base = "http://snapshot.debian.org/archive"
    return Archive(
        f"{base}/debian/{debian.snapshot}",
        f"{base}/debian-security/{debian.snapshot}",
        f"snapshot.debian.org of {debian.snapshot}",
    )


def moving(base: str = DEBIAN) -> Archive:
    """Return an archive as it is now; packages in it are replaced by newer ones."""
    return Archive(f"{base}/debian", f"{base}/debian-security", f"{base} as it is now")


def reachable(archive: Archive, suite: str) -> bool:
    """Say whether the archive answers."""
    try:
        with urllib.request.urlopen(f"{archive.debian}/dists/{suite}/InRelease", timeout=REACH_S):  # noqa: S310
            return True
    except (OSError, urllib.error.URLError):
        return False


def sources(archive: Archive, debian: Debian, *, backports: bool) -> list[str]:
    """Return the lines of sources.list."""
    components = " ".join(debian.components)
    suite = debian.suite
    lines = [
        f"deb {archive.debian} {suite} {components}",
        f"deb {archive.debian} {suite}-updates {components}",
        f"deb {archive.security} {suite}-security {components}",
    ]
    if backports:
        lines.append(f"deb {archive.debian} {suite}-backports {components}")
    return lines


def epoch(debian: Debian) -> int:
    """Return the recipe's day as seconds since 1970: the time of every file that the build makes."""
    return int(datetime.strptime(debian.snapshot, SNAPSHOT).replace(tzinfo=UTC).timestamp())
