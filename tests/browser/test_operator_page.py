"""The operator page in a real browser, before a station that shows what the test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from firmware.page.app import Front, Rules
from firmware.page.app import Page as OperatorPage
from firmware.page.ports import Bar
from firmware.page.server import PageServer
from firmware.page.streams import Streams
from firmware.page.viewfinder import LiveView
from firmware.workflow.screen import Choice, Entry, Screen, Tone, say
from tests.kit.scripted_station import ScriptedStation, TwoOfStaff

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTICE = Screen(
    "notice",
    Tone.CALM,
    "notice",
    say("May we check your finger and face?"),
    choices=(
        Choice("accept", say("I agree"), "accept"),
        Choice("decline", say("I do not want this"), "decline"),
        Choice("question", say("I have a question"), "question"),
    ),
)
CARD = Screen("card", Tone.CALM, "card", say("Show the card, or type its number"), entry=Entry.CARD)
DONE = Screen("done", Tone.GOOD, "tick", say("Thank you"), public="17")


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Rig:
    """A served page before a scripted station."""

    def __init__(self, station: ScriptedStation, clock: Clock, live_view: LiveView, address: str) -> None:
        self.station = station
        self.clock = clock
        self.live_view = live_view
        self.address = address


@asynccontextmanager
async def served(station: ScriptedStation) -> AsyncIterator[Rig]:
    clock, streams, live_view = Clock(), Streams(), LiveView()
    page = OperatorPage(
        Front.TOUCH, station, TwoOfStaff(), lambda: Bar("kit-07"), live_view, clock, streams, Rules()
    )
    server = PageServer("127.0.0.1", 0, page.app)
    port = await server.start()
    try:
        yield Rig(station, clock, live_view, f"http://127.0.0.1:{port}")
    finally:
        streams.close()
        live_view.stir()
        await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(viewport={"width": 800, "height": 480}, reduced_motion="reduce")
    context.set_default_timeout(5000)
    yield context
    await context.close()


async def sign_in(page: Page, address: str, name: str = "amina", pin: str = "246824") -> None:
    await page.goto(address)
    await page.get_by_label(name).check()
    await page.get_by_label("Your PIN").fill(pin)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("#page")).to_have_attribute("data-screen", "notice")


async def test_a_touch_leads_to_the_next_screen(context: BrowserContext) -> None:
    async with served(ScriptedStation(NOTICE, DONE)) as rig:
        page = await context.new_page()
        await sign_in(page, rig.address)
        await page.get_by_role("button", name="I agree").click()
        await expect(page.get_by_role("heading")).to_have_text("Thank you")
        assert [(act.act, act.operator) for act in rig.station.acts] == [("accept", "amina")]
