"""The page on which a supervisor has software installed that lies on a memory stick."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from firmware.page import words
from firmware.page.beside import Beside, Place
from firmware.page.browsers import Browsers
from firmware.page.ports import Staff, UpdateWork
from firmware.page.viewers import Viewer
from firmware.updating.stick import Phase
from firmware.workflow.outcomes import PinWaits, PinWrong
from firmware.workflow.screen import Text
from firmware.workflow.terms import Role
from trust.web.protection import read_form

_SAID = {
    Phase.NONE: words.SOFTWARE_ON_STICK,
    Phase.WRITING: words.SOFTWARE_IS_WRITTEN,
    Phase.WAITING: words.SOFTWARE_WAITS,
    Phase.INSTALLED: words.SOFTWARE_IS_INSTALLED,
    Phase.FAILED: words.SOFTWARE_NOT_INSTALLED,
}


class UpdatePages:
    """Part of one front's page, beside `DayPages`."""

    def __init__(self, updates: UpdateWork, staff: Staff, beside: Beside, browsers: Browsers) -> None:
        self._updates = updates
        self._staff = staff
        self._beside = beside
        self._browsers = browsers
        self._installing: asyncio.Task[None] | None = None
        self.routes = [
            Route("/day/update", self._show, methods=["GET"]),
            Route("/day/update", self._install, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        viewer = self._browsers.signed_in(request)
        if viewer is None or not _supervises(viewer):
            return RedirectResponse("/day", 303)
        return await self._drawn(viewer)

    async def _install(self, request: Request) -> Response:
        fields = await read_form(request)
        viewer = self._browsers.sender(request, fields)
        if viewer.operator is None or not _supervises(viewer):
            return RedirectResponse("/day", 303)
        file = fields.get("file", "")
        if self._updates.phase in (Phase.WRITING, Phase.WAITING) or file not in await self._updates.files():
            return await self._drawn(viewer)
        # Once more the PIN: whoever finds a page that was left signed in replaces nothing.
        match await self._staff.check_pin(
            viewer.operator.name, fields.get("pin", ""), self._browsers.peer(request)
        ):
            case PinWrong(tries_left):
                return await self._drawn(viewer, words.wrong_pin(tries_left))
            case PinWaits(wait_s):
                return await self._drawn(viewer, words.wait_for_pin(wait_s))
            case _:
                self._installing = asyncio.create_task(
                    self._updates.install(file), name="software from a stick"
                )
        await asyncio.sleep(0)  # it says at once that it has begun
        return await self._drawn(viewer)

    async def _drawn(self, viewer: Viewer, message: Text | None = None) -> Response:
        phase = self._updates.phase
        return self._beside.drawn(
            "update.html",
            viewer,
            Place.UPDATE,
            message=message,
            said=_SAID[phase],
            reason=self._updates.reason,
            files=() if phase in (Phase.WRITING, Phase.WAITING) else await self._updates.files(),
        )


def _supervises(viewer: Viewer) -> bool:
    return viewer.operator is not None and viewer.operator.role is Role.SUPERVISOR
