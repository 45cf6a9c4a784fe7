"""Rollouts: planned, made, looked at, and held or ended by people."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

import grpc
from google.rpc.error_details_pb2 import ResourceInfo

from aggregator import rollout_codec
from aggregator.fleet.planner import Plan
from aggregator.fleet.rings import named
from aggregator.fleet.rollout import Rollout
from aggregator.fleet.rollout_engine import NotAllowed, cancel, pause, resume
from aggregator.fleet.terms import Invalid, Missing
from aggregator.link.fleet.calls import Context, FleetCalls, done, revision_of
from aggregator.link.paging import after, page_size, token
from aggregator.link.presence import Presence
from aggregator.link.refusing import Refused, bad_field, not_now
from aggregator.link.rolling import RolloutRunner
from aggregator.malformed import Malformed
from aggregator.store import fleet_rollout_making, fleet_rollouts
from aggregator.store.fleet_rollout_making import Wish
from aggregator.store.fleet_rollouts import Held, NameTaken, Overlap
from aggregator.store.port import Database
from aidpost.v1 import fleet_pb2_grpc, rollout_pb2

_LIST = "rollouts"
_Decision: TypeAlias = (
    rollout_pb2.PauseRolloutRequest | rollout_pb2.ResumeRolloutRequest | rollout_pb2.CancelRolloutRequest
)
_DecidedT = TypeVar(
    "_DecidedT",
    rollout_pb2.PauseRolloutResponse,
    rollout_pb2.ResumeRolloutResponse,
    rollout_pb2.CancelRolloutResponse,
)


class RollingOut(fleet_pb2_grpc.FleetServiceServicer):
    """Writes down what people decide about rollouts; the runner does the rest."""

    _calls: FleetCalls
    _presence: Presence
    _rollouts: RolloutRunner

    async def PlanRollout(  # noqa: N802
        self, request: rollout_pb2.PlanRolloutRequest, context: Context
    ) -> rollout_pb2.PlanRolloutResponse:
        """Draw the rings, and say what they would take; keeps nothing."""
        wish, connected = _parsed(request.rollout), self._presence.connected()
        now_ns, actor = self._calls.wall_ns(), str(self._calls.callers.of(context))

        def work(db: Database) -> Plan | Invalid:
            made = fleet_rollout_making.make(db, wish, now_ns, connected, actor)
            if isinstance(made, Invalid):
                return made
            return fleet_rollout_making.plan(db, made, now_ns, connected)

        # Beside the pages' view: a plan over 10,000 devices takes a while.
        planned = await self._rollouts.view.read(work)
        return rollout_codec.pack_plan(done("rollout", wish.name, planned))

    async def CreateRollout(  # noqa: N802
        self, request: rollout_pb2.CreateRolloutRequest, context: Context
    ) -> rollout_pb2.CreateRolloutResponse:
        """Keep it with its rings drawn; the next turn tells the first of them."""
        wish, connected = _parsed(request.rollout), self._presence.connected()

        def work(db: Database, now_ns: int, actor: str) -> rollout_pb2.CreateRolloutResponse:
            made = done("rollout", wish.name, fleet_rollout_making.make(db, wish, now_ns, connected, actor))
            match fleet_rollouts.create(db, made, now_ns, actor):
                case Held() as held:
                    return rollout_pb2.CreateRolloutResponse(rollout=rollout_codec.pack(held))
                case NameTaken(name):
                    raise _name_taken(name)
                case Overlap() as overlap:
                    raise _overlapping(overlap)

        answer = await self._calls.change(context, request, rollout_pb2.CreateRolloutResponse, work)
        self._rollouts.look()
        return answer

    async def GetRollout(  # noqa: N802
        self, request: rollout_pb2.GetRolloutRequest, context: Context
    ) -> rollout_pb2.GetRolloutResponse:
        """Return a rollout and how far it has come."""
        held = await self._calls.read(lambda db: fleet_rollouts.find(db, request.name))
        found = done("rollout", request.name, held or Missing("rollout", request.name))
        return rollout_pb2.GetRolloutResponse(rollout=rollout_codec.pack(found))

    async def ListRollouts(  # noqa: N802
        self, request: rollout_pb2.ListRolloutsRequest, context: Context
    ) -> rollout_pb2.ListRolloutsResponse:
        """Return rollouts, the newest first."""
        size, before = page_size(request.page_size), _place(after(request.page_token, _LIST))
        found = await self._calls.read(lambda db: fleet_rollouts.read(db, before, size + 1))
        more = len(found) > size
        last = found[size - 1].rollout if more else None
        return rollout_pb2.ListRolloutsResponse(
            rollouts=map(rollout_codec.pack, found[:size]),
            next_page_token="" if last is None else token(f"{last.created_ns} {last.name}", _LIST),
        )

    async def PauseRollout(  # noqa: N802
        self, request: rollout_pb2.PauseRolloutRequest, context: Context
    ) -> rollout_pb2.PauseRolloutResponse:
        """Tell nobody new until somebody resumes it."""
        return await self._move(
            context, request, rollout_pb2.PauseRolloutResponse, lambda old, actor, _now_ns: pause(old, actor)
        )

    async def ResumeRollout(  # noqa: N802
        self, request: rollout_pb2.ResumeRolloutRequest, context: Context
    ) -> rollout_pb2.ResumeRolloutResponse:
        """Go on; after a stop, what was seen so far counts no more."""
        return await self._move(
            context,
            request,
            rollout_pb2.ResumeRolloutResponse,
            lambda old, actor, _now_ns: resume(old, actor),
        )

    async def CancelRollout(  # noqa: N802
        self, request: rollout_pb2.CancelRolloutRequest, context: Context
    ) -> rollout_pb2.CancelRolloutResponse:
        """End it, and take back what changed if asked to."""
        take_back = request.take_back
        return await self._move(
            context,
            request,
            rollout_pb2.CancelRolloutResponse,
            lambda old, actor, now_ns: cancel(old, actor, now_ns, take_back=take_back),
        )

    async def _move(
        self,
        context: Context,
        request: _Decision,
        answer: type[_DecidedT],
        how: Callable[[Rollout, str, int], Rollout | NotAllowed],
    ) -> _DecidedT:
        """Do what a person decided."""
        name, revision = request.name, revision_of(request.etag)

        def work(db: Database, now_ns: int, actor: str) -> _DecidedT:
            moved = fleet_rollout_making.move(
                db, name, lambda old: how(old, actor, now_ns), revision=revision, now_ns=now_ns, actor=actor
            )
            if isinstance(moved, NotAllowed):
                raise not_now("ROLLOUT_STATE", name, moved.why)
            return answer(rollout=rollout_codec.pack(done("rollout", name, moved)))

        moved = await self._calls.change(context, request, answer, work)
        self._rollouts.look()
        return moved


def _parsed(message: rollout_pb2.Rollout) -> Wish:
    try:
        return rollout_codec.parse(message)
    except Malformed as malformed:
        raise bad_field("rollout", str(malformed)) from malformed


def _place(item: str) -> tuple[int, str] | None:
    if not item:
        return None
    created_ns, _, name = item.partition(" ")
    return int(created_ns), name


def _name_taken(name: str) -> Refused:
    why = f"there is a rollout of the name {name} already, maybe a finished one: choose another name"
    return Refused(
        grpc.StatusCode.ALREADY_EXISTS, why, ResourceInfo(resource_type="rollout", resource_name=name)
    )


def _overlapping(overlap: Overlap) -> Refused:
    why = (
        f"rollout {overlap.other} changes {overlap.field} of {len(overlap.devices)} of these devices too "
        f"({named(overlap.devices)}) and is not finished: let it end or cancel it, or leave these devices out"
    )
    return not_now("ROLLOUT_OVERLAP", overlap.other, why)
