"""What an appliance knows of one household: who is about to collect, who has; pure, no I/O, no clock.

A claim lasts for a time by the owner's own monotonic clock, which no other clock is compared with. What is
collected stays collected. A second hand-over that is reported changes neither: it is a conflict, for people
to look at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from firmware.records import Moment


@dataclass(frozen=True, slots=True)
class Claim:
    """A desk is about to serve a household. claim_id: 16 random bytes, the same when it is asked again.

    device: of the desk. hold_ns: how long the claim lasts.
    """

    claim_id: bytes
    device: str
    hold_ns: int


@dataclass(frozen=True, slots=True)
class Held:
    """What a desk holds, and since when, by the clock of whoever granted it.

    claim_ids: of its claims that were granted and not given back. Messages may come late and out of order:
    the end of a former claim must not end the present one.
    """

    device: str
    claim_ids: frozenset[bytes]
    hold_ns: int
    since: Moment

    def left_ns(self, now: Moment) -> int:
        """Return how long it goes on, 0 when it is over.

        How long a device was off is not known: after another boot it lasts its whole time from that.
        """
        began_ns = self.since.monotonic_ns if self.since.boot_id == now.boot_id else 0
        return max(began_ns + self.hold_ns - now.monotonic_ns, 0)


@dataclass(frozen=True, slots=True)
class Collection:
    """A household collected. record_id: of the service's record, 16 bytes; moment: by that desk's clock."""

    record_id: bytes
    household: bytes
    device: str
    moment: Moment


@dataclass(frozen=True, slots=True)
class Entry:
    """One household of a cycle. first: the collection that stands; doubles: record ids of further ones."""

    held: Held | None = None
    first: Collection | None = None
    doubles: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Free:
    """The claim is granted."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Another desk's claim goes on for so long."""

    device: str
    left_ns: int


@dataclass(frozen=True, slots=True)
class Collected:
    """The household collected."""

    collection: Collection


Answer: TypeAlias = Free | Taken | Collected


@dataclass(frozen=True, slots=True)
class Stands:
    """The collection is the one of its household; known: it was so before."""

    known: bool


@dataclass(frozen=True, slots=True)
class Double:
    """The household had collected elsewhere; known: this was reported before."""

    first: Collection
    known: bool


Verdict: TypeAlias = Stands | Double


def claim(entry: Entry, asked: Claim, now: Moment) -> tuple[Entry, Answer]:
    """Grant a claim, or say why not.

    The same claim again has the same answer, and lasts from now; so does another claim of the same desk.
    """
    if entry.first is not None:
        return entry, Collected(entry.first)
    held, left_ns = entry.held, entry.held.left_ns(now) if entry.held else 0
    if held is not None and left_ns > 0 and held.device != asked.device:
        return entry, Taken(held.device, left_ns)
    before = held.claim_ids if held is not None and left_ns > 0 else frozenset()
    granted = Held(asked.device, before | {asked.claim_id}, max(asked.hold_ns, left_ns), now)
    return replace(entry, held=granted), Free()


def release(entry: Entry, claim_id: bytes) -> Entry:
    """Give a claim back; one that has ended is gone already."""
    if entry.held is None:
        return entry
    left = entry.held.claim_ids - {claim_id}
    return replace(entry, held=replace(entry.held, claim_ids=left) if left else None)


def collect(entry: Entry, collection: Collection) -> tuple[Entry, Verdict]:
    """Take down a collection. It happened, so none is turned away: with or without a claim, early or late."""
    first = entry.first
    if first is None:
        return replace(entry, held=None, first=collection), Stands(known=False)
    if first.record_id == collection.record_id:
        return entry, Stands(known=True)
    known = collection.record_id in entry.doubles
    return replace(entry, doubles=entry.doubles | {collection.record_id}), Double(first, known)
