"""The pages on which a supervisor says who works here: names, roles and PINs, where there is no console."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from firmware.page import words
from firmware.page.beside import Beside, Place
from firmware.page.browsers import Browsers
from firmware.page.ports import Member, StaffWork
from firmware.page.viewers import Operator, Viewer
from firmware.store.errors import StaffRefused, StoreError
from firmware.workflow.screen import Text
from firmware.workflow.terms import Role
from trust.web.protection import read_form

log = structlog.get_logger()


class StaffPages:
    """Part of one front's page. forget: signs somebody out on every front."""

    def __init__(
        self, staff: StaffWork, beside: Beside, browsers: Browsers, forget: Callable[[str], None]
    ) -> None:
        self._staff = staff
        self._beside = beside
        self._browsers = browsers
        self._forget = forget
        self.routes = [
            Route("/day/staff", self._show, methods=["GET"]),
            Route("/day/staff", self._change, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        """All members, or with `who` one of them, with `add` the fields for another one."""
        viewer = self._browsers.signed_in(request)
        if _supervisor(viewer) is None or viewer is None:
            return RedirectResponse("/day", 303)
        query = request.query_params
        members = await self._staff.members()
        known = next((each for each in members if each.name == query.get("who")), None)
        return self._drawn(viewer, members, known, adds="add" in query)

    async def _change(self, request: Request) -> Response:
        fields = await read_form(request)
        viewer = self._browsers.sender(request, fields)
        supervisor = _supervisor(viewer)
        if supervisor is None:
            return RedirectResponse("/day", 303)
        name, act, pin = fields.get("name", "").strip(), fields.get("act", ""), fields.get("pin", "")
        adds, message = act == "add", None
        try:
            if act in ("add", "pin") and pin != fields.get("again"):
                message = words.PINS_DIFFER
            elif adds:
                role = Role.SUPERVISOR if fields.get("role") == Role.SUPERVISOR.value else Role.OPERATOR
                await self._staff.add(name, role, pin, by=supervisor.name)
            elif act == "pin":
                await self._staff.set_pin(name, pin, by=supervisor.name)
                if name != supervisor.name:
                    self._forget(name)
            elif act == "remove":
                await self._staff.remove(name, by=supervisor.name)
                self._forget(name)
        except StaffRefused as error:
            log.info("staff not changed", reason=str(error))
            message = words.LAST_SUPERVISOR if act == "remove" else words.NOT_STAFF
        except StoreError as error:
            log.warning("staff not written", kind=type(error).__name__, reason=str(error))
            message = words.NOT_WRITTEN
        if message is None:
            return RedirectResponse("/day/staff", 303)
        members = await self._staff.members()
        known = next((each for each in members if each.name == name and not adds), None)
        return self._drawn(viewer, members, known, adds=adds, message=message)

    def _drawn(
        self,
        viewer: Viewer,
        members: tuple[Member, ...],
        member: Member | None,
        *,
        adds: bool,
        message: Text | None = None,
    ) -> Response:
        return self._beside.drawn(
            "day_staff.html",
            viewer,
            Place.STAFF,
            200 if message is None else 400,
            members=members,
            member=member,
            adds=adds,
            message=message,
        )


def _supervisor(viewer: Viewer | None) -> Operator | None:
    operator = None if viewer is None else viewer.operator
    return operator if operator is not None and operator.role is Role.SUPERVISOR else None
