"""The first boot in words, signs and signals, and what its page takes from a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from starlette.responses import Response

from firmware.first_boot.front import Front
from firmware.first_boot.tablets import TabletPage
from firmware.first_boot.terms import Situation, Step, Trouble
from firmware.first_boot.words import screen_of, signal_of
from firmware.page.number_gate import FREE_TRIES, WAIT_OF_ALL_S, WAIT_S, NumberGate, Refused
from firmware.page.pictograms import symbol
from sensors.board.signals import Signal
from tests.kit.first_boot_views import KNOWN, SITUATIONS, WORDS, PlayedBoot, Served, first_boot_page
from tests.kit.link_device import PATIENCE_S
from tests.kit.pseudo_screen import pseudo_screen
from tests.unit.test_page_look import drawn
from trust.certificates import is_page_of
from trust.names import DeviceName
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


async def test_a_stranger_of_the_network_sees_and_does_nothing() -> None:
    gate = NumberGate(lambda: 0.0, "48317720")
    async with first_boot_page(gate=gate) as served:
        served.boot.turn_to(replace(KNOWN, step=Step.APPROVAL, key_words=WORDS))
        async with httpx.AsyncClient(base_url=served.address, verify=False) as browser:  # noqa: S501
            seen = await browser.get("/first-boot")
            assert "Which number does the appliance show?" in seen.text
            assert not {WORDS, "kit-07", "harbour-clinic"} & set(re.findall(r"[\w-]+", seen.text))
            for place in ("/first-boot/events", "/first-boot/wifi"):
                assert (await browser.get(place)).status_code == 403
            for place, fields in (
                ("wifi", {"name": "Theirs", "passphrase": "long enough"}),
                ("supervisor", {"name": "eve", "pin": "739150", "again": "739150"}),
                ("act", {"act": "go on"}),
                ("language", {}),
            ):
                assert (await browser.post(f"/first-boot/{place}", data=fields)).status_code == 403
            headers = {"Origin": "https://elsewhere.example"}
            fields = {"number": gate.number}
            assert (await browser.post("/first-boot/number", data=fields, headers=headers)).status_code == 403
        assert served.boot.done == []


async def test_who_gives_the_number_sets_it_up_from_a_tablet() -> None:
    now_s = 0.0
    gate = NumberGate(lambda: now_s, "48317720")
    async with first_boot_page(gate=gate) as served:
        served.boot.turn_to(replace(KNOWN, step=Step.SUPERVISOR))
        async with httpx.AsyncClient(base_url=served.address, verify=False) as browser:  # noqa: S501
            wrong = await browser.post("/first-boot/number", data={"number": "48317721"})
            assert (wrong.status_code, "another number" in wrong.text) == (403, True)
            soon = await browser.post("/first-boot/number", data={"number": "48317720"})
            assert "Numbers are heard again in 3 seconds" in soon.text
            now_s = WAIT_OF_ALL_S
            right = await browser.post("/first-boot/number", data={"number": "4831 7720"})
            assert right.status_code == 303
            kept = right.headers["set-cookie"]
            assert all(word in kept for word in ("__Host-", "HttpOnly", "Secure", "SameSite=strict"))
            assert "Who answers for this appliance?" in (await browser.get("/first-boot")).text
            fields = {"name": "ana", "pin": "739150", "again": "739150"}
            await browser.post("/first-boot/supervisor", data=fields)
        assert served.boot.done == [("ana", "739150")]


async def test_the_page_for_tablets_begins_with_a_claim_that_asks_for_it() -> None:
    tablets = TabletPage(PlayedBoot(), lambda: 0.0)
    await tablets.follow(KNOWN)
    assert (tablets.address, tablets.certificate) == (None, None)
    try:
        await tablets.follow(replace(KNOWN, tablets="127.0.0.1:0"))
        assert tablets.certificate is not None
        async with httpx.AsyncClient(verify=False) as browser:  # noqa: S501
            assert "Which number" in (await browser.get(f"https://{tablets.address}/first-boot")).text
            given = {"number": tablets.number}
            right = await browser.post(f"https://{tablets.address}/first-boot/number", data=given)
            assert right.status_code == 303
    finally:
        await tablets.stop()


async def test_tablets_are_served_where_a_screen_shows_their_number() -> None:
    situation = replace(KNOWN, tablets="127.0.0.1:0")
    page = {"page": {"touch": "127.0.0.1:0"}}
    with pseudo_screen() as screen:
        for base, served in ((page, False), ({**page, "console": {"device": str(screen.device)}}, True)):
            async with Front(base) as front:
                await front.show(PlayedBoot(situation))
                if served:
                    await screen.until("On a tablet: https://127.0.0.1:", PATIENCE_S)
                assert (front.certificate is not None) is served


def test_a_number_is_not_found_by_trying() -> None:
    now_s, waits = 0.0, []
    gate, answer = NumberGate(lambda: now_s, "48317720"), Response()
    for _ in range(FREE_TRIES + 1):
        refused = gate.enter("00000000", "stranger", answer)
        assert refused is not None
        assert refused.compared
        waits.append(refused.wait_s)
        now_s += refused.wait_s - 1
        # Nothing is compared, neither of this address nor, for a while, of another one.
        assert gate.enter("48317720", "stranger", answer) == Refused(1.0, compared=False)
        now_s += 1
    assert waits == [WAIT_OF_ALL_S] * (FREE_TRIES - 1) + [WAIT_S] * 2
    assert gate.enter("48317720", "stranger", answer) is None
    compared = 0
    for tick in range(600):  # from as many addresses as there are
        refused = gate.enter("00000000", f"10.0.{tick // 250}.{tick % 250}", answer)
        compared += refused is not None and refused.compared
        now_s += 1.0
    assert compared == 600 / WAIT_OF_ALL_S
    assert len({NumberGate(lambda: 0.0).number for _ in range(20)}) == 20


def test_a_stranger_who_keeps_trying_holds_nobody_else_up() -> None:
    now_s, heard = 0.0, 0
    gate = NumberGate(lambda: now_s, "48317720")
    for tick in range(3600):
        gate.enter("00000000", "stranger", Response())
        if tick % 60 == 59:
            heard += gate.enter("48317720", "tablet", Response()) is None
        now_s += 1.0
    assert heard == 60


@pytest.mark.parametrize(
    "given", ["4831 7720", "4831-7720", " 48317720\n", "٤٨٣١٧٧٢٠", "۴۸۳۱\N{NO-BREAK SPACE}۷۷۲۰"]
)
def test_a_number_is_understood_as_a_keyboard_writes_it(given: str) -> None:
    assert NumberGate(lambda: 0.0, "48317720").enter(given, "tablet", Response()) is None


async def test_another_claim_for_tablets_is_served_as_another_appliance() -> None:
    tablets = TabletPage(PlayedBoot(), lambda: 0.0)
    first = replace(KNOWN, tablets="127.0.0.1:0")
    try:
        await tablets.follow(first)
        seen, address = tablets.certificate, tablets.address
        await tablets.follow(replace(first, step=Step.APPROVAL))
        await tablets.follow(Situation(Step.CLAIM))
        assert (tablets.certificate, tablets.address) == (seen, address)
        await tablets.follow(replace(first, device="kit-08"))
        assert tablets.certificate is not None
        assert is_page_of(tablets.certificate.chain[0], DeviceName("kit-08", KNOWN.site))
        taken = tablets.address
        await tablets.follow(KNOWN)
        assert tablets.fingerprint == ""
        async with first_boot_page() as other:  # the port may be taken, and free later
            port = other.address.rsplit(":", 1)[1].rstrip("/")
            await tablets.follow(replace(first, tablets=f"127.0.0.1:{port}"))
            assert tablets.address is None
        await tablets.follow(replace(first, tablets=f"127.0.0.1:{port}"))
        assert tablets.address not in (None, taken)
    finally:
        await tablets.stop()


async def test_a_wifi_network_that_cannot_be_is_told_and_not_used(served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.address) as browser:
        for fields in ({"name": "", "passphrase": "long enough"}, {"name": "Harbour", "passphrase": "short"}):
            answer = await browser.post("/first-boot/wifi", data=fields)
            assert (answer.status_code, "Nothing was changed" in answer.text) == (400, True)
        await browser.post("/first-boot/wifi", data={"name": "Open", "passphrase": ""})
    assert served.boot.done == [Wifi(name="Open", security="open")]
