"""The operator page in a real browser, before a station that shows what the test wants."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, Playwright, expect

from firmware.demo.build_assets import load_face
from firmware.demo.views import ViewCondition, face_view
from firmware.page.browsers import Front
from firmware.page.viewfinder import encoded
from sensors.board.port import Button
from sensors.frames import ColourFrame, DeviceIdentity, Retry, RetryReason
from tests.browser.conftest import NewPage
from tests.browser.rig import CARD, DONE, EVERY_KIND, FACE, NOTICE, SUPERVISOR, served, shows, sign_in

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIZES = {"touch": (800, 480), "large touch": (1024, 600), "phone": (390, 844)}
MOST_BYTES = 200_000
IDENTITY = DeviceIdentity("drawn", "test")
_noted: list[list[str]] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if (
        _noted
        and event == "open"
        and isinstance(arguments[2], int)
        and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    ):
        _noted[-1].append(str(arguments[0]))


sys.addaudithook(_note)  # there is no way to take one off again


@contextmanager
def noting_files_written(paths: list[str]) -> Iterator[None]:
    """Note every file that this process opens for writing."""
    _noted.append(paths)
    try:
        yield
    finally:
        _noted.pop()


async def test_touch_alone_signs_in_and_leads_to_the_next_screen(new_page: NewPage) -> None:
    async with served(NOTICE, DONE) as rig:
        page = await new_page()
        await page.goto(rig.address)
        await page.get_by_label("amina").check()
        for digit in "246824":
            await page.locator(f"[data-digit='{digit}']").click()
        await page.get_by_role("button", name="Sign in").click()
        await shows(page, "notice")
        await page.wait_for_load_state("domcontentloaded")
        await page.get_by_role("button", name="I agree").click()
        await shows(page, "done")
        assert [(act.act, act.operator) for act in rig.station.acts] == [("accept", "amina")]


async def test_the_buttons_of_the_board_move_the_highlight_and_take_it(new_page: NewPage) -> None:
    async with served(NOTICE, DONE) as rig:
        page = await new_page()
        await sign_in(page, rig.address)
        await expect(page.locator(".highlighted")).to_have_count(0)
        await expect(page.locator("[data-key=ok]")).to_be_disabled()
        await rig.station.press(Button.AGAIN, "amina")
        await expect(page.locator(".highlighted")).to_have_text("I agree")
        await expect(page.locator("[data-key=ok]")).to_be_enabled()
        await rig.station.press(Button.AGAIN, "amina")
        await expect(page.locator(".highlighted")).to_have_text("I do not want this")
        await expect(page.locator(".highlighted")).to_be_focused()
        await rig.station.press(Button.OK, "amina")
        await shows(page, "done")
        assert [act.act for act in rig.station.acts] == ["decline"]


async def test_the_four_keys_on_the_page_do_what_the_buttons_do(new_page: NewPage) -> None:
    async with served(NOTICE, DONE) as rig:
        page = await new_page()
        await sign_in(page, rig.address)
        for _ in range(3):
            await page.locator("[data-key=again]").click()
        await expect(page.locator(".highlighted")).to_have_text("I have a question")
        await page.locator("[data-key=ok]").click()
        await shows(page, "done")
        assert [act.act for act in rig.station.acts] == ["question"]


async def test_the_four_buttons_alone_sign_in(new_page: NewPage) -> None:
    async with served(NOTICE, DONE) as rig:
        page = await new_page()
        async with page.expect_response("**/events?*"):
            await page.goto(rig.address)
        await expect(page.get_by_label("Your PIN")).to_be_focused()

        async def press(button: Button, times: int = 1) -> None:
            for _ in range(times):
                assert rig.page.takes(button)

        # From the PIN: "Sign in", then the digits 1 to 9 and 0, "delete", and around to the names.
        await press(Button.AGAIN, 13)
        await expect(page.get_by_label("amina")).to_be_focused()
        await press(Button.OK)
        await press(Button.AGAIN, 5)
        at = 2
        for digit in (2, 4, 6, 8, 2, 4):
            await press(Button.AGAIN, (digit - at) % 16)
            await press(Button.OK)
            at = digit
        await expect(page.get_by_label("Your PIN")).to_have_value("246824")
        await press(Button.AGAIN, (0 - at) % 16)
        await expect(page.get_by_role("button", name="Sign in")).to_be_focused()
        await press(Button.OK)
        await shows(page, "notice")


async def test_a_keyboard_alone_is_enough(new_page: NewPage) -> None:
    async with served(NOTICE, CARD, DONE) as rig:
        page = await new_page()
        keys = page.keyboard
        await page.goto(rig.address)
        await expect(page.get_by_label("Your PIN")).to_be_focused()
        await keys.press("Shift+Tab")
        await keys.press("ArrowDown")  # from the first name to the second
        await keys.press("Tab")
        await keys.type("135713")
        await keys.press("Enter")
        await shows(page, "notice")
        await page.wait_for_load_state("domcontentloaded")
        await keys.press("Enter")  # nothing is the easy answer
        await keys.press("ArrowRight")
        await keys.press("ArrowRight")
        await keys.press("Enter")
        await shows(page, "card")
        await expect(page.get_by_label("Card number")).to_be_focused()  # elsewhere H is HELP
        await keys.type("H-0042")
        await keys.press("Enter")
        await shows(page, "done")
        acted = [(act.act, act.value, act.operator) for act in rig.station.acts]
        assert acted == [("decline", "", "boris"), ("card", "H-0042", "boris")]


async def test_help_and_language_have_keys_everywhere(new_page: NewPage) -> None:
    async with served(CARD, DONE) as rig:
        page = await new_page()
        await sign_in(page, rig.address)
        await page.keyboard.press("F2")  # while a number is typed, letters are letters
        await expect(page.locator("html")).to_have_attribute("dir", "rtl")
        await page.keyboard.press("F1")
        await shows(page, "done")
        assert [act.act for act in rig.station.acts] == ["help"]


async def test_help_at_the_appliance_needs_nobody_signed_in(new_page: NewPage) -> None:
    async with served(NOTICE, DONE) as rig:
        page = await new_page()
        await page.goto(rig.address)
        async with page.expect_response("**/press"):
            await page.locator("[data-key=help]").click()
        await expect(page.get_by_role("heading", name="Staff sign in here")).to_be_visible()
        assert [act.act for act in rig.station.acts] == ["help"]


async def test_a_tablet_signs_in_over_tls_and_reads_its_own_language(new_page: NewPage) -> None:
    async with served(NOTICE, DONE, front=Front.TABLET) as rig:
        page = await new_page(1280, 800)
        await page.goto(rig.address)
        await expect(page.get_by_text("boris")).to_have_count(0)  # the network is not told who works here
        await page.get_by_label("Your name").fill("boris")
        await page.get_by_label("Your PIN").fill("135713")
        await page.get_by_role("button", name="Sign in").click()
        await shows(page, "notice")
        await page.wait_for_load_state("domcontentloaded")
        await page.keyboard.press("F2")
        await expect(page.locator("html")).not_to_have_attribute("lang", "en")
        assert rig.station.language == "en"
        await page.locator("[value=accept]").click()
        await shows(page, "done")


async def test_a_page_that_missed_a_screen_is_told_and_does_nothing(new_page: NewPage) -> None:
    async with served(NOTICE, CARD, DONE) as rig:
        page = await new_page()
        await page.route("**/events?*", lambda route: route.abort())
        await sign_in(page, rig.address)
        rig.station.turn_to(1)
        await page.get_by_role("button", name="I agree").click()
        await shows(page, "card")
        await expect(page.get_by_role("alert").get_by_text("This screen has moved on.")).to_be_visible()
        assert not rig.station.acts


async def test_the_page_opened_twice_shows_one_screen(new_page: NewPage) -> None:
    async with served(NOTICE, CARD, DONE) as rig:
        one = await new_page()
        await sign_in(one, rig.address)
        other = await one.context.new_page()
        await other.goto(rig.address)
        await one.get_by_role("button", name="I agree").click()
        await shows(one, "card")
        await shows(other, "card")
        await other.get_by_label("Card number").fill("H-1")
        await other.get_by_role("button", name="Enter").click()
        await shows(one, "done")


async def test_a_second_operator_is_told_who_serves_and_may_take_over(new_page: NewPage) -> None:
    async with served(NOTICE, CARD, DONE) as rig:
        amina, boris = await new_page(), await new_page()
        await sign_in(amina, rig.address)
        await amina.get_by_role("button", name="I agree").click()
        await sign_in(boris, rig.address, "boris", "135713")
        await boris.get_by_label("Card number").fill("H-1")
        await boris.get_by_role("button", name="Enter").click()
        await expect(boris.get_by_text("amina serves the person who is here.")).to_be_visible()
        await boris.get_by_role("button", name="Take over").click()
        await boris.get_by_label("Card number").fill("H-1")
        await boris.get_by_role("button", name="Enter").click()
        await shows(amina, "done")
        assert [act.operator for act in rig.station.acts] == ["amina", "boris"]


async def test_a_browser_that_closes_changes_nothing(new_page: NewPage) -> None:
    async with served(NOTICE, CARD, DONE) as rig:
        page = await new_page()
        await sign_in(page, rig.address)
        await page.get_by_role("button", name="I agree").click()
        await shows(page, "card")
        await page.close()
        again = await new_page()
        await sign_in(again, rig.address)
        await shows(again, "card")


async def test_what_is_typed_stays_while_other_parts_change(new_page: NewPage) -> None:
    async with served(SUPERVISOR, DONE) as rig:
        page = await new_page()
        await sign_in(page, rig.address)
        await page.get_by_label("boris").check()
        await page.get_by_label("PIN of the supervisor").click()
        await page.keyboard.type("13")
        rig.bar.now = replace(rig.bar.now, waiting=4)
        await rig.station.press(Button.LANGUAGE)
        await expect(page.locator("html")).to_have_attribute("dir", "rtl")
        await expect(page.locator(".queue bdi")).to_have_text("4")
        await page.keyboard.type("57")
        await page.locator("[data-digit='1']").click()
        await page.locator("[data-digit='3']").click()
        await page.locator(".entry .primary").click()
        await shows(page, "done")
        assert [act.value for act in rig.station.acts] == ["boris\n135713"]


async def test_who_rests_too_long_sees_the_sign_in_again(new_page: NewPage) -> None:
    async with served(NOTICE) as rig:
        page = await new_page()
        await sign_in(page, rig.address)
        rig.clock.now_s += 901
        rig.station.change()
        await expect(page.get_by_role("heading", name="Staff sign in here")).to_be_visible()


async def test_an_appliance_that_stops_is_not_taken_for_one_that_waits(new_page: NewPage) -> None:
    async with served(NOTICE) as rig:
        page = await new_page()
        await sign_in(page, rig.address)
    await expect(page.get_by_text("The appliance does not answer.")).to_be_visible()


async def test_without_scripts_the_page_still_works(new_page: NewPage) -> None:
    async with served(NOTICE, DONE) as rig:
        page = await new_page(scripts=False)
        await page.goto(rig.address)
        await page.get_by_label("boris").check()
        await page.get_by_label("Your PIN").fill("135713")
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("button", name="I agree").click()
        await shows(page, "done")


async def test_bystanders_see_the_number_alone(new_page: NewPage) -> None:
    async with served(NOTICE, DONE) as rig:
        page = await new_page()
        await page.goto(f"{rig.address}/bystander")
        await expect(page.locator("body")).to_have_text(re.compile(r"^\s*$"))
        rig.station.turn_to(1)
        await expect(page.locator("body")).to_have_text(re.compile(r"^\s*17\s*$"))


async def test_people_see_themselves_and_nothing_of_it_is_written(
    playwright: Playwright, chromium: str, tmp_path: Path
) -> None:
    profile = tmp_path / "profile"
    context = await playwright.chromium.launch_persistent_context(profile, executable_path=chromium)
    seen = ColourFrame(face_view(load_face("collins.jpg"), 1, ViewCondition()), IDENTITY, taken_at_s=1.0)
    written: list[str] = []
    async with served(FACE, DONE) as rig:
        page = await context.new_page()
        async with page.expect_response("**/preview?*"):
            await sign_in(page, rig.address)
        with noting_files_written(written):
            rig.live_view.saw(seen, Retry(RetryReason.COME_CLOSER))
            await expect(page.locator(".preview img")).to_have_js_property("naturalWidth", 320)
            await expect(page.get_by_text("Please come closer.")).to_be_visible()
            rig.live_view.saw(replace(seen, taken_at_s=2.0), Retry(RetryReason.HOLD_STILL))
            await expect(page.get_by_text("Hold still for a moment.")).to_be_visible()
            rig.station.turn_to(1)
            await shows(page, "done")
        stranger = await page.context.request.get(f"{rig.address}/preview")
        assert stranger.status == 204  # no face is being taken any more
    await context.close()
    assert not written
    jpeg = bytes(encoded(seen))
    kept = [file for file in profile.rglob("*") if file.is_file() and jpeg[300:364] in file.read_bytes()]
    assert not kept
    assert len(list(profile.rglob("*"))) > 10  # the browser did keep a profile


async def fits(page: Page) -> bool:
    return bool(
        await page.evaluate(
            """async () => {
                await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
                const page = document.documentElement;
                const box = (selector) => document.querySelector(selector).getBoundingClientRect();
                const words = box(".words"), acts = box(".doing .acts");
                const apart = words.height === 0
                    || (words.bottom <= acts.top + 1 && words.top >= box(".bar").bottom - 1);
                return page.scrollHeight <= innerHeight && page.scrollWidth <= innerWidth && apart;
            }"""
        )
    )


@pytest.mark.parametrize(("size", "language"), [("large touch", "en"), ("phone", "ar")])
async def test_every_kind_of_screen_is_accessible_and_fits(
    new_page: NewPage, size: str, language: str
) -> None:
    async with served(*EVERY_KIND) as rig:
        rig.station.speak(language)
        page = await new_page(*SIZES[size])
        await page.goto(rig.address)
        await serious_faults(page)
        await page.get_by_label("amina").check()
        await page.locator("input[type=password]").fill("246824")
        await page.locator(".primary").click()
        for index, screen in enumerate(EVERY_KIND):
            rig.station.turn_to(index)
            await shows(page, screen.name)
            await serious_faults(page)
            if "touch" in size:
                assert await fits(page), screen.name


async def serious_faults(page: Page) -> None:
    found = await Axe().run(page, options={"resultTypes": ["violations"]})
    serious = [one for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
    assert not serious, [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious]


async def test_the_page_is_light(new_page: NewPage) -> None:
    async with served(NOTICE) as rig:
        page = await new_page()
        sizes: dict[str, int] = {}

        async def weigh() -> None:
            sizes.update(
                await page.evaluate(
                    "() => Object.fromEntries(performance.getEntries()"
                    ".filter((one) => 'transferSize' in one).map((one) => [one.name, one.transferSize]))"
                )
            )

        await page.goto(rig.address, wait_until="load")
        await weigh()
        await sign_in(page, rig.address)
        await weigh()
        assert sum(sizes.values()) < MOST_BYTES
        assert len(sizes) > 3
