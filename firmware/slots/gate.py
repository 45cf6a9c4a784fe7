"""The outer half of the health gate, as `aidpost-health.service`: a slot on trial that does not pass is left.

The appliance itself passes the gate: it tries to capture and to match, and then has RAUC mark the slot good
(`firmware.updating`). Whoever cannot even start does not get that far, so it is from here that the machine is
started anew, with the other slot. No connection is needed for either half.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from firmware.slots.backend import Machine
from firmware.slots.machine import Slot
from firmware.slots.selector import Selector, SelectorDamaged

DEADLINE_S = 600.0
"""Emulated on a PC the appliance is ready after 110 s, a cold card in a Zero 2 W takes its time too."""
LOOK_S = 2.0


def passes(
    selector: Selector,
    machine: Machine,
    has_failed: Callable[[], bool],
    monotonic_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait until the slot that runs is the primary; False where the service failed or time is up.

    has_failed: whether the appliance's service failed for good. Raises SelectorDamaged, OSError, ValueError.
    """
    running, end_s = machine.current(), monotonic_s() + DEADLINE_S
    while _primary(selector) is not running:
        if has_failed() or monotonic_s() >= end_s:
            return False
        sleep(LOOK_S)
    return True


def _primary(selector: Selector) -> Slot | None:
    """Return the primary; None where the system that runs could not mount the selector.

    Nobody is served then by any slot, for the data partition opens only with what lies there.
    """
    try:
        return selector.read().primary
    except FileNotFoundError:
        return None


def _has_failed() -> bool:
    asked = subprocess.run(["/usr/bin/systemctl", "is-failed", "--quiet", "aidpost.service"], check=False)
    return asked.returncode == 0


def main() -> None:
    """Wait for the gate, and start anew where it is not passed."""
    machine = Machine()
    try:
        well = passes(Selector(machine.selector), machine, _has_failed)
    except (SelectorDamaged, OSError, ValueError) as fault:
        sys.exit(f"aidpost-health: {fault}")
    if not well:
        sys.stdout.write("aidpost-health: this slot does not serve: the machine starts anew\n")
        subprocess.run(["/usr/bin/systemctl", "--no-block", "reboot"], check=True)


if __name__ == "__main__":
    main()
