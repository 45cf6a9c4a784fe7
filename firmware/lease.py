"""How long an appliance may keep its keys without hearing from its aggregator, by clocks that nobody can set.

Counted in uptime and in boots: the wall clock may be at 1970 or anywhere, and a kit that is only switched on
for minutes at a time uses up boots. Pure; the store keeps the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

import msgspec

from firmware.records import Moment

WARN_FROM = 0.8  # of either limit: with the usual limits six days, or forty boots, to bring the kit to a link


class LeaseUse(msgspec.Struct, frozen=True):
    """What was used up since the last contact.

    uptime_ns: until `monotonic_ns` of the boot `boot_id`. boots: begun since.
    """

    boot_id: bytes
    monotonic_ns: int
    uptime_ns: int = 0
    boots: int = 0


@dataclass(frozen=True, slots=True)
class LeaseLimits:
    """What may be used up."""

    uptime_ns: int
    boots: int


@unique
class LeaseState(Enum):
    """What the use means. LAPSING is shown while there is time to do something about it."""

    RUNNING = "running"
    LAPSING = "lapsing"
    LAPSED = "lapsed"


def renewed(now: Moment) -> LeaseUse:
    """Return the use at a contact: none."""
    return LeaseUse(now.boot_id, now.monotonic_ns)


def used(before: LeaseUse, now: Moment) -> LeaseUse:
    """Return the use as of now. Uptime between the last note and a power cut is not counted; the boot is."""
    if before.boot_id == now.boot_id:
        passed_ns, boots = max(0, now.monotonic_ns - before.monotonic_ns), 0
    else:
        passed_ns, boots = now.monotonic_ns, 1
    return LeaseUse(now.boot_id, now.monotonic_ns, before.uptime_ns + passed_ns, before.boots + boots)


def state(use: LeaseUse, limits: LeaseLimits) -> LeaseState:
    """Judge the use by whichever limit is nearer."""
    share = max(use.uptime_ns / limits.uptime_ns, use.boots / limits.boots)
    if share >= 1:
        return LeaseState.LAPSED
    return LeaseState.LAPSING if share >= WARN_FROM else LeaseState.RUNNING


def left(use: LeaseUse, limits: LeaseLimits) -> str:
    """Say what is left: "5.2 days of uptime and 120 boots"."""
    days = max(0.0, (limits.uptime_ns - use.uptime_ns) / 86_400e9)
    return f"{days:.1f} days of uptime and {max(0, limits.boots - use.boots)} boots"
