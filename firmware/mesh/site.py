"""Whom to ask about a household, and what to do when nobody answers: the workflow's `Ownership`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog

from firmware.clock import Clock, random_id
from firmware.mesh.book import InBook, SiteCycle
from firmware.mesh.codec import MAX_GIVEN, ListId
from firmware.mesh.ledger import Answer, Claim, Collected, Collection, Free, Taken
from firmware.mesh.neighbour import ANSWER_S, Other
from firmware.records import Moment
from firmware.store.errors import StoreError
from firmware.workflow.outcomes import (
    AlreadyGiven,
    ClaimedElsewhere,
    Granted,
    Networks,
    OwnerSilent,
    Standing,
)

SECOND_NS = 1_000_000_000
MARGIN_S = 2.0
"""How much longer than the desk believes in it the owner holds a claim: for the drift of two clocks, and for
the moments between the answer and the screen."""
AGAIN_S = 30.0  # what could not be told is tried again by the clock too, should a change have been missed


@dataclass(frozen=True, slots=True)
class _OwnClaim:
    """This desk's claim on a household, and who may hold it; its id stays the same when it is renewed."""

    claim_id: bytes
    asked: set[str]


class NoList(Exception):
    """No distribution is loaded: there are no households to ask about."""


class Site:
    """This appliance among those of its site. neighbours: by device id, those whose address is known.

    The device that answers for a household is the first in the order of its ranking that can be reached. When
    that is not its owner, the answer is `OwnerSilent`: the desk may go on inside the loss cap. What stands in
    for the owner still keeps those who can reach it from serving one household twice.
    """

    def __init__(
        self,
        device_id: str,
        in_book: InBook,
        clock: Clock,
        neighbours: Mapping[str, Other],
        *,
        answer_s: float = ANSWER_S,
        uplink_connected: Callable[[], bool] = lambda: False,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._device_id = device_id
        self._in_book = in_book
        self._clock = clock
        self._neighbours = neighbours
        self._answer_s = answer_s
        self._uplink_connected = uplink_connected
        self._on_change = on_change
        self._cycle: SiteCycle | None = None
        self._worst_case = 0
        self._claims: dict[bytes, _OwnClaim] = {}  # by household
        self._wake = asyncio.Event()
        self._telling = asyncio.Lock()
        self._log = structlog.get_logger()

    @property
    def cycle(self) -> SiteCycle | None:
        """The list that is loaded, as far as the site shares it."""
        return self._cycle

    async def take_up(self) -> None:
        """Look at which list is loaded; call it at the start and after each change of the list."""
        self._cycle = await self._in_book(lambda book: book.site_cycle())
        self._claims.clear()
        for neighbour in self._neighbours.values():
            neighbour.ask_anew()
        if self._cycle is not None:
            strangers = set(self._cycle.roster) - {self._device_id, *self._neighbours}
            if strangers:
                self._log.warning("neighbours_without_address", devices=sorted(strangers))
        await self._count()
        self._wake.set()

    # Ownership

    async def claim(self, household: str, for_s: float) -> Standing:
        """Claim a household for this desk, or renew its claim. Raises NoList and StoreError."""
        cycle, digest = self._of(household)
        own = self._claims.setdefault(digest, _OwnClaim(random_id(), set()))
        asked = Claim(own.claim_id, self._device_id, int((for_s + MARGIN_S) * SECOND_NS))
        order = cycle.ranking(digest) or (self._device_id,)
        # What is known here goes before what others say: the owner may not have been told of it yet.
        known = await self._in_book(lambda book: book.known(digest))
        if known is not None:
            return _already(known, self._clock.now())
        for device in order:
            answer = await self._ask(cycle, device, digest, asked)
            match answer:
                case None:
                    own.asked.add(device)  # it may have heard, and its answer came too late
                case Collected(there):
                    return _already(there, self._clock.now())
                case Taken(desk, left_ns):
                    return ClaimedElsewhere(left_ns / SECOND_NS, desk)
                case Free():
                    own.asked.add(device)
                    return Granted() if device == order[0] else OwnerSilent(order[0])
        return OwnerSilent(order[0])  # this device is not on the roster

    async def given(self, household: str) -> None:
        """Tell those who must know what the store has just committed; what they do not hear is told later."""
        _, digest = self._of(household)
        self._claims.pop(digest, None)
        await self._count()
        self._wake.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._answer_s):
                await self._tell_all()

    async def release(self, household: str) -> None:
        """Give the claim back: nothing was handed over."""
        cycle, digest = self._of(household)
        own = self._claims.pop(digest, None)
        if own is None:
            return
        await self._in_book(lambda book: book.release(digest, own.claim_id))
        for device in own.asked:
            neighbour = self._neighbours.get(device)
            if neighbour is not None:
                await neighbour.release(_id_of(cycle), digest, own.claim_id)

    def connected(self) -> Networks:
        """Return what can be reached now."""
        roster = set(self._cycle.roster) - {self._device_id} if self._cycle else set()
        return Networks(self._uplink_connected(), roster <= self.reached, self._worst_case)

    @property
    def reached(self) -> set[str]:
        """The neighbours that are connected and serve the same list."""
        return {device for device, neighbour in self._neighbours.items() if neighbour.connected}

    # What others must be told

    def changed(self) -> None:
        """Hear that a neighbour came or went, or that the ledger changed."""
        self._wake.set()
        self._on_change()

    async def run(self) -> None:
        """Tell what could not be told before, whenever a neighbour comes; a task of the composition root."""
        while True:
            self._wake.clear()
            try:
                await self._tell_all()
            except StoreError as error:
                self._log.warning("neighbours_not_told", kind=type(error).__name__, reason=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await self._wake.wait()

    async def _tell_all(self) -> None:
        cycle = self._cycle
        if cycle is None:
            return
        async with self._telling:
            for device in cycle.roster:
                neighbour = self._neighbours.get(device)
                if neighbour is not None and neighbour.reachable:
                    await self._tell(cycle, neighbour)
            await self._count()

    async def _tell(self, cycle: SiteCycle, neighbour: Other) -> None:
        device = neighbour.device
        more = True
        while more:
            waiting = await self._in_book(lambda book: book.waiting(device, MAX_GIVEN))
            more = len(waiting) == MAX_GIVEN
            if not waiting and neighbour.connected:
                return
            if not await neighbour.report(_id_of(cycle), waiting):
                return
            await self._told(device, [each.record_id for each in waiting])

    async def _told(self, device: str, record_ids: list[bytes]) -> None:
        await self._in_book(lambda book: book.told(device, record_ids))

    async def _count(self) -> None:
        before, self._worst_case = self._worst_case, await self._in_book(lambda book: book.unconfirmed())
        if self._worst_case != before:
            self._on_change()

    async def _ask(self, cycle: SiteCycle, device: str, digest: bytes, asked: Claim) -> Answer | None:
        if device == self._device_id:
            now = self._clock.now()
            return await self._in_book(lambda book: book.claim(digest, asked, now))
        neighbour = self._neighbours.get(device)
        return None if neighbour is None else await neighbour.claim(_id_of(cycle), digest, asked)

    def _of(self, household: str) -> tuple[SiteCycle, bytes]:
        if self._cycle is None:
            raise NoList("no distribution list is loaded: load one before anybody is served")
        return self._cycle, self._cycle.household(household)


def _already(collection: Collection, now: Moment) -> AlreadyGiven:
    then = collection.moment
    at_ns = then.wall_ns if then.quality.is_set else None
    ago_s = (now.monotonic_ns - then.monotonic_ns) / 1e9 if then.boot_id == now.boot_id else None
    return AlreadyGiven(at_ns, collection.device, ago_s)


def _id_of(cycle: SiteCycle) -> ListId:
    return ListId(cycle.cycle, cycle.digest)
