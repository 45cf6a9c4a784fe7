"""The station writes down one record for each person who is served, and only what was done."""

from __future__ import annotations

import asyncio

from firmware.records import Complaint, Outcome
from firmware.workflow.plain import plain
from firmware.workflow.screen import Acted
from firmware.workflow.viewing import Reply
from sensors.board.port import Button
from tests.kit.scripted_desk import Ends
from tests.kit.station_rig import CARD, PINS, READS_S, Rig, collector, to_hand_over
from trust.service import Answer, Basis, Reason, Workflow


async def test_a_household_collects_at_given_and_is_told_so_afterwards(camp: Rig) -> None:
    await to_hand_over(camp)
    assert camp.station.screen.rations, "the rations are shown"
    assert camp.store.ledger.collected_here() == []
    camp.time.pass_s(12 - READS_S)
    assert await camp.acts("given") == "answer-given"
    [service] = camp.services()
    assert (service.answer, service.basis, len(service.check_ins)) == (Answer.GIVEN, Basis.BIOMETRIC, 1)
    assert (service.duration_ns, service.operator) == (12_000_000_000, "amina")
    assert camp.owner.given_to_owner == ["hh-0001"]
    assert await camp.acts("next", CARD.replace("hh", "HH")) == "answer-already-collected"
    assert camp.station.screen.lines, "where to turn to"
    assert [service.answer for service in camp.services()] == [Answer.GIVEN, Answer.ALREADY_COLLECTED]


async def test_a_visit_token_is_shown_to_bystanders_alone_with_its_number(clinic: Rig) -> None:
    await clinic.boot()
    clinic.desk.registered = {"case-0001"}
    clinic.desk.script.append(Ends())
    await clinic.acts("card: case-0001")
    assert clinic.station.screen.public == ""
    assert await clinic.acts("accept") == "answer-visit"
    token = clinic.station.screen.public
    assert len(token) == 4
    assert token.isdigit()
    [service] = clinic.services()
    assert (service.answer, service.basis, service.cohort) == (Answer.VISIT, Basis.BIOMETRIC, "60+")


async def test_a_search_goes_over_todays_list_alone_and_waits_for_staff(clinic: Rig) -> None:
    await clinic.boot()
    clinic.desk.registered = {"case-0001", "case-0002", "not-expected-today"}
    clinic.desk.script.append(Ends(suggests=("case-0002", "case-0001")))
    await clinic.acts("no card")
    await clinic.acts("accept")
    screen = clinic.station.screen
    assert screen.name == "clinic-suggestion"
    assert clinic.desk.compared == [("case-0001", "case-0002")]
    assert [shown.subject for shown in screen.candidates] == ["case-0002", "case-0001"]
    assert screen.public == ""
    assert clinic.services() == []
    await clinic.press(Button.OK)  # the choice that is highlighted first is none of the candidates
    await clinic.station.captured()
    assert clinic.station.screen.name == "clinic-paper"


async def test_without_a_list_a_search_goes_over_the_gallery(clinic: Rig) -> None:
    clinic.store.lists.erase(clinic.time.clock().now())
    await clinic.boot()
    clinic.desk.registered = {"case-0001", "registered-long-ago"}
    clinic.desk.script.append(Ends(suggests=("registered-long-ago",)))
    await clinic.acts("no card", "accept")
    assert clinic.desk.compared == [("case-0001", "registered-long-ago")]
    await clinic.act("candidate 0", operator="")
    await clinic.station.captured()
    [service] = clinic.services()
    assert (service.answer, service.basis) == (Answer.VISIT, Basis.CONFIRMED)
    assert await clinic.acts("next", "card: case-0009") == "clinic-notice", "nor is anybody unexpected"


async def test_help_ends_a_capture_and_the_record_names_its_check_in(camp: Rig) -> None:
    await camp.boot()
    camp.desk.registered = collector()
    await camp.acts(CARD)
    assert camp.station.screen.preview == "face"
    assert await camp.acts("help") == "distribution-look-at-card"
    assert await camp.acts("help") == "answer-person"
    [service] = camp.services()
    assert (service.answer, len(service.check_ins)) == (Answer.PERSON, 1)


async def test_help_reaches_a_capture_that_is_only_about_to_begin(camp: Rig) -> None:
    await camp.boot()
    camp.desk.registered = collector()
    pressed: list[asyncio.Task[Reply]] = []

    def press_at_once() -> None:
        if camp.station.screen.name == "distribution-verify" and not pressed:
            pressed.append(asyncio.ensure_future(camp.station.act(0, Acted("help"))))

    camp.station.subscribe(press_at_once)
    async with asyncio.timeout(10):
        await camp.act("card", "hh-0001")
        await camp.station.captured()
    assert camp.station.screen.name == "distribution-look-at-card"


async def test_who_declines_gets_the_same_by_card_and_sight(camp: Rig) -> None:
    await camp.boot()
    camp.desk.registered = collector()
    await camp.acts(CARD)
    rations = camp.store.lists.household("hh-0001")
    assert rations is not None
    assert await camp.acts("without", "seen") == "distribution-hand-over"
    assert camp.station.screen.rations == rations.rations
    await camp.acts("given")
    [service] = camp.services()
    assert (service.basis, service.declined) == (Basis.CARD, True)


async def test_an_exception_has_a_reason_and_two_people(camp: Rig) -> None:
    await camp.boot()
    camp.desk.registered = collector()
    camp.desk.script.append(Ends(Outcome.NO_MATCH))
    assert await camp.acts(CARD) == "distribution-not-sure"
    await camp.acts("supervisor", "worn fingers")
    assert await camp.acts(f"countersign: amina\n{PINS['amina']}") == "distribution-supervisor"
    assert [plain(line) for line in camp.station.screen.lines] == ["A supervisor is needed here."]
    assert await camp.acts("countersign: boris\n000000") == "distribution-supervisor"
    assert await camp.acts(f"countersign: boris\n{PINS['boris']}") == "distribution-decide"
    assert camp.station.screen.choices[0].act == "give", "the default is to give"
    await camp.acts("give", "given")
    [service] = camp.services()
    assert (service.basis, service.reason) == (Basis.EXCEPTION, Reason.WORN_FINGERS)
    assert (service.operator, service.supervisor) == ("amina", "boris")
    assert camp.store.work.exceptions_left() == 1


async def test_a_supervisor_alone_needs_a_second_person(camp: Rig) -> None:
    await camp.boot()
    camp.desk.registered = collector()
    camp.desk.script.append(Ends(Outcome.NO_MATCH))
    await camp.act("card", "hh-0001", operator="boris")
    for act in ("supervisor", "known to staff"):
        await camp.act(act, operator="boris")
    signed = f"boris\n{PINS['boris']}"
    await camp.act("countersign", signed, operator="boris")
    assert camp.station.screen.name == "distribution-second-person"
    await camp.act("countersign", signed, operator="boris")
    assert camp.station.screen.name == "distribution-second-person"
    await camp.act("countersign", f"amina\n{PINS['amina']}", operator="boris")
    assert camp.station.screen.name == "distribution-decide"
    await camp.act("give", operator="boris")
    await camp.boot(same_boot=False)
    await camp.act("given", operator="boris")
    [service] = camp.services()
    assert (service.operator, service.supervisor, service.countersigned_by) == ("boris", "boris", "amina")
    assert [row.countersigned_by for row in camp.store.day.served()] == ["amina"]


async def test_who_signed_second_stays_on_record_when_the_supervisor_takes_over(camp: Rig) -> None:
    await camp.boot()
    await camp.acts(CARD, "supervisor", "known to staff", f"countersign: boris\n{PINS['boris']}")
    await camp.station.take_over("boris")
    await camp.act("give", operator="boris")
    await camp.act("given", operator="boris")
    [service] = camp.services()
    assert (service.operator, service.supervisor, service.countersigned_by) == ("boris", "boris", "amina")


async def test_a_complaint_is_written_down_without_anybodys_name(clinic: Rig) -> None:
    await clinic.boot()
    assert await clinic.acts("complain", "about waiting") == "clinic-ready"
    [complaint] = [
        queued.event.body
        for queued in clinic.store.outbox.pending(0, 10)
        if isinstance(queued.event.body, Complaint)
    ]
    assert complaint.workflow is Workflow.CLINIC
    assert clinic.services() == []


async def test_after_the_visit_the_person_is_registered_in_a_session_of_its_own(clinic: Rig) -> None:
    await clinic.boot()
    await clinic.acts("card: case-0003", "accept", "seen")
    assert clinic.station.screen.name == "answer-visit"
    clinic.desk.script.append(Ends())
    clinic.desk.possible_same = ("case-0002",)
    assert (
        await clinic.acts("register", "accept", "five or older", "number: case-0003") == "answer-registered"
    )
    assert clinic.desk.captured == ["case-0003"]
    visit, registered = clinic.services()
    assert (visit.answer, registered.answer) == (Answer.VISIT, Answer.REGISTERED)
    assert clinic.desk.noted == [registered.record_id], "the answer was stored before, under the same id"
    assert clinic.store.day.resemblances() == 1
    assert await clinic.acts("next") == "clinic-ready"


async def test_of_a_child_under_five_nothing_is_taken_and_the_caregiver_is_compared(clinic: Rig) -> None:
    await clinic.boot()
    clinic.desk.registered = {"case-0002"}
    await clinic.acts("register", "accept", "under five", "number: case-0001", "card: case-0002")
    assert clinic.station.screen.name == "answer-registered"
    assert clinic.desk.captured == []
    clinic.desk.script.append(Ends())
    await clinic.acts("next", "card: case-0001", "accept")
    assert clinic.desk.compared == [("case-0002",)]
    assert clinic.station.screen.name == "answer-visit"
