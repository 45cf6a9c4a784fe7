"""Which appliance owns a household: rendezvous hashing, the same at each appliance, with nobody to ask."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def ranking(cycle: str, household: bytes, roster: Iterable[str]) -> tuple[str, ...]:
    """Return the devices of the roster in the order in which they answer for a household, its owner first.

    Highest random weight: Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM
    Transactions on Networking 6(1), 1998. A device that leaves the roster leaves the order of all others as
    it was, so that only its own households move. Keyed by the cycle: who has more this time has no more
    than others the next. household: its digest.
    """
    return tuple(sorted(set(roster), key=lambda device: (_weight(cycle, household, device), device)))


def roster_digest(cycle: str, roster: Iterable[str]) -> bytes:
    """Return 16 bytes that are the same where two appliances would name the same owners."""
    parts = (part.encode() for part in (cycle, *sorted(set(roster))))
    return hashlib.sha256(b"aidpost roster\0" + b"\0".join(parts)).digest()[:16]


def _weight(cycle: str, household: bytes, device: str) -> bytes:
    """Return what a device weighs for a household, 32 bytes; the least goes first, which is the same."""
    return hashlib.sha256(b"\0".join((cycle.encode(), device.encode(), household))).digest()
