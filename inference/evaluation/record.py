"""Writes operating-point files; nothing else does."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from inference.operating_point_file import VERSION, OperatingPointFile, SourcePoint, modality_of, read


def with_source(
    present: OperatingPointFile | None, name: str, created: str, source: str, point: SourcePoint
) -> OperatingPointFile:
    """Return the content with one source added or replaced.

    Sources of the same modality that other models or another comparator made are dropped: one file belongs to
    one set of both.
    """
    kept = {} if present is None else present.sources
    sources = {
        other: kept[other]
        for other in kept
        if modality_of(other) is not modality_of(source)
        or (kept[other].made_by, kept[other].comparator) == (point.made_by, point.comparator)
    }
    sources[source] = point
    unsigned = OperatingPointFile(VERSION, name, created, dict(sorted(sources.items())), digest="")
    return msgspec.structs.replace(unsigned, digest=unsigned.computed_digest())


def save(content: OperatingPointFile, path: Path) -> None:
    """Write the file whole or not at all."""
    readable = msgspec.json.format(msgspec.json.encode(content), indent=2)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(_one_line_numbers(readable) + b"\n")
    partial.replace(path)


def add_source(path: Path, name: str, created: str, source: str, point: SourcePoint) -> None:
    """Add one source to a file, or begin the file. Raises OperatingPointRefused for a damaged one."""
    present = read(path) if path.exists() else None
    save(with_source(present, name, created, source, point), path)


def _one_line_numbers(text: bytes) -> bytes:
    """Put lists of numbers on one line, so that a changed operating point reads well in a diff."""
    return re.sub(rb"\[[-+.0-9e,\s]+\]", _one_line, text)


def _one_line(numbers: re.Match[bytes]) -> bytes:
    return b"[" + b", ".join(numbers[0][1:-1].split()).replace(b",,", b",") + b"]"
