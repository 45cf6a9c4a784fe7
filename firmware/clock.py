"""Time and randomness, handed in so that tests own them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from firmware.records import ClockQuality, Moment

_KERNEL_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SYNCHRONISED = Path("/run/aidpost/clock-synchronised")
"""There once a time server has set the clock of this boot; aidpost-synchronised.service makes it."""


def boot_id() -> bytes:
    """Return 16 bytes that name this boot (the kernel's boot id)."""
    return bytes.fromhex(_KERNEL_BOOT_ID.read_text().strip().replace("-", ""))


def machine_quality(mark: Path = SYNCHRONISED) -> ClockQuality:
    """Return what this machine knows of its clock: a floor of the last time it ran is no set clock."""
    return ClockQuality.SYNCHRONISED if mark.exists() else ClockQuality.UNSET


@dataclass(frozen=True, slots=True)
class Clock:
    """Reads monotonic and wall time in nanoseconds.

    judge: says how good an unset wall clock is, from both times; None where nothing is known of it. machine:
    says it then. The aggregator, which is who it says, comes before a time server, which anybody can be.
    """

    boot: bytes = field(default_factory=boot_id)
    monotonic_ns: Callable[[], int] = time.monotonic_ns
    wall_ns: Callable[[], int] = time.time_ns
    quality: Callable[[], ClockQuality] = lambda: ClockQuality.UNSET
    judge: Callable[[int, int], ClockQuality | None] = lambda _monotonic_ns, _wall_ns: None
    machine: Callable[[], ClockQuality] = machine_quality

    def now(self) -> Moment:
        """Return the present moment."""
        monotonic_ns, wall_ns, quality = self.monotonic_ns(), self.wall_ns(), self.quality()
        if quality is ClockQuality.UNSET:
            quality = self.judge(monotonic_ns, wall_ns) or self.machine()
        return Moment(self.boot, monotonic_ns, wall_ns, quality)


def random_id() -> bytes:
    """Return 16 random bytes, unguessable and linked to nothing."""
    return secrets.token_bytes(16)


def surely_passed_s(then: Moment, now: Moment) -> float:
    """Return seconds that have surely passed; after another boot its own time alone: no clock is trusted."""
    began_ns = then.monotonic_ns if then.boot_id == now.boot_id else 0
    return max(0, now.monotonic_ns - began_ns) / 1e9
