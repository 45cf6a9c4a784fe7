"""What an identity provider signs, and what of it signs nobody in (OpenID Connect Core 1.0 §3.1.3.7)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from aggregator.accounts import AccountRole
from aggregator.dashboard.openid import OpenIdProvider, OpenIdSettings
from aggregator.dashboard.signing_in import SignInRefused
from tests.kit.dashboard_rig import Clock

ISSUER = "https://id.example"
SETTINGS = OpenIdSettings(
    ISSUER,
    "aidpost",
    "https://desk.example/sign-in/return",
    {"ops": AccountRole.OPERATOR, "look": AccountRole.VIEWER},
)


class Signs:
    """A provider that signs what a test says, with its own key unless the test has another."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "one"})
        self.published = self.key
        self.header: dict[str, Any] = {"alg": "ES256", "kid": "one"}
        self.signing: Any = None
        self.claims: dict[str, Any] = {}
        self.told: dict[str, Any] = {}
        self.asked_for_keys = 0
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._configuration),
                Route("/token", self._token, methods=["POST"]),
                Route("/keys", self._keys),
                Route("/who", self._who),
            ]
        )

    async def _configuration(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": ISSUER,
                "authorization_endpoint": f"{ISSUER}/authorize",
                "token_endpoint": f"{ISSUER}/token",
                "jwks_uri": f"{ISSUER}/keys",
                "userinfo_endpoint": f"{ISSUER}/who",
            }
        )

    async def _keys(self, _request: Request) -> Response:
        self.asked_for_keys += 1
        return JSONResponse(KeySet([self.published]).as_dict(private=False))

    async def _token(self, request: Request) -> Response:
        self.form = parse_qs((await request.body()).decode())
        token = jwt.encode(self.header, self.claims, self.signing or self.key, algorithms=["ES256", "HS256"])
        return JSONResponse({"id_token": token, "access_token": "a", "token_type": "Bearer"})

    async def _who(self, _request: Request) -> Response:
        return JSONResponse(self.told)


async def come_back(signs: Signs, changed: dict[str, Any], clock: Clock | None = None) -> Any:
    """Sign in, with the claims of a good token but for what is changed; None takes one away."""
    now = clock or Clock()
    provider = OpenIdProvider(SETTINGS, now, httpx.ASGITransport(signs.app))
    address = urlsplit(await provider.begin("cookie", "/alerts"))
    asked = parse_qs(address.query)
    good = {
        "iss": ISSUER,
        "aud": "aidpost",
        "sub": "17",
        "iat": now() // 10**9,
        "exp": now() // 10**9 + 300,
        "nonce": asked["nonce"][0],
        "preferred_username": "amina",
        "groups": ["ops", "look"],
    }
    signs.claims = {name: value for name, value in (good | changed).items() if value is not None}
    return await provider.finish("cookie", {"state": asked["state"][0], "code": "code"})


async def test_a_good_token_names_the_person_their_weightiest_role_and_the_page() -> None:
    signs = Signs()
    person, go_on = await come_back(signs, {})
    assert (person.name, person.role, person.source, go_on) == (
        "amina",
        AccountRole.OPERATOR,
        "id.example",
        "/alerts",
    )
    assert signs.form["grant_type"] == ["authorization_code"]
    assert len(signs.form["code_verifier"][0]) >= 43  # RFC 7636 §4.1


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "another"},
        {"aud": ["aidpost", "another"], "azp": "another"},
        {"iss": "https://other.example"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"iat": 4_000_000_000},
    ],
    ids=lambda changed: " ".join(f"{name} {value}" for name, value in changed.items()),
)
async def test_a_token_that_is_for_another_or_old_signs_nobody_in(changed: dict[str, Any]) -> None:
    with pytest.raises(SignInRefused):
        await come_back(Signs(), changed)


async def test_what_another_key_signed_signs_nobody_in() -> None:
    signs = Signs()
    signs.signing = ECKey.generate_key("P-256", {"kid": "one"})
    with pytest.raises(SignInRefused, match="does not hold"):
        await come_back(signs, {})


async def test_a_key_that_both_ends_could_know_signs_nobody_in() -> None:
    signs = Signs()
    signs.header = {"alg": "HS256", "kid": "one"}
    signs.signing = OctKey.import_key(b"a secret that both ends could know")
    with pytest.raises(SignInRefused, match="does not hold"):
        await come_back(signs, {})


async def test_a_new_key_of_the_provider_is_fetched() -> None:
    signs = Signs()
    provider = OpenIdProvider(SETTINGS, Clock(), httpx.ASGITransport(signs.app))
    await provider._key_set(anew=False)
    signs.key = signs.published = ECKey.generate_key("P-256", {"kid": "two"})
    signs.header = {"alg": "ES256", "kid": "two"}
    token = jwt.encode(signs.header, {"sub": "17"}, signs.key, algorithms=["ES256"])
    assert (await provider._opened(token)).claims == {"sub": "17"}
    assert signs.asked_for_keys == 2


async def test_groups_that_the_userinfo_endpoint_tells_count_for_the_same_person_alone() -> None:
    signs = Signs()
    signs.told = {"sub": "17", "groups": ["look"]}
    person, _ = await come_back(signs, {"groups": None})
    assert person.role is AccountRole.VIEWER
    signs.told = {"sub": "18", "groups": ["look"]}
    with pytest.raises(SignInRefused, match="no group"):
        await come_back(signs, {"groups": None})


async def test_what_was_told_is_cleaned_before_it_is_a_name() -> None:
    person, _ = await come_back(Signs(), {"preferred_username": "am\nina" + "x" * 500})
    assert person.name.isprintable()
    assert len(person.name) <= 120
