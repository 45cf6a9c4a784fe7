"""What each subject of the client builds on."""

from __future__ import annotations

from datetime import datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from aidpost.client.sending import Sending
from aidpost.v1 import fleet_pb2_grpc


class Subject:
    """The service, and how its calls are made."""

    def __init__(self, service: fleet_pb2_grpc.FleetServiceStub, sending: Sending) -> None:
        self._service = service
        self._sending = sending


def duration(span: timedelta) -> Duration:
    """Return a span as protobuf has it, in whole seconds."""
    return Duration(seconds=int(span.total_seconds()))


def timestamp(moment: datetime) -> Timestamp:
    """Return a time as protobuf has it; raises ValueError for one without a time zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone: give one, as datetime.now(UTC) does")
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
