"""The calls of GalleryService, over a channel of their own: bulk never shares one with acknowledgements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from aidpost.v1 import gallery_pb2, gallery_pb2_grpc
from firmware.gallery.change_message import MAX_INT64, to_message
from firmware.gallery.values import Decided, Delivered
from firmware.uplink.channel import Dialler, cleaned, retry_delay_s
from firmware.uplink.errors import BadAnswer, CertificateRefused, LinkLost, NoAnswer
from trust.gallery.change import Change
from trust.gallery.errors import RosterRefused
from trust.gallery.roster import MAX_ROSTER_BYTES, Roster

ANSWER_TIMEOUT_S = 60.0  # a chunk of 32 KiB takes 7 s at the 40 kbit/s of GPRS
MAX_ROSTERS = 256  # the newest, and one for each former key; 64 members take some 80 kB
MAX_DECIDED = 50_000  # pairs of a gallery of 10,000 entries; 4 MB
ID_BYTES = 16
MOST_BYTES = 256 << 20  # 100,000 entries of face and fingers; memory holds one chunk at a time
_KINDS = {
    gallery_pb2.SYNC_KIND_LOG: Delivered.LOG,
    gallery_pb2.SYNC_KIND_REPAIR: Delivered.REPAIR,
    gallery_pb2.SYNC_KIND_SNAPSHOT: Delivered.SNAPSHOT,
}

_FINDINGS = {
    gallery_pb2.FINDING_SAME_PERSON: True,
    gallery_pb2.FINDING_DIFFERENT_PEOPLE: False,
}


class NoGallery(LinkLost):
    """The aggregator has no gallery of this custodian for this site and purpose yet."""


class NotTaken(LinkLost):
    """The aggregator refuses what was handed in."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What is held and wanted; `SyncRequest` says what each means. max_bytes: 0 for no limit.

    heads, lacking: (author, seq).
    """

    purpose: str
    custodian: str
    edition: int
    roster_digest: bytes
    version: int
    link: bytes
    erasures_received: int = 0
    changes_received: int = 0
    buckets: bytes = b""
    everything: bool = False
    max_bytes: int = 0
    decisions: int = 0
    lease_uptime_s: int = 0
    lease_boots: int = 0
    heads: tuple[tuple[int, int], ...] = ()
    lacking: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Beginning:
    """What follows; kind: None where the log is another one than was known. size_bytes: of what was asked
    and came so far. edition: of the newest roster there.

    decisions, decided: as in `SyncBeginning`.
    """

    kind: Delivered | None
    version: int
    root: bytes
    roster: bytes
    former_rosters: tuple[bytes, ...]
    heads: dict[int, int]
    complete: bool
    size_bytes: int
    edition: int
    decisions: int = 0
    decided: tuple[Decided, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Changes as they came: (place in the log, message)."""

    changes: tuple[tuple[int, gallery_pb2.GalleryChange], ...]
    size_bytes: int


class GalleryCalls:
    """One connection. Raises LinkLost and its kinds."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._service: gallery_pb2_grpc.GalleryServiceAsyncStub = gallery_pb2_grpc.GalleryServiceStub(channel)

    async def publish_card(self, card: bytes) -> None:
        """Hand in this appliance's card."""
        try:
            await self._service.PublishCard(
                gallery_pb2.PublishCardRequest(card=card), timeout=ANSWER_TIMEOUT_S
            )
        except grpc.aio.AioRpcError as error:
            raise _fault(error) from error

    async def sync(self, asking: Asking) -> AsyncIterator[Beginning | Chunk]:
        """Yield a beginning, then chunks."""
        request = gallery_pb2.SyncRequest(
            purpose=asking.purpose,
            custodian=asking.custodian,
            edition=asking.edition,
            roster_digest=asking.roster_digest,
            version=asking.version,
            link=asking.link,
            erasures_received=asking.erasures_received,
            changes_received=asking.changes_received,
            buckets=asking.buckets,
            everything=asking.everything,
            max_bytes=asking.max_bytes,
            decisions=asking.decisions,
            lease_uptime_s=asking.lease_uptime_s,
            lease_boots=asking.lease_boots,
            heads=_heads(asking.heads),
            lacking=_heads(asking.lacking),
        )
        call: Any = self._service.Sync(request)  # grpc.aio.UnaryStreamCall; its stubs do not know EOF
        begun, size_bytes = False, 0
        rosters: list[bytes] = []
        decided: list[Decided] = []
        pieces = b""
        try:
            while (response := await _in_time(call.read())) is not grpc.aio.EOF:
                size_bytes += response.ByteSize()
                if size_bytes > MOST_BYTES:
                    raise BadAnswer("the aggregator sends more than any gallery has: nothing more is taken")
                match response.WhichOneof("part"):
                    case "roster" if not begun:
                        pieces += response.roster.data
                        if len(pieces) > MAX_ROSTER_BYTES or len(rosters) > MAX_ROSTERS:
                            raise BadAnswer("the aggregator sends more rosters than a gallery can have")
                        if response.roster.ends:
                            rosters.append(pieces)
                            pieces = b""
                    case "decided" if not begun:
                        decided += map(_decided, response.decided.pairs)
                        if len(decided) > MAX_DECIDED:
                            raise BadAnswer("the aggregator sends more decisions than a gallery can have")
                    case "beginning" if not begun and not pieces:
                        begun = True
                        yield _beginning(response, rosters, decided, request.ByteSize() + size_bytes)
                    case "changes" if begun:
                        logged = response.changes.changes
                        if any(each.version > MAX_INT64 for each in logged):
                            raise BadAnswer("the aggregator counts further than a gallery can")
                        yield Chunk(
                            tuple((each.version, each.change) for each in logged), response.ByteSize()
                        )
                    case _:
                        raise BadAnswer(
                            "what answers is no aggregator of this version: a sync begins otherwise"
                        )
        except grpc.aio.AioRpcError as error:
            raise _fault(error) from error
        finally:
            call.cancel()
        if not begun:
            raise BadAnswer("what answers is no aggregator of this version: a sync has no beginning")

    async def push(
        self, gallery_id: bytes, version: int, changes: Sequence[Change]
    ) -> tuple[int | None, int]:
        """Hand in changes; returns the version after them, None where somebody was quicker, and the bytes."""
        request = gallery_pb2.PushChangesRequest(
            gallery_id=gallery_id, version=version, changes=map(to_message, changes)
        )
        size_bytes = request.ByteSize()
        try:
            answer = await self._service.PushChanges(request, timeout=ANSWER_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.ABORTED:
                return None, size_bytes
            raise _fault(error) from error
        if answer.version != version + len(changes):
            raise BadAnswer("the aggregator counts otherwise than it was handed in")
        return answer.version, size_bytes

    async def tell_ahead(self, gallery_id: bytes, erasures: Sequence[Change]) -> tuple[bool, int]:
        """Hand in erasures though the log is not held; returns whether they were taken, and the bytes."""
        request = gallery_pb2.PushChangesRequest(
            gallery_id=gallery_id, changes=map(to_message, erasures), erasures_ahead=True
        )
        try:
            await self._service.PushChanges(request, timeout=ANSWER_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.ABORTED:
                return False, request.ByteSize()
            raise _fault(error) from error
        return True, request.ByteSize()

    async def hand_in_roster(self, roster: Roster) -> int:
        """Hand in a newer roster than the aggregator has; returns the bytes. Raises RosterRefused too."""
        request = gallery_pb2.PushChangesRequest(gallery_id=roster.gallery_id, roster=roster.encoded())
        try:
            await self._service.PushChanges(request, timeout=ANSWER_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.PERMISSION_DENIED:
                raise RosterRefused(
                    f"the aggregator does not take roster {roster.edition} that this appliance has: "
                    f"{cleaned(error.details())}"
                ) from error
            raise _fault(error) from error
        return request.ByteSize()


@asynccontextmanager
async def connected(dialler: Dialler) -> AsyncIterator[GalleryCalls]:
    """Open a channel for one exchange. Raises UplinkError."""
    channel = await dialler.dial()
    async with channel:
        yield GalleryCalls(channel)


async def _in_time(read: Awaitable[Any]) -> Any:
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await read
    except TimeoutError:
        raise NoAnswer(
            f"nothing of the gallery came within {ANSWER_TIMEOUT_S:g} s; it goes on later"
        ) from None


def _beginning(
    response: gallery_pb2.SyncResponse, rosters: Sequence[bytes], decided: Sequence[Decided], size_bytes: int
) -> Beginning:
    message = response.beginning
    if message.kind not in _KINDS and message.kind != gallery_pb2.SYNC_KIND_DIVERGED:
        raise BadAnswer("the aggregator syncs in a way that this version does not know")
    if message.version > MAX_INT64:
        raise BadAnswer("the aggregator counts further than a gallery can")
    if message.decisions > MAX_INT64:
        raise BadAnswer("the aggregator counts further than a gallery can")
    return Beginning(
        _KINDS.get(message.kind),
        message.version,
        message.root,
        rosters[0] if rosters else b"",
        tuple(rosters[1:]),
        {head.author: head.seq for head in message.heads},
        message.complete,
        size_bytes,
        message.edition,
        message.decisions,
        tuple(decided),
    )


def _heads(pairs: Sequence[tuple[int, int]]) -> list[gallery_pb2.AuthorHead]:
    return [gallery_pb2.AuthorHead(author=author, seq=seq) for author, seq in pairs]


def _decided(message: gallery_pb2.Decided) -> Decided:
    same = _FINDINGS.get(message.finding)
    if same is None or len(message.first) != ID_BYTES or len(message.second) != ID_BYTES:
        raise BadAnswer("the aggregator sends a decision that this version does not know")
    return Decided(message.first, message.second, same)


def _fault(error: grpc.aio.AioRpcError) -> LinkLost:
    details, code = cleaned(error.details()), error.code()
    match code:
        case grpc.StatusCode.NOT_FOUND:
            return NoGallery(f"no gallery to share yet ({details})", retry_delay_s(error.trailing_metadata()))
        case grpc.StatusCode.PERMISSION_DENIED | grpc.StatusCode.INVALID_ARGUMENT:
            return NotTaken(f"the aggregator does not take this appliance's changes ({details})")
        case grpc.StatusCode.UNAUTHENTICATED:
            return CertificateRefused(f"the aggregator asks this device to join again ({details})")
        case _:
            return LinkLost(
                f"the gallery was not synchronised ({code.name}: {details})",
                retry_delay_s(error.trailing_metadata()),
            )
