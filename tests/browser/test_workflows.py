"""Every workflow from greeting to close: browser, station, store, emulated sensor and replay camera."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from firmware.page.presses import MOST_PRESSES
from firmware.records import Service
from firmware.workflow.frame import pickable
from sensors.board.port import Button
from tests.browser.conftest import NewPage
from tests.browser.workplace import EILEEN, GRACE, PINS, Workplace, choose, enter, shows, sign_in, workplace
from trust.service import Answer, Basis, Workflow

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def services(place: Workplace) -> list[Service]:
    queued = await place.appliance.store.run(lambda store: store.outbox.pending(0, 1000))
    return [one.event.body for one in queued if isinstance(one.event.body, Service)]


async def test_the_clinic_registers_and_checks_in_by_touch(new_page: NewPage, tmp_path: Path) -> None:
    async with workplace(tmp_path, Workflow.CLINIC, ("en", "ar")) as place:
        page = await new_page()
        await sign_in(page, place.address)
        place.comes(EILEEN)
        await choose(place, page, "register")
        await shows(page, "registration-notice")
        await choose(place, page, "accept")
        await shows(page, "registration-age")
        await choose(place, page, "five or older")
        await shows(page, "registration-number")
        await enter(page, EILEEN.subject)
        await shows(page, "answer-registered")
        await choose(place, page, "next")
        await shows(page, "clinic-ready")
        await enter(page, EILEEN.subject)
        await shows(page, "clinic-notice")
        await choose(place, page, "accept")
        await shows(page, "answer-visit")
        done = await services(place)
        assert [(one.answer, one.basis, one.operator) for one in done] == [
            (Answer.REGISTERED, None, "amina"),
            (Answer.VISIT, Basis.BIOMETRIC, "amina"),
        ]


async def press(place: Workplace, page: Page, act: str) -> None:
    """Choose with the board's buttons: AGAIN until it is highlighted, then OK."""
    station = place.lane.station
    offered = pickable(station.screen)
    index, at = offered.index(act), station.highlight
    for _ in range(index + 1 if at is None else (index - at) % len(offered)):
        place.lane.press(Button.AGAIN)
    await expect(page.locator(".highlighted")).to_have_attribute("value", act)
    place.reads_the_screen()
    place.lane.press(Button.OK)


async def test_the_clinic_by_buttons_in_arabic_for_a_person_who_declines(
    new_page: NewPage, tmp_path: Path
) -> None:
    async with workplace(tmp_path, Workflow.CLINIC, ("ar", "en")) as place:
        page = await new_page()
        await sign_in(page, place.address)
        await expect(page.locator("html")).to_have_attribute("dir", "rtl")
        await shows(page, "clinic-ready")
        await press(place, page, "no card")
        await shows(page, "clinic-notice")
        await press(place, page, "question")
        await shows(page, "clinic-question")
        await press(place, page, "decline")
        await shows(page, "clinic-paper")
        await press(place, page, "seen")
        await shows(page, "answer-visit")
        await press(place, page, "complain")
        await shows(page, "choosing-concern")
        await press(place, page, "about waiting")
        await shows(page, "answer-visit")
        await press(place, page, "next")
        await shows(page, "clinic-ready")
        assert [(one.answer, one.basis, one.declined) for one in await services(place)] == [
            (Answer.VISIT, Basis.PAPER, True)
        ]


# How often AGAIN is pressed from where the page is to a control.
STEPS = """(target) => {
  const all = [...document.querySelectorAll("main button:not(:disabled), main input:not([type=hidden])")];
  return (all.indexOf(target) - all.indexOf(document.activeElement) + all.length) % all.length;
}"""


async def press_control(place: Workplace, page: Page, control: Locator) -> None:
    """Move to a control of the page with AGAIN, and take it with OK."""
    steps: int = await control.evaluate(STEPS)
    while steps:
        some = min(steps, MOST_PRESSES // 2)  # no more than a browser can be told of at once
        for _ in range(some):
            place.lane.press(Button.AGAIN)
        steps -= some
        await page.wait_for_function(
            f"(target) => ({STEPS})(target) === {steps}", arg=await control.element_handle()
        )
    place.reads_the_screen()
    place.lane.press(Button.OK)


async def test_the_clinic_registers_in_arabic_by_the_four_buttons_alone(
    new_page: NewPage, tmp_path: Path
) -> None:
    async with workplace(tmp_path, Workflow.CLINIC, ("ar", "en")) as place:
        page = await new_page()
        await sign_in(page, place.address)
        await shows(page, "clinic-ready")
        place.comes(EILEEN)
        await press(place, page, "register")
        await shows(page, "registration-notice")
        await press(place, page, "accept")
        await shows(page, "registration-age")
        await press(place, page, "five or older")
        await shows(page, "registration-number")
        await expect(page.locator("[name=value]")).to_be_focused()
        typed = "C-7"
        for count, sign in enumerate(typed, start=1):
            await press_control(place, page, page.locator(f"[data-digit='{sign}']"))
            await expect(page.locator("[name=value]")).to_have_value(typed[:count])
        await press_control(place, page, page.locator(".entry .primary"))
        await shows(page, "answer-registered")
        assert [one.answer for one in await services(place)] == [Answer.REGISTERED]


async def test_a_search_shows_candidates_to_staff_and_only_they_confirm(
    new_page: NewPage, tmp_path: Path
) -> None:
    async with workplace(tmp_path, Workflow.CLINIC, ("en",)) as place:
        page, bystander = await new_page(), await new_page()
        await place.registers(EILEEN)
        await sign_in(page, place.address)
        await bystander.goto(f"{place.address}bystander")
        place.comes(EILEEN)
        await choose(place, page, "no card")
        await shows(page, "clinic-notice")
        await choose(place, page, "accept")
        await shows(page, "clinic-suggestion")
        assert EILEEN.subject not in await bystander.content()
        await choose(place, page, "candidate 0")
        await shows(page, "answer-visit")
        number = (await page.get_by_role("heading").inner_text()).rpartition(" ")[2]
        await expect(bystander.locator("body")).to_have_text(re.compile(rf"^\s*{number}\s*$"))
        assert [one.basis for one in await services(place)] == [Basis.CONFIRMED]


@pytest.mark.parametrize("language", ["en", "ar"])
async def test_a_household_collects_by_card_and_face(
    new_page: NewPage, tmp_path: Path, language: str
) -> None:
    async with workplace(tmp_path, Workflow.DISTRIBUTION, (language,)) as place:
        page = await new_page()
        await place.registers(GRACE)
        await sign_in(page, place.address)
        place.shows_card("hh-0001")
        await shows(page, "distribution-verify", "distribution-hand-over")
        place.comes(GRACE)
        await shows(page, "distribution-hand-over")
        await press(place, page, "given")
        await shows(page, "answer-given")
        await press(place, page, "next")
        await shows(page, "distribution-ready")
        await enter(page, "hh-0001")
        await shows(page, "answer-already-collected")
        assert [(one.answer, one.basis) for one in await services(place)] == [
            (Answer.GIVEN, Basis.BIOMETRIC),
            (Answer.ALREADY_COLLECTED, None),
        ]


async def test_an_exception_takes_a_reason_and_two_people(new_page: NewPage, tmp_path: Path) -> None:
    async with workplace(tmp_path, Workflow.DISTRIBUTION, ("en",)) as place:
        page = await new_page()
        await sign_in(page, place.address)
        await enter(page, "hh-0002")
        await shows(page, "distribution-look-at-card")  # nobody of this household is registered
        await choose(place, page, "supervisor")
        await shows(page, "distribution-reason")
        await choose(place, page, "worn fingers")
        await shows(page, "distribution-supervisor")
        await page.get_by_label("boris").check()
        await enter(page, "000000")
        await expect(page.get_by_text("Name and PIN do not go together.")).to_be_visible()
        await page.get_by_label("boris").check()
        await enter(page, PINS["boris"])
        await shows(page, "distribution-decide")
        await choose(place, page, "give")
        await shows(page, "distribution-hand-over")
        await choose(place, page, "given")
        await shows(page, "answer-given")
        (done,) = await services(place)
        assert (done.basis, done.operator, done.supervisor) == (Basis.EXCEPTION, "amina", "boris")


async def test_help_during_a_capture_leads_to_a_person(new_page: NewPage, tmp_path: Path) -> None:
    async with workplace(tmp_path, Workflow.CLINIC, ("en",)) as place:
        page = await new_page()
        await place.registers(EILEEN)
        await sign_in(page, place.address)
        await enter(page, EILEEN.subject)
        await shows(page, "clinic-notice")
        await choose(place, page, "accept")
        await shows(page, "clinic-verify")
        place.lane.press(Button.HELP)
        await shows(page, "clinic-paper")
        await page.keyboard.press("F1")
        await shows(page, "answer-person")


async def test_a_supervisor_opens_and_closes_the_day(new_page: NewPage, tmp_path: Path) -> None:
    async with workplace(tmp_path, Workflow.CLINIC, ("en",)) as place:
        amina, boris = await new_page(), await new_page()
        await sign_in(amina, place.address)
        await amina.get_by_role("link", name="The day").click()
        await amina.get_by_role("button", name="Open the day").click()
        await expect(amina.get_by_text("The day is open")).to_be_visible()
        await expect(amina.get_by_role("link", name="Close the day")).to_have_count(0)
        await sign_in(boris, place.address, "boris")
        await choose(place, boris, "no card")
        await shows(boris, "clinic-notice")
        await boris.goto(f"{place.address}day")
        await boris.get_by_role("link", name="Close the day").click()
        await expect(boris.get_by_text("A person is being served here.")).to_be_visible()
        await boris.get_by_role("link", name="Back").click()
        await boris.locator("[data-key=help]").click()
        await boris.locator("[data-key=help]").click()
        await shows(boris, "answer-person")
        await choose(place, boris, "next")
        await boris.goto(f"{place.address}day")
        report = await boris.context.request.get(f"{place.address}day/report.pdf")
        assert (await report.body()).startswith(b"%PDF")
        await boris.get_by_role("link", name="Close the day").click()
        await expect(boris.get_by_text("The list will be erased.")).to_be_visible()
        await boris.get_by_role("button", name="Close the day").click()
        await expect(boris.get_by_text("List erased: 3 entries")).to_be_visible()
        assert await place.appliance.store.run(lambda store: store.lists.loaded()) is None
