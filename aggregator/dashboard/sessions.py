"""Who a browser is: a random cookie, of which the store knows the digest and whom it signs in."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Scope

from aggregator.accounts import Person, Right, Session
from aggregator.store import accounts, web_sessions
from aggregator.store.errors import StoreError
from aggregator.store.view import StoreView
from aggregator.store.writer import StoreWriter

COOKIE_BYTES = 32
NOTE_AFTER_NS = 60 * 1_000_000_000
"""So seldom is it written down that somebody is there: a page opened is no commit."""
MOST_KNOWN = 256


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who opens a page; person: None for nobody. at_machine: to look, nobody has to sign in here."""

    cookie: str
    person: Person | None
    at_machine: bool = False

    @property
    def form_token(self) -> str:
        """What each form of this browser sends back; another site cannot know it."""
        return hmac.new(self.cookie.encode(), b"form", hashlib.sha256).hexdigest() if self.cookie else ""

    def may(self, right: Right) -> bool:
        """Whether the page is for this visitor."""
        if self.person is None:
            return self.at_machine and right is Right.LOOK
        return self.person.may(right)

    def sent(self, form_token: str) -> bool:
        """Tell whether a form came from a page that this browser was given."""
        return bool(self.cookie) and hmac.compare_digest(self.form_token.encode(), form_token.encode())


class Sessions:
    """The sessions of one dashboard; over_tls: else it is served on loopback, in the clear.

    always_asks: nobody looks without a sign-in, as over TLS, or where an identity provider is named.
    """

    def __init__(
        self,
        view: StoreView,
        store: StoreWriter,
        wall_ns: Callable[[], int],
        *,
        over_tls: bool,
        always_asks: bool,
    ) -> None:
        self._view = view
        self._store = store
        self._wall_ns = wall_ns
        self._over_tls = over_tls
        self._always_asks = always_asks
        # A cookie with this prefix is taken over TLS alone, and from no other host or path.
        self._name = "__Host-desk" if over_tls else "desk"
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def cookie_of(self, request: HTTPConnection) -> str:
        """Return the cookie that a request carries, empty for none."""
        return request.cookies.get(self._name, "")

    def is_signed_in(self, scope: Scope) -> bool:
        """Whether somebody signed in sends it, as far as was seen lately: they find room at the door."""
        return _digest(self.cookie_of(HTTPConnection(scope))) in self._known

    async def visitor(self, request: HTTPConnection, *, counts: bool) -> tuple[Visitor, str | None]:
        """Return who opens a page, and another cookie where it is time for one.

        counts: it is an act of a person, and no page that renews itself. Raises StoreError.
        """
        cookie, now_ns = self.cookie_of(request), self._wall_ns()
        digest = _digest(cookie)
        session = await self._view.read(lambda db: web_sessions.find(db, digest, now_ns)) if cookie else None
        if session is None:
            self._known.pop(digest, None)
            return Visitor(cookie, None, await self._is_open()), None
        self._remember(digest)
        fresh = await self._note(digest, session, now_ns) if counts else None
        return Visitor(fresh or cookie, session.person), fresh

    async def begin(self, former: str, person: Person) -> str:
        """Sign somebody in under a new cookie, which is returned; the old one is worth nothing any more."""
        fresh, now_ns = new_cookie(), self._wall_ns()
        digest, ended = _digest(fresh), _digest(former)
        await self._store.submit(lambda db: web_sessions.begin(db, digest, person, now_ns, ended=ended))
        self._remember(digest)
        return fresh

    async def end(self, cookie: str) -> None:
        """Sign out. Raises StoreError."""
        digest, now_ns = _digest(cookie), self._wall_ns()
        self._known.pop(digest, None)
        await self._store.submit(lambda db: web_sessions.end(db, digest, now_ns))

    def set_cookie(self, answer: Response, cookie: str) -> None:
        """Give the browser the cookie. Lax: links in messages lead to their page, forms elsewhere do not."""
        answer.set_cookie(self._name, cookie, path="/", secure=self._over_tls, httponly=True, samesite="lax")

    async def _is_open(self) -> bool:
        return not self._always_asks and not await self._view.read(accounts.any_made)

    async def _note(self, digest: bytes, session: Session, now_ns: int) -> str | None:
        if not session.stale and now_ns - session.used_ns < NOTE_AFTER_NS:
            return None
        fresh = new_cookie() if session.stale else None
        new = None if fresh is None else _digest(fresh)
        try:
            used = await self._store.submit(lambda db: web_sessions.use(db, digest, now_ns, new))
        except StoreError:
            return None  # a full store is still read
        if new is not None and used:
            self._remember(new)
        return fresh if used else None

    def _remember(self, digest: bytes) -> None:
        self._known[digest] = None
        self._known.move_to_end(digest)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)


def new_cookie() -> str:
    """Return a cookie that nobody can guess."""
    return secrets.token_urlsafe(COOKIE_BYTES)


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
