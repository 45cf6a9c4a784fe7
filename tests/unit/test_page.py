"""The operator page without a browser: who may do what, what is refused, and the headers it carries."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

import firmware.page
from firmware.cards.making import household_card
from firmware.notices import Notices
from firmware.page.app import Page, Rules
from firmware.page.browsers import Front
from firmware.page.ports import Bar, DayWork, ListWork, StaffWork, UpdateWork
from firmware.page.recordings import Recordings
from firmware.page.streams import Streams
from firmware.page.viewers import MOST_SIGNED_IN
from firmware.page.viewfinder import LiveView
from firmware.workflow.screen import Choice, Entry, Screen, Tone, say
from tests.kit.scripted_station import ScriptedStation, ThreeOfStaff
from trust.issuer import IssuerKey

STATIC = Path(firmware.page.__file__).parent / "static"
NOTICE = Screen(
    "notice", Tone.CALM, "notice", say("May we?"), choices=(Choice("accept", say("Yes"), "accept"),)
)
DONE = Screen("done", Tone.GOOD, "tick", say("Thank you"), public="17")


class Visitor:
    """A browser without the drawing: it keeps cookies and sends forms back with their token."""

    def __init__(
        self,
        front: Front = Front.TOUCH,
        rules: Rules | None = None,
        recordings: Path | None = None,
        lists: ListWork | None = None,
        day: DayWork | None = None,
        members: StaffWork | None = None,
        updates: UpdateWork | None = None,
    ) -> None:
        self.now_s = 0.0
        self.station = ScriptedStation(NOTICE, DONE)
        page = Page(
            front,
            self.station,
            ThreeOfStaff(),
            lambda: Bar("kit-07"),
            LiveView(),
            lambda: self.now_s,
            Streams(),
            rules or Rules(),
            Recordings(recordings),
            Notices(),
            day=day,
            lists=lists,
            members=members,
            updates=updates,
        )
        self.page = page
        self.client = self.another()

    def another(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.page.app, client=("127.0.0.1", 1)),
            base_url="https://127.0.0.1",
        )

    async def token(self) -> str:
        found = re.search(r'name="form_token" value="([^"]+)"', (await self.client.get("/")).text)
        assert found
        return found[1]

    async def send(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
        fields = {"form_token": await self.token(), **fields}
        return await self.client.post(path, data=fields, headers=headers)

    async def sign_in(self, name: str = "amina", pin: str = "246824") -> httpx.Response:
        return await self.send("/sign-in", name=name, pin=pin)


async def test_nothing_of_the_work_is_shown_before_somebody_signed_in() -> None:
    visitor = Visitor()
    assert "May we?" not in (await visitor.client.get("/")).text
    await visitor.sign_in()
    assert "May we?" in (await visitor.client.get("/")).text


async def test_a_wrong_pin_signs_nobody_in_and_says_so() -> None:
    visitor = Visitor()
    answer = await visitor.sign_in(pin="0000")
    assert answer.status_code == 403
    assert "do not go together" in answer.text
    assert "May we?" not in (await visitor.client.get("/")).text


async def test_who_rests_too_long_is_signed_out() -> None:
    visitor = Visitor(rules=Rules(rest_s=60))
    await visitor.sign_in()
    visitor.now_s = 59.0
    assert (await visitor.send("/act", act="none", revision="0")).status_code == 200
    visitor.now_s = 118.0
    assert "May we?" in (await visitor.client.get("/")).text
    visitor.now_s = 119.0
    assert "May we?" not in (await visitor.client.get("/")).text


async def test_the_cookie_of_before_the_sign_in_is_worth_nothing_after_it() -> None:
    visitor = Visitor()
    await visitor.client.get("/")
    before = visitor.client.cookies["viewer"]
    await visitor.sign_in()
    thief = visitor.another()
    thief.cookies.set("viewer", before)
    assert "May we?" not in (await thief.get("/")).text


async def test_who_never_signs_in_signs_nobody_out_and_leaves_nothing_behind() -> None:
    visitor = Visitor(Front.TABLET)
    await visitor.sign_in()
    stranger = visitor.another()
    for _ in range(MOST_SIGNED_IN + 1):
        stranger.cookies.clear()
        await stranger.get("/")
        await stranger.get("/events")
    assert "May we?" in (await visitor.client.get("/")).text
    assert len(visitor.page._viewers._signed_in) == 1


async def test_a_tablet_keeps_its_language_from_before_the_sign_in() -> None:
    visitor = Visitor(Front.TABLET)
    await visitor.send("/press", button="language")
    chosen = re.search(r'<html lang="([^"]+)"', (await visitor.client.get("/")).text)
    assert chosen
    assert chosen[1] != "en"
    await visitor.sign_in()
    assert f'<html lang="{chosen[1]}"' in (await visitor.client.get("/")).text
    visitor.client.cookies.set("__Host-viewer", 'x.">')
    assert '<html lang="en"' in (await visitor.client.get("/")).text


async def test_an_act_for_a_former_screen_does_nothing_and_says_so() -> None:
    visitor = Visitor()
    await visitor.sign_in()
    answer = await visitor.send("/act", {"hx-request": "true"}, act="accept", revision="0")
    assert "moved on" in answer.text
    assert not visitor.station.acts


async def test_a_scanner_that_types_enters_a_whole_card() -> None:
    visitor = Visitor()
    visitor.station._screens = (replace(NOTICE, choices=(), entry=Entry.CARD), DONE)
    await visitor.sign_in()
    most = re.search(r'name="value" maxlength="(\d+)"', (await visitor.client.get("/")).text)
    assert most
    number = "household-with-a-very-long-number-0000001"
    card = household_card(IssuerKey.new(), "a-site-with-a-long-name", number, date(2026, 12, 31), "2026-12")
    assert len(card) <= int(most[1])
    answer = await visitor.send("/act", act="card", revision="1", value="A" * (int(most[1]) + 1))
    assert answer.status_code == 413
    await visitor.send("/act", act="card", revision="1", value=card)
    assert [act.value for act in visitor.station.acts] == [card]


async def test_a_second_operator_is_told_who_serves_and_may_take_over() -> None:
    visitor = Visitor()
    visitor.station.holder = "boris"
    await visitor.sign_in()
    answer = await visitor.send("/act", {"hx-request": "true"}, act="accept", revision="1")
    assert "boris serves" in answer.text
    assert "/take-over" in answer.text
    assert not visitor.station.acts
    await visitor.send("/take-over")
    await visitor.send("/act", act="accept", revision="1")
    assert [act.operator for act in visitor.station.acts] == ["amina"]


async def test_help_needs_nobody_signed_in_at_the_appliance_but_on_the_network_it_does() -> None:
    at_hand, far = Visitor(Front.TOUCH), Visitor(Front.TABLET)
    for visitor in (at_hand, far):
        await visitor.send("/press", button="help")
    assert [act.act for act in at_hand.station.acts] == ["help"]
    assert not far.station.acts


async def test_without_scripts_an_act_leads_back_to_the_page() -> None:
    visitor = Visitor()
    await visitor.sign_in()
    answer = await visitor.send("/act", act="accept", revision="1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert [act.act for act in visitor.station.acts] == ["accept"]


@pytest.mark.parametrize(
    ("headers", "fields", "status"),
    [
        ({"origin": "https://elsewhere.example"}, {}, 403),
        ({"sec-fetch-site": "cross-site"}, {}, 403),
        ({"content-type": "application/json"}, {}, 415),
        ({}, {"form_token": "guessed"}, 403),
        ({}, {"value": "x" * 5000}, 413),
        ({}, {str(number): "" for number in range(20)}, 400),
    ],
)
async def test_what_the_page_did_not_send_itself_does_nothing(
    headers: dict[str, str], fields: dict[str, str], status: int
) -> None:
    visitor = Visitor()
    await visitor.sign_in()
    answer = await visitor.send("/act", headers, **{"act": "accept", "revision": "1", **fields})
    assert answer.status_code == status
    assert not visitor.station.acts


async def test_no_other_site_reads_the_page_under_its_own_name() -> None:
    visitor = Visitor()
    assert (await visitor.client.get("/", headers={"host": "evil.example"})).status_code == 400


async def test_bystanders_see_the_number_alone() -> None:
    visitor = Visitor()
    visitor.station.turn_to(1)
    text = (await visitor.client.get("/bystander")).text
    body = text[text.index("<body") :]
    assert re.sub(r"<[^>]*>|\s", "", body) == "17"


async def test_every_answer_carries_the_protective_headers() -> None:
    visitor = Visitor()
    for path in ("/", "/static/page.css", "/bystander", "/nothing"):
        headers = (await visitor.client.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] in ("no-store", "no-cache")
    cookie = (await visitor.another().get("/")).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    tablet = (await Visitor(Front.TABLET).client.get("/")).headers["set-cookie"]
    assert tablet.startswith("__Host-viewer=")
    assert "Secure" in tablet


@pytest.mark.parametrize(
    ("name", "digest"),
    [  # of the unchanged file of the npm package, below our comment with its licence
        ("htmx.min.js", "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"),
        ("sse.min.js", "98a46496de0c3605fbffdce9167ba427bdd9553184f83f149c261891a92c0136"),
    ],
)
def test_the_scripts_of_others_are_unchanged(name: str, digest: str) -> None:
    ours, theirs = (STATIC / name).read_bytes().split(b"*/\n", 1)
    assert sha256(theirs).hexdigest() == digest
    assert b"THE SOFTWARE IS PROVIDED" in ours


def test_an_appliance_without_a_page_loads_nothing_of_the_web() -> None:
    loaded = "import sys, firmware.appliance, firmware.lane, firmware.commands.run; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, check=True, text=True
    ).stdout
    assert not {"starlette", "uvicorn", "jinja2", "babel"} & set(modules.split())
