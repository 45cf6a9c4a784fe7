"""The first boot on real systemd with the image's units: what the screen says, and which ports are open."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.kit.own_systemd import DATA, OwnMachine, lacks, own_machine
from tests.kit.pseudo_screen import picture_of
from tests.unit.test_claim_file import CLAIM
from trust.claim_file import NAME, ClaimedKeys
from trust.keys.guard import GuardKind

pytestmark = pytest.mark.skipif(bool(lacks()), reason=lacks())

SCREEN = '''\
#!/usr/lib/aidpost/venv/bin/python
"""Stands for the machine's screen: a terminal of whom udev gives it to, and what was drawn there."""
import os
import shutil

master, slave = os.openpty()
os.symlink(os.ttyname(slave), "/dev/tty1")
shutil.chown("/dev/tty1", "aidpost")
with open("/run/drawn", "ab", buffering=0) as drawn:
    while True:
        drawn.write(os.read(master, 65536))
'''
FILES = {
    **DATA,
    "usr/lib/sysusers.d/chrony.conf": "u _chrony -\n",
    "etc/systemd/system/screen.service": "[Service]\nExecStart=/usr/lib/aidpost/screen\n",
    "usr/lib/aidpost/screen": SCREEN,
    "usr/lib/aidpost/venv/bin/aidpost": '#!/bin/sh\nexec /usr/lib/aidpost/venv/bin/python -m firmware "$@"\n',
}


def drawn(machine: OwnMachine) -> str:
    return " ".join(picture_of((machine.root / "run/drawn").read_bytes().decode(errors="replace")).split())


def open_ports(machine: OwnMachine) -> str:
    return machine.said("nft", "list", "set", "inet", "aidpost", "appliance_ports")


def test_whoever_sets_up_a_card_reads_the_screen_and_a_tablet_may_come(tmp_path: Path) -> None:
    with own_machine(tmp_path, FILES) as machine:
        machine.run("systemctl", "start", "screen.service", "nftables.service", "aidpost-ports.path")
        machine.run("systemctl", "start", "aidpost-network.path")
        machine.until((machine.root / "run/drawn").exists, "the screen")
        machine.run("systemctl", "start", "aidpost-first-boot.service")
        machine.until(lambda: "Show this appliance its claim code" in drawn(machine), "the first step")
        assert "8443" not in open_ports(machine)

        hardware = msgspec.structs.replace(CLAIM.hardware, tablets=True)
        claim = msgspec.structs.replace(CLAIM, hardware=hardware, keys=ClaimedKeys(guard=GuardKind.FILE))
        (machine.root / "boot/selector" / NAME).write_text(claim.to_text())
        machine.run("systemctl", "start", "aidpost-claim.service")
        machine.run("systemctl", "restart", "aidpost-first-boot.service")
        machine.until(lambda: "Il n’y a pas de réseau" in drawn(machine), "the second step")
        machine.until(lambda: "8443" in open_ports(machine), "the port for tablets")
        machine.until(lambda: "no ModemManager" in drawn(machine), "what the image lacks")
