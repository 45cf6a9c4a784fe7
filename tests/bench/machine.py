"""What a figure of time depends on."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import msgspec


class Machine(msgspec.Struct, frozen=True):
    """load: of the last minute when the run began; more than 0 tells that others computed too."""

    processor: str
    architecture: str
    cores: int
    memory_gb: float
    system: str
    python: str
    load: float
    date: str


def describe_machine() -> Machine:
    """Read it from the kernel."""
    return Machine(
        processor=_processor(),
        architecture=platform.machine(),
        cores=os.cpu_count() or 0,
        memory_gb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        system=platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
        python=platform.python_version(),
        load=os.getloadavg()[0],
        date=datetime.now(UTC).date().isoformat(),
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model"):
            return value.strip()
    return platform.machine()
