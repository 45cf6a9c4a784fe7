"""A signed update: the images of one slot as RAUC's verity bundle, read block by block wherever it lies.

Root and boot image carry an index of their blocks' hashes, so that an appliance fetches the blocks alone that
its two slots do not hold. For such a block not to be read with many others, the bundle's file system has
small blocks: with RAUC's own 128 KiB one changed block of 4 KiB would fetch 32.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
from packaging.version import InvalidVersion, Version

from imaging.keys import SigningKeys

COMPATIBLE = "aidpost-arm64"
BLOCK_BYTES = 4096
"""Of RAUC's index: an image is made of whole ones."""
SQUASHFS_BYTES = 8192
ROOT, BOOT = "root.img", "boot.img"
_MANIFEST = f"""\
[update]
compatible={{compatible}}
version={{version}}

[bundle]
format=verity

[image.rootfs]
filename={ROOT}
adaptive=block-hash-index

[image.boot]
filename={BOOT}
adaptive=block-hash-index
"""
_VERIFIED = f"""\
[system]
compatible={COMPATIBLE}
bootloader=noop

[keyring]
path={{keyring}}
check-purpose=codesign
check-crl=true
use-bundle-signing-time=true
"""


class BundleFailed(Exception):
    """No bundle could be made; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a bundle brings: the images of a root and a boot partition, and their version."""

    root: Path
    boot: Path
    version: str
    compatible: str = COMPATIBLE


class _Update(msgspec.Struct, frozen=True):
    compatible: str
    version: str


def make(contents: Contents, keys: SigningKeys, bundle: Path, rauc: str = "rauc") -> None:
    """Make and sign a bundle. Raises BundleFailed, OSError.

    rauc: the program; it needs mksquashfs beside it.
    """
    try:
        Version(contents.version)
    except InvalidVersion as error:
        raise BundleFailed(f"{contents.version} is no version: write it as 1.2.0, it only goes up") from error
    for image in (contents.root, contents.boot):
        size_bytes = image.stat().st_size
        if not size_bytes or size_bytes % BLOCK_BYTES:
            raise BundleFailed(f"{image} has {size_bytes} bytes: it must be whole blocks of {BLOCK_BYTES}")
    bundle.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=bundle.parent) as folder:
        inside = Path(folder) / "bundle"
        inside.mkdir()
        for image, name in ((contents.root, ROOT), (contents.boot, BOOT)):
            _link(image, inside / name)
        manifest = _MANIFEST.format(compatible=contents.compatible, version=contents.version)
        (inside / "manifest.raucm").write_text(manifest)
        made = Path(folder) / "made.raucb"
        squashfs = f"-b {SQUASHFS_BYTES} -comp zstd -all-root -no-xattrs"
        signer = [f"--cert={keys.certificate}", f"--key={keys.key}", f"--mksquashfs-args={squashfs}"]
        _rauc(rauc, keys.keyring, [*signer, "bundle", str(inside), str(made)])
        made.replace(bundle)


def verify(bundle: Path, keyring: Path, rauc: str = "rauc") -> tuple[str, str]:
    """Read a bundle through and return what it is compatible with and its version.

    Raises BundleFailed where it is not signed, or is not what was signed.
    """
    with tempfile.TemporaryDirectory(dir=bundle.parent) as folder:
        _rauc(rauc, keyring, ["extract", str(bundle), f"{folder}/inside"])
    said = _rauc(rauc, keyring, ["--output-format=json", "info", str(bundle)])
    found = msgspec.json.decode(said, type=_Update)
    return found.compatible, found.version


def _link(image: Path, name: Path) -> None:
    try:
        os.link(image.resolve(), name)
    except OSError:  # another disk
        shutil.copyfile(image, name)


def _rauc(rauc: str, keyring: Path, words: list[str]) -> bytes:
    """Run it with the part of the appliance's configuration that says who may sign."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(_VERIFIED.format(keyring=keyring.resolve()))
        file.flush()
        try:
            ran = subprocess.run([rauc, f"--conf={file.name}", *words], capture_output=True, check=False)
        except FileNotFoundError as error:
            raise BundleFailed(f"{rauc} is missing: sudo apt-get install rauc squashfs-tools") from error
    if ran.returncode:
        raise BundleFailed(ran.stderr.decode(errors="replace").strip().splitlines()[-1])
    return ran.stdout
