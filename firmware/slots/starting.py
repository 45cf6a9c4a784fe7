"""What `aidpost-slots.service` does for the slots at each start of the machine, before anybody is served.

A slot on trial that did not pass leaves no trace but this: the primary runs again, and the other has tries
left. Then the try is counted and the other started again, at once; after the last one the primary goes on.
"""

from __future__ import annotations

import subprocess
import sys

from firmware.slots.backend import Machine
from firmware.slots.machine import started
from firmware.slots.selector import Selector, SelectorDamaged


def start(machine: Machine, selector: Selector) -> bool:
    """Count a try that failed; returns whether the machine is to start anew, with the other slot.

    Says also whether the slot that runs is on trial, whatever the selector lacks. Raises SelectorDamaged,
    OSError, ValueError.
    """
    running = machine.current()
    try:
        slots = selector.read()
    except SelectorDamaged:
        machine.tell(on_trial=machine.was_asked_for())
        raise
    after = started(slots, running)
    machine.tell(on_trial=running is not after.primary, other_is_damaged=after.other_is_damaged)
    if after != slots or selector.named() is None:
        selector.write(after)
    machine.take_up(after)
    return running is after.primary and after.tries > 0


def main() -> None:
    """Count, and start anew where the other slot has tries left; a fault keeps nobody from being served."""
    machine = Machine()
    try:
        with machine.held():
            anew = start(machine, Selector(machine.selector))
    except (SelectorDamaged, OSError, ValueError) as fault:
        sys.exit(f"aidpost-slots: {fault}")
    if anew:
        sys.stdout.write("aidpost-slots: the other slot did not pass its health gate: it is tried again\n")
        subprocess.run(["/usr/bin/systemctl", "--no-block", "reboot"], check=True)


if __name__ == "__main__":
    main()
