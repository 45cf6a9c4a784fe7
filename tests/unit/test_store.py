"""The store keeps what it committed, in order, and refuses what it must."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlcipher3.dbapi2 import IntegrityError
from sqlite_utils import Database

from firmware.event_message import canonical
from firmware.records import ClockQuality
from firmware.store import entries as stored_entries
from firmware.store.audit import AuditBroken
from firmware.store.errors import (
    NeverGiven,
    OtherDevice,
    PurposeRefused,
    StoreError,
)
from firmware.store.reference import Reference
from firmware.store.store import Store
from firmware.store.thread import StoreThread
from inference import template_codec
from tests.kit.decrypted_pages import decrypted_pages
from tests.kit.store_values import (
    DEVICE,
    KEY,
    check_in,
    fault,
    moment,
    open_store,
    opened_behind_its_back,
    reference,
    registration,
)
from trust.chain import first_link, next_link
from trust.consent import Consent, Purpose


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


def test_each_commit_gets_the_next_number_and_waits_in_order(store: Store) -> None:
    entry = reference(1)
    assert store.commit_check_in(moment(), check_in(1)) == 1
    assert store.commit_registration(moment(), registration(entry), entry) == 2
    assert store.commit_fault(moment(), fault()) == 3
    first, second, third = store.outbox.pending(0, 10)
    assert (first.seq, second.seq, third.seq) == (1, 2, 3)
    bodies = (first.event.body, second.event.body, third.event.body)
    assert bodies == (check_in(1), registration(entry), fault())
    assert first.event.moment == moment()
    assert [event.seq for event in store.outbox.pending(1, 1)] == [2]


def test_each_event_is_chained_to_the_one_before(store: Store) -> None:
    link = first_link(DEVICE, store.epoch)
    for number in range(1, 4):
        store.commit_check_in(moment(), check_in(number))
    for queued in store.outbox.pending(0, 10):
        link = next_link(link, canonical(queued.event))
        assert queued.link == link


def test_a_store_serves_one_device_for_ever(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with pytest.raises(OtherDevice, match="belongs to the device 'post-1'"):
        open_store(tmp_path, device_id="post-2")
    open_store(tmp_path).close()


def test_numbers_are_never_given_twice_even_when_the_rows_are_gone(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    epoch = store.epoch
    for number in range(1, 4):
        store.commit_check_in(moment(), check_in(number))
    assert store.outbox.acknowledge(3, moment()) == 3
    assert store.outbox.purge_acknowledged(moment(25)) == 3
    store.close()
    store = open_store(tmp_path)
    assert store.epoch == epoch
    assert store.commit_check_in(moment(), check_in(4)) == 4
    store.close()


def test_an_acknowledgement_is_cumulative_and_only_goes_forward(store: Store) -> None:
    for number in range(1, 6):
        store.commit_check_in(moment(), check_in(number))
    assert store.outbox.acknowledge(3, moment()) == 3
    assert store.outbox.acknowledge(2, moment()) == 0
    assert [event.seq for event in store.outbox.pending(0, 10)] == [4, 5]
    with pytest.raises(NeverGiven):
        store.outbox.acknowledge(6, moment())
    counts = store.counts()
    assert (counts.written, counts.waiting, counts.acknowledged) == (5, 2, 3)


def test_kept_records_can_be_queued_again(store: Store) -> None:
    for number in range(1, 5):
        store.commit_check_in(moment(), check_in(number))
    store.outbox.acknowledge(4, moment())
    assert store.outbox.requeue(2) == 2
    assert [event.seq for event in store.outbox.pending(0, 10)] == [3, 4]


def test_a_sent_record_stays_for_a_day_at_most(store: Store) -> None:
    for number in range(1, 4):
        store.commit_check_in(moment(), check_in(number))
    store.outbox.acknowledge(1, moment(1))
    store.outbox.acknowledge(2, moment(5))
    assert store.outbox.purge_acknowledged(moment(24.5)) == 0
    assert store.outbox.purge_acknowledged(moment(25.5)) == 1
    assert store.outbox.purge_acknowledged(moment(100)) == 1
    assert store.counts().waiting == 1, "what was not acknowledged stays"


@pytest.mark.parametrize(
    ("quality", "wall_hour", "purged"),
    [
        (ClockQuality.SYNCHRONISED, 500_023, 0),
        (ClockQuality.SYNCHRONISED, 500_024, 1),
        (ClockQuality.SYNCHRONISED, 499_999, 1),  # the clock went back: the age is not known
        (ClockQuality.UNSET, 500_001, 1),
    ],
)
def test_after_a_restart_only_a_set_clock_keeps_a_sent_record(
    store: Store, quality: ClockQuality, wall_hour: float, purged: int
) -> None:
    store.commit_check_in(moment(), check_in(1))
    store.outbox.acknowledge(1, moment(quality=ClockQuality.SYNCHRONISED))
    assert store.outbox.purge_acknowledged(moment(boot=2, quality=quality, wall_hour=wall_hour)) == purged


def test_references_come_back_as_they_were(store: Store) -> None:
    entries = [reference(1), reference(2), reference(3, subject="card-1")]
    for entry in entries:
        store.gallery.add(moment(), entry)
    purpose = Purpose.CLINIC_CHECK_IN
    assert [back.entry_id for back in store.gallery.references(purpose)] == [
        entry.entry_id for entry in entries
    ]
    back = store.gallery.reference(purpose, entries[1].entry_id)
    assert back is not None
    assert (back.subject, back.purpose, back.site) == ("card-2", purpose, "site-1")
    assert list(map(template_codec.encode, back.templates)) == list(
        map(template_codec.encode, entries[1].templates)
    )
    assert [entry.entry_id for entry in store.gallery.find_subject(purpose, "card-1")] == [
        entries[0].entry_id,
        entries[2].entry_id,
    ]
    on_keypad = [entry.entry_id for entry in store.gallery.find_subject(purpose, "CARD-1")]
    assert on_keypad == [entry.entry_id for entry in store.gallery.find_subject(purpose, "card-1")]
    assert store.gallery.entry_ids(purpose, ["CARD-1"]) == store.gallery.entry_ids(purpose, ["card-1"]) != []
    assert store.gallery.find_subject(purpose, "card-9") == []
    assert store.gallery.remove(moment(), entries[1].entry_id)
    assert not store.gallery.remove(moment(), entries[1].entry_id)
    assert store.gallery.reference(purpose, entries[1].entry_id) is None
    assert store.counts().references == 2


def test_numbers_are_looked_for_in_their_index_and_no_row_is_read_for_it(
    store: Store, tmp_path: Path
) -> None:
    """An erasure asks whether anything of the number is left: over 10,000 rows that took 75 ms each."""
    store.gallery.add(moment(), reference(1))
    with opened_behind_its_back(tmp_path) as connection:
        asked: list[str] = []
        database = Database(connection, execute_plugins=False)
        connection.set_trace_callback(asked.append)
        assert len(stored_entries.ids_of(database, ["CARD-1", "card-9"])) == 1
        connection.set_trace_callback(None)
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {asked[0]}")]
    assert [step for step in plan if step.startswith("SCAN gallery")] == [
        "SCAN gallery USING COVERING INDEX gallery_by_subject"
    ]


def test_another_purpose_is_refused_for_queries_insertion_and_opening(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    other = reference(2, purpose=Purpose.DISTRIBUTION)
    for act in (
        lambda: store.gallery.references(Purpose.DISTRIBUTION),
        lambda: store.gallery.reference(Purpose.DISTRIBUTION, bytes(16)),
        lambda: store.gallery.find_subject(Purpose.DISTRIBUTION, "card-1"),
        lambda: store.gallery.add(moment(), other),
        lambda: store.commit_registration(moment(), registration(other), other),
    ):
        with pytest.raises(PurposeRefused, match="clinic check-in"):
            act()
    assert store.counts().written == store.counts().references == 0
    store.close()
    with pytest.raises(PurposeRefused, match="clinic check-in"):
        open_store(tmp_path, purpose=Purpose.DISTRIBUTION)


def test_a_registration_and_its_entry_are_one_transaction(store: Store) -> None:
    entry = reference(1)
    store.gallery.add(moment(), entry)
    with pytest.raises(StoreError, match="id already"):
        store.commit_registration(moment(), registration(entry), entry)
    assert store.counts().written == 0
    broken = reference(2)
    broken.templates[0].wipe()
    with pytest.raises(ValueError, match="length 1"):
        store.commit_registration(moment(), registration(broken), broken)
    assert (store.counts().written, store.counts().references) == (0, 1)
    assert store.commit_check_in(moment(), check_in(1)) == 1


def test_no_template_is_stored_without_consent(store: Store) -> None:
    entry = reference(1)
    with pytest.raises(ValueError, match="consent"):
        store.commit_registration(moment(), registration(entry, Consent.DECLINED), entry)
    with pytest.raises(ValueError, match="another gallery entry"):
        store.commit_registration(moment(), registration(entry), reference(2))
    assert store.commit_registration(moment(), registration(None, Consent.DECLINED), None) == 1


def part_of_template(store: Store, entry: Reference) -> bytes:
    """As it is stored, sealed."""
    rows = store._db.execute(
        """SELECT template FROM protected_templates JOIN gallery ON entry = gallery.number
           WHERE entry_id = ?""",
        (entry.entry_id,),
    )
    return bytes(rows.fetchall()[0][0][100:164])


def is_in_a_file(folder: Path, needle: bytes) -> bool:
    """Whether somebody with the key finds it, in any page that is there, free or not."""
    return any(needle in page for page in decrypted_pages(folder / "store.db", KEY))


def test_an_erased_template_is_in_no_file(tmp_path: Path, store: Store) -> None:
    entry = reference(1)
    store.commit_registration(moment(), registration(entry), entry)
    part = part_of_template(store, entry)
    assert is_in_a_file(tmp_path, part)
    store.gallery.remove(moment(), entry.entry_id)
    assert not is_in_a_file(tmp_path, part)
    assert not is_in_a_file(tmp_path, b"card-1")


def test_what_was_erased_while_another_program_read_is_in_no_file_after_the_next_purge(
    tmp_path: Path, store: Store
) -> None:
    entry = reference(1)
    store.commit_registration(moment(), registration(entry), entry)
    store.outbox.purge_acknowledged(moment())
    part = part_of_template(store, entry)
    with opened_behind_its_back(tmp_path) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM gallery").fetchone()
        assert store.gallery.remove(moment(), entry.entry_id)
        assert store.gallery.references(Purpose.CLINIC_CHECK_IN) == []
        assert is_in_a_file(tmp_path, part)
    store.outbox.purge_acknowledged(moment())
    assert not is_in_a_file(tmp_path, part)


def test_the_audit_log_counts_every_act_and_survives_the_purge(store: Store) -> None:
    entry = reference(1)
    store.commit_registration(moment(), registration(entry), entry)
    store.commit_check_in(moment(), check_in(1))
    store.gallery.add(moment(), reference(2))
    store.gallery.remove(moment(), entry.entry_id)
    assert store.verify_audit() == 4
    store.outbox.acknowledge(2, moment())
    store.outbox.purge_acknowledged(moment(25))
    assert store.verify_audit() == 4


@pytest.mark.parametrize(
    ("change", "number", "reason"),
    [
        ("UPDATE audit SET entry = CAST(entry || 'x' AS BLOB) WHERE number = 2", 2, "not the one"),
        ("DELETE FROM audit WHERE number = 2", 2, "missing"),
        ("DELETE FROM audit WHERE number = 3", 3, "missing"),
        ("UPDATE records SET event = CAST(event || 'x' AS BLOB) WHERE seq = 3", 3, "was changed"),
    ],
)
def test_a_changed_audit_log_is_found(tmp_path: Path, change: str, number: int, reason: str) -> None:
    store = open_store(tmp_path)
    for seq in range(1, 4):
        store.commit_check_in(moment(), check_in(seq))
    store.close()
    with opened_behind_its_back(tmp_path) as connection:
        with pytest.raises(IntegrityError, match="append-only"):
            connection.execute("DELETE FROM audit")
        connection.execute("DROP TRIGGER audit_is_never_changed")
        connection.execute("DROP TRIGGER audit_is_never_deleted")
        assert connection.execute(change).rowcount == 1
    store = open_store(tmp_path)
    broken = store.verify_audit()
    store.close()
    assert isinstance(broken, AuditBroken)
    assert broken.number == number
    assert reason in broken.reason


async def test_one_thread_serves_all_callers(tmp_path: Path) -> None:
    thread = await StoreThread.open(lambda: open_store(tmp_path))
    assert await thread.run(lambda store: store.commit_check_in(moment(), check_in(1))) == 1
    assert (await thread.run(Store.counts)).waiting == 1
    await thread.close()
    open_store(tmp_path).close()
