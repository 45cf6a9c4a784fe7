"""A whole appliance for the browser: emulated sensor, replay camera, real store and station, and people."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path

import numpy as np
import segno
from playwright.async_api import Page, expect

from firmware.appliance import Appliance
from firmware.cards.making import household_card
from firmware.clock import Clock
from firmware.config import Camera, Config, Device, Fingerprint, Issuer, Keys, Session
from firmware.config import Page as PageSettings
from firmware.demo.build_assets import load_face
from firmware.demo.scenario import Face, Finger, Person
from firmware.demo.stage import Stage
from firmware.demo.views import ViewCondition, empty_room, face_view
from firmware.lane import Lane
from firmware.opening import Hardware
from firmware.page.browsers import Front
from firmware.session.registration import NoticeAnswer
from firmware.store.store import Store
from firmware.workflow.terms import Role
from inference.synthesis.condition import Condition
from inference.synthesis.master import MasterFinger, make_finger
from inference.types import FingerPosition
from sensors.camera.replay import ReplayCamera
from sensors.emulator.images import Moisture
from sensors.emulator.virtual import VirtualSensor
from sensors.fingerprint.opening import ReaderSettings, open_reader
from sensors.frames import Pixels
from tests.kit.store_values import DEVICE, SITE
from tests.kit.work_lists import clinic_list, distribution_list
from trust.consent import Consent, Purpose
from trust.issuer import IssuerKey
from trust.keys.guard import GuardKind
from trust.lists.terms import PlannedList
from trust.service import Workflow

PINS = {"amina": "246810", "boris": "135790", "chidi": "357911"}
EILEEN = Person("case-0001", 1, "collins.jpg")
GRACE = Person("p-0001-1", 2, "hopper.jpg")


@cache
def _master(seed: int, position: FingerPosition) -> MasterFinger:
    return make_finger(seed * 16 + position.value)


class People:
    """Faces of the demonstration's photographs, and fingers made from seeds (`stage.Actors`)."""

    def finger(
        self, person: Person, position: FingerPosition, how: Finger, take: int
    ) -> tuple[Pixels, Moisture]:
        condition = Condition.random(np.random.default_rng([person.seed, take]), 0.2)
        return _master(person.seed, position).impression(take, condition, (192, 192)), Moisture.NORMAL

    def face(self, person: Person, how: Face, take: int) -> Pixels:
        if how is Face.NOBODY or person.photo is None:
            return empty_room(take)
        return face_view(load_face(person.photo), person.seed * 1000 + take, ViewCondition())


@dataclass
class PassingTime:
    """The machine's monotonic clock, and the seconds that nobody waited for."""

    ahead_ns: int = 0

    def monotonic_ns(self) -> int:
        return time.monotonic_ns() + self.ahead_ns


@dataclass
class Workplace:
    """What a test drives."""

    appliance: Appliance
    lane: Lane
    stage: Stage
    camera: ReplayCamera
    issuer: IssuerKey
    address: str
    time: PassingTime

    def reads_the_screen(self) -> None:
        """Somebody takes a second to read it: what is touched earlier was meant for the screen before."""
        self.time.ahead_ns += 1_000_000_000

    async def registers(self, person: Person) -> None:
        """A person was registered before, face and finger."""
        self.comes(person)
        answer = NoticeAnswer(Consent.ACCEPTED, "1", "en")
        await self.appliance.desk.register(person.subject, answer)
        self.stage.leave()

    def shows_card(self, household: str) -> None:
        """A household's card is held before the camera."""
        last_day = datetime.now().astimezone().date()
        text = household_card(self.issuer, SITE, household, last_day)
        modules = np.array(segno.make_qr(text).matrix, np.uint8)
        code = np.kron(np.pad(1 - modules, 4, constant_values=1) * 255, np.ones((6, 6), np.uint8))
        self.camera.show(np.repeat(code[..., None], 3, 2).astype(np.uint8))

    def comes(
        self, person: Person, face: Face = Face.GOOD, fingers: Sequence[Finger] = (Finger.GOOD,)
    ) -> None:
        """A person steps up and does what the signals ask for."""
        self.stage.enter(person, face, (Finger.GOOD,))


@asynccontextmanager
async def workplace(
    folder: Path, workflow: Workflow, languages: Sequence[str], *, lists: Path | None = None
) -> AsyncIterator[Workplace]:
    """One appliance with two supervisors and an operator, served on a free port of loopback.

    lists: where lists are offered, on an appliance that has none yet; None: one is loaded.
    """
    is_clinic = workflow is Workflow.CLINIC
    camera, issuer = ReplayCamera(), IssuerKey.new()
    with VirtualSensor("R503") as sensor:
        config = Config(
            device=Device(
                id=DEVICE,
                site=SITE,
                purpose=Purpose.CLINIC_CHECK_IN if is_clinic else Purpose.DISTRIBUTION,
                data=folder / "state",
            ),
            keys=Keys(guard=GuardKind.FILE),
            fingerprint=Fingerprint(model="R503", port=sensor.port),
            camera=Camera(driver="replay"),
            session=Session(
                fingers=("right index",), impressions=1, face_timeout_s=2.0, finger_timeout_s=3.0
            ),
            issuer=Issuer(keys=(issuer.public.hex(),)),
            page=PageSettings(touch="127.0.0.1:0", languages=tuple(languages), lists=lists),
        )
        hardware = Hardware(
            reader=lambda: open_reader(ReaderSettings("R503", sensor.port)), camera=lambda: camera, board=None
        )
        passing = PassingTime()
        async with Appliance(config, hardware, Clock(monotonic_ns=passing.monotonic_ns)) as appliance:
            await appliance.store.run(lambda store: _let_sign_in(store, appliance))
            if lists is None:
                await appliance.store.run(lambda store: _load_list(store, appliance, is_clinic=is_clinic))
            stage = Stage(People(), sensor, camera)
            appliance.presenter.add_listener(stage.on_signal)
            async with Lane(appliance) as lane:
                assert lane.page is not None
                address = lane.page.addresses[Front.TOUCH]
                yield Workplace(appliance, lane, stage, camera, issuer, address, passing)


def _let_sign_in(store: Store, appliance: Appliance) -> None:
    roles = {"boris": Role.SUPERVISOR, "chidi": Role.SUPERVISOR, "amina": Role.OPERATOR}
    for name, role in roles.items():
        store.staff.add(appliance.clock.now(), name, role, bytearray(PINS[name], "ascii"))


def _load_list(store: Store, appliance: Appliance, *, is_clinic: bool) -> None:
    today = datetime.now().astimezone().date()
    planned: PlannedList = (
        replace(clinic_list(), day=today)
        if is_clinic
        else replace(distribution_list(), first_day=today, last_day=today, roster=(DEVICE,))
    )
    store.lists.load(appliance.clock.now(), planned, approved_by=tuple(PINS))


async def sign_in(page: Page, address: str, name: str = "amina") -> None:
    """Sign in, whatever the language."""
    await page.goto(address)
    await page.get_by_label(name).check()
    await page.locator("input[type=password]").fill(PINS[name])
    await page.locator(".primary").click()
    await expect(page.locator(".operator")).to_have_text(name)
    await page.wait_for_load_state("domcontentloaded")  # keys belong to the page once its script has run


async def shows(page: Page, *screens: str) -> None:
    """Wait until the page shows a screen of one of these names."""
    names = "|".join(screens)
    await expect(page.locator("#screen")).to_have_attribute("data-screen", re.compile(f"^({names})$"))


async def choose(place: Workplace, page: Page, act: str) -> None:
    """Read the screen, and touch a choice."""
    place.reads_the_screen()
    await page.locator(f"main [name=act][value='{act}']").click()


async def enter(page: Page, value: str) -> None:
    """Type a number, and enter it."""
    await page.locator("[name=value]").fill(value)
    await page.locator(".entry .primary").click()
