"""What the image is made of, as one digest, and the digest that was tried last: image-build/tried.json.

A fresh clone has no results and no dates to trust. The file says for which recipe, units and build the
scenarios last passed; continuous integration boots the image where they are others now.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from tests.image.result import Result
from tests.image.tools import REPOSITORY

FOLDER: Final = REPOSITORY / "image-build"
TRIED: Final = FOLDER / "tried.json"
# Not of the image: the aggregator's deployment. Scripts here prepare a host; those in folders are of it.
OTHERS: Final = ("server", "tried.json", "__pycache__", "out")
LOCKED: Final = REPOSITORY / "uv.lock"


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """digest: of what was tried. commit: on which it was. scenarios: that ran without a fault."""

    digest: str
    commit: str
    scenarios: tuple[str, ...]


def digest(folder: Path = FOLDER, locked: Path = LOCKED) -> str:
    """Return the SHA-256 over the names and contents of what the image is made of, the project's code apart.

    That code is what the other tests are for, and changes daily.
    """
    total = hashlib.sha256(locked.read_bytes())
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        of_a_host = inside.suffix == ".sh" and len(inside.parts) == 1
        if inside.parts[0] in OTHERS or "__pycache__" in inside.parts or of_a_host:
            continue
        if path.is_symlink():
            total.update(f"{inside}\0{path.readlink()}\0".encode())
        elif path.is_file():
            total.update(f"{inside}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def read(path: Path = TRIED) -> Tried | None:
    """Return what was tried last, None where nothing was."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Tried)
    except FileNotFoundError:
        return None


def write(results: list[Result], commit: str, path: Path = TRIED) -> None:
    """Say which of these scenarios ran without a fault on what the image is made of now."""
    now = digest()
    passed = tuple(result.scenario for result in results if not result.wrong and result.digest == now)
    tried = Tried(digest=now, commit=commit, scenarios=passed)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(tried)) + b"\n")
