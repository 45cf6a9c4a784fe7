"""The dashboard's alerts: people first, and who looks after each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aggregator.accounts import AccountRole
from aggregator.fleet.alerts import AlertKind, Finding, Severity
from aggregator.store import alerts
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.dashboard_rig import DashboardRig, dashboard_rig, sign_in, token_of, words

FOUND = (
    Finding(AlertKind.TOO_HOT, Severity.WARNING, "kit-1", "gate", "kit-1 is at 84 °C: give it shade."),
    Finding(AlertKind.PEOPLE_TURNED_AWAY, Severity.URGENT, "kit-2", "gate", "4 people left <b>kit-2</b>."),
    Finding(AlertKind.SITE_SILENT, Severity.WARNING, "", "north", "north is silent: its link?"),
)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[DashboardRig]:
    async with dashboard_rig(tmp_path) as rig:
        await rig.change(lambda db: alerts.reconcile(db, FOUND, NOW_NS))
        await rig.add_account("amina", AccountRole.OPERATOR)
        await rig.add_account("vera", AccountRole.VIEWER)
        yield rig


async def test_what_concerns_people_stands_first_and_the_fleet_leads_there(rig: DashboardRig) -> None:
    async with rig.browser() as browser:
        await sign_in(browser, "vera")
        html = (await browser.get("/alerts")).text
        page = words(html)
        assert page.index("People turned away") < page.index("Site silent") < page.index("Too hot")
        assert "1 urgent, 2 warning, 0 notice" in page
        assert 'href="/devices/kit-2"' in html
        assert "<b>kit-2</b>" not in html
        assert "1 urgent alert" in words((await browser.get("/")).text)


async def test_an_operator_looks_after_an_alert_and_a_viewer_cannot(rig: DashboardRig) -> None:
    async with rig.browser() as browser:
        await sign_in(browser, "vera")
        token = token_of((await browser.get("/alerts")).text)
        sent = await browser.post("/alerts/1/acknowledge", data={"form_token": token})
        assert sent.status_code == 403
    async with rig.browser() as browser:
        await sign_in(browser, "amina")
        token = token_of((await browser.get("/alerts")).text)
        fields = {"form_token": token, "back": "/alerts?site=gate"}
        sent = await browser.post("/alerts/1/acknowledge", data=fields)
        assert sent.headers["location"] == "/alerts?site=gate"
        assert (await browser.post("/alerts/99/acknowledge", data=fields)).status_code == 404
        assert "operator amina at the dashboard, 09:00:00" in words((await browser.get("/alerts")).text)
    assert "operator amina at the dashboard: alert acknowledged (1 too hot kit-1)" in await rig.audit()


async def test_those_that_ended_are_shown_when_asked_for_in_pages(rig: DashboardRig) -> None:
    await rig.change(lambda db: alerts.reconcile(db, (), NOW_NS + alerts.CLOSE_AFTER_NS))
    many = [Finding(AlertKind.CLOCK_LOST, Severity.NOTICE, f"kit-{n}", "gate", "Set it.") for n in range(60)]
    await rig.change(lambda db: alerts.reconcile(db, many, 2 * NOW_NS))
    async with rig.browser() as browser:
        await sign_in(browser, "vera")
        lasting = (await browser.get("/alerts")).text
        assert "Too hot" not in lasting
        assert lasting.count("Clock lost") == 50
        after = lasting.partition('href="/alerts?after=')[2].partition('"')[0]
        assert (await browser.get(f"/alerts?after={after}")).text.count("Clock lost") == 10
        assert "Too hot" in (await browser.get(f"/alerts?closed=1&after={after}")).text
        for odd in ("1.2", "a.b.c", "1.1.99999999999999999999"):
            assert (await browser.get(f"/alerts?after={odd}")).status_code == 200
