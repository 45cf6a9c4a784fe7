"""Real udev gives /dev/aidpost to the card's partitions, while a stick with the same names is plugged in."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.kit import small_linux
from tests.kit.card_table import MIB, SFDISK, make_card

UDEVD = Path("/usr/lib/systemd/systemd-udevd")
RULES = (
    Path(__file__).parents[2] / "image-build/overlay/usr/lib/udev/rules.d/61-aidpost-card.rules"
).resolve()
LABELS = ("selector", "boot_a", "boot_b", "root_a", "root_b", "data")


@pytest.mark.skipif(not small_linux.is_here(), reason="needs Debian's user-mode-linux")
@pytest.mark.skipif(not (Path(SFDISK).exists() and UDEVD.exists()), reason="needs Debian's fdisk and udev")
def test_a_stick_takes_none_of_the_cards_names(tmp_path: Path) -> None:
    make_card(tmp_path / "card", 32 * MIB)
    make_card(tmp_path / "stick", 32 * MIB)
    look = "udevadm settle; cd /dev/aidpost; for each in *; do echo $each $(readlink $each); done"
    script = f"""
mkdir -p /run/udev/rules.d /run/aidpost/card
cp {shlex.quote(str(RULES))} /run/udev/rules.d
: >/run/aidpost/card/loop0
{UDEVD} --daemon
losetup --partscan /dev/loop0 {small_linux.ROOM}/card
losetup --partscan /dev/loop1 {small_linux.ROOM}/stick
{look}
losetup --detach /dev/loop1
losetup --partscan /dev/loop1 {small_linux.ROOM}/stick
udevadm trigger --settle --action=add /dev/loop1p1 /dev/loop1p5
{look}
echo stick $(ls /dev/loop1p*)
"""
    status, said = small_linux.run(tmp_path, script)
    assert status == 0, said
    links = [line.split() for line in said.splitlines() if "../loop" in line]
    expected = sorted([label, f"../loop0p{number}"] for number, label in enumerate(LABELS, start=1))
    assert links == expected * 2, said
    assert "stick /dev/loop1p1" in said, said
