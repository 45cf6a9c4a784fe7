"""Signing in at the dashboard: who gets in, for how long, and what stands in the audit log of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aggregator.accounts import GRACE_S, IDLE_S, LIFE_S, ROTATE_S, AccountRole
from aggregator.passwords import totp_code
from aggregator.store import accounts
from tests.kit.dashboard_rig import PASSWORD, DashboardRig, dashboard_rig, sign_in, token_of, words

SECRET = b"12345678901234567890"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[DashboardRig]:
    async with dashboard_rig(tmp_path) as rig:
        yield rig


async def test_on_loopback_nobody_is_asked_before_there_is_an_account(rig: DashboardRig) -> None:
    async with rig.browser() as browser:
        assert (await browser.get("/")).status_code == 200
        await rig.add_account()
        asked = await browser.get("/missing?device=desk-1")
        assert (asked.status_code, asked.headers["location"]) == (
            303,
            "/sign-in?next=/missing%3Fdevice%3Ddesk-1",
        )


async def test_over_the_network_everybody_is_asked(tmp_path: Path) -> None:
    async with (
        dashboard_rig(tmp_path, names=("desk.example",)) as rig,
        rig.browser("desk.example") as browser,
    ):
        assert (await browser.get("/")).status_code == 303
        page = await browser.get("/sign-in")
        assert page.headers["strict-transport-security"]
        assert page.headers["set-cookie"].startswith("__Host-desk=")
        assert "Secure" in page.headers["set-cookie"]
        assert (await browser.get("/static/style.css")).status_code == 200
        await rig.add_account()
        assert (await sign_in(browser, go_on="/missing")).headers["location"] == "/missing"
        assert "amina" in (await browser.get("/")).text
    async with rig.browser("other.example") as browser:
        assert (await browser.get("/")).status_code == 400


async def test_a_session_begins_with_another_cookie_and_ends_with_it(rig: DashboardRig) -> None:
    await rig.add_account()
    async with rig.browser() as browser:
        before = (await browser.get("/sign-in")).cookies["desk"]
        answer = await sign_in(browser)
        cookie = answer.cookies["desk"]
        assert cookie != before
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "SameSite=lax" in answer.headers["set-cookie"]
        token = token_of((await browser.get("/")).text)
        assert (await browser.post("/sign-out", data={"form_token": "0" * 64})).status_code == 403
        assert (await browser.post("/sign-out", data={"form_token": token})).status_code == 303
        assert (await browser.get("/")).status_code == 303
    assert (await rig.audit())[1:] == [
        "operator amina at the dashboard: signed in (amina)",
        "operator amina at the dashboard: signed out (amina)",
    ]


@pytest.mark.parametrize(
    ("header", "value"),
    [("origin", "https://other.example"), ("origin", "http://["), ("sec-fetch-site", "cross-site")],
)
async def test_a_form_of_another_site_is_refused(rig: DashboardRig, header: str, value: str) -> None:
    await rig.add_account()
    async with rig.browser() as browser:
        token = token_of((await browser.get("/sign-in")).text)
        fields = {"name": "amina", "password": PASSWORD, "form_token": token}
        assert (await browser.post("/sign-in", data=fields, headers={header: value})).status_code == 403
        assert (await browser.post("/sign-in", data=fields)).status_code == 303


async def test_a_form_that_another_browser_was_given_signs_nobody_in(rig: DashboardRig) -> None:
    await rig.add_account()
    async with rig.browser() as browser, rig.browser() as other:
        await browser.get("/sign-in")
        token = token_of((await other.get("/sign-in")).text)
        fields = {"name": "amina", "password": PASSWORD, "form_token": token}
        sent = await browser.post("/sign-in", data=fields)
        assert (sent.status_code, "open for too long" in words(sent.text)) == (403, True)
        assert (await browser.get("/")).status_code == 303


async def test_a_form_that_no_page_was_opened_for_signs_nobody_in(rig: DashboardRig) -> None:
    await rig.add_account()
    async with rig.browser() as browser:
        for token in ({}, {"form_token": ""}):
            fields = {"name": "amina", "password": PASSWORD, **token}
            assert (await browser.post("/sign-in", data=fields)).status_code == 403
            browser.cookies.clear()


@pytest.mark.parametrize("asked", ["//other.example", "https://other.example", "/\\other.example", "missing"])
async def test_the_sign_in_leads_nowhere_else(rig: DashboardRig, asked: str) -> None:
    await rig.add_account()
    async with rig.browser() as browser:
        assert (await sign_in(browser, go_on=asked)).headers["location"] == "/"


async def test_wrong_tries_wait_longer_and_longer_and_keep_nobody_out_elsewhere(rig: DashboardRig) -> None:
    await rig.add_account()
    async with rig.browser(peer="10.0.0.9") as stranger:
        for _ in range(5):
            assert (await sign_in(stranger, password="wrong wrong wrong")).status_code == 403
        waits = []
        for _ in range(3):
            refused = await sign_in(stranger, password="wrong wrong wrong")
            assert refused.status_code == 429
            waits.append(int(refused.headers["retry-after"]))
            rig.clock.pass_s(waits[-1])
            assert (await sign_in(stranger, password="wrong wrong wrong")).status_code == 403
        assert waits == [30, 60, 120]
        assert (await sign_in(stranger)).status_code == 429  # the right one, too, is not looked at
    async with rig.browser(peer="10.0.0.1") as elsewhere:
        assert (await sign_in(elsewhere)).status_code == 303
    assert (await rig.audit()).count("somebody at the dashboard: sign-in refused (amina)") == 8


async def test_a_clock_that_is_set_back_keeps_nobody_waiting_for_longer(rig: DashboardRig) -> None:
    await rig.add_account()
    async with rig.browser() as browser:
        for _ in range(5):
            await sign_in(browser, password="wrong wrong wrong")
        rig.clock.pass_s(-400 * 86_400)
        assert int((await sign_in(browser)).headers["retry-after"]) == 30
        rig.clock.pass_s(30)
        assert (await sign_in(browser)).status_code == 303


async def test_a_name_that_nobody_has_is_counted_and_not_written_down(rig: DashboardRig) -> None:
    await rig.add_account()
    async with rig.browser() as browser:
        for number in range(5):
            assert (await sign_in(browser, name=f"secret-{number}")).status_code == 403
        assert (await sign_in(browser, name="secret-9")).status_code == 429
        assert (await sign_in(browser)).status_code == 303
    assert not [line for line in await rig.audit() if "secret" in line]


async def test_a_second_factor_is_asked_for_and_good_once(rig: DashboardRig) -> None:
    await rig.add_account(totp=SECRET)
    code = totp_code(SECRET, rig.clock() // 30_000_000_000)
    async with rig.browser() as browser:
        assert (await sign_in(browser)).status_code == 403
        assert (await sign_in(browser, code=code)).status_code == 303
    async with rig.browser() as again:
        assert (await sign_in(again, code=code)).status_code == 403


def test_codes_are_those_of_rfc_6238() -> None:
    # Appendix B, SHA-1, its last six digits.
    assert [totp_code(SECRET, seconds // 30) for seconds in (59, 1111111109, 20000000000)] == [
        "287082",
        "081804",
        "353130",
    ]


async def test_a_session_ends_by_rest_and_in_any_case_after_a_day_of_work(rig: DashboardRig) -> None:
    await rig.add_account()
    async with rig.browser() as browser:
        await sign_in(browser)
        for _ in range(LIFE_S // (IDLE_S - 60) + 1):
            rig.clock.pass_s(IDLE_S - 60)
            last = await browser.get("/")
        assert last.status_code == 303
        await sign_in(browser)
        rig.clock.pass_s(IDLE_S)
        assert (await browser.get("/")).status_code == 303


async def test_a_page_that_renews_itself_keeps_nobody_signed_in(rig: DashboardRig) -> None:
    await rig.add_account()
    async with rig.browser() as browser:
        await sign_in(browser)
        rig.clock.pass_s(IDLE_S - 60)
        assert (await browser.get("/fragments/fleet")).status_code == 200
        rig.clock.pass_s(120)
        renewed = await browser.get("/fragments/fleet")
        assert (renewed.status_code, renewed.headers["hx-redirect"]) == (401, "/sign-in")


async def test_a_cookie_is_exchanged_and_the_one_before_is_good_for_what_was_under_way(
    rig: DashboardRig,
) -> None:
    await rig.add_account()
    async with rig.browser() as browser, rig.browser() as copied:
        first = (await sign_in(browser)).cookies["desk"]
        rig.clock.pass_s(ROTATE_S)
        second = (await browser.get("/")).cookies["desk"]
        assert second != first
        copied.cookies.set("desk", first, domain="127.0.0.1")
        under_way = await copied.get("/")
        assert (under_way.status_code, under_way.cookies.get("desk")) == (200, None)
        rig.clock.pass_s(GRACE_S)
        assert (await copied.get("/")).status_code == 303
        assert (await browser.get("/")).status_code == 200


async def test_a_changed_account_is_signed_out_at_once(rig: DashboardRig) -> None:
    await rig.add_account()
    async with rig.browser() as browser:
        for change in (
            lambda db: accounts.set_role(db, "amina", AccountRole.VIEWER, rig.clock(), "test"),
            lambda db: accounts.set_disabled(db, "amina", True, rig.clock(), "test"),
        ):
            await sign_in(browser)
            assert (await browser.get("/")).status_code == 200
            assert await rig.change(change)
            assert (await browser.get("/")).status_code == 303
        assert (await sign_in(browser)).status_code == 403


async def test_what_a_role_may_not_see_is_not_offered_and_refused_in_words(rig: DashboardRig) -> None:
    await rig.add_account(role=AccountRole.VIEWER)
    async with rig.browser() as browser:
        await sign_in(browser)
        assert 'href="/audit"' not in (await browser.get("/")).text
        assert "audit log is for administrators and auditors" in words((await browser.get("/audit")).text)


async def test_the_store_signs_nobody_in(rig: DashboardRig, tmp_path: Path) -> None:
    await rig.add_account()
    async with rig.browser() as browser:
        cookie = (await sign_in(browser)).cookies["desk"]
    await rig.store.empty_log()
    content = (tmp_path / "store.db").read_bytes()
    assert b"amina" in content
    assert cookie.encode() not in content
    assert PASSWORD.encode() not in content
