"""The tables of the work: one ration a household, claims that end, the loss cap, erasure, the power cut."""

from __future__ import annotations

import os
import signal
from datetime import date
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from firmware.cards.making import token_key, token_numbers
from firmware.day.served import Attempt
from firmware.records import DayClosed, ListErased, ListLoaded, Mode, Outcome, Service
from firmware.store import inheritance
from firmware.store.errors import AlreadyCollected, ListRefused, LossCapReached, PurposeRefused
from firmware.store.reading import RangeReader
from firmware.store.store import Store
from firmware.workflow.kept import HandOver, OpenSession
from firmware.workflow.outcomes import AlreadyGiven, ClaimedElsewhere, Granted
from firmware.workflow.terms import Answer, Basis, Concern, Workflow
from tests.kit.decrypted_pages import decrypted_pages
from tests.kit.store_values import (
    DEVICE,
    KEY,
    SITE,
    check_in,
    moment,
    open_store,
    opened_behind_its_back,
    store_key,
)
from tests.kit.work_lists import CYCLE, DAY, at, clinic_list, distribution_list, given, visit
from trust.consent import Purpose


def distribution(folder: Path, households: int = 3, loss_cap: int = 2) -> Store:
    store = open_store(folder, purpose=Purpose.DISTRIBUTION)
    planned = distribution_list(households, loss_cap=loss_cap)
    store.lists.load(at(0), planned, approved_by=("amina", "tomas"))
    return store


def services(store: Store) -> list[Service]:
    bodies = [queued.event.body for queued in store.pending(0, 1000)]
    return [body for body in bodies if isinstance(body, Service)]


def test_a_household_collects_once_whatever_the_code_above_does(tmp_path: Path) -> None:
    store = distribution(tmp_path)
    concluded = store.work.conclude(at(10), given("hh-0001", 1))
    assert store.ledger.claim(at(11), "hh-0001", DEVICE, 60) == AlreadyGiven(None, DEVICE)
    before = store.counts()
    with pytest.raises(AlreadyCollected):
        store.work.conclude(at(12), given("hh-0001", 2))
    assert (store.counts(), store.last_seq()) == (before, concluded.seq), "nothing of the second is written"
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
    assert store.ledger.claim(at(0), "hh-0001", DEVICE, 60) == Granted()
    assert store.ledger.claim(at(20), "hh-0001", "post-2", 60) == ClaimedElsewhere(40.0, DEVICE)
    assert store.ledger.claim(at(30), "hh-0001", DEVICE, 60) == Granted(), "renewed by its own desk"
    assert store.ledger.claim(at(80), "hh-0001", "post-2", 60) == ClaimedElsewhere(10.0, DEVICE)
    # After a boot nobody knows how long the power was off: only what this boot measured has surely passed.
    assert store.ledger.claim(at(59, boot=2), "hh-0001", "post-2", 60) == ClaimedElsewhere(1.0, DEVICE)
    assert store.ledger.claim(at(61, boot=2), "hh-0001", "post-2", 60) == Granted()
    store.ledger.release("hh-0001", DEVICE)
    assert isinstance(store.ledger.claim(at(62, boot=2), "hh-0001", DEVICE, 60), ClaimedElsewhere)
    store.ledger.release("hh-0001", "post-2")
    assert store.ledger.claim(at(63, boot=2), "hh-0001", DEVICE, 60) == Granted()
    store.work.conclude(at(70, boot=2), given("hh-0001", 1, answer=Answer.NOT_GIVEN))
    assert store.ledger.claim(at(71, boot=2), "hh-0001", "post-2", 60) == Granted()
    store.close()


def test_two_hand_overs_are_kept_as_a_conflict_and_nobody_is_denied(tmp_path: Path) -> None:
    store = distribution(tmp_path)
    assert store.ledger.note_given(at(5), "hh-0002", "post-2")
    assert store.ledger.note_given(at(6), "hh-0002", "post-2"), "told twice is told"
    store.work.conclude(at(10), given("hh-0002", 1))
    assert [service.answer for service in services(store)] == [Answer.GIVEN]
    counts = store.ledger.counts()
    assert (counts.here, counts.elsewhere, counts.conflicts) == (0, 1, 1)
    store.work.conclude(at(20), given("hh-0003", 2))
    assert [each.number for each in store.ledger.untold()] == ["hh-0003"]
    assert not store.ledger.note_given(at(25), "hh-0003", "post-2")
    store.ledger.told("hh-0003")
    assert store.ledger.untold() == []
    assert store.ledger.counts().conflicts == 2
    store.close()


def test_exceptions_end_at_the_signed_cap_also_for_owners_that_are_silent(tmp_path: Path) -> None:
    store = distribution(tmp_path, households=5, loss_cap=2)
    store.work.conclude(at(1), given("hh-0001", 1, basis=Basis.EXCEPTION))
    assert store.work.exceptions_left() == 1
    store.work.conclude(at(2), given("hh-0002", 2), owner_silent=True)
    assert (store.work.exceptions_left(), store.ledger.worst_case()) == (0, 1)
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
        session_id=b"s" * 16,
        workflow=Workflow.DISTRIBUTION,
        began=at(1),
        number="hh-0001",
        hand_over=hand_over,
    )
    child = os.fork()
    if not child:
        store = open_store(tmp_path, purpose=Purpose.DISTRIBUTION)
        store.ledger.claim(at(9), "hh-0001", DEVICE, 60)
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
    session = OpenSession(session_id=b"s" * 16, workflow=Workflow.CLINIC, began=at(2), number="case-0007")
    store.work.keep_open(session)
    tokens = [store.work.conclude(at(n + 3), visit(f"case-{n:04}", n)).token for n in range(1, 40)]
    assert tokens == list(islice(token_numbers(token_key(clinic_list(people=60).key, DAY), DEVICE), 39))
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
    events = [queued.event.body for queued in store.pending(0, 1000)]
    (loaded,) = [body for body in events if isinstance(body, ListLoaded)]
    assert receipt == ListErased(
        workflow=Workflow.CLINIC, cycle="2026-11-25", entries=60, digest=loaded.digest
    ) == events[-1]  # fmt: skip
    assert (store.lists.loaded(), store.day.opened(), store.day.served()) == (None, None, [])
    assert isinstance(store.verify_audit(), int)
    store.close()


def test_a_list_replaces_itself_and_nothing_else(tmp_path: Path) -> None:
    store = distribution(tmp_path, households=2)
    store.work.conclude(at(1), given("hh-0001", 1))
    store.lists.load(at(2), distribution_list(households=4))
    assert len(store.lists.households()) == 4
    assert isinstance(store.ledger.claim(at(3), "hh-0001", DEVICE, 60), AlreadyGiven)
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


def test_links_end_and_complaints_name_nobody(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.work.note_link(at(1), "child-1", "card-1", date(2026, 11, 24))
    found = store.work.link("child-1", DAY)
    assert found is not None
    assert (found.caregiver, found.expired) == ("card-1", True)
    store.day.open(at(2), "amina", ["camera"], DAY)
    assert store.work.link("child-1", DAY) is None
    store.work.commit_complaint(at(3), Workflow.CLINIC, Concern.TREATMENT)
    assert store.day.acts()["complaint", Concern.TREATMENT.value] == 1
    store.close()


def test_a_new_store_takes_over_who_collected(tmp_path: Path) -> None:
    former = distribution(tmp_path)
    former.work.conclude(at(1), given("hh-0001", 1, basis=Basis.EXCEPTION))
    former.close()
    with store_key() as key, RangeReader(tmp_path / "store.db", key) as reader:
        inherited = inheritance.read(reader, Purpose.DISTRIBUTION, SITE)
    assert inherited.lost == {}
    (tmp_path / "new").mkdir()
    store = open_store(tmp_path / "new", purpose=Purpose.DISTRIBUTION)
    store.inherit(inherited, at(0, boot=2), "damaged")
    assert isinstance(store.ledger.claim(at(1, boot=2), "hh-0001", DEVICE, 60), AlreadyGiven)
    assert (store.work.exceptions_left(), len(store.day.served())) == (1, 1)
    head = store.lists.loaded()
    assert head is not None
    assert head.cycle == CYCLE
    store.close()
