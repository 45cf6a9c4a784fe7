"""The bytes that a site may take in a day, by the site's own clock."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trust.state import ServiceWindow

SECOND_NS = 1_000_000_000


def day_of(window: ServiceWindow | None, now_ns: int) -> tuple[str, int]:
    """Return the day there as 2026-01-31, and in how many seconds the next begins; UTC without a window."""
    try:
        zone = UTC if window is None else ZoneInfo(window.time_zone)
    except ZoneInfoNotFoundError:  # this machine's time zones are older than the desk's that set it
        zone = UTC
    here = datetime.fromtimestamp(now_ns / SECOND_NS, zone)
    begins = datetime.combine(here.date() + timedelta(days=1), time(), zone)
    return here.date().isoformat(), max(1, round((begins - here.astimezone(UTC)).total_seconds()))
