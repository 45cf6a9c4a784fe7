"""What the page looks like, asked of its files: contrast, shapes, reading directions, pictograms, weight."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import firmware.page
from firmware.page import pictograms
from firmware.workflow.screen import Tone
from inference.types import FingerPosition
from sensors.board.signals import PRESENTATIONS
from sensors.frames import RetryReason
from tests.kit.every_screen import every_screen

PAGE = Path(firmware.page.__file__).parent
CSS = (PAGE / "static" / "page.css").read_text()
TONES = [tone.value for tone in Tone]
THEMES = {
    "day": r":root \{(.*?)\}",
    "night": r":root\[data-theme=\"night\"\] \{(.*?)\}",
    "night, by preference": r":root:not\(\[data-theme\]\) \{(.*?)\}",
    "sun": r":root\[data-theme=\"sun\"\] \{(.*?)\}",
}


def colours(theme: str) -> dict[str, str]:
    found = re.search(THEMES[theme], CSS, re.DOTALL)
    assert found, theme
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", found[1]))


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
def test_every_tone_can_be_read_in_every_theme(theme: str) -> None:
    of = colours(theme)
    grounds = ["ground", "card", *(f"{tone}-ground" for tone in TONES)]
    least = {("ink", ground): 7.0 for ground in grounds}
    least |= {(tone, f"{tone}-ground"): 4.5 for tone in TONES} | {(tone, "card"): 4.5 for tone in TONES}
    least |= {("on-tone", tone): 4.5 for tone in TONES}
    least |= {("quiet", ground): 4.5 for ground in ("ground", "card")}
    least |= {("focus", ground): 3.0 for ground in grounds} | {("line", "card"): 3.0}
    too_low = {pair: contrast(of[pair[0]], of[pair[1]]) for pair in least}
    assert not {pair: ratio for pair, ratio in too_low.items() if ratio < least[pair]}


def test_the_preferred_night_is_the_night_that_can_be_chosen() -> None:
    assert colours("night") == colours("night, by preference")


@pytest.mark.parametrize("theme", THEMES)
def test_red_is_for_faults_of_devices_alone(theme: str) -> None:
    for name, colour in colours(theme).items():
        red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
        is_red = red > 1.3 * max(green, blue) and abs(green - blue) < 0.25 * red
        assert not is_red or name in ("fault", "fault-ground"), (name, colour)
        assert is_red or name != "fault", colour


@pytest.mark.parametrize("part", ["shape", "band"])
def test_every_tone_has_a_shape_and_a_band_of_its_own(part: str) -> None:
    selector = {"shape": " .shape", "band": "::before"}[part]
    before_media = CSS[: CSS.index("@media (prefers-reduced-motion")]
    drawn = [
        dict(re.findall(rf"\.tone-({tone}){re.escape(selector)} \{{ (.*?) \}}", before_media)).get(tone, "")
        for tone in TONES
    ]
    assert len(set(drawn)) == len(TONES)


def test_directions_are_logical() -> None:
    physical = re.findall(r"(?<![\w-])(?:(?:margin|padding|border)-(?:left|right)|left|right|float)\s*:", CSS)
    assert not physical
    assert not re.findall(r"text-align:\s*(?:left|right)", CSS)


def test_what_is_touched_is_large_enough() -> None:
    assert re.search(r"button \{ min-inline-size: 44px; min-block-size: 44px;", CSS)
    assert re.search(r"\.choice, \.candidate \{[^}]*min-block-size: 72px;", CSS)
    sizes = [int(size) for size in re.findall(r"button[^{}]*\{[^}]*min-block-size: (\d+)px", CSS)]
    assert min(sizes) >= 44


def drawn() -> dict[str, ET.Element]:
    root = ET.fromstring((PAGE / "static" / "pictograms.svg").read_text())  # noqa: S314 - our own file
    return {symbol.attrib["id"]: symbol for symbol in root}


def named_in_templates() -> set[str]:
    text = "".join(template.read_text() for template in (PAGE / "templates").glob("*.html"))
    calls = re.findall(r"pictogram\(([^)]*)\)", text)
    return {name for call in calls for name in re.findall(r'"([a-z ]+)"', call) if name != "guide"} - {"face"}


def test_every_named_pictogram_is_drawn_and_titled() -> None:
    names = {presentation.pictogram for presentation in PRESENTATIONS.values()}
    names |= {reason.value for reason in RetryReason}
    names |= {pictograms.of_finger(position) for position in FingerPosition}
    names |= {
        pictograms.of_ration(item) for item in ("Rice 25 kg", "vegetable oil", "soap", "blanket", "kit")
    }
    names |= pictograms.MIRRORED | named_in_templates()
    for screen in every_screen():
        names |= {screen.pictogram, *(choice.pictogram for choice in screen.choices)}
    symbols = drawn()
    assert {pictograms.symbol(name) for name in names} <= symbols.keys()
    titles = [symbol[0].text for symbol in symbols.values()]
    assert all(titles)
    assert all(one != other for one, other in pairwise(sorted(filter(None, titles))))
    assert all(symbol.attrib["viewBox"] == "0 0 48 48" for symbol in symbols.values())


def test_pictograms_take_the_colour_of_the_text() -> None:
    sprite = (PAGE / "static" / "pictograms.svg").read_text()
    assert set(re.findall(r'(?:fill|stroke)="([^"]*)"', sprite)) <= {"none", "currentColor"}


def test_rations_are_drawn_by_their_words() -> None:
    assert (
        pictograms.of_ration("Rice")
        == pictograms.of_ration("أرز")
        == pictograms.of_ration("Борошно")
        == "bag"
    )
    assert pictograms.of_ration("huile végétale") == "oil"
    assert pictograms.of_ration("something new") == "box"


def test_the_page_is_light() -> None:
    assert len(CSS.encode()) < 25_000
    assert (PAGE / "static" / "pictograms.svg").stat().st_size < 45_000
    assert (PAGE / "static" / "page.js").stat().st_size < 8_000


def test_nothing_moves_where_the_device_asks_for_less_motion() -> None:
    start = CSS.index("@media (prefers-reduced-motion: no-preference) {")
    end = CSS.index("@media (forced-colors: active) {")
    assert start < end
    assert "animation" in CSS[start:end]
    assert "animation" not in CSS[:start] + CSS[end:]
    assert "transition" not in CSS


def test_shapes_survive_forced_colours() -> None:
    forced = CSS[CSS.index("@media (forced-colors: active) {") :]
    assert ".shape { forced-color-adjust: none; color: Canvas; background: CanvasText; }" in forced
    assert re.search(r"\.highlighted \{ outline-color: Highlight; \}", forced)
