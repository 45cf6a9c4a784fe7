"""DiagnosticsService: takes what devices hand in, where they were asked to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

import grpc

from aggregator.bundle_shelf import MAX_BUNDLE_BYTES, BundleDamaged, BundleRefused, BundleShelf
from aggregator.fields import DIGEST_BYTES
from aggregator.link.fleet.calls import Context, FleetCalls
from aggregator.link.log_relay import LogRelay
from aggregator.link.refusing import Refused, bad_field, not_allowed, not_now
from aggregator.records import CommandKind
from aggregator.store import diagnostics, fleet_inventory
from aggregator.store.diagnostics import Asked
from aggregator.store.writer import StoreWriter
from aggregator.unpacking import ID_BYTES
from aidpost.v1 import artifact_pb2, artifact_pb2_grpc
from trust.names import DeviceName

MAX_PIECE_BYTES = 64 * 1024
MAX_LINES = 500
MAX_LINE_CHARACTERS = 4_000


class DiagnosticsService(artifact_pb2_grpc.DiagnosticsServiceServicer):
    """Who calls is checked before; here, whether it was asked."""

    def __init__(self, calls: FleetCalls, shelf: BundleShelf, relay: LogRelay) -> None:
        self._calls = calls
        self._shelf = shelf
        self._relay = relay

    async def GetUpload(  # noqa: N802
        self, request: artifact_pb2.GetUploadRequest, context: Context
    ) -> artifact_pb2.GetUploadResponse:
        """Say how much is held."""
        await self._asked(context, request.command_id, CommandKind.COLLECT_DIAGNOSTICS)
        held = await asyncio.to_thread(self._shelf.held_bytes, request.command_id)
        return artifact_pb2.GetUploadResponse(held_bytes=held)

    async def Upload(  # noqa: N802
        self, request_iterator: AsyncIterator[artifact_pb2.UploadRequest], context: Context
    ) -> artifact_pb2.UploadResponse:
        """Take pieces until the bundle is whole, or the device stops."""
        first = await anext(request_iterator, artifact_pb2.UploadRequest())
        device_id = await self._asked(context, first.command_id, CommandKind.COLLECT_DIAGNOSTICS)
        command_id, offset, total = first.command_id, first.offset, first.total_bytes
        if not 0 < total <= MAX_BUNDLE_BYTES:
            raise Refused(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f"a bundle has at most {MAX_BUNDLE_BYTES} bytes"
            )
        expected = first.digest
        if len(expected) != DIGEST_BYTES:
            raise bad_field("digest", f"write {DIGEST_BYTES} bytes")
        await self._calls.do(
            context,
            lambda db, now_ns, _actor: diagnostics.begin(db, command_id, device_id, total, expected, now_ns),
        )
        try:
            async for piece in request_iterator:
                if len(piece.data) > MAX_PIECE_BYTES or offset + len(piece.data) > total:
                    raise bad_field("data", "a piece goes beyond what was announced")
                await asyncio.to_thread(self._shelf.append, command_id, offset, piece.data)
                offset += len(piece.data)
            if offset == total:
                await asyncio.to_thread(self._shelf.finish, command_id, expected)
        except BundleDamaged as damaged:
            raise Refused(grpc.StatusCode.DATA_LOSS, str(damaged)) from damaged
        except BundleRefused as refused:
            raise not_now("BUNDLE_REFUSED", command_id.hex(), str(refused)) from refused
        except OSError as error:
            raise Refused(
                grpc.StatusCode.UNAVAILABLE, f"the aggregator cannot keep bundles ({error.strerror})"
            ) from error
        finally:
            # Counted, and not refused: somebody asked for it, and updates give way to it.
            received = offset - first.offset
            await self._calls.store.submit(
                lambda db: fleet_inventory.spend(db, device_id, received, self._calls.wall_ns())
            )
        if offset == total:
            await self._calls.do(context, lambda db, _now_ns, _actor: diagnostics.complete(db, command_id))
        return artifact_pb2.UploadResponse(held_bytes=offset)

    async def TailLog(  # noqa: N802
        self, request_iterator: AsyncIterator[artifact_pb2.TailLogRequest], context: Context
    ) -> artifact_pb2.TailLogResponse:
        """Pass lines on to whoever follows, until the device stops."""
        first = await anext(request_iterator, artifact_pb2.TailLogRequest())
        await self._asked(context, first.command_id, CommandKind.TAIL_LOG)
        with self._relay.telling(first.command_id):
            async for told in request_iterator:
                self._relay.tell(first.command_id, tuple(map(_shown, told.lines[:MAX_LINES])))
        return artifact_pb2.TailLogResponse()

    async def _asked(self, context: Context, command_id: bytes, kind: CommandKind) -> str:
        """Return the device that calls; raises Refused where it was not asked."""
        peer = self._calls.callers.of(context).peer
        if peer is None or not isinstance(peer.named, DeviceName):
            raise not_allowed("DEVICE_NEEDED", "devices alone hand in diagnostics")
        device_id = peer.named.device_id
        if len(command_id) != ID_BYTES:
            raise bad_field("command_id", f"write {ID_BYTES} bytes")
        asked = await self._calls.do(
            context,
            lambda db, now_ns, _actor: diagnostics.asked(db, command_id, device_id, kind, now_ns),
        )
        if asked is Asked.YES:
            return device_id
        why = "the command has expired" if asked is Asked.EXPIRED else "this device was not asked for it"
        raise not_now("NOT_ASKED", command_id.hex(), why)


def _shown(line: str) -> str:
    """Return a line as it can be shown in a terminal: what a device sends shall not steer one."""
    kept = line[:MAX_LINE_CHARACTERS]
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in kept)


async def erase_old_bundles(store: StoreWriter, shelf: BundleShelf, wall_ns: Callable[[], int]) -> None:
    """Erase the bundles whose time is over. Raises StoreError and OSError."""
    now_ns = wall_ns()
    for command_id in await store.submit(lambda db: diagnostics.expired(db, now_ns)):
        # The file first: a crash in between leaves a row without a file, and never a file without a row.
        await asyncio.to_thread(shelf.erase, command_id)
        await store.submit(partial(diagnostics.forget, command_id=command_id))
