"""What both directions of a gallery's exchange share: the parts they work with, and the count of bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from firmware.clock import Clock
from firmware.gallery.judging import Judging
from firmware.gallery.keyring import Keyring
from firmware.gallery.resembling import Alike
from firmware.gallery.values import spent
from firmware.lease import LeaseLimits
from firmware.session.acquire import InThread
from firmware.session.matching import Matcher
from firmware.store.reference import Reference
from firmware.store.thread import RunInStore
from trust.consent import Purpose
from trust.gallery.opening import ApplianceKeys

Report = Callable[[str, str | None], None]
Resembling = Callable[[Reference], Sequence[Alike]]


@dataclass(frozen=True, slots=True)
class SharedSettings:
    """custodian: words, from the configuration. card: this appliance's, as it is handed in.

    daily_bytes: the most that a day's syncing takes; erasures go beyond it. lease: of the store's keys, None
    for none; it is told, so that the ledger of erasures can say what becomes of a device that stays away.
    """

    device_id: str
    site: str
    purpose: Purpose
    custodian: str
    card: bytes
    period_s: float = 900.0
    daily_bytes: int = 20_000_000
    lease: LeaseLimits | None = None


@dataclass(frozen=True, slots=True)
class Synced:
    """What one exchange did; size_bytes: of all messages. held_back: the day's bytes are used up."""

    added: int = 0
    removed: int = 0
    pushed: int = 0
    size_bytes: int = 0
    held_back: bool = False


@dataclass(slots=True)
class Exchange:
    """The parts of one appliance's sharing.

    report: told of what staff must know, by kind, with None once it is over. in_background: runs what takes
    time, signatures above all, outside the event loop. resembling: which entries in memory may be of the same
    person as one that comes; runs in the inference thread.
    """

    settings: SharedSettings
    in_store: RunInStore
    in_inference: InThread
    in_background: InThread
    matcher: Matcher
    keys: ApplianceKeys
    clock: Clock
    report: Report
    resembling: Resembling
    done: Synced = Synced()
    keyring: Keyring = field(init=False)
    judging: Judging = field(init=False)
    _unspent: int = 0

    def __post_init__(self) -> None:
        self.keyring = Keyring(self.keys, self.settings.device_id)
        self.judging = Judging(
            self.keyring,
            self.settings.site,
            self.settings.purpose,
            self.matcher.can_compare,
            self.matcher.protect,
        )

    def note(
        self, *, added: int = 0, removed: int = 0, pushed: int = 0, held_back: bool | None = None
    ) -> None:
        """Count what was done."""
        done = self.done
        self.done = replace(
            done,
            added=done.added + added,
            removed=done.removed + removed,
            pushed=done.pushed + pushed,
            held_back=done.held_back if held_back is None else held_back,
        )

    def spend(self, size_bytes: int) -> None:
        """Count bytes of messages."""
        self._unspent += size_bytes
        self.done = replace(self.done, size_bytes=self.done.size_bytes + size_bytes)

    async def spent(self) -> int:
        """Write down what was spent since the last time; returns the bytes of the day."""
        now, size_bytes, self._unspent = self.clock.now(), self._unspent, 0
        counted = await self.in_store(
            lambda store: store.shared.spend(lambda before: spent(before, now, size_bytes))
        )
        return counted.bytes
