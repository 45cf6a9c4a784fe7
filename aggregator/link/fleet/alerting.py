"""Alerts, and where they are told."""

from __future__ import annotations

import secrets

from aggregator.alert_codec import alert_message, hook_message, parse_hook
from aggregator.fleet.hooks import KEY_BYTES
from aggregator.fleet.terms import Invalid
from aggregator.link.fleet.calls import Context, FleetCalls, done, revision_of
from aggregator.link.paging import after, page_size, token
from aggregator.link.refusing import bad_field, not_found, not_now
from aggregator.store import alerts, hooks
from aggregator.store.port import Database
from aidpost.v1 import alert_pb2, fleet_pb2_grpc

MAX_NUMBER = 2**63 - 1


class Alerting(fleet_pb2_grpc.FleetServiceServicer):
    """Shows alerts, lets people say that they look after them, and keeps hooks."""

    _calls: FleetCalls
    _has_mail_server: bool

    async def ListAlerts(  # noqa: N802
        self, request: alert_pb2.ListAlertsRequest, context: Context
    ) -> alert_pb2.ListAlertsResponse:
        """List alerts, those that last and people first."""
        site, closed = request.site, request.closed
        binding = ("alerts", site, str(closed))
        seen, size = after(request.page_token, *binding), page_size(request.page_size)
        try:
            places = tuple(int(part) for part in seen.split(" ")) if seen else ()
        except ValueError as error:
            raise bad_field("page_token", "take it from the answer before, or leave it empty") from error
        beginning = (places[0], places[1], places[2]) if len(places) == 3 else None
        found = await self._calls.read(
            lambda db: alerts.read(db, closed=closed, site=site, limit=size + 1, after=beginning)
        )
        more = len(found) > size
        return alert_pb2.ListAlertsResponse(
            alerts=map(alert_message, found[:size]),
            next_page_token=token(" ".join(map(str, alerts.place(found[size - 1]))), *binding)
            if more
            else "",
        )

    async def AcknowledgeAlert(  # noqa: N802
        self, request: alert_pb2.AcknowledgeAlertRequest, context: Context
    ) -> alert_pb2.AcknowledgeAlertResponse:
        """Say that the caller looks after an alert; the first to say so is kept."""
        number = min(request.number, MAX_NUMBER)

        def acknowledge(db: Database, now_ns: int, actor: str) -> alert_pb2.AcknowledgeAlertResponse:
            alert = alerts.acknowledge(db, number, now_ns, actor)
            if alert is None:
                raise not_found("alert", str(request.number))
            return alert_pb2.AcknowledgeAlertResponse(alert=alert_message(alert))

        return await self._calls.change(context, request, alert_pb2.AcknowledgeAlertResponse, acknowledge)

    async def ListHooks(  # noqa: N802
        self, request: alert_pb2.ListHooksRequest, context: Context
    ) -> alert_pb2.ListHooksResponse:
        """List the hooks, without their keys."""
        return alert_pb2.ListHooksResponse(hooks=map(hook_message, await self._calls.read(hooks.read)))

    async def UpdateHook(  # noqa: N802
        self, request: alert_pb2.UpdateHookRequest, context: Context
    ) -> alert_pb2.UpdateHookResponse:
        """Change a hook as a whole, or make it; its key is in the answer where it has a new one."""
        asked = parse_hook(request.hook, revision_of(request.hook.etag) or 0)
        if isinstance(asked, Invalid):
            raise bad_field(asked.field, asked.why)
        if asked.email and not self._has_mail_server:
            raise not_now(
                "NO_MAIL_SERVER", asked.name, "start the aggregator with --mail-server, or name a url"
            )
        key = secrets.token_bytes(KEY_BYTES)

        def change(db: Database, now_ns: int, actor: str) -> alert_pb2.UpdateHookResponse:
            put = hooks.put(db, asked, key, now_ns, actor, allow_missing=request.allow_missing)
            hook, new_key = done("hook", asked.name, put)
            return alert_pb2.UpdateHookResponse(hook=hook_message(hook), signing_key=new_key)

        return await self._calls.change(context, request, alert_pb2.UpdateHookResponse, change)

    async def DeleteHook(  # noqa: N802
        self, request: alert_pb2.DeleteHookRequest, context: Context
    ) -> alert_pb2.DeleteHookResponse:
        """Delete a hook, with what waits for it."""
        name, revision = request.name, revision_of(request.etag) or 0

        def delete(db: Database, now_ns: int, actor: str) -> alert_pb2.DeleteHookResponse:
            done("hook", name, hooks.delete(db, name, revision, now_ns, actor))
            return alert_pb2.DeleteHookResponse()

        return await self._calls.change(context, request, alert_pb2.DeleteHookResponse, delete)
