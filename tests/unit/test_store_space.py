"""Where space is short telemetry goes first, then registration; results are never given up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.records import ClockQuality, Lane, TelemetryDropped
from firmware.store.space import DAY_NS, SpaceLimits
from firmware.store.store import Store
from tests.kit.store_values import (
    DEVICE,
    HOUR_NS,
    PURPOSE,
    SITE,
    check_in,
    fault,
    moment,
    reference,
    registration,
    store_key,
)

LIMITS = SpaceLimits(waiting_events=20, free_share=0.05, unapproved=3)


class Disk:
    free_share = 1.0


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def store(tmp_path: Path, disk: Disk) -> Iterator[Store]:
    with store_key() as key:
        store = Store.open(
            tmp_path / "store.db",
            key,
            device_id=DEVICE,
            purpose=PURPOSE,
            site=SITE,
            limits=LIMITS,
            free_share=lambda: disk.free_share,
        )
    yield store
    store.close()


def test_telemetry_goes_first_and_how_much_went_is_reported_once_there_is_space(store: Store) -> None:
    for number in range(1, 17):
        store.commit_check_in(moment(), check_in(number))
    assert store.commit_fault(moment(), fault()) is None
    assert store.commit_fault(moment(), fault()) is None
    assert store.space.registration_stopped(moment()) is None
    assert store.commit_check_in(moment(), check_in(17)) == 17
    store.outbox.acknowledge(17, moment())
    (queued,) = store.outbox.pending(0, 10)
    assert (queued.seq, queued.event.body) == (18, TelemetryDropped(2))
    assert store.outbox.lanes() == {Lane.TELEMETRY: 1}
    assert store.commit_fault(moment(), fault()) == 19


def test_registration_stops_when_nearly_full_and_results_never(store: Store) -> None:
    for number in range(1, 19):
        store.commit_check_in(moment(), check_in(number))
    stopped = store.space.registration_stopped(moment())
    assert stopped is not None
    assert "nearly full" in stopped
    for number in range(19, 40):
        assert store.commit_check_in(moment(), check_in(number)) == number
    assert store.outbox.lanes() == {Lane.RESULTS: 39}


def test_a_disk_that_fills_up_has_the_same_effect(store: Store, disk: Disk) -> None:
    disk.free_share = 0.09
    assert store.commit_fault(moment(), fault()) is None
    assert store.space.registration_stopped(moment()) is None
    disk.free_share = 0.04
    assert store.space.registration_stopped(moment()) is not None
    assert store.commit_check_in(moment(), check_in(1)) == 1
    disk.free_share = 0.5
    assert store.space.registration_stopped(moment()) is None


def test_registration_stops_after_five_days_without_a_sync_in_uptime(store: Store) -> None:
    store.space.note_uptime(moment(0))
    assert store.space.registration_stopped(moment(5 * 24 - 1)) is None
    assert "not synced for 5 days" in (store.space.registration_stopped(moment(5 * 24)) or "")
    store.space.note_uptime(moment(3 * 24))
    # Another boot: its uptime comes on top, whatever the unset wall clock says.
    assert store.space.registration_stopped(moment(2 * 24 - 1, boot=2, wall_hour=0)) is None
    assert store.space.registration_stopped(moment(2 * 24, boot=2, wall_hour=0)) is not None
    store.space.note_synced(moment(2 * 24, boot=2))
    assert store.space.registration_stopped(moment(2 * 24 + 1, boot=2)) is None


def test_time_without_power_counts_where_both_clocks_are_good(store: Store) -> None:
    good = ClockQuality.CHECKED
    store.space.note_uptime(moment(0, quality=good))
    later = moment(1, boot=2, quality=good, wall_hour=500_000 + 5 * DAY_NS / HOUR_NS)
    assert store.space.registration_stopped(later) is not None


def test_registration_stops_while_too_many_registrations_wait(store: Store) -> None:
    for number in range(1, 4):
        assert store.space.registration_stopped(moment()) is None
        store.commit_registration(moment(), registration(reference(number)), reference(number))
    assert "3 registrations wait" in (store.space.registration_stopped(moment()) or "")
    store.outbox.acknowledge(1, moment())
    assert store.space.registration_stopped(moment()) is None
