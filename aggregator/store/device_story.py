"""All that is held of one device, for its page: read at once, as of one commit."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from aggregator.fleet.terms import FleetDevice
from aggregator.holdings import Command, Device, Missing, StoredEvent
from aggregator.store import commands, diagnostics, fleet_devices, telemetry
from aggregator.store.diagnostics import Bundle
from aggregator.store.port import Database
from aggregator.store.reader import COLUMNS, read_devices, read_missing, stored_event
from aggregator.store.telemetry import Measured
from trust.telemetry import Telemetry

SHOWN_EVENTS = 60
SHOWN_COMMANDS = 20
SHOWN_BUNDLES = 5
TELEMETRY_NS = 48 * 3600 * 1_000_000_000
MOST_POINTS = 2_000


class DeviceStory(msgspec.Struct, frozen=True):
    """One device; events: of all kinds but telemetry, newest first. points: (at_ns, telemetry), oldest first.

    latest: what it measured last, None before the first.
    """

    device: FleetDevice
    held: Device
    missing: tuple[Missing, ...]
    events: tuple[StoredEvent, ...]
    commands: tuple[Command, ...]
    bundles: tuple[Bundle, ...]
    points: tuple[tuple[int, Telemetry], ...]
    latest: Measured | None


def read(db: Database, device_id: str, now_ns: int, connected: Collection[str]) -> DeviceStory | None:
    """Return what is held of a device, None of one that never reported."""
    found = fleet_devices.read(db, (device_id,), now_ns, connected)
    if not found:
        return None
    (held,) = read_devices(db, (device_id,))
    points = telemetry.read(db, device_id, now_ns - TELEMETRY_NS, MOST_POINTS)
    return DeviceStory(
        found[0],
        held,
        read_missing(db, device_id),
        _events(db, device_id),
        commands.read(db, device_id, SHOWN_COMMANDS),
        diagnostics.read(db, device_id, b"", SHOWN_BUNDLES),
        tuple((at_ns, measured) for at_ns, _, measured in points),
        next(iter(telemetry.latest(db, (device_id,))), None),
    )


def _events(db: Database, device_id: str) -> tuple[StoredEvent, ...]:
    """Return the latest events by number in each outbox: by arrival they are among those of all devices."""
    outboxes = db.execute(
        "SELECT outbox FROM outboxes WHERE device_id = ? ORDER BY outbox DESC", (device_id,)
    ).fetchall()
    found: list[StoredEvent] = []
    for (outbox,) in outboxes:
        rows = db.execute(
            f"""SELECT {", ".join(COLUMNS)} FROM events JOIN outboxes USING (outbox)
                WHERE outbox = ? AND kind <> 'telemetry' ORDER BY seq DESC LIMIT ?""",  # noqa: S608
            (outbox, SHOWN_EVENTS - len(found)),
        )
        found += map(stored_event, rows)
        if len(found) >= SHOWN_EVENTS:
            break
    return tuple(found)
