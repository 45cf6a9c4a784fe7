"""Every screen of every workflow in every language: nothing is cut off, nothing has to be scrolled to."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from firmware.notices import Notices
from firmware.page.drawing import FOLDER, Drawing, Now, keys_of
from firmware.page.ports import Bar
from firmware.page.recordings import Recordings
from firmware.page.translate import LANGUAGES, direction
from firmware.page.viewers import Operator, Viewer
from firmware.workflow.screen import Screen
from firmware.workflow.terms import Role
from tests.browser.conftest import NewPage
from tests.kit.every_screen import every_screen

pytestmark = pytest.mark.asyncio(loop_scope="session")

BAR = Bar("kit-07", waiting=3, uplink=False)
VIEWER = Viewer("token", 0.0, Operator("amina", Role.OPERATOR))
# Returns for each screen what does not fit: the page, or something that is wider or higher than its box.
MEASURE = """([screens, mayScroll]) => screens.map((drawn) => {
  const live = document.getElementById("live");
  live.innerHTML = drawn;
  const page = document.documentElement, main = live.firstElementChild;
  const boxes = [main, ...main.querySelectorAll(".notice, button, h1, li, p, label")];
  const cut = boxes.filter((box) => box.clientWidth
    && (box.scrollWidth > box.clientWidth + 2 || (!mayScroll && box.scrollHeight > box.clientHeight + 3)));
  return (page.scrollHeight > innerHeight ? ["page"] : []).concat(
    cut.map((box) => `${box.tagName} ${box.className}: ${box.textContent.trim().slice(0, 40)}`));
})"""
PHONE = (390, 844)
SMALL_PHONE = (375, 667)
# Returns the answers that are not whole above the keys, and the notice where nothing of it is left to read.
HIDDEN = """(drawn) => {
  const live = document.getElementById("live");
  live.innerHTML = drawn;
  const keys = document.querySelector(".keys").getBoundingClientRect().top;
  const answers = [...live.querySelectorAll(".choice")];
  const first = Math.min(...answers.map((answer) => answer.getBoundingClientRect().top));
  const out = answers.filter((answer) => answer.getBoundingClientRect().bottom > keys);
  const read = first - live.querySelector(".notice").getBoundingClientRect().top;
  return out.map((answer) => answer.textContent.trim()).concat(read < 96 ? ["notice"] : []);
}"""


class EverythingSpoken(Recordings):
    """Has a recording of each sentence: the button to listen needs room, too."""

    def find(self, sentences: Iterable[str], tag: str) -> tuple[str, ...]:
        return tuple(f"{tag}/recording.mp3" for _ in sentences)


@pytest.mark.parametrize(
    ("language", "width", "height"),
    [*((language, 800, 480) for language in LANGUAGES), ("uk", 1024, 600), ("uk", *PHONE)],
)
async def test_every_screen_fits(new_page: NewPage, language: str, width: int, height: int) -> None:
    drawing = Drawing(sounds=False, speaks=False, recordings=EverythingSpoken(None), notices=Notices())
    screens = distinct()
    bar = drawing.draw("bar.html", language, bar=BAR, viewer=VIEWER)
    keys = drawing.draw("keys.html", language, keys=keys_of(screens[0], 0), viewer=VIEWER, revision=1)
    page = await new_page(width, height)
    await page.set_content(
        f'<!doctype html><html lang="{language}" dir="{direction(language)}">'
        f"<style>{(FOLDER / 'static' / 'page.css').read_text()}</style>"
        f'<body><div id="page"><header class="bar">{bar}</header><p class="message lost" hidden></p>'
        f'<div id="live"></div><footer class="keys">{keys}</footer></div>'
    )
    drawn = [draw(drawing, screen, language) for screen in screens]
    too_large = await page.evaluate(MEASURE, [drawn, (width, height) == PHONE])
    assert not [(screen.name, cut) for screen, cut in zip(screens, too_large, strict=True) if cut]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_all_answers_to_the_notice_are_in_view_on_a_small_phone(
    new_page: NewPage, language: str
) -> None:
    drawing = Drawing(sounds=False, speaks=False, recordings=EverythingSpoken(None), notices=Notices())
    asks = [screen for screen in distinct() if 'class="notice"' in draw(drawing, screen, language)]
    assert asks
    bar = drawing.draw("bar.html", language, bar=BAR, viewer=VIEWER)
    keys = drawing.draw("keys.html", language, keys=keys_of(asks[0], 0), viewer=VIEWER, revision=1)
    page = await new_page(*SMALL_PHONE)
    await page.set_content(
        f'<!doctype html><html lang="{language}" dir="{direction(language)}">'
        f"<style>{(FOLDER / 'static' / 'page.css').read_text()}</style>"
        f'<body><div id="page"><header class="bar">{bar}</header><p class="message lost" hidden></p>'
        f'<div id="live"></div><footer class="keys">{keys}</footer></div>'
    )
    for screen in asks:
        hidden = await page.evaluate(HIDDEN, draw(drawing, screen, language))
        assert not hidden, screen.name


def draw(drawing: Drawing, screen: Screen, language: str) -> str:
    now = Now(screen, 1, 0)
    return drawing.draw_screen(
        "screen.html", language, now, VIEWER, bar=BAR, advice=None, message=None, seen=""
    ).strip()


def distinct() -> list[Screen]:
    """Each look once: clinic and distribution guide people in the same words."""
    looks = {}
    for screen in every_screen():
        said = (screen.title.message, tuple(line.message for line in screen.lines))
        looks[said, len(screen.choices), screen.entry, screen.household_size] = screen
    return list(looks.values())
