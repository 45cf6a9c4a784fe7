"""A station on the real store, with a scripted desk, a clock of the test's, and this desk as sole owner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from firmware.cards.terms import Forged, Reading, TypedNumber
from firmware.clock import Clock
from firmware.mesh.book import Book
from firmware.mesh.site import Site
from firmware.records import Service
from firmware.session.machine import Show
from firmware.session.registration import NoticeAnswer
from firmware.store.errors import StoreFull
from firmware.store.staff import StaffRegister
from firmware.workflow.outcomes import AlreadyGiven, Networks, OwnerSilent, Standing
from firmware.workflow.parts import Parts
from firmware.workflow.ports import Work
from firmware.workflow.screen import Acted
from firmware.workflow.station import Station
from firmware.workflow.terms import Role
from firmware.workflow.viewing import Reply
from sensors.board.port import Button
from tests.kit.scripted_desk import Ends, ScriptedDesk
from tests.kit.store_values import DEVICE, SECOND_NS, open_store
from tests.kit.work_lists import clinic_list, distribution_list
from trust.consent import Purpose
from trust.keys.stretching import Argon2Cost
from trust.service import Workflow

T = TypeVar("T")
READS_S = 1.0
CARD = "card: hh-0001"
PINS = {"amina": "246810", "boris": "135790"}


class TestClock:
    """Stands still until a test moves it; `reboot` starts another boot."""

    __test__ = False

    def __init__(self) -> None:
        self.monotonic_ns = 1000 * SECOND_NS
        self.boot = bytes([1]) * 16

    def pass_s(self, seconds: float) -> None:
        self.monotonic_ns += int(seconds * SECOND_NS)

    def clock(self) -> Clock:
        return Clock(
            boot=self.boot,
            monotonic_ns=lambda: self.monotonic_ns,
            wall_ns=lambda: 1_800_000_000 * SECOND_NS + self.monotonic_ns,
        )


@dataclass
class SoleOwner:
    """This appliance owns every household.

    silent_desk: the owner is another one, which does not answer. given_elsewhere: where they collected.
    """

    site: Site
    silent_desk: str = ""
    given_elsewhere: str = ""
    given_to_owner: list[str] = field(default_factory=list)
    untold: int = 0

    async def claim(self, household: str, for_s: float) -> Standing:
        if self.silent_desk:
            return OwnerSilent(self.silent_desk)
        if self.given_elsewhere:
            return AlreadyGiven(None, self.given_elsewhere)
        return await self.site.claim(household, for_s)

    async def given(self, household: str) -> None:
        if self.silent_desk:
            self.untold += 1
            return
        self.given_to_owner.append(household)
        await self.site.given(household)

    async def release(self, household: str) -> None:
        if not self.silent_desk:
            await self.site.release(household)

    def connected(self) -> Networks:
        return Networks(site=not self.silent_desk, worst_case=self.untold)


class PlainCards:
    """Reads what is typed; "forged" is a card that a trusted issuer did not sign."""

    def read(self, value: str) -> Reading:
        return Forged() if value == "forged" else TypedNumber(value)


class Signals:
    """Remembers what was shown, and tells who listens."""

    def __init__(self) -> None:
        self.shown: list[Show] = []
        self._listeners: list[Callable[[Show], None]] = []

    def show(self, effect: Show) -> None:
        self.shown.append(effect)
        for listener in tuple(self._listeners):
            listener(effect)

    def add_listener(self, listener: Callable[[Show], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


class Rig:
    """One appliance; `boot` starts its station anew, as after a power cut."""

    def __init__(self, folder: Path, workflow: Workflow, *, people: int, loss_cap: int) -> None:
        self.time = TestClock()
        self.workflow = workflow
        self.disk_full = False
        is_clinic = workflow is Workflow.CLINIC
        self.store = open_store(
            folder, purpose=Purpose.CLINIC_CHECK_IN if is_clinic else Purpose.DISTRIBUTION
        )
        now = self.time.clock().now()
        if is_clinic:
            self.store.lists.load(now, clinic_list(people), approved_by=("amina",))
        else:
            planned = replace(distribution_list(people, loss_cap=loss_cap), roster=(DEVICE,))
            self.store.lists.load(now, planned, approved_by=("amina", "boris"))
        self.store.staff = StaffRegister(self.store._journal, Argon2Cost(memory_kib=64, passes=1, lanes=1))
        self.store.staff.add(now, "boris", Role.SUPERVISOR, bytearray(PINS["boris"], "ascii"))
        self.store.staff.add(now, "amina", Role.OPERATOR, bytearray(PINS["amina"], "ascii"), by="boris")

    async def boot(self, *, same_boot: bool = True, silent_desk: str = "") -> None:
        """Start a station over what the store holds. silent_desk: of an owner that does not answer."""
        if not same_boot:
            self.time.boot = bytes([self.time.boot[0] + 1]) * 16
            self.time.monotonic_ns = 5 * SECOND_NS
        clock = self.time.clock()
        self.signals = Signals()
        self.desk = ScriptedDesk(self.store, clock, self.signals.show)

        async def in_book(work: Callable[[Book], T], /) -> T:
            return work(self.store.ledger)

        site = Site(DEVICE, in_book, clock, neighbours={})
        await site.take_up()
        self.owner = SoleOwner(site, silent_desk)

        async def in_work(work: Callable[[Work], T], /) -> T:
            if self.disk_full:
                raise StoreFull("no space is left on the card")
            return work(self.store.work)

        async def note_answer(session_id: bytes, answer: NoticeAnswer) -> None:
            notice = f"{answer.version} {answer.language}"
            self.store.note_answer(clock.now(), session_id, answer.consent, notice)

        parts = Parts(
            desk=self.desk,
            in_work=in_work,
            note_answer=note_answer,
            ownership=self.owner,
            cards=PlainCards(),
            clock=clock,
            local=lambda ns: datetime.fromtimestamp(ns / 1e9, UTC),
        )
        self.station = Station(parts, self.workflow, self.signals, languages=("en", "fr"))
        await self.station.start()
        await self.station.settled()

    async def act(self, act: str, value: str = "", operator: str = "amina") -> Reply:
        """Read the screen of this moment, do something on it, and wait for what comes of it."""
        self.time.pass_s(READS_S)
        reply = await self.station.act(self.station.revision, Acted(act, value, operator))
        await self.rest()
        return reply

    async def press(self, button: Button) -> Reply:
        """Read the screen of this moment, press a button, and wait for what comes of it."""
        self.time.pass_s(READS_S)
        reply = await self.station.press(button)
        await self.rest()
        return reply

    async def rest(self) -> None:
        """Wait until only people can make it go on: nothing is performed, compared or written down."""
        await self.station.settled()
        while self.station.capturing and not self.station.screen.candidates and not self.desk.waits:
            await asyncio.sleep(0)
            await self.station.settled()

    async def acts(self, *acts: str) -> str:
        """Do these in turn; "card X" enters X. Returns the name of the screen."""
        for act in acts:
            kind, _, value = act.partition(": ")
            await self.act(kind, value)
        return self.station.screen.name

    async def pass_s(self, seconds: float) -> None:
        """Let time go by."""
        self.time.pass_s(seconds)
        self.station.tick()
        await self.station.settled()

    def services(self) -> list[Service]:
        """Return what was written down of people served."""
        bodies = [queued.event.body for queued in self.store.outbox.pending(0, 1000)]
        return [body for body in bodies if isinstance(body, Service)]


@contextmanager
def rig(folder: Path, workflow: Workflow, *, people: int = 4, loss_cap: int = 2) -> Iterator[Rig]:
    made = Rig(folder, workflow, people=people, loss_cap=loss_cap)
    try:
        yield made
    finally:
        made.store.close()


def collector(of: str = "0001") -> set[str]:
    """The first collector of a household, who is registered with biometrics."""
    return {f"p-{of}-1"}


async def to_hand_over(camp: Rig) -> None:
    """Lead the collector of the first household to the hand-over."""
    await camp.boot()
    camp.desk.registered = collector()
    camp.desk.script.append(Ends())
    assert await camp.acts(CARD) == "distribution-hand-over"
