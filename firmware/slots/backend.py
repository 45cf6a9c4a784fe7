"""RAUC's custom bootloader backend for the Raspberry Pi's firmware: `/usr/lib/rauc/aidpost-tryboot`.

RAUC calls it with one of `get-primary`, `set-primary`, `get-state`, `set-state` and `get-current`; what it
prints is the answer. To start the slot that is not the primary, the firmware has to be asked with each reboot
by the argument `0 tryboot`, which systemd hands over when the machine starts anew.
"""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from firmware.slots.machine import Refused, Slot, Slots, activated, marked_bad, marked_good
from firmware.slots.selector import AUTOBOOT, SELECTOR, Selector, SelectorDamaged

TRYBOOT = "0 tryboot"
"""The firmware's words: the usual partition (0), and once the one of `[tryboot]`."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a running system has what it says of its slots; other folders in tests.

    running: the initrd writes there which slot it started. reboot: what systemd hands over at a reboot.
    trial: there while the slot that runs has not passed. damaged: there while the other one was left with a
    damaged root. The appliance reads both. tryboot: where the firmware says that it was asked for a trial.
    """

    selector: Path = SELECTOR
    running: Path = Path("/run/aidpost/slot")
    reboot: Path = Path("/run/systemd/reboot-param")
    trial: Path = Path("/run/aidpost/trial")
    damaged: Path = Path("/run/aidpost/damaged")
    tryboot: Path = Path("/sys/firmware/devicetree/base/chosen/bootloader/tryboot")

    def current(self) -> Slot:
        """Return the slot that runs. Raises OSError, ValueError."""
        return Slot(self.running.read_text("ascii").strip())

    def was_asked_for(self) -> bool:
        """Whether the slot that runs was started on trial, as the firmware says; it speaks on a Pi alone."""
        try:
            return any(self.tryboot.read_bytes())
        except OSError:
            return False

    def tell(self, *, on_trial: bool, other_is_damaged: bool = False) -> None:
        """Say so to the appliance. Raises OSError."""
        for path, is_so in ((self.trial, on_trial), (self.damaged, other_is_damaged)):
            if is_so:
                path.touch()
            else:
                path.unlink(missing_ok=True)

    def take_up(self, slots: Slots) -> None:
        """Have the next reboot start what is to be started next, and tell the appliance how the slots stand.

        The primary alone asks for the other slot. One on trial that starts anew has failed, which the primary
        has to run again to count. Raises OSError, ValueError.
        """
        on_trial = self.current() is not slots.primary
        self.tell(on_trial=on_trial, other_is_damaged=slots.other_is_damaged)
        if slots.tries and not on_trial:
            self.reboot.parent.mkdir(parents=True, exist_ok=True)
            self.reboot.write_text(TRYBOOT)
        elif self.reboot.exists() and self.reboot.read_text() == TRYBOOT:
            self.reboot.unlink()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nobody else change the slots meanwhile. Raises OSError."""
        with (self.selector / AUTOBOOT).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def answer(machine: Machine, selector: Selector, words: Sequence[str]) -> str:
    """Do what RAUC asks and return what it is told. Raises Refused, SelectorDamaged, OSError, ValueError."""
    slots = selector.read()
    match words:
        case ["get-primary"]:
            return slots.next.value
        case ["get-current"]:
            return machine.current().value
        case ["get-state", name]:
            return "good" if slots.is_good(Slot(name)) else "bad"
        case ["set-primary", name]:
            after = activated(slots, Slot(name))
        case ["set-state", name, "good"]:
            after = marked_good(slots, Slot(name), machine.current())
        case ["set-state", name, "bad"]:
            after = marked_bad(slots, Slot(name))
        case _:
            raise ValueError(f"no call of RAUC's: {' '.join(words)}")
    selector.write(after)
    machine.take_up(after)
    return ""


def main() -> None:
    """Answer one call; what is refused is told on the error output, which RAUC writes into its log."""
    machine = Machine()
    try:
        with machine.held():
            said = answer(machine, Selector(machine.selector), sys.argv[1:])
    except (Refused, SelectorDamaged, OSError, ValueError) as fault:
        sys.exit(f"aidpost-tryboot: {fault}")
    if said:
        sys.stdout.write(f"{said}\n")
