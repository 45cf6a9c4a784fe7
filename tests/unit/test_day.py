"""The opening and the close of a day over a real store; the clock is handed in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from firmware.clock import Clock
from firmware.day.day import ClosedBefore, Closing, Day, list_advice, one_wrong_per
from firmware.day.lines import closing_lines, opening_lines
from firmware.day.queue import Queue
from firmware.records import ClockQuality, DayClosed, ListErased
from firmware.store.errors import SessionUnderWay
from firmware.store.store import Store
from firmware.workflow.kept import OpenSession
from tests.kit.store_values import open_store
from tests.kit.work_lists import DAY, at, clinic_list, distribution_list, given, visit
from trust.consent import Purpose
from trust.service import Basis, Workflow

T = TypeVar("T")
NOON = datetime.combine(DAY, datetime.min.time(), UTC) + timedelta(hours=12)


class Gallery:
    """Forty entries, of which one source alone is enough for a search."""

    size = 40

    def expected_wrong_suggestions(self, size: int | None = None) -> dict[str, float | None]:
        return {"face": 0.5 if size else 0.8, "finger/R503": None}


def day_of(store: Store, now: datetime = NOON, quality: ClockQuality = ClockQuality.CHECKED) -> Day:
    async def in_store(work: Callable[[Store], T], /) -> T:
        return work(store)

    clock = Clock(
        boot=bytes([1]) * 16,
        monotonic_ns=lambda: 3600 * 10**9,
        wall_ns=lambda: int(now.timestamp() * 1e9),
        quality=lambda: quality,
    )
    return Day(
        run_in_store=in_store,
        clock=clock,
        matcher=Gallery(),
        reader=None,
        camera=None,
        committed=lambda: None,
        sync=None,
        zone=UTC,
    )


def test_what_staff_said_of_the_queue_holds_for_an_hour() -> None:
    seconds = [0.0]
    queue = Queue(lambda: at(seconds[0]))
    queue.say(20)
    seconds[0] = 3599.0
    assert queue.people() == 20
    seconds[0] = 3600.0
    assert queue.people() is None


async def test_the_opening_says_what_to_expect(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    opening = await day_of(store).open("amina")
    assert (opening.list_advice, opening.ready) == (
        ("No list is loaded: a supervisor loads it on the page of the day.",),
        False,
    )
    store.lists.load(at(0), clinic_list())
    opening = await day_of(store).open("amina")
    assert (opening.today, opening.clock_checked, opening.searched, opening.gallery) == (DAY, True, 0, 40)
    assert opening.one_wrong_per == {"face": 125, "finger/R503": None}
    assert opening.ready
    assert any("Visit tokens of this appliance: 1000 to 1999" in line for line in opening_lines(opening))
    later = await day_of(store, NOON + timedelta(days=1), ClockQuality.UNSET).open("amina")
    assert (later.ready, later.clock_checked) == (False, False)
    assert "this appliance takes today for 2026-11-26" in later.list_advice[0]
    store.close()


async def test_a_day_is_not_closed_while_a_person_is_served(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.lists.load(at(0), clinic_list())
    served = visit("case-0001", 1)
    store.work.keep_open(OpenSession(session_id=served.session_id, workflow=Workflow.CLINIC, began=at(1)))
    with pytest.raises(SessionUnderWay):
        await day_of(store).close()
    store.work.conclude(at(2), served)
    closing = await day_of(store).close("amina")
    assert isinstance(closing, Closing)
    assert closing.receipt is not None
    assert (closing.receipt.entries, closing.figures.served, closing.figures.absent) == (3, 1, 2)
    assert isinstance(store.verify_audit(), int)
    store.close()


async def test_the_ledger_is_sealed_each_day_and_the_list_ends_with_the_cycle(tmp_path: Path) -> None:
    store = open_store(tmp_path, purpose=Purpose.DISTRIBUTION)
    store.lists.load(at(0), distribution_list())
    store.work.conclude(at(1), given("hh-0001", 1, basis=Basis.CARD))
    first = await day_of(store).close("tomas")
    assert isinstance(first, Closing)
    assert first.receipt is None
    await day_of(store).open("tomas")
    again = await day_of(store, NOON + timedelta(days=1)).close("tomas")
    assert isinstance(again, Closing)
    assert again.seal == first.seal, "the same collections have the same seal"
    store.work.conclude(at(2), given("hh-0002", 2, basis=Basis.CARD))
    last = await day_of(store, NOON + timedelta(days=2)).close("tomas")
    assert isinstance(last, Closing)
    assert last.seal != first.seal
    assert isinstance(last.receipt, ListErased)
    closed = [
        event.event.body for event in store.outbox.pending(0, 99) if isinstance(event.event.body, DayClosed)
    ]
    assert [(each.served, each.planned, each.seal) for each in closed] == [
        (1, 3, first.seal), (1, 3, first.seal), (2, 3, last.seal),
    ]  # fmt: skip
    store.close()


async def test_the_report_outlives_the_list_and_a_restart_until_the_next_close(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert await day_of(store).last_report() is None
    store.lists.load(at(0), clinic_list())
    await day_of(store).open("amina")
    store.work.conclude(at(2), visit("case-0001", 1))
    closing = await day_of(store).close("amina")
    assert isinstance(closing, Closing)
    store.close()
    store = open_store(tmp_path)
    assert (closing.figures.served, closing.figures.absent) == (1, 2)
    assert closing.figures == await day_of(store).report() == await day_of(store).last_report()
    assert b"case-" not in (store.day.last_figures() or b"")
    await day_of(store, NOON + timedelta(days=1)).open("amina")
    assert (await day_of(store).report()).served == 0
    assert await day_of(store).last_report() == closing.figures
    await day_of(store, NOON + timedelta(days=1)).close("amina")
    assert await day_of(store).last_report() != closing.figures
    store.close()


async def test_of_two_who_close_the_day_one_does(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.lists.load(at(0), clinic_list())
    store.work.conclude(at(2), visit("case-0001", 1))
    day = day_of(store)
    one, other = await asyncio.gather(day.close("amina"), day.close("boris"))
    assert isinstance(one, Closing)
    assert other == ClosedBefore(one.figures)
    assert other == await day.close("boris")
    assert [type(queued.event.body) for queued in store.outbox.pending(0, 99)].count(DayClosed) == 1
    # The same list once more is another day's work: it is closed, and erased, though nobody came.
    store.lists.load(at(3), clinic_list())
    assert isinstance(await day.close("amina"), Closing)
    assert store.lists.loaded() is None
    store.close()


async def test_a_clock_that_nobody_checked_ends_no_cycle(tmp_path: Path) -> None:
    store = open_store(tmp_path, purpose=Purpose.DISTRIBUTION)
    store.lists.load(at(0), distribution_list())
    store.work.conclude(at(1), given("hh-0001", 1, basis=Basis.CARD))
    ahead = day_of(store, NOON + timedelta(days=400), ClockQuality.UNSET)
    asked = await ahead.to_close()
    assert (asked.asks_whether_it_goes_on, asked.clock_checked, asked.served) == (True, False, 1)
    closing = await ahead.close("tomas")
    assert isinstance(closing, Closing)
    assert (closing.receipt, closing.stays_unchecked) == (None, True)
    assert any("--ends-cycle" in line for line in closing_lines(closing))
    assert await ahead.close("tomas") == ClosedBefore(closing.figures), "nothing came since"
    ended = await ahead.close("tomas", ends_cycle=True)
    assert isinstance(ended, Closing)
    assert (ended.receipt is not None, store.lists.loaded()) == (True, None)
    store.close()


@pytest.mark.parametrize(
    ("days", "quality", "closes"),
    [
        (1, ClockQuality.CHECKED, False),
        (2, ClockQuality.UNSET, False),
        (2, ClockQuality.WRONG, False),
        (2, ClockQuality.CHECKED, True),
    ],
)
async def test_a_list_that_nobody_closed_is_erased_by_itself(
    tmp_path: Path, days: int, quality: ClockQuality, closes: bool
) -> None:
    store = open_store(tmp_path)
    store.lists.load(at(0), clinic_list())
    closing = await day_of(store, NOON + timedelta(days=days), quality).close_overdue()
    assert (closing is not None, store.lists.loaded() is None) == (closes, closes)
    store.close()


def test_expected_suggestions_are_said_as_people() -> None:
    said = one_wrong_per({"face": 1.0, "finger/R503": 0.0, "finger/R307": None})
    assert said == {"face": 100, "finger/R503": 20_000, "finger/R307": None}
    assert list_advice(None, date(2026, 11, 25)) != ()
