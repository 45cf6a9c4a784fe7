"""The Pi's firmware over a folder: reads `autoboot.txt`, and honours the reboot flag once."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from firmware.slots.backend import TRYBOOT, Machine, answer
from firmware.slots.machine import TRIES, Slot, Slots
from firmware.slots.selector import (
    AUTOBOOT,
    PARTITIONS,
    STARTS,
    STATE,
    Selector,
    known_contents,
    starts,
    write_sector,
)
from firmware.slots.starting import start

Snapshot: TypeAlias = tuple[bytes, bytes, Slot, bool]


def in_place(path: Path, content: bytes) -> None:
    """As `write_sector` does, and fast: a file that is cut to nothing first is flushed when it is closed."""
    with path.open("r+b") as file:
        file.write(content)


SLOTS_SH = Path(__file__).parents[2] / "image-build/imaging/slots.sh"
# What init does around it: with a root that is "broken" it cannot be opened, with a "damaged" one it panics.
_INITRD = """\
B=$1 slot=$2 other=$3 selector=$4 known=$5 root=$6
selecting() { "$@"; }
intact() { [ "$root" = intact ]; }
stop() { echo "$*"; exit 1; }
. "$7"
before_root
[ "$root" != broken ] || damaged "it cannot be opened"
[ "$root" = intact ]
"""
# In place of busybox, and the power goes before (even) or after (odd) the write of that number.
_LOSES_POWER = """\
#!/bin/sh
[ "$1" = dd ] || exec "$@"
left=$(cat {count})
echo $((left - 2)) >{count}
[ $left = 0 ] && kill -9 $PPID
"$@"
[ $left = 1 ] && kill -9 $PPID
exit 0
"""
HOW = ("intact", "damaged", "broken")
"""Roots: one whose damage is met after it was opened makes the kernel panic."""


def machine_in(folder: Path) -> Machine:
    """Where a system under test says what it says of its slots."""
    run = folder / "run"
    names = ("slot", "reboot-param", "trial", "damaged", "tryboot")
    return Machine(folder / "selector", *(run / name for name in names))


INSTALL = (("set-state", "B", "bad"), ("set-primary", "B"))
"""What RAUC asks for while it writes the other slot, and what is asked for when it is to be started."""


class Firmware:
    """Starts the slot that the selector partition names, by a reader of its own."""

    def __init__(
        self,
        folder: Path,
        slots: Slots | None = None,
        running: Slot = Slot.A,
        write: Callable[[Path, bytes], None] = write_sector,
    ) -> None:
        for name in ("selector", "run"):
            (folder / name).mkdir(parents=True)
        self.machine = machine_in(folder)
        self.selector = Selector(self.machine.selector, write)
        self.selector.make(slots or Slots(Slot.A))
        self.machine.running.write_text(f"{running.value}\n")
        (folder / "known").mkdir()
        for name, content in known_contents().items():
            (folder / "known" / name).write_bytes(content)
        self._folder = folder

    @property
    def slots(self) -> Slots:
        return self.selector.read()

    def power_cut(self) -> Slot:
        """The power goes and comes: the flag is gone, and what lay in memory too."""
        self.machine.reboot.unlink(missing_ok=True)
        return self._start("all")

    def reboot(self) -> Slot:
        """An orderly reboot hands its argument to the firmware."""
        asked = self.machine.reboot.exists() and self.machine.reboot.read_text() == TRYBOOT
        self.machine.reboot.unlink(missing_ok=True)
        return self._start("tryboot" if asked else "all")

    def boots_until_it_stays(self) -> list[str]:
        """Reboot as a machine does whose new slot never serves, until nothing asks for it any more.

        Its services start nonetheless, those of the slots among them.
        """
        boots = [self.reboot().value]
        while self.start() or self.machine.current() is not self.slots.primary:
            assert len(boots) < 4 * TRIES, boots
            boots.append(self.reboot().value)
        return boots

    def opens(self, root: str = "intact", cut: int | None = None) -> bool:
        """What the initial file system does before the slot runs; False where the machine starts anew.

        root: one of HOW. cut: where the power goes, if it does.
        """
        busybox = self._folder / "busybox"
        if cut is not None:
            (self._folder / "cut").write_text(f"{cut}\n")
            busybox.write_text(_LOSES_POWER.format(count=self._folder / "cut"))
            busybox.chmod(0o755)
        slot = self.machine.current()
        places = (str(self.machine.selector), str(self._folder / "known"))
        words = (
            "" if cut is None else str(busybox),
            slot.value,
            slot.other.value,
            *places,
            root,
            str(SLOTS_SH),
        )
        return subprocess.run(["/bin/sh", "-c", _INITRD, "init", *words], capture_output=True).returncode == 0

    def boots_until_it_runs(self, roots: Mapping[Slot, str], most: int = 12) -> str:
        """Start after a power cut, until a slot gets past its root; returns all that were started."""
        boots = ""
        while len(boots) < most:
            boots += self.power_cut().value
            if self.opens(roots.get(self.machine.current(), "intact")):
                break
        return boots

    def start(self) -> bool:
        """What the system does for its slots when it starts."""
        return start(self.machine, self.selector)

    def snapshot(self) -> Snapshot:
        autoboot, state = ((self.machine.selector / name).read_bytes() for name in (AUTOBOOT, STATE))
        return autoboot, state, self.machine.current(), self.machine.reboot.exists()

    def restore(self, snapshot: Snapshot) -> None:
        autoboot, state, running, asked = snapshot
        in_place(self.machine.selector / AUTOBOOT, autoboot)
        in_place(self.machine.selector / STATE, state)
        in_place(self.machine.selector / STARTS, starts(0))
        in_place(self.machine.running, running.value.encode())
        self.machine.reboot.unlink(missing_ok=True)
        if asked:
            self.machine.reboot.write_text(TRYBOOT)

    def _start(self, section: str) -> Slot:
        parts = re.split(r"^\[(\w+)\]\n", (self.machine.selector / AUTOBOOT).read_text(), flags=re.MULTILINE)
        words = dict(zip(parts[1::2], parts[2::2], strict=True))[section]
        number = int(words.rpartition("boot_partition=")[2].split()[0])
        slot = next(slot for slot, each in PARTITIONS.items() if each == number)
        in_place(self.machine.running, slot.value.encode())
        return slot


def ask(firmware: Firmware, *words: str) -> str:
    """Ask the backend as RAUC does; returns what it answers."""
    return answer(firmware.machine, firmware.selector, words)
