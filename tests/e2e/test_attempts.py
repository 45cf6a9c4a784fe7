"""A claim that fails again and again: it waits, the wait is shown, and a person can take over at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from firmware.clock import Clock
from firmware.commands.common import signal_line
from firmware.desk import ClaimWaits
from firmware.records import Outcome
from inference.types import Modality
from sensors.board.signals import Signal
from tests.kit.line import line
from tests.kit.real_people import RealPeople

FACE_ONLY = (Modality.FACE,)


async def test_after_five_failures_in_a_row_the_claim_waits_and_the_wait_is_shown(
    tmp_path: Path, shared_data: Path
) -> None:
    actors = RealPeople(shared_data)
    owner, other = actors.people[:2]
    later_ns = [0]
    clock = Clock(monotonic_ns=lambda: time.monotonic_ns() + later_ns[0])
    async with line(tmp_path, actors, clock=clock) as desk:
        await desk.register(owner)
        left = []
        for _ in range(5):
            result = await desk.verify(other, claim=owner, order=FACE_ONLY)
            assert result.record.outcome is Outcome.NO_MATCH
            left.append(desk.shown[-1].tries_left)
        assert left == [4, 3, 2, 1, 0]
        assert desk.shown[-1].signal is Signal.GO_TO_A_PERSON
        assert desk.shown[-1].wait_s == pytest.approx(30, abs=1)

        committed = await desk.appliance.store.run(lambda store: store.outbox.last_seq())
        with pytest.raises(ClaimWaits, match="a colleague can serve the person now"):
            await desk.verify(owner, order=FACE_ONLY)
        assert desk.shown[-1].signal is Signal.GO_TO_A_PERSON
        assert "tries left: 0 - next try in" in signal_line(desk.shown[-1])
        assert await desk.appliance.store.run(lambda store: store.outbox.last_seq()) == committed

        later_ns[0] = 31_000_000_000
        result = await desk.verify(owner, order=FACE_ONLY)
        assert result.record.outcome is Outcome.MATCH
        result = await desk.verify(other, claim=owner, order=FACE_ONLY)
        assert desk.shown[-1].tries_left == 4, "a match starts anew"
        assert desk.shown[-1].wait_s is None
