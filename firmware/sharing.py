"""Builds what shares the gallery with the other appliances of the site, and tells what it reports."""

from __future__ import annotations

import random
from collections.abc import Callable, MutableMapping

from firmware.clock import Clock
from firmware.config import Config
from firmware.records import DeviceFault
from firmware.session.acquire import InThread
from firmware.session.matching import Matcher
from firmware.store.thread import RunInStore
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Dialler
from firmware.uplink.gallery_exchange import SharedSettings
from firmware.uplink.gallery_sync import GallerySync
from trust.gallery.card import Card
from trust.gallery.opening import ApplianceKeys
from trust.keys.guard import KeyGuard

PART = "gallery"


def appliance_card(config: Config, guard: KeyGuard) -> tuple[ApplianceKeys, Card]:
    """Return this appliance's keys of a gallery, and its card. Raises GuardError."""
    with guard.store_key() as key:
        keys = ApplianceKeys.derived(key)
    return keys, Card.made(config.device.id, config.device.site, keys, guard)


def build_sharing(
    config: Config,
    guard: KeyGuard,
    dialler: Dialler,
    in_store: RunInStore,
    in_inference: InThread,
    matcher: Matcher,
    clock: Clock,
    report: Callable[[str, str | None], None],
) -> GallerySync | None:
    """Return what shares the gallery, None where the configuration has no [gallery]. Raises GuardError."""
    shared, device = config.gallery, config.device
    if shared is None:
        return None
    keys, card = appliance_card(config, guard)
    settings = SharedSettings(
        device_id=device.id,
        site=device.site,
        purpose=device.purpose,
        custodian=shared.custodian,
        card=card.encoded(),
        period_s=60 * shared.minutes,
        daily_bytes=round(shared.daily_mb * 1e6),
        lease=None if config.lease is None else config.lease.limits(),
    )
    backoff = Backoff(random.SystemRandom(), cap_s=60 * shared.minutes)
    return GallerySync(
        settings, dialler, in_store, in_inference, matcher, keys, clock, backoff, report=report
    )


class Reports:
    """What the sharing reports: a sentence for staff each, and for the aggregator's people an event.

    notices: by part, as the appliance shows them. record: writes an event.
    """

    def __init__(self, notices: MutableMapping[str, str], record: Callable[[DeviceFault], None]) -> None:
        self._notices = notices
        self._record = record
        self._known: dict[str, str] = {}

    def hear(self, kind: str, sentence: str | None) -> None:
        """Note a report of this kind, or with None that it is over; the same one again says nothing new."""
        if sentence == self._known.get(kind):
            return
        recovered = sentence is None
        if sentence is None:
            del self._known[kind]
            self._notices.pop(f"{PART} {kind}", None)
        else:
            self._known[kind] = sentence
            self._notices[f"{PART} {kind}"] = f"{sentence[:1].upper()}{sentence[1:]}."
        self._record(DeviceFault(PART, recovered=recovered, kind=kind))
