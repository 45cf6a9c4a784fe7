"""The programs that play the machine: those of the build's toolbox, at its versions, else the host's."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
CACHE = Path(os.environ.get("AIDPOST_IMAGE_CACHE", REPOSITORY / "out" / "image" / "cache"))


class ToolMissing(Exception):
    """A program is neither in the toolbox nor on this host; the message says how to get it."""


def _toolbox() -> Path | None:
    """Return the toolbox that was made last."""
    found = sorted(
        (CACHE / "toolbox").glob("*/usr/lib64/ld-linux-x86-64.so.2"), key=lambda path: path.stat().st_mtime
    )
    return found[-1].parents[2] if found else None


def command(name: str) -> list[str]:
    """Return the words that start `name`. Raises ToolMissing.

    The toolbox is a root of its own. Its loader runs a program of it with this host's paths, without root's
    rights and without mounting anything.
    """
    root = _toolbox()
    if root is not None and (root / "usr" / "bin" / name).exists():
        loader = root / "usr" / "lib64" / "ld-linux-x86-64.so.2"
        libraries = root / "usr" / "lib" / "x86_64-linux-gnu"
        return [str(loader), "--library-path", str(libraries), str(root / "usr" / "bin" / name)]
    found = shutil.which(name)
    if found is None:
        raise ToolMissing(f"no {name}: `make image` brings it, or apt-get install qemu-system-arm mtools")
    return [found]


def qemu() -> list[str]:
    """Return the words that start QEMU, after those of AIDPOST_QEMU_UNDER, as `nice -n 5`.

    Raises ToolMissing.
    """
    words = command("qemu-system-aarch64")
    if len(words) > 1:
        # Its own files lie beside it: the host's may be of another version.
        words += ["-L", str(Path(words[-1]).parents[1] / "share" / "qemu")]
    return [*shlex.split(os.environ.get("AIDPOST_QEMU_UNDER", "")), *words]
