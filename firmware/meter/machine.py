"""What the kernel and the Pi's firmware say of the machine; None for what this one cannot tell.

Sources: proc(5); the kernel's Documentation/admin-guide/iostats.rst and ABI/testing/sysfs-class-thermal;
`get_throttled` of the Raspberry Pi documentation; JESD84-B51 (eMMC), register 268 for `life_time`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SECTOR_BYTES = 512  # of /sys/block/*/stat, whatever the disk's own are
MEGABYTE = 1_000_000
_SECTORS_WRITTEN = 6  # the seventh field
_THROTTLED = Path("sys/devices/platform/soc/soc:firmware/get_throttled")
_ZONES = Path("sys/class/thermal")
_CPU_ZONES = ("cpu-thermal", "x86_pkg_temp", "cpu_thermal")


@dataclass(frozen=True, slots=True)
class Readings:
    """throttled: as in `trust.telemetry.Telemetry`. Megabytes are a million bytes."""

    memory_resident_mb: int
    memory_available_mb: int
    disk_free_mb: int
    cpu_decidegrees: int | None
    throttled: int | None
    disk_written_mb: int | None
    disk_life_used_percent: int | None


class Machine:
    """Reads the machine; some milliseconds, so not in the event loop.

    data: a folder on the disk of the store. root: below which /proc and /sys are. throttled: asks the Pi's
    firmware where the kernel has no file for it, None where there is no such firmware.
    """

    def __init__(
        self, data: Path, *, root: Path = Path("/"), throttled: Callable[[], int | None] = lambda: None
    ) -> None:
        self._data = data
        self._root = root
        self._ask_throttled = throttled

    def read(self) -> Readings:
        """Return what can be read; raises nothing, for a part that is missing is None or 0."""
        disk = self._disk()
        return Readings(
            memory_resident_mb=self._kilobytes("proc/self/status", "VmRSS:") // 1000,
            memory_available_mb=self._kilobytes("proc/meminfo", "MemAvailable:") // 1000,
            disk_free_mb=self._disk_free_mb(),
            cpu_decidegrees=self._cpu_decidegrees(),
            throttled=self._throttled(),
            disk_written_mb=_written_mb(disk),
            disk_life_used_percent=_life_used_percent(disk),
        )

    def _kilobytes(self, file: str, name: str) -> int:
        for line in _text(self._root / file).splitlines():
            words = line.split()
            if len(words) >= 2 and words[0] == name and words[1].isdigit():
                return int(words[1]) * 1024 // 1000
        return 0

    def _disk_free_mb(self) -> int:
        try:
            return shutil.disk_usage(self._data).free // MEGABYTE
        except OSError:
            return 0

    def _disk(self) -> Path | None:
        """Return the folder in sysfs of the whole disk that `data` is on."""
        try:
            device = self._data.stat().st_dev
        except OSError:
            return None
        found = self._root / "sys/dev/block" / f"{os.major(device)}:{os.minor(device)}"
        if not found.exists():
            return None
        resolved = found.resolve()
        return resolved.parent if (resolved / "partition").exists() else resolved

    def _cpu_decidegrees(self) -> int | None:
        zones = sorted((self._root / _ZONES).glob("thermal_zone*"))
        named = [zone for zone in zones if _text(zone / "type").strip() in _CPU_ZONES]
        for zone in (*named, *zones):
            if (millidegrees := _number(_text(zone / "temp"))) is not None:
                return round(millidegrees / 100)
        return None

    def _throttled(self) -> int | None:
        try:
            return int(_text(self._root / _THROTTLED).strip(), 16)
        except ValueError:
            return self._ask_throttled()


def _written_mb(disk: Path | None) -> int | None:
    fields = _text(disk / "stat").split() if disk is not None else []
    if len(fields) <= _SECTORS_WRITTEN or not fields[_SECTORS_WRITTEN].isdigit():
        return None
    return int(fields[_SECTORS_WRITTEN]) * SECTOR_BYTES // MEGABYTE


def _life_used_percent(disk: Path | None) -> int | None:
    """Return the worse of the two kinds of memory; the card tells tenths, and 11 for a life that is over."""
    words = _text(disk / "device/life_time").split() if disk is not None else []
    try:
        tenths = [int(word, 16) for word in words]
    except ValueError:
        return None
    worst = max(tenths, default=0)
    return 10 * worst if 1 <= worst <= 11 else None


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
