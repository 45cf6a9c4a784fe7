"""The day on the operator page over a real store: a close asks first, and leaves its report."""

from __future__ import annotations

import json
from pathlib import Path

from firmware.day.day import Day
from firmware.day.on_page import DayOnPage
from firmware.records import ClockQuality
from tests.kit.store_values import open_store
from tests.kit.work_lists import at, clinic_list, distribution_list, given, visit
from tests.unit.test_day import day_of
from tests.unit.test_page import Visitor
from trust.consent import Purpose
from trust.service import Basis

SUPERVISOR = ("boris", "135713")
REPORTS = [f"/day/{name}.{kind}" for name in ("report", "closed") for kind in ("pdf", "csv", "json")]
REFUSED = "A supervisor closes the day and takes the report."


def page_over(day: Day) -> Visitor:
    async def look() -> None:
        pass

    return Visitor(day=DayOnPage(day, look))


async def test_a_close_on_the_page_asks_first_and_leaves_the_report(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.lists.load(at(0), clinic_list())
    visitor = page_over(day_of(store))
    await visitor.sign_in(*SUPERVISOR)
    await visitor.send("/day/open")
    store.work.conclude(at(2), visit("case-0001", 1))
    asked = (await visitor.send("/day/close")).text
    assert all(said in asked for said in ("Close the day now?", "with 3 entries", "The list will be erased."))
    assert "checked the clock" not in asked
    assert store.lists.loaded() is not None
    erased = store.lists.loaded()
    said = (await visitor.send("/day/close", answer="close")).text
    assert erased is not None
    assert f"List erased: 3 entries, receipt {erased.digest.hex()[:16]}…" in said
    assert "/day/closed.pdf" in (await visitor.client.get("/day")).text
    for path in ("/day/report.json", "/day/closed.json"):
        found = json.loads((await visitor.client.get(path)).content)
        assert (found["served"], found["absent"]) == (1, 2), path
        assert found["known"]["list_digest"] == erased.digest.hex(), path
    assert (await visitor.client.get("/day/closed.pdf")).content.startswith(b"%PDF")
    assert visitor.station.kept == [True, False] * 3, "nobody begins while the day is opened or closed"
    store.close()


async def test_staff_say_with_one_press_how_many_wait(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    day = day_of(store)
    visitor = page_over(day)
    await visitor.sign_in()
    assert "People waiting" in (await visitor.client.get("/day")).text
    assert "About how many" in (await visitor.client.get("/day/queue")).text
    assert day.queue.people() is None
    await visitor.send("/day/queue", people="20")
    await visitor.send("/day/queue", people="-3")
    await visitor.send("/day/queue", people="10000000")
    assert day.queue.people() == 20
    store.close()


async def test_a_distribution_never_ends_by_one_tap(tmp_path: Path) -> None:
    store = open_store(tmp_path, purpose=Purpose.DISTRIBUTION)
    store.lists.load(at(0), distribution_list())
    store.work.conclude(at(1), given("hh-0001", 1, basis=Basis.CARD))
    visitor = page_over(day_of(store, quality=ClockQuality.UNSET))
    await visitor.sign_in(*SUPERVISOR)
    for answer in ("", "close"):
        asked = (await visitor.send("/day/close", answer=answer)).text
        assert "Does this distribution go on tomorrow?" in asked
        assert "Nobody has checked the clock of this appliance." in asked
    await visitor.send("/day/close", answer="goes on")
    assert store.lists.loaded() is not None
    await visitor.send("/day/close", answer="ends")
    assert store.lists.loaded() is None
    store.close()


async def test_before_the_first_close_there_is_no_report_of_one(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    visitor = page_over(day_of(store))
    await visitor.sign_in(*SUPERVISOR)
    assert "/day/closed.pdf" not in (await visitor.client.get("/day")).text
    assert (await visitor.client.get("/day/closed.pdf")).status_code == 303
    store.close()


async def test_an_operator_closes_nothing_and_takes_no_report(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.lists.load(at(0), clinic_list())
    store.work.conclude(at(1), visit("case-0001", 1))
    await day_of(store).close("boris")
    store.lists.load(at(2), clinic_list())
    visitor = page_over(day_of(store))
    await visitor.sign_in()
    assert "The day is open" in (await visitor.send("/day/open")).text
    for answer in ("", "close", "goes on", "ends"):
        assert REFUSED in (await visitor.send("/day/close", answer=answer)).text
    assert REFUSED in (await visitor.client.get("/day/close")).text
    assert store.lists.loaded() is not None
    assert not store.day.is_closed()
    for path in REPORTS:
        refused = await visitor.client.get(path)
        assert (refused.status_code, REFUSED in refused.text) == (403, True), path
    await visitor.sign_in(*SUPERVISOR)
    for path in REPORTS:
        assert "attachment" in (await visitor.client.get(path)).headers["Content-Disposition"], path
    await visitor.send("/day/close", answer="close")
    assert store.lists.loaded() is None
    assert store.day.is_closed()
    store.close()


async def test_help_leads_from_the_day_to_the_screen_and_language_back_to_the_day(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    visitor = page_over(day_of(store))
    await visitor.sign_in(*SUPERVISOR)
    assert 'name="place" value="/day"' in (await visitor.client.get("/day")).text
    for place, leads_to in (("/day", "/day"), ("/day/close", "/day/close"), ("//elsewhere.example", "/")):
        answer = await visitor.send("/press", button="language", place=place)
        assert (answer.status_code, answer.headers["Location"]) == (303, leads_to)
    answer = await visitor.send("/press", button="help", place="/day")
    assert (answer.headers["Location"], visitor.station.screen.name) == ("/", "done")
    store.close()
