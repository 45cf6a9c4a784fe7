"""Choosing devices by a filter."""

from __future__ import annotations

from aggregator.fleet.filters import FilterRefused
from aggregator.link.fleet.calls import FleetCalls
from aggregator.link.presence import Presence
from aggregator.link.refusing import bad_field
from aggregator.store import fleet_devices


async def chosen(calls: FleetCalls, presence: Presence, text: str) -> tuple[str, ...]:
    """Return the devices that a filter matches, by identifier; raises Refused."""
    now_ns, connected = calls.wall_ns(), presence.connected()
    try:
        return await calls.read(lambda db: fleet_devices.matching(db, text, now_ns, connected))
    except FilterRefused as refused:
        raise bad_field("filter", str(refused)) from refused
