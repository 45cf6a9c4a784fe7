"""Keeps the shared gallery the same at all appliances of a site: fetches, judges, takes over, hands in.

Erasures go first, both ways. What is fetched is staged in the store, so that a lost link costs the chunk
under way; it is judged as a whole and taken over in one transaction, or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from firmware.clock import Clock
from firmware.gallery import change_message
from firmware.gallery.judging import Judged, Judging, Making, wipe
from firmware.gallery.keyring import Keyring, checked_roster
from firmware.gallery.values import Delivered, Delivery, Held, Waiting, spent
from firmware.session.acquire import InThread
from firmware.session.matching import Matcher
from firmware.store.errors import StoreError
from firmware.store.reference import Reference
from firmware.store.store import Store
from firmware.store.thread import RunInStore
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Dialler
from firmware.uplink.errors import LinkLost, UplinkError
from firmware.uplink.gallery_calls import Asking, Beginning, Chunk, GalleryCalls, NoGallery, connected
from trust.consent import Purpose
from trust.gallery.change import Change, Kind
from trust.gallery.errors import ChangeRefused, GalleryError
from trust.gallery.opening import ApplianceKeys
from trust.gallery.roster import Roster

PUSHED_AT_ONCE = 100
MOST_HANDED_BACK = 500
ROUNDS = 8  # of fetching and handing in, while several appliances are at it
Report = Callable[[str, str | None], None]


@dataclass(frozen=True, slots=True)
class SharedSettings:
    """custodian: words, from the configuration. card: this appliance's, as it is handed in.

    daily_bytes: the most that a day's syncing takes; erasures go beyond it.
    """

    device_id: str
    site: str
    purpose: Purpose
    custodian: str
    card: bytes
    period_s: float = 900.0
    daily_bytes: int = 20_000_000


@dataclass(frozen=True, slots=True)
class Synced:
    """What one exchange did; size_bytes: of all messages. held_back: the day's bytes are used up."""

    added: int = 0
    removed: int = 0
    pushed: int = 0
    size_bytes: int = 0
    held_back: bool = False


class GallerySync:
    """The supervisor. `run` is a task of the composition root; all calls in one event loop.

    report: told of what staff must know, by kind, with None once it is over. in_background: runs what takes
    time, signatures above all, outside the event loop.
    """

    def __init__(
        self,
        settings: SharedSettings,
        dialler: Dialler,
        in_store: RunInStore,
        in_inference: InThread,
        matcher: Matcher,
        keys: ApplianceKeys,
        clock: Clock,
        backoff: Backoff,
        *,
        report: Report,
        in_background: InThread = asyncio.to_thread,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._dialler = dialler
        self._in_store = in_store
        self._in_inference = in_inference
        self._matcher = matcher
        self._keys = keys
        self._clock = clock
        self._backoff = backoff
        self._report = report
        self._in_background = in_background
        self._sleep = sleep
        self._keyring = Keyring(keys, settings.device_id)
        self._judging = Judging(self._keyring, settings.site, settings.purpose, matcher.can_compare)
        self._news = asyncio.Event()
        self._alone = asyncio.Lock()
        self._card_published = False
        self._done = Synced()
        self._unspent = 0

    def notify(self) -> None:
        """Something was registered or erased here."""
        self._news.set()

    async def run(self) -> None:
        """Exchange at once, after each change here, and every period; for ever."""
        log = structlog.get_logger()
        try:
            while True:
                self._news.clear()
                try:
                    done = await self.once()
                except NoGallery as fault:
                    log.info("no gallery to share", reason=str(fault))
                    await self._wait(self._settings.period_s)
                    continue
                except (UplinkError, StoreError) as fault:
                    log.warning("gallery not synchronised", kind=type(fault).__name__, reason=str(fault))
                    told_s = fault.retry_after_s if isinstance(fault, LinkLost) else None
                    await self._sleep(self._backoff.next_s(told_s))
                    continue
                self._backoff.reset()
                if done.added or done.removed or done.pushed:
                    log.info("gallery synchronised", added=done.added, removed=done.removed, told=done.pushed)
                await self._wait(self._settings.period_s)
        finally:
            self._keyring.close()

    async def once(self) -> Synced:
        """Fetch and hand in until there is nothing left. Raises UplinkError and StoreError.

        What is refused is reported, not raised: the gallery goes on as it was.
        """
        async with self._alone, connected(self._dialler) as calls:
            self._done = Synced()
            if not self._card_published:
                await calls.publish_card(self._settings.card)
                self._card_published = True
            try:
                for _ in range(ROUNDS):
                    fetched = await self._fetch(calls)
                    if not fetched or not await self._hand_in(calls):
                        break
            except GalleryError as refused:
                self._report("refused", str(refused))
                structlog.get_logger().error(
                    "gallery refused", kind=type(refused).__name__, reason=str(refused)
                )
            else:
                self._report("refused", None)
            return self._done

    async def _wait(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            pass

    # Fetching

    async def _fetch(self, calls: GalleryCalls) -> bool:
        """Fetch and take over; returns whether this appliance then holds all that there is."""
        held = await self._in_store(lambda store: store.shared.held())
        self._keyring.take(held.rosters)
        kind = held.delivery.kind if held.delivery else Delivered.LOG
        for wanted in (kind, Delivered.REPAIR, Delivered.SNAPSHOT):
            delivery = await self._receive(calls, held, wanted)
            held = await self._in_store(lambda store: store.shared.held())
            if delivery is None:
                continue  # the log is another one than was known
            if self._done.held_back:
                return False
            judged = await self._judged(held, delivery)
            if judged.root_differs:
                wipe(judged.opened.values())
                structlog.get_logger().warning("gallery differs", kind=delivery.kind.value)
                await self._in_store(lambda store: store.shared.drop_delivery())
                continue
            await self._take_over(judged, delivery)
            return True
        raise ChangeRefused(
            "the gallery that the aggregator sends is not the one that it says it has, not even as a whole"
        )

    async def _receive(self, calls: GalleryCalls, held: Held, wanted: Delivered) -> Delivery | None:
        """Stage what follows; returns what it is, or None where it has to be asked for otherwise."""
        asking = await self._asking(held, wanted)
        delivery: Delivery | None = None
        async for part in calls.sync(asking):
            self._spend(part.size_bytes)
            match part:
                case Beginning():
                    await self._hear_rosters(held, part)
                    held = await self._in_store(lambda store: store.shared.held())
                    if part.kind is None or await self._handed_back(calls, held, part.version, part.heads):
                        await self._in_store(lambda store: store.shared.drop_delivery())
                        return None
                    delivery = Delivery(
                        part.kind, part.version, part.root, asking.erasures_received, asking.changes_received
                    )
                    await self._in_store(partial(_begin, delivery))
                    self._done = replace(self._done, held_back=not part.complete)
                case Chunk():
                    if delivery is None:
                        raise AssertionError("chunks come after a beginning")
                    delivery = await self._stage(held, delivery, part)
        return delivery

    async def _asking(self, held: Held, wanted: Delivered) -> Asking:
        settings, roster, under_way = self._settings, held.roster, held.delivery
        resumed = under_way if under_way is not None and under_way.kind is wanted else None
        buckets = b""
        if wanted is Delivered.REPAIR:
            buckets = b"".join(await self._in_store(lambda store: store.shared.buckets()))
        return Asking(
            settings.purpose.value,
            settings.custodian,
            roster.edition if roster else 0,
            held.version,
            held.link,
            resumed.erasures if resumed else 0,
            resumed.changes if resumed else 0,
            buckets,
            wanted is Delivered.SNAPSHOT,
            max(1, settings.daily_bytes - await self._spent()),
        )

    async def _hear_rosters(self, held: Held, beginning: Beginning) -> None:
        if not beginning.roster:
            return
        settings, known = self._settings, held.roster
        check = partial(
            checked_roster,
            custodian=settings.custodian,
            site=settings.site,
            purpose=settings.purpose.value,
        )
        newest = check(beginning.roster, gallery_id=held.gallery_id, edition=known.edition if known else 0)
        if known is not None and newest.epoch < known.epoch:
            raise ChangeRefused("the roster goes back to a former key")
        rosters: dict[int, Roster] = {newest.epoch: newest}
        encoded = {newest.epoch: beginning.roster}
        for data in beginning.former_rosters:
            former = check(data, gallery_id=newest.gallery_id, edition=0)
            if former.epoch < newest.epoch and former.epoch not in held.rosters:
                rosters[former.epoch], encoded[former.epoch] = former, data
        self._keyring.take({**held.rosters, **rosters})  # before it is kept: what does not open is refused
        await self._in_store(lambda store: store.shared.keep_rosters(encoded))
        if self._keyring.member(newest) is None:
            words = "the custodian has not admitted this appliance, or with a former card"
            self._report("membership", f"{words}: see `aidpost gallery card`")
        else:
            self._report("membership", None)

    async def _handed_back(
        self, calls: GalleryCalls, held: Held, version: int, heads: Mapping[int, int]
    ) -> bool:
        """Hand in what the aggregator has lost, as after a restored backup; returns whether it lost any."""
        if all(heads.get(author, 0) >= head.seq for author, head in held.heads.items()):
            return False
        changes = await self._in_store(lambda store: store.shared.beyond(heads))
        structlog.get_logger().warning("aggregator went back", changes=len(changes))
        self._report("went back", f"the aggregator had lost {len(changes)} changes of the gallery")
        if len(changes) > MOST_HANDED_BACK:
            raise ChangeRefused(
                f"the aggregator has lost {len(changes)} changes of the gallery, more than can be handed in "
                "again: restore a newer backup of its store"
            )
        taken, size_bytes = await calls.push(held.gallery_id, version, changes)
        self._spend(size_bytes)
        if taken is None:
            raise LinkLost("the gallery went on meanwhile: it is fetched again later")
        return True

    async def _stage(self, held: Held, delivery: Delivery, chunk: Chunk) -> Delivery:
        rows: list[tuple[int, bool, bytes]] = []
        for place, message in chunk.changes:
            change = change_message.from_message(held.gallery_id, message)
            erases = change.kind is Kind.ERASE
            if erases:
                await self._erase_at_once(held, change)
                delivery = _replaced(delivery, erasures=place)
            else:
                delivery = _replaced(delivery, erasures=delivery.version, changes=place)
            rows.append((place, erases, message.SerializeToString()))
        staged = delivery
        await self._in_store(lambda store: store.shared.stage(staged, rows))
        return delivery

    async def _erase_at_once(self, held: Held, change: Change) -> None:
        """Carry out an erasure before anything else has come: who signed it may, and it is never undone."""
        roster = held.rosters.get(change.epoch)
        member = roster.member(change.author) if roster else None
        if member is None or not change.is_by(member.author_key):
            raise ChangeRefused("an erasure is of no member of this gallery: it was forged or altered")
        await self._in_inference(partial(self._matcher.remove, change.entry_id))
        moment = self._clock.now()
        if await self._in_store(lambda store: store.remove_reference(moment, change.entry_id)):
            self._done = replace(self._done, removed=self._done.removed + 1)

    async def _judged(self, held: Held, delivery: Delivery) -> Judged:
        staged = await self._in_store(lambda store: store.shared.staged())
        try:
            return await self._in_background(partial(self._judging.judge, held, delivery, staged))
        except GalleryError:
            await self._in_store(lambda store: store.shared.drop_delivery())
            raise

    async def _take_over(self, judged: Judged, delivery: Delivery) -> None:
        moment = self._clock.now()
        try:
            added, removed = await self._in_store(
                lambda store: store.shared.apply(
                    moment, judged.taken, judged.opened, delivery.version, judged.link
                )
            )
            for entry_id in removed:
                await self._in_inference(partial(self._matcher.remove, entry_id))
            await self._in_inference(partial(_take_up, self._matcher, added))
        finally:
            wipe(judged.opened.values())
        await self._in_store(lambda store: store.shared.drop_former())
        self._done = replace(self._done, added=self._done.added + len(added))
        self._report_unopened(judged)

    def _report_unopened(self, judged: Judged) -> None:
        if judged.unopened:
            self._report(
                "unopened",
                f"{judged.unopened} entries of the gallery cannot be used here: they are sealed under a key "
                "from before this appliance was a member, or were made by other models",
            )
        if judged.withheld:
            self._report("withheld", "the aggregator keeps changes back that other appliances have seen")
        else:
            self._report("withheld", None)

    # Handing in

    async def _hand_in(self, calls: GalleryCalls) -> bool:
        """Hand in what waits; returns whether to fetch again."""
        held = await self._in_store(lambda store: store.shared.held())
        roster = held.roster
        self._keyring.take(held.rosters)
        member = self._keyring.member(roster) if roster is not None else None
        if roster is None or member is None:
            return False
        making = Making(roster, member, self._keyring, self._keys)
        while True:
            waiting = await self._waiting(roster, member.number)
            if not waiting:
                break
            references = await self._in_store(partial(_read, waiting))
            seen = await self._in_store(lambda store: store.shared.untold(member.number))
            head = held.heads.get(member.number)
            try:
                changes = await self._in_background(partial(making.changes, waiting, references, head, seen))
            finally:
                wipe(references.values())
            if not changes:
                break
            version, size_bytes = await calls.push(held.gallery_id, held.version, changes)
            self._spend(size_bytes)
            if version is None:
                return True
            await self._in_store(partial(_pushed, changes, version))
            self._done = replace(self._done, pushed=self._done.pushed + len(changes))
            held = await self._in_store(lambda store: store.shared.held())
        await self._in_store(lambda store: store.shared.drop_former())
        return False

    async def _waiting(self, roster: Roster, number: int) -> Waiting:
        members = [member.number for member in roster.members]
        waiting = await self._in_store(
            lambda store: store.shared.waiting(roster.epoch, number, members, PUSHED_AT_ONCE)
        )
        if await self._spent() >= self._settings.daily_bytes:
            self._done = replace(self._done, held_back=bool(waiting.new or waiting.former))
            return Waiting(waiting.erased, (), ())
        return waiting

    def _spend(self, size_bytes: int) -> None:
        self._unspent += size_bytes
        self._done = replace(self._done, size_bytes=self._done.size_bytes + size_bytes)

    async def _spent(self) -> int:
        """Write down what was spent since the last time; returns the bytes of the day."""
        now, size_bytes, self._unspent = self._clock.now(), self._unspent, 0
        counted = await self._in_store(
            lambda store: store.shared.spend(lambda before: spent(before, now, size_bytes))
        )
        return counted.bytes


def _begin(delivery: Delivery, store: Store) -> None:
    store.shared.begin(delivery)


def _pushed(changes: Sequence[Change], version: int, store: Store) -> None:
    store.shared.pushed(changes, version)


def _read(waiting: Waiting, store: Store) -> dict[bytes, Reference]:
    wanted = [*waiting.new, *(entry_id for entry_id, _ in waiting.former)]
    found = [(entry_id, store.shared.reference(entry_id)) for entry_id in wanted]
    return {entry_id: reference for entry_id, reference in found if reference is not None}


def _take_up(matcher: Matcher, references: Sequence[Reference]) -> None:
    for reference in references:
        matcher.take_up(reference)


def _replaced(delivery: Delivery, *, erasures: int, changes: int | None = None) -> Delivery:
    return Delivery(
        delivery.kind,
        delivery.version,
        delivery.root,
        erasures,
        delivery.changes if changes is None else changes,
    )
