"""The dashboard's first page: devices and sites by state, filters, and what waits for an operator."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from aggregator.codec import parse_batch
from aggregator.fleet.terms import Site
from aggregator.records import Hello
from aggregator.store import fleet_inventory, ingest
from aggregator.store.ingest import Admitted
from aggregator.store.port import Database
from aidpost.v1 import event_pb2
from tests.kit import big_fleet
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.dashboard_rig import DashboardRig, dashboard_rig, words
from tests.kit.link_device import EPOCH, Chained, check_in, device_fault


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[DashboardRig]:
    async with dashboard_rig(tmp_path) as rig:
        yield rig


def heard(
    device_id: str, *events: event_pb2.Event, seen_ns: int = NOW_NS - 90_000_000_000
) -> Callable[[Database], None]:
    """Return what the store does when a device says hello and reports these events."""

    def work(db: Database) -> None:
        admitted = ingest.admit(db, Hello(device_id, EPOCH, 9, "0.1.0", "north-gate", 1, EPOCH), seen_ns)
        assert isinstance(admitted, Admitted)
        if events:
            batch = parse_batch(Chained(device_id, EPOCH).pack(events), max_events=len(events))
            ingest.keep(db, admitted, batch, seen_ns)

    return work


async def shown(rig: DashboardRig, path: str = "/") -> str:
    async with rig.browser() as browser:
        return words((await browser.get(path)).text)


async def test_each_device_is_shown_with_its_state_and_what_is_not_as_it_should_be(rig: DashboardRig) -> None:
    await rig.change(heard("desk-1", *(check_in(seq) for seq in (1, 2, 3, 6, 7, 9))))
    await rig.change(heard("desk-2", device_fault(1)))
    rig.connected.add("desk-1")
    page = await shown(rig)
    assert "desk-1 north-gate Well connected 2 min ago 6 4–5, 8 0.1.0 none" in page
    assert "desk-2 north-gate Wants looking after not connected 2 min ago 1 none 0.1.0" in page
    assert "Wants looking after 1" in page
    assert page.index("desk-2 north-gate") < page.index(
        "desk-1 north-gate"
    )  # who wants looking at comes first


async def test_a_fault_is_told_once_on_each_line(rig: DashboardRig) -> None:
    await rig.change(heard("desk-2", device_fault(1)))
    async with rig.browser() as browser:
        html = (await browser.get("/")).text
    line = html[html.index("desk-2</a></th>") :]
    assert len(re.findall(r"fingerprint: \w+|camera: \w+", words(line))) == 1


@pytest.mark.parametrize(
    ("state", "word"),
    [("revoked", "revoked"), ("on hold", "on hold"), ("pending", "waits for approval")],
)
async def test_a_device_that_may_not_connect_is_said_to_be_so(
    rig: DashboardRig, state: str, word: str
) -> None:
    await rig.change(heard("desk-2"))
    await rig.change(_asks("desk-2", state))
    assert f"desk-2 north-gate Shut out {word} 2 min ago" in await shown(rig)


async def test_devices_that_wait_for_an_operator_are_named(rig: DashboardRig) -> None:
    await rig.change(_asks("desk-4", "pending"))
    await rig.change(_asks("desk-5", "on hold"))
    await rig.change(_asks("desk-6", "approved"))
    page = await shown(rig)
    assert re.search(r"desk-4 at gate asks to join with the key [0-9a-f]{4}-", page)
    assert "desk-5 at gate was seen twice" in page
    assert "desk-6" not in page


async def test_a_filter_shows_its_devices_and_one_that_cannot_be_meant_says_where(rig: DashboardRig) -> None:
    await rig.change(heard("desk-1"))
    await rig.change(heard("kit-7"))
    page = await shown(rig, '/?filter=device = "desk-1"')
    assert "desk-1 north-gate" in page
    assert "kit-7 north-gate" not in page
    assert "No device matches" in await shown(rig, "/?filter=connected")
    refused = await shown(rig, "/?filter=site ~ 3")
    assert "The filter cannot be meant: at 6" in refused
    assert "desk-1 north-gate" not in refused


@pytest.mark.parametrize("query", ["page=0", "page=99999", "page=x", "page=-1", "filter=%00"])
async def test_an_address_that_nobody_was_given_still_shows_a_page(rig: DashboardRig, query: str) -> None:
    await rig.change(heard("desk-1"))
    async with rig.browser() as browser:
        assert (await browser.get(f"/?{query}")).status_code == 200


async def test_an_empty_store_says_what_will_appear(rig: DashboardRig) -> None:
    assert "No device has reported yet" in await shown(rig)


async def test_what_people_name_sites_cannot_become_markup(rig: DashboardRig) -> None:
    site = Site("gate", 0, title='<b onclick="x">', latitude=1.0, longitude=2.0)
    await rig.change(
        lambda db: fleet_inventory.put_site(
            db, site, revision=None, allow_missing=True, now_ns=NOW_NS, actor="test"
        )
    )
    async with rig.browser() as browser:
        for path in ("/", "/sites"):
            html = (await browser.get(path)).text
            assert "<b onclick" not in html
            assert "&lt;b onclick" in html


async def test_a_large_fleet_is_shown_in_pages_each_device_once(rig: DashboardRig) -> None:
    rig.connected |= await rig.change(lambda db: big_fleet.fill(db, 260, hours=2))
    found: list[str] = []
    async with rig.browser() as browser:
        path = "/"
        while path:
            html = (await browser.get(path)).text
            found += re.findall(
                r'<th scope="row" role="rowheader"><a id="device-kit-\d+" href="/devices/(kit-\d+)"', html
            )
            after = re.search(r'href="([^"]+)#devices-heading">After', html)
            path = after[1].replace("&amp;", "&") if after else ""
    assert len(found) == len(set(found)) == 260
    assert html.count('<g class="mark') >= 5


def _asks(device_id: str, state: str) -> Callable[[Database], None]:
    def work(db: Database) -> None:
        db.execute(
            """INSERT INTO enrolments (device_id, site, public_key, state, requested_ns)
               VALUES (?, 'gate', ?, ?, ?)""",
            (device_id, device_id.encode(), state, NOW_NS),
        )

    return work
