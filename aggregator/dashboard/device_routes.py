"""The page of one device, and what people ask of it there."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from urllib.parse import quote

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from aggregator.accounts import Right
from aggregator.bundle_shelf import BundleShelf
from aggregator.dashboard.device_page import make_device_page
from aggregator.dashboard.pages import Pages
from aggregator.dashboard.views import utc
from aggregator.dashboard.visitors import needs, read_change, visitor_of
from aggregator.records import CommandKind
from aggregator.store import commands, device_story, diagnostics
from aggregator.store.commands import Sent
from aggregator.store.view import StoreView
from aggregator.store.writer import StoreWriter

EXPIRES_NS = 24 * 3600 * 1_000_000_000
COMMAND_ID_BYTES = 16


class Button(msgspec.Struct, frozen=True):
    """One command that is offered; right: who sees it. said: what it does, where its name is not enough."""

    kind: CommandKind
    word: str
    right: Right = Right.CHANGE
    said: str = ""


BUTTONS = (
    Button(CommandKind.SELF_TEST, "Self-test"),
    Button(CommandKind.SYNC_NOW, "Sync now"),
    Button(CommandKind.COLLECT_DIAGNOSTICS, "Collect diagnostics"),
    Button(CommandKind.RENEW_LEASE, "Renew lease"),
    Button(CommandKind.RESTART, "Restart service"),
    Button(CommandKind.REBOOT, "Reboot"),
)
DANGERS = (
    Button(
        CommandKind.LOCK,
        "Lock for good",
        Right.ENDANGER,
        "Destroys its keys: what it has not reported is lost, and it has to join again.",
    ),
    Button(
        CommandKind.WIPE, "Wipe", Right.ENDANGER, "Erases its store, and what it has not reported with it."
    ),
)
_OFFERED = {button.kind.value: button for button in (*BUTTONS, *DANGERS)}


class DeviceRoutes:
    """Shows a device; commands wait for it in the store, and `look` brings them to one that is connected.

    shelf: the bundles that devices handed in.
    """

    def __init__(
        self,
        pages: Pages,
        view: StoreView,
        store: StoreWriter,
        connected: Callable[[], frozenset[str]],
        look: Callable[[str], None],
        shelf: BundleShelf,
    ) -> None:
        self._shelf = shelf
        self._pages = pages
        self._view = view
        self._store = store
        self._connected = connected
        self._look = look

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/devices/{device_id}", self._show, methods=["GET"]),
            Route("/devices/{device_id}/commands", self._ask, methods=["POST"]),
            Route("/devices/{device_id}/bundles", self._fetch, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        needs(request, Right.LOOK)
        device_id, now_ns, connected = self._device_id(request), self._pages.wall_ns(), self._connected()
        story = await self._view.read(lambda db: device_story.read(db, device_id, now_ns, connected))
        if story is None:
            raise HTTPException(404, f"No device {device_id} has reported yet.")
        visitor = visitor_of(request)
        return self._pages.answer(
            request,
            "device.html",
            page=make_device_page(story, now_ns),
            buttons=[button for button in BUTTONS if visitor.may(button.right)],
            dangers=[button for button in DANGERS if visitor.may(button.right)],
        )

    async def _ask(self, request: Request) -> Response:
        person, fields = await read_change(request, Right.CHANGE)
        device_id, button = self._device_id(request), _OFFERED.get(fields.get("kind", ""))
        if button is None:
            raise HTTPException(400, "This page offers no such command.")
        needs(request, button.right)
        if button.right is Right.ENDANGER and fields.get("confirmed") != device_id:
            raise HTTPException(
                400, f"Nothing was asked: write the device's name, {device_id}, to confirm it."
            )
        now_ns = self._pages.wall_ns()
        sent = await self._store.submit(
            lambda db: commands.send(
                db,
                command_id=secrets.token_bytes(COMMAND_ID_BYTES),
                device_id=device_id,
                kind=button.kind,
                asked_by=str(person),
                now_ns=now_ns,
                expires_ns=now_ns + EXPIRES_NS,
            )
        )
        if sent is Sent.NO_DEVICE:
            raise HTTPException(404, f"No device {device_id} has reported yet.")
        self._look(device_id)
        return RedirectResponse(f"/devices/{quote(device_id)}#commands-heading", 303)

    async def _fetch(self, request: Request) -> Response:
        """Hand out a bundle of diagnostics; who fetched it is in the audit log."""
        person, fields = await read_change(request, Right.CHANGE)
        device_id, now_ns = self._device_id(request), self._pages.wall_ns()
        try:
            command_id = bytes.fromhex(fields.get("command", ""))
        except ValueError as error:
            raise HTTPException(400, "Open the device's page again.") from error
        found = await self._store.submit(
            lambda db: diagnostics.fetched(db, command_id, now_ns, str(person), device_id)
        )
        try:
            content = None if found is None else await asyncio.to_thread(self._whole, command_id)
        except OSError as error:
            raise HTTPException(503, f"The bundle cannot be read ({error.strerror}).") from error
        if content is None:
            raise HTTPException(404, "No whole bundle of this command is held: ask for another one.")
        name = f"{device_id}-{utc(now_ns):%Y%m%d-%H%M}.zip"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(content, media_type="application/zip", headers=headers)

    def _whole(self, command_id: bytes) -> bytes:
        return b"".join(self._shelf.read(command_id, 0))

    @staticmethod
    def _device_id(request: Request) -> str:
        device_id: str = request.path_params["device_id"]
        return device_id
