"""The dashboard in a real browser: accessible, on a phone, by keyboard, without scripts, and live."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, expect

from aggregator.codec import parse_batch
from aggregator.records import Hello
from aggregator.store import commands, ingest
from aggregator.store.ingest import Admitted
from tests.browser.conftest import NewPage
from tests.browser.desk import PATHS, served_desk, sign_in
from tests.browser.test_operator_page import serious_faults
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.dashboard_rig import PASSWORD, DashboardRig
from tests.kit.link_device import Chained, check_in

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[DashboardRig, str]]:
    async with served_desk(tmp_path_factory.mktemp("desk")) as served:
        yield served


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 360)], ids=["light at a desk", "dark on a phone"]
)
async def test_every_page_is_accessible_fits_its_screen_and_obeys_its_policy(
    browser: Browser, desk: tuple[DashboardRig, str], scheme: str, width: int
) -> None:
    _, address = desk
    context = await browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if scheme == "dark" else "light"
    )
    said: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":  # what the content security policy refuses is one
            said.append(message.text)

    page = await context.new_page()
    page.on("console", note)
    page.on("pageerror", lambda error: said.append(str(error)))
    await page.goto(f"{address}/sign-in")
    await serious_faults(page)
    await sign_in(page, address)
    for path in PATHS.values():
        await page.goto(address + path, wait_until="load")
        await serious_faults(page)
        over = await page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, f"{path} is {over} px too wide"
        for drawing in await page.locator("[data-plot]").all():
            await expect(drawing.locator("canvas")).to_be_visible()
    assert not said
    await context.close()


async def test_the_keyboard_alone_signs_in_finds_a_device_and_asks_it_for_something(
    new_page: NewPage, desk: tuple[DashboardRig, str]
) -> None:
    rig, address = desk
    page = await new_page(1280, 800)
    await page.goto(f"{address}/sign-in")
    await expect(page.get_by_label("Name")).to_be_focused()
    await page.keyboard.type("amina")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{address}/")
    await page.keyboard.press("Tab")
    assert await page.evaluate("() => document.activeElement.className") == "skip"
    await _tab_to(page, "input[name=filter]")
    await page.keyboard.type("device = kit-00009")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("row")).to_have_count(2)
    await _tab_to(page, "th a")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{address}/devices/kit-00009")
    await _tab_to(page, "button[value='sync now']")
    outline = await page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("row", name="sync now")).to_be_visible()
    (asked,) = await rig.view.read(lambda db: commands.read(db, "kit-00009", 5))
    assert (asked.kind, asked.asked_by) == ("sync now", "administrator amina at the dashboard")


async def _tab_to(page: Page, wanted: str) -> None:
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.evaluate("(wanted) => document.activeElement.matches(wanted)", wanted):
            return
    raise AssertionError(f"no {wanted} by keyboard")


async def test_without_scripts_all_is_there_plots_in_words(
    new_page: NewPage, desk: tuple[DashboardRig, str]
) -> None:
    _, address = desk
    page = await new_page(scripts=False)
    await sign_in(page, address)
    await page.get_by_label("Filter").fill("health = failing")
    await page.get_by_role("button", name="Show").click()
    await expect(page.get_by_text("Cannot serve people").last).to_be_visible()
    await page.goto(f"{address}/devices/kit-00007")
    await expect(page.get_by_text("Temperature: processor from")).to_be_visible()
    await page.get_by_text("What cannot be taken back").click()
    await page.get_by_label("Write the device's name").fill("kit-00007")
    await page.get_by_role("button", name="Wipe").click()
    await expect(page.get_by_role("row", name="wipe")).to_be_visible()


async def test_what_arrives_is_shown_without_asking_for_it(
    new_page: NewPage, desk: tuple[DashboardRig, str]
) -> None:
    rig, address = desk
    page = await new_page()
    await sign_in(page, address, "vera")
    await page.goto(f"{address}/results")
    await expect(page.get_by_role("row", name="kit-00012")).to_have_count(0)
    epoch = (12).to_bytes(16, "big")
    admitted = await rig.store.admit(Hello("kit-00012", epoch, 70_000, "1.0.0", "juba-1", 1, bytes(16)), None)
    assert isinstance(admitted, Admitted)
    batch = parse_batch(Chained("kit-00012", epoch).pack([check_in(70_000)]), max_events=1)
    await rig.change(lambda db: ingest.keep(db, admitted, batch, NOW_NS))
    await expect(page.get_by_role("row", name="kit-00012")).to_have_count(1)


async def test_what_renews_itself_leaves_alone_what_somebody_writes_and_where_the_focus_is(
    new_page: NewPage, desk: tuple[DashboardRig, str]
) -> None:
    _, address = desk
    page = await new_page(1280, 800)
    await page.clock.install()
    await sign_in(page, address, "vera")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.get_by_label("Filter").fill("site = gat")
    await page.clock.fast_forward(16_000)
    await page.evaluate("() => fetch('/healthz')")  # whatever was asked for before it has been sent
    assert f"{address}/healthz" in asked
    assert not [url for url in asked if "/fragments/" in url]
    await expect(page.get_by_label("Filter")).to_have_value("site = gat")
    link = page.locator("#device-kit-00003")
    await link.focus()
    async with page.expect_response(lambda answer: "/fragments/fleet" in answer.url) as renewed:
        await page.clock.fast_forward(16_000)
    assert (await renewed.value).ok
    await expect(page.get_by_label("Filter")).to_have_value("")  # so it was renewed
    await expect(link).to_be_focused()
