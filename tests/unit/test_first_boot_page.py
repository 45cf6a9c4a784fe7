"""The first boot in words, signs and signals, and what its page takes from a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from firmware.first_boot.terms import Situation, Step, Trouble
from firmware.first_boot.words import screen_of, signal_of
from firmware.page.pictograms import symbol
from sensors.board.signals import Signal
from tests.kit.first_boot_views import KNOWN, SITUATIONS, Served, first_boot_page
from tests.unit.test_page_look import drawn
from trust.network import Wifi


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with first_boot_page() as running:
        yield running


def test_each_step_and_each_trouble_has_words_and_a_sign_of_its_own() -> None:
    assert {situation.trouble for situation in SITUATIONS} == {None, *Trouble}
    assert {situation.step for situation in SITUATIONS} == set(Step)
    screens = [screen_of(situation) for situation in SITUATIONS]
    assert {symbol(screen.pictogram) for screen in screens} <= drawn().keys()
    titles = {screen.name: screen.title.message for screen in screens}
    assert len(set(titles.values())) == len(titles)
    assert all(screen.lines for screen in screens if screen.name != "first-boot-aggregator")


@pytest.mark.parametrize(
    ("situation", "signal"),
    [
        (Situation(Step.CLAIM), Signal.GO_TO_A_PERSON),
        (Situation(Step.CLAIM, Trouble.CODE_UNREADABLE), Signal.TRY_AGAIN),
        (Situation(Step.CLAIM, Trouble.CLAIM_USED), Signal.GO_TO_A_PERSON),
        (KNOWN, Signal.WORKING),
        (Situation(Step.AGGREGATOR, Trouble.NO_NETWORK), Signal.TRY_AGAIN),
        (Situation(Step.APPROVAL), Signal.GO_TO_A_PERSON),
        (Situation(Step.SELF_TEST, Trouble.PARTS), Signal.DEVICE_FAULT),
        (Situation(Step.SELF_TEST, ready=True), Signal.DONE),
    ],
)
def test_the_lamp_says_whether_a_person_is_needed(situation: Situation, signal: Signal) -> None:
    assert signal_of(situation) is signal


async def test_another_site_and_another_name_reach_nothing(served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.address) as browser:
        fields = {"name": "Harbour", "passphrase": "long enough"}
        for headers in ({"Origin": "http://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
            answer = await browser.post("/first-boot/wifi", data=fields, headers=headers)
            assert answer.status_code == 403
        assert (await browser.get("/first-boot", headers={"Host": "elsewhere.example"})).status_code == 400
        assert (await browser.post("/first-boot/act", data={"act": "reboot"})).status_code == 400
    assert served.boot.done == []


async def test_a_wifi_network_that_cannot_be_is_told_and_not_used(served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.address) as browser:
        for fields in ({"name": "", "passphrase": "long enough"}, {"name": "Harbour", "passphrase": "short"}):
            answer = await browser.post("/first-boot/wifi", data=fields)
            assert (answer.status_code, "Nothing was changed" in answer.text) == (400, True)
        await browser.post("/first-boot/wifi", data={"name": "Open", "passphrase": ""})
    assert served.boot.done == [Wifi(name="Open", security="open")]
