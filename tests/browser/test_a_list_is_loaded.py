"""Two supervisors load a list by touch while the appliance runs, and the first household is served."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from playwright.async_api import expect

from firmware.demo.scenario import Person
from firmware.lists.templates import distribution_rows, write_template
from tests.browser.conftest import NewPage
from tests.browser.test_operator_page import fits, serious_faults
from tests.browser.workplace import PINS, choose, enter, shows, sign_in, workplace
from tests.kit.store_values import DEVICE, SITE
from trust.service import Workflow

pytestmark = pytest.mark.asyncio(loop_scope="session")

COLLECTOR = Person("P-0101", 3, "hopper.jpg")


async def test_two_supervisors_load_a_list_and_the_first_household_is_served(
    new_page: NewPage, tmp_path: Path
) -> None:
    stick = tmp_path / "media" / "STICK"
    stick.mkdir(parents=True)
    rows = distribution_rows(SITE, DEVICE, datetime.now().astimezone().date())
    write_template(rows, stick / "cycle.xlsx")
    cycle = (stick / "cut-short.csv", stick / "whole.csv")
    write_template(rows, cycle[1])
    cycle[0].write_text(cycle[1].read_text().replace("H-0002,2", "H-0001,two"))
    async with workplace(tmp_path, Workflow.DISTRIBUTION, ("en",), lists=tmp_path / "media") as place:
        await place.registers(COLLECTOR)
        page, tablet = await new_page(), await new_page(1024, 768)
        await sign_in(page, place.address, "boris")
        await page.get_by_role("link", name="The day").click()
        await page.get_by_role("link", name="The list").click()
        await expect(page.get_by_text("No list is loaded.")).to_be_visible()
        await page.get_by_role("button", name="STICK/cut-short.csv").click()
        await expect(page.get_by_role("heading", name="Nothing was loaded. 2 things")).to_be_visible()
        await serious_faults(page)
        assert await place.appliance.store.run(lambda store: store.lists.loaded()) is None

        await page.get_by_role("link", name="Choose another file").click()
        await page.get_by_role("button", name="STICK/cycle.xlsx").click()
        await expect(page.get_by_text("70 kg")).to_be_visible()
        await serious_faults(page)
        assert await fits(page)
        await page.get_by_label("chidi").check()
        for digit in PINS["chidi"]:
            await page.locator(f"[data-digit='{digit}']").click()
        await page.get_by_role("button", name="Load the list").click()
        await expect(page.get_by_role("heading", name="The list is loaded: 3 entries.")).to_be_visible()
        await serious_faults(page)

        await sign_in(tablet, place.address)
        await enter(tablet, "H-0001")
        await shows(tablet, "distribution-verify", "distribution-hand-over")
        place.comes(COLLECTOR)
        await shows(tablet, "distribution-hand-over")
        await choose(place, tablet, "given")
        await shows(tablet, "answer-given")
