"""The demonstration: a real appliance and aggregator, a virtual sensor and camera, a wire that breaks."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from rich.console import Console
from rich.progress import Progress

from firmware import log
from firmware.appliance import Appliance
from firmware.config import Camera, Config, Device, Fingerprint, Keys, Session, Uplink
from firmware.demo.cast import Cast, people
from firmware.demo.joining import join
from firmware.demo.report import Report, Served, compare_records, is_suggestion_of_other
from firmware.demo.scenario import Arrival, Face, Finger, Person, arrivals
from firmware.demo.server import Server
from firmware.demo.stage import Stage
from firmware.demo.view import View
from firmware.demo.wire import Wire
from firmware.opening import Hardware
from firmware.records import Mode
from firmware.session.check_in import Suggestion
from firmware.session.machine import Show
from firmware.session.registration import NoticeAnswer
from sensors.camera.replay import ReplayCamera
from sensors.emulator.virtual import VirtualSensor
from sensors.fingerprint.opening import ReaderSettings, open_reader
from trust.consent import Consent, Purpose
from trust.keys.guard import GuardKind

CUT_AFTER, MEND_AFTER = 14, 28
"""The wire is cut and mended after so many arrivals."""
DRAIN_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """seed: of the scenario. paced: the sensor is as slow as a real one. keep: leave the dashboard up.

    picture: where an SVG of the screen goes, as it is while the wire is cut.
    """

    seed: int = 7
    paced: bool = False
    keep: bool = False
    picture: Path | None = None


async def perform(settings: Settings, console: Console) -> Report:
    """Run the demonstration and return what it found. Raises the typed errors of all parts."""
    registered, strangers = people()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("growing synthetic fingers")
        cast = Cast(
            [*registered, *strangers],
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    with tempfile.TemporaryDirectory(prefix="aidpost-demo-") as name:
        folder = Path(name)
        with (folder / "appliance.log").open("w") as stream:
            log.configure("info", stream=stream)
            server = await Server.start(folder)
            try:
                report = await _play(settings, console, folder, server, cast, registered, strangers)
                if settings.keep:
                    console.print(f"The dashboard stays at {server.dashboard} until Ctrl-C.")
                    await server.wait()
                return report
            finally:
                await server.stop()
                structlog.reset_defaults()


async def _play(
    settings: Settings,
    console: Console,
    folder: Path,
    server: Server,
    cast: Cast,
    registered: Sequence[Person],
    strangers: Sequence[Person],
) -> Report:
    scene = arrivals(registered, strangers, settings.seed)
    view = View(console, total=len(scene))
    wire = Wire(server.listen)
    await wire.mend()
    camera = ReplayCamera()
    with VirtualSensor("R503", paced=settings.paced) as sensor:
        stage = Stage(cast, sensor, camera)
        hardware = Hardware(
            reader=lambda: open_reader(ReaderSettings("R503", sensor.port)), camera=lambda: camera, board=None
        )
        config = _config(folder, sensor.port, wire.address)
        key = await join(server, config)
        console.print(f"{config.device.id} has joined: the operator approved its key {key}.")
        async with Appliance(config, hardware) as appliance:
            appliance.presenter.add_listener(stage.on_signal)
            show = _Show(appliance, stage, view, wire)
            with view.live():
                watcher = asyncio.create_task(show.watch())
                try:
                    await show.register_all(registered)
                    await show.serve_all(scene, settings.picture)
                    await show.drain()
                finally:
                    watcher.cancel()
                    await wire.cut()
            counts = await appliance.store.run(lambda store: store.counts())
    rows = await server.results()
    missing, repeated = compare_records(show.records, rows)
    return Report(len(registered), show.served, counts.written, len(rows), missing, repeated)


class _Show:
    """One performance: people are registered, then served, while the link breaks and comes back."""

    def __init__(self, appliance: Appliance, stage: Stage, view: View, wire: Wire) -> None:
        self._appliance = appliance
        self._stage = stage
        self._view = view
        self._wire = wire
        self._subject = ""
        self.records: dict[int, str] = {}
        self.served: list[Served] = []
        appliance.presenter.add_listener(self._on_signal)

    async def register_all(self, registered: Sequence[Person]) -> None:
        """Register everybody with face and two fingers."""
        for number, person in enumerate(registered, 1):
            self._view.say(f"registering {person.subject} ({number} of {len(registered)})")
            self._stage.enter(person, Face.GOOD, (Finger.GOOD,))
            answer = NoticeAnswer(Consent.ACCEPTED, "demo-1", "en")
            result = await self._appliance.desk.register(person.subject, answer)
            self._stage.leave()
            if result.record is not None and result.seq is not None:
                self.records[result.seq] = result.record.record_id.hex()

    async def serve_all(self, scene: Sequence[Arrival], picture: Path | None) -> None:
        """Serve the arrivals, and break the wire in the middle."""
        for arrival in scene:
            if arrival.number == CUT_AFTER + 1:
                await self._wire.cut()
                self._view.say("the uplink is cut: service goes on, records wait")
            elif arrival.number == MEND_AFTER + 1:
                await self._wire.mend()
                self._view.say("the uplink is back: the queue drains")
            elif arrival.number == 1:
                self._view.say("serving arrivals")
            await self._serve(arrival)
            if picture is not None and arrival.number == MEND_AFTER - 1:
                await asyncio.to_thread(picture.write_text, self._view.as_svg())

    async def drain(self) -> None:
        """Wait until the aggregator has acknowledged everything."""
        self._view.say("waiting for the last acknowledgement")
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            await self._appliance.link.until_acknowledged()

    async def watch(self) -> None:
        """Keep the view's queue up to date."""
        while True:
            counts = await self._appliance.store.run(lambda store: store.counts())
            uplink = self._appliance.link.uplink
            self._view.on_queue(
                waiting=counts.waiting,
                written=counts.written,
                connected=uplink is not None and uplink.state.connected,
                wire_whole=self._wire.whole,
            )
            await asyncio.sleep(0.2)

    async def _serve(self, arrival: Arrival) -> None:
        self._view.arrival = arrival
        self._subject = arrival.person.subject
        self._stage.enter(arrival.person, arrival.face, arrival.fingers)
        desk = self._appliance.desk
        if arrival.mode is Mode.VERIFY:
            result = await desk.verify(arrival.claim or "", order=arrival.order)
        else:
            result = await desk.identify(self._look_at_the_person, order=arrival.order)
        self._stage.leave()
        self.records[result.seq] = result.record.record_id.hex()
        served = Served(arrival, result, is_suggestion_of_other(result, self._subject))
        self.served.append(served)
        self._view.on_served(served)

    async def _look_at_the_person(self, suggestions: Sequence[Suggestion]) -> int | None:
        """Staff know whom they see: they confirm the right suggestion, and no other."""
        subjects = [suggestion.subject for suggestion in suggestions]
        return subjects.index(self._subject) if self._subject in subjects else None

    def _on_signal(self, effect: Show) -> None:
        self._view.on_signal(effect)


def _config(folder: Path, port: str, target: str) -> Config:
    return Config(
        device=Device(id="demo-01", site="demo", purpose=Purpose.CLINIC_CHECK_IN, data=folder / "appliance"),
        keys=Keys(guard=GuardKind.FILE),
        fingerprint=Fingerprint(model="R503", port=port),
        camera=Camera(driver="replay"),
        session=Session(face_timeout_s=1.0, finger_timeout_s=3.0),
        uplink=Uplink(target=target, retry_cap_s=4.0),
    )
