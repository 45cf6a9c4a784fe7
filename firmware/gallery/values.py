"""What the store holds of a shared gallery, and what is to be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, unique

import msgspec

from firmware.records import Moment
from trust.gallery.change import Change
from trust.gallery.judge import Entry, Head
from trust.gallery.roster import Roster


@unique
class Delivered(Enum):
    """How what was sent relates to what is held."""

    LOG = "log"
    REPAIR = "repair"
    SNAPSHOT = "snapshot"


class Delivery(msgspec.Struct, frozen=True):
    """What is on its way: where it leads, and the root there.

    erasures, changes: up to which version each were received.
    """

    kind: Delivered
    version: int
    root: bytes
    erasures: int = 0
    changes: int = 0


@dataclass(frozen=True, slots=True)
class Decided:
    """What two people decided at the aggregator of two entries, by their ids."""

    first: bytes
    second: bytes
    same: bool


@dataclass(frozen=True, slots=True)
class Held:
    """What this appliance holds of the gallery; version: of the log, and link: of the change there.

    rosters: by epoch. entries: the newest version of each. epoch: of the newest change. seen: up to which
    number other authors have seen an author's changes. lacking: (author, seq) of changes up to `heads` that
    are not there, as in a damaged store. shown: those of erasures that came once and
    were not in what was taken.
    """

    gallery_id: bytes
    rosters: Mapping[int, Roster]
    version: int
    link: bytes
    epoch: int
    heads: Mapping[int, Head]
    seen: Mapping[int, int]
    entries: Mapping[bytes, Entry]
    delivery: Delivery | None
    lacking: tuple[tuple[int, int], ...] = ()
    shown: tuple[tuple[int, int], ...] = ()

    @property
    def roster(self) -> Roster | None:
        """The newest one, None before the first."""
        return self.rosters[max(self.rosters)] if self.rosters else None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is to be told: (entry_id, version) of what was erased here, entries that are new here, and entries
    with their version that are sealed under a former key and are this appliance's to seal anew."""

    erased: tuple[tuple[bytes, int], ...]
    new: tuple[bytes, ...]
    former: tuple[tuple[bytes, int], ...]

    def __len__(self) -> int:
        return len(self.erased) + len(self.new) + len(self.former)


@dataclass(frozen=True, slots=True)
class Taken:
    """Changes that were judged and taken, in the order of the log, with their places in it.

    hours: in which entries were registered, since 1970-01-01 UTC, 0 where that is not known.
    """

    changes: tuple[tuple[int, Change], ...]
    heads: Mapping[int, Head]
    seen: Mapping[int, int]
    epoch: int
    hours: Mapping[bytes, int]


class Spent(msgspec.Struct, frozen=True):
    """Bytes that went over the line since `began`."""

    began: Moment
    bytes: int = 0


DAY_NS = 24 * 3600 * 1_000_000_000
SILENT_AFTER_NS = 5 * DAY_NS


def spent(before: Spent | None, now: Moment, size_bytes: int = 0) -> Spent:
    """Count bytes of a day of uptime, or of wall time where both clocks are good; an unknown time is none."""
    if before is None or age_ns(before.began, now) >= DAY_NS:
        return Spent(now, size_bytes)
    return Spent(before.began, before.bytes + size_bytes)


def age_ns(then: Moment, now: Moment) -> int:
    """Return how long ago `then` was, by uptime or by wall clocks that are good; 0 where neither tells."""
    if then.boot_id == now.boot_id:
        return now.monotonic_ns - then.monotonic_ns
    return now.wall_ns - then.wall_ns if then.quality.is_set and now.quality.is_set else 0
