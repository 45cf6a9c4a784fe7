"""What the build left, and other versions of it: the next one, a broken one, one that somebody else signed.

A root is unpacked from its erofs image, changed, and packed again by the build's own steps and as the build
packed it, so that what differs is what was changed. This needs root's rights, as the build does.
"""

from __future__ import annotations

import fcntl
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

    def variant(self, version: str, change: Change) -> bundle.Contents:
        """Return the images of a slot with this version and change, made once. Raises CommandFailed."""
        folder = self.folder.resolve() / "variants"
        folder.mkdir(exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return self._variant(version, change)

    def _variant(self, version: str, change: Change) -> bundle.Contents:
        folder = (
            self.folder / "variants" / f"{self.made.root_hash[:12]}-{version}-{change.__name__}"
        ).resolve()
        boot, root = folder / "boot.img", folder / "root.img"
        if boot.exists():
            return bundle.Contents(root, boot, version)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        wanted = recipe.load()
        tools = toolbox.have(
            wanted, archives.pinned(wanted.debian), CACHE.resolve(), (self.folder.resolve(),)
        )
        unpacked = folder / "root"
        tools.run("fsck.erofs", f"--extract={unpacked}", self.folder.resolve() / "root.img")
        (unpacked / VERSION_FILE).write_text(f"{version}\n")
        change(unpacked)
        made = slot.make_root(unpacked, root, tools, self.made.packing)
        shutil.rmtree(unpacked)
        shutil.copyfile(self.folder / "boot.img", new := boot.with_suffix(".new"))
        subprocess.run(
            [*command("mcopy"), "-o", "-i", str(new), "-", "::cmdline.txt"],
            input=f"{slot.command_line(made)}\n".encode(),
            check=True,
        )
        new.rename(boot)
        return bundle.Contents(root, boot, version)

    def bundle(self, version: str, change: Change, path: Path) -> Path:
        """Return a signed bundle of such a variant. Raises CommandFailed, BundleFailed."""
        return signed(self.variant(version, change), self.keys, path)


def nothing_else(_root: Path) -> None:
    """Change the version alone."""


def does_not_start(root: Path) -> None:
    """Let the appliance end at once, whatever it is asked."""
    (root / APPLIANCE).write_text("#!/bin/sh\necho broken on purpose >&2\nexit 1\n")


def signed(contents: bundle.Contents, signer: keys.SigningKeys, path: Path) -> Path:
    """Make a bundle of a slot's images. Raises BundleFailed."""
    bundle.make(contents, signer, path)
    return path
