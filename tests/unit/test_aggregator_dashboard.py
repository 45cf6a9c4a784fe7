"""The dashboard's pages: what they say, what they never say, and the headers they carry."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from aggregator.holdings import (
    Adjudication,
    Details,
    Missing,
    Overview,
    StoredEvent,
    Tallies,
)
from aggregator.records import Outcome, StageTime, Strength
from aggregator.store.errors import StoreUnavailable
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.dashboard_rig import dashboard_rig, words
from tests.kit.link_device import EPOCH, digest
from trust.service import Answer

DASHBOARD = Path(__file__).parents[2] / "aggregator" / "dashboard"


def stored(seq: int, outcome: Outcome | Answer, **changed: object) -> StoredEvent:
    fields = {
        "device_id": "desk-1",
        "epoch": EPOCH,
        "seq": seq,
        "kind": "check_in",
        "received_ns": NOW_NS,
        "boot_id": EPOCH,
        "monotonic_ns": 0,
        "wall_ns": NOW_NS - 60_000_000_000,
        "clock_quality": "synchronised",
        "record_id": digest(f"record {seq}"),
        "entry_id": digest("entry"),
        "outcome": outcome.value,
        "mode": "verify",
        "tries": 2,
        "score_llr": 8.25,
        "threshold_llr": 6.5,
        "reason": "",
        "details": Details(stages=(StageTime("capture", 812_000_000), StageTime("compare", 3_400_000))),
    }
    return StoredEvent(**(fields | changed))


CONFLICT = Details(collected=(f"desk-1 08:41 {'1' * 32}", f"desk-2 08:57 {'2' * 32}"))
SERVICE = Details(workflow="distribution", basis="card only", declined=True, duration_ns=21_400_000_000)
OVERVIEW = Overview(
    results=(
        *(stored(seq, outcome) for seq, outcome in enumerate(Outcome, start=1)),
        stored(9, Answer.GIVEN, kind="service", mode=None, details=SERVICE),
        stored(10, Answer.GIVEN, kind="conflict", mode=None, details=CONFLICT),
    ),
    tallies=Tallies(
        "2026-01-01",
        {"match": 12, "ration given": 7},
        {"match": 345, "retry": 6, "ration given": 210, "collected twice": 1},
    ),
)


async def show_overview(results: int) -> Overview:
    return OVERVIEW


async def show_nothing(results: int) -> Overview:
    return Overview((), Tallies("2026-01-01", {}, {}))


MISSING = (Missing("desk-3", "gate", NOW_NS - 90_000_000_000, EPOCH, 5, 12, 7, ((2, 2), (6, 9), (11, 12))),)
PAIR = Adjudication(
    7, b"g" * 16, "gate", "clinic check-in", b"\x1a" * 16, b"\x2b" * 16, 12.5, Strength.STRONG, "desk-1",
    NOW_NS - 90_000_000_000, None, "", "", None,
)  # fmt: skip
PROPOSED = replace(PAIR, number=8, same=True, proposed_by="amina")
PAIRS = (PAIR, PROPOSED, replace(PROPOSED, number=9, confirmed_by="tomas", decided_ns=NOW_NS))


async def fail(results: int) -> Overview:
    raise StoreUnavailable("disk gone")


@asynccontextmanager
async def browser(
    folder: Path, source: Callable[[int], Awaitable[Overview]] = show_overview, host: str = "127.0.0.1:8080"
) -> AsyncIterator[httpx.AsyncClient]:
    async with dashboard_rig(folder) as rig, rig.browser(host) as client:
        rig.connected.add("desk-1")
        rig.view.played_overview = source
        rig.view.played_missing = MISSING
        rig.view.played_adjudications = PAIRS
        yield client


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(tmp_path) as client:
        yield client


async def test_the_page_says_what_is_held(client: httpx.AsyncClient) -> None:
    page = words((await client.get("/results")).text)
    assert "08:59:00 Match desk-1 1:1 2 8.2 above 6.5 815 capture 812 · compare 3.4" in page
    assert "Match 12 345 in all" in page
    assert "08:59:00 Ration given card only, biometrics declined desk-1 distribution" in page
    assert "Ration given 7 210 in all" in page
    assert "Collected twice 0 1 in all" in page
    assert "Collected twice desk-1 08:41, then desk-2 08:57 desk-1 distribution" in page


async def test_the_numbers_that_a_lost_device_took_with_it_are_named(client: httpx.AsyncClient) -> None:
    page = words((await client.get("/missing")).text)
    assert f"desk-3 gate not connected 2 min ago {EPOCH.hex()[:8]} 5 12 7 2, 6–9, 11–12" in page


async def test_every_outcome_has_a_word_and_a_shape_and_none_is_red(client: httpx.AsyncClient) -> None:
    html = (await client.get("/fragments/results")).text
    results = html[html.index("results-scroll") :]
    shown = re.findall(r'<span class="outcome (\w+)"><svg.*?</svg> ([^<]+)</span>', results, re.DOTALL)
    assert [word for _, word in shown] == [
        "Match",
        "No match",
        "Suggestion",
        "No usable sample",
        "Went to staff",
        "Ration given",
        "Collected twice",
    ]
    assert {tone for tone, _ in shown} == {"good", "calm", "care"}
    assert "fault" not in results


async def test_what_comes_from_devices_cannot_become_markup(tmp_path: Path) -> None:
    async def hostile(results: int) -> Overview:
        return Overview((stored(1, Outcome.RETRY, reason="<script>alert(1)</script>"),), OVERVIEW.tallies)

    async with browser(tmp_path, hostile) as client:
        html = (await client.get("/fragments/results")).text
    assert "<script" not in html
    assert "&lt;script&gt;" in html


async def test_only_opaque_identifiers_of_a_record_are_shown(client: httpx.AsyncClient) -> None:
    html = (await client.get("/results")).text
    assert digest("record 1").hex()[:8] in html
    assert digest("entry").hex()[:8] not in html  # entries name people to those who hold the gallery


async def test_the_page_works_without_javascript_and_can_be_paused(client: httpx.AsyncClient) -> None:
    live, paused = (await client.get("/results")).text, (await client.get("/results?live=off")).text
    assert '<noscript><meta http-equiv="refresh"' in live
    assert 'hx-get="/fragments/results"' in live
    assert "hx-get" not in paused
    assert "refresh" not in paused
    assert "desk-1" in paused


async def test_nothing_is_fetched_from_elsewhere_and_every_file_named_is_there(
    client: httpx.AsyncClient,
) -> None:
    html = (await client.get("/results")).text
    named = re.findall(r'(?:src|href)="([^"]+)"', html)
    files = [path for path in named if path.startswith("/static/")]
    assert all(path.startswith(("/", "#")) and not path.startswith("//") for path in named)
    assert len(files) == 4
    for path in files:
        assert (await client.get(path)).status_code == 200
    assert "url(" not in (DASHBOARD / "static" / "style.css").read_text()


@pytest.mark.parametrize(
    "path", ["/", "/results", "/fragments/results", "/healthz", "/static/style.css", "/nowhere"]
)
async def test_every_answer_carries_the_protective_headers(path: str, client: httpx.AsyncClient) -> None:
    headers = (await client.get(path)).headers
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


async def test_there_is_no_inline_script_or_style_for_the_policy_to_block(client: httpx.AsyncClient) -> None:
    html = (await client.get("/results")).text
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", html)


async def test_another_sites_name_for_this_machine_is_refused(tmp_path: Path) -> None:
    async with browser(tmp_path, host="attacker.example") as client:
        assert (await client.get("/results")).status_code == 400


async def test_an_empty_store_says_what_will_appear(tmp_path: Path) -> None:
    async with browser(tmp_path, show_nothing) as client:
        page = words((await client.get("/results")).text)
    assert "No check-in has been reported yet" in page


async def test_a_store_that_cannot_be_read_is_not_healthy(tmp_path: Path) -> None:
    async with browser(tmp_path, fail) as client:
        assert [(await client.get(path)).status_code for path in ("/results", "/healthz")] == [503, 503]
    (tmp_path / "well").mkdir()
    async with browser(tmp_path / "well") as client:
        assert (await client.get("/healthz")).text == "ok\n"


def channel_values(colour: str) -> list[float]:
    values = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    return [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]


def luminance(colour: str) -> float:
    red, green, blue = channel_values(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_colour_has_the_contrast_of_wcag_aa(scheme: int) -> None:
    css = (DASHBOARD / "static" / "style.css").read_text()
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", css.split(":root {")[1 + scheme].split("}")[0]))
    pairs = [
        (text, ground) for text in ("text", "quiet", "accent") for ground in ("ground", "card", "calm-ground")
    ]
    for tone in ("good", "calm", "care", "fault"):
        pairs += [(tone, ground) for ground in (f"{tone}-ground", "card", "ground", "calm-ground")]
    for text, ground in pairs:
        darker, lighter = sorted((luminance(colours[text]), luminance(colours[ground])))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (text, ground)


async def test_pairs_are_shown_by_random_ids_and_scores_and_decided_elsewhere(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/adjudications")
    page = words(answer.text)
    assert f"7 open gate {'1a' * 16} {'2b' * 16} strong, 12.50 desk-1 2 min ago" in page
    assert "8 one person, says amina; another person has to confirm it gate" in page
    assert "9 one person, by amina and tomas gate" in page
    assert "<form" not in answer.text
    assert "<img" not in answer.text
    assert (await client.post("/adjudications")).status_code == 405
