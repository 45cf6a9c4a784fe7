"""What is counted by hour and device, so that pages and rules over the fleet need no events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from aggregator.records import (
    CheckIn,
    ClockQuality,
    CollectionConflict,
    Complaint,
    Event,
    Mode,
    Moment,
    Outcome,
    Service,
)
from trust.service import ASKED_FOR_HELP, Answer, Basis, Concern, Reason, Workflow
from trust.telemetry import Telemetry

HOUR_NS = 3600 * 1_000_000_000
DAY_NS = 24 * HOUR_NS
MILLISECOND_NS = 1_000_000
BELIEVED_PAST_NS = 60 * DAY_NS  # a device that waited longer for a link shows up where it was heard
BELIEVED_FUTURE_NS = 5 * 60 * 1_000_000_000

CHECK_INS = {
    (mode, outcome): f"check-in/{mode.value}/{outcome.value}" for mode in Mode for outcome in Outcome
}
"""Check-ins by mode and outcome. "retry" is failure to acquire: no usable sample in the tries allowed."""

ANSWERS = {
    (workflow, answer): f"answer/{workflow.value}/{answer.value}"
    for workflow in Workflow
    for answer in Answer
}
"""Services by workflow and what the person left with."""

BASES = {basis: f"basis/{basis.value}" for basis in Basis}
EXCEPTIONS = {reason: f"exception/{reason.value}" for reason in Reason}
COMPLAINTS = {concern: f"complaint/{concern.value}" for concern in Concern}
SERVICE_MS = {workflow: f"service-ms/{workflow.value}" for workflow in Workflow}
"""Sums of the times from greeting to answer, in ms: divide by the answers of the workflow."""

CLAIMS = "claims"
"""Services that rest on a check-in: people who showed a face or a finger."""
WRONGLY_REFUSED = "wrongly refused"
"""Of these, whom the appliance did not recognise and a supervisor let go on: estimates wrong refusals."""
TURNED_TO_PEOPLE = "turned to people"
"""Check-ins that ended since no device answered."""
COLLECTED_TWICE = "collected twice"

UNRECOGNISED = frozenset({Reason.WORN_FINGERS, Reason.FACE_NOT_TAKEN, Reason.KNOWN_TO_STAFF})
_TRUSTED = (ClockQuality.SYNCHRONISED, ClockQuality.CHECKED)


def cohort_claims(cohort: str) -> str:
    """Name `CLAIMS` of one cohort."""
    return f"cohort/{cohort}/{CLAIMS}"


def cohort_wrongly_refused(cohort: str) -> str:
    """Name `WRONGLY_REFUSED` of one cohort."""
    return f"cohort/{cohort}/{WRONGLY_REFUSED}"


def poor(part: str) -> str:
    """Name the presentations to a sensor that were too poor."""
    return f"poor/{part}"


def presented(part: str) -> str:
    """Name the presentations to a sensor that were assessed."""
    return f"presented/{part}"


def happened_ns(moment: Moment, newest: Moment, now_ns: int) -> int:
    """Return when something happened, by the aggregator's clock, as far as can be known.

    A good clock is believed within bounds; otherwise the time since is what the device's uptime says, up to
    `newest`, the last of its batch, which is taken to have happened now. now_ns: when the batch came.
    """
    if moment.quality in _TRUSTED and (
        now_ns - BELIEVED_PAST_NS <= moment.wall_ns <= now_ns + BELIEVED_FUTURE_NS
    ):
        return min(moment.wall_ns, now_ns)
    if moment.boot_id == newest.boot_id:
        return now_ns - min(max(0, newest.monotonic_ns - moment.monotonic_ns), BELIEVED_PAST_NS)
    return now_ns


def tally(events: Iterable[Event], newest: Moment, now_ns: int) -> Counter[tuple[str, int]]:
    """Return the sums of a batch, by what and hour; newest: of its last event."""
    sums: Counter[tuple[str, int]] = Counter()
    hour = begin_ns = end_ns = 0
    for event in events:
        body, moment = event.body, event.moment
        # Most events of a batch fall into one hour by a good clock: that takes a third of the time.
        if not (begin_ns <= moment.wall_ns < end_ns and moment.quality in _TRUSTED):
            hour = happened_ns(moment, newest, now_ns) // HOUR_NS
            begin_ns = max(hour * HOUR_NS, now_ns - BELIEVED_PAST_NS)
            end_ns = min((hour + 1) * HOUR_NS, now_ns)
        if isinstance(body, CheckIn):
            sums[CHECK_INS[body.mode, body.outcome], hour] += 1
            if body.outcome is Outcome.UNAVAILABLE and body.reason != ASKED_FOR_HELP:
                sums[TURNED_TO_PEOPLE, hour] += 1
        elif isinstance(body, Service | Complaint | CollectionConflict | Telemetry):
            for what, count in _counts(body):
                sums[what, hour] += count
    return sums


def _counts(body: Service | Complaint | CollectionConflict | Telemetry) -> Iterable[tuple[str, int]]:
    match body:
        case Service():
            yield from _of_service(body)
        case Complaint():
            yield COMPLAINTS[body.concern], 1
        case CollectionConflict():
            yield COLLECTED_TWICE, 1
        case Telemetry():
            for sensor in body.sensors:
                if sensor.samples:
                    yield presented(sensor.part), sensor.samples
                if sensor.poor:
                    yield poor(sensor.part), sensor.poor


def _of_service(body: Service) -> Iterable[tuple[str, int]]:
    yield ANSWERS[body.workflow, body.answer], 1
    yield SERVICE_MS[body.workflow], body.duration_ns // MILLISECOND_NS
    if body.basis is not None:
        yield BASES[body.basis], 1
    if body.basis is Basis.EXCEPTION and body.reason is not None:
        yield EXCEPTIONS[body.reason], 1
    if not body.check_ins:
        return
    refused = body.basis is Basis.EXCEPTION and body.reason in UNRECOGNISED
    yield CLAIMS, 1
    if refused:
        yield WRONGLY_REFUSED, 1
    if body.cohort:
        yield cohort_claims(body.cohort), 1
        if refused:
            yield cohort_wrongly_refused(body.cohort), 1
