"""The dashboard over a real store, its clock in the test's hands, and a browser without a network."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

import httpx
from starlette.applications import Starlette

from aggregator.accounts import AccountRole
from aggregator.bundle_shelf import BundleShelf
from aggregator.dashboard.app import Dashboard
from aggregator.dashboard.signing_in import Provider
from aggregator.holdings import Adjudication, Missing, Overview
from aggregator.passwords import make_credential
from aggregator.store import accounts, administration
from aggregator.store.place import Place
from aggregator.store.port import Database
from aggregator.store.view import StoreView
from aggregator.store.writer import StoreWriter
from tests.kit.aggregator_fixture import NOW_NS
from trust.keys.stretching import Argon2Cost

PASSWORD = "four lorries in the rain"  # noqa: S105
CHEAP = Argon2Cost(memory_kib=64, passes=1, lanes=1)
S_NS = 1_000_000_000
T = TypeVar("T")


class Clock:
    """Nanoseconds since 1970; stands still until it is moved."""

    def __init__(self, now_ns: int = NOW_NS) -> None:
        self.now_ns = now_ns

    @classmethod
    def now(cls) -> Self:
        """Return a clock that shows this moment, for whoever is judged by another program's."""
        return cls(time.time_ns())

    def __call__(self) -> int:
        return self.now_ns

    def pass_s(self, seconds: float) -> None:
        self.now_ns += int(seconds * S_NS)


class PlayedView(StoreView):
    """A store's view whose overviews are as a test says; the rest is the store's."""

    played_overview: Callable[[int], Awaitable[Overview]] | None = None
    played_missing: tuple[Missing, ...] | None = None
    played_adjudications: tuple[Adjudication, ...] | None = None

    async def overview(self, results: int) -> Overview:
        if self.played_overview is None:
            return await super().overview(results)
        return await self.played_overview(results)

    async def missing(self) -> tuple[Missing, ...]:
        return await super().missing() if self.played_missing is None else self.played_missing

    async def adjudications(self) -> tuple[Adjudication, ...]:
        return (
            await super().adjudications() if self.played_adjudications is None else self.played_adjudications
        )


@dataclass
class DashboardRig:
    """The parts; https: whether it believes to be served over TLS."""

    view: PlayedView
    store: StoreWriter
    clock: Clock
    app: Starlette
    https: bool
    connected: set[str]
    looked: list[str]

    def browser(self, host: str = "127.0.0.1:8080", peer: str = "127.0.0.1") -> httpx.AsyncClient:
        """Return a browser with no cookies yet, which follows nothing by itself."""
        transport = httpx.ASGITransport(self.app, client=(peer, 40_000))
        scheme = "https" if self.https else "http"
        return httpx.AsyncClient(transport=transport, base_url=f"{scheme}://{host}")

    async def change(self, work: Callable[[Database], T]) -> T:
        """Do something in the store."""
        return await self.store.submit(work)

    async def add_account(
        self, name: str = "amina", role: AccountRole = AccountRole.OPERATOR, totp: bytes | None = None
    ) -> None:
        """Make an account with PASSWORD."""
        credential = make_credential(name, PASSWORD, totp=totp, cost=CHEAP)
        assert await self.change(lambda db: accounts.add(db, name, role, credential, self.clock(), "test"))

    async def audit(self) -> list[str]:
        """Return the audit log as lines."""
        return [
            f"{each.actor}: {each.act} ({each.subject})"
            for each in await self.view.read(lambda db: administration.read(db, 1, 1000))
        ]


@asynccontextmanager
async def dashboard_rig(
    folder: Path,
    *,
    place: Place | None = None,
    names: tuple[str, ...] = (),
    provider: Provider | None = None,
) -> AsyncIterator[DashboardRig]:
    """Open a new store and a dashboard over it.

    place: of the store, None for a file in the folder. names: of the host, as over TLS.
    """
    clock, path = Clock(), place or folder / "store.db"
    store = StoreWriter(path, wall_ns=clock, max_bytes=None, on_fault=lambda _fault: None)
    await store.open()
    view = PlayedView(path, clock)
    await view.open()
    connected: set[str] = set()
    looked: list[str] = []
    dashboard = Dashboard(
        view,
        store,
        lambda: frozenset(connected),
        clock,
        shelf=BundleShelf(folder / "bundles"),
        look=looked.append,
        names=names,
        provider=provider,
    )
    try:
        yield DashboardRig(view, store, clock, dashboard.app, bool(names), connected, looked)
    finally:
        await view.close()
        await store.close()


def token_of(page: str) -> str:
    """Return what the forms of a page send back."""
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', page)
    assert found is not None
    return found[1]


async def sign_in(
    browser: httpx.AsyncClient,
    name: str = "amina",
    password: str = PASSWORD,
    code: str = "",
    go_on: str = "/",
) -> httpx.Response:
    """Fill in the form."""
    page = await browser.get("/sign-in", params={"next": go_on})
    fields = {
        "name": name,
        "password": password,
        "code": code,
        "next": go_on,
        "form_token": token_of(page.text),
    }
    return await browser.post("/sign-in", data=fields)


def words(html: str) -> str:
    """Return what a page says, without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
