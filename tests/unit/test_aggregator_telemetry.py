"""Telemetry at the aggregator: the newest of each device, sums by hour, and what is erased when."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from aggregator.fleet.tallies import DAY_NS, HOUR_NS, happened_ns
from aggregator.records import ClockQuality, Moment
from aggregator.store import keeping, telemetry
from aggregator.store.database import open_writer
from aggregator.store.place import Place
from aggregator.store.port import Database
from aidpost.v1 import event_pb2
from firmware.records import Measured
from firmware.records import Outcome as DeviceOutcome
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.store_values import check_in
from tests.kit.telemetry_sender import Sender
from tests.kit.telemetry_values import BUSY
from tests.kit.work_values import service
from trust.service import Basis, Reason

DEVICE = "post-1"
NOW_HOUR = NOW_NS // HOUR_NS


@pytest.fixture
def db(store: Place) -> Iterator[Database]:
    with open_writer(store, None) as db:
        yield db


def test_the_newest_and_the_raw_ones_are_held_as_the_device_measured(db: Database) -> None:
    sender = Sender(db)
    sender.send(Measured(BUSY), check_in(1))
    (newest,) = telemetry.latest(db)
    assert (newest.device_id, newest.telemetry) == (DEVICE, BUSY)
    assert newest.at_ns == NOW_NS - 1_000_000_000, "it came a second before the last of its batch"
    sender.send(Measured(BUSY), now_ns=NOW_NS + HOUR_NS)
    points = telemetry.read(db, DEVICE, 0, 10)
    assert [at_ns for at_ns, _, _ in points] == [NOW_NS - 1_000_000_000, NOW_NS + HOUR_NS]
    assert telemetry.read(db, DEVICE, 0, 10, after=points[0][:2]) == points[1:]


def test_sums_by_hour_and_device_answer_what_the_service_page_asks(db: Database) -> None:
    for device in ("post-1", "post-2"):
        Sender(db, device).send(check_in(1), service(1), service(2, basis=Basis.BIOMETRIC), Measured(BUSY))
    whats = ["check-in/identify/suggestion", "claims", "wrongly refused", "cohort/60+/claims", "poor/camera"]
    sums = list(telemetry.sums(db, whats, NOW_HOUR - 1, NOW_HOUR + 1))
    assert sums == [
        (device, what, count)
        for what, count in zip(whats, (1, 2, 1, 2, 2), strict=True)
        for device in ("post-1", "post-2")
    ]
    assert "answer/distribution/ration given" in set(telemetry.known_sums(db))


@pytest.mark.parametrize(
    ("reason", "counted"),
    [
        (Reason.WORN_FINGERS, True),
        (Reason.FACE_NOT_TAKEN, True),
        (Reason.KNOWN_TO_STAFF, True),
        (Reason.DEVICE_FAULT, False),
        (Reason.COLLECTOR_ABSENT, False),
        (Reason.LIST_WRONG, False),
    ],
)
def test_only_whom_the_appliance_did_not_know_was_wrongly_refused(
    db: Database, reason: Reason, counted: bool
) -> None:
    Sender(db).send(replace(service(1), reason=reason))
    sums = {
        what: count for _, what, count in telemetry.sums(db, ["claims", "wrongly refused"], 0, NOW_HOUR + 1)
    }
    assert sums == {"claims": 1} | ({"wrongly refused": 1} if counted else {})


def test_who_met_no_device_was_turned_away_at_once_and_who_asked_for_a_person_was_not(db: Database) -> None:
    reasons = ("no device available", "asked for a person", "fault of the appliance")
    gone = [replace(check_in(1), outcome=DeviceOutcome.UNAVAILABLE, reason=reason) for reason in reasons]
    Sender(db).send(*gone, Measured(BUSY))
    assert list(telemetry.sums(db, ["turned to people"], NOW_HOUR - 1, NOW_HOUR + 1)) == [
        (DEVICE, "turned to people", 2)
    ]


def test_the_same_batch_twice_counts_once_even_after_its_telemetry_was_erased(db: Database) -> None:
    sender = Sender(db)
    sender.send(Measured(BUSY), check_in(1))
    messages = [
        event_pb2.Event.FromString(content)
        for (content,) in db.execute("SELECT content FROM events ORDER BY seq")
    ]
    keeping.forget_telemetry(db, NOW_NS + 2 * DAY_NS + 1, 100)
    assert db.execute("SELECT kind FROM events").fetchall() == [("check_in",)]
    kept = Sender(db).send_again(messages)
    assert (kept.stored, kept.repeated, kept.conflicts) == (0, 2, ())
    assert list(telemetry.sums(db, ["check-in/identify/suggestion"], 0, 2**40)) == [
        (DEVICE, "check-in/identify/suggestion", 1)
    ]
    later = sender.send(check_in(2))
    assert (later.acked_seq, later.new_breaks) == (3, ())


def test_raw_telemetry_goes_after_30_days_and_sums_after_2_years(db: Database) -> None:
    sender = Sender(db)
    sender.send(Measured(BUSY))
    telemetry.forget(db, NOW_NS + 29 * DAY_NS, [DEVICE])
    telemetry.forget_sums(db, NOW_NS + 700 * DAY_NS)
    assert telemetry.read(db, DEVICE, 0, 10)
    assert list(telemetry.known_sums(db))
    telemetry.forget(db, NOW_NS + 31 * DAY_NS, [DEVICE])
    telemetry.forget_sums(db, NOW_NS + 740 * DAY_NS)
    assert not telemetry.read(db, DEVICE, 0, 10)
    assert not list(telemetry.known_sums(db))
    assert list(telemetry.latest(db)), "how a device was last heard of is not forgotten"


def test_events_above_a_gap_are_not_erased(db: Database) -> None:
    Sender(db, sent=5).send(Measured(BUSY))
    assert keeping.forget_telemetry(db, NOW_NS + 2 * DAY_NS, 100) == 0


def test_a_good_clock_is_believed_within_bounds_and_uptime_otherwise() -> None:
    good, unset = ClockQuality.CHECKED, ClockQuality.UNSET
    newest = Moment(b"b" * 16, 500, 0, unset)
    assert happened_ns(Moment(b"b" * 16, 0, NOW_NS - DAY_NS, good), newest, NOW_NS) == NOW_NS - DAY_NS
    assert happened_ns(Moment(b"b" * 16, 0, NOW_NS + DAY_NS, good), newest, NOW_NS) == NOW_NS - 500
    a_minute_ahead = Moment(b"b" * 16, 0, NOW_NS + 60_000_000_000, good)
    assert happened_ns(a_minute_ahead, newest, NOW_NS) == NOW_NS, "and not in an hour that is to come"
    assert happened_ns(Moment(b"b" * 16, 100, 77, unset), newest, NOW_NS) == NOW_NS - 400
    assert happened_ns(Moment(b"a" * 16, 100, 77, unset), newest, NOW_NS) == NOW_NS
