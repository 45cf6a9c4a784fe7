"""One event as a recipient may have it: the columns of the policy, identifiers as pseudonyms."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from aggregator.export import iso
from aggregator.exporting.policy import Column
from aggregator.holdings import StoredEvent

Value: TypeAlias = "str | int | float | bool | None"
PSEUDONYM_BYTES = 16


class SiteEvent(msgspec.Struct, frozen=True):
    """An event, and the site of its device."""

    event: StoredEvent
    site: str


class Pseudonyms:
    """Gives identifiers new names that one recipient can join by, and no two can compare.

    key: of this aggregator, 32 bytes. HMAC-SHA-256 under a key for each recipient, derived from it in the
    same way.
    """

    def __init__(self, key: bytes, recipient: str) -> None:
        self._key = hmac.digest(key, b"aidpost export 1\0" + recipient.encode(), hashlib.sha256)

    def of(self, identifier: bytes | None) -> str | None:
        """Return the pseudonym, 32 hex digits."""
        if identifier is None:
            return None
        return hmac.digest(self._key, identifier, hashlib.sha256)[:PSEUDONYM_BYTES].hex()


_Read: TypeAlias = Callable[[SiteEvent, Pseudonyms], Value]


def _detail(name: str) -> _Read:
    return lambda found, _names: getattr(found.event.details, name)


def _plain(name: str) -> _Read:
    return lambda found, _names: getattr(found.event, name)


def _household(found: SiteEvent, names: Pseudonyms) -> Value:
    household = found.event.details.household
    return names.of(None if household is None else bytes.fromhex(household))


def _modalities(found: SiteEvent, _names: Pseudonyms) -> Value:
    modalities = found.event.details.modalities
    return None if modalities is None else "+".join(modalities)


def _duration_s(found: SiteEvent, _names: Pseudonyms) -> Value:
    duration_ns = found.event.details.duration_ns
    return None if duration_ns is None else duration_ns / 1e9


_PLAIN: tuple[Column, ...] = (
    "clock_quality", "kind", "outcome", "mode", "tries", "reason", "score_llr", "threshold_llr",
)  # fmt: skip
_DETAILS: tuple[Column, ...] = (
    "confirmed", "operating_point", "gallery_size", "workflow", "cycle", "basis", "declined", "cohort",
    "consent", "notice_version", "notice_language", "face_templates", "finger_templates", "concern",
    "planned", "served", "exceptions",
)  # fmt: skip
_READS: dict[Column, _Read] = {
    **{name: _plain(name) for name in _PLAIN},
    **{name: _detail(name) for name in _DETAILS},
    "received_at": lambda found, _names: iso(found.event.received_ns),
    "time": lambda found, _names: iso(found.event.wall_ns),
    "site": lambda found, _names: found.site,
    "device": lambda found, _names: found.event.device_id,
    "record": lambda found, names: names.of(found.event.record_id),
    "household": _household,
    "modalities": _modalities,
    "duration_s": _duration_s,
}


def row(found: SiteEvent, columns: Sequence[Column], names: Pseudonyms) -> dict[str, Value]:
    """Return one event under the columns, in their order."""
    return {column: _READS[column](found, names) for column in columns}
