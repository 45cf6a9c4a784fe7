"""A served page before a scripted station, and what staff do in front of it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Page, expect

from firmware.notices import Notices
from firmware.page.app import Page as OperatorPage
from firmware.page.app import Rules
from firmware.page.browsers import Front
from firmware.page.ports import Bar
from firmware.page.recordings import Recordings
from firmware.page.streams import Streams
from firmware.page.viewfinder import LiveView
from firmware.workflow.screen import Choice, Entry, Ration, Screen, Shown, Tone, say
from firmware.workflow.terms import Role
from inference.operating_point import Strength
from tests.kit.scripted_station import ScriptedStation, ThreeOfStaff
from trust import certificates
from trust.names import DeviceName
from trust.tls import contexts
from trust.tls.address import Address
from trust.web.server import PageServer

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
    own_answer=True,
)
CARD = Screen("card", Tone.CALM, "card", say("Show the card, or type its number"), entry=Entry.CARD)
FACE = Screen("face", Tone.CALM, "face", say("Look at the camera."), preview="face", tries_left=3)
CANDIDATES = Screen(
    "candidates",
    Tone.CALM,
    "people",
    say("Look at the person. Who is it?"),
    choices=(Choice("nobody", say("None of these"), "decline"),),
    candidates=(
        Shown("candidate 0", "C-1017", Strength.STRONG),
        Shown("candidate 1", "C-2040", Strength.FAIR),
        Shown("candidate 2", "C-0007", Strength.WEAK),
    ),
)
GIVE = Screen(
    "give",
    Tone.GOOD,
    "hand over",
    say("Give the ration, then press GIVEN"),
    choices=(Choice("given", say("GIVEN"), "hand over"), Choice("not given", say("Nothing"), "back")),
    household_size=5,
    rations=(Ration("rice", "25", "kg"), Ration("oil", "2.5", "l"), Ration("soap", "5", "piece")),
    ends_in_s=120.0,
)
SUPERVISOR = Screen(
    "supervisor",
    Tone.PERSON,
    "staff",
    say("A supervisor enters name and PIN."),
    entry=Entry.COUNTERSIGN,
    signer=Role.SUPERVISOR,
)
FAULT = Screen("fault", Tone.FAULT, "wrench", say("A part of the appliance does not answer."), busy=True)
DONE = Screen("done", Tone.GOOD, "tick", say("Thank you"), public="17")
EVERY_KIND = (NOTICE, CARD, FACE, CANDIDATES, GIVE, SUPERVISOR, FAULT, DONE)


class Clock:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class BarText:
    """The top of the screen, as a test sets it."""

    def __init__(self) -> None:
        self.now = Bar("kit-07", waiting=3, uplink=False)

    def __call__(self) -> Bar:
        return self.now


@dataclass
class Rig:
    """The parts of a served page."""

    station: ScriptedStation
    clock: Clock
    bar: BarText
    live_view: LiveView
    address: str
    server: PageServer
    page: OperatorPage


@asynccontextmanager
async def served(
    *screens: Screen, recordings: Path | None = None, front: Front = Front.TOUCH
) -> AsyncIterator[Rig]:
    """Serve the page of one front."""
    station, clock, bar = ScriptedStation(*screens), Clock(), BarText()
    streams, live_view = Streams(), LiveView()
    rules, spoken = Rules(rest_s=900), Recordings(recordings)
    page = OperatorPage(
        front, station, ThreeOfStaff(), bar, live_view, clock, streams, rules, spoken, Notices()
    )
    server = PageServer(Address("127.0.0.1", 0), page.app, None if front is Front.TOUCH else _tls())
    address = await server.start()
    try:
        scheme = "http" if front is Front.TOUCH else "https"
        yield Rig(station, clock, bar, live_view, f"{scheme}://{address}", server, page)
    finally:
        streams.close()
        live_view.stir()
        await server.stop()


def _tls() -> ssl.SSLContext:
    key = certificates.new_key()
    chain = (certificates.make_page(key, DeviceName("kit-07", "test")),)
    return contexts.page_server(contexts.Shown(chain, key))


async def sign_in(page: Page, address: str, name: str = "amina", pin: str = "246824") -> None:
    """Sign in."""
    await page.goto(address)
    await page.get_by_label(name).check()
    await page.locator("input[type=password]").fill(pin)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator(".operator")).to_have_text(name)
    await page.wait_for_load_state("domcontentloaded")  # the scripts have run


async def shows(page: Page, screen: str) -> None:
    """Wait until the page shows the screen of that name."""
    await expect(page.locator("#screen")).to_have_attribute("data-screen", screen)
