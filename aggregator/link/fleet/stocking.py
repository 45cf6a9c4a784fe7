"""Files for devices: taken in by the desk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc

from aggregator import fleet_codec, state_codec
from aggregator.artifact_shelf import MAX_ARTIFACT_BYTES, ArtifactShelf, FileRefused, Incoming
from aggregator.fleet.terms import StoredArtifact
from aggregator.link.fleet.calls import Context, FleetCalls
from aggregator.link.paging import after, page_size, token
from aggregator.link.refusing import Refused, bad_field
from aggregator.malformed import Malformed
from aggregator.store import fleet_artifacts
from aggregator.store.fleet_inventory import MAX_TITLE
from aggregator.store.port import Database
from aidpost.v1 import fleet_pb2_grpc, inventory_pb2
from trust.state import Artifact

_Pieces = AsyncIterator[inventory_pb2.AddArtifactRequest]


class Stocking(fleet_pb2_grpc.FleetServiceServicer):
    """Keeps files for devices; whether one is what it should be, the devices check by its signature."""

    _calls: FleetCalls
    _artifacts: ArtifactShelf

    async def AddArtifact(  # noqa: N802
        self, request_iterator: _Pieces, context: Context
    ) -> inventory_pb2.AddArtifactResponse:
        """Take a file in, whole or not at all; one that is here already is taken for it."""
        first = await anext(request_iterator, inventory_pb2.AddArtifactRequest())
        artifact, title = _announced(first.artifact)
        try:
            if not await asyncio.to_thread(self._artifacts.holds, artifact.digest, artifact.size_bytes):
                with self._artifacts.incoming(artifact.digest, artifact.size_bytes) as incoming:
                    await _fill(incoming, first.data, request_iterator)
        except FileRefused as refused:
            raise bad_field("data", str(refused)) from refused
        except OSError as error:
            why = f"the file cannot be kept ({error.strerror}): make room beside the store, and send it again"
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, why) from error

        def note(db: Database, now_ns: int, actor: str) -> StoredArtifact:
            stored = fleet_artifacts.add(db, StoredArtifact(artifact, title, now_ns, actor))
            if (held := stored.artifact) != artifact:
                raise bad_field(
                    "artifact.artifact",
                    f"this very file is held as {held.kind.value} {held.version}: add it as that",
                )
            return stored

        stored = await self._calls.do(context, note)
        return inventory_pb2.AddArtifactResponse(artifact=fleet_codec.stored_artifact(stored))

    async def ListArtifacts(  # noqa: N802
        self, request: inventory_pb2.ListArtifactsRequest, context: Context
    ) -> inventory_pb2.ListArtifactsResponse:
        """List the files that are held."""
        beginning, size = after(request.page_token, "artifacts"), page_size(request.page_size)
        found = await self._calls.read(lambda db: fleet_artifacts.read(db, beginning, size + 1))
        more = token(found[size - 1].artifact.digest, "artifacts") if len(found) > size else ""
        return inventory_pb2.ListArtifactsResponse(
            artifacts=map(fleet_codec.stored_artifact, found[:size]), next_page_token=more
        )


async def _fill(incoming: Incoming, beginning: bytes, rest: _Pieces) -> None:
    await asyncio.to_thread(incoming.append, beginning)
    async for piece in rest:
        await asyncio.to_thread(incoming.append, piece.data)
    await asyncio.to_thread(incoming.finish)


def _announced(message: inventory_pb2.StoredArtifact) -> tuple[Artifact, str]:
    """Return what is to come, and its title; raises Refused."""
    try:
        artifact = state_codec.parse_artifact(message.artifact)
    except Malformed as error:
        raise bad_field("artifact", str(error)) from error
    if not artifact.version:
        raise bad_field("artifact.artifact.version", "write which version of it this is")
    if not 0 < artifact.size_bytes <= MAX_ARTIFACT_BYTES:
        raise bad_field("artifact.artifact.bytes", f"a file has from 1 to {MAX_ARTIFACT_BYTES} bytes")
    if len(message.title) > MAX_TITLE or not (message.title.isprintable() or not message.title):
        raise bad_field("artifact.title", f"write one line of at most {MAX_TITLE} characters")
    return artifact, message.title
