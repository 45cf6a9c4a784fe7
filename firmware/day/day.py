"""The opening and the close of a day at one appliance: what the page and `aidpost day` both call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Protocol

import msgspec

from firmware.cards.making import desk_digit
from firmware.clock import Clock
from firmware.day.figures import Figures, figures
from firmware.day.known import known
from firmware.day.queue import Queue
from firmware.day.self_test import PartFinding, self_test
from firmware.records import DayClosed, ListErased, Moment
from firmware.store.errors import SessionUnderWay
from firmware.store.lists import LoadedList
from firmware.store.store import Store
from firmware.store.thread import RunInStore
from sensors.camera.port import Camera
from sensors.fingerprint.port import FingerprintReader
from sensors.worker import DeviceWorker
from trust.consent import Purpose
from trust.lists.terms import MAX_APPOINTMENTS
from trust.service import Basis, Workflow

SYNC_S = 60.0  # staff wait in front of the screen; what is left goes out by itself later


GRACE = timedelta(days=1)  # for a day that is closed the morning after


class Searched(Protocol):
    """The gallery that is searched (`firmware.session.matching.Matcher`)."""

    @property
    def size(self) -> int:
        """How many entries there are."""

    def expected_wrong_suggestions(self, size: int | None = None) -> dict[str, float | None]:
        """Return for each source alone how many of 100 strangers are expected to get a suggestion."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What staff should know before the first person.

    today, clock_checked: the appliance's date, and whether anything vouches for it. gallery: entries.
    searched: of those, whom a search goes over. one_wrong_per: for each source alone, of how many strangers
    one is expected to get a wrong suggestion; None where more evidence is asked for before anybody is
    suggested. list_advice: what is amiss with the list, in sentences. registration_stopped: why, or None.
    token_digit: with which a clinic's visit tokens begin here.
    """

    today: date
    clock_checked: bool
    parts: tuple[PartFinding, ...]
    gallery: int
    searched: int
    one_wrong_per: dict[str, int | None]
    loaded: LoadedList | None
    list_advice: tuple[str, ...]
    registration_stopped: str | None
    token_digit: int | None = None

    @property
    def ready(self) -> bool:
        """Whether nothing needs care; people can be served either way, by the card if need be."""
        return not (self.list_advice or self.registration_stopped) and all(
            part.well is not False for part in self.parts
        )


@dataclass(frozen=True, slots=True)
class Closing:
    """How the day ended. receipt: for the erased list, None where it stays. left: events that wait.

    stays_unchecked: the list stays, as nothing vouches for the clock, and nobody said that its cycle ended.
    """

    figures: Figures
    receipt: ListErased | None
    seal: bytes
    left: int
    stays_unchecked: bool = False


@dataclass(frozen=True, slots=True)
class ClosedBefore:
    """There was nothing to close: nothing was written. figures: of the day that was closed last, if any."""

    figures: Figures | None


@dataclass(frozen=True, slots=True)
class ToClose:
    """What a close comes to, before anybody says so.

    served: people who are counted. waiting: events that the aggregator does not hold yet.
    """

    loaded: LoadedList | None
    served: int
    waiting: int
    clock_checked: bool

    @property
    def asks_whether_it_goes_on(self) -> bool:
        """Whether a person has to say if this was the last day: of a distribution."""
        return self.loaded is not None and self.loaded.workflow is Workflow.DISTRIBUTION


class Day:
    """Opens, reports and closes; all methods raise StoreError.

    sync: returns when the aggregator holds everything, None without one. committed: tells the uplink.
    zone: in which days and hours are counted. dirty_platen: the reader showed something at the last opening,
    while nobody should touch it. queue: how many people wait, as staff said it.
    """

    def __init__(
        self,
        *,
        run_in_store: RunInStore,
        clock: Clock,
        matcher: Searched,
        reader: DeviceWorker[FingerprintReader] | None,
        camera: DeviceWorker[Camera] | None,
        committed: Callable[[], None],
        sync: Callable[[], Awaitable[None]] | None,
        zone: tzinfo | None = None,
    ) -> None:
        self._in_store = run_in_store
        self._clock = clock
        self._matcher = matcher
        self._reader = reader
        self._camera = camera
        self._committed = committed
        self._sync = sync
        self.dirty_platen = False
        self.queue = Queue(clock.now)
        self._zone = zone or datetime.now(UTC).astimezone().tzinfo or UTC

    async def open(self, operator: str = "") -> Opening:
        """Try the parts, begin the day, and say what to expect. Nobody may touch the reader meanwhile."""
        parts = await self_test(self._in_store, self._reader, self._camera)
        self.dirty_platen = any(part.dirty for part in parts)
        moment = self._clock.now()
        today = self._today(moment)

        def work(store: Store) -> tuple[LoadedList | None, int, str | None, int | None]:
            findings = [f"{part.part}: {part.advice}" for part in parts if part.well is False]
            store.day.open(moment, operator, findings, today if moment.quality.is_set else None)
            return (
                store.lists.loaded(),
                store.day.registered_on_list(),
                store.space.registration_stopped(moment),
                desk_digit(store.device_id) if store.purpose is Purpose.CLINIC_CHECK_IN else None,
            )

        loaded, on_list, stopped, token_digit = await self._in_store(work)
        clinic = loaded is not None and loaded.workflow is Workflow.CLINIC
        searched = on_list if clinic else self._matcher.size
        return Opening(
            today=today,
            clock_checked=moment.quality.is_set,
            parts=parts,
            gallery=self._matcher.size,
            searched=searched,
            one_wrong_per=one_wrong_per(self._matcher.expected_wrong_suggestions(searched)),
            loaded=loaded,
            list_advice=list_advice(loaded, today),
            registration_stopped=stopped,
            token_digit=token_digit,
        )

    async def report(self) -> Figures:
        """Return the figures so far; nothing is changed. With nothing to count, those of the closed day."""

        def work(store: Store) -> Figures:
            closed = _last(store) if store.day.is_closed() else None
            return closed or self._figures(store)

        return await self._in_store(work)

    async def last_report(self) -> Figures | None:
        """Return the figures of the day that was closed last, None where none was."""
        return await self._in_store(_last)

    async def to_close(self) -> ToClose:
        """Return what a close comes to now."""
        checked = self._clock.now().quality.is_set
        return await self._in_store(
            lambda store: ToClose(
                store.lists.loaded(), len(store.day.served()), store.counts().waiting, checked
            )
        )

    async def close(self, operator: str = "", *, ends_cycle: bool | None = None) -> Closing | ClosedBefore:
        """Sync, report, seal the ledger, erase the list with a receipt, and sync again.

        ends_cycle: whether this was the last day of a distribution's cycle; None: by the list and the date,
        where something vouches for the clock, else it goes on: a cycle that ended is not loaded again.
        Raises SessionUnderWay.
        """
        await self._synced()
        moment = self._clock.now()
        today = self._today(moment)

        def work(store: Store) -> Closing | ClosedBefore:
            if store.work.open_session() is not None:
                raise SessionUnderWay("a person is being served here: close the day after that")
            head = store.lists.loaded()
            unchecked, ends = False, True
            if head is not None and head.workflow is Workflow.DISTRIBUTION:
                unchecked = ends_cycle is None and not moment.quality.is_set
                ends = today >= head.last_day and not unchecked if ends_cycle is None else ends_cycle
            # Looked at where it is written: of two who close at once, one does.
            if store.day.is_closed() and (head is None or not ends):
                return ClosedBefore(_last(store))
            found = self._figures(store)
            seal = store.ledger.seal() if found.known.workflow is Workflow.DISTRIBUTION and head else b""
            receipt = store.day.close(
                moment, _closed(found, seal, operator), msgspec.msgpack.encode(found), ends_list=ends
            )
            return Closing(found, receipt, seal, 0, stays_unchecked=unchecked)

        closing = await self._in_store(work)
        if isinstance(closing, ClosedBefore):
            return closing
        self._committed()
        await self._synced()
        return replace(closing, left=(await self._in_store(Store.counts)).waiting)

    async def close_overdue(self) -> Closing | ClosedBefore | None:
        """Close a day that nobody closed, once its list ended a day ago by a clock that somebody checked.

        Nothing that has expired waits for a person (RESPONSIBLE_USE 20). Returns None where nothing is due.
        """
        moment = self._clock.now()
        head = await self._in_store(lambda store: store.lists.loaded())
        if head is None or not moment.quality.is_set or self._today(moment) <= head.last_day + GRACE:
            return None
        return await self.close(ends_cycle=True)

    def _figures(self, store: Store) -> Figures:
        return figures(store.day.served(), known(store), self._zone)

    def _today(self, moment: Moment) -> date:
        return datetime.fromtimestamp(moment.wall_ns / 1e9, self._zone).date()

    async def _synced(self) -> None:
        """Wait until everything is sent, for a bounded time; the report says what is left."""
        if self._sync is None:
            return
        try:
            async with asyncio.timeout(SYNC_S):
                await self._sync()
        except TimeoutError:
            pass


def _last(store: Store) -> Figures | None:
    found = store.day.last_figures()
    return msgspec.msgpack.decode(found, type=Figures) if found else None


def one_wrong_per(of_100: dict[str, float | None]) -> dict[str, int | None]:
    """Turn wrong suggestions of 100 strangers into "one per so many people"; None stays None."""
    # 0.00 of 100 is less than one of 20,000.
    return {
        source: None if rate is None else round(100 / max(rate, 0.005)) for source, rate in of_100.items()
    }


def list_advice(loaded: LoadedList | None, today: date) -> tuple[str, ...]:
    """Say what is amiss with the list for today."""
    if loaded is None:
        return ("No list is loaded: a supervisor loads it on the page of the day.",)
    advice = []
    if not loaded.first_day <= today <= loaded.last_day:
        until = "" if loaded.first_day == loaded.last_day else f" to {loaded.last_day}"
        advice.append(
            f"The list is for {loaded.first_day}{until}, and this appliance takes today for {today}: load "
            "today's list, or set the clock."
        )
    if loaded.workflow is Workflow.CLINIC and loaded.entries > MAX_APPOINTMENTS:
        advice.append(f"The list has more than {MAX_APPOINTMENTS} appointments: share it among appliances.")
    return tuple(advice)


def _closed(found: Figures, seal: bytes, operator: str) -> DayClosed:
    now = found.known
    return DayClosed(
        workflow=now.workflow,
        cycle=now.cycle,
        planned=now.planned or 0,
        served=found.served,
        exceptions=found.by_basis[Basis.EXCEPTION.value],
        already_collected=found.already_collected,
        conflicts=now.conflicts,
        waiting=now.waiting,
        seal=seal,
        operator=operator,
    )
