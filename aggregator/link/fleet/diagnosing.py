"""Diagnostics for the desk: bundles that devices handed in, and their logs while they are written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc

from aggregator.bundle_shelf import BundleShelf
from aggregator.codec import timestamp
from aggregator.link.fleet.calls import Context, FleetCalls
from aggregator.link.log_relay import LogRelay
from aggregator.link.paging import after, page_size, token
from aggregator.link.refusing import Refused, bad_field, not_found
from aggregator.store import diagnostics
from aggregator.store.diagnostics import Bundle
from aidpost.v1 import export_pb2, fleet_pb2_grpc


class Diagnosing(fleet_pb2_grpc.FleetServiceServicer):
    """Who looked at what is in the audit log."""

    _calls: FleetCalls
    _shelf: BundleShelf
    _relay: LogRelay

    async def ListDiagnostics(  # noqa: N802
        self, request: export_pb2.ListDiagnosticsRequest, context: Context
    ) -> export_pb2.ListDiagnosticsResponse:
        """List bundles, newest first."""
        device_id, size = request.device_id, page_size(request.page_size)
        binding = ("diagnostics", device_id)
        try:
            seen = bytes.fromhex(after(request.page_token, *binding))
        except ValueError as error:
            raise bad_field("page_token", "take it from the answer before, or leave it empty") from error
        found = await self._calls.read(lambda db: diagnostics.read(db, device_id, seen, size + 1))
        page = found[:size]
        return export_pb2.ListDiagnosticsResponse(
            bundles=map(_message, page),
            next_page_token=token(page[-1].command_id.hex(), *binding) if len(found) > size else "",
        )

    async def FetchDiagnostics(  # noqa: N802
        self, request: export_pb2.FetchDiagnosticsRequest, context: Context
    ) -> AsyncIterator[export_pb2.FetchDiagnosticsResponse]:
        """Send a bundle from an offset on."""
        command_id = request.command_id
        found = await self._calls.do(
            context, lambda db, now_ns, actor: diagnostics.fetched(db, command_id, now_ns, actor)
        )
        if found is None:
            raise not_found("bundle", command_id.hex(), "`fleet diagnostics list` shows what is held whole")
        if request.offset > found.total_bytes:
            raise bad_field("offset", f"the bundle has {found.total_bytes} bytes: go on from what you hold")
        pieces = self._shelf.read(command_id, request.offset)
        try:
            while (data := await asyncio.to_thread(next, pieces, None)) is not None:
                yield export_pb2.FetchDiagnosticsResponse(data=data)
        except OSError as error:
            why = f"the bundle cannot be read ({error.strerror})"
            raise Refused(grpc.StatusCode.DATA_LOSS, why) from error

    async def FollowLog(  # noqa: N802
        self, request: export_pb2.FollowLogRequest, context: Context
    ) -> AsyncIterator[export_pb2.FollowLogResponse]:
        """Send the lines of a device's log until its command ends."""
        command_id = request.command_id
        ends_ns = await self._calls.do(
            context, lambda db, now_ns, actor: diagnostics.followed(db, command_id, now_ns, actor)
        )
        if ends_ns is None:
            raise not_found(
                "log", command_id.hex(), "no command asks for it, or it has ended, send tail-log first"
            )
        left_s = max(0.0, (ends_ns - self._calls.wall_ns()) / 1e9)
        try:
            async with asyncio.timeout(left_s):
                async for lines in self._relay.follow(command_id):
                    yield export_pb2.FollowLogResponse(lines=lines)
        except TimeoutError:
            return


def _message(found: Bundle) -> export_pb2.DiagnosticBundle:
    return export_pb2.DiagnosticBundle(
        command_id=found.command_id,
        device_id=found.device_id,
        received_at=timestamp(found.received_ns),
        bytes=found.total_bytes,
        digest=found.digest,
        expires_at=timestamp(found.expires_ns),
        complete=found.complete,
    )
