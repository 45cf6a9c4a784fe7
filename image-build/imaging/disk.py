"""The whole card: partitions by label, the first slot filled, the second and the data left empty.

Each board finds the first three, all FAT, by the same numbers, whichever table its firmware reads. The boot
ROM of the Zero 2 W wants an entry of type 0C in the MBR and `bootcode.bin` there, which reads `autoboot.txt`
and loads the rest from the partition that it names; the later boards have that program in their EEPROM, and
read the GPT too.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from firmware.slots.machine import Slot, Slots
from firmware.slots.selector import Selector
from imaging.recipe import Disk
from imaging.slot import Root, write_fat
from imaging.toolbox import Toolbox

MIB = 1 << 20
# The table at the start and its copy at the end.
AROUND_MIB = 2
FAT = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"


# UEFI 2.10, 5.2.1: boot flag, first sector by cylinder, type, last sector by cylinder, first sector, sectors.
_MBR_ENTRY, _MBR_ENTRIES_AT = struct.Struct("<B3sB3sII"), 446
_BEYOND_CYLINDERS = b"\xfe\xff\xff"
_MBR_FAT, _MBR_GPT = 0x0C, 0xEE
_FAT_PARTITIONS = 3
FIRST_BOARD_PROGRAM = "bootcode.bin"


class TooLarge(Exception):
    """A part is larger than its partition."""


def partitions(disk: Disk) -> list[tuple[str, int, str]]:
    """Return label, size in MiB and type of each partition, in the order of the disk."""
    return [
        ("selector", disk.selector_mib, FAT),
        ("boot_a", disk.boot_mib, FAT),
        ("boot_b", disk.boot_mib, FAT),
        ("root_a", disk.root_mib, LINUX),
        ("root_b", disk.root_mib, LINUX),
        ("data", disk.data_mib, LINUX),
    ]


def script(disk: Disk) -> str:
    """Return what sfdisk is told."""
    lines = ["label: gpt", f"label-id: {_number('disk')}", "first-lba: 2048"]
    lines += [
        f"size={size}MiB, type={kind}, name={label}, uuid={_number(label)}"
        for label, size, kind in partitions(disk)
    ]
    return "\n".join(lines)


def size_mib(disk: Disk) -> int:
    """Return the size of the whole image."""
    return AROUND_MIB + sum(size for _, size, _ in partitions(disk))


def make_hybrid(image: Path, spans: Sequence[tuple[int, int]]) -> None:
    """Write the MBR's entries: the FAT partitions, numbered as in the GPT, and one that says there is a GPT.

    spans: first sector and number of sectors of each partition, in order.
    """
    entries = [
        _MBR_ENTRY.pack(0, _BEYOND_CYLINDERS, _MBR_FAT, _BEYOND_CYLINDERS, start, size)
        for start, size in spans[:_FAT_PARTITIONS]
    ]
    entries.append(_MBR_ENTRY.pack(0, b"\0\2\0", _MBR_GPT, _BEYOND_CYLINDERS, 1, spans[0][0] - 1))
    with image.open("r+b") as file:
        file.seek(_MBR_ENTRIES_AT)
        file.write(b"".join(entries))


def make(
    disk: Disk, root: Root, boot: Path, board_program: Path, image: Path, work: Path, toolbox: Toolbox
) -> None:
    """Write the disk's image; raises CommandFailed, TooLarge, FileNotFoundError.

    board_program: what the boot ROM of the Zero 2 W loads. No update replaces it.
    """
    parts = partitions(disk)
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        file.truncate(size_mib(disk) * MIB)
    toolbox.run("sfdisk", "--quiet", image, given=script(disk).encode())
    selector = work / "selector"
    shutil.rmtree(selector, ignore_errors=True)
    selector.mkdir()
    Selector(selector).make(Slots(Slot.A))
    shutil.copyfile(board_program, selector / FIRST_BOARD_PROGRAM)
    write_fat(selector, disk.selector_mib, "SELECTOR", work / "selector.img", toolbox)
    table = json.loads(toolbox.run("sfdisk", "--json", image))["partitiontable"]
    starts = {part["name"]: part["start"] * table["sectorsize"] for part in table["partitions"]}
    make_hybrid(image, [(part["start"], part["size"]) for part in table["partitions"]])
    sizes = {label: size * MIB for label, size, _ in parts}
    for label, part in (("selector", work / "selector.img"), ("boot_a", boot), ("root_a", root.image)):
        if part.stat().st_size > sizes[label]:
            raise TooLarge(
                f"{part.name} has {part.stat().st_size / MIB:.0f} MiB, {label} {sizes[label] // MIB}"
            )
        place(part, image, starts[label])


def place(part: Path, image: Path, offset: int) -> None:
    """Write a file into the image at `offset` bytes; holes stay holes."""
    words = ["dd", f"if={part}", f"of={image}", "bs=1M", "oflag=seek_bytes", f"seek={offset}"]
    subprocess.run([*words, "conv=notrunc,sparse", "status=none"], check=True)


def _number(label: str) -> uuid.UUID:
    """Return the partition's number, the same on each card."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, f"{label}.aidpost")
