"""An appliance whose card lost a page starts all the same, and says so to everybody who should know."""

from __future__ import annotations

from pathlib import Path

from firmware.demo.cast import Cast
from firmware.records import DeviceFault
from tests.kit.line import line
from tests.kit.store_values import check_in, moment

NOBODY = Cast([], lambda _done, _total: None)


async def test_a_damaged_store_is_told_to_staff_and_to_the_aggregator(tmp_path: Path) -> None:
    async with line(tmp_path, NOBODY) as desk:
        await desk.appliance.store.run(
            lambda store: [store.commit_check_in(moment(), check_in(number)) for number in range(1, 40)]
        )
        assert desk.appliance.notices == {}
    path = tmp_path / "state" / "aidpost.db"
    pages = path.stat().st_size // 4096
    with path.open("r+b") as file:
        file.seek((pages - 1) * 4096)
        file.write(b"\xff" * 4096)
    async with line(tmp_path, NOBODY) as desk:
        notice = desk.appliance.notices["store"]
        waiting = await desk.appliance.store.run(lambda store: store.outbox.pending(0, 1000))
    assert "damaged-1" in notice
    assert "Get another card" in notice
    faults = [queued.event.body for queued in waiting if isinstance(queued.event.body, DeviceFault)]
    assert DeviceFault("store", recovered=False, kind="StoreDamaged") in faults
    async with line(tmp_path, NOBODY) as desk:
        assert desk.appliance.notices == {}, "said at the start that found it; doctor goes on saying it"
