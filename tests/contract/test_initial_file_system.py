"""The card's initial file system on a real kernel: it opens a root, and leaves one that is damaged.

User-mode Linux starts from the image's own init, with dm-verity, erofs and FAT; busybox and veritysetup are
those of this machine.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from firmware.slots.machine import Slot, Slots
from firmware.slots.selector import Selector
from imaging import initrd
from imaging.disk import size_mib
from imaging.kernel import closure
from imaging.recipe import Disk as Sizes
from tests.image.disk import SECTOR, Disk
from tests.image.firmware import chosen
from tests.image.tools import command
from tests.kit import small_linux
from tests.kit.card_table import SFDISK, make_card

PROGRAMS = ("busybox", "veritysetup", "mkfs.erofs", "mformat", "mcopy", "mtype")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
lacking = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
pytestmark = pytest.mark.skipif(
    not small_linux.is_here() or bool(lacking) or not Path(SFDISK).exists(),
    reason=f"needs Debian's user-mode-linux, fdisk and {', '.join(lacking) or 'nothing else'}",
)
MODULES = ("erofs", "dm_verity", "vfat", "nls_ascii", "nls_cp437")
SIZES = Sizes(selector_mib=2, boot_mib=1, root_mib=6, data_mib=1)
RUNS = "THE SYSTEM RUNS"
INIT = f"""\
#!/bin/busybox sh
told=/run/aidpost
/bin/busybox echo {RUNS} $(/bin/busybox cat $told/slot) $(/bin/busybox ls $told/card) >/dev/console
/bin/busybox echo data: $(/bin/busybox readlink /dev/aidpost/data) >/dev/console
/bin/busybox echo selector: $(/bin/busybox ls /boot/selector) >/dev/console
/bin/busybox poweroff -f
"""
DEADLINE_S = 300
EPOCH = 1_795_651_200


def program(name: str) -> Path:
    found = shutil.which(name, path=PATH)
    assert found is not None
    return Path(found).resolve()


class Card:
    """A card whose two slots hold the same small root, with other hash trees."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        root, tree = folder / "root.img", folder / "root"
        for name in ("bin", "boot/selector", "dev", "proc", "run", "sbin", "sys"):
            (tree / name).mkdir(parents=True)
        shutil.copy(program("busybox"), tree / "bin/busybox")
        (tree / "sbin/init").write_text(INIT)
        (tree / "sbin/init").chmod(0o755)
        subprocess.run([program("mkfs.erofs"), "--quiet", root, tree], check=True, capture_output=True)
        self.hash_offset = -(-root.stat().st_size // 4096) * 4096
        path = folder / "card.img"
        size = size_mib(SIZES) << 20
        make_card(path, size, image_bytes=size, sizes=SIZES)
        self.disk = Disk(path)
        self._root_hashes = {}
        for label in ("selector", "boot_a", "boot_b"):
            part = self.disk.partitions[label]
            where = ("-i", f"{path}@@{part.start}", "-T", str(part.size // SECTOR), "::")
            subprocess.run([*command("mformat"), *where], check=True)
        for slot in "ab":
            os.truncate(root, self.hash_offset)
            said = subprocess.run(
                [program("veritysetup"), "format", f"--hash-offset={self.hash_offset}", root, root],
                check=True, capture_output=True, text=True,
            ).stdout  # fmt: skip
            root_hash = self._root_hashes[slot.upper()] = said.rpartition("Root hash:")[2].split()[0]
            self.disk.write_file(
                f"boot_{slot}", "cmdline.txt", f"ro aidpost.roothash={root_hash} x\n".encode()
            )
            with path.open("r+b") as file:
                file.seek(self.disk.partitions[f"root_{slot}"].start)
                file.write(root.read_bytes())
        (folder / "selector").mkdir()
        Selector(folder / "selector").make(Slots(Slot.A, other_is_good=True))
        for file_name in (folder / "selector").iterdir():
            self.disk.write_file("selector", file_name.name, file_name.read_bytes())
        (folder / "initrd").write_bytes(initrd.archive(_files(), EPOCH))

    def starts(self, slot: str | None = None, first: Path | None = None) -> str:
        """Switch it on, with the slot that the firmware takes; return what the console says.

        slot: takes that one, and tells Linux no partition. first: a disk that Linux finds before the card.
        """
        told = (
            0 if slot is not None else 1 + list(self.disk.partitions).index(chosen(self.disk, tryboot=False))
        )
        slot = slot or "AB"[told - 2]
        disks = [self.disk.path] if first is None else [first, self.disk.path]
        words = [
            f"aidpost.roothash={self._root_hashes[slot]}", f"aidpost.hashoffset={self.hash_offset}",
            f"aidpost.bootpartition={told}", f"initrd={self._folder / 'initrd'}",
            *(f"ubd{at}={path}" for at, path in enumerate(disks)),
            "mem=128M", "root=/dev/ram0", "rdinit=/init", "panic=1", "noreboot",
            "con=null", "con0=null,fd:1", "con1=null,fd:1", "console=tty0",
        ]  # fmt: skip
        assert small_linux.KERNEL is not None
        done = subprocess.run(
            [small_linux.KERNEL, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_S
        )
        return done.stdout.decode(errors="replace")

    def slots(self) -> Slots:
        """Read the selector as the system does."""
        for name in ("autoboot.txt", "slots.txt"):
            (self._folder / "selector" / name).write_bytes(self.disk.read_file("selector", name) or b"")
        return Selector(self._folder / "selector").read()


def _files() -> initrd.Entries:
    modules = next(iter(Path("/usr/lib/uml/modules").iterdir()))
    said = subprocess.run(
        ["/usr/bin/ldd", program("veritysetup")], check=True, capture_output=True, text=True
    )
    programs = {name.lstrip("/"): Path(name).read_bytes() for name in re.findall(r"(/\S+) \(", said.stdout)}
    programs["usr/bin/busybox"] = program("busybox").read_bytes()
    programs["usr/sbin/veritysetup"] = program("veritysetup").read_bytes()
    return initrd.whole(
        programs, {file.name: (modules / file).read_bytes() for file in closure(modules, MODULES)}
    )


def test_a_damaged_root_panics_and_is_left_for_the_good_slot(tmp_path: Path) -> None:
    card = Card(tmp_path)
    stick = tmp_path / "stick.img"
    shutil.copy(card.disk.path, stick)
    subprocess.run([SFDISK, "--quiet", "--part-label", stick, "5", "none"], check=True, capture_output=True)
    before = stick.read_bytes()
    said = card.starts(first=stick)
    assert f"{RUNS} A ubdb" in said
    # What opens the data partition needs, without waiting for udev.
    assert "data: ../ubdb6" in said, said
    assert "selector: autoboot.txt slots.txt" in said, said
    assert stick.read_bytes() == before
    assert f"{RUNS} B ubda" in card.starts("B")
    for offset in range(1 << 17, card.hash_offset, 1 << 16):
        card.disk.flip("root_a", offset, 16)
    for _ in range(2):
        said = card.starts()
        assert "panic" in said, said
        assert RUNS not in said
    assert card.slots() == Slots(Slot.A, other_is_good=True)
    said = card.starts()
    assert "root_a is read from end to end" in said, said
    assert "slot B starts from now on" in said, said
    assert card.slots() == Slots(Slot.B, other_is_damaged=True)
    assert f"{RUNS} B" in card.starts()
    card.disk.flip("root_b", card.hash_offset, 16)
    assert "slot A is none to go to" in card.starts()
    assert card.slots() == Slots(Slot.B, other_is_damaged=True)
