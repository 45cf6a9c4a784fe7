"""The versions that the image was last made of: packages.lock, with which each build is compared."""

from __future__ import annotations

from pathlib import Path

import msgspec

LOCK = Path(__file__).parents[1] / "packages.lock"

# Packages by name with their versions, by what they are for: "root", "toolbox", "kernel debian".
Versions = dict[str, dict[str, str]]


def load(path: Path = LOCK) -> Versions:
    """Return the locked versions; none before the first lock. Raises msgspec.DecodeError."""
    return msgspec.toml.decode(path.read_bytes(), type=Versions) if path.exists() else {}


def save(versions: Versions, path: Path = LOCK) -> None:
    """Write the versions, one a line and in order, so that a change can be read."""
    lines = ["# Made by `python -m imaging build --update-lock`.\n"]
    for part, packages in sorted(versions.items()):
        lines.append(f'\n["{part}"]\n')
        lines += [f'"{name}" = "{version}"\n' for name, version in sorted(packages.items())]
    path.write_text("".join(lines))


def differences(locked: Versions, found: Versions) -> list[str]:
    """Return what is not as locked, as sentences; a part that was never locked says nothing."""
    said = []
    for part, packages in sorted(found.items()):
        wanted = locked.get(part)
        if wanted is None:
            continue
        for name in sorted(wanted.keys() | packages.keys()):
            if wanted.get(name) != packages.get(name):
                was, now = wanted.get(name, "not there"), packages.get(name, "not there")
                said.append(f"{part}: {name} {was} is now {now}")
    return said
