"""What every subject of FleetService needs: the store, the caller's name, and clear refusals.

A call is refused by raising `Refused` anywhere in it; `Authorisation` ends it with that status.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from aggregator.codec import NO_TIME, wall_ns_of
from aggregator.fleet.terms import Invalid, Missing, Stale
from aggregator.link.masks import refuse_unknown
from aggregator.link.refusing import Refused, bad_field, changed_meanwhile, not_found
from aggregator.store import fleet_requests
from aggregator.store.fleet_requests import Answered, Reused
from aggregator.store.port import Database
from aggregator.store.view import StoreView
from aggregator.store.writer import StoreWriter
from aggregator.unpacking import ID_BYTES
from trust.tls.callers import Callers

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
ResultT = TypeVar("ResultT")
AnswerT = TypeVar("AnswerT", bound=Message)


class FleetCalls:
    """Does work in the store on behalf of a caller. Who may is checked before a call comes here."""

    def __init__(
        self, store: StoreWriter, view: StoreView, callers: Callers, wall_ns: Callable[[], int]
    ) -> None:
        self.store = store
        self.view = view
        self.callers = callers
        self.wall_ns = wall_ns

    async def do(self, context: Context, work: Callable[[Database, int, str], ResultT]) -> ResultT:
        """Do `work` with the time and the caller's role and name, in a transaction.

        Raises StoreError, and Refused where `work` does: what it has written is then taken back.
        """
        now_ns, actor = self.wall_ns(), str(self.callers.of(context))

        def alone(db: Database) -> ResultT | Refused:
            try:
                with db.atomic():
                    return work(db, now_ns, actor)
            except Refused as refused:
                return refused

        outcome = await self.store.submit(alone)
        if isinstance(outcome, Refused):
            raise outcome
        return outcome

    async def read(self, work: Callable[[Database], ResultT]) -> ResultT:
        """Do `work` as of one commit, beside the writer, which no list holds up; raises StoreError."""
        return await self.view.read(work)

    async def change(
        self,
        context: Context,
        request: Message,
        answer: type[AnswerT],
        work: Callable[[Database, int, str], AnswerT],
    ) -> AnswerT:
        """Do what `request` asks for, once for each request_id in a day; raises as `do` does."""
        refuse_unknown(request)
        request_id: bytes = getattr(request, "request_id", b"")
        if request_id and len(request_id) != ID_BYTES:
            raise bad_field("request_id", f"write {ID_BYTES} random bytes, or none")
        content = request.SerializeToString(deterministic=True)
        digest = hashlib.sha256(f"{request.DESCRIPTOR.full_name}\0".encode() + content).digest()

        def once(db: Database, now_ns: int, actor: str) -> AnswerT:
            if not request_id:
                return work(db, now_ns, actor)
            match fleet_requests.find(db, actor, request_id, digest):
                case Answered(before):
                    return answer.FromString(before)
                case Reused():
                    raise bad_field("request_id", "it was used for another request: take 16 new random bytes")
                case None:
                    made = work(db, now_ns, actor)
                    fleet_requests.keep(db, actor, request_id, digest, made.SerializeToString(), now_ns)
                    return made

        return await self.do(context, once)


def done(kind: str, name: str, outcome: ResultT | Stale | Missing | Invalid) -> ResultT:
    """Return what a change came to; raises Refused where nothing was changed."""
    match outcome:
        case Stale(revision):
            raise changed_meanwhile(kind, name, str(revision))
        case Missing(what, which):
            raise not_found(what, which)
        case Invalid(field, why):
            raise bad_field(field, why)
        case _:
            return outcome


def revision_of(etag: str) -> int | None:
    """Return what an etag names, None for the empty one, which stands for whatever is there."""
    if not etag:
        return None
    if not (etag.isascii() and etag.isdigit() and len(etag) < 19):
        raise bad_field("etag", "write it as it was read, or leave it empty to change whatever is there")
    return int(etag)


def within(field: str, seconds: int, bounds: tuple[int, int]) -> None:
    """Raise Refused unless a time span, in seconds, is within the bounds."""
    if not bounds[0] <= seconds <= bounds[1]:
        raise bad_field(field, f"it must be from {bounds[0]} to {bounds[1]} seconds")


def moment_ns(field: str, moment: Timestamp) -> int:
    """Return a time that a caller wrote, in nanoseconds since 1970; raises Refused for what is none."""
    wall_ns = wall_ns_of(moment)
    if wall_ns is None:
        raise bad_field(field, NO_TIME)
    return wall_ns
