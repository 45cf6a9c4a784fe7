"""The console of the machine's own screen: what is drawn there, in which language, and what buttons do."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from firmware.console.addresses import own_addresses
from firmware.console.display import ConsoleDisplay
from firmware.console.status import Standing, view_of
from firmware.console.terminal import ConsoleTerminal
from firmware.first_boot.on_console import FirstBootConsole, ForTablets
from firmware.first_boot.terms import Situation, Step, Trouble
from firmware.first_boot.words import screen_of
from firmware.machine import console_font
from firmware.machine.remarks import leave, left
from firmware.page.translate import LANGUAGES, SOURCE, direction, path_of, translate
from sensors.board.port import Button
from tests.kit.first_boot_views import KNOWN, READER, SITUATIONS, WORDS, PlayedBoot
from tests.kit.pseudo_screen import PseudoScreen, as_read, pseudo_screen

FONTS = Path(__file__).parents[2] / "image-build/overlay/usr/lib/aidpost"
SMALL = os.terminal_size((console_font.LEAST_COLUMNS, console_font.LEAST_LINES))
FOR_TABLETS = ForTablets(
    ("https://192.168.188.105:8443",), "4831\N{NO-BREAK SPACE}7720", ":".join(["AB"] * 32)
)
DRAWN = tuple(tag for tag in LANGUAGES if direction(tag) == "ltr")


@dataclass
class Paper:
    """A terminal that keeps what is drawn. lacks: letters that its font does not have."""

    lacks: Callable[[str], bool] = lambda _letter: False
    sent: list[bytes] = field(default_factory=list)

    def size(self) -> os.terminal_size:
        return SMALL

    def draws(self, letter: str) -> bool:
        return not self.lacks(letter)

    def write(self, drawn: bytes) -> None:
        self.sent.append(drawn)

    def close(self) -> None:
        pass

    def read(self) -> str:
        return as_read(self.sent[-1].decode())


@contextmanager
def shown_on(screen: PseudoScreen, boot: PlayedBoot) -> Iterator[FirstBootConsole]:
    display = ConsoleDisplay(ConsoleTerminal(screen.device))
    console = FirstBootConsole(boot, display, lambda: False)
    stop = boot.subscribe(console.tell)
    console.tell()
    try:
        yield console
    finally:
        stop()
        display.close()


def words(text: str) -> str:
    return " ".join(text.split())


def test_whoever_stands_before_the_screen_reads_each_step_and_nothing_of_the_one_before() -> None:
    boot = PlayedBoot()
    with pseudo_screen() as screen:
        with shown_on(screen, boot):
            assert "Show this appliance its claim code" in screen.read()
            boot.turn_to(replace(KNOWN, step=Step.APPROVAL, key_words=WORDS))
            told = screen.read()
            assert "3 of 6: Approval" in told
            assert "Read these letters and digits to the fleet manager" in told
            assert WORDS in told.split("\n")
            boot.turn_to(replace(KNOWN, trouble=Trouble.NO_NETWORK))
            told = screen.read()
            assert "There is no network" in told
            assert WORDS not in told
        assert "Please wait" in screen.read()


def test_a_screen_that_takes_nothing_holds_nobody_up() -> None:
    boot = PlayedBoot()
    with pseudo_screen() as screen, shown_on(screen, boot):
        for number in range(400):  # more than a terminal keeps for whoever reads it
            boot.turn_to(replace(KNOWN, trouble=Trouble.NO_KEYS, detail=f"{number} " * 20))
        assert screen.read()
        boot.turn_to(replace(KNOWN, step=Step.SETTINGS))
        assert "Taking up the settings of the site" in screen.read()


@pytest.mark.parametrize("tablets", [None, FOR_TABLETS], ids=["alone", "tablets"])
@pytest.mark.parametrize("tag", DRAWN)
def test_every_situation_fits_a_small_screen_in_every_language_that_can_be_drawn(
    tag: str, tablets: ForTablets | None
) -> None:
    paper = Paper()
    boot = PlayedBoot()
    console = FirstBootConsole(boot, ConsoleDisplay(paper), lambda: False, lambda: tablets)
    for situation in SITUATIONS:
        boot.situation = replace(situation, languages=(tag,))
        console.tell()
        told = paper.read()
        screen = screen_of(situation)
        assert "..." not in told.split("\n")
        for sentence in (screen.title, *screen.lines):
            seen = translate(sentence, tag).replace("\u00a0", " ").replace("\u202f", " ")
            assert words(seen) in words(told), screen.name
        if tablets is not None and not situation.ready:
            assert "4831 7720" in told
            assert "https://192.168.188.105:8443" in words(told)


@pytest.mark.parametrize(
    ("languages", "drawn"),
    [((), "en"), (("ar",), "en"), (("ar", "fr"), "fr"), (("uk", "en"), "uk"), (("ar-EG", "uk"), "uk")],
)
def test_it_speaks_the_first_language_of_the_site_that_can_be_drawn(
    languages: tuple[str, ...], drawn: str
) -> None:
    assert ConsoleDisplay(Paper()).language(languages) == drawn


def test_a_font_without_a_languages_letters_leads_to_the_next() -> None:
    display = ConsoleDisplay(Paper(lambda letter: ord(letter) >= 0x400))
    assert display.language(("uk", "sw")) == "sw"
    assert display.languages() == ("en", "fr", "es", "sw")


def test_signs_that_a_font_lacks_are_written_with_others() -> None:
    paper, boot = Paper(lambda letter: ord(letter) >= 0x100), PlayedBoot(replace(KNOWN, languages=("fr",)))
    boot.situation = replace(boot.situation, trouble=Trouble.NO_NETWORK)
    FirstBootConsole(boot, ConsoleDisplay(paper), lambda: False).tell()
    assert "Il n'y a pas de réseau" in paper.read()


def test_what_a_name_or_a_fault_holds_neither_steers_the_terminal_nor_breaks_it() -> None:
    paper, boot = Paper(lambda letter: ord(letter) > 0x4FF), PlayedBoot()
    console = FirstBootConsole(boot, ConsoleDisplay(paper), lambda: False)
    boot.situation = replace(KNOWN, trouble=Trouble.NO_NETWORK, wifi="\N{HOUSE BUILDING}a\x1b[2Jb", detail="")
    console.tell()
    assert "?a [2Jb" in paper.read()


def test_without_a_browser_it_says_how_a_supervisor_is_named() -> None:
    paper, boot = Paper(), PlayedBoot(replace(KNOWN, step=Step.SUPERVISOR))
    FirstBootConsole(boot, ConsoleDisplay(paper), lambda: False).tell()
    assert "Show the camera a claim that names a supervisor" in words(paper.read())
    FirstBootConsole(boot, ConsoleDisplay(paper), lambda: False, lambda: FOR_TABLETS).tell()
    assert "Enter name and PIN on a tablet" in words(paper.read())


def test_what_the_services_of_the_image_found_stays_on_the_screen(tmp_path: Path) -> None:
    folder = tmp_path / "remarks"
    paper, boot = Paper(), PlayedBoot(replace(KNOWN, trouble=Trouble.NO_NETWORK))
    console = FirstBootConsole(boot, ConsoleDisplay(paper), lambda: False, remarks=lambda: left(folder))
    former = os.umask(0o077)  # as the services have it
    leave("network", "no mobile network: this image has no ModemManager", folder)
    os.umask(former)
    assert [path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())] == [0o755, 0o644]
    console.tell()
    assert "For whoever helps: no mobile network" in words(paper.read())
    standing = Standing("kit-07", "harbour-clinic", remarks=left(folder))
    ConsoleDisplay(paper).show(view_of(standing), SOURCE)
    assert "no ModemManager" in words(paper.read())
    leave("network", "", folder)
    console.tell()
    assert "ModemManager" not in paper.read()


def test_the_buttons_choose_what_needs_no_keyboard() -> None:
    paper = Paper()
    boot = PlayedBoot(replace(KNOWN, step=Step.SELF_TEST, trouble=Trouble.PARTS, findings=(READER,)))
    console = FirstBootConsole(boot, ConsoleDisplay(paper), lambda: False)
    console.tell()
    assert "> Try again now" in paper.read()
    console.press(Button.OK)
    console.press(Button.AGAIN)
    assert "> Go on without this part" in paper.read()
    console.press(Button.OK)
    assert boot.done == ["again", "go on"]
    console.press(Button.LANGUAGE)
    assert "A part does not work" not in paper.read()
    boot.turn_to(replace(KNOWN, trouble=Trouble.NO_NETWORK))
    console.tell()
    assert "Wi-Fi" not in paper.read().rpartition("> ")[2]


def test_where_a_browser_shows_the_page_the_buttons_are_its_own() -> None:
    boot = PlayedBoot(replace(KNOWN, trouble=Trouble.NO_NETWORK))
    FirstBootConsole(boot, ConsoleDisplay(Paper()), lambda: True).press(Button.OK)
    assert boot.done == []


def test_an_appliance_that_serves_says_where_tablets_find_it_and_nothing_of_people() -> None:
    paper = Paper()
    standing = Standing(
        "kit-07",
        "harbour-clinic",
        connected=False,
        tablets=("https://192.168.1.5:8443",),
        certificate=FOR_TABLETS.certificate,
        notices=(
            ("gallery", "Entries that cannot be used: 1. The first: entry of case C-1"),
            ("support session", "Support can sign in to this appliance for 30 minutes."),
        ),
    )
    ConsoleDisplay(paper).show(view_of(standing), SOURCE)
    told = paper.read()
    for seen in (
        "This appliance is ready",
        "kit-07",
        "https://192.168.1.5:8443",
        "not connected",
        "Support can",
    ):
        assert seen in words(told)
    assert "C-1" not in told
    ConsoleDisplay(paper).show(view_of(replace(standing, tablets=())), "uk")
    assert translate(screen_of(replace(KNOWN, trouble=Trouble.NO_NETWORK)).title, "uk") in paper.read()


def test_addresses_are_those_of_the_network_and_not_of_the_machine_itself() -> None:
    assert all(not address.startswith("127.") for address in own_addresses())


@pytest.mark.parametrize("name", console_font.FONTS)
def test_the_fonts_of_the_image_have_the_letters_of_each_language(name: str) -> None:
    font = console_font.read_font(FONTS / name)
    letters = {chr(letter) for letter, _ in font.letters}
    assert len(font.glyphs) in (256, 512)  # the kernel takes no other number
    for tag in DRAWN:
        if tag == SOURCE:
            continue
        with path_of(tag).open("rb") as file:
            said = "".join(str(message.string) for message in read_po(file) if message.id)
        assert set(said) <= letters, tag


@pytest.mark.parametrize(("pixels", "height"), [((1920, 1080), 32), ((1280, 720), 32), ((800, 480), 24)])
def test_letters_are_as_large_as_the_screen_has_room_for(pixels: tuple[int, int], height: int) -> None:
    fonts = tuple(console_font.read_font(FONTS / name) for name in console_font.FONTS)
    assert console_font.fitting(fonts, *pixels).height == height


def test_a_file_that_is_no_font_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.psf.gz"
    path.write_bytes(gzip.compress(bytes(100)))
    with pytest.raises(console_font.FontDamaged):
        console_font.read_font(path)


def test_a_pseudo_terminal_is_drawn_upon_as_one_that_has_all_letters() -> None:
    with pseudo_screen() as screen:
        terminal = ConsoleTerminal(screen.device)
        assert terminal.draws("Ж")
        assert tuple(terminal.size()) == (66, 20)
        terminal.close()


def test_without_a_claim_it_begins_in_english() -> None:
    paper = Paper()
    FirstBootConsole(PlayedBoot(Situation(Step.CLAIM)), ConsoleDisplay(paper), lambda: False).tell()
    assert "1 of 6: Claim code" in paper.read()
