"""What a check found of one part."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one part. advice: what to do, empty when it is well or not fitted."""

    part: str
    found: str
    version: str
    well: bool | None
    advice: str = ""


def library(name: str) -> str:
    """Return a library's name and version; Debian's packages may carry no metadata."""
    try:
        return f"({name} {version(name)})"
    except PackageNotFoundError:
        return f"({name})"
