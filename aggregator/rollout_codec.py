"""Rollouts at the wire's edge: protobuf to values and back."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from aggregator import state_codec
from aggregator.codec import SECOND_NS
from aggregator.fleet.canary import Shift, Verdict
from aggregator.fleet.differences import Difference, Part
from aggregator.fleet.planner import Plan
from aggregator.fleet.rollout import WHOLE_RING, Change, Ring, RingCount, RolloutState, Thresholds, Watch
from aggregator.malformed import Malformed
from aggregator.store.fleet_rollout_making import Wish
from aggregator.store.fleet_rollouts import Held
from aidpost.v1 import rollout_pb2

_STATES = {
    RolloutState.RUNNING: rollout_pb2.ROLLOUT_STATE_RUNNING,
    RolloutState.PAUSED: rollout_pb2.ROLLOUT_STATE_PAUSED,
    RolloutState.STOPPED: rollout_pb2.ROLLOUT_STATE_STOPPED,
    RolloutState.DONE: rollout_pb2.ROLLOUT_STATE_DONE,
    RolloutState.CANCELLED: rollout_pb2.ROLLOUT_STATE_CANCELLED,
}
_VERDICTS = {
    Verdict.TOO_FEW: rollout_pb2.SHIFT_VERDICT_TOO_FEW,
    Verdict.NOT_COMPARED: rollout_pb2.SHIFT_VERDICT_NOT_COMPARED,
    Verdict.NOT_WORSE: rollout_pb2.SHIFT_VERDICT_NOT_WORSE,
    Verdict.WORSE: rollout_pb2.SHIFT_VERDICT_WORSE,
}


def parse(message: rollout_pb2.Rollout) -> Wish:
    """Return what somebody wants; raises Malformed. What can be meant is checked where it is made."""
    artifacts = tuple(map(state_codec.parse_artifact, message.artifacts))
    if len({artifact.kind for artifact in artifacts}) < len(artifacts):
        raise Malformed("rollout.artifacts holds a kind twice: a rollout brings one file of each")
    settings = {each.name: each.value for each in message.settings}
    if len(settings) < len(message.settings):
        raise Malformed("rollout.settings holds a name twice: write each once")
    terms = message.thresholds
    return Wish(
        message.name,
        message.title,
        Change(settings, artifacts),
        message.filter,
        tuple(Ring(each.name, each.filter, each.percent, each.soak.seconds) for each in message.rings),
        Thresholds(
            terms.min_devices or WHOLE_RING,
            terms.success_percent,
            terms.error_percent,
            terms.min_check_ins,
            terms.failure_to_acquire_points,
            terms.no_match_points,
        )
        if message.HasField("thresholds")
        else Thresholds(),
    )


def pack(held: Held) -> rollout_pb2.Rollout:
    """Return a rollout with how far it has come."""
    rollout = held.rollout
    return rollout_pb2.Rollout(
        name=rollout.name,
        etag=str(held.revision),
        title=rollout.title,
        settings=state_codec.settings(rollout.change.settings),
        artifacts=map(state_codec.artifact, rollout.change.artifacts),
        filter=rollout.filter,
        rings=[
            rollout_pb2.Ring(
                name=each.name, filter=each.filter, percent=each.percent, soak=Duration(seconds=each.soak_s)
            )
            for each in rollout.rings
        ],
        thresholds=rollout_pb2.Thresholds(
            **{name: getattr(rollout.thresholds, name) for name in Thresholds.__struct_fields__}
        ),
        state=_STATES[rollout.state],
        reason=rollout.reason,
        ring=rollout.ring,
        progress=[_progress(*each) for each in zip(held.counts, rollout.watches, strict=True)],
        created_at=_timestamp(rollout.created_ns),
        created_by=rollout.created_by,
        finished_at=None if rollout.finished_ns is None else _timestamp(rollout.finished_ns),
    )


def pack_plan(plan: Plan) -> rollout_pb2.PlanRolloutResponse:
    """Return a plan."""
    return rollout_pb2.PlanRolloutResponse(
        rings=[
            rollout_pb2.PlannedRing(
                name=ring.name,
                devices=ring.devices,
                sites=ring.sites,
                bytes=ring.size_bytes,
                ends_at=_moment(ring.ends),
            )
            for ring in plan.rings
        ],
        bytes=plan.size_bytes,
        cost_milli=plan.cost_milli,
        ends_at=_moment(plan.ends),
        remarks=plan.remarks,
    )


def _progress(count: RingCount, watch: Watch) -> rollout_pb2.RingProgress:
    return rollout_pb2.RingProgress(
        **{name: getattr(count, name) for name in RingCount.__struct_fields__},
        shifts=map(_shift, watch.shifts),
        began_at=None if watch.began_ns is None else _timestamp(watch.began_ns),
        ended_at=None if watch.ended_ns is None else _timestamp(watch.ended_ns),
    )


def _shift(shift: Shift) -> rollout_pb2.OutcomeShift:
    """Return a shift; wherever there was nothing to divide by, the interval says that it can be anything."""
    risen, excess = shift.risen or Difference(0, -1, 1), shift.excess
    message = rollout_pb2.OutcomeShift(
        rate=shift.rate.value,
        low=risen.low * 100,
        high=risen.high * 100,
        verdict=_VERDICTS[shift.verdict],
    )
    for prefix, part in _parts(shift):
        setattr(message, f"{prefix}_count", round(part.count))
        setattr(message, f"{prefix}_of", round(part.of))
    if excess is not None:
        message.excess = excess.value * 100
        message.excess_low, message.excess_high = excess.low * 100, excess.high * 100
    return message


def _parts(shift: Shift) -> tuple[tuple[str, Part], ...]:
    return (
        ("before", shift.changed.before),
        ("after", shift.changed.after),
        ("unchanged_before", shift.unchanged.before),
        ("unchanged_after", shift.unchanged.after),
    )


def _timestamp(wall_ns: int) -> Timestamp:
    return Timestamp(seconds=wall_ns // SECOND_NS, nanos=wall_ns % SECOND_NS)


def _moment(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    message = Timestamp()
    message.FromDatetime(at)
    return message
