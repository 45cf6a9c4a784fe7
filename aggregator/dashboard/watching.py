"""What each page about the whole fleet rests on: every device in a few words.

Of a small fleet it is put together for each page anew. Of 10,000 devices that takes 0.4 s, so it is done in a
thread of its own every half a minute, and only pages before the first time wait for it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from aggregator.fleet.filters import parse
from aggregator.fleet.terms import Facts, Health, Site
from aggregator.store import fleet_devices, fleet_inventory
from aggregator.store.errors import StoreError
from aggregator.store.view import StoreView

RENEW_S = 30.0
FEW_DEVICES = 1000
"""A picture of no more is not kept: it takes 0.04 s, and a page shows what is there now."""
WORST_FIRST = (Health.FAILING, Health.SILENT, Health.WARNING, Health.BARRED, Health.WELL)
_ORDER = {health: number for number, health in enumerate(WORST_FIRST)}


class SiteState(msgspec.Struct, frozen=True):
    """One site and how many of its devices are how."""

    site: Site
    health: dict[Health, int]

    @property
    def worst(self) -> Health:
        """Return the word that wants looking at first; of a site without devices, that it is well."""
        return next((health for health in WORST_FIRST if self.health.get(health)), Health.WELL)


class Fleet(msgspec.Struct, frozen=True):
    """The whole fleet as it was at `made_ns`: devices and sites, those that want looking at first."""

    made_ns: int
    devices: tuple[Facts, ...]
    sites: tuple[SiteState, ...]
    health: dict[Health, int]

    def matching(self, text: str) -> tuple[str, ...]:
        """Return the devices that a filter matches, in order; raises FilterRefused."""
        wanted = parse(text)
        return tuple(each.device_id for each in self.devices if wanted.holds(each))


class Watching:
    """Keeps the newest picture of a large fleet while `keep` runs."""

    def __init__(
        self,
        view: StoreView,
        connected: Callable[[], frozenset[str]],
        wall_ns: Callable[[], int],
    ) -> None:
        self._view = view
        self._connected = connected
        self._wall_ns = wall_ns
        self._kept: Fleet | None = None

    async def keep(self) -> None:
        """Renew the picture until cancelled; where the store cannot be read, pages say so themselves."""
        try:
            while True:
                try:
                    made = await self._made()
                except StoreError:
                    self._kept = None
                else:
                    # By its size, not by the time it took: a busy machine is slow with a few devices too.
                    self._kept = made if len(made.devices) > FEW_DEVICES else None
                await asyncio.sleep(RENEW_S)
        finally:
            self._kept = None

    async def fleet(self) -> Fleet:
        """Return the fleet, at most RENEW_S old. Raises StoreError."""
        return self._kept or await self._made()

    async def _made(self) -> Fleet:
        now_ns, connected = self._wall_ns(), self._connected()
        devices = await self._view.read(lambda db: fleet_devices.facts(db, now_ns, connected))
        sites = await self._view.read(fleet_inventory.read_sites)
        return make_fleet(devices, sites, now_ns)


def make_fleet(devices: Iterable[Facts], sites: Iterable[Site], now_ns: int) -> Fleet:
    """Put the picture together."""
    ordered = tuple(sorted(devices, key=lambda each: (_ORDER[each.health], each.device_id)))
    counted: dict[str, Counter[Health]] = {}
    for each in ordered:
        counted.setdefault(each.site, Counter())[each.health] += 1
    states = [SiteState(site, dict(counted.get(site.name, {}))) for site in sites]
    states.sort(key=lambda each: (_ORDER[each.worst], -each.health.get(each.worst, 0), each.site.name))
    return Fleet(now_ns, ordered, tuple(states), dict(Counter(each.health for each in ordered)))
