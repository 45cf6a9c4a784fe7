"""The units that look after the slots may write what they have to, on real systemd."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.slots.machine import Slot, Slots
from firmware.slots.selector import STARTS, Selector, starts
from tests.kit.own_systemd import OwnMachine, lacks, own_machine

pytestmark = pytest.mark.skipif(bool(lacks()), reason=lacks())


def well(machine: OwnMachine, unit: str) -> None:
    done = machine.run("systemctl", "restart", unit)
    assert done.returncode == 0, machine.said("journalctl", "-b", "-o", "cat", "-u", unit)


def test_the_services_of_the_slots_tell_the_appliance_and_count_anew(tmp_path: Path) -> None:
    with own_machine(tmp_path, {}) as machine:
        selector, run = machine.root / "boot/selector", machine.root / "run/aidpost"
        run.mkdir(exist_ok=True)
        (run / "slot").write_text("B\n")
        Selector(selector).make(Slots(Slot.A, tries=2))
        well(machine, "aidpost-slots.service")
        assert (run / "trial").exists()

        Selector(selector).make(Slots(Slot.B, other_is_damaged=True))
        well(machine, "aidpost-slots.service")
        assert not (run / "trial").exists()
        assert (run / "damaged").exists()

        (selector / STARTS).write_bytes(starts(2))
        well(machine, "aidpost-lasted.service")
        assert (selector / STARTS).read_bytes() == starts(0)
