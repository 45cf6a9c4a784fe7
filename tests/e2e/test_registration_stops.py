"""An appliance that has not synced for five days registers nobody and says so; check-ins go on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from firmware.clock import Clock
from firmware.desk import RegistrationStopped
from firmware.records import Outcome
from firmware.store.space import DAY_NS
from inference.types import Modality
from sensors.board.signals import Signal
from tests.kit.line import line
from tests.kit.real_people import RealPeople


async def test_registration_stops_without_a_sync_and_goes_on_after_one(
    tmp_path: Path, shared_data: Path
) -> None:
    actors = RealPeople(shared_data)
    owner, other = actors.people[:2]
    later_ns = [0]
    clock = Clock(monotonic_ns=lambda: time.monotonic_ns() + later_ns[0])
    async with line(tmp_path, actors, clock=clock) as desk:
        await desk.register(owner)
        later_ns[0] = 5 * DAY_NS
        with pytest.raises(RegistrationStopped, match="not synced for 5 days"):
            await desk.register(other)
        assert desk.shown[-1].signal is Signal.GO_TO_A_PERSON
        result = await desk.verify(owner, order=(Modality.FACE,))
        assert result.record.outcome is Outcome.MATCH
        await desk.appliance.store.run(lambda store: store.space.note_synced(clock.now()))
        await desk.register(other)
