"""GalleryService: keeps sealed galleries and hands them on; devices of one site, in a lane of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NoReturn, TypeAlias, TypeVar

import grpc
import structlog

from aggregator import gallery_codec
from aggregator.holdings import Adjudication
from aggregator.link import ending, refusing
from aggregator.link.paging import after, page_size, token
from aggregator.malformed import Malformed
from aggregator.store import adjudications, galleries, gallery_delivery, gallery_overview
from aggregator.store.adjudications import NotDecided
from aggregator.store.errors import StoreError
from aggregator.store.galleries import Behind, Refused
from aggregator.store.gallery_delivery import Answer, Delivery
from aggregator.store.port import Database
from aggregator.store.writer import StoreWriter
from aggregator.unpacking import MAX_INT64
from aidpost.v1 import gallery_pb2, gallery_pb2_grpc
from trust.gallery.card import Card
from trust.gallery.errors import CardRefused, RosterRefused
from trust.gallery.roster import Roster
from trust.names import DeviceName, PersonName
from trust.tls.callers import Callers
from trust.tls.refusals import Refusals

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
ResultT = TypeVar("ResultT")

MAX_ERASURES = 1000
DECIDED_AT_ONCE = 500  # pairs: some 20 kB, of the 64 KiB that a device takes in a message
CHUNK_BYTES = 32 * 1024  # half of what a device takes in one message; a lost link costs no more than this
_KINDS = {
    Answer.LOG: gallery_pb2.SYNC_KIND_LOG,
    Answer.REPAIR: gallery_pb2.SYNC_KIND_REPAIR,
    Answer.SNAPSHOT: gallery_pb2.SYNC_KIND_SNAPSHOT,
    Answer.DIVERGED: gallery_pb2.SYNC_KIND_DIVERGED,
}


class GalleryService(gallery_pb2_grpc.GalleryServiceServicer):
    """Who may call what is checked before a call comes here; whether a device is a member, here."""

    def __init__(
        self, store: StoreWriter, callers: Callers, wall_ns: Callable[[], int], refusals: Refusals
    ) -> None:
        self._store = store
        self._callers = callers
        self._wall_ns = wall_ns
        self._refusals = refusals
        self._log_holds_erased = True  # as far as is known: the power may have failed after an erasure

    async def PublishCard(  # noqa: N802
        self, request: gallery_pb2.PublishCardRequest, context: Context
    ) -> gallery_pb2.PublishCardResponse:
        """Keep the caller's card."""
        device = await self._device(context)
        try:
            card = Card.parse(request.card)
        except CardRefused as error:
            await self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if (card.device_id, card.site) != (device.device_id, device.site):
            await self._refuse(context, grpc.StatusCode.PERMISSION_DENIED, "the card is of another device")
        await self._do(
            context, lambda db, now_ns, _actor: galleries.publish_card(db, card, request.card, now_ns)
        )
        return gallery_pb2.PublishCardResponse()

    async def ListCards(  # noqa: N802
        self, request: gallery_pb2.ListCardsRequest, context: Context
    ) -> gallery_pb2.ListCardsResponse:
        """List cards."""
        found = await self._do(context, lambda db, _now_ns, _actor: galleries.cards(db, request.site))
        return gallery_pb2.ListCardsResponse(
            cards=[gallery_codec.published_card(card, published_ns) for card, published_ns in found]
        )

    async def PublishRoster(  # noqa: N802
        self, request: gallery_pb2.PublishRosterRequest, context: Context
    ) -> gallery_pb2.PublishRosterResponse:
        """Keep a newer roster."""
        try:
            roster = Roster.parse(request.roster)
        except RosterRefused as error:
            await self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        refused = await self._do(
            context,
            lambda db, now_ns, actor: galleries.publish_roster(db, roster, request.roster, now_ns, actor),
        )
        if refused is not None:
            await self._refuse(context, grpc.StatusCode.FAILED_PRECONDITION, refused.why)
        return gallery_pb2.PublishRosterResponse()

    async def ListGalleries(  # noqa: N802
        self, request: gallery_pb2.ListGalleriesRequest, context: Context
    ) -> gallery_pb2.ListGalleriesResponse:
        """List galleries."""
        found = await self._do(context, lambda db, _now_ns, _actor: gallery_overview.read(db))
        return gallery_pb2.ListGalleriesResponse(galleries=map(gallery_codec.gallery_state, found))

    async def ListErasures(  # noqa: N802
        self, request: gallery_pb2.ListErasuresRequest, context: Context
    ) -> gallery_pb2.ListErasuresResponse:
        """List erasures."""
        found = await self._do(
            context,
            lambda db, _now_ns, _actor: gallery_overview.erasures(
                db, MAX_ERASURES, only_open=request.only_open
            ),
        )
        return gallery_pb2.ListErasuresResponse(erasures=map(gallery_codec.erasure, found))

    async def ListAdjudications(  # noqa: N802
        self, request: gallery_pb2.ListAdjudicationsRequest, context: Context
    ) -> gallery_pb2.ListAdjudicationsResponse:
        """List pairs of entries that may be of one person."""
        binding, size = ("adjudications", str(request.only_open)), page_size(request.page_size)
        try:
            beginning = after(request.page_token, *binding)
        except refusing.Refused as refused:
            await self._refuse(context, refused.code, refused.message)
        decided, _, number = beginning.partition(" ")
        last = (decided == "decided", int(number)) if beginning else (False, adjudications.LATEST)
        found = await self._do(
            context,
            lambda db, _now_ns, _actor: adjudications.read(
                db, size + 1, only_open=request.only_open, after=last
            ),
        )
        page = found[:size]
        following = ""
        if len(found) > size:
            kind = "open" if page[-1].decided_ns is None else "decided"
            following = token(f"{kind} {page[-1].number}", *binding)
        return gallery_pb2.ListAdjudicationsResponse(
            adjudications=map(gallery_codec.adjudication, page), next_page_token=following
        )

    async def DecideAdjudication(  # noqa: N802
        self, request: gallery_pb2.DecideAdjudicationRequest, context: Context
    ) -> gallery_pb2.DecideAdjudicationResponse:
        """Write down what a person says of a pair."""
        name = await self._person(context)
        try:
            number, same = gallery_codec.parse_decision(request)
        except Malformed as error:
            await self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        answer = await self._do(
            context,
            lambda db, now_ns, actor: adjudications.decide(db, number, name, actor, now_ns, same=same),
        )
        return gallery_pb2.DecideAdjudicationResponse(adjudication=await self._written(context, answer))

    async def UndoAdjudication(  # noqa: N802
        self, request: gallery_pb2.UndoAdjudicationRequest, context: Context
    ) -> gallery_pb2.UndoAdjudicationResponse:
        """Open a pair again."""
        number = min(request.number, MAX_INT64)
        answer = await self._do(
            context, lambda db, now_ns, actor: adjudications.undo(db, number, actor, now_ns)
        )
        return gallery_pb2.UndoAdjudicationResponse(adjudication=await self._written(context, answer))

    async def Sync(  # noqa: N802
        self, request: gallery_pb2.SyncRequest, context: Context
    ) -> AsyncIterator[gallery_pb2.SyncResponse]:
        """Say what follows, then send it in chunks."""
        device = await self._device(context)
        try:
            asked = gallery_codec.parse_sync(request)
        except Malformed as error:
            await self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        delivery = await self._do(
            context,
            lambda db, now_ns, _actor: gallery_delivery.deliver(
                db, device.device_id, device.site, asked, now_ns
            ),
        )
        if isinstance(delivery, Refused):
            await context.abort(grpc.StatusCode.NOT_FOUND, delivery.why)
            raise AssertionError("abort does not return")
        for piece in _pieces(delivery):
            yield gallery_pb2.SyncResponse(roster=piece)
        for start in range(0, len(delivery.decided), DECIDED_AT_ONCE):
            some = delivery.decided[start : start + DECIDED_AT_ONCE]
            pairs = [gallery_codec.decided(first, second, same=same) for first, second, same in some]
            yield gallery_pb2.SyncResponse(decided=gallery_pb2.DecidedPairs(pairs=pairs))
        yield gallery_pb2.SyncResponse(beginning=_beginning(delivery))
        for chunk in _chunks(delivery):
            yield gallery_pb2.SyncResponse(changes=chunk)

    async def PushChanges(  # noqa: N802
        self, request: gallery_pb2.PushChangesRequest, context: Context
    ) -> gallery_pb2.PushChangesResponse:
        """Take changes, all or none."""
        device = await self._device(context)
        gallery_id, version, name, site = request.gallery_id, request.version, device.device_id, device.site
        answer: int | Behind | Refused
        try:
            if request.roster:
                roster = Roster.parse(request.roster)
                answer = await self._do(
                    context,
                    lambda db, now_ns, _actor: galleries.hand_in_roster(
                        db, roster, request.roster, name, site, now_ns
                    ),
                )
            else:
                carried = gallery_codec.parse_push(request)
                answer = await self._do(
                    context,
                    lambda db, now_ns, _actor: galleries.push(
                        db,
                        gallery_id,
                        name,
                        site,
                        None if request.erasures_ahead else version,
                        carried,
                        now_ns,
                    ),
                )
        except (Malformed, RosterRefused) as error:
            await self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        match answer:
            case Behind():
                await context.abort(grpc.StatusCode.ABORTED, "the gallery has gone on: sync, then try again")
            case Refused(why):
                await self._refuse(context, grpc.StatusCode.PERMISSION_DENIED, why)
            case int():
                self._log_holds_erased |= any(each.version > 1 for each in request.changes)
                await self._empty_log()
                return gallery_pb2.PushChangesResponse(version=answer)
        raise AssertionError("abort does not return")

    async def _empty_log(self) -> None:
        """Let nothing that was erased or replaced stay in the store's write-ahead log.

        The change is committed, so it is no fault where a reader or the disk prevents it: the
        next push tries again.
        """
        if self._log_holds_erased:
            try:
                self._log_holds_erased = not await self._store.empty_log()
            except StoreError as error:
                structlog.get_logger().warning("log not emptied", reason=str(error))

    async def _device(self, context: Context) -> DeviceName:
        peer = self._callers.of(context).peer
        if peer is None or not isinstance(peer.named, DeviceName):
            await self._refuse(context, grpc.StatusCode.PERMISSION_DENIED, "this call is for devices")
        return peer.named

    async def _person(self, context: Context) -> str:
        peer = self._callers.of(context).peer
        if peer is None or not isinstance(peer.named, PersonName):
            await self._refuse(context, grpc.StatusCode.PERMISSION_DENIED, "this call is for people")
        return peer.named.name

    async def _written(self, context: Context, answer: Adjudication | NotDecided) -> gallery_pb2.Adjudication:
        if isinstance(answer, NotDecided):
            await self._refuse(context, grpc.StatusCode.FAILED_PRECONDITION, answer.why)
        return gallery_codec.adjudication(answer)

    async def _do(self, context: Context, work: Callable[[Database, int, str], ResultT]) -> ResultT:
        now_ns, actor = self._wall_ns(), str(self._callers.of(context))
        try:
            return await self._store.submit(lambda db: work(db, now_ns, actor))
        except StoreError as error:
            await ending.not_stored(error).abort(context)

    async def _refuse(self, context: Context, code: grpc.StatusCode, why: str) -> NoReturn:
        self._refusals.note(str(self._callers.of(context)), why)
        await context.abort(code, why)
        raise AssertionError("abort does not return")


def _beginning(delivery: Delivery) -> gallery_pb2.SyncBeginning:
    return gallery_pb2.SyncBeginning(
        kind=_KINDS[delivery.answer],
        version=delivery.version,
        root=delivery.root,
        heads=[gallery_pb2.AuthorHead(author=author, seq=seq) for author, seq in delivery.heads],
        bytes=delivery.size_bytes,
        complete=delivery.complete,
        edition=delivery.edition,
        decisions=delivery.decisions,
    )


def _pieces(delivery: Delivery) -> Iterator[gallery_pb2.RosterPiece]:
    for data in filter(None, (delivery.roster, *delivery.former_rosters)):
        for start in range(0, len(data), CHUNK_BYTES):
            piece = data[start : start + CHUNK_BYTES]
            yield gallery_pb2.RosterPiece(data=piece, ends=start + CHUNK_BYTES >= len(data))


def _chunks(delivery: Delivery) -> list[gallery_pb2.LoggedChanges]:
    chunks, size = [gallery_pb2.LoggedChanges()], 0
    for version, data in delivery.changes:
        if size + len(data) > CHUNK_BYTES and chunks[-1].changes:
            chunks.append(gallery_pb2.LoggedChanges())
            size = 0
        size += len(data)
        logged = chunks[-1].changes.add(version=version)
        logged.change.CopyFrom(gallery_codec.parse_logged(data))
    return [chunk for chunk in chunks if chunk.changes]
