"""The audit log of administration."""

from __future__ import annotations

from aggregator.codec import timestamp
from aggregator.link.fleet.calls import Context, FleetCalls
from aggregator.store import administration
from aidpost.v1 import fleet_pb2, fleet_pb2_grpc

MAX_AUDIT_ENTRIES = 1000


class Auditing(fleet_pb2_grpc.FleetServiceServicer):
    """Shows who did what."""

    _calls: FleetCalls

    async def ListAudit(  # noqa: N802
        self, request: fleet_pb2.ListAuditRequest, context: Context
    ) -> fleet_pb2.ListAuditResponse:
        """Return entries of the audit log."""
        limit = min(request.limit or MAX_AUDIT_ENTRIES, MAX_AUDIT_ENTRIES)
        first = min(request.from_number, 2**63 - 1)
        found = await self._calls.do(
            context, lambda db, _now_ns, _actor: administration.read(db, first, limit)
        )
        return fleet_pb2.ListAuditResponse(
            entries=[
                fleet_pb2.AuditEntry(
                    number=each.number,
                    at=timestamp(each.at_ns),
                    actor=each.actor,
                    act=each.act,
                    subject=each.subject,
                    chain=each.chain,
                )
                for each in found
            ]
        )
