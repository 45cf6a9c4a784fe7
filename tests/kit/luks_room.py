"""What test_data_partition_luks does in a Linux of its own: a real partition is made, opened and refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from firmware.machine.open_data import open_data
from firmware.machine.partition import LuksPartition
from firmware.machine.partition_key import PartitionSettings
from tests.kit.card_table import MIB, make_card, table_of
from tests.kit.fake_mailbox import FakeMailbox
from trust.keys.errors import KeysDamaged
from trust.keys.guard import GuardKind

OTP = PartitionSettings(GuardKind.OTP)
WORD = "what lasts"


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main(room: Path) -> None:
    for processor in ("aes", "without"):
        cpu, selector, place = room / "cpuinfo", room / processor, Path("/run/data")
        cpu.write_text(f"Features : fp {processor}\n")
        selector.mkdir()
        place.mkdir(exist_ok=True)
        make_card(room / "card", 96 * MIB)
        device = run("losetup", "--find", "--show", "--partscan", str(room / "card")).strip()
        partition = LuksPartition(Path(f"{device}p6"), cpu=cpu)
        board, other = FakeMailbox(), FakeMailbox()
        board.rows, other.rows = [7] * 8, [8] * 8

        assert partition.is_blank()
        assert open_data(selector, OTP, partition, board) is True
        assert open_data(selector, OTP, partition, board) is False
        grown = table_of(room / "card")["data"][1]
        assert (
            grown == 89 * MIB // 512 == int(Path(f"/sys/class/block/{Path(device).name}p6/size").read_text())
        )
        assert 64 * MIB < int(run("blockdev", "--getsize64", str(partition.opened))) < 89 * MIB
        run("mount", str(partition.opened), str(place))
        (place / "file").write_text(WORD)
        run("umount", str(place))
        run("cryptsetup", "close", "data")

        assert not partition.is_blank()
        assert WORD.encode() not in (room / "card").read_bytes()
        try:
            open_data(selector, OTP, partition, other)
        except KeysDamaged as error:
            sys.stdout.write(f"{error}\n")
        assert not partition.is_open()
        note = selector / "data.json"
        note.write_text(note.read_text().replace('"made": true', '"made": false'))
        assert open_data(selector, OTP, partition, board) is False
        run("mount", "-o", "ro", str(partition.opened), str(place))
        found = (place / "file").read_text()
        sys.stdout.write(f"{processor} {found}\n{run('cryptsetup', 'status', 'data')}\n")
        run("umount", str(place))
        run("cryptsetup", "close", "data")
        # A header that was cut off before its key is made anew, and nothing else is.
        note.write_text(note.read_text().replace('"made": true', '"made": false'))
        assert partition.has_key()
        run("cryptsetup", "erase", "--batch-mode", f"{device}p6")
        assert not partition.has_key()
        assert open_data(selector, OTP, partition, board) is True
        run("cryptsetup", "close", "data")
        run("losetup", "--detach", device)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
