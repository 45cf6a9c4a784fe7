"""A device whose batches go straight into the aggregator's store."""

from __future__ import annotations

from aggregator.codec import parse_batch
from aggregator.records import Hello
from aggregator.store import ingest
from aggregator.store.ingest import Admitted, Kept
from aggregator.store.port import Database
from aidpost.v1 import event_pb2
from firmware.event_message import to_message
from firmware.records import ClockQuality, Event, EventBody, Moment
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.link_device import EPOCH, SITE, Chained


class Sender:
    """One device that sends what it is given, numbered and chained, one second apart, now."""

    def __init__(self, db: Database, device_id: str = "post-1", *, sent: int = 0) -> None:
        self._db = db
        self._chained = Chained(device_id, EPOCH)
        self._seq = sent
        hello = Hello(device_id, EPOCH, 10_000, "0.1.0", SITE, 1, bytes(16))
        admitted = ingest.admit(db, hello, NOW_NS)
        assert isinstance(admitted, Admitted)
        self._admitted = admitted

    def send(self, *bodies: EventBody, now_ns: int = NOW_NS) -> Kept:
        messages = []
        for body in bodies:
            self._seq += 1
            moment = Moment(b"b" * 16, self._seq * 1_000_000_000, 0, ClockQuality.UNSET)
            messages.append(to_message(Event(self._seq, moment, body)))
        return self.send_again(messages, now_ns)

    def send_again(self, messages: list[event_pb2.Event], now_ns: int = NOW_NS) -> Kept:
        batch = parse_batch(self._chained.pack(messages), max_events=500)
        return ingest.keep(self._db, self._admitted, batch, now_ns)
