"""The opening and the close of a day over a real store; the clock is handed in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from firmware.clock import Clock
from firmware.day.day import Day, list_advice, one_wrong_per
from firmware.records import ClockQuality, DayClosed, ListErased
from firmware.store.errors import SessionUnderWay
from firmware.store.store import Store
from firmware.workflow.kept import OpenSession
from firmware.workflow.terms import Basis, Workflow
from tests.kit.store_values import open_store
from tests.kit.work_lists import DAY, at, clinic_list, distribution_list, given, visit
from trust.consent import Purpose

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
    assert closing.receipt is not None
    assert (closing.receipt.entries, closing.figures.served, closing.figures.absent) == (3, 1, 2)
    assert isinstance(store.verify_audit(), int)
    store.close()


async def test_the_ledger_is_sealed_each_day_and_the_list_ends_with_the_cycle(tmp_path: Path) -> None:
    store = open_store(tmp_path, purpose=Purpose.DISTRIBUTION)
    store.lists.load(at(0), distribution_list())
    store.work.conclude(at(1), given("hh-0001", 1, basis=Basis.CARD))
    first = await day_of(store).close("tomas")
    assert first.receipt is None
    again = await day_of(store, NOON + timedelta(days=1)).close("tomas")
    assert again.seal == first.seal, "the same collections have the same seal"
    store.work.conclude(at(2), given("hh-0002", 2, basis=Basis.CARD))
    last = await day_of(store, NOON + timedelta(days=2)).close("tomas")
    assert last.seal != first.seal
    assert isinstance(last.receipt, ListErased)
    closed = [event.event.body for event in store.pending(0, 99) if isinstance(event.event.body, DayClosed)]
    assert [(each.served, each.planned, each.seal) for each in closed] == [
        (1, 3, first.seal), (1, 3, first.seal), (2, 3, last.seal),
    ]  # fmt: skip
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
