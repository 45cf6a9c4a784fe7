"""Fetches what other appliances changed in the gallery, and takes it over as a whole or not at all.

Erasures come first, and are carried out as they come. Everything else is staged in the store, so that a lost
link costs the chunk under way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import structlog

from firmware.gallery.judging import Judged, wipe
from firmware.gallery.resembling import Alike
from firmware.gallery.values import DAY_NS, SILENT_AFTER_NS, Delivered, Delivery, Held
from firmware.records import Moment, Resemblance
from firmware.store.reference import Reference
from firmware.store.store import Store
from firmware.uplink.errors import LinkLost
from firmware.uplink.gallery_calls import Asking, Beginning, Chunk, GalleryCalls
from firmware.uplink.gallery_exchange import Exchange
from firmware.uplink.gallery_hand_in import untold_erasures
from firmware.uplink.gallery_rosters import Rosters
from firmware.uplink.gallery_staging import Staging
from trust.gallery.errors import ChangeRefused, GalleryError

MOST_HANDED_BACK = 500
MOST_COMPARED = 200  # a search takes some milliseconds; a newcomer's thousands were compared elsewhere


class Fetching:
    """One round of fetching over one connection."""

    def __init__(self, exchange: Exchange, calls: GalleryCalls) -> None:
        self._with = exchange
        self._calls = calls
        self._rosters = Rosters(exchange, calls)

    async def run(self) -> bool:
        """Fetch and take over; returns whether this appliance then holds all that there is."""
        held = await self._with.in_store(lambda store: store.shared.held())
        self._with.keyring.take(held.rosters)
        kind = held.delivery.kind if held.delivery else Delivered.LOG
        for wanted in (kind, Delivered.REPAIR, Delivered.SNAPSHOT):
            delivery = await self._receive(held, wanted)
            held = await self._with.in_store(lambda store: store.shared.held())
            if delivery is None:
                continue  # the log is another one than was known
            if self._with.done.held_back:
                return False
            judged = await self._judged(held, delivery)
            if judged.root_differs:
                wipe(judged.opened.values())
                structlog.get_logger().warning("gallery differs", kind=delivery.kind.value)
                await self._with.in_store(lambda store: store.shared.drop_delivery())
                continue
            await self._take_over(judged, delivery)
            return True
        raise ChangeRefused(
            "the gallery that the aggregator sends is not the one that it says it has, not even as a whole"
        )

    async def _receive(self, held: Held, wanted: Delivered) -> Delivery | None:
        """Stage what follows; returns what it is, or None where it has to be asked for otherwise."""
        asking = await self._asking(held, wanted)
        staging: Staging | None = None
        complete = True
        async for part in self._calls.sync(asking):
            self._with.spend(part.size_bytes)
            match part:
                case Beginning():
                    if part.kind not in (asked := _answers(held, wanted)):
                        raise ChangeRefused(
                            f"the aggregator answers with another kind of delivery than "
                            f"{' or '.join(each.value for each in asked if each)}, which was asked for"
                        )
                    if await self._rosters.handed_in(held, part.edition):
                        return await self._receive(held, wanted)
                    await self._rosters.hear(held, part)
                    await self._hear_decisions(part)
                    held = await self._with.in_store(lambda store: store.shared.held())
                    if part.kind is None or await self._handed_back(held, part.version, part.heads):
                        await self._with.in_store(lambda store: store.shared.drop_delivery())
                        return None
                    delivery = Delivery(
                        part.kind, part.version, part.root, asking.erasures_received, asking.changes_received
                    )
                    await self._with.in_store(partial(_begin, delivery))
                    staging = Staging(self._with, held, delivery, asking.max_bytes)
                    complete = part.complete
                case Chunk():
                    if staging is None:
                        raise AssertionError("chunks come after a beginning")
                    await staging.take(part)
        if staging is None:
            return None
        staging.finish(complete=complete)
        self._with.note(held_back=not complete)
        return staging.delivery

    async def _asking(self, held: Held, wanted: Delivered) -> Asking:
        settings, roster, under_way = self._with.settings, held.roster, held.delivery
        resumed = under_way if under_way is not None and under_way.kind is wanted else None
        buckets = b""
        if wanted is Delivered.REPAIR:
            buckets = b"".join(await self._with.in_store(lambda store: store.shared.buckets()))
        return Asking(
            settings.purpose.value,
            settings.custodian,
            roster.edition if roster else 0,
            roster.digest if roster else b"",
            held.version,
            held.link,
            resumed.erasures if resumed else 0,
            resumed.changes if resumed else 0,
            buckets,
            wanted is Delivered.SNAPSHOT,
            await self._limit_bytes(),
            await self._with.in_store(lambda store: store.adjudged.number()),
            0 if settings.lease is None else -(-settings.lease.uptime_ns // 1_000_000_000),
            0 if settings.lease is None else min(settings.lease.boots, 2**32 - 1),
            () if wanted is Delivered.LOG else tuple((each, head.seq) for each, head in held.heads.items()),
            () if wanted is Delivered.LOG else held.lacking,
        )

    async def _limit_bytes(self) -> int:
        """Return what is left of the day, 0 for no limit: an erasure of ours is told once all is fetched."""
        left = self._with.settings.daily_bytes - await self._with.spent()
        urgent = await self._with.in_store(lambda store: store.shared.has_erasure_to_tell())
        return 0 if urgent else max(1, left)

    async def _hear_decisions(self, beginning: Beginning) -> None:
        """Take over what two people decided of pairs of entries; it links them and changes neither."""
        moment, number, decided = self._with.clock.now(), beginning.decisions, beginning.decided
        await self._with.in_store(lambda store: store.adjudged.take(moment, number, decided))

    async def _handed_back(self, held: Held, version: int, heads: Mapping[int, int]) -> bool:
        """Hand in what the aggregator has lost, as after a restored backup; returns whether it lost any."""
        if all(heads.get(author, 0) >= head.seq for author, head in held.heads.items()):
            return False
        changes = await self._with.in_store(lambda store: store.shared.beyond(heads))
        structlog.get_logger().warning("aggregator went back", changes=len(changes))
        self._with.report("went back", f"the aggregator had lost {len(changes)} changes of the gallery")
        if len(changes) > MOST_HANDED_BACK:
            raise ChangeRefused(
                f"the aggregator has lost {len(changes)} changes of the gallery, more than can be handed in "
                "again: restore a newer backup of its store"
            )
        changes += await untold_erasures(self._with, held, changes)
        taken, size_bytes = await self._calls.push(held.gallery_id, version, changes)
        self._with.spend(size_bytes)
        if taken is None:
            raise LinkLost("the gallery went on meanwhile: it is fetched again later")
        return True

    async def _judged(self, held: Held, delivery: Delivery) -> Judged:
        staged = await self._with.in_store(lambda store: store.shared.staged())
        try:
            return await self._with.in_background(partial(self._with.judging.judge, held, delivery, staged))
        except GalleryError:
            await self._with.in_store(lambda store: store.shared.drop_delivery())
            raise

    async def _take_over(self, judged: Judged, delivery: Delivery) -> None:
        moment = self._with.clock.now()
        try:
            added, removed = await self._with.in_store(
                lambda store: store.shared.apply(
                    moment, judged.taken, judged.opened, delivery.version, judged.link
                )
            )
            for entry_id in removed:
                await self._with.in_inference(partial(self._with.matcher.remove, entry_id))
            compared = delivery.kind is Delivered.LOG and len(added) <= MOST_COMPARED
            alike = await self._with.in_inference(partial(self._taken_up, added, compared=compared))
        finally:
            wipe(judged.opened.values())
        await self._forget_what_was_erased_meanwhile(added)
        await self._with.in_store(partial(_note_alike, moment, alike))
        await self._with.in_store(lambda store: store.shared.drop_former())
        self._with.note(added=len(added))
        unopened = await self._with.in_store(lambda store: store.shared.unopened())
        self._report(judged, len(unopened))
        await self._report_silent(moment)

    def _taken_up(self, added: Sequence[Reference], *, compared: bool) -> list[tuple[Reference, Alike]]:
        """Take entries into memory; returns which resemble which entry, where that was asked for."""
        alike: list[tuple[Reference, Alike]] = []
        for reference in added:
            if compared:
                alike += [(reference, other) for other in self._with.resembling(reference)]
            self._with.matcher.take_up(reference)
        return alike

    async def _forget_what_was_erased_meanwhile(self, added: Sequence[Reference]) -> None:
        """Staff may have erased an entry between the commit and its coming into memory."""
        here = await self._with.in_store(lambda store: store.shared.all_ids())
        for reference in added:
            if reference.entry_id not in here:
                await self._with.in_inference(partial(self._with.matcher.remove, reference.entry_id))

    async def _report_silent(self, moment: Moment) -> None:
        held = await self._with.in_store(lambda store: store.shared.held())
        members = held.roster.members if held.roster is not None else ()
        others = {
            each.number: each.device_id for each in members if each.device_id != self._with.settings.device_id
        }
        silent = await self._with.in_store(lambda store: store.shared.silent(moment, others))
        if silent:
            names = ", ".join(others[number] for number in silent)
            self._with.report(
                "silent",
                f"nothing of {names} has come for {SILENT_AFTER_NS // DAY_NS} days: switched off, without a "
                "link, or kept back by the aggregator",
            )
        else:
            self._with.report("silent", None)

    def _report(self, judged: Judged, unopened: int) -> None:
        if unopened:
            self._with.report(
                "unopened",
                f"{unopened} entries of the gallery cannot be used here: they are sealed under a key "
                "from before this appliance was a member, were made by other models, or do not open: "
                "`aidpost gallery show` says which, and `aidpost erase --entry` withdraws one",
            )
        else:
            self._with.report("unopened", None)
        if judged.withheld:
            self._with.report("withheld", "the aggregator keeps changes back that other appliances have seen")
        else:
            self._with.report("withheld", None)


def _answers(held: Held, wanted: Delivered) -> tuple[Delivered | None, ...]:
    """Return what may answer; a repair that nobody asked for could leave out an erasure."""
    if wanted is not Delivered.LOG:
        return (wanted,)
    return (Delivered.LOG, None) if held.version else (Delivered.SNAPSHOT,)


def _begin(delivery: Delivery, store: Store) -> None:
    store.shared.begin(delivery)


def _note_alike(moment: Moment, alike: Sequence[tuple[Reference, Alike]], store: Store) -> None:
    """Leave to adjudicators whether people were registered twice: here by number, elsewhere by ids."""
    for reference, found in alike:
        other = store.shared.reference(found.entry_id)
        if other is not None:
            told = Resemblance(
                gallery_id=store.shared.gallery_id(),
                entry_id=reference.entry_id,
                resembles=found.entry_id,
                score_llr=found.score_llr,
                strength=found.strength.value,
            )
            store.work.note_resemblance(moment, reference.subject, [other.subject], told)
            wipe([other])
