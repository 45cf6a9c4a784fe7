"""Cards and tokens: what reading one comes to, the printed sheet, and the camera that reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import segno
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from firmware.cards import base45
from firmware.cards.check_character import check_character, printed, without_check
from firmware.cards.making import appointment_card, household_card, token_key, token_numbers, visit_token
from firmware.cards.payload import NOT_OURS, PREFIX, UNREADABLE
from firmware.cards.reading import Expected, read
from firmware.cards.scanner import SURE_AFTER_FRAMES, CameraScanner, find_code
from firmware.cards.sheet import card_sheet, token_sheet
from firmware.cards.terms import (
    AppointmentCard,
    Damaged,
    Foreign,
    Forged,
    HouseholdCard,
    OtherCycle,
    OtherDay,
    OtherUse,
    Reading,
    TypedNumber,
    VisitToken,
    words,
)
from firmware.cli import main
from firmware.lists.templates import distribution_rows
from sensors.camera.port import Camera
from sensors.camera.replay import ReplayCamera
from sensors.frames import ColourFrame, Pixels
from sensors.worker import DeviceWorker
from tests.kit.printed_cards import View, first_card, photograph
from trust.consent import Purpose
from trust.issuer import IssuerKey
from trust.lists.parsing import parse
from trust.lists.table import Table
from trust.lists.terms import DistributionList

T = TypeVar("T")

TODAY = date(2026, 11, 25)
ISSUER, OTHER_ISSUER = IssuerKey.new(), IssuerKey.new()
CAMP = Expected("camp-3", Purpose.DISTRIBUTION, TODAY, "c12", (ISSUER.public,))
CLINIC = Expected("camp-3", Purpose.CLINIC_CHECK_IN, TODAY, "", (ISSUER.public,), token_key(bytes(32), TODAY))


def household(**changed: str | date) -> str:
    said = {"site": "camp-3", "number": "H-0001", "last_day": date(2027, 6, 30)} | changed
    return household_card(ISSUER, **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected", "reading"),
    [
        (household(), CAMP, HouseholdCard("camp-3", "H-0001", "", date(2027, 6, 30))),
        (household(cycle="c12"), CAMP, HouseholdCard("camp-3", "H-0001", "c12", date(2027, 6, 30))),
        (household(cycle="c11"), CAMP, OtherCycle("c11")),
        (household(last_day=date(2026, 11, 24)), CAMP, OtherDay(date(2026, 11, 24))),
        (household(site="camp-4"), CAMP, Foreign("camp-4")),
        (household_card(OTHER_ISSUER, "camp-3", "H-0001", TODAY), CAMP, Foreign()),
        (household(), CLINIC, OtherUse()),
        (household().lower(), CAMP, HouseholdCard("camp-3", "H-0001", "", date(2027, 6, 30))),
        (household()[:-6], CAMP, Damaged()),
        (household().replace("1", "2"), CAMP, Damaged()),
        (appointment_card(ISSUER, "camp-3", "A-1", TODAY), CLINIC, AppointmentCard("camp-3", "A-1", TODAY)),
        (appointment_card(ISSUER, "camp-3", "A-1", date(2026, 11, 26)), CLINIC, OtherDay(date(2026, 11, 26))),
        (appointment_card(ISSUER, "camp-3", "A-1", TODAY), CAMP, OtherUse()),
        (visit_token(token_key(bytes(32), TODAY), "0427", TODAY), CLINIC, VisitToken("0427", TODAY)),
        (visit_token(token_key(b"other site", TODAY), "0427", TODAY), CLINIC, Foreign()),
        (visit_token(token_key(bytes(32), TODAY), "0427", TODAY), CAMP, Foreign()),
        (visit_token(b"", "0427", date(2026, 11, 24)), CLINIC, OtherDay(date(2026, 11, 24))),
        (f"  H-0001:{check_character('H-0001')} ", CAMP, TypedNumber("H-0001")),
        ("H-0001", CAMP, TypedNumber("H-0001")),
        (f"H-0007:{check_character('H-0001')}", CAMP, Damaged()),
        ("Fatima Ali", CAMP, Damaged()),
        (NOT_OURS, CAMP, Foreign()),
        (UNREADABLE, CAMP, Damaged()),
        ("", CAMP, Damaged()),
    ],
)
def test_what_a_card_comes_to(text: str, expected: Expected, reading: Reading) -> None:
    assert read(text, expected) == reading


def test_a_card_that_was_made_to_look_signed_is_forged_and_not_damaged() -> None:
    class Imitation(IssuerKey):
        """Signs with its own key and names another."""

        @classmethod
        def of(cls, public: bytes) -> Imitation:
            made = cls.new()
            made.public = public
            return made

    card = household_card(Imitation.of(ISSUER.public), "camp-3", "H-0001", TODAY)
    assert read(card, CAMP) == Forged()


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: PREFIX + base45.encode(data)))
def test_no_text_is_an_error_and_none_passes_for_a_card(text: str) -> None:
    assert not isinstance(read(text, CAMP), HouseholdCard | AppointmentCard | VisitToken)


@given(st.binary(max_size=99))
def test_base45_returns_what_it_was_given(data: bytes) -> None:
    assert base45.decode(base45.encode(data)) == data


def test_base45_and_the_check_character_are_those_of_their_standards() -> None:
    assert base45.encode(b"Hello!!") == "%69 VD92EX0"  # RFC 9285, 4.3
    assert check_character("A12425GABC1234002") == "M"  # the example of the Global Release Identifier
    for wrong in ("H-0010", "H-0002", "J-0001"):
        assert without_check(f"{wrong}:{check_character('H-0001')}") is None
    assert without_check(printed("H-0001")) == "H-0001"


@pytest.mark.parametrize("clock", [date(1970, 1, 1), date(2026, 11, 24), date(2031, 1, 1)])
def test_nobody_is_sent_away_for_a_clock_that_nobody_checked(clock: date) -> None:
    clinic = replace(CLINIC, today=clock, clock_checked=False, list_day=TODAY)
    card = appointment_card(ISSUER, "camp-3", "A-1", TODAY)
    assert read(card, clinic) == AppointmentCard("camp-3", "A-1", TODAY)
    assert read(card, replace(clinic, list_day=None)) == AppointmentCard("camp-3", "A-1", TODAY)
    token = visit_token(token_key(bytes(32), TODAY), "0427", TODAY)
    assert read(token, clinic) == VisitToken("0427", TODAY)
    camp = replace(CAMP, today=clock, clock_checked=False, list_day=TODAY)
    assert isinstance(read(household(), camp), HouseholdCard)
    assert read(household(last_day=date(2026, 11, 24)), camp) == OtherDay(date(2026, 11, 24))


def test_what_the_screen_says_of_a_card_accuses_nobody() -> None:
    said = [words(each).message for each in (
        Damaged(), Foreign("x"), Forged(), OtherCycle("c11"), OtherDay(TODAY), OtherUse()
    )]  # fmt: skip
    assert len(set(said)) == len(said)
    for word in ("forged", "fake", "fraud", "invalid", "refused", "not allowed", "wrong person"):
        assert not any(word in sentence.lower() for sentence in said)


def first_tokens(key: bytes, count: int, device_id: str = "desk-1") -> list[str]:
    return token_numbers(key, device_id)[:count]


def test_each_appliance_has_an_order_of_tokens_of_its_own_and_names_each_once() -> None:
    key = token_key(bytes(32), TODAY)
    order = token_numbers(key, "desk-1")
    assert len(order) == len(set(order)) == 1_000
    assert order == token_numbers(key, "desk-1")
    assert {number[0] for number in order} == {"1"}
    of_site = [token_numbers(key, f"desk-{number}") for number in range(1, 11)]
    assert len({number for numbers in of_site for number in numbers}) == 9_999, "all but 0000, each once"
    assert not set(token_numbers(key, "post-a")) & set(token_numbers(key, "post-b"))
    assert order[:50] != first_tokens(token_key(bytes(32), date(2026, 11, 26)), 50)


@pytest.fixture(scope="module")
def sheet() -> bytes:
    planned = parse(Table(tuple(distribution_rows("camp-3", "desk-1", TODAY))))
    assert isinstance(planned, DistributionList)
    households = tuple(
        replace(planned.households[0], number=f"H-{number:04}", size=number) for number in range(1, 13)
    )
    return card_sheet(replace(planned, households=households), ISSUER, date(2027, 6, 30))


@pytest.fixture(scope="module")
def card(sheet: bytes) -> Pixels:
    return first_card(sheet)


@pytest.mark.parametrize(
    "view",
    [
        View(),
        View(module_px=2.0),
        View(turn_deg=155.0),
        View(tilt=0.35),
        View(blur_px=1.6),
        View(glare=0.12),
        View(covered=0.3),
        View(turn_deg=40.0, tilt=0.25, blur_px=1.0, noise=15.0, covered=0.15),
    ],
    ids=str,
)
def test_a_printed_card_is_read_from_the_picture(card: Pixels, view: View) -> None:
    """What was measured around these views, 20 pictures each (`docs/lists-and-cards.md` has the table)."""
    assert isinstance(read(find_code(photograph(card, view)), CAMP), HouseholdCard)


def test_a_card_half_under_a_hand_is_seen_and_not_guessed(card: Pixels) -> None:
    assert find_code(photograph(card, View(covered=0.5))) == UNREADABLE
    assert find_code(np.full((480, 640, 3), 90, np.uint8)) == ""


def other_code() -> Pixels:
    modules = np.array(segno.make_qr("https://example.org/ticket/17").matrix, np.uint8)
    return np.repeat(
        np.kron(np.pad(1 - modules, 4, constant_values=1) * 255, np.ones((6, 6), np.uint8))[..., None], 3, 2
    )


class WatchedCamera(ReplayCamera):
    """Keeps what it handed out, so that a test sees whether it was wiped."""

    def __init__(self) -> None:
        super().__init__()
        self.handed_out: list[ColourFrame] = []
        self.before_frame: Callable[[int], None] = lambda _number: None

    def capture(self, timeout_s: float) -> ColourFrame:
        self.before_frame(len(self.handed_out))
        frame = super().capture(timeout_s)
        self.handed_out.append(frame)
        return frame


async def scan_with(camera: WatchedCamera) -> str:
    async def here(work: Callable[[], T]) -> T:
        return work()

    worker: DeviceWorker[Camera] = DeviceWorker("camera", lambda: camera, lambda _there, _error: None)
    await worker.start()
    try:
        return await asyncio.wait_for(CameraScanner(worker, here, pause_s=0).scan(), 20)
    finally:
        await worker.stop()


async def test_the_camera_waits_for_a_card_and_keeps_no_frame(card: Pixels) -> None:
    camera = WatchedCamera()
    camera.before_frame = lambda number: camera.show(photograph(card, View())) if number == 3 else None
    assert isinstance(read(await scan_with(camera), CAMP), HouseholdCard)
    assert len(camera.handed_out) == 4
    assert not any(frame.pixels.any() for frame in camera.handed_out)


async def test_only_what_stays_unreadable_or_foreign_is_said(card: Pixels) -> None:
    camera = WatchedCamera()
    covered, good = photograph(card, View(covered=0.5)), photograph(card, View())

    def pass_by(number: int) -> None:
        camera.show(other_code() if number < 5 else covered if number < 10 else good)

    camera.before_frame = pass_by
    assert isinstance(read(await scan_with(camera), CAMP), HouseholdCard)
    camera = WatchedCamera()
    camera.show(other_code())
    assert await scan_with(camera) == NOT_OURS
    assert len(camera.handed_out) == SURE_AFTER_FRAMES


def test_sheets_are_the_same_whenever_they_are_made_and_hold_each_card(sheet: bytes) -> None:
    key = token_key(bytes(32), TODAY)
    tokens = token_sheet(key, first_tokens(key, 25), "camp-3", TODAY)
    assert tokens == token_sheet(key, first_tokens(key, 25), "camp-3", TODAY)
    assert sheet.count(b"/Type /Page\n") == tokens.count(b"/Type /Page\n") == 2


def test_the_commands_make_a_key_and_a_sheet(tmp_path: Path) -> None:
    runner = CliRunner()
    key, cycle, out = tmp_path / "issuer.pem", tmp_path / "cycle.csv", tmp_path / "cards.pdf"

    def run(*arguments: str | Path) -> str:
        result = runner.invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
        return result.output

    made = run("cards", "keys", "new", key)
    assert made == run("cards", "keys", "show", key)
    assert key.stat().st_mode & 0o077 == 0
    run("list", "template", "distribution", "--site", "camp-3", "--out", cycle)
    assert "3 cards" in run("cards", "sheet", cycle, "--key", key, "--until", "2099-06-30", "--out", out)
    found = read(find_code(photograph(first_card(out.read_bytes()), View())), replace(
        CAMP, issuers=(IssuerKey.load(key).public,)
    ))  # fmt: skip
    assert found == HouseholdCard("camp-3", "H-0001", "", date(2099, 6, 30))
    run("list", "template", "clinic", "--out", tmp_path / "day.csv")
    made = run(
        "cards", "tokens", tmp_path / "day.csv", "--device", "desk-1", "--out", tmp_path / "tokens.pdf"
    )
    assert "120 tokens" in made
