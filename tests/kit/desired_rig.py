"""An appliance with one replay camera under a stub of its aggregator, started anew as its desk asks."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path

from aidpost.v1 import event_pb2, link_pb2, state_pb2
from firmware.appliance import Appliance
from firmware.clock import Clock
from firmware.config import Camera, Config, Device, Issuer, Keys, Session, Uplink
from firmware.host import Ending, Host
from firmware.opening import Hardware
from firmware.power import PowerRefused
from firmware.updater import NotFromImage, Source, Trial, Updater
from sensors.camera.replay import ReplayCamera
from sensors.errors import SensorUnavailable
from tests.kit.aggregator_stub import AggregatorStub
from tests.kit.store_values import DEVICE, SITE
from trust.consent import Purpose
from trust.keys.guard import GuardKind
from trust.state import Artifact, ArtifactKind, DesiredState, ServiceWindow

DEADLINE_S = 60.0
KINDS = {
    ArtifactKind.SOFTWARE: state_pb2.ARTIFACT_KIND_SOFTWARE,
    ArtifactKind.MODELS: state_pb2.ARTIFACT_KIND_MODELS,
    ArtifactKind.OPERATING_POINT: state_pb2.ARTIFACT_KIND_OPERATING_POINT,
    ArtifactKind.POLICY: state_pb2.ARTIFACT_KIND_POLICY,
}


class CountedPower:
    """Counts what would have been reboots; or has no way to."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.reboots = 0
        self.asked = asyncio.Event()
        self._refuses = refuses

    async def reboot(self) -> None:
        if self._refuses:
            raise PowerRefused("this machine has no systemd")
        self.reboots += 1
        self.asked.set()


class Slots:
    """An updater that remembers what was asked of it.

    held: whether the machine was to start from it. on_trial: what runs, if anything.
    """

    def __init__(self, *, held: bool = False, on_trial: Trial | None = None) -> None:
        self.asked: list[str] = []
        self.staged = b""
        self.held = held
        self.on_trial = on_trial
        self.leaving = False

    def refusal(self, _artifact: Artifact) -> None:
        return None

    async def stage(self, artifact: Artifact, source: Source) -> None:
        self.staged = await source.read(0, source.size_bytes)
        self.asked.append(f"stage {artifact.version}")

    async def activate(self, artifact: Artifact, _well: Sequence[str]) -> None:
        self.asked.append(f"activate {artifact.version}")
        self.held = True

    def holds(self, _artifact: Artifact) -> bool:
        return self.held

    def was_damaged(self) -> bool:
        return False

    def trial(self) -> Trial | None:
        return self.on_trial

    async def keep(self) -> None:
        self.asked.append("keep")
        self.on_trial = None

    async def take_back(self) -> None:
        self.asked.append("take back")
        self.leaving, self.on_trial = self.on_trial is not None, None


@dataclass
class Rig:
    """camera_is_there: asked at each start. quiet_s: how long nobody was served before it starts anew.

    target: of a real aggregator in place of the stub; with_tls: it has to be joined first.
    """

    folder: Path
    aggregator: AggregatorStub
    target: str = ""
    with_tls: bool = False
    camera_is_there: bool = True
    quiet_s: float = 0.0
    clock: Clock = field(default_factory=Clock)
    issuer: Issuer = field(default_factory=Issuer)
    power: CountedPower = field(default_factory=CountedPower)
    updater: Updater = field(default_factory=NotFromImage)
    version: str = field(default_factory=partial(version, "aidpost"))
    endings: list[Ending] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def config(self) -> Config:
        return Config(
            device=Device(id=DEVICE, site=SITE, purpose=Purpose.CLINIC_CHECK_IN, data=self.folder / "state"),
            keys=Keys(guard=GuardKind.FILE),
            camera=Camera(driver="replay"),
            session=Session(tries=4),
            uplink=Uplink(
                target=self.target or f"127.0.0.1:{self.aggregator.port}",
                retry_cap_s=0.2,
                insecure_loopback=not self.with_tls,
            ),
            issuer=self.issuer,
        )

    @asynccontextmanager
    async def started(self) -> AsyncIterator[Appliance]:
        self.asked.clear()
        hardware = Hardware(reader=None, camera=self._camera, board=None)
        host = Host(self._start_anew, self.power, self.updater, self.quiet_s, self.version)
        async with Appliance(self.config, hardware, self.clock, host=host) as appliance:
            yield appliance

    async def until_asked_to_start_anew(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await self.asked.wait()

    async def until_reported(
        self, matches: Callable[[state_pb2.ReportedState], bool]
    ) -> state_pb2.ReportedState:
        async with asyncio.timeout(DEADLINE_S):
            return await self.aggregator.until_reported(matches)

    async def result_of(self, generation: int) -> state_pb2.ReportedState:
        """Wait until a desired state is decided."""
        waiting = state_pb2.DESIRED_RESULT_WAITING
        return await self.until_reported(
            lambda each: each.generation == generation and each.result != waiting
        )

    def ask(self, kind: event_pb2.CommandKind.ValueType) -> bytes:
        """Ask for something at the next hello; returns the command's id."""
        command_id = bytes([kind]) * 16
        command = link_pb2.Command(command_id=command_id, kind=kind)
        command.expires_at.seconds = 4_000_000_000
        self.aggregator.commands.append(command)
        return command_id

    async def result(self, command_id: bytes) -> event_pb2.CommandResult:
        async with asyncio.timeout(DEADLINE_S):
            return await self.aggregator.result(command_id)

    def _start_anew(self, ending: Ending) -> None:
        self.endings.append(ending)
        self.asked.set()

    def _camera(self) -> ReplayCamera:
        if not self.camera_is_there:
            raise SensorUnavailable("the camera is gone: plug it in")
        return ReplayCamera()


@asynccontextmanager
async def rig(folder: Path) -> AsyncIterator[Rig]:
    aggregator = AggregatorStub()
    await aggregator.start()
    try:
        yield Rig(folder, aggregator)
    finally:
        await aggregator.stop()


def artifact(kind: ArtifactKind, content: bytes, version: str = "1") -> Artifact:
    return Artifact(kind, version, hashlib.sha256(content).hexdigest(), len(content))


def wanted(
    generation: int,
    settings: dict[str, str] | None = None,
    *artifacts: Artifact,
    window: ServiceWindow | None = None,
) -> state_pb2.DesiredState:
    """A desired state as the aggregator sends it."""
    state = DesiredState(generation, settings or {}, artifacts, window)
    message = state_pb2.DesiredState(
        generation=generation,
        settings=[
            state_pb2.Setting(name=name, value=value) for name, value in sorted(state.settings.items())
        ],
        artifacts=[
            state_pb2.Artifact(
                kind=KINDS[each.kind],
                version=each.version,
                digest=bytes.fromhex(each.digest),
                bytes=each.size_bytes,
            )
            for each in artifacts
        ],
        digest=bytes.fromhex(state.digest()),
    )
    if window is not None:
        message.window.time_zone = window.time_zone
        message.window.weekdays.extend(window.weekdays)
        message.window.start.seconds, message.window.end.seconds = window.start_s, window.end_s
    return message
