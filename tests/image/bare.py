"""Bare Debian beside the image: the same suite, kernel and QEMU, a plain ext4 root, and no appliance."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from imaging import archives, base, initrd, kernel, recipe, root, toolbox
from tests.image.disk import Disk
from tests.image.firmware import Loaded
from tests.image.machine import Machine, Plugs
from tests.image.result import Notes
from tests.image.stage import BOOT_S, Stage
from tests.image.tools import CACHE

PACKAGES: Final = ("systemd", "systemd-sysv", "udev", "dbus", "kmod", "busybox", "iproute2")
"""A system that boots to a login prompt with networking, as debootstrap's smallest with systemd."""
MODULES: Final = ("crc32c_generic", "ext4", "virtio_blk", "virtio_net", "virtio_rng")
MACHINE_ID: Final = "0123456789abcdef0123456789abcdef"
"""Of a system that has been started before."""
REACHED: Final = r"Reached target multi-user\.target"
ROOT_MIB: Final = 1024
# As the appliance's own initrd does it, without what that checks.
BUSYBOX: Final = "/usr/bin/busybox"
INIT: Final = """\
#!/usr/bin/busybox sh
B=/usr/bin/busybox
$B mount -t proc proc /proc
$B mount -t sysfs sysfs /sys
$B mount -t devtmpfs devtmpfs /dev
$B mount -t tmpfs -o mode=755 tmpfs /run
while read -r module; do $B insmod "/modules/$module"; done </modules/list
while ! [ -b /dev/vda ]; do $B sleep 0.1; done
$B mount -t ext4 /dev/vda /newroot
for folder in proc sys dev run; do $B mount --move /$folder /newroot/$folder; done
exec $B switch_root /newroot /sbin/init
"""


@dataclass(frozen=True, slots=True)
class Bare:
    """disk: a raw image that is the root itself, without partitions."""

    disk: Path
    loaded: Loaded


def make(folder: Path) -> Bare:
    """Make it in `folder`, its packages from the build's cache. Raises CommandFailed."""
    folder = folder.resolve()
    whole = recipe.load()
    small = msgspec.structs.replace(
        whole,
        packages={"bare": PACKAGES},
        absent=None,
        debian=msgspec.structs.replace(whole.debian, backports=()),
    )
    archive = archives.pinned(whole.debian)
    if not archives.reachable(archive, whole.debian.suite):
        archive = archives.moving()
    cache = CACHE.resolve()
    tools = toolbox.have(whole, archive, cache, (cache, folder))
    with tools.arm64():
        packages = base.have(small, archive, tools, cache)
    unpacked = kernel.have(whole, "debian", archive, tools, cache)
    (_, image, modules), *_ = unpacked.kernels()
    tree = folder / "root"
    shutil.rmtree(tree, ignore_errors=True)
    root.unpack(packages.tar, tree)
    root.add_modules(tree, unpacked, MODULES, tools)
    (tree / "etc/machine-id").write_text(f"{MACHINE_ID}\n")
    disk = folder / "bare.img"
    disk.unlink(missing_ok=True)
    tools.run("mkfs.ext4", "-q", "-d", tree, disk, f"{ROOT_MIB}M")
    (init := folder / "init.sh").write_text(INIT)
    packed = initrd.make(tree, modules, kernel.closure(modules, MODULES), tools, init, programs=(BUSYBOX,))
    (folder / "initrd").write_bytes(packed)
    shutil.rmtree(tree)
    shutil.copyfile(image, folder / "kernel")
    words = "console=ttyAMA0 rw quiet panic=5"
    return Bare(disk, Loaded("bare", folder / "kernel", folder / "initrd", words))


async def scenario(stage: Stage, notes: Notes) -> None:
    """Boot it, as often as the image is timed."""
    bare = await asyncio.to_thread(make, stage.folder)
    plugs = Plugs(agent=False, append="systemd.show_status=1")
    machine = Machine(Disk(bare.disk), stage.folder / "machine", plugs, instead=bare.loaded)
    async with machine:
        line = await machine.console.wait(REACHED, BOOT_S)
        notes.figure("bare_debian_boot_s", round(line.at_s - machine.boots[0].at_s, 1))
    notes.seen("bare Debian of the same suite and kernel boots")
