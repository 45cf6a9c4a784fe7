"""What devices send and ask of sealed galleries; `aggregator.gallery_codec` reads it off the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aggregator.holdings import NO_LEASE, Lease
from trust.consent import Purpose
from trust.gallery.change import Change


@dataclass(frozen=True, slots=True)
class Carried:
    """A change with its message: whole, and as it is kept once a newer version has replaced it."""

    change: Change
    whole: bytes
    replaced: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """What a device has of a gallery and wants; `SyncRequest` says what each means.

    buckets: None where it does not ask for a repair. heads: by author. lacking: (author, seq).
    """

    purpose: Purpose
    custodian: str
    edition: int
    version: int
    link: bytes
    erasures_received: int
    changes_received: int
    buckets: tuple[bytes, ...] | None
    everything: bool
    max_bytes: int
    decisions: int = 0
    lease: Lease = NO_LEASE
    heads: Mapping[int, int] = field(default_factory=dict)
    lacking: frozenset[tuple[int, int]] = frozenset()
    roster_digest: bytes = b""

    def has(self, author: int, seq: int) -> bool:
        """Whether the device has this change."""
        return seq <= self.heads.get(author, 0) and (author, seq) not in self.lacking
