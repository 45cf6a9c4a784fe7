"""The pages of the day and its list: each fits the smallest screen, is accessible, obeys the buttons."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import msgspec
import pytest
from playwright.async_api import Page, expect

from firmware.day.day import ToClose
from firmware.day.lines import Outcome, Told
from firmware.lists.reading import ReadList
from firmware.notices import Notices
from firmware.page import words
from firmware.page.day_pages import QUEUE_SIZES
from firmware.page.drawing import FOLDER, Drawing, keys_beside
from firmware.page.list_facts import facts_of
from firmware.page.list_pages import Draft
from firmware.page.ports import Bar, Member
from firmware.page.recordings import Recordings
from firmware.page.translate import LANGUAGES
from firmware.page.viewers import Operator, Viewer
from firmware.store.lists import LoadedList
from firmware.workflow.terms import Role
from sensors.board.port import Button
from tests.browser.conftest import NewPage
from tests.browser.test_operator_page import fits, serious_faults
from tests.browser.workplace import Workplace, shows, sign_in, workplace
from tests.kit.work_lists import at, distribution_list
from trust.lists.faults import Fault, Form
from trust.service import Workflow

pytestmark = pytest.mark.asyncio(loop_scope="session")

VIEWER = Viewer("token", 0.0, Operator("boris", Role.SUPERVISOR))
OPENED = Told(
    Outcome.OPEN_WITH_CARE,
    (
        "The list is for 2026-11-25, and this appliance takes today for 2026-11-26: load today's "
        "list, or set the clock.",
        "fingerprint reader: it does not answer: look at its plug, then open the day once more",
        "Today is Thursday, 26 November 2026 (nobody has checked this clock: look at it).",
        "audit log: well",
        "camera: well",
        "List: clinic, 2026-11-25, 60 entries; 41 of 1200 in the gallery are searched.",
        "Search by face alone: about 1 in 20,000 people who are not registered gets a wrong suggestion.",
        "Search by finger alone (R503): about 1 in 20,000 people who are not registered gets a wrong "
        "suggestion.",
        "Look at the person before you confirm a suggestion.",
        "Visit tokens of this appliance: 1000 to 1999; each other one has its own.",
    ),
)
CLOSED = Told(
    Outcome.CLOSED,
    (
        "127 records wait for the aggregator; they are sent when it is reached.",
        "List erased: 380 entries, receipt 0123456789abcdef…",
        "Ledger sealed: 0123456789abcdef…",
        "The report stays here until the next day is closed.",
    ),
)
LOADED = LoadedList(
    workflow=Workflow.CLINIC,
    site="clinic-2",
    cycle="2026-11-26",
    first_day=date(2026, 11, 26),
    last_day=date(2026, 11, 26),
    entries=380,
    digest=bytes(32),
    key=bytes(32),
    loaded=at(0),
)
CYCLE = msgspec.structs.replace(LOADED, workflow=Workflow.DISTRIBUTION, cycle="2026-11")
FAULTS = tuple(Fault("the number of the household stands here a second time", row, 1) for row in range(2, 14))
DAY: dict[str, object] = {
    "message": None,
    "told": None,
    "loads": True,
    "was_closed": True,
    "supervises": True,
    "staffs": True,
    "updates": True,
}
STAFF: dict[str, object] = {
    "members": (
        Member("amina", Role.OPERATOR),
        Member("boris", Role.SUPERVISOR),
        Member("noor", Role.OPERATOR),
    ),
    "member": None,
    "adds": False,
    "message": None,
}
DRAFT = Draft("STICK/cycle.xlsx", ReadList(distribution_list()), "boris")
LIST: dict[str, object] = {
    "message": None, "present": None, "done": None, "files": ("STICK/cycle.xlsx", "STICK/typed.csv"),
    "has_folder": True, "uploads": False, "faults": None, "form": None, "found": 0, "file": "",
}  # fmt: skip
SOFTWARE: dict[str, object] = {
    "message": None, "said": words.SOFTWARE_ON_STICK, "reason": "",
    "files": ("STICK/aidpost-0.2.0.raucb", "STICK/aidpost-0.2.1.raucb"),
}  # fmt: skip
PAGES: dict[str, tuple[str, dict[str, object]]] = {
    "before the day": ("day.html", DAY),
    "refused": ("day.html", {**DAY, "message": words.WAITS_TO_BE_WRITTEN}),
    "opened": ("day.html", {**DAY, "told": OPENED}),
    "closed": ("day.html", {**DAY, "told": CLOSED}),
    "closed before": ("day.html", {**DAY, "told": Told(Outcome.CLOSED_BEFORE)}),
    "staff": ("day_staff.html", STAFF),
    "another person": ("day_staff.html", {**STAFF, "adds": True}),
    "another person, refused": ("day_staff.html", {**STAFF, "adds": True, "message": words.NOT_STAFF}),
    "one person": ("day_staff.html", {**STAFF, "member": Member("amina", Role.OPERATOR)}),
    "software": ("update.html", SOFTWARE),
    "software is written": ("update.html", {**SOFTWARE, "said": words.SOFTWARE_IS_WRITTEN, "files": ()}),
    "software refused": (
        "update.html",
        {
            **SOFTWARE,
            "said": words.SOFTWARE_NOT_INSTALLED,
            "reason": "signature of the bundle is not trusted: take the file that the desk gives out",
            "message": words.wrong_pin(2),
        },
    ),
    "who waits": ("day_queue.html", {"sizes": QUEUE_SIZES}),
    "close a clinic": ("day_close.html", {"asked": ToClose(LOADED, 41, 127, clock_checked=True)}),
    "close a distribution": ("day_close.html", {"asked": ToClose(CYCLE, 41, 127, clock_checked=True)}),
    "close, clock unchecked": ("day_close.html", {"asked": ToClose(LOADED, 41, 127, clock_checked=False)}),
    "choose a list": ("list.html", {**LIST, "present": words.now_loaded(CYCLE)}),
    "correct a list": (
        "list.html",
        {**LIST, "faults": FAULTS, "form": Form.CSV, "found": 120, "file": "STICK/typed.csv"},
    ),
    "list loaded": ("list.html", {**LIST, "done": words.list_loaded(380)}),
    "compare a list": (
        "list_check.html",
        {
            "message": None,
            "draft": DRAFT,
            "facts": facts_of(DRAFT.read),
            "names": ("chidi", "noor"),
            "second": "",
        },
    ),
}
# What is wider or higher than its box; of the details of the day, whether any is out of view.
CUT = """() => [...document.querySelectorAll("main, button, h1, main li, main p, label, .choice, .found")]
  .filter((box) => box.clientWidth
    && (box.scrollWidth > box.clientWidth + 2 || box.scrollHeight > box.clientHeight + 3))
  .map((box) => `${box.tagName} ${box.className}: ${box.textContent.trim().slice(0, 40)}`)"""


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_page_beside_the_work_fits_and_is_accessible(new_page: NewPage, language: str) -> None:
    drawing = Drawing(sounds=False, speaks=False, recordings=Recordings(None), notices=Notices())
    css = (FOLDER / "static" / "page.css").read_text()
    page, cut = await new_page(), []
    for name, (template, values) in PAGES.items():
        drawn = drawing.draw(
            template,
            language,
            viewer=VIEWER,
            bar=Bar("kit-07", waiting=127, uplink=False),
            keys=keys_beside(),
            place="/day",
            pressed=0,
            **values,
        )
        drawn = drawn.replace('<link rel="stylesheet" href="/static/page.css">', f"<style>{css}</style>")
        await page.set_content(re.sub(r"<script.*?</script>|<link.*?>", "", drawn))
        cut += [(name, box) for box in await page.evaluate(CUT)]
        if not await fits(page):
            cut.append((name, "words and answers"))
        if language in ("en", "ar"):
            await serious_faults(page)
    assert not cut


async def at_the_day(place: Workplace, page: Page, name: str) -> None:
    """Sign in and open the page of the day, to which the buttons of the board then belong."""
    await sign_in(page, place.address, name)
    async with page.expect_response("**/events?beside"):
        await page.goto(f"{place.address}day")


async def test_the_four_buttons_of_the_board_act_on_the_day(new_page: NewPage, tmp_path: Path) -> None:
    async with workplace(tmp_path, Workflow.CLINIC, ("en", "ar")) as place:
        page = await new_page()
        await at_the_day(place, page, "boris")
        before = place.lane.station.highlight
        for _ in range(2):  # to the list, and to the close
            place.lane.press(Button.AGAIN)
        place.lane.press(Button.AGAIN)
        await expect(page.get_by_role("link", name="Close the day")).to_be_focused()
        place.lane.press(Button.OK)
        await expect(page.get_by_text("The list will be erased.")).to_be_visible()
        await serious_faults(page)
        async with page.expect_response("**/events?beside"):
            place.lane.press(Button.LANGUAGE)
        await expect(page.locator("html")).to_have_attribute("dir", "rtl")
        assert page.url.endswith("/day/close")
        place.lane.press(Button.AGAIN)
        place.lane.press(Button.OK)
        await expect(page.locator(".told .found")).to_contain_text("List erased: 3 entries")
        assert place.lane.station.highlight == before, "the work's own screen was left alone"
        assert await place.appliance.store.run(lambda store: store.lists.loaded()) is None
        place.lane.press(Button.HELP)
        await shows(page, "answer-person", "clinic-paper")


async def test_the_keys_below_the_day_call_a_person_and_change_the_language(
    new_page: NewPage, tmp_path: Path
) -> None:
    async with workplace(tmp_path, Workflow.CLINIC, ("en", "ar")) as place:
        page = await new_page()
        await at_the_day(place, page, "amina")
        # The keys belong to a page once its script runs, which then asks for its events.
        async with page.expect_response("**/events?beside"):
            await page.locator("[data-key=language]").click()
        await expect(page.locator("html")).to_have_attribute("dir", "rtl")
        assert page.url.endswith("/day")
        await page.keyboard.press("F1")
        await shows(page, "answer-person", "clinic-paper")
