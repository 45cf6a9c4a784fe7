"""The two partitions of a slot: a root under dm-verity, and the boot partition that names its root hash."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from imaging import initrd
from imaging.kernel import Unpacked, closure
from imaging.recipe import Recipe
from imaging.toolbox import Toolbox

BLOCK = 4096
# Where Raspberry Pi's package has its firmware.
FIRMWARE = "raspi-firmware/usr/lib/raspi-firmware"
# zstd and not LZMA, which takes 20 MB less: Raspberry Pi's kernels read erofs with the one alone
# (raspberrypi/linux#7028). Not -Efragments, which takes 10 MB less: it packs the ends of all files together,
# and one that changed moves those of all behind it, 40 MB of an update instead of 10.
PACKING = ("-zzstd,level=9", "-C65536", "-Eztailpacking")
# A fraction of the work, for tries.
FAST_PACKING = ("-zzstd,level=1", "-C65536", "-Eztailpacking")
# The same in each version: with another salt every block of the hash tree would be new in an update. Against
# tables of hashes made beforehand, which a salt is for, the content of the root is no secret.
NAMED = uuid.uuid5(uuid.NAMESPACE_DNS, "root.aidpost")
SALT = hashlib.sha256(b"aidpost root").hexdigest()
# The board's UART belongs to the fingerprint reader: no console there. After a panic the machine starts anew.
# For huge pages the kernel would keep 50 MB of 1 GB free, and the appliance would take 10 MB more.
COMMAND_LINE = "console=tty1 ro quiet panic=5 systemd.show_status=no transparent_hugepage=never"
CONFIG = """\
# Read by the Raspberry Pi's firmware; signed with the rest of this partition.
arm_64bit=1
kernel={kernel}
initramfs initrd followkernel
enable_uart=1
dtparam=watchdog=on
camera_auto_detect=1
disable_splash=1
# The header's UART is /dev/ttyAMA0 on each board: on the first two Bluetooth would have it.
[pi4]
dtoverlay=disable-bt
[pi02]
dtoverlay=disable-bt
[pi5]
dtparam=uart0=on
[all]
"""


@dataclass(frozen=True)
class Root:
    """An image of the root with its hash tree behind it: `hash_offset` bytes of data, then the tree."""

    image: Path
    root_hash: str
    hash_offset: int


def make_root(folder: Path, image: Path, toolbox: Toolbox, packing: tuple[str, ...] = PACKING) -> Root:
    """Write the erofs image and its tree; the same folder gives the same bytes. Raises CommandFailed."""
    image.unlink(missing_ok=True)
    times = (f"-T{toolbox.epoch}", "--all-time", f"-U{NAMED}", "-Lroot")
    toolbox.run("mkfs.erofs", "--quiet", *packing, *times, image, folder)
    size = -(-image.stat().st_size // BLOCK) * BLOCK
    os.truncate(image, size)
    said = toolbox.run(
        "veritysetup", "format", f"--uuid={NAMED}", f"--salt={SALT}", f"--hash-offset={size}",
        f"--data-blocks={size // BLOCK}", image, image,
    ).decode()  # fmt: skip
    root_hash = next(line.split()[-1] for line in said.splitlines() if line.startswith("Root hash:"))
    return Root(image, root_hash, size)


def command_line(root: Root) -> str:
    """Return the kernel's command line: with it the root hash is part of the signed boot partition."""
    return f"{COMMAND_LINE} aidpost.roothash={root.root_hash} aidpost.hashoffset={root.hash_offset}"


def make_boot(
    folder: Path,
    root_folder: Path,
    root: Root,
    recipe: Recipe,
    kernel: Unpacked,
    image: Path,
    toolbox: Toolbox,
) -> None:
    """Fill `folder` with kernel, initial file system and the boards' firmware, and write it as FAT."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    release, kernel_image, modules = kernel.kernels()[0]
    shutil.copy(kernel_image, folder / "kernel8.img")
    files = closure(modules, recipe.kernel.initrd_modules, recipe.kernel.if_there.initrd_modules)
    (folder / "initrd").write_bytes(initrd.make(root_folder, modules, files, toolbox))
    (folder / "cmdline.txt").write_text(command_line(root) + "\n")
    (folder / "config.txt").write_text(CONFIG.format(kernel="kernel8.img"))
    for tree in sorted(kernel.folder.glob(f"*/usr/lib/linux-image-{release}/broadcom/bcm2*.dtb")):
        shutil.copy(tree, folder)
    for part in sorted((kernel.folder / FIRMWARE).glob("*")):
        if part.name in BOARD_FIRMWARE:
            shutil.copy(part, folder)
    # Beside the firmware, or, as Raspberry Pi packs them, beside the kernel that they are of.
    for place in (FIRMWARE, f"*/usr/lib/linux-image-{release}"):
        for overlays in kernel.folder.glob(f"{place}/overlays"):
            shutil.copytree(overlays, folder / "overlays", dirs_exist_ok=True)
    write_fat(folder, recipe.disk.boot_mib, "BOOT", image, toolbox)


# Pi 4 (start4, fixup4) and Zero 2 W (bootcode, start, fixup); the Pi 5 has its own in its EEPROM.
BOARD_FIRMWARE = ("bootcode.bin", "fixup.dat", "fixup4.dat", "start.elf", "start4.elf")


def write_fat(folder: Path, size_mib: int, label: str, image: Path, toolbox: Toolbox) -> None:
    """Write the folder as a FAT image: the same files give the same bytes. Raises CommandFailed."""
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (toolbox.epoch, toolbox.epoch))
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        file.truncate(size_mib << 20)
    number = hashlib.sha256(f"{label} {toolbox.epoch}".encode()).hexdigest()[:8]
    kind = ("-F", "32") if size_mib >= 64 else ()
    toolbox.run("mkfs.vfat", *kind, "--invariant", "-n", label, "-i", number, image)
    names = sorted(path.name for path in folder.iterdir())
    if names:
        toolbox.run("mcopy", "-s", "-m", "-i", image, *names, "::", cwd=folder)
