"""Reader and camera fail at random while people are served: each gets an answer, in bounded time."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

from firmware.demo.cast import Cast, people
from firmware.demo.scenario import Person
from firmware.demo.stage import Actors
from firmware.desk import ClaimWaits
from firmware.records import Outcome
from firmware.session.check_in import CheckInResult
from inference.types import Modality
from sensors.camera.replay import ReplayCamera
from sensors.emulator.faults import WIRE_FAULTS, Fault
from sensors.emulator.virtual import VirtualSensor
from sensors.errors import SensorTimeout, SensorUnavailable
from sensors.frames import ColourFrame
from tests.kit.line import Line, line
from tests.torture.finding import Finding

OCCASIONS = 40  # frames of the wire; a check-in by finger has some hundreds
PATIENCE_S = 60.0
CAMERA_HANGS_S = 1.0
BETWEEN_S = 3.0  # parts come back in that time, or not yet
SERVED = "the end of the faults to a check-in that matched"


class FailingCamera(ReplayCamera):
    """A replay camera that hangs, times out or goes away when `failing` says so; one share for each."""

    failing = 0.0

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng
        self.failed = 0

    def capture(self, timeout_s: float) -> ColourFrame:
        """See `Camera.capture`."""
        if self._rng.random() < self.failing:
            self.failed += 1
            match self._rng.randrange(3):
                case 0:
                    raise SensorUnavailable("the camera has gone (as the test wants it); plug it in")
                case 1:
                    raise SensorTimeout("no frame came (as the test wants it); try again")
                case _:
                    time.sleep(CAMERA_HANGS_S)  # in the camera's own thread
        return super().capture(timeout_s)

    def close(self) -> None:
        """The worker opens it anew after a fault; here that is the same one."""


async def serve(folder: Path, actors: Actors, person: Person, times: int, seed: int) -> Finding:
    """Let `times` people check in, with a random fault of reader or camera in each session."""
    rng = random.Random(seed)  # noqa: S311  (a seeded experiment)
    camera, wrong, struck = FailingCamera(rng), [], 0
    outcomes: list[Outcome] = []
    async with line(folder, actors, camera=camera) as desk:
        await desk.register(person)
        for number in range(times):
            await asyncio.sleep(rng.uniform(0, BETWEEN_S))
            struck += _strike(rng, desk.sensor, camera)
            order = rng.choice([(Modality.FACE,), (Modality.FINGER,), (Modality.FINGER, Modality.FACE)])
            try:
                async with asyncio.timeout(PATIENCE_S):
                    outcomes.append((await desk.verify(person, order=order)).record.outcome)
            except TimeoutError:
                wrong.append(f"check-in {number} had no answer within {PATIENCE_S:g} s")
            except ClaimWaits as waits:
                wrong.append(f"check-in {number} was held back: {waits}")
            if not desk.sensor.plugged:
                desk.sensor.plug()
        camera.failing, mended_s = 0.0, time.monotonic()
        if await _served(desk, person) is None:
            wrong.append("nobody was served after the faults")
        took_s = time.monotonic() - mended_s
        counts = await desk.appliance.store.run(lambda store: store.counts())
        verdict = await desk.appliance.store.run(lambda store: store.verify_audit())
    if not isinstance(verdict, int):
        wrong.append(f"the audit log does not hold: {verdict}")
    if counts.written < len(outcomes):
        wrong.append(f"{len(outcomes)} people had an answer, and {counts.written} events were written")
    return Finding(
        fault="reader and camera fail at random in sessions",
        tried=struck,
        shown=len(outcomes),
        wrong=tuple(wrong),
        recoveries_s=(took_s,),
        recovered=SERVED,
        note=", ".join(f"{outcomes.count(one)} {one.value}" for one in Outcome if one in outcomes),
    )


async def _served(desk: Line, person: Person) -> CheckInResult | None:
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(20):
            result = await desk.verify(person, order=(Modality.FACE,))
            if result.record.outcome is Outcome.MATCH:
                return result
    return None


def _strike(rng: random.Random, sensor: VirtualSensor, camera: FailingCamera) -> int:
    """Arm some faults; returns how many."""
    camera.failing = rng.choice((0.0, 0.0, 0.05, 0.5))
    kinds = rng.choices(WIRE_FAULTS, k=rng.choice((0, 0, 1, 2)))
    for kind in kinds:
        sensor.arm(Fault(kind, skip=rng.randrange(OCCASIONS), delay_s=2.5))
    return len(kinds) + (camera.failing > 0)


async def scenario(folder: Path, seed: int, share: float) -> list[Finding]:
    """A hundred check-ins of an actor of the demonstration."""
    registered, _ = people()
    actors = await asyncio.to_thread(Cast, registered[:1], lambda _done, _of: None)
    return [await serve(folder, actors, registered[0], round(100 * share) or 1, seed)]
