"""The whole line for tests: an appliance on an emulated sensor and a replay camera."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from firmware.appliance import Appliance
from firmware.clock import Clock
from firmware.config import (
    Camera,
    Config,
    Device,
    Fingerprint,
    Gallery,
    Issuer,
    Keys,
    Lease,
    Retention,
    Session,
    Uplink,
)
from firmware.demo.joining import join
from firmware.demo.scenario import Face, Finger, Person
from firmware.demo.server import Server
from firmware.demo.stage import Actors, Stage
from firmware.opening import Hardware
from firmware.session.check_in import CheckInResult, Suggestion
from firmware.session.machine import Show
from firmware.session.registration import NoticeAnswer, RegistrationResult
from inference.types import Modality
from sensors.board.port import Board
from sensors.camera.replay import ReplayCamera
from sensors.emulator.virtual import VirtualSensor
from sensors.fingerprint.opening import ReaderSettings, open_reader
from trust.consent import Consent, Purpose
from trust.keys.guard import GuardKind

ACCEPTED = NoticeAnswer(Consent.ACCEPTED, "1", "en")


@dataclass
class Line:
    """One appliance and the stage before it; `shown` holds every signal."""

    appliance: Appliance
    stage: Stage
    sensor: VirtualSensor
    camera: ReplayCamera
    shown: list[Show]

    async def register(self, person: Person, answer: NoticeAnswer = ACCEPTED) -> RegistrationResult:
        self.stage.enter(person, Face.GOOD, (Finger.GOOD,))
        try:
            return await self.appliance.desk.register(person.subject, answer)
        finally:
            self.stage.leave()

    async def verify(
        self,
        person: Person,
        claim: Person | None = None,
        *others: Person,
        face: Face = Face.GOOD,
        fingers: Sequence[Finger] = (Finger.GOOD,),
        order: Sequence[Modality] | None = None,
    ) -> CheckInResult:
        self.stage.enter(person, face, fingers)
        try:
            return await self.appliance.desk.verify(
                (claim or person).subject, *(other.subject for other in others), order=order
            )
        finally:
            self.stage.leave()

    async def identify(
        self,
        person: Person,
        *,
        among: Sequence[str] | None = None,
        order: Sequence[Modality] | None = None,
    ) -> CheckInResult:
        async def staff(suggestions: Sequence[Suggestion]) -> int | None:
            subjects = [suggestion.subject for suggestion in suggestions]
            return subjects.index(person.subject) if person.subject in subjects else None

        self.stage.enter(person, Face.GOOD, (Finger.GOOD,))
        try:
            return await self.appliance.desk.identify(staff, among=among, order=order)
        finally:
            self.stage.leave()


@asynccontextmanager
async def line(
    folder: Path,
    actors: Actors,
    uplink: str | None = None,
    max_store_mb: float | None = None,
    clock: Clock | None = None,
    joins: Server | None = None,
    board: Board | None = None,
    lease: Lease | None = None,
    camera: ReplayCamera | None = None,
    gallery: Gallery | None = None,
    retention: Retention | None = None,
    issuer: Issuer | None = None,
) -> AsyncIterator[Line]:
    camera = camera or ReplayCamera()
    with VirtualSensor("R503") as sensor:
        config = Config(
            device=Device(
                id="test-01",
                site="test",
                purpose=Purpose.CLINIC_CHECK_IN,
                data=folder / "state",
                max_store_mb=max_store_mb,
            ),
            keys=Keys(guard=GuardKind.FILE),
            fingerprint=Fingerprint(model="R503", port=sensor.port),
            camera=Camera(driver="replay"),
            session=Session(face_timeout_s=0.5, finger_timeout_s=1.0),
            uplink=Uplink(target=uplink, retry_cap_s=1.0, insecure_loopback=joins is None)
            if uplink
            else None,
            lease=lease,
            gallery=gallery,
            retention=retention,
            issuer=issuer or Issuer(),
        )
        hardware = Hardware(
            reader=lambda: open_reader(ReaderSettings("R503", sensor.port)),
            camera=lambda: camera,
            board=(lambda: board) if board else None,
        )
        if joins is not None:
            await join(joins, config)
        async with Appliance(config, hardware, clock) as appliance:
            stage = Stage(actors, sensor, camera)
            shown: list[Show] = []
            appliance.presenter.add_listener(shown.append)
            appliance.presenter.add_listener(stage.on_signal)
            yield Line(appliance, stage, sensor, camera, shown)
