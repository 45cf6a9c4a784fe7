"""What is desired of the fleet, its sites, groups and devices."""

from __future__ import annotations

from aggregator import fleet_codec
from aggregator.fleet.terms import Invalid, Scope
from aggregator.link.desks import Desks
from aggregator.link.fleet.calls import Context, FleetCalls, done, revision_of
from aggregator.link.refusing import bad_field
from aggregator.store import fleet_desires
from aggregator.store.port import Database
from aidpost.v1 import fleet_pb2_grpc, inventory_pb2


class Desiring(fleet_pb2_grpc.FleetServiceServicer):
    """Keeps what is desired, and tells the devices whose desired state is another now."""

    _calls: FleetCalls
    _desks: Desks

    async def GetDesire(  # noqa: N802
        self, request: inventory_pb2.GetDesireRequest, context: Context
    ) -> inventory_pb2.GetDesireResponse:
        """Show what is desired in a scope."""
        scope = _scope(request.scope)
        found = await self._calls.read(lambda db: fleet_desires.read(db, scope))
        return inventory_pb2.GetDesireResponse(
            desire=fleet_codec.desire(done("desire of", str(scope), found))
        )

    async def UpdateDesire(  # noqa: N802
        self, request: inventory_pb2.UpdateDesireRequest, context: Context
    ) -> inventory_pb2.UpdateDesireResponse:
        """Change what is desired in a scope, or say whom that would change."""
        scope, revision = _scope(request.desire.scope), revision_of(request.desire.etag)
        what = fleet_codec.desire_change(request.desire, list(request.update_mask.paths))
        if isinstance(what, Invalid):
            raise bad_field(what.field, what.why)
        changed: set[str] = set()

        def change(db: Database, now_ns: int, actor: str) -> inventory_pb2.UpdateDesireResponse:
            outcome = fleet_desires.change(
                db,
                scope,
                what,
                revision=revision,
                now_ns=now_ns,
                actor=actor,
                validate_only=request.validate_only,
            )
            made = done("desire of", str(scope), outcome)
            changed.update(made.recomputed.changed)
            return inventory_pb2.UpdateDesireResponse(
                desire=fleet_codec.desire(made.desire),
                changed_devices=len(made.recomputed.changed),
                remarks=(
                    *made.recomputed.remarks,
                    *fleet_desires.unknown_settings(db, made, what),
                    *fleet_desires.held_by_devices(db, scope, what),
                ),
            )

        answer = await self._calls.change(context, request, inventory_pb2.UpdateDesireResponse, change)
        self._desks.desired.look(*changed)
        return answer


def _scope(message: inventory_pb2.Scope) -> Scope:
    scope = fleet_codec.parse_scope(message)
    if isinstance(scope, Invalid):
        raise bad_field(scope.field, scope.why)
    return scope
