"""The Pi's firmware over a folder: reads `autoboot.txt`, and honours the reboot flag once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from firmware.slots.backend import TRYBOOT, Machine
from firmware.slots.machine import Slot, Slots
from firmware.slots.selector import AUTOBOOT, PARTITIONS, STATE, Selector, write_sector
from firmware.slots.starting import start

Snapshot: TypeAlias = tuple[bytes, bytes, Slot, bool]


def in_place(path: Path, content: bytes) -> None:
    """As `write_sector` does, and fast: a file that is cut to nothing first is flushed when it is closed."""
    with path.open("r+b") as file:
        file.write(content)


def machine_in(folder: Path) -> Machine:
    """Where a system under test says what it says of its slots."""
    run = folder / "run"
    return Machine(folder / "selector", run / "slot", run / "reboot-param", run / "trial")


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
        """Reboot as a machine does whose new slot never comes up, until nothing asks for it any more."""
        boots = [self.reboot().value]
        while self.machine.current() is not self.slots.primary or self.start():
            boots.append(self.reboot().value)
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
