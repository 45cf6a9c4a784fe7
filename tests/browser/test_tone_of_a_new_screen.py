"""A new screen never stands, not even for a moment, in the colour and shape of the one before."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewPage
from tests.browser.rig import DONE, NOTICE, served, sign_in

pytestmark = pytest.mark.asyncio(loop_scope="session")

WATCH = """() => {
  window.seen = [];
  new MutationObserver(() => {
    const screen = document.getElementById("screen");
    if (screen) window.seen.push(`${screen.dataset.screen} ${/tone-[a-z]+/.exec(screen.className)[0]}`);
  }).observe(document.getElementById("live"), { childList: true, subtree: true, attributes: true });
}"""


async def test_words_and_tone_change_together(new_page: NewPage) -> None:
    async with served(NOTICE, DONE) as rig:
        page = await new_page()
        await sign_in(page, rig.address)
        await page.evaluate(WATCH)
        await page.get_by_role("button", name="I agree").click()
        await expect(page.locator("#screen")).to_have_class("screen tone-good")
        assert set(await page.evaluate("window.seen")) <= {"notice tone-calm", "done tone-good"}
