"""The lanes of a simulated site: each an appliance with its own encrypted store, ledger and station."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

from firmware.cards.making import token_key
from firmware.cards.reading import CardReader, Expected
from firmware.clock import Clock
from firmware.mesh.book import Book
from firmware.mesh.codec import ListId
from firmware.mesh.ledger import Answer, Claim, Collection
from firmware.mesh.site import Site
from firmware.presenter import Presenter
from firmware.records import DeviceFault
from firmware.session.registration import NoticeAnswer
from firmware.simulate.assumptions import Assumptions
from firmware.simulate.desk import SimulatedDesk
from firmware.simulate.error_rates import ErrorRates
from firmware.simulate.population import SITE, Crowd
from firmware.store.store import Store
from firmware.workflow.parts import Parts
from firmware.workflow.ports import Work
from firmware.workflow.station import Station
from firmware.workflow.terms import Role
from trust.consent import Purpose
from trust.keys.secret import SecretKey
from trust.lists.terms import ClinicList, DistributionList
from trust.service import Workflow

T = TypeVar("T")
SUPERVISOR = ("boris", "135790")
OPERATORS = ("amina", "noor", "tomas", "leila", "samira", "juma", "olena", "pierre")
_PIN = "246810"
_KEY_BYTES = 32


class Wires:
    """What is up now."""

    def __init__(self) -> None:
        self.uplink = True
        self.site = True


class InProcess:
    """Another lane of the same simulation, asked without a network (`firmware.mesh.neighbour.Other`)."""

    def __init__(self, lane: Lane, wires: Wires) -> None:
        self._lane = lane
        self._wires = wires

    @property
    def device(self) -> str:
        """Its id."""
        return self._lane.device_id

    @property
    def connected(self) -> bool:
        """Whether the local network is up."""
        return self._wires.site

    @property
    def reachable(self) -> bool:
        """Whether the local network is up."""
        return self._wires.site

    def ask_anew(self) -> None:
        """All lanes of a simulation serve one list."""

    async def claim(self, list_id: ListId, household: bytes, asked: Claim) -> Answer | None:
        """Claim a household there."""
        if not self.connected:
            return None
        return self._lane.store.ledger.claim(household, asked, self._lane.clock.now())

    async def release(self, list_id: ListId, household: bytes, claim_id: bytes) -> None:
        """Give a claim back there."""
        if self.connected:
            self._lane.store.ledger.release(household, claim_id)

    async def report(self, list_id: ListId, collections: Sequence[Collection]) -> bool:
        """Tell it what collected here."""
        if self.connected:
            self._lane.store.ledger.hear(collections, self._lane.clock.now())
        return self.connected


class Lane:
    """One appliance of the site. Its store lies in `folder` and has a key that nobody keeps."""

    def __init__(self, number: int, purpose: Purpose, folder: Path, clock: Clock) -> None:
        self.device_id = f"desk-{number + 1}"
        self.operator = OPERATORS[number % len(OPERATORS)]
        self.clock = clock
        with SecretKey.taken_from(bytearray(secrets.token_bytes(_KEY_BYTES))) as key:
            self.store = Store.open(
                folder / f"{self.device_id}.db", key, device_id=self.device_id, purpose=purpose, site=SITE
            )

    async def start(
        self,
        planned: ClinicList | DistributionList,
        crowd: Crowd,
        others: Sequence[Lane],
        wires: Wires,
        assumptions: Assumptions,
        rates: ErrorRates,
    ) -> None:
        """Load the list, open the day, and let the station go on."""
        store, clock = self.store, self.clock
        now = clock.now()
        store.staff.add(now, SUPERVISOR[0], Role.SUPERVISOR, bytearray(SUPERVISOR[1], "ascii"))
        store.staff.add(now, self.operator, Role.OPERATOR, bytearray(_PIN, "ascii"), by=SUPERVISOR[0])
        store.lists.load(now, planned, (SUPERVISOR[0], self.operator))
        today = planned.last_day
        for child, caregiver in crowd.caregivers.items():
            store.work.note_link(now, child, caregiver, today.replace(year=today.year + 1))
        store.day.open(now, self.operator, [], today)
        self.presenter = Presenter(None, None)
        self.desk = SimulatedDesk(
            store, clock, self.presenter.show, crowd.source(f"sensors {self.device_id}"), assumptions.times,
            rates, crowd.registered, crowd.twins,
        )  # fmt: skip
        self.site = Site(
            self.device_id,
            self._in_book,
            clock,
            {other.device_id: InProcess(other, wires) for other in others if other is not self},
            uplink_connected=lambda: wires.uplink,
        )
        await self.site.take_up()
        parts = Parts(
            desk=self.desk,
            in_work=self._in_work,
            note_answer=self._note_answer,
            ownership=self.site,
            cards=CardReader(lambda: expected(planned, crowd, today)),
            clock=clock,
            local=lambda ns: datetime.fromtimestamp(ns / 1e9, UTC),
        )
        workflow = Workflow.CLINIC if isinstance(planned, ClinicList) else Workflow.DISTRIBUTION
        self.station = Station(parts, workflow, self.presenter)
        await self.station.start()
        self._tasks = [
            asyncio.create_task(self.station.run(), name=f"{self.device_id} station"),
            asyncio.create_task(self.site.run(), name=f"{self.device_id} site"),
        ]

    async def stop(self) -> None:
        """End what runs; the store stays open for the report."""
        await self.station.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    def set_sensor(self, part: str, *, works: bool) -> None:
        """Let a reader or camera fail, or come back."""
        if part == "reader":
            self.desk.sensors.reader = works
        else:
            self.desk.sensors.camera = works
        name = "fingerprint" if part == "reader" else "camera"
        self.store.commit_fault(self.clock.now(), DeviceFault(name, works, "SensorUnavailable"))

    async def _in_book(self, work: Callable[[Book], T], /) -> T:
        return work(self.store.ledger)

    async def _in_work(self, work: Callable[[Work], T], /) -> T:
        return work(self.store.work)

    async def _note_answer(self, session_id: bytes, answer: NoticeAnswer) -> None:
        notice = f"{answer.version} {answer.language}"
        self.store.note_answer(self.clock.now(), session_id, answer.consent, notice)


def expected(planned: ClinicList | DistributionList, crowd: Crowd, today: date) -> Expected:
    """Return what cards have to fit at the simulated site."""
    issuers = (crowd.issuer.public,)
    if isinstance(planned, ClinicList):
        return Expected(SITE, planned.purpose, today, "", issuers, token_key(planned.key, planned.day))
    return Expected(SITE, planned.purpose, today, planned.cycle, issuers)
