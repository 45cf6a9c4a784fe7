"""The station: one session for any number of viewers, its clock, its power cuts, one record for each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.records import Complaint, Outcome
from firmware.workflow.plain import plain
from firmware.workflow.screen import Acted
from firmware.workflow.station import WRITES_AGAIN_S
from firmware.workflow.viewing import Accepted, HeldBack, HeldBy, Reply, Stale
from sensors.board.port import Button
from sensors.board.signals import Signal
from tests.kit.scripted_desk import Ends
from tests.kit.station_rig import PINS, READS_S, Rig, rig
from tests.kit.work_lists import DAY
from trust.service import Answer, Basis, Reason, Workflow

CARD = "card: hh-0001"


@pytest.fixture
def camp(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path, Workflow.DISTRIBUTION) as made:
        yield made


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path, Workflow.CLINIC) as made:
        yield made


def collector(of: str = "0001") -> set[str]:
    return {f"p-{of}-1"}


async def to_hand_over(camp: Rig) -> None:
    await camp.boot()
    camp.desk.registered = collector()
    camp.desk.script.append(Ends())
    assert await camp.acts(CARD) == "distribution-hand-over"


# --- one record for each person -----------------------------------------------------------------------


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
        for queued in clinic.store.pending(0, 10)
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


# --- viewers ------------------------------------------------------------------------------------------


async def test_an_act_for_a_screen_that_is_over_changes_nothing_and_is_told(camp: Rig) -> None:
    await to_hand_over(camp)
    seen = camp.station.revision
    camp.time.pass_s(READS_S)
    assert await camp.station.act(seen, Acted("given")) == Accepted()
    assert await camp.station.act(seen, Acted("given")) == Stale()
    await camp.station.settled()
    assert await camp.station.act(seen, Acted("not given")) == Stale()
    assert [service.answer for service in camp.services()] == [Answer.GIVEN]


async def test_guidance_makes_no_act_stale(camp: Rig) -> None:
    await camp.boot()
    camp.desk.registered = collector()
    await camp.acts(CARD)
    seen = camp.station.revision
    camp.signals.show(camp.signals.shown[-1])
    camp.time.pass_s(READS_S)
    camp.signals.show(camp.signals.shown[-1])
    assert await camp.station.act(seen, Acted("without")) == Accepted()


async def test_a_second_member_of_staff_is_told_who_serves_and_may_take_over(camp: Rig) -> None:
    await to_hand_over(camp)
    assert await camp.act("given", operator="boris") == HeldBy("amina")
    assert camp.services() == []
    await camp.station.take_over("boris")
    assert await camp.act("given", operator="amina") == HeldBy("boris")
    assert await camp.act("given", operator="boris") == Accepted()
    assert [service.operator for service in camp.services()] == ["boris"]
    assert camp.station.holder == "boris"
    await camp.act("next", operator="boris")
    assert camp.station.holder == ""


async def test_help_works_for_everybody_and_for_any_screen(camp: Rig) -> None:
    await to_hand_over(camp)
    assert await camp.station.act(0, Acted("help", operator="boris")) == Accepted()
    await camp.station.settled()
    assert camp.station.screen.name == "answer-person"


async def test_viewers_come_and_go_and_see_the_same_screen(camp: Rig) -> None:
    await camp.boot()
    seen: list[int] = []
    leave = camp.station.subscribe(lambda: seen.append(camp.station.revision))
    camp.desk.registered = collector()
    camp.desk.script.append(Ends())
    await camp.acts(CARD)
    assert seen == sorted(seen)
    assert seen[-1] == camp.station.revision
    leave()
    assert camp.station.screen.name == "distribution-hand-over"
    await camp.acts("given")
    assert seen[-1] < camp.station.revision


async def test_the_four_buttons_alone_lead_through_a_hand_over(camp: Rig) -> None:
    await camp.boot()
    camp.desk.registered = collector()
    camp.desk.script.append(Ends())
    await camp.station.act(camp.station.revision, Acted("card", "hh-0001"))  # the camera saw it
    await camp.rest()
    assert Signal.CARD_READ in [show.signal for show in camp.signals.shown], "a short beep"
    assert await camp.press(Button.OK) == Accepted()
    assert [service.answer for service in camp.services()] == [Answer.GIVEN]
    before = camp.station.revision
    await camp.station.press(Button.AGAIN)
    assert (camp.station.highlight, camp.station.revision) == (1, before)
    await camp.station.press(Button.LANGUAGE)
    assert camp.station.language == "fr"
    await camp.station.press(Button.HELP)
    assert camp.signals.shown[-1].signal is Signal.GO_TO_A_PERSON
    await camp.station.press(Button.AGAIN)
    await camp.press(Button.OK)
    assert (camp.station.screen.name, camp.station.language) == ("distribution-ready", "en")


# --- nobody is nudged, and no press spills over -------------------------------------------------------


async def test_ok_alone_never_gives_a_persons_own_answer(clinic: Rig) -> None:
    await clinic.boot()
    await clinic.acts("no card")
    for screen in ("clinic-notice", "clinic-question"):
        assert (clinic.station.screen.name, clinic.station.highlight) == (screen, None)
        assert await clinic.press(Button.OK) == HeldBack()
        if screen == "clinic-notice":
            await clinic.acts("question")
    await clinic.press(Button.AGAIN)
    assert clinic.station.highlight == 0
    await clinic.acts("accept")
    assert clinic.station.screen.name != "clinic-question", "the answer that was touched counts"


async def test_the_second_press_of_an_impatient_finger_does_not_hand_over(camp: Rig) -> None:
    await to_hand_over(camp)
    given = Acted("given", operator="amina")
    camp.time.pass_s(0.39)
    assert await camp.station.act(camp.station.revision, given) == HeldBack()
    camp.time.pass_s(0.2)
    assert await camp.station.press(Button.OK) == HeldBack()
    assert camp.services() == []
    camp.time.pass_s(0.02)
    assert await camp.station.press(Button.OK) == Accepted()
    await camp.station.settled()
    assert await camp.station.press(Button.OK) == HeldBack(), "nor is the answer pressed away"
    assert camp.station.screen.name == "answer-given"
    assert await camp.station.press(Button.HELP) == Accepted(), "HELP is never held back"


async def test_a_card_that_the_camera_sees_at_once_is_taken(camp: Rig) -> None:
    await to_hand_over(camp)
    await camp.acts("given", "next")
    seen = Acted("card", "hh-0002", "amina")
    assert await camp.station.act(camp.station.revision, seen) == Accepted()


# --- time and power -----------------------------------------------------------------------------------


async def test_a_claim_that_is_not_given_expires_by_the_clock(camp: Rig) -> None:
    await to_hand_over(camp)
    await camp.pass_s(299)
    assert camp.station.screen.name == "distribution-hand-over"
    await camp.pass_s(1)
    assert camp.station.screen.name == "answer-not-given"
    assert [service.answer for service in camp.services()] == [Answer.NOT_GIVEN]
    assert camp.store.ledger.collected_here() == []


async def test_after_a_power_cut_the_hand_over_is_still_there_and_not_collected(camp: Rig) -> None:
    await to_hand_over(camp)
    camp.time.pass_s(100)
    await camp.boot(same_boot=False)
    assert camp.station.screen.name == "distribution-hand-over"
    assert camp.station.screen.rations
    assert camp.store.ledger.collected_here() == []
    await camp.acts("given")
    [service] = camp.services()
    assert (service.answer, service.basis, len(service.check_ins)) == (Answer.GIVEN, Basis.BIOMETRIC, 1)


async def test_after_a_power_cut_a_hand_over_that_nobody_gives_expires(camp: Rig) -> None:
    await to_hand_over(camp)
    await camp.boot()
    assert camp.station.screen.name == "distribution-hand-over"
    await camp.pass_s(301)
    assert [service.answer for service in camp.services()] == [Answer.NOT_GIVEN]
    camp.time.pass_s(30)
    camp.station.tick()
    assert camp.station.screen.name == "distribution-ready"


async def test_a_power_cut_in_the_middle_leaves_nobody_without_a_record(camp: Rig) -> None:
    await camp.boot()
    camp.desk.registered = collector()
    await camp.acts(CARD)
    await camp.boot(same_boot=False)
    assert camp.station.screen.name == "distribution-ready"
    assert [service.answer for service in camp.services()] == [Answer.PERSON]
    camp.desk.registered = collector()
    camp.desk.script.append(Ends())
    assert await camp.acts(CARD) == "distribution-hand-over", "the desk's own claim is taken up again"


async def test_what_cannot_be_written_down_never_looks_done(camp: Rig) -> None:
    await to_hand_over(camp)
    camp.disk_full = True
    assert await camp.acts("given") == "not-written-down"
    assert await camp.acts("again") == "not-written-down"
    camp.disk_full = False
    assert camp.services() == []
    assert await camp.acts("again") == "answer-given"
    assert [service.answer for service in camp.services()] == [Answer.GIVEN]


async def test_what_was_handed_over_on_paper_is_written_down_once_the_store_writes_again(camp: Rig) -> None:
    await to_hand_over(camp)
    camp.disk_full = True
    assert await camp.acts("given", "on paper") == "distribution-ready"
    await camp.pass_s(WRITES_AGAIN_S)
    assert (camp.services(), camp.store.ledger.collected_here()) == ([], [])
    camp.disk_full = False
    await camp.pass_s(WRITES_AGAIN_S)
    [service] = camp.services()
    assert (service.answer, service.basis, len(service.check_ins)) == (Answer.GIVEN, Basis.PAPER, 1)
    assert camp.owner.given_to_owner == ["hh-0001"]
    assert camp.store.work.open_session() is None, "the day can be closed"
    assert await camp.acts(CARD) == "answer-already-collected"


async def test_the_next_person_is_served_over_what_waits_to_be_written(camp: Rig) -> None:
    await to_hand_over(camp)
    camp.disk_full = True
    await camp.acts("given", "on paper")
    camp.disk_full = False
    assert await camp.acts("card: hh-0002", "seen", "given") == "answer-given"
    assert [service.basis for service in camp.services()] == [Basis.PAPER, Basis.CARD]


async def test_an_exception_on_paper_still_counts_in_the_loss_cap(camp: Rig) -> None:
    await camp.boot()
    await camp.acts(CARD, "supervisor", "list wrong", f"countersign: boris\n{PINS['boris']}", "give")
    camp.disk_full = True
    await camp.acts("given", "on paper")
    camp.disk_full = False
    await camp.pass_s(WRITES_AGAIN_S)
    assert [service.basis for service in camp.services()] == [Basis.EXCEPTION]
    assert camp.store.work.exceptions_left() == 1


@pytest.mark.parametrize(
    ("said", "answer", "collected"),
    [("given", Answer.GIVEN, ["hh-0001"]), ("not given", Answer.NOT_GIVEN, [])],
)
async def test_a_hand_over_on_paper_is_asked_about_after_a_restart(
    camp: Rig, said: str, answer: Answer, collected: list[str]
) -> None:
    await to_hand_over(camp)
    camp.disk_full = True
    await camp.acts("given", "on paper")
    camp.time.pass_s(400)
    camp.disk_full = False
    await camp.boot()
    assert (camp.station.screen.name, camp.station.highlight) == ("distribution-asking-if-given", None)
    assert await camp.acts(said) == "answer-" + said.replace(" ", "-")
    assert [service.answer for service in camp.services()] == [answer]
    assert camp.store.ledger.collected_here() == collected


@pytest.mark.parametrize(("before", "after"), [("post-2", "post-2"), ("post-2", ""), ("", "post-2")])
async def test_a_power_cut_hides_no_silent_owner_from_the_loss_cap(
    camp: Rig, before: str, after: str
) -> None:
    await camp.boot()
    camp.owner.silent_desk = before
    camp.desk.registered = collector()
    camp.desk.script.append(Ends())
    assert await camp.acts(CARD) == "distribution-hand-over"
    await camp.boot(same_boot=False, silent_desk=after)
    assert await camp.acts("given") == "answer-given"
    assert [row.owner_silent for row in camp.store.day.served()] == [True]
    assert camp.store.work.exceptions_left() == 1


async def test_an_owner_that_falls_silent_at_the_renewal_counts_in_the_loss_cap(camp: Rig) -> None:
    await camp.boot()
    for number, screen in (("0001", "hand-over"), ("0002", "hand-over"), ("0003", "not-here-now")):
        camp.owner.silent_desk = ""
        await camp.acts(f"card: hh-{number}")
        assert camp.station.screen.name == "distribution-look-at-card"
        camp.time.pass_s(400)  # most of the first claim is over
        camp.owner.silent_desk = "post-2"
        assert await camp.acts("seen") == f"distribution-{screen}"
        if screen == "hand-over":
            assert "Desk post-2 does not answer." in [plain(line) for line in camp.station.screen.lines]
            await camp.acts("given", "next")
    assert await camp.acts("desk") == "answer-desk", "a person decides"
    assert camp.store.work.exceptions_left() == 0


async def test_after_a_power_cut_a_silent_owner_and_a_cap_that_is_used_up_lead_to_a_person(
    camp: Rig,
) -> None:
    await camp.boot()
    camp.owner.silent_desk = "post-2"
    for number in ("0001", "0002"):
        await camp.acts(f"card: hh-{number}", "seen", "given", "next")
    camp.owner.silent_desk = ""
    assert await camp.acts("card: hh-0003", "seen") == "distribution-hand-over"
    await camp.boot(same_boot=False, silent_desk="post-2")
    assert camp.station.screen.name == "distribution-not-here-now"
    assert await camp.acts("desk") == "answer-desk"
    assert camp.store.work.open_session() is None


async def test_without_the_owners_word_the_loss_cap_is_the_end(camp: Rig) -> None:
    await camp.boot()
    camp.owner.silent_desk = "post-2"
    camp.station.refresh()
    unchecked, *island = camp.station.screen.lines
    assert "checked the clock" in unchecked.message, "nothing vouches for the clock of this boot"
    assert len(island) == 2, "it is shown before anybody is served, too"
    camp.desk.registered = collector()
    assert await camp.acts(CARD) == "distribution-verify"
    collectors_own = [plain(line) for line in camp.station.screen.lines]
    assert not any("desk" in line.lower() or "twice" in line for line in collectors_own)
    await camp.acts("help")
    assert not any("twice" in plain(line) for line in camp.station.screen.lines)
    await camp.acts("help", "next")
    for number in ("0001", "0002"):
        camp.desk.registered = collector(number)
        camp.desk.script.append(Ends())
        await camp.acts(f"card: hh-{number}")
        assert camp.station.screen.lines, "the worst case is shown"
        await camp.acts("given", "next")
    assert camp.owner.connected().worst_case == 2
    assert await camp.acts("card: hh-0003") == "distribution-not-here-now"
    assert await camp.acts("desk") == "answer-desk"
    answers = [service.answer for service in camp.services()]
    assert answers == [Answer.PERSON, Answer.GIVEN, Answer.GIVEN, Answer.DESK]


async def test_the_station_stops_with_a_record_of_whoever_is_served(camp: Rig) -> None:
    await camp.boot()
    camp.desk.registered = collector()
    await camp.acts(CARD)
    await camp.station.stop()
    assert [service.answer for service in camp.services()] == [Answer.PERSON]


async def test_a_card_of_another_list_leads_to_the_help_desk(camp: Rig) -> None:
    await camp.boot()
    assert await camp.acts("card: hh-9999") == "distribution-not-here-now"
    assert await camp.acts("desk", "next") == "distribution-ready"
    camp.store.lists.erase(camp.time.clock().now())
    assert await camp.acts(CARD) == "distribution-not-here-now"
    assert "No list is loaded" in camp.station.screen.title.message


async def test_a_decision_that_took_long_renews_the_claim_or_goes_by_the_owners_word(camp: Rig) -> None:
    await camp.boot()
    camp.desk.registered = collector()
    await camp.acts(CARD, "help")
    camp.time.pass_s(440)
    assert await camp.acts("seen") == "distribution-hand-over"
    await camp.pass_s(299)
    assert await camp.acts("given") == "answer-given"
    assert await camp.acts("next", "card: hh-0002") == "distribution-look-at-card"
    camp.owner.given_elsewhere = "post-2"
    camp.time.pass_s(500)
    assert await camp.acts("seen") == "answer-already-collected"


async def test_a_forged_card_looks_like_any_other_and_is_in_the_audit_log_without_who_held_it(
    camp: Rig,
) -> None:
    await camp.boot()
    camp.store.day.open(camp.time.clock().now(), "amina", [], DAY)
    assert await camp.acts("card: forged") == "distribution-card"
    assert camp.store.day.acts()["forged card", ""] == 1
    assert await camp.acts("card: hh-0001") != "distribution-card"
    assert camp.store.day.acts()["forged card", ""] == 1
