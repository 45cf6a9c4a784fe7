"""Hears the custodian's newest roster from the aggregator, or hands it in where that has gone back."""

from __future__ import annotations

import structlog

from firmware.gallery.keyring import checked_roster, former_roster
from firmware.gallery.values import Held
from firmware.uplink.gallery_calls import Beginning, GalleryCalls
from firmware.uplink.gallery_exchange import Exchange
from trust.gallery.errors import RosterRefused
from trust.gallery.roster import Roster


class Rosters:
    """The rosters of one round over one connection."""

    def __init__(self, exchange: Exchange, calls: GalleryCalls) -> None:
        self._with = exchange
        self._calls = calls
        self._handed_in = False

    async def handed_in(self, held: Held, edition: int) -> bool:
        """Hand in what is newer here than `edition`, as after a restored backup; returns whether anything is.

        Raises RosterRefused where the aggregator does not take it.
        """
        newer = [each for each in held.rosters.values() if each.edition > edition]
        if not newer or not edition:
            return False
        if self._handed_in:
            raise RosterRefused(f"the aggregator goes on with roster {edition}, and was handed a newer one")
        self._handed_in = True
        structlog.get_logger().warning("aggregator went back", roster=edition)
        for roster in sorted(newer, key=lambda each: each.edition):
            self._with.spend(await self._calls.hand_in_roster(roster))
        self._with.report("went back", f"the aggregator had lost the rosters after number {edition}")
        return True

    async def hear(self, held: Held, beginning: Beginning) -> None:
        """Take over a newer roster, if there is one. Raises RosterRefused."""
        if not beginning.roster:
            return
        settings, known = self._with.settings, held.roster
        newest = checked_roster(
            beginning.roster,
            custodian=settings.custodian,
            site=settings.site,
            purpose=settings.purpose.value,
            known=known,
        )
        rosters: dict[int, Roster] = {newest.epoch: newest}
        encoded = {newest.epoch: beginning.roster}
        for data in beginning.former_rosters:
            former = former_roster(data, newest)
            # A key that was dropped here stays dropped: a former member's changes under it count no more.
            if (known.epoch if known else 0) < former.epoch < newest.epoch:
                rosters[former.epoch], encoded[former.epoch] = former, data
        # Before it is kept: what does not open is refused.
        self._with.keyring.take({**held.rosters, **rosters})
        await self._with.in_store(lambda store: store.shared.keep_rosters(encoded))
        if self._with.keyring.member(newest) is None:
            words = "the custodian has not admitted this appliance, or with a former card"
            self._with.report("membership", f"{words}: see `aidpost gallery card`")
        else:
            self._with.report("membership", None)
