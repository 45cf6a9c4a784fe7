"""The whole line measures itself: people at the sensors, telemetry, and the aggregator's store."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aggregator.store import telemetry
from aggregator.store.database import open_reader
from firmware.demo.scenario import Finger
from inference.types import Modality
from tests.kit.aggregator_fixture import running_aggregator
from tests.kit.line import line
from tests.kit.real_people import RealPeople
from trust.telemetry import OutcomeCount

PATIENCE_S = 60.0


@pytest.fixture
def actors(shared_data: Path) -> RealPeople:
    return RealPeople(shared_data)


async def test_what_people_met_at_the_sensors_reaches_the_desk(tmp_path: Path, actors: RealPeople) -> None:
    person = actors.people[0]
    store = tmp_path / "aggregator.db"
    async with (
        running_aggregator(store) as server,
        line(tmp_path, actors, uplink=server.target) as desk,
    ):
        await desk.register(person)
        await desk.appliance.collector.collect()
        await desk.verify(person, fingers=(Finger.DRY, Finger.GOOD), order=(Modality.FINGER,))
        await desk.appliance.collector.collect()
        async with asyncio.timeout(PATIENCE_S):
            await desk.appliance.link.until_acknowledged()
        with open_reader(store) as db:
            first, second = (told for _, _, told in telemetry.read(db, "test-01", 0, 10))
            (newest,) = telemetry.latest(db)
    assert newest.telemetry == second
    assert first.outcomes == ()
    finger, face = first.sensors
    assert (finger.available, finger.samples, face.samples) == (True, 4, 2), (
        "two fingers and a face, twice each"
    )
    assert finger.quality_sum_percent > 4 * 20
    assert second.outcomes == (OutcomeCount("verify", "match", 1),)
    assert {stage.stage for stage in second.stages} >= {"capture", "quality", "template", "compare"}
    finger, face = second.sensors
    # Two fingers were asked for, and each came dry at first.
    assert (finger.samples, finger.poor, finger.not_acquired, face.samples) == (4, 2, 0, 0)
    assert (first.link.connects, second.link.connects) == (1, 0)
    assert second.link.sent_bytes > 100
    assert second.memory_resident_mb > 50
