"""How many bytes telemetry takes on the wire and at rest. Run as ``python -m tests.bench.telemetry_size``."""

from __future__ import annotations

import sys

import msgspec

from firmware.event_message import canonical, to_message
from firmware.records import Event, Measured
from firmware.uplink.packing import pack
from tests.kit.store_values import check_in, moment
from tests.kit.telemetry_values import BUSY, QUIET
from trust.telemetry import Telemetry

CHECK_INS = 20


def main() -> None:
    """Print one row for a quiet and one for a busy quarter of an hour."""
    for name, telemetry in (("quiet", QUIET), ("busy", BUSY)):
        event, alone, beside, at_rest = sizes(telemetry)
        sys.stdout.write(
            f"{name}: {event} bytes as protobuf, {alone} alone in a batch, {beside} beside {CHECK_INS} "
            f"check-ins, {at_rest} at rest\n"
        )


def sizes(telemetry: Telemetry) -> tuple[int, int, int, int]:
    """Return bytes as protobuf, of a batch of it alone, added to a batch of check-ins, and as stored."""
    event = Event(40_000, moment(200.0), Measured(telemetry))
    before = [
        to_message(Event(40_000 - CHECK_INS + number, moment(199.5 + number / 60), check_in(number)))
        for number in range(CHECK_INS)
    ]
    head = bytes(32)
    beside = pack([*before, to_message(event)], head).ByteSize() - pack(before, head).ByteSize()
    alone = pack([to_message(event)], head).ByteSize()
    return len(canonical(event)), alone, beside, len(msgspec.json.encode(telemetry))


if __name__ == "__main__":
    main()
