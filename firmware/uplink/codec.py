"""What is said on the stream, as protobuf, and the answers back as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from aidpost.v1 import batch_pb2, event_pb2, link_pb2
from firmware.event_message import COMMAND_KINDS, to_message
from firmware.records import CommandKind, Queued
from firmware.uplink.packing import pack
from firmware.uplink.state_message import Desired, from_message
from firmware.uplink.state_message import to_message as reported_to
from trust.state import ReportedState

SECOND_NS = 1_000_000_000
CONNECT = f"/{link_pb2.DESCRIPTOR.services_by_name['DeviceLinkService'].full_name}/Connect"
_ID_BYTES = 16
_COMMAND_KINDS = {message: kind for kind, message in COMMAND_KINDS.items()}


@dataclass(frozen=True, slots=True)
class Standing:
    """What the outbox says of itself when a stream begins; up to acked_seq nothing waits.

    generation: given for this stream alone; it rises with each, so that a copied card shows.
    """

    epoch: bytes
    site: str
    last_seq: int
    acked_seq: int
    generation: int


class Malformed(ValueError):
    """A message does not say what its kind must say."""


class Credit(msgspec.Struct, frozen=True):
    """How much may be under way without an acknowledgement."""

    events: int
    bytes: int


class Welcome(msgspec.Struct, frozen=True):
    """The aggregator holds everything up to acked_seq and takes at most max_batch_events at once.

    credit, server_ns: None where it named none. receipt_key: its public key (Ed25519), or empty.
    """

    acked_seq: int
    max_batch_events: int
    credit: Credit | None = None
    server_ns: int | None = None
    receipt_key: bytes = b""


class Ack(msgspec.Struct, frozen=True):
    """The aggregator holds everything up to seq, and signed that in receipt, or receipt is empty."""

    seq: int
    credit: Credit | None = None
    server_ns: int | None = None
    receipt: bytes = b""


class Command(msgspec.Struct, frozen=True):
    """What an operator asks for; kind is None for one that this version does not know.

    duration_s: how long what is asked for goes on, 0 for what has no duration.
    """

    command_id: bytes
    kind: CommandKind | None
    expires_ns: int
    duration_s: float = 0.0


Answer: TypeAlias = Welcome | Ack | Command | Desired


def hello(
    device_id: str, standing: Standing, software_version: str, instance: bytes
) -> link_pb2.ConnectRequest:
    """Return the first message of a stream; instance: of this process, 16 bytes."""
    return link_pb2.ConnectRequest(
        hello=link_pb2.Hello(
            device_id=device_id,
            epoch=standing.epoch,
            last_seq=standing.last_seq,
            software_version=software_version,
            site=standing.site,
            generation=standing.generation,
            instance=instance,
        )
    )


def batch(events: Sequence[Queued]) -> batch_pb2.EventBatch:
    """Return events in rising order of seq as one message."""
    return pack([to_message(queued.event) for queued in events], events[-1].link)


def request(batch: batch_pb2.EventBatch) -> link_pb2.ConnectRequest:
    """Return a batch as a message of the stream."""
    return link_pb2.ConnectRequest(batch=batch)


def reported(state: ReportedState) -> link_pb2.ConnectRequest:
    """Return what the appliance is as a message of the stream."""
    return link_pb2.ConnectRequest(reported=reported_to(state))


def answer(data: bytes) -> Answer | Malformed:
    """Return what the aggregator said; Malformed as a value, since grpc.aio swallows what is raised here."""
    try:
        response = link_pb2.ConnectResponse.FromString(data)
    except DecodeError:
        return Malformed("an answer cannot be read")
    match response.WhichOneof("message"):
        case "desired":
            return from_message(response.desired) or Malformed("a desired state has no generation")
        case "welcome":
            welcome = response.welcome
            return Welcome(
                acked_seq=welcome.acked_seq,
                max_batch_events=welcome.max_batch_events,
                credit=_credit(welcome.credit) if welcome.HasField("credit") else None,
                server_ns=_time_ns(welcome.server_time) if welcome.HasField("server_time") else None,
                receipt_key=welcome.receipt_key,
            )
        case "ack":
            ack = response.ack
            return Ack(
                seq=ack.seq,
                credit=_credit(ack.credit) if ack.HasField("credit") else None,
                server_ns=_time_ns(ack.server_time) if ack.HasField("server_time") else None,
                receipt=ack.receipt,
            )
        case "command":
            return _command(response.command)
        case _:
            return Malformed("an answer is of no kind that there is")


def _command(command: link_pb2.Command) -> Command | Malformed:
    if len(command.command_id) != _ID_BYTES:
        return Malformed("a command has no identifier of 16 bytes")
    duration_s = command.duration.seconds + command.duration.nanos / SECOND_NS
    return Command(
        command.command_id, _kind(command.kind), _time_ns(command.expires_at), max(0.0, duration_s)
    )


def _kind(kind: event_pb2.CommandKind.ValueType) -> CommandKind | None:
    return _COMMAND_KINDS.get(kind)


def _credit(credit: link_pb2.Credit) -> Credit:
    return Credit(credit.events, credit.bytes)


def _time_ns(time: Timestamp) -> int:
    return time.seconds * SECOND_NS + time.nanos
