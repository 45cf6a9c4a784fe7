"""Time and randomness, handed in so that tests own them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from firmware.records import ClockQuality, Moment

_KERNEL_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> bytes:
    """Return 16 bytes that name this boot (the kernel's boot id)."""
    return bytes.fromhex(_KERNEL_BOOT_ID.read_text().strip().replace("-", ""))


@dataclass(frozen=True, slots=True)
class Clock:
    """Reads monotonic and wall time in nanoseconds.

    judge: says how good an unset wall clock is, from both times; None where nothing is known of it.
    """

    boot: bytes = field(default_factory=boot_id)
    monotonic_ns: Callable[[], int] = time.monotonic_ns
    wall_ns: Callable[[], int] = time.time_ns
    quality: Callable[[], ClockQuality] = lambda: ClockQuality.UNSET
    judge: Callable[[int, int], ClockQuality | None] = lambda _monotonic_ns, _wall_ns: None

    def now(self) -> Moment:
        """Return the present moment."""
        monotonic_ns, wall_ns, quality = self.monotonic_ns(), self.wall_ns(), self.quality()
        if quality is ClockQuality.UNSET:
            quality = self.judge(monotonic_ns, wall_ns) or quality
        return Moment(self.boot, monotonic_ns, wall_ns, quality)


def random_id() -> bytes:
    """Return 16 random bytes, unguessable and linked to nothing."""
    return secrets.token_bytes(16)


def surely_passed_s(then: Moment, now: Moment) -> float:
    """Return seconds that have surely passed; after another boot its own time alone: no clock is trusted."""
    began_ns = then.monotonic_ns if then.boot_id == now.boot_id else 0
    return max(0, now.monotonic_ns - began_ns) / 1e9
