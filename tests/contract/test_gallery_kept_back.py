"""The aggregator's administrator keeps changes back, erasures above all, and it shows."""

from __future__ import annotations

import time

import pytest

from firmware.clock import Clock
from firmware.gallery.values import DAY_NS
from tests.kit.aggregator_database import Database, database, fill
from tests.kit.shared_site import Appliance, Site, on_either
from tests.kit.store_values import moment, reference


def restored(log: list[tuple[object, ...]], db: Database, put: int, erasure: int) -> None:
    """Leave an erasure out of the log, as if its entry were there still; the root fits."""
    now = db.execute("SELECT * FROM gallery_log WHERE version NOT IN (?, ?)", (put, erasure)).fetchall()
    fill(db, "gallery_log", [*now, *(row for row in log if row[1] == put)])


@on_either
@pytest.mark.parametrize("whole", [False, True])
async def test_an_erasure_that_a_repair_or_a_whole_delivery_leaves_out_is_noticed(
    shared: Site, *, whole: bool
) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    desk.register(reference(1), reference(2))
    await desk.sync()
    if not whole:
        await gate.sync()
    with database(shared) as db:
        before = db.execute("SELECT * FROM gallery_log").fetchall()
    desk.erase(reference(1).entry_id)
    await desk.sync()
    desk.register(reference(3))
    await desk.sync()
    with database(shared) as db:
        restored(before, db, 1, 3)
        # The log is another one than the gate knows: it asks for a repair.
        if not whole:
            db.execute("UPDATE gallery_log SET link = ? WHERE version = 2", (bytes(32),))
    await gate.sync()
    assert "change 3 " in gate.reports["refused"] or "changes 3 to 3" in gate.reports["refused"]
    assert gate.subjects() == (set() if whole else {"card-1", "card-2"})
    assert gate.store.shared.held().version == (0 if whole else 2)


async def test_changes_that_are_kept_from_one_appliance_show_by_those_of_another(shared: Site) -> None:
    desk, gate, lane = [await shared.appliance(name) for name in ("desk-1", "gate-1", "lane-1")]
    await shared.admit(desk, gate, lane)
    desk.register(reference(1))
    await desk.sync()
    await gate.sync()
    desk.register(reference(2))
    await desk.sync()
    lane.register(reference(3))
    await lane.sync()
    with database(shared) as db:
        db.execute("DELETE FROM gallery_log WHERE version = 2")
    await gate.sync()
    assert "withheld" in gate.reports
    assert "card-3" in gate.subjects()


def after(days: float) -> Clock:
    return Clock(monotonic_ns=lambda: time.monotonic_ns() + int(days * DAY_NS))


async def sync_after(days: float, *appliances: Appliance) -> None:
    for appliance in appliances:
        appliance.sharing = appliance.sharing_with(clock=after(days))
        await appliance.sync()


async def test_an_erasure_that_is_kept_back_with_all_after_it_shows_by_the_next_day_s_words(
    shared: Site,
) -> None:
    desk, gate, lane = [await shared.appliance(name) for name in ("desk-1", "gate-1", "lane-1")]
    await shared.admit(desk, gate, lane)
    desk.register(reference(1))
    await sync_after(0, desk, gate, lane)
    with database(shared) as db:
        before = db.execute("SELECT * FROM gallery_log").fetchall()
    desk.erase(reference(1).entry_id)
    await sync_after(0, desk, lane)
    await sync_after(1.1, lane)  # nothing to register or to erase there, and yet a word
    with database(shared) as db:
        restored(before, db, 1, 2)
    await sync_after(1.1, gate)
    assert gate.subjects() == {"card-1"}
    assert "withheld" in gate.reports


async def test_who_is_kept_back_as_a_whole_is_missed_after_five_days(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    for days in range(7):
        await sync_after(days * 1.1, desk, gate)
    assert desk.reports == gate.reports == {}
    assert (await shared.state()).version == 12  # one word a day of each, and none on the first
    newcomer = await shared.appliance("gate-2")
    await shared.admit(newcomer)
    await sync_after(7, newcomer)
    assert newcomer.store.shared.held().heads == gate.store.shared.held().heads
    for days in (8, 11):
        await sync_after(days, gate)
        assert "silent" not in gate.reports
    await sync_after(13, gate)
    assert "desk-1" in gate.reports["silent"]


@on_either
async def test_an_erasure_that_was_shown_and_then_held_back_stays_carried_out_and_is_reported(
    shared: Site,
) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    desk.register(reference(1))
    await desk.sync()
    await gate.sync()
    with database(shared) as db:
        before = db.execute("SELECT * FROM gallery_log").fetchall()
    desk.erase(reference(1).entry_id)
    await desk.sync()
    with database(shared) as db:
        db.execute("UPDATE gallery_log SET newest = 0 WHERE erases = 1")  # no root fits
    await gate.sync()
    assert ("refused" in gate.reports, gate.subjects()) == (True, set())
    with database(shared) as db:
        fill(db, "gallery_log", before)
        db.execute("UPDATE galleries SET version = 1")
    await gate.sync()
    assert gate.subjects() == set()
    assert "withheld" in gate.reports
    assert gate.store.shared.withdraw(moment(), reference(1).entry_id)  # by staff there: theirs to tell
    await gate.sync()
    assert (await shared.state()).erased == 1


async def test_what_is_kept_back_of_an_author_as_a_whole_stays_reported(shared: Site) -> None:
    desk, gate, lane = [await shared.appliance(name) for name in ("desk-1", "gate-1", "lane-1")]
    await shared.admit(desk, gate, lane)
    desk.register(reference(1))
    await desk.sync()
    await lane.sync()
    lane.register(reference(3))
    await lane.sync()  # says that it has seen the desk's first change
    with database(shared) as db:
        db.execute("DELETE FROM gallery_log WHERE author = 1")
    for _ in range(2):
        await gate.sync()
        assert gate.subjects() == {"card-3"}
        assert "withheld" in gate.reports
