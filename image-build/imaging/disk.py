"""The whole card: partitions by label, the first slot filled, the second and the data left empty."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
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


def make(disk: Disk, root: Root, boot: Path, image: Path, work: Path, toolbox: Toolbox) -> None:
    """Write the disk's image; raises CommandFailed, TooLarge."""
    parts = partitions(disk)
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        file.truncate((AROUND_MIB + sum(size for _, size, _ in parts)) * MIB)
    lines = ["label: gpt", f"label-id: {_number('disk')}", "first-lba: 2048"]
    lines += [
        f"size={size}MiB, type={kind}, name={label}, uuid={_number(label)}" for label, size, kind in parts
    ]
    toolbox.run("sfdisk", "--quiet", image, given="\n".join(lines).encode())
    selector = work / "selector"
    shutil.rmtree(selector, ignore_errors=True)
    selector.mkdir()
    Selector(selector).make(Slots(Slot.A))
    write_fat(selector, disk.selector_mib, "SELECTOR", work / "selector.img", toolbox)
    table = json.loads(toolbox.run("sfdisk", "--json", image))["partitiontable"]
    starts = {part["name"]: part["start"] * table["sectorsize"] for part in table["partitions"]}
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
