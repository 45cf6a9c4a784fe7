"""The dashboard's rollouts: how far each ring has come, what it does to people, and stopping it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from aggregator.accounts import AccountRole
from aggregator.fleet.canary import Rate, Shift, Verdict
from aggregator.fleet.differences import Difference, Part, Periods
from aggregator.fleet.rollout import Change, Member, Ring, Rollout, RolloutState, Standing, Thresholds, Watch
from aggregator.store import fleet_rollouts
from tests.kit import big_fleet
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.dashboard_rig import DashboardRig, dashboard_rig, sign_in, token_of, words

WORSE = Shift(
    Rate.NO_MATCH,
    Periods(Part(20, 1000), Part(60, 1000)),
    Periods(Part(20, 1000), Part(21, 1000)),
    1.0,
    Difference(0.04, 0.02, 0.06),
    Difference(0.039, 0.018, 0.06),
    Verdict.WORSE,
)
STANDINGS = (Standing.APPLIED, Standing.REFUSED, Standing.TOLD, Standing.PENDING)
ROLLOUT = Rollout(
    name="tries-3",
    title="Three tries",
    change=Change({"session.tries": "3"}),
    filter='labels.ring = "early"',
    rings=(Ring("canary", "", 10, 3600), Ring("rest", "", 100, 0)),
    thresholds=Thresholds(),
    members=tuple(
        Member(f"kit-{number:05}", "kakuma-1", ring=0 if number < 3 else 1, standing=standing)
        for number, standing in enumerate(STANDINGS, 1)
    ),
    watches=(Watch(began_ns=NOW_NS, shifts=(WORSE,)), Watch()),
    created_ns=NOW_NS,
    created_by="operator tomas",
)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[DashboardRig]:
    async with dashboard_rig(tmp_path) as rig:
        await rig.change(lambda db: big_fleet.fill(db, 20, hours=2))
        await rig.change(lambda db: fleet_rollouts.create(db, ROLLOUT, NOW_NS, "operator tomas"))
        await rig.add_account("amina", AccountRole.OPERATOR)
        await rig.add_account("vera", AccountRole.VIEWER)
        yield rig


async def act(browser: httpx.AsyncClient, etag: str = "1", **fields: str) -> httpx.Response:
    token = token_of((await browser.get("/rollouts/tries-3")).text)
    return await browser.post("/rollouts/tries-3", data={"form_token": token, "etag": etag, **fields})


async def state(rig: DashboardRig) -> RolloutState:
    held = await rig.view.read(lambda db: fleet_rollouts.find(db, "tries-3"))
    assert held is not None
    return held.rollout.state


async def test_rings_progress_and_what_it_does_to_people_are_shown(rig: DashboardRig) -> None:
    async with rig.browser() as browser:
        await sign_in(browser, "vera")
        assert "tries-3 Three tries Under way session.tries 3 1 of 4" in words(
            (await browser.get("/rollouts")).text
        )
        html = (await browser.get("/rollouts/tries-3")).text
    page = words(html)
    assert "canary 10 %; under way 1 of 2 took it up, 2 were told; 1 refused" in page
    assert "rest 100 %; to come" in page
    assert (
        "Worse for people before 2.00 % of 1000, after 6.00 % of 1000; +3.90 points beyond the unchanged"
        in page
    )
    assert 'value="cancel"' not in html


async def test_an_operator_pauses_resumes_and_cancels_and_a_viewer_cannot(rig: DashboardRig) -> None:
    async with rig.browser() as browser:
        await sign_in(browser, "vera")
        assert (await act(browser, act="pause")).status_code == 403
    async with rig.browser() as browser:
        await sign_in(browser, "amina")
        for etag, word, then in (
            ("1", "pause", RolloutState.PAUSED),
            ("2", "resume", RolloutState.RUNNING),
            ("3", "cancel", RolloutState.CANCELLED),
        ):
            assert (await act(browser, etag, act=word)).status_code == 303
            assert await state(rig) is then
    assert any("operator amina at the dashboard: rollout" in line for line in await rig.audit())


async def test_what_was_decided_by_an_older_page_is_not_done(rig: DashboardRig) -> None:
    async with rig.browser() as browser:
        await sign_in(browser, "amina")
        await act(browser, act="pause")
        stale = await act(browser, "1", act="resume")
        assert (stale.status_code, "moved on meanwhile" in words(stale.text)) == (409, True)
        again = await act(browser, "2", act="pause")
        assert (again.status_code, "Nothing was done" in words(again.text)) == (409, True)
        assert (await act(browser, "x", act="pause")).status_code == 400
        assert (await act(browser, "2", act="explode")).status_code == 400
        assert (await browser.get("/rollouts/other")).status_code == 404
    assert await state(rig) is RolloutState.PAUSED


async def test_a_finished_rollout_offers_nothing(rig: DashboardRig) -> None:
    done = replace(ROLLOUT, name="done", state=RolloutState.DONE, members=ROLLOUT.members[:1])
    await rig.change(lambda db: fleet_rollouts.create(db, done, NOW_NS, "operator tomas"))
    async with rig.browser() as browser:
        await sign_in(browser, "amina")
        assert 'name="act"' not in (await browser.get("/rollouts/done")).text
