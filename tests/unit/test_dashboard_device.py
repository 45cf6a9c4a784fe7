"""The dashboard's page of one device: what it says, and what is asked of the device there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from aggregator.accounts import AccountRole
from aggregator.store import commands, diagnostics
from tests.kit import big_fleet
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.dashboard_rig import DashboardRig, dashboard_rig, sign_in, token_of, words


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[DashboardRig]:
    async with dashboard_rig(tmp_path) as rig:
        rig.connected |= await rig.change(lambda db: big_fleet.fill(db, 60, hours=2))
        yield rig


async def ask(browser: httpx.AsyncClient, device_id: str, **fields: str) -> httpx.Response:
    token = token_of((await browser.get(f"/devices/{device_id}")).text)
    return await browser.post(f"/devices/{device_id}/commands", data={"form_token": token, **fields})


async def asked(rig: DashboardRig) -> list[tuple[str, str, str]]:
    found = await rig.view.read(lambda db: commands.read(db, None, 10))
    return [(each.device_id, each.kind, each.asked_by) for each in found]


async def test_the_page_tells_what_is_desired_what_is_used_and_why_not(rig: DashboardRig) -> None:
    async with rig.browser() as browser:
        page = words((await browser.get(f"/devices/{big_fleet.REFUSES}")).text)
    assert "Refused, nothing was changed" in page
    assert "settings.session.tries 3 2 refused 3 is more than the policy allows: lower it to 2" in page
    assert "settings.telemetry.period_s 900 900 the same" in page
    assert "artifacts.operating_point default-7 (abababab) – differs" in page


async def test_telemetry_is_drawn_and_said_in_words(rig: DashboardRig) -> None:
    async with rig.browser() as browser:
        html = (await browser.get("/devices/kit-00001")).text
        assert "fingerprint answers" in words(html)
        assert 'aria-label="Temperature: processor from ' in html
        assert html.count("data-plot=") == 6
        assert (await browser.get("/static/plots.js")).status_code == 200
        assert (await browser.get("/static/uPlot.iife.min.js")).status_code == 200


async def test_an_operator_asks_and_a_viewer_cannot(rig: DashboardRig) -> None:
    await rig.add_account("amina", AccountRole.OPERATOR)
    await rig.add_account("vera", AccountRole.VIEWER)
    async with rig.browser() as browser:
        await sign_in(browser, "amina")
        answer = await ask(browser, "kit-00001", kind="self-test")
        assert answer.headers["location"] == "/devices/kit-00001#commands-heading"
        assert "self-test operator amina at the dashboard waits for the device" in words(
            (await browser.get("/devices/kit-00001")).text
        )
        assert (await ask(browser, "kit-00001", kind="wipe", confirmed="kit-00001")).status_code == 403
        assert (await ask(browser, "kit-00001", kind="tail log")).status_code == 400
    async with rig.browser() as browser:
        await sign_in(browser, "vera")
        html = (await browser.get("/devices/kit-00001")).text
        assert 'action="/devices/' not in html
        assert (await ask(browser, "kit-00001", kind="self-test")).status_code == 403
    assert await asked(rig) == [("kit-00001", "self-test", "operator amina at the dashboard")]
    assert rig.looked == ["kit-00001"]
    assert "operator amina at the dashboard: command self-test (kit-00001)" in await rig.audit()


async def test_what_cannot_be_taken_back_needs_an_administrator_and_the_devices_name(
    rig: DashboardRig,
) -> None:
    await rig.add_account("ada", AccountRole.ADMINISTRATOR)
    async with rig.browser() as browser:
        await sign_in(browser, "ada")
        refused = await ask(browser, "kit-00001", kind="lock", confirmed="kit-00002")
        assert (refused.status_code, "Nothing was asked" in words(refused.text)) == (400, True)
        assert (await ask(browser, "kit-00001", kind="lock", confirmed="kit-00001")).status_code == 303
    assert [kind for _, kind, _ in await asked(rig)] == ["lock"]


async def test_on_loopback_without_an_account_nothing_can_be_asked(rig: DashboardRig) -> None:
    async with rig.browser() as browser:
        assert "<form method" not in (await browser.get("/devices/kit-00001")).text
        sent = await browser.post("/devices/kit-00001/commands", data={"kind": "self-test"})
    assert sent.status_code == 403
    assert await asked(rig) == []


async def test_a_forged_form_asks_nothing(rig: DashboardRig) -> None:
    await rig.add_account()
    async with rig.browser() as browser:
        await sign_in(browser)
        sent = await browser.post(
            "/devices/kit-00001/commands", data={"kind": "self-test", "form_token": "0" * 64}
        )
    assert sent.status_code == 403
    assert await asked(rig) == []


@pytest.mark.parametrize("device_id", ["nobody", "..%2f..", "%00", "x" * 300])
async def test_a_device_that_never_reported_is_said_to_be_unknown(rig: DashboardRig, device_id: str) -> None:
    async with rig.browser() as browser:
        answer = await browser.get(f"/devices/{device_id}")
    assert answer.status_code == 404


async def test_a_command_that_nobody_fetched_is_said_to_have_expired(rig: DashboardRig) -> None:
    await rig.add_account()
    async with rig.browser() as browser:
        await sign_in(browser)
        await ask(browser, "kit-00001", kind="self-test")
        rig.clock.now_ns = NOW_NS + 25 * 3600 * 1_000_000_000
        await sign_in(browser)
        assert "expired without a result" in words((await browser.get("/devices/kit-00001")).text)


async def test_a_bundle_of_diagnostics_is_fetched_by_operators_and_that_is_written_down(
    rig: DashboardRig, tmp_path: Path
) -> None:
    await rig.add_account("amina", AccountRole.OPERATOR)
    command_id, content = b"d" * 16, b"PK a bundle"
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / f"{command_id.hex()}.zip").write_bytes(content)
    await rig.change(
        lambda db: diagnostics.begin(db, command_id, "kit-00001", len(content), b"x" * 32, NOW_NS)
    )
    await rig.change(lambda db: diagnostics.complete(db, command_id))
    async with rig.browser() as browser:
        await sign_in(browser)
        token = token_of((await browser.get("/devices/kit-00001")).text)

        async def fetch(device_id: str, command: str) -> httpx.Response:
            fields = {"form_token": token, "command": command}
            return await browser.post(f"/devices/{device_id}/bundles", data=fields)

        fetched = await fetch("kit-00001", command_id.hex())
        assert fetched.content == content
        assert fetched.headers["content-disposition"] == 'attachment; filename="kit-00001-20260101-0900.zip"'
        assert (await fetch("kit-00002", command_id.hex())).status_code == 404
        assert (await fetch("kit-00001", "zz")).status_code == 400
        token = "0" * 64
        assert (await fetch("kit-00001", command_id.hex())).status_code == 403
    lines = [line for line in await rig.audit() if "fetch diagnostics" in line]
    assert lines == [f"operator amina at the dashboard: fetch diagnostics (kit-00001 {command_id.hex()})"]
