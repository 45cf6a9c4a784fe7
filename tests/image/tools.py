"""The programs that play the machine: those of the build's toolbox, at its versions, else the host's."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
CACHE = Path(os.environ.get("AIDPOST_IMAGE_CACHE", REPOSITORY / "out" / "image" / "cache"))
_TOOLBOX = CACHE / "toolbox"
_LOADER = _TOOLBOX / "usr" / "lib64" / "ld-linux-x86-64.so.2"
_LIBRARIES = _TOOLBOX / "usr" / "lib" / "x86_64-linux-gnu"


class ToolMissing(Exception):
    """A program is neither in the toolbox nor on this host; the message says how to get it."""


def command(name: str) -> list[str]:
    """Return the words that start `name`. Raises ToolMissing.

    The toolbox is a root of its own. Its loader runs a program of it with this host's paths, without root's
    rights and without mounting anything.
    """
    program = _TOOLBOX / "usr" / "bin" / name
    if program.exists() and _LOADER.exists():
        return [str(_LOADER), "--library-path", str(_LIBRARIES), str(program)]
    found = shutil.which(name)
    if found is None:
        raise ToolMissing(f"no {name}: `make image` brings it, or apt-get install qemu-system-arm mtools")
    return [found]


def qemu() -> list[str]:
    """Return the words that start QEMU, after those of AIDPOST_QEMU_UNDER, as `nice -n 5`.

    Raises ToolMissing.
    """
    words = [*shlex.split(os.environ.get("AIDPOST_QEMU_UNDER", "")), *command("qemu-system-aarch64")]
    # Its own files lie beside it: the host's may be of another version.
    share = _TOOLBOX / "usr" / "share" / "qemu"
    return [*words, "-L", str(share)] if str(_LOADER) in words else words
