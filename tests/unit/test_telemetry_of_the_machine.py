"""What the machine is asked: the kernel's files as a Pi has them, and the firmware's mailbox."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from firmware.guard.mailbox import read_throttled
from firmware.meter.machine import Machine

FILES = {
    "proc/self/status": "Name:\taidpost\nVmRSS:\t  204800 kB\n",
    "proc/meminfo": "MemTotal: 1892000 kB\nMemAvailable:  1000000 kB\n",
    "sys/class/thermal/thermal_zone0/type": "gpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "91000\n",
    "sys/class/thermal/thermal_zone1/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone1/temp": "61342\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
    "sys/block/mmcblk0/stat": "1 2 3 4 5 6 4000000 8 9 10 11\n",
    "sys/block/mmcblk0/device/life_time": "0x02 0x03\n",
    "sys/block/mmcblk0/mmcblk0p2/partition": "2\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    device = tmp_path.stat().st_dev
    link = tmp_path / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "sys/block/mmcblk0/mmcblk0p2")
    return tmp_path


def test_a_pi_tells_its_temperature_flags_memory_and_card(root: Path) -> None:
    readings = Machine(root, root=root).read()
    assert readings.cpu_decidegrees == 613
    assert readings.throttled == 0x50005
    assert readings.memory_resident_mb == 209
    assert readings.memory_available_mb == 1024
    assert readings.disk_written_mb == 2048
    assert readings.disk_life_used_percent == 30
    assert readings.disk_free_mb > 0


def test_a_machine_that_tells_nothing_is_no_fault(tmp_path: Path) -> None:
    readings = Machine(tmp_path, root=tmp_path / "nothing").read()
    assert (readings.cpu_decidegrees, readings.throttled, readings.disk_written_mb) == (None, None, None)
    assert readings.disk_life_used_percent is None
    assert readings.memory_resident_mb == 0


def test_the_flags_are_asked_of_the_firmware_where_the_kernel_has_no_file() -> None:
    def firmware(message: bytearray) -> None:
        size, code, tag, value_size, tag_code, _value, end = struct.unpack("<7I", message)
        assert (size, code, tag, value_size, tag_code, end) == (28, 0, 0x00030046, 4, 0, 0)
        struct.pack_into("<7I", message, 0, 28, 0x80000000, tag, 4, 0x80000004, 0x50000, 0)

    def no_firmware(message: bytearray) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    assert read_throttled(firmware) == 0x50000
    assert read_throttled(no_firmware) is None
