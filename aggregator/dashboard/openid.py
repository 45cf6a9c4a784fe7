"""Signing in through an identity provider: OpenID Connect Core 1.0, code flow with PKCE (RFC 7636)."""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from aggregator.accounts import AccountRole, Person
from aggregator.dashboard.signing_in import SignInRefused
from trust.tls.refusals import clean

ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "EdDSA"]
"""Signatures alone: "none", and keys that both ends share, are refused."""
TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 256 * 1024
BEGUN_S = 600
"""How long somebody may take at the provider."""
MOST_BEGUN = 1000
LEEWAY_S = 60  # between the two clocks
_BY_WEIGHT = (AccountRole.ADMINISTRATOR, AccountRole.OPERATOR, AccountRole.AUDITOR, AccountRole.VIEWER)


class OpenIdMisconfigured(Exception):
    """The file of the identity provider cannot be used; the message says what to do."""


class OpenIdSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file that `serve --openid` names (TOML); docs/dashboard.md says what each key is."""

    issuer: str
    client_id: str
    return_url: str
    roles: dict[str, AccountRole]
    client_secret_file: str = ""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    groups_claim: str = "groups"
    name_claim: str = "preferred_username"

    @classmethod
    def read(cls, path: Path) -> OpenIdSettings:
        """Read the file. Raises OpenIdMisconfigured."""
        try:
            settings = msgspec.toml.decode(path.read_bytes(), type=cls)
        except OSError as error:
            raise OpenIdMisconfigured(f"cannot read {path} ({error.strerror}): name the file") from error
        except msgspec.MsgspecError as error:
            raise OpenIdMisconfigured(f"{path}: {error}; docs/dashboard.md shows such a file") from error
        for key, address in (("issuer", settings.issuer), ("return_url", settings.return_url)):
            parts = urlsplit(address)
            if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost"):
                raise OpenIdMisconfigured(f"{path}: {key} must begin with https://")
        if not settings.roles:
            raise OpenIdMisconfigured(f"{path}: [roles] names no group, so nobody could sign in")
        return settings

    def secret(self) -> str:
        """Return the client's secret, empty for a public client. Raises OpenIdMisconfigured."""
        if not self.client_secret_file:
            return ""
        path = Path(self.client_secret_file)
        try:
            if path.stat().st_mode & 0o077:
                raise OpenIdMisconfigured(f"others can read {path}: chmod 600 it")
            return path.read_text().strip()
        except OSError as error:
            raise OpenIdMisconfigured(f"cannot read {path} ({error.strerror})") from error


@dataclass(frozen=True, slots=True)
class _Begun:
    cookie: str
    nonce: str
    verifier: str
    go_on: str
    began_ns: int


class _Endpoints(msgspec.Struct, frozen=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str = ""


class OpenIdProvider:
    """One provider. What it says is fetched at the first sign-in, and its keys again when it has others.

    transport: None for the network.
    """

    def __init__(
        self,
        settings: OpenIdSettings,
        wall_ns: Callable[[], int],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._transport = transport
        self._settings = settings
        self._secret = settings.secret()
        self._wall_ns = wall_ns
        self._begun: OrderedDict[str, _Begun] = OrderedDict()
        self._endpoints: _Endpoints | None = None
        self._keys: KeySet | None = None
        self.name = urlsplit(settings.issuer).hostname or settings.issuer

    async def begin(self, cookie: str, go_on: str) -> str:
        """Return where the browser goes to sign in. Raises SignInRefused."""
        endpoints = await self._discovered()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        self._begun[state] = _Begun(cookie, nonce, verifier, go_on, self._wall_ns())
        if len(self._begun) > MOST_BEGUN:
            self._begun.popitem(last=False)
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._settings.client_id,
                "redirect_uri": self._settings.return_url,
                "scope": " ".join(self._settings.scopes),
                "state": state,
                "nonce": nonce,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            }
        )
        joint = "&" if urlsplit(endpoints.authorization_endpoint).query else "?"
        return f"{endpoints.authorization_endpoint}{joint}{query}"

    async def finish(self, cookie: str, answer: dict[str, str]) -> tuple[Person, str]:
        """Return who came back with this query, and where to go on. Raises SignInRefused."""
        begun = self._begun.pop(answer.get("state", ""), None)
        if begun is None or begun.cookie != cookie or self._wall_ns() - begun.began_ns > BEGUN_S * 10**9:
            raise SignInRefused("This sign-in was not begun here, or took too long: begin again.")
        if "code" not in answer:
            raise SignInRefused(f"{self.name} signed nobody in: {clean(answer.get('error', 'no code'))}.")
        tokens = await self._tokens(answer["code"], begun)
        claims = await self._claims(tokens.id_token, begun.nonce)
        if self._settings.groups_claim not in claims and tokens.access_token:
            claims |= await self._user_info(tokens.access_token, str(claims["sub"]))
        return self._person(claims), begun.go_on

    def _person(self, claims: dict[str, Any]) -> Person:
        name = clean(str(claims.get(self._settings.name_claim) or claims["sub"]))
        groups = claims.get(self._settings.groups_claim, [])
        held = groups if isinstance(groups, list) else [groups]
        roles = {role for group, role in self._settings.roles.items() if group in held}
        for role in _BY_WEIGHT:
            if role in roles:
                return Person(name, role, self.name)
        raise SignInRefused(
            f"{self.name} knows {name}, and no group of theirs has a role here: ask your administrator."
        )

    async def _tokens(self, code: str, begun: _Begun) -> _Tokens:
        endpoints, settings = await self._discovered(), self._settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": settings.return_url,
            "client_id": settings.client_id,
            "code_verifier": begun.verifier,
        }
        login = httpx.BasicAuth(settings.client_id, self._secret) if self._secret else None
        tokens: _Tokens = await self._asked(_Tokens, "POST", endpoints.token_endpoint, data=form, auth=login)
        return tokens

    async def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        """Return what the ID token says, once it holds (Core 1.0 §3.1.3.7)."""
        settings = self._settings
        try:
            claims = (await self._opened(token)).claims
            jwt.JWTClaimsRegistry(
                now=self._wall_ns() // 10**9,
                leeway=LEEWAY_S,
                iss={"essential": True, "value": settings.issuer},
                aud={"essential": True, "value": settings.client_id},
                exp={"essential": True},
                iat={"essential": True},
                sub={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(claims)
        except (JoseError, ValueError) as error:
            raise SignInRefused(f"What {self.name} signed does not hold: {clean(str(error))}.") from error
        if isinstance(claims["aud"], list) and claims.get("azp", settings.client_id) != settings.client_id:
            raise SignInRefused(f"What {self.name} signed is for another program.")
        return dict(claims)

    async def _opened(self, token: str) -> jwt.Token:
        try:
            return jwt.decode(token, await self._key_set(anew=False), algorithms=ALGORITHMS)
        except (JoseError, ValueError):  # it may sign with a newer key
            return jwt.decode(token, await self._key_set(anew=True), algorithms=ALGORITHMS)

    async def _key_set(self, *, anew: bool) -> KeySet:
        if self._keys is None or anew:
            endpoints = await self._discovered()
            self._keys = KeySet.import_key_set(await self._asked(dict, "GET", endpoints.jwks_uri))
        return self._keys

    async def _user_info(self, access_token: str, subject: str) -> dict[str, Any]:
        endpoints = await self._discovered()
        if not endpoints.userinfo_endpoint:
            return {}
        headers = {"Authorization": f"Bearer {access_token}"}
        told = await self._asked(dict[str, Any], "GET", endpoints.userinfo_endpoint, headers=headers)
        return told if told.get("sub") == subject else {}  # Core 1.0 §5.3.2

    async def _discovered(self) -> _Endpoints:
        if self._endpoints is None:
            base = self._settings.issuer.rstrip("/")
            found = await self._asked(_Endpoints, "GET", f"{base}/.well-known/openid-configuration")
            if found.issuer.rstrip("/") != base:
                raise SignInRefused(f"{self.name} calls itself {clean(found.issuer)}: correct `issuer`.")
            self._endpoints = found
        return self._endpoints

    async def _asked(self, kind: Callable[..., Any], method: str, url: str, **more: Any) -> Any:
        try:
            async with (
                httpx.AsyncClient(
                    timeout=TIMEOUT_S, follow_redirects=False, transport=self._transport
                ) as client,
                client.stream(method, url, **more) as answer,
            ):
                body = bytearray()
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > MAX_ANSWER_BYTES:
                        raise SignInRefused(f"{self.name} answers more than can be meant.")
                answer.raise_for_status()
        except httpx.HTTPError as error:
            raise SignInRefused(
                f"{self.name} does not answer as it should ({type(error).__name__}): try again later."
            ) from error
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError as error:
            raise SignInRefused(f"{self.name} answers what cannot be read.") from error
