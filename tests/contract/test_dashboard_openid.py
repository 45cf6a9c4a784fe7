"""Signing in at the dashboard through an identity provider that is really run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from msgspec.structs import replace

from aggregator.accounts import AccountRole
from aggregator.dashboard.openid import OpenIdMisconfigured, OpenIdProvider, OpenIdSettings
from tests.kit.dashboard_rig import Clock, dashboard_rig, words
from tests.kit.openid_process import openid_provider

RETURN = "http://127.0.0.1:8080/sign-in/return"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    people = {
        "amina": ["field", "aid-operators"],
        "tomas": ["aid-operators", "aid-admins"],
        "lena": ["field"],
    }
    with openid_provider(people) as issuer:
        yield issuer


def settings(issuer: str, folder: Path) -> OpenIdSettings:
    secret = folder / "secret"
    secret.touch(0o600)
    secret.write_text("not told\n")
    roles = {"aid-operators": AccountRole.OPERATOR, "aid-admins": AccountRole.ADMINISTRATOR}
    return OpenIdSettings(issuer, "aidpost", RETURN, roles, client_secret_file=str(secret))


async def at_provider(browser: httpx.AsyncClient, name: str, go_on: str = "/") -> str:
    """Follow to the provider, sign in there, and return where it sends the browser back to."""
    to_provider = await browser.get("/sign-in/provider", params={"next": go_on})
    assert to_provider.status_code == 303, words(to_provider.text)
    asked = parse_qs(urlsplit(to_provider.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    async with httpx.AsyncClient() as network:
        answer = await network.post(to_provider.headers["location"], data={"sub": name})
    assert answer.headers["location"].startswith(RETURN)
    return str(answer.headers["location"])


async def test_whom_the_provider_names_is_let_in_with_the_role_of_their_groups(
    issuer: str, tmp_path: Path
) -> None:
    clock = Clock.now()
    provider = OpenIdProvider(settings(issuer, tmp_path), clock)
    async with dashboard_rig(tmp_path, provider=provider) as rig:
        async with rig.browser() as browser:
            assert (await browser.get("/")).status_code == 303  # a provider is named: nobody looks without it
            back = await at_provider(browser, "amina", "/missing")
            signed_in = await browser.get(back)
            assert signed_in.headers["location"] == "/missing"
            assert "amina operator" in words((await browser.get("/")).text)
            assert (await browser.get(back)).status_code == 403  # what came back is good once
        async with rig.browser() as browser:
            await browser.get(await at_provider(browser, "tomas"))
            assert "tomas administrator" in words((await browser.get("/audit")).text)
        assert (await rig.audit())[0] == "operator amina of 127.0.0.1 at the dashboard: signed in (amina)"


async def test_who_has_no_group_with_a_role_is_told_so(issuer: str, tmp_path: Path) -> None:
    async with (
        dashboard_rig(tmp_path, provider=OpenIdProvider(settings(issuer, tmp_path), Clock.now())) as rig,
        rig.browser() as browser,
    ):
        refused = await browser.get(await at_provider(browser, "lena"))
        assert refused.status_code == 403
        assert "no group of theirs has a role here" in words(refused.text)
        assert (await browser.get("/")).status_code == 303


async def test_what_another_browser_began_signs_nobody_in(issuer: str, tmp_path: Path) -> None:
    async with (
        dashboard_rig(tmp_path, provider=OpenIdProvider(settings(issuer, tmp_path), Clock.now())) as rig,
        rig.browser() as attacker,
        rig.browser() as victim,
    ):
        back = await at_provider(attacker, "amina")
        await victim.get("/sign-in")
        refused = await victim.get(back)
        assert (refused.status_code, "begin again" in words(refused.text)) == (403, True)


@pytest.mark.parametrize(
    "changed",
    [{"client_id": "another"}, {"issuer": "http://localhost:1"}],
    ids=["for another program", "no answer"],
)
async def test_what_does_not_hold_signs_nobody_in(
    issuer: str, changed: dict[str, str], tmp_path: Path
) -> None:
    provider = OpenIdProvider(settings(issuer, tmp_path), Clock.now())
    async with dashboard_rig(tmp_path, provider=provider) as rig, rig.browser() as browser:
        back = await at_provider(browser, "amina")
        provider._settings = replace(settings(issuer, tmp_path), **changed)
        if "issuer" in changed:
            provider._endpoints = None
        refused = await browser.get(back)
        assert (refused.status_code, (await browser.get("/")).status_code) == (403, 303)


async def test_an_old_answer_of_the_provider_signs_nobody_in(issuer: str, tmp_path: Path) -> None:
    clock = Clock.now()
    async with (
        dashboard_rig(tmp_path, provider=OpenIdProvider(settings(issuer, tmp_path), clock)) as rig,
        rig.browser() as browser,
    ):
        back = await at_provider(browser, "amina")
        clock.pass_s(601)
        assert (await browser.get(back)).status_code == 403


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('issuer = "http://id.example"', "missing required field"),
        (
            'issuer = "http://id.example"\nclient_id = "a"\nreturn_url = "https://d.example/sign-in/return"\n'
            '[roles]\na = "viewer"',
            "issuer must begin with https://",
        ),
        (
            'issuer = "https://id.example"\nclient_id = "a"\nreturn_url = "https://d.example/sign-in/return"\n'
            '[roles]\na = "god"',
            "Invalid enum value 'god'",
        ),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_in_words(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "openid.toml"
    path.write_text(text)
    with pytest.raises(OpenIdMisconfigured, match=why):
        OpenIdSettings.read(path)
