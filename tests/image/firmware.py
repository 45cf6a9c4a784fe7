"""What the Raspberry Pi's firmware does before a kernel runs: choose a boot partition and load from it.

https://www.raspberrypi.com/documentation/computers/config_txt.html#autoboot-txt
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.image.disk import Disk

SELECTOR: Final = "selector"
# What the firmware loads where config.txt names nothing else.
KERNEL, INITRD = "kernel8.img", "initramfs8"


class NothingToBoot(Exception):
    """The firmware finds nothing to start: on the desk, a card that blinks its error code."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """label: of the boot partition. command_line: as the boot partition has it, with its number added."""

    label: str
    kernel: Path
    initrd: Path
    command_line: str

    @property
    def slot(self) -> str:
        """A or B."""
        return self.label[-1].upper()


def chosen(disk: Disk, *, tryboot: bool) -> str:
    """Return the label of the boot partition that autoboot.txt names. Raises NothingToBoot."""
    raw = disk.read_file(SELECTOR, "autoboot.txt")
    if raw is None:
        raise NothingToBoot("the selector has no autoboot.txt")
    sections = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        sections.read_string(raw.decode("ascii"))
        section = "tryboot" if tryboot and sections.has_section("tryboot") else "all"
        number = sections.getint(section, "boot_partition")
    except (configparser.Error, ValueError) as error:
        raise NothingToBoot(f"autoboot.txt cannot be used: {raw!r}: {error}") from error
    for part in disk.partitions.values():
        if part.number == number:
            return part.label
    raise NothingToBoot(f"there is no partition {number}")


def load(disk: Disk, folder: Path, *, tryboot: bool) -> Loaded:
    """Copy the kernel and the initrd of the chosen partition into `folder`. Raises NothingToBoot."""
    label = chosen(disk, tryboot=tryboot)
    config = (disk.read_file(label, "config.txt") or b"").decode("ascii", "replace")
    kernel, initrd = KERNEL, INITRD
    for line in config.splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "kernel":
            kernel = value.strip()
        elif line.split() and line.split()[0] == "initramfs":
            initrd = line.split()[1]
    for name in (kernel, initrd):
        content = disk.read_file(label, name)
        if content is None:
            raise NothingToBoot(f"{label} has no {name}")
        (folder / name).write_bytes(content)
    words = (disk.read_file(label, "cmdline.txt") or b"").decode("ascii").split()
    number = disk.partitions[label].number
    # On a Pi the device tree says which partition it was; in QEMU a word does.
    words.append(f"aidpost.bootpartition={number}")
    return Loaded(label, folder / kernel, folder / initrd, " ".join(words))
