"""What the build left, and other versions of it: the next one, a broken one, one that somebody else signed.

A root is unpacked from its erofs image, changed, and packed again by the build's own steps, so that what
differs is what was changed. This needs root's rights, as the build does.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from packaging.version import Version

from imaging import archives, bundle, keys, recipe, slot, toolbox
from imaging.build import Made
from tests.image.tools import CACHE, command

VERSION_FILE: Final = "usr/lib/aidpost/version"
APPLIANCE: Final = "usr/lib/aidpost/venv/bin/aidpost"
KEYS: Final = "keys"

Change = Callable[[Path], None]
"""Changes an unpacked root in place."""


@dataclass(frozen=True, slots=True)
class Built:
    """folder: where the build put image.json, root.img, boot.img and disk.img, and the keys beside them."""

    folder: Path

    @property
    def made(self) -> Made:
        """What the build says of it."""
        return msgspec.json.decode((self.folder / "image.json").read_bytes(), type=Made)

    @property
    def keys(self) -> keys.SigningKeys:
        """The keys that its keyring takes."""
        return keys.SigningKeys(self.folder / KEYS)

    @property
    def contents(self) -> bundle.Contents:
        """The images of its slot."""
        return bundle.Contents(self.folder / "root.img", self.folder / "boot.img", self.made.version)

    def later(self, steps: int) -> str:
        """Return a version that comes so many steps after this one."""
        now = Version(self.made.version)
        return f"{now.major}.{now.minor}.{now.micro + steps}"

    def variant(self, version: str, change: Change, folder: Path) -> bundle.Contents:
        """Return the images of a slot with this version and this change. Raises CommandFailed."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        wanted = recipe.load()
        seen = (self.folder.resolve(), folder.resolve())
        tools = toolbox.have(wanted, archives.pinned(wanted.debian), CACHE.resolve(), seen)
        unpacked = folder.resolve() / "root"
        tools.run("fsck.erofs", f"--extract={unpacked}", seen[0] / "root.img")
        (unpacked / VERSION_FILE).write_text(f"{version}\n")
        change(unpacked)
        root = slot.make_root(unpacked, version, seen[1] / "root.img", tools)
        shutil.rmtree(unpacked)
        boot = folder / "boot.img"
        shutil.copyfile(self.folder / "boot.img", boot)
        subprocess.run(
            [*command("mcopy"), "-o", "-i", str(boot), "-", "::cmdline.txt"],
            input=f"{slot.command_line(root)}\n".encode(),
            check=True,
        )
        return bundle.Contents(root.image, boot, version)


def nothing_else(_root: Path) -> None:
    """Change the version alone."""


def does_not_start(root: Path) -> None:
    """Let the appliance end at once, whatever it is asked."""
    (root / APPLIANCE).write_text("#!/bin/sh\necho broken on purpose >&2\nexit 1\n")


def signed(contents: bundle.Contents, signer: keys.SigningKeys, path: Path) -> Path:
    """Make a bundle of a slot's images. Raises BundleFailed."""
    bundle.make(contents, signer, path)
    return path
