"""The dashboard over a store on a PostgreSQL server: the same pages, sign-ins and changes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aggregator.accounts import GRACE_S, ROTATE_S, AccountRole
from aggregator.store import accounts
from tests.browser.desk import PATHS, fill
from tests.kit.dashboard_rig import DashboardRig, dashboard_rig, sign_in, token_of, words
from tests.kit.postgres import PROGRAMS, running_postgres

pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="needs Debian's postgresql")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[DashboardRig]:
    with running_postgres() as running:
        async with dashboard_rig(tmp_path, place=running.new_database("desk")) as rig:
            rig.connected |= await rig.change(fill)
            await rig.add_account("ada", AccountRole.ADMINISTRATOR)
            yield rig


async def test_pages_sign_ins_and_changes_are_those_of_a_file(rig: DashboardRig) -> None:
    async with rig.browser() as browser:
        assert (await browser.get("/")).headers["location"] == "/sign-in?next=/"
        assert (await sign_in(browser, "ada", "wrong wrong wrong")).status_code == 403
        assert (await sign_in(browser, "ada")).status_code == 303
        for path in PATHS.values():
            answer = await browser.get(path)
            assert answer.status_code == 200, words(answer.text)
        assert re.search(r"woman 18-59 [\d,]+ \d\.\d\d %", words((await browser.get("/service")).text))
        token = token_of((await browser.get("/devices/kit-00007")).text)
        for path, fields in (
            ("/devices/kit-00007/commands", {"kind": "sync now"}),
            ("/alerts/1/acknowledge", {}),
            ("/rollouts/operating-point-7", {"act": "pause", "etag": "1"}),
        ):
            sent = await browser.post(path, data={"form_token": token, **fields})
            assert sent.status_code == 303, words(sent.text)
        audit = await rig.audit()
        for act in ("command sync now (kit-00007)", "alert acknowledged (1 ", "sign-in refused (ada)"):
            assert any(act in line for line in audit), act
        first = browser.cookies["desk"]
        rig.clock.pass_s(ROTATE_S)
        assert (await browser.get("/")).cookies["desk"] != first
        rig.clock.pass_s(GRACE_S + 1)
        assert await rig.change(lambda db: accounts.set_disabled(db, "ada", True, rig.clock(), "test"))
        assert (await browser.get("/")).status_code == 303
        for _ in range(4):
            assert (await sign_in(browser, "ada")).status_code == 403
        assert (await sign_in(browser, "ada")).status_code in (403, 429)
