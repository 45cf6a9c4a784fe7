"""The operator page to try out: a temporary appliance with emulated devices, two staff, a clinic's list."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime, time
from pathlib import Path

import structlog
from rich.console import Console
from rich.progress import Progress

from firmware import log
from firmware.appliance import Appliance
from firmware.config import Camera, Config, Device, Fingerprint, Issuer, Keys, Session
from firmware.config import Page as PageSettings
from firmware.demo.cast import Cast, people
from firmware.demo.scenario import Face, Finger, Person
from firmware.demo.stage import Stage
from firmware.lane import Lane
from firmware.opening import Hardware, open_keys, open_store
from firmware.session.registration import NoticeAnswer
from firmware.workflow.station import Station
from firmware.workflow.terms import Role
from sensors.camera.replay import ReplayCamera
from sensors.emulator.virtual import VirtualSensor
from sensors.fingerprint.opening import ReaderSettings, open_reader
from trust.consent import Consent, Purpose
from trust.issuer import IssuerKey
from trust.keys.guard import GuardKind
from trust.lists.terms import Appointment, ClinicList
from trust.stop_signals import stop_signals

SITE = "demo"
REGISTERED, ON_THE_LIST = 3, 5
STAFF = {"amina": (Role.OPERATOR, "482915"), "boris": (Role.SUPERVISOR, "730264")}
LANGUAGES = ("en", "fr", "es", "ar", "sw", "uk")


class Queue:
    """Lets the people of the list step up in turn: the next one when whoever was served has left."""

    def __init__(
        self, stage: Stage, cast: list[Person], station: Station, say: Callable[[str], None]
    ) -> None:
        self._stage = stage
        self._cast = cast
        self._station = station
        self._say = say
        self._turn = 0
        self._was_idle = True
        station.subscribe(self._look)
        self._step_up()

    def _look(self) -> None:
        idle = self._station.idle
        if idle and not self._was_idle:
            self._stage.leave()
            self._turn += 1
            self._step_up()
        self._was_idle = idle

    def _step_up(self) -> None:
        person = self._cast[self._turn % len(self._cast)]
        self._stage.enter(person, Face.GOOD, (Finger.GOOD,))
        self._say(f"Before the appliance stands {person.subject}: enter this number on the page.")


async def open_workplace(port: int, console: Console) -> None:
    """Serve the page on loopback until Ctrl-C. port: 0 for any. Raises the typed errors of all parts."""
    stop = asyncio.Event()
    cast = people()[0][:ON_THE_LIST]
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("growing synthetic fingers")
        actors = Cast(cast, lambda done, total: progress.update(task, completed=done, total=total))
    camera = ReplayCamera()
    with (
        stop_signals(stop.set),
        tempfile.TemporaryDirectory(prefix="aidpost-try-") as name,
        (Path(name) / "appliance.log").open("w") as stream,
        VirtualSensor("R503") as sensor,
    ):
        log.configure("info", stream=stream)
        folder, issuer = Path(name), IssuerKey.new()
        config = _config(folder, sensor.port, port, issuer)
        planned = _day(datetime.now().astimezone().date())
        _prepare(config, planned)
        cards = await asyncio.to_thread(_print_cards, folder, planned, issuer)
        hardware = Hardware(
            reader=lambda: open_reader(ReaderSettings("R503", sensor.port)), camera=lambda: camera, board=None
        )
        try:
            async with Appliance(config, hardware) as appliance:
                stage = Stage(actors, sensor, camera)
                appliance.presenter.add_listener(stage.on_signal)
                console.print(f"Registering {REGISTERED} of {len(cast)} people ...")
                for person in cast[:REGISTERED]:
                    stage.enter(person, Face.GOOD, (Finger.GOOD,))
                    await appliance.desk.register(
                        person.subject, NoticeAnswer(Consent.ACCEPTED, "demo-1", "en")
                    )
                    stage.leave()
                async with Lane(appliance) as lane:
                    _explain(console, lane, cards)
                    Queue(stage, cast, lane.station, console.print)
                    await stop.wait()
        finally:
            structlog.reset_defaults()


def _explain(console: Console, lane: Lane, cards: Path) -> None:
    if lane.page is None:
        raise AssertionError("the workplace has a page")
    for address in lane.page.addresses.values():
        console.print(f"The operator page: {address}", soft_wrap=True)
    for name, (role, pin) in STAFF.items():
        console.print(f"  sign in as {name}, PIN {pin}: {role.value}")
    console.print(f"Cards to print: {cards}", soft_wrap=True)
    console.print("Fingers and faces are emulated, and all of it is gone at the end: Ctrl-C.")


def _config(folder: Path, sensor_port: str, port: int, issuer: IssuerKey) -> Config:
    return Config(
        device=Device(id="demo-01", site=SITE, purpose=Purpose.CLINIC_CHECK_IN, data=folder / "appliance"),
        keys=Keys(guard=GuardKind.FILE),
        fingerprint=Fingerprint(model="R503", port=sensor_port),
        camera=Camera(driver="replay"),
        session=Session(face_timeout_s=2.0, finger_timeout_s=5.0),
        page=PageSettings(touch=f"127.0.0.1:{port}", languages=LANGUAGES),
        issuer=Issuer(keys=(issuer.public.hex(),)),
    )


def _day(today: date) -> ClinicList:
    appointments = tuple(
        Appointment(person.subject, time(9, 10 * number), cohort="")
        for number, person in enumerate(people()[0][:ON_THE_LIST])
    )
    return ClinicList(SITE, today, appointments, IssuerKey.new().public)


def _prepare(config: Config, planned: ClinicList) -> None:
    """Make the store with its staff and the list."""
    from firmware.clock import Clock

    with open_keys(config) as guard, closing(open_store(config, guard)) as store:
        now = Clock().now()
        for name, (role, pin) in STAFF.items():
            store.staff.add(now, name, role, bytearray(pin, "ascii"))
        store.lists.load(now, planned, approved_by=tuple(STAFF))


def _print_cards(folder: Path, planned: ClinicList, issuer: IssuerKey) -> Path:
    from firmware.cards.sheet import card_sheet

    path = folder / "cards.pdf"
    path.write_bytes(card_sheet(planned, issuer))
    return path
