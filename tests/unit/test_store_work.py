"""The tables of the work: one ration a household, claims that end, the loss cap, erasure, the power cut."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest

from aggregator import records as reported
from aggregator.codec import parse_batch
from firmware.cards.making import token_key, token_numbers
from firmware.day.served import Attempt
from firmware.mesh.ledger import Answer as ClaimAnswer
from firmware.mesh.ledger import Claim, Collected, Collection, Double, Free, Stands, Taken
from firmware.mesh.owners import ranking
from firmware.records import (
    CollectionConflict,
    DayClosed,
    ListErased,
    ListLoaded,
    Mode,
    Moment,
    Outcome,
    Service,
)
from firmware.store import inheritance
from firmware.store.entry_keys import EntryKeys
from firmware.store.errors import AlreadyCollected, ListRefused, LossCapReached, PurposeRefused
from firmware.store.reading import RangeReader
from firmware.store.store import Store
from firmware.uplink import codec as uplink
from firmware.workflow.kept import HandOver, OpenSession
from firmware.workflow.ports import Work
from tests.kit.decrypted_pages import decrypted_pages
from tests.kit.store_values import (
    DEVICE,
    KEY,
    SECOND_NS,
    SITE,
    check_in,
    moment,
    open_store,
    opened_behind_its_back,
    store_key,
)
from tests.kit.work_lists import (
    CYCLE,
    DAY,
    LIST_KEY,
    at,
    clinic_list,
    distribution_list,
    given,
    household,
    visit,
)
from trust.consent import Purpose
from trust.lists.terms import MAX_LABEL, household_digest
from trust.service import Answer, Basis, Concern, Workflow

ROSTER = distribution_list().roster


def distribution(folder: Path, households: int = 3, loss_cap: int = 2) -> Store:
    store = open_store(folder, purpose=Purpose.DISTRIBUTION)
    planned = distribution_list(households, loss_cap=loss_cap)
    store.lists.load(at(0), planned, approved_by=("amina", "tomas"))
    return store


def digest(number: str) -> bytes:
    return household_digest(LIST_KEY, number)


def claim_id(desk: str) -> bytes:
    return desk.encode().rjust(16, b".")


def claim(store: Store, now: Moment, number: str, desk: str) -> ClaimAnswer:
    return store.ledger.claim(digest(number), Claim(claim_id(desk), desk, 60 * SECOND_NS), now)


def collection(number: str, record: int, desk: str = "post-2") -> Collection:
    return Collection(record.to_bytes(16, "big"), digest(number), desk, at(5))


def test_the_store_is_what_the_workflows_ask_for(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        work: Work = store.work
        assert (work.todays_numbers(), work.exceptions_left(), work.open_session()) == ((), 0, None)


def services(store: Store) -> list[Service]:
    bodies = [queued.event.body for queued in store.outbox.pending(0, 1000)]
    return [body for body in bodies if isinstance(body, Service)]


def test_a_household_collects_once_whatever_the_code_above_does(tmp_path: Path) -> None:
    store = distribution(tmp_path)
    concluded = store.work.conclude(at(10), given("hh-0001", 1))
    first = Collection((1).to_bytes(16, "big"), digest("hh-0001"), DEVICE, at(10))
    assert claim(store, at(11), "hh-0001", DEVICE) == Collected(first)
    before = store.counts()
    with pytest.raises(AlreadyCollected):
        store.work.conclude(at(12), given("hh-0001", 2))
    assert (store.counts(), store.outbox.last_seq()) == (before, concluded.seq), (
        "nothing of the second is written"
    )
    again = """INSERT INTO collections (cycle, household, desk, at)
               SELECT cycle, household, 'post-9', at FROM collections"""
    with opened_behind_its_back(tmp_path) as tool, pytest.raises(Exception, match="UNIQUE"):
        tool.execute(again)
    (service,) = services(store)
    assert service.household is not None
    assert b"hh-0001" not in msgspec.msgpack.encode(service)
    store.close()


def test_a_claim_holds_for_its_desk_until_it_ends(tmp_path: Path) -> None:
    store = distribution(tmp_path)
    assert claim(store, at(0), "hh-0001", DEVICE) == Free()
    assert claim(store, at(20), "hh-0001", "post-2") == Taken(DEVICE, 40 * SECOND_NS)
    assert claim(store, at(30), "hh-0001", DEVICE) == Free(), "renewed by its own desk"
    assert claim(store, at(80), "hh-0001", "post-2") == Taken(DEVICE, 10 * SECOND_NS)
    # After a boot nobody knows how long the power was off: only what this boot measured has surely passed.
    assert claim(store, at(59, boot=2), "hh-0001", "post-2") == Taken(DEVICE, SECOND_NS)
    assert claim(store, at(61, boot=2), "hh-0001", "post-2") == Free()
    store.ledger.release(digest("hh-0001"), claim_id(DEVICE))
    assert isinstance(claim(store, at(62, boot=2), "hh-0001", DEVICE), Taken)
    store.ledger.release(digest("hh-0001"), claim_id("post-2"))
    assert claim(store, at(63, boot=2), "hh-0001", DEVICE) == Free()
    store.work.conclude(at(70, boot=2), given("hh-0001", 1, answer=Answer.NOT_GIVEN))
    assert claim(store, at(71, boot=2), "hh-0001", "post-2") == Free()
    store.close()


def test_two_hand_overs_are_kept_as_a_conflict_and_nobody_is_denied(tmp_path: Path) -> None:
    store = distribution(tmp_path, households=20)
    numbers = [f"hh-{number:04}" for number in range(1, 21)]
    own = next(each for each in numbers if ranking(CYCLE, digest(each), ROSTER)[0] == DEVICE)
    other = next(each for each in numbers if ranking(CYCLE, digest(each), ROSTER)[0] != DEVICE)
    assert store.ledger.hear([collection(own, 91)], at(5)) == [Stands(known=False)]
    assert store.ledger.hear([collection(own, 91)], at(6)) == [Stands(known=True)], "told twice is told"
    store.work.conclude(at(10), given(own, 1))
    assert [service.answer for service in services(store)] == [Answer.GIVEN]
    counts = store.ledger.counts()
    assert (counts.here, counts.elsewhere, counts.conflicts) == (0, 1, 1)
    store.work.conclude(at(20), given(other, 2))
    first = Collection((2).to_bytes(16, "big"), digest(other), DEVICE, at(20))
    assert store.ledger.waiting("post-2", 9)[-1] == first
    assert store.ledger.unconfirmed() == 1, "the owner of the other one has not been told"
    for known in (False, True):
        assert store.ledger.hear([collection(other, 92)], at(25)) == [Double(first, known)]
    store.ledger.told("post-2", [first.record_id])
    assert first not in store.ledger.waiting("post-2", 9)
    assert (store.ledger.counts().conflicts, store.ledger.unconfirmed()) == (2, 0)
    bodies = [queued.event.body for queued in store.outbox.pending(0, 1000)]
    (conflict,) = [body for body in bodies if isinstance(body, CollectionConflict)]
    assert conflict.household == digest(own), "who does not own a household reports nothing of it"
    assert (conflict.first.device_id, conflict.second.device_id) == ("post-2", DEVICE)
    store.close()


def test_a_new_roster_has_all_that_collected_told_anew(tmp_path: Path) -> None:
    store = distribution(tmp_path, households=4)
    for number in (1, 2, 3):
        store.work.conclude(at(number), given(f"hh-{number:04}", number))
    store.ledger.told("post-2", [number.to_bytes(16, "big") for number in (1, 2, 3)])
    assert store.ledger.unconfirmed() == 0
    store.lists.load(at(9), replace(distribution_list(4), roster=("post-8", "post-9")))
    assert store.ledger.unconfirmed() == 3
    assert len(store.ledger.waiting("post-8", 9)) + len(store.ledger.waiting("post-9", 9)) == 6
    assert store.ledger.waiting("post-2", 9) == []
    store.close()


def test_exceptions_end_at_the_signed_cap_also_for_owners_that_are_silent(tmp_path: Path) -> None:
    store = distribution(tmp_path, households=5, loss_cap=2)
    store.work.conclude(at(1), given("hh-0001", 1, basis=Basis.EXCEPTION))
    assert store.work.exceptions_left() == 1
    store.work.conclude(at(2), given("hh-0002", 2), owner_silent=True)
    assert store.work.exceptions_left() == 0
    with pytest.raises(LossCapReached, match="desk B"):
        store.work.conclude(at(3), given("", 3, basis=Basis.EXCEPTION))
    store.work.conclude(at(4), given("hh-0004", 4))
    assert store.ledger.counts().here == 3
    store.close()


def test_a_power_cut_between_decision_and_given_leaves_the_session_and_no_ration(tmp_path: Path) -> None:
    store = distribution(tmp_path)
    store.close()
    hand_over = HandOver(household="hh-0001", basis=Basis.BIOMETRIC, decided=at(10), for_s=60)
    session = OpenSession(
        session_id=(1).to_bytes(16, "big"),
        workflow=Workflow.DISTRIBUTION,
        began=at(1),
        number="hh-0001",
        hand_over=hand_over,
    )
    child = os.fork()
    if not child:
        store = open_store(tmp_path, purpose=Purpose.DISTRIBUTION)
        claim(store, at(9), "hh-0001", DEVICE)
        store.work.keep_open(session)
        with store._journal.transaction():
            store.work.conclude(at(11), given("hh-0001", 1))
            os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    store = open_store(tmp_path, purpose=Purpose.DISTRIBUTION)
    assert store.work.open_session() == session
    assert (services(store), store.ledger.counts().here) == ([], 0)
    assert isinstance(store.verify_audit(), int)
    store.work.conclude(at(5, boot=2), given("hh-0001", 1))
    assert (store.work.open_session(), store.ledger.counts().here) == (None, 1)
    store.close()


def test_a_days_list_is_erased_with_a_receipt_and_nothing_of_it_stays_in_the_file(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.lists.load(at(0), clinic_list(people=60), approved_by=("amina",))
    store.day.open(at(1), "amina", [], DAY)
    session = OpenSession(
        session_id=(1).to_bytes(16, "big"), workflow=Workflow.CLINIC, began=at(2), number="case-0007"
    )
    store.work.keep_open(session)
    tokens = [store.work.conclude(at(n + 3), visit(f"case-{n:04}", n)).token for n in range(1, 40)]
    assert tokens == token_numbers(token_key(clinic_list(people=60).key, DAY), DEVICE)[:39]
    assert store.day.attended() == 39
    assert any(b"case-0059" in page for page in decrypted_pages(tmp_path / "store.db", KEY))
    closed = DayClosed(
        workflow=Workflow.CLINIC, cycle=DAY.isoformat(), planned=60, served=39, exceptions=0,
        already_collected=0, conflicts=0, waiting=0,
    )  # fmt: skip
    receipt = store.day.close(at(100), closed, ends_list=True)
    pages = list(decrypted_pages(tmp_path / "store.db", KEY))
    assert not any(b"case-00" in page for page in pages)
    assert not any(clinic_list().key in page for page in pages)
    events = [queued.event.body for queued in store.outbox.pending(0, 1000)]
    (loaded,) = [body for body in events if isinstance(body, ListLoaded)]
    assert receipt == ListErased(
        workflow=Workflow.CLINIC, cycle="2026-11-25", entries=60, digest=loaded.digest
    ) == events[-1]  # fmt: skip
    assert (store.lists.loaded(), store.day.opened(), store.day.served()) == (None, None, [])
    assert isinstance(store.verify_audit(), int)
    store.close()


def test_no_two_people_of_a_day_have_one_number_whatever_is_closed_or_loaded_anew(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    day_of_list, closed = clinic_list(people=60), DayClosed(
        workflow=Workflow.CLINIC, cycle=DAY.isoformat(), planned=60, served=0, exceptions=0,
        already_collected=0, conflicts=0, waiting=0,
    )  # fmt: skip
    order = token_numbers(token_key(day_of_list.key, DAY), DEVICE)

    def three(since: int) -> list[str]:
        return [store.work.conclude(at(n), visit(f"case-{n:04}", n)).token for n in range(since, since + 3)]

    store.lists.load(at(0), day_of_list)
    assert three(1) == order[:3]
    store.day.close(at(9), closed, ends_list=True)
    without_list = three(11)
    store.day.open(at(19), "amina", [], DAY)
    store.lists.load(at(20), day_of_list)
    later = three(21)
    assert len({*order[:3], *without_list, *later}) == 9
    assert later == [number for number in order if number not in (*order[:3], *without_list)][:3]
    store.day.close(at(29), closed, ends_list=True)
    store.day.open(at(30), "amina", [], None)
    assert not set(three(31)) & {*order[:3], *without_list, *later}, "no clock, no new day"
    store.day.open(at(39), "amina", [], DAY + timedelta(days=1))
    store.lists.load(at(40), replace(day_of_list, day=DAY + timedelta(days=1)))
    assert three(41) == token_numbers(token_key(day_of_list.key, DAY + timedelta(days=1)), DEVICE)[:3]
    store.close()


def test_a_corrected_list_knows_who_came(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.lists.load(at(0), clinic_list(people=4))
    store.work.conclude(at(1), visit("case-0001", 1))
    store.work.conclude(at(2), visit("case-0004", 2))
    store.lists.load(at(3), clinic_list(people=3))
    assert store.day.attended() == 1, "who is on no list any more is not counted"
    store.lists.load(at(4), clinic_list(people=5))
    assert store.day.attended() == 1
    store.close()


def test_capital_and_small_letters_are_one_number(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.lists.load(at(0), clinic_list())
    found = store.work.appointment("CASE-0001")
    assert found is not None
    assert found.number == "case-0001"
    store.work.conclude(at(1), visit("CASE-0002", 1))
    assert (store.day.attended(), store.day.served()[0].on_list) == (1, True)
    store.close()
    assert household_digest(LIST_KEY, "hh-0001") == household_digest(LIST_KEY, "HH-0001")


def test_a_list_replaces_itself_and_nothing_else(tmp_path: Path) -> None:
    store = distribution(tmp_path, households=2)
    store.work.conclude(at(1), given("hh-0001", 1))
    store.lists.load(at(2), distribution_list(households=4))
    assert len(store.lists.households()) == 4
    assert isinstance(claim(store, at(3), "hh-0001", DEVICE), Collected)
    with pytest.raises(ListRefused, match="another key"):
        store.lists.load(at(4), distribution_list(key=bytes(32)))
    with pytest.raises(PurposeRefused):
        store.lists.load(at(5), clinic_list())
    assert store.lists.erase(at(6)) is not None
    with pytest.raises(ListRefused, match="ended here"):
        store.lists.load(at(7), distribution_list())
    with pytest.raises(ListRefused, match="no list is loaded"):
        store.work.conclude(at(8), given("hh-0002", 2))
    store.close()


def test_what_the_report_counts_knows_what_the_comparison_said(tmp_path: Path) -> None:
    store = distribution(tmp_path)
    refused = msgspec.structs.replace(
        check_in(7), mode=Mode.VERIFY, outcome=Outcome.NO_MATCH, confirmed=False, entry_id=None
    )
    matched = msgspec.structs.replace(check_in(8), mode=Mode.VERIFY, outcome=Outcome.MATCH, confirmed=False)
    for record in (refused, matched):
        store.commit_check_in(moment(), record)
    both = (refused.record_id, matched.record_id)
    store.work.conclude(at(1), given("hh-0001", 1, check_ins=both))
    store.work.conclude(at(2), given("hh-0002", 2, basis=Basis.ALTERNATE, check_ins=both))
    store.work.conclude(at(3), given("hh-0003", 3, basis=Basis.CARD))
    assert [(each.attempt, each.on_list) for each in store.day.served()] == [
        (Attempt.SUPPORTED, True),
        (Attempt.NOT_SUPPORTED, True),
        (Attempt.NONE, True),
    ]
    store.close()


def test_the_aggregator_takes_the_longest_record_that_a_session_can_make(tmp_path: Path) -> None:
    store = open_store(tmp_path, purpose=Purpose.DISTRIBUTION)
    wordy = replace(household(1), cohort="é" * MAX_LABEL)
    planned = replace(distribution_list(), cycle="c" * 63, households=(wordy,))
    store.lists.load(at(0), planned, approved_by=("a" * 32, "b" * 32))
    tried = tuple(number.to_bytes(16, "big") for number in range(40))
    conclusion = given(wordy.number, 1, basis=Basis.EXCEPTION, check_ins=tried)
    long_names = msgspec.structs.replace(conclusion, operator="a" * 32, supervisor="b" * 32)
    store.work.conclude(at(1), long_names)
    taken = parse_batch(uplink.batch(store.outbox.pending(0, 99)), max_events=99).events
    assert [type(event.body).__name__ for event in taken] == ["ListLoaded", "Service"]
    assert isinstance(taken[1].body, reported.Service)
    assert taken[1].body.check_ins == tried[-16:]
    store.close()


def test_links_end_and_complaints_name_nobody(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.work.note_link(at(1), "child-1", "card-1", date(2026, 11, 24))
    found = store.work.link("child-1", DAY)
    assert found is not None
    assert (found.caregiver, found.expired) == ("card-1", True)
    store.day.open(at(2), "amina", ["camera"], DAY)
    assert store.work.link("child-1", DAY) is None
    store.work.note_resemblance(at(3), "card-1", ["card-2", "card-3", "card-9"])
    assert store.work.settle_resemblance(at(4), "card-2", "card-1", same=False, by="tomas")
    assert not store.work.settle_resemblance(at(4), "card-2", "card-1", same=False, by="tomas")
    store.work.note_link(at(5), "child-2", "card-3", date(2026, 12, 24))
    assert store.work.forget(at(6), "card-3") == 2
    assert store.work.resemblances() == [("card-1", "card-9")]
    store.work.commit_complaint(at(3), Workflow.CLINIC, Concern.TREATMENT)
    assert store.day.acts()["complaint", Concern.TREATMENT.value] == 1
    store.close()


def test_a_new_store_takes_over_who_collected(tmp_path: Path) -> None:
    former = distribution(tmp_path)
    former.work.conclude(at(1), given("hh-0001", 1, basis=Basis.EXCEPTION))
    former.close()
    with store_key() as key, closing(EntryKeys()) as none, RangeReader(tmp_path / "store.db", key) as reader:
        inherited = inheritance.read(reader, Purpose.DISTRIBUTION, SITE, none)
    assert inherited.lost == {}
    (tmp_path / "new").mkdir()
    store = open_store(tmp_path / "new", purpose=Purpose.DISTRIBUTION)
    store.inherit(inherited, at(0, boot=2), "damaged")
    assert isinstance(claim(store, at(1, boot=2), "hh-0001", DEVICE), Collected)
    assert (store.work.exceptions_left(), len(store.day.served())) == (1, 1)
    head = store.lists.loaded()
    assert head is not None
    assert head.cycle == CYCLE
    store.close()
