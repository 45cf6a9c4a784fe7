"""The page that says which sequence numbers of which device are not held."""

from __future__ import annotations

import msgspec

from aggregator.dashboard.views import Link, Stamp, ago, iso, link_of, ranges_text, utc
from aggregator.holdings import MAX_MISSING_RANGES, Missing

SHOWN_EPOCH_CHARACTERS = 8


class MissingRow(msgspec.Struct, frozen=True):
    """One outbox that lacks something; cut: there are more ranges than are shown."""

    device_id: str
    site: str
    link: Link
    last_seen: Stamp
    epoch: str
    held: int
    told_seq: int
    count: int
    numbers: str
    cut: bool


class MissingPage(msgspec.Struct, frozen=True):
    """Everything that the page shows."""

    now: Stamp
    rows: tuple[MissingRow, ...]


def make_missing_page(missing: tuple[Missing, ...], connected: frozenset[str], now_ns: int) -> MissingPage:
    """Return the page for what is held now."""
    now = utc(now_ns)

    def row(each: Missing) -> MissingRow:
        seen = utc(each.last_seen_ns)
        return MissingRow(
            device_id=each.device_id,
            site=each.site,
            link=link_of(each.device_id in connected, each.barred),
            last_seen=Stamp(ago((now - seen).total_seconds()), iso(seen)),
            epoch=each.epoch.hex()[:SHOWN_EPOCH_CHARACTERS],
            held=each.held,
            told_seq=each.told_seq,
            count=each.count,
            numbers=ranges_text(each.ranges),
            cut=len(each.ranges) == MAX_MISSING_RANGES,
        )

    return MissingPage(Stamp(f"{now:%H:%M:%S}", iso(now)), tuple(map(row, missing)))
