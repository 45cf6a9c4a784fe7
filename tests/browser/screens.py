"""Draws every state of every workflow for the documentation: ``python -m tests.browser.screens FOLDER``.

The screens are those of the machines themselves, found by walking them; page and browser are real. The person
before the camera is a picture of the demonstration (NOTICE).
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from firmware.demo.build_assets import load_face
from firmware.demo.views import ViewCondition, face_view
from firmware.first_boot.words import screen_of
from firmware.lists.templates import distribution_rows, write_template
from firmware.session.machine import Presentation, Show
from firmware.workflow import choices
from firmware.workflow.diagram import walk
from firmware.workflow.guidance import capture_screen
from firmware.workflow.machines import MACHINES, Machine
from firmware.workflow.screen import Screen, Tone
from inference.types import Modality
from sensors.board.signals import Signal
from sensors.frames import ColourFrame, DeviceIdentity, Retry, RetryReason
from tests.browser.rig import Rig, served, shows, sign_in
from tests.browser.workplace import sign_in as sign_in_there
from tests.browser.workplace import workplace
from tests.kit.first_boot_views import SITUATIONS, first_boot_page
from tests.kit.store_values import DEVICE, SITE
from trust.service import Workflow

LANGUAGES = ("en", "ar")
SIZE: ViewportSize = {"width": 800, "height": 480}
QUALITY = 55


def every_screen() -> dict[str, Screen]:
    """Return one screen of each name, and of each thing that a person is asked for during a capture."""
    found: dict[str, Screen] = {}
    for machine in MACHINES.values():
        for screen in _screens(machine):
            part = f"-{screen.pictogram.replace(' ', '-')}" if screen.preview else ""
            former = found.get(screen.name + part)
            if former is None or _fullness(screen) > _fullness(former):
                found[screen.name + part] = screen
    face = Show(Signal.LOOK_HERE, Presentation(Modality.FACE))
    found["clinic-verify-face"] = capture_screen("clinic-verify", face, (choices.WITHOUT,))
    return dict(sorted(found.items()))


def _screens(machine: Machine) -> Iterator[Screen]:
    for arrow in walk(machine):
        yield machine.screen(arrow.before)
        yield machine.screen(arrow.after)


def _fullness(screen: Screen) -> tuple[bool, int]:
    """The screen as it is before anybody pressed HELP, and then the one that says most."""
    return screen.tone is not Tone.PERSON, _things(screen)


def _things(screen: Screen) -> int:
    return len(screen.lines) + len(screen.choices) + len(screen.rations) + (screen.tries_left is not None)


async def take(page: Page, rig: Rig, folder: Path) -> None:
    """Draw all screens in one language."""
    for index, (name, screen) in enumerate(every_screen().items()):
        rig.station.turn_to(index)
        await shows(page, screen.name)
        if screen.preview == "face":
            await _look(page, rig)
        await keep(page, folder / f"{name}.webp")


async def keep(page: Page, file: Path) -> None:
    """Keep what the page shows now."""
    shot = cv2.imdecode(np.frombuffer(await page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    if shot is None:
        raise AssertionError("a screenshot is a PNG")
    cv2.imwrite(str(file), shot, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])


async def take_list(browser: Browser, language: str, folder: Path) -> None:
    """Draw what two supervisors see who load a list from a memory stick."""
    with tempfile.TemporaryDirectory() as made:
        media = _with_stick(Path(made, "media"))
        page = await browser.new_page(viewport=SIZE, reduced_motion="reduce")
        async with workplace(Path(made), Workflow.DISTRIBUTION, (language,), lists=media) as place:
            await sign_in_there(page, place.address, "boris")
            await page.goto(f"{place.address}day")
            await keep(page, folder / "day.webp")
            await page.goto(f"{place.address}day/queue")
            await keep(page, folder / "day-queue.webp")
            for name, file in (("list-to-correct", "typed.csv"), ("list-to-compare", "cycle.xlsx")):
                await page.goto(f"{place.address}day/list")
                await keep(page, folder / "list.webp")
                await page.locator(f"[value='STICK/{file}']").click()
                await page.wait_for_load_state()
                await keep(page, folder / f"{name}.webp")
        await page.close()


async def take_day(browser: Browser, language: str, folder: Path) -> None:
    """Draw the opening of the day, and the close of both workflows."""
    for workflow in (Workflow.DISTRIBUTION, Workflow.CLINIC):
        page = await browser.new_page(viewport=SIZE, reduced_motion="reduce")
        with tempfile.TemporaryDirectory() as made:
            async with workplace(Path(made), workflow, (language,)) as place:
                await sign_in_there(page, place.address, "boris")
                await page.goto(f"{place.address}day")
                await page.locator("[formaction='/day/open']").click()
                await page.locator(".told").wait_for()
                await keep(page, folder / "day-opened.webp")
                await page.goto(f"{place.address}day/close")
                await keep(page, folder / f"day-close-{workflow.value}.webp")
                await page.locator("[name=answer]").last.click()
                await page.locator(".told").wait_for()
                await keep(page, folder / "day-closed.webp")
        await page.close()


async def take_first_boot(browser: Browser, language: str, folder: Path) -> None:
    """Draw each step of the first boot, and what keeps it from going on."""
    page = await browser.new_page(viewport=SIZE, reduced_motion="reduce")
    async with first_boot_page() as boot:
        boot.boot.turn_to(replace(SITUATIONS[0], languages=(language,)))
        await page.goto(boot.address)
        for situation in SITUATIONS:
            name = screen_of(situation).name
            boot.boot.turn_to(replace(situation, languages=(language,)))
            await page.locator(f"[data-screen='{name}']").wait_for()
            await keep(page, folder / f"{name}.webp")
    await page.close()


async def take_bystander(page: Page, rig: Rig, folder: Path) -> None:
    """Draw what the people who wait see while somebody has the number of a visit."""
    rig.station.turn_to(next(index for index, one in enumerate(every_screen().values()) if one.public))
    await page.goto(f"{rig.address}/bystander")
    await keep(page, folder / "bystander.webp")


def _with_stick(media: Path) -> Path:
    """Put a memory stick in: a list that can be loaded, and one that somebody typed by hand."""
    stick = media / "STICK"
    stick.mkdir(parents=True)
    rows = distribution_rows(SITE, DEVICE, datetime.now().astimezone().date())
    write_template(rows, stick / "cycle.xlsx")
    write_template(rows, stick / "typed.csv")
    typed = (stick / "typed.csv").read_text()
    typed = typed.replace("H-0002,2", "H-0001,two").replace("25,2.5", "25 kg,2.5")
    (stick / "typed.csv").write_text(typed)
    return media


async def _look(page: Page, rig: Rig) -> None:
    """Let the person be seen, too far away."""
    pixels = face_view(load_face("collins.jpg"), 1, ViewCondition())
    rig.clock.now_s += 1
    seen = ColourFrame(pixels, DeviceIdentity("drawn", "screens"), taken_at_s=rig.clock.now_s)
    await page.locator(".preview img").wait_for(state="attached")
    while not await page.locator(".preview img").evaluate("(image) => image.naturalWidth"):
        rig.live_view.saw(seen, Retry(RetryReason.COME_CLOSER))


async def main(folder: Path) -> None:
    """Draw the folder anew."""
    chromium = shutil.which("chromium")
    async with async_playwright() as playwright, served(*every_screen().values()) as rig:
        browser = await playwright.chromium.launch(executable_path=chromium)
        for language in LANGUAGES:
            into = folder / language
            shutil.rmtree(into, ignore_errors=True)
            into.mkdir(parents=True)
            page = await browser.new_page(viewport=SIZE, reduced_motion="reduce")
            rig.station.speak(language)
            await page.goto(rig.address)
            await keep(page, into / "sign-in.webp")
            rig.station.speak("en")
            await sign_in(page, rig.address)
            rig.station.speak(language)
            await take(page, rig, into)
            await take_bystander(page, rig, into)
            await page.close()
            await take_list(browser, language, into)
            await take_day(browser, language, into)
            await take_first_boot(browser, language, into)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
