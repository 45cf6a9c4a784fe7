"""Recordings in a real browser: in order, once more, and the answer that is highlighted."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import pytest
from playwright.async_api import expect

from firmware.page.build_audio import build, sentences
from firmware.workflow.notice import Case, ShowingNotice, notice_screen
from sensors.board.port import Button
from tests.browser.conftest import NewPage
from tests.browser.rig import DONE, served, sign_in

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTICE = notice_screen("registration", ShowingNotice(Case()))
RATE_HZ = 8000


def short_silence(words: str, language: str) -> bytes:
    """A twentieth of a second; browsers look into a file, not at its name."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.writeframes(bytes(RATE_HZ // 20 * 2))
    return file.getvalue()


async def test_the_notice_is_played_in_order_and_then_the_highlighted_answer(
    new_page: NewPage, tmp_path: Path
) -> None:
    build(tmp_path, "en", sentences("en"), short_silence, "silence")
    async with served(NOTICE, DONE, recordings=tmp_path) as rig:
        page = await new_page()
        await page.route("**/recordings/**", lambda route: route.continue_())  # none comes from a cache
        played: list[str] = []
        page.on(
            "request", lambda request: played.append(request.url) if "/recordings/" in request.url else None
        )
        await sign_in(page, rig.address)
        played.clear()
        last = "**/recordings/en/i-have-a-question.mp3"
        async with page.expect_request(last):
            await page.locator("[data-listen]").click()
        names = list(dict.fromkeys(Path(address).stem for address in played))
        assert names[:3] == ["may-we-take-your-face-and-fingers", "notice-1-1-face", "notice-1-2-search"]
        assert names[-3:] == ["i-agree", "i-do-not-want-this", "i-have-a-question"]
        for answer in ("i-agree", "i-do-not-want-this"):
            async with page.expect_request(f"**/recordings/en/{answer}.mp3"):
                await rig.station.press(Button.AGAIN, "amina")
        await expect(page.locator(".highlighted")).to_have_text("I do not want this")
        async with page.expect_request("**/recordings/en/may-we-take-your-face-and-fingers.mp3"):
            await page.keyboard.press("r")
