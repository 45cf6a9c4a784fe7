"""The page of the first boot in a real browser: each step fits and is told, and what is entered arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from firmware.first_boot.terms import Situation, Step, Trouble
from firmware.first_boot.words import screen_of
from firmware.page.number_gate import NumberGate
from firmware.page.translate import LANGUAGES
from sensors.board.port import Button
from tests.browser.conftest import NewPage
from tests.kit.first_boot_views import KNOWN, SITUATIONS, WORDS, Served, first_boot_page
from trust.network import Wifi
from trust.tls.address import Address
from trust.web.server import PageServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Draws each screen, and returns what is wider than its box or below what is in view.
CUT = """([screens, mayScroll]) => screens.map((drawn) => {
  const live = document.getElementById("live");
  live.innerHTML = drawn;
  const boxes = [...live.querySelectorAll("main, h1, main li, main p, main button, main label, .steps li")];
  const keys = document.querySelector(".keys").getBoundingClientRect().top;
  const cut = boxes.filter((box) => box.clientWidth && (box.scrollWidth > box.clientWidth + 2
    || (!mayScroll && box.getBoundingClientRect().bottom > keys + 1)));
  return cut.map((box) => `${box.tagName} ${box.className}: ${box.textContent.trim().slice(0, 50)}`);
})"""
READ = (
    SITUATIONS[0],
    replace(KNOWN, trouble=Trouble.NO_NETWORK),
    replace(KNOWN, step=Step.APPROVAL, key_words=WORDS),
    replace(KNOWN, step=Step.SUPERVISOR),
)


async def shows(page: Page, served: Served, situation: Situation) -> None:
    served.boot.turn_to(situation)
    await page.locator(f"[data-screen='{screen_of(situation).name}']").wait_for()


@pytest.mark.parametrize(("width", "height", "languages"), [(800, 480, LANGUAGES), (390, 844, ("uk", "ar"))])
async def test_every_step_fits_in_every_language(
    new_page: NewPage, width: int, height: int, languages: Iterable[str]
) -> None:
    page = await new_page(width, height)
    cut: dict[tuple[str, str], list[str]] = {}
    async with first_boot_page() as served:
        for language in languages:
            served.boot.turn_to(Situation(Step.CLAIM, languages=(language,)))
            await page.goto(served.address)
            drawn = []
            for situation in SITUATIONS:
                served.boot.situation = replace(situation, languages=(language,))
                drawn.append(served.page.draw("first_boot_screen.html"))
            drawn.append(served.page.draw("first_boot_screen.html", asks="wifi"))
            found = await page.evaluate(CUT, [drawn, width < 800])
            names = [*(screen_of(each).name for each in SITUATIONS), "wifi"]
            cut |= {(language, name): one for name, one in zip(names, found, strict=True) if one}
    assert not cut


async def test_nothing_keeps_anybody_from_reading_or_entering(new_page: NewPage) -> None:
    page = await new_page()
    async with first_boot_page() as served:
        await page.goto(served.address)
        for situation in READ:
            await shows(page, served, situation)
            found = await Axe().run(page, options={"resultTypes": ["violations"]})
            assert not found.response["violations"], screen_of(situation).name
        await page.goto(f"{served.address}first-boot/wifi")
        found = await Axe().run(page, options={"resultTypes": ["violations"]})
        assert not found.response["violations"]


async def test_what_is_entered_arrives(new_page: NewPage) -> None:
    page = await new_page()
    async with first_boot_page() as served:
        await page.goto(served.address)
        await shows(page, served, replace(KNOWN, trouble=Trouble.NO_NETWORK))
        await page.get_by_role("button", name="Enter a Wi-Fi network").click()
        await page.locator("#wifi-name").fill("Harbour")
        await page.locator("#wifi-passphrase").focus()
        for key in "abcd1234":
            await page.locator(f".layer-small [data-digit='{key}']").click()
        await page.locator("[value=signs]").check()
        await page.locator(".layer-signs [data-digit='#']").click()
        await page.get_by_role("button", name="Use this Wi-Fi network").click()
        await page.wait_for_load_state()
        await shows(page, served, Situation(Step.SUPERVISOR))
        for field, value in (("name", "ana"), ("pin", "739150"), ("again", "739151")):
            await page.locator(f"#supervisor-{field}").fill(value)
        await page.get_by_role("button", name="Let this person sign in").click()
        await expect(page.get_by_role("alert")).to_contain_text("The two PINs differ")
        for field, value in (("name", "ana"), ("pin", "739150"), ("again", "739150")):
            await page.locator(f"#supervisor-{field}").fill(value)
        await page.get_by_role("button", name="Let this person sign in").click()
        await page.wait_for_load_state()
        await shows(page, served, Situation(Step.SELF_TEST, Trouble.PARTS))
        served.page.press(Button.AGAIN)
        await expect(page.locator("[value=again]")).to_be_focused()
        served.page.press(Button.AGAIN)
        await expect(page.locator("[value='go on']")).to_be_focused()
        async with page.expect_navigation():
            served.page.press(Button.OK)
        served.page.press(Button.LANGUAGE)
        await expect(page.locator("#screen")).to_have_attribute("lang", "fr")
        assert served.boot.done == [
            Wifi(name="Harbour", passphrase="abcd1234#"),
            ("ana", "739150"),
            "go on",
        ]


@pytest.mark.parametrize(("width", "height"), [(800, 480), (390, 844)])
async def test_a_tablet_comes_to_the_page_by_the_number(new_page: NewPage, width: int, height: int) -> None:
    page = await new_page(width, height)
    tries = iter(range(0, 600, 60))
    async with first_boot_page(gate=NumberGate(lambda: float(next(tries)), "48317720")) as served:
        for language in LANGUAGES:
            served.boot.turn_to(replace(KNOWN, step=Step.SUPERVISOR, languages=(language,)))
            await page.goto(served.address)
            assert await page.locator("main").get_attribute("lang") == language
            wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
            assert not wide, language
        found = await Axe().run(page, options={"resultTypes": ["violations"]})
        assert not found.response["violations"]
        for number, shown in (("11112222", "[role=alert]"), ("4831 7720", "#supervisor-name")):
            await page.locator("#number").fill(number)
            await page.locator("form.asked button.primary").click()
            await page.locator(shown).wait_for()
        await page.locator("#supervisor-name").fill("ana")
        for field in ("pin", "again"):
            await page.locator(f"#supervisor-{field}").fill("739150")
        await page.locator("form.asked button.primary").click()
        await page.wait_for_load_state()
        await shows(page, served, Situation(Step.SELF_TEST, Trouble.PARTS))
        assert served.boot.done == [("ana", "739150")]


async def test_the_page_becomes_the_appliances_once_it_is_ready(new_page: NewPage) -> None:
    page = await new_page()
    async with first_boot_page() as served:
        await page.goto(served.address)
        await shows(page, served, Situation(Step.APPROVAL, key_words=WORDS))
        await expect(page.locator(".key-words")).to_have_text(WORDS)
        port = int(served.address.rsplit(":", 1)[1].rstrip("/"))
        served.boot.turn_to(Situation(Step.SELF_TEST, ready=True))
        await page.locator("[data-screen=first-boot-ready]").wait_for()

    async def answer(_request: Request) -> Response:
        return PlainTextResponse("the appliance serves")

    appliance = PageServer(
        Address("127.0.0.1", port), Starlette(routes=[Route("/health", answer), Route("/", answer)])
    )
    await appliance.start()
    try:
        await page.get_by_text("the appliance serves").wait_for()
    finally:
        await asyncio.wait_for(appliance.stop(), 10)
