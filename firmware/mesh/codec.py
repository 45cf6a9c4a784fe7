"""What the appliances of a site say to each other, as protobuf, and back as values; raises Malformed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from aidpost.v1 import event_pb2, site_pb2
from firmware.event_message import CLOCK_QUALITIES, MILLISECOND_NS, moment_to
from firmware.mesh.ledger import Answer, Claim, Collected, Collection, Free, Taken
from firmware.records import Moment
from trust.names import is_name

ID_BYTES = 16
MAX_HOLD_MS = 600_000
MAX_GIVEN = 256
_MAX_INT64 = 2**63 - 1
_QUALITIES = {message: quality for quality, message in CLOCK_QUALITIES.items()}


class Malformed(ValueError):
    """A message does not say what its kind must say; the text repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class ListId:
    """Which list both ends mean; digest: `firmware.mesh.owners.roster_digest`."""

    cycle: str
    digest: bytes


def claim_to(list_id: ListId, household: bytes, asked: Claim) -> site_pb2.ClaimRequest:
    """Return a claim as protobuf."""
    return site_pb2.ClaimRequest(
        list=_list_to(list_id),
        household=household,
        claim_id=asked.claim_id,
        hold_ms=asked.hold_ns // MILLISECOND_NS,
    )


def claim_from(request: site_pb2.ClaimRequest, device: str) -> tuple[bytes, Claim]:
    """Return what a device claims, and how."""
    if not 0 < request.hold_ms <= MAX_HOLD_MS:
        raise Malformed("hold_ms must be between 1 and 600,000")
    claim = Claim(_id(request.claim_id, "claim_id"), device, request.hold_ms * MILLISECOND_NS)
    return _id(request.household, "household"), claim


def answer_to(answer: Answer) -> site_pb2.ClaimResponse:
    """Return the answer to a claim as protobuf."""
    match answer:
        case Free():
            return site_pb2.ClaimResponse(granted=site_pb2.Granted())
        case Collected(collection):
            return site_pb2.ClaimResponse(
                collected=event_pb2.CollectedAt(
                    record_id=collection.record_id,
                    device_id=collection.device,
                    moment=moment_to(collection.moment),
                )
            )
        case Taken(device, left_ns):
            left_ms = -(-left_ns // MILLISECOND_NS)
            return site_pb2.ClaimResponse(
                claimed_elsewhere=site_pb2.ClaimedElsewhere(device_id=device, left_ms=left_ms)
            )
        case _:
            assert_never(answer)


def answer_from(response: site_pb2.ClaimResponse, household: bytes) -> Answer:
    """Return the answer to a claim on a household."""
    match response.WhichOneof("answer"):
        case "granted":
            return Free()
        case "collected":
            there = response.collected
            return Collected(
                Collection(
                    _id(there.record_id, "record_id"),
                    household,
                    _device(there.device_id),
                    _moment(there.moment),
                )
            )
        case "claimed_elsewhere":
            elsewhere = response.claimed_elsewhere
            return Taken(_device(elsewhere.device_id), min(elsewhere.left_ms, MAX_HOLD_MS) * MILLISECOND_NS)
        case _:
            raise Malformed("the answer to a claim is none that this version knows")


def release_to(list_id: ListId, household: bytes, claim_id: bytes) -> site_pb2.ReleaseRequest:
    """Return the end of a claim as protobuf."""
    return site_pb2.ReleaseRequest(list=_list_to(list_id), household=household, claim_id=claim_id)


def release_from(request: site_pb2.ReleaseRequest) -> tuple[bytes, bytes]:
    """Return household and claim."""
    return _id(request.household, "household"), _id(request.claim_id, "claim_id")


def given_to(list_id: ListId, collections: Sequence[Collection]) -> site_pb2.ReportGivenRequest:
    """Return collections at this device's desk as protobuf."""
    return site_pb2.ReportGivenRequest(
        list=_list_to(list_id),
        given=[
            site_pb2.GivenHousehold(
                household=each.household, record_id=each.record_id, moment=moment_to(each.moment)
            )
            for each in collections
        ],
    )


def given_from(request: site_pb2.ReportGivenRequest, device: str) -> list[Collection]:
    """Return what collected at a device's desk."""
    if len(request.given) > MAX_GIVEN:
        raise Malformed(f"more than {MAX_GIVEN} households at once")
    return [
        Collection(
            _id(each.record_id, "record_id"),
            _id(each.household, "household"),
            device,
            _moment(each.moment),
        )
        for each in request.given
    ]


def list_from(message: site_pb2.ListId) -> ListId:
    """Return which list is meant."""
    return ListId(message.cycle, message.roster_digest)


def _list_to(list_id: ListId) -> site_pb2.ListId:
    return site_pb2.ListId(cycle=list_id.cycle, roster_digest=list_id.digest)


def _moment(message: event_pb2.Moment) -> Moment:
    if message.clock_quality not in _QUALITIES:
        raise Malformed("clock_quality is not a value that this version knows")
    monotonic_ns, wall_ns = (ms * MILLISECOND_NS for ms in (message.monotonic_ms, message.wall_ms))
    if max(monotonic_ns, wall_ns) > _MAX_INT64:
        raise Malformed("a time is too large")
    return Moment(_id(message.boot_id, "boot_id"), monotonic_ns, wall_ns, _QUALITIES[message.clock_quality])


def _device(name: str) -> str:
    if not is_name(name):
        raise Malformed("device_id is no name of a device")
    return name


def _id(value: bytes, field: str) -> bytes:
    if len(value) != ID_BYTES:
        raise Malformed(f"{field} must be 16 bytes")
    return value
