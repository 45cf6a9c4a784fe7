"""Claim codes as the store keeps them; every function runs inside the writer's transaction."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from aggregator.store import administration
from aggregator.store.port import Database
from trust.names import DeviceName


class Fresh(msgspec.Struct, frozen=True):
    """Nobody used the claim before, it is for this site, and its time is not over; claim: its row."""

    claim: int


class UsedByItself(msgspec.Struct, frozen=True):
    """This device used the claim before, with this key: worth no more than a request without one."""


class Refused(msgspec.Struct, frozen=True):
    """The claim is not good for this device; why: for the device and the log; reason: for its screen."""

    why: str
    reason: str


Found: TypeAlias = Fresh | UsedByItself | Refused


def add(db: Database, digest: bytes, site: str, now_ns: int, ends_ns: int, actor: str) -> None:
    """Keep a claim's keyed digest."""
    db.execute(
        "INSERT INTO claims (digest, site, made_ns, ends_ns) VALUES (?, ?, ?, ?)",
        (digest, site, now_ns, ends_ns),
    )
    administration.append(db, now_ns, actor, "claim created", site)


def look_up(db: Database, digest: bytes, device: DeviceName, key: bytes, now_ns: int) -> Found:
    """Return what the claim with this digest is worth to a device and its key (SubjectPublicKeyInfo, DER)."""
    row = db.execute(
        "SELECT claim, site, ends_ns, used_by, used_by_device FROM claims WHERE digest = ?", (digest,)
    ).fetchone()
    if row is None:
        return Refused("the claim code is not known here", "CLAIM_UNKNOWN")
    claim, site, ends_ns, used_by, used_by_device = row
    if site != device.site:
        return Refused(
            f"the claim code is for the site {site}: correct `device.site`, or ask for another",
            "CLAIM_OF_OTHER_SITE",
        )
    if used_by is not None:
        if (used_by, used_by_device) == (key, device.device_id):
            return UsedByItself()
        return Refused("the claim code was used by another device: ask for a new one", "CLAIM_USED")
    if ends_ns <= now_ns:
        return Refused("the claim code has expired: ask for a new one", "CLAIM_EXPIRED")
    return Fresh(claim)


def use(db: Database, claim: int, device: DeviceName, key: bytes) -> None:
    """Bind the claim to one device and one key, for good."""
    db.execute(
        "UPDATE claims SET used_by = ?, used_by_device = ? WHERE claim = ?", (key, device.device_id, claim)
    )
