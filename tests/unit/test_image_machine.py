"""What plays the Pi's firmware in the image's tests: the choice of a boot partition, and damage to a card."""

from __future__ import annotations

import asyncio
import struct
import subprocess
from pathlib import Path

import pytest

from tests.image.console import Console, Line, NotSaid
from tests.image.disk import SECTOR, Disk
from tests.image.firmware import NothingToBoot, chosen, load
from tests.image.smoke import Failed, broken
from tests.image.tools import ToolMissing, command

AUTOBOOT = b"[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n"
MEBIBYTE = 1 << 20


def card(path: Path, **parts: int) -> Disk:
    """Write a card with these partitions, in mebibytes, the first three with FAT."""
    entries, at = b"", MEBIBYTE
    for number, (label, size) in enumerate(parts.items(), 1):
        last = (at + size * MEBIBYTE) // SECTOR - 1
        entries += struct.pack(
            "<16s16sQQQ72s",
            b"\1" * 16,
            bytes((number,)) * 16,
            at // SECTOR,
            last,
            0,
            label.encode("utf-16-le"),
        )
        at += size * MEBIBYTE
    header = b"EFI PART" + bytes(64) + struct.pack("<QII", 2, 128, 128)
    with path.open("wb") as file:
        file.truncate(at)
        file.seek(SECTOR)
        file.write(header.ljust(SECTOR, b"\0") + entries)
    disk = Disk(path)
    for label in list(parts)[:3]:
        part = disk.partitions[label]
        subprocess.run(
            [*command("mformat"), "-i", f"{path}@@{part.start}", "-T", str(part.size // SECTOR), "::"],
            check=True,
        )
    return disk


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    try:
        made = card(tmp_path / "card.img", selector=4, boot_a=4, boot_b=4, root_a=1)
    except ToolMissing as missing:
        pytest.skip(str(missing))
    made.write_file("selector", "autoboot.txt", AUTOBOOT)
    return made


def test_the_firmware_takes_what_autoboot_says_and_the_other_slot_on_trial(disk: Disk) -> None:
    assert [part.number for part in disk.partitions.values()] == [1, 2, 3, 4]
    assert (chosen(disk, tryboot=False), chosen(disk, tryboot=True)) == ("boot_a", "boot_b")
    disk.write_file("selector", "autoboot.txt", b"[all]\r\nboot_partition=3\r\n")
    assert (chosen(disk, tryboot=False), chosen(disk, tryboot=True)) == ("boot_b", "boot_b")


@pytest.mark.parametrize("autoboot", [b"", b"[all]\n", b"[all]\nboot_partition=9\n", b"boot_partition=2\n"])
def test_a_card_that_names_no_slot_boots_nothing(disk: Disk, autoboot: bytes) -> None:
    disk.write_file("selector", "autoboot.txt", autoboot)
    with pytest.raises(NothingToBoot):
        chosen(disk, tryboot=False)


def test_the_firmware_loads_what_the_slot_holds_and_says_which_it_was(disk: Disk, tmp_path: Path) -> None:
    disk.write_file(
        "boot_a", "config.txt", b"arm_64bit=1\nkernel=vmlinuz\ninitramfs first.img followkernel\n"
    )
    disk.write_file("boot_a", "cmdline.txt", b"ro aidpost.roothash=00ff\n")
    disk.write_file("boot_a", "vmlinuz", b"kernel")
    with pytest.raises(NothingToBoot, match=r"boot_a has no first\.img"):
        load(disk, tmp_path, tryboot=False)
    disk.write_file("boot_a", "first.img", b"initrd")
    loaded = load(disk, tmp_path, tryboot=False)
    assert (loaded.slot, loaded.kernel.read_bytes(), loaded.initrd.read_bytes()) == (
        "A",
        b"kernel",
        b"initrd",
    )
    assert loaded.command_line == "ro aidpost.roothash=00ff aidpost.bootpartition=2"


def test_damage_stays_within_its_partition_and_its_copy(disk: Disk, tmp_path: Path) -> None:
    copy = disk.copy(tmp_path / "copy.img")
    copy.flip("root_a", 4096, 8)
    assert copy.read("root_a", 4095, 10) == b"\0" + b"\xff" * 8 + b"\0"
    assert disk.read("root_a", 4096, 8) == bytes(8)
    assert copy.names("selector") == ["autoboot.txt"]


async def test_the_console_gives_lines_without_colours_and_says_what_did_not_come(tmp_path: Path) -> None:
    console, stream = Console(tmp_path / "log", lambda _: None), asyncio.StreamReader()
    hearing = asyncio.create_task(console.hear(stream, 1))
    stream.feed_data(b"\x1b[0;32mOK\x1b[0m one\r\nta")
    assert (await console.wait("one", 10)).text == "OK one"
    stream.feed_data(b"il")
    stream.feed_eof()
    await hearing
    assert (await console.wait("tail", 10, since=1)).text == "tail"
    await console.end()
    with pytest.raises(NotSaid, match="tail"):
        await console.wait("two", 10)


def test_a_machine_that_hangs_or_starts_anew_is_told_from_one_that_is_slow() -> None:
    lines = [Line(100.0, 1, "Reached target"), Line(890.0, 1, "A start job is running")]
    assert broken(lines, 900.0, boots=1) is None
    assert broken(lines[:1], 900.0, boots=1) == Failed(
        "the machine hangs: it has said nothing for 800 s after 'Reached target'"
    )
    assert isinstance(broken([], 900.0, boots=1), Failed)
    assert broken(lines, 900.0, boots=2) == Failed("the machine started anew by itself")
    panics = Line(3.0, 1, "Kernel panic - not syncing: VFS")
    assert broken([panics, *lines], 900.0, boots=1) == Failed(panics.text)
