"""What the workflows promise, rule by rule, over the pure machines."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.cards import terms as cards
from firmware.workflow import choices, clinic, distribution, frame, registration
from firmware.workflow.clinic_states import MAX_CANDIDATES
from firmware.workflow.diagram import EVENTS, Arrow, page, walk
from firmware.workflow.distribution_states import CLAIM_S, AskingIfGiven, HandingOver, LookingAtCard
from firmware.workflow.effects import (
    Conclude,
    Effect,
    Greet,
    KeepDecision,
    Register,
    Search,
    StoreAnswer,
    Verify,
)
from firmware.workflow.events import (
    AnswerStored,
    AppointmentFound,
    Broken,
    DecisionKept,
    Ended,
    Event,
    HouseholdFound,
    Identified,
    NothingToCompare,
    NotOnList,
    NotVerified,
    NumberRead,
    PinChecked,
    Registered,
    RegistrationWaits,
    TimeOver,
    Verified,
)
from firmware.workflow.frame import Answered, WaitingForPerson
from firmware.workflow.machines import MACHINES, Machine
from firmware.workflow.outcomes import (
    AlreadyGiven,
    CaregiverLink,
    ClaimedElsewhere,
    Concluded,
    PinRight,
)
from firmware.workflow.plain import plain
from firmware.workflow.screen import Acted, Screen, Tone
from trust.consent import Consent
from trust.service import Answer, Basis, Reason, Workflow

NAMED: dict[str, Event] = dict(EVENTS)
HELP = "help"
DOCS = Path(__file__).parents[2] / "docs" / "workflows"


def play(machine: Machine, *happens: Event | str) -> tuple[Any, list[Effect]]:
    """Let things happen in turn: an event, the name of one (`diagram.EVENTS`), or something chosen."""
    state: Any = machine.first
    done: list[Effect] = []
    for each in happens:
        event = NAMED.get(each, Acted(each, "C-0001", "amina")) if isinstance(each, str) else each
        state, effects = machine.step(state, event)
        done += effects
    return state, done


def at_registration(*happens: Event | str) -> tuple[Any, list[Effect]]:
    return play(MACHINES[Workflow.REGISTRATION], *happens)


def at_clinic(*happens: Event | str) -> tuple[Any, list[Effect]]:
    return play(MACHINES[Workflow.CLINIC], *happens)


def at_camp(*happens: Event | str) -> tuple[Any, list[Effect]]:
    return play(MACHINES[Workflow.DISTRIBUTION], *happens)


def concluded(effects: list[Effect]) -> Conclude:
    [conclude] = [effect for effect in effects if isinstance(effect, Conclude)]
    return conclude


def name(state: Any) -> str:
    return type(state).__name__


ACCEPTED = AnswerStored(Consent.ACCEPTED)
DECLINED = AnswerStored(Consent.DECLINED)
VERIFYING = ("card", "free")
NOT_SURE = (*VERIFYING, "not sure")


# --- registration -------------------------------------------------------------------------------------


def test_registration_captures_after_the_stored_answer_the_age_and_the_number() -> None:
    _, effects = at_registration("register", "accept", ACCEPTED, "five or older", "number", "number read")
    assert effects[-1] == Register("C-0002", Consent.ACCEPTED, capture=True)
    assert effects.index(StoreAnswer(Consent.ACCEPTED)) < len(effects) - 1


def test_a_question_leads_back_to_the_notice_and_is_stored() -> None:
    state, effects = at_registration("register", "question")
    assert name(state) == "AnsweringQuestion"
    assert name(effects[-1]) == "StoreQuestion"
    assert name(at_registration("register", "question", "back")[0]) == "ShowingNotice"


@pytest.mark.parametrize("answer", [Consent.ACCEPTED, Consent.DECLINED])
def test_who_declines_is_registered_the_same_without_capture(answer: Consent) -> None:
    act = "accept" if answer is Consent.ACCEPTED else "decline"
    asked = ("register", act, AnswerStored(answer), "five or older", "number", NumberRead("C-7"))
    state, effects = at_registration(*asked, Registered())
    [register] = [effect for effect in effects if isinstance(effect, Register)]
    assert register.capture is (answer is Consent.ACCEPTED)
    assert concluded(effects).answer is Answer.REGISTERED
    assert concluded(effects).declined is (answer is Consent.DECLINED)
    assert plain(state.ending.title) == "Registered. Thank you."


def test_under_five_nothing_is_captured_and_the_caregiver_is_linked() -> None:
    child = ("register", "accept", ACCEPTED, "under five", "number", NumberRead("C-7"))
    _, effects = at_registration(*child, "card", NumberRead("C-8"))
    assert effects[-1] == Register("C-7", Consent.ACCEPTED, capture=False, caregiver="C-8")
    assert name(at_registration(*child, "card", NumberRead("C-7"))[0]) == "AskingCaregiver"
    _, effects = at_registration(*child, "no caregiver")
    assert effects[-1] == Register("C-7", Consent.ACCEPTED, capture=False)


def test_missing_fingers_are_named_and_not_asked_for_again() -> None:
    state, _ = at_registration(
        "register", "accept", ACCEPTED, "five or older", "number", "number read", "registered"
    )
    assert [plain(line) for line in state.ending.lines] == ["Not taken, and not needed: right index finger"]


def test_a_stopped_registration_says_so_and_the_person_is_served() -> None:
    state, _ = at_registration(
        "register", "accept", ACCEPTED, "five or older", "number", "number read", RegistrationWaits()
    )
    assert "served all the same" in plain(registration.screen(state).title)


# --- clinic -------------------------------------------------------------------------------------------


def test_a_claim_is_compared_one_to_one_and_no_claim_searches_the_list() -> None:
    _, effects = at_clinic("card", AppointmentFound("C-1"), "accept", ACCEPTED)
    assert effects[-1] == Verify(("C-1",))
    _, effects = at_clinic("no card", "accept", ACCEPTED)
    assert effects[-1] == Search()


def test_a_match_gives_the_token_and_a_suggestion_only_once_staff_confirm() -> None:
    _, effects = at_clinic("card", AppointmentFound("C-1"), "accept", ACCEPTED, Verified())
    assert (concluded(effects).answer, concluded(effects).basis) == (Answer.VISIT, Basis.BIOMETRIC)
    state, effects = at_clinic("no card", "accept", ACCEPTED, "suggested")
    assert not any(isinstance(effect, Conclude) for effect in effects)
    assert len(clinic.screen(state).candidates) == MAX_CANDIDATES
    _, effects = at_clinic("no card", "accept", ACCEPTED, "suggested", "candidate 1", Identified("C-1"))
    assert (concluded(effects).basis, concluded(effects).number) == (Basis.CONFIRMED, "C-1")


@pytest.mark.parametrize(
    "happens",
    [
        ("decline", DECLINED),
        ("accept", ACCEPTED, "not sure"),
        ("accept", ACCEPTED, NothingToCompare()),
        ("accept", ACCEPTED, Broken()),
        ("accept", ACCEPTED, HELP),
        ("accept", ACCEPTED, "without", DECLINED),
        (HELP,),
    ],
)
def test_whoever_is_not_matched_gets_the_token_by_paper_and_sight(happens: tuple[Event | str, ...]) -> None:
    state, effects = at_clinic("card", AppointmentFound("C-1"), *happens)
    assert clinic.screen(state).choices[0] == choices.SEEN, "one press of OK"
    _, effects = at_clinic("card", AppointmentFound("C-1"), *happens, "seen")
    assert (concluded(effects).answer, concluded(effects).basis) == (Answer.VISIT, Basis.CARD)


def test_after_too_many_tries_the_wait_is_shown_and_another_path_is_there_at_once() -> None:
    happens = ("card", AppointmentFound("C-1"), "accept", ACCEPTED, NotVerified(0, 30.0))
    screen = clinic.screen(at_clinic(*happens)[0])
    assert (screen.tries_left, screen.wait_s) == (0, 30.0)
    assert choices.SEEN in screen.choices
    assert choices.AGAIN not in screen.choices
    assert choices.AGAIN in clinic.screen(at_clinic(*happens, TimeOver())[0]).choices


def test_for_a_child_the_caregiver_is_compared_while_the_link_holds() -> None:
    link = CaregiverLink("C-8", date(2027, 1, 1), expired=False)
    _, effects = at_clinic("card", AppointmentFound("C-7", link), "accept", ACCEPTED)
    assert effects[-1] == Verify(("C-8",))
    _, effects = at_clinic("card", NotOnList("C-7", link), "go on", "accept", ACCEPTED)
    assert effects[-1] == Verify(("C-8",)), "expected today or not"
    state, effects = at_clinic("card", "a child, link expired", "accept", ACCEPTED)
    assert not any(isinstance(effect, Verify) for effect in effects)
    assert name(state) == "LookingAtPaper"


def test_who_is_not_on_the_list_is_seen_all_the_same() -> None:
    _, effects = at_clinic("card", NotOnList("C-9"), "go on", "decline", DECLINED, "seen")
    assert (concluded(effects).answer, concluded(effects).number) == (Answer.VISIT, "C-9")


# --- distribution -------------------------------------------------------------------------------------


def test_the_card_leads_to_a_comparison_with_the_collectors_of_that_household() -> None:
    state, effects = at_camp(*VERIFYING)
    assert effects[0] == Greet()
    assert effects[-1] == Verify(("P-1", "P-2"))
    assert distribution.screen(state).household_size == 5


def test_a_match_shows_the_ration_only_after_the_decision_is_kept() -> None:
    state, effects = at_camp(*VERIFYING, "match")
    assert effects[-1] == KeepDecision("HH-0001", Basis.BIOMETRIC)
    assert distribution.screen(state).rations == ()
    state, _ = at_camp(*VERIFYING, "match", DecisionKept())
    screen = distribution.screen(state)
    assert (screen.choices[0], screen.ends_in_s) == (choices.GIVEN, CLAIM_S)
    assert screen.rations


def test_a_claim_that_is_not_given_expires() -> None:
    _, effects = at_camp(*VERIFYING, "match", DecisionKept(), TimeOver())
    assert (concluded(effects).answer, concluded(effects).basis) == (Answer.NOT_GIVEN, None)


def test_already_collected_says_time_and_desk_and_nothing_else() -> None:
    state, effects = at_camp("card", "already collected", Ended(Concluded(1)))
    assert concluded(effects).answer is Answer.ALREADY_COLLECTED
    screen = distribution.screen(state)
    assert screen.tone is Tone.PERSON
    assert plain(screen.title) == "This household has collected: 2026-11-25, 10:40:00, desk 2."


@pytest.mark.parametrize(
    ("standing", "says"),
    [
        (ClaimedElsewhere(60.0, "2"), "Desk 2 is serving this household."),
        (AlreadyGiven(None, "2"), "This household has collected, at desk 2."),
        (AlreadyGiven(None, "2", 100.0), "This household collected 1 minute ago, at desk 2."),
        (AlreadyGiven(None, "2", 11_000.0), "This household collected 3 hours ago, at desk 2."),
    ],
)
def test_another_desk_is_named(standing: ClaimedElsewhere | AlreadyGiven, says: str) -> None:
    found = NAMED["free"]
    assert isinstance(found, HouseholdFound)
    state, _ = at_camp("card", HouseholdFound(found.household, standing, 3, found.networks))
    title = state.ending.title if isinstance(state, frame.WritingDown) else state.words
    assert plain(title) == says


def test_with_a_silent_owner_the_worst_case_is_shown_and_the_cap_is_the_end() -> None:
    state, _ = at_camp("card", "owner silent")
    assert distribution.screen(state).lines == (), "not while the collector stands before it"
    state, _ = at_camp("card", "owner silent", "match", "decision kept")
    assert "At most 2 households could collect twice today." in map(plain, distribution.screen(state).lines)
    state, effects = at_camp("card", "owner silent, cap reached")
    assert not any(isinstance(effect, Verify) for effect in effects)
    assert "desk 2" in plain(distribution.screen(state).title)


def test_after_a_mismatch_again_then_an_alternate_then_a_supervisor_are_offered() -> None:
    screen = distribution.screen(at_camp(*NOT_SURE)[0])
    assert screen.choices == (choices.AGAIN, choices.ALTERNATE, choices.SUPERVISOR)
    assert screen.tries_left == 2
    _, effects = at_camp(*NOT_SURE, "alternate")
    assert effects[-1] == Verify(("P-9",))
    _, effects = at_camp(*NOT_SURE, "alternate", "match")
    assert effects[-1] == KeepDecision("HH-0001", Basis.ALTERNATE)


def test_a_claim_that_has_to_wait_shows_for_how_long_and_offers_the_others_at_once() -> None:
    screen = distribution.screen(at_camp(*VERIFYING, "not sure, has to wait")[0])
    assert screen.wait_s == 30.0
    assert screen.choices == (choices.ALTERNATE, choices.SUPERVISOR)


SIGNED = (*NOT_SURE, "supervisor", "worn fingers", "countersign", "PIN right, two people")


def test_an_exception_needs_a_reason_and_two_people_and_its_default_is_to_give() -> None:
    state, _ = at_camp(*SIGNED)
    assert distribution.screen(state).choices[0] == choices.GIVE
    _, effects = at_camp(*SIGNED, "give", DecisionKept(), "given")
    conclude = concluded(effects)
    assert (conclude.basis, conclude.reason, conclude.supervisor) == (
        Basis.EXCEPTION,
        Reason.WORN_FINGERS,
        "boris",
    )


@pytest.mark.parametrize("operator", ["", "boris"])
def test_a_supervisor_alone_is_one_person(operator: str) -> None:
    alone = (*SIGNED[:-1], PinChecked(PinRight("boris"), operator))
    assert name(at_camp(*alone)[0]) == "AskingSecondPerson"
    same = (*alone, "countersign", PinChecked(PinRight("boris"), operator))
    assert name(at_camp(*same)[0]) == "AskingSecondPerson"
    other = (*alone, "countersign", PinChecked(PinRight("amina"), operator))
    assert name(at_camp(*other)[0]) == "Deciding"


def test_two_people_may_send_to_the_desk_and_that_is_recorded_with_both() -> None:
    _, effects = at_camp(*SIGNED, "desk")
    assert (concluded(effects).answer, concluded(effects).supervisor) == (Answer.DESK, "boris")


def test_no_exception_is_given_over_the_signed_cap() -> None:
    happens = ("card", "free, no exception left", *SIGNED[2:])
    screen = distribution.screen(at_camp(*happens)[0])
    assert screen.choices == (choices.DESK,)


def test_who_declines_is_served_by_card_and_sight_with_the_same_rations() -> None:
    by_sight = (*VERIFYING, "without", DECLINED, "seen", DecisionKept())
    state, _ = at_camp(*by_sight)
    matched, _ = at_camp(*VERIFYING, "match", DecisionKept())
    assert distribution.screen(state).rations == distribution.screen(matched).rations
    _, effects = at_camp(*by_sight, "given")
    assert (concluded(effects).basis, concluded(effects).declined) == (Basis.CARD, True)


def test_once_a_comparison_was_not_sure_card_and_sight_alone_do_not_do() -> None:
    for happens in (
        (*NOT_SURE, HELP),
        (*NOT_SURE, "again", HELP),
        (*NOT_SURE, "again", Broken()),
        (*NOT_SURE, "alternate", NothingToCompare()),
        (*SIGNED, "give", Broken()),
    ):
        state, _ = at_camp(*happens)
        assert not isinstance(state, LookingAtCard), happens


def test_a_lost_card_goes_to_the_help_desk() -> None:
    _, effects = at_camp("lost card")
    assert concluded(effects).answer is Answer.DESK


def test_a_decision_that_a_power_cut_interrupted_is_not_collected_by_itself() -> None:
    state, effects = at_camp("resumed")
    assert isinstance(state, HandingOver)
    assert effects == []
    assert distribution.screen(state).ends_in_s == 120.0


# --- all of them --------------------------------------------------------------------------------------

WALKED: dict[Workflow, list[Arrow]] = {
    workflow: list(walk(machine)) for workflow, machine in MACHINES.items()
}
MACHINE = st.sampled_from(list(MACHINES.values()))


def screens(machine: Machine) -> list[Screen]:
    arrows = WALKED[machine.workflow]
    return [machine.screen(state) for state in dict.fromkeys([machine.first, *(a.after for a in arrows)])]


@pytest.mark.parametrize("machine", MACHINES.values(), ids=lambda machine: machine.workflow.value)
def test_from_every_state_help_leads_to_an_answer(machine: Machine) -> None:
    for start in dict.fromkeys(arrow.after for arrow in WALKED[machine.workflow]):
        state, presses = start, 0
        while not isinstance(state, Answered) and presses < 6:
            state, _ = machine.step(state, Acted(HELP))
            if isinstance(state, frame.WritingDown):
                state, _ = machine.step(state, Ended(Concluded(1)))
            presses += 1
        assert isinstance(state, Answered), start


@pytest.mark.parametrize("machine", MACHINES.values(), ids=lambda machine: machine.workflow.value)
def test_nobody_leaves_without_a_record(machine: Machine) -> None:
    """Only a session that could not be written down ends otherwise; the store keeps that one open."""
    for arrow in WALKED[machine.workflow]:
        if isinstance(arrow.after, WaitingForPerson) and not isinstance(arrow.before, WaitingForPerson):
            assert isinstance(
                arrow.before,
                Answered | frame.NotWrittenDown | frame.ChoosingConcern | frame.WritingComplaint,
            )
        if isinstance(arrow.after, Answered) and not isinstance(
            arrow.before, Answered | frame.ChoosingConcern | frame.WritingComplaint
        ):
            assert isinstance(arrow.event, Ended)
        concludes = [effect for effect in arrow.effects if isinstance(effect, Conclude)]
        assert len(concludes) == int(isinstance(arrow.after, frame.WritingDown) and bool(arrow.effects))


def test_collected_only_by_given() -> None:
    for arrow in WALKED[Workflow.DISTRIBUTION]:
        if any(isinstance(e, Conclude) and e.answer is Answer.GIVEN for e in arrow.effects):
            again = isinstance(arrow.before, frame.NotWrittenDown)
            assert again or (isinstance(arrow.before, HandingOver | AskingIfGiven) and arrow.name == "given")


@given(MACHINE, st.data())
def test_nothing_is_captured_before_the_stored_answer_and_no_search_suggests_more_than_three(
    machine: Machine, data: st.DataObject
) -> None:
    state: Any = machine.first
    stored = False
    for _ in range(25):
        offered = [Acted(act, "C-0001", "amina") for act in (*frame.acts(machine.screen(state)), HELP)]
        event = data.draw(st.sampled_from([*offered, *(event for _, event in EVENTS)]))
        if isinstance(state, WaitingForPerson):
            stored = False
        before, (state, effects) = state, machine.step(state, event)
        stored |= isinstance(event, AnswerStored) and name(before) == "StoringAnswer"
        for effect in effects:
            if isinstance(effect, Register) and effect.capture:
                assert stored
            if isinstance(effect, Verify | Search) and machine.workflow is Workflow.CLINIC:
                assert stored
        assert len(machine.screen(state).candidates) <= 3


@pytest.mark.parametrize("machine", MACHINES.values(), ids=lambda machine: machine.workflow.value)
def test_each_screen_offers_a_way_on_and_red_is_for_the_appliance_alone(machine: Machine) -> None:
    for screen in screens(machine):
        assert screen.busy or screen.preview or screen.choices or screen.entry, screen.name
        acts = frame.acts(screen)
        assert len(acts) == len(set(acts)), screen.name
        if screen.tone is Tone.FAULT:
            assert "appliance" in plain(screen.title), screen.name


OWN_ANSWERS = {choices.ACCEPT, choices.DECLINE, choices.WITHOUT, *choices.CONCERNS.values()}


def test_where_a_persons_own_answer_is_asked_none_is_highlighted() -> None:
    for machine in MACHINES.values():
        for screen in screens(machine):
            if OWN_ANSWERS.intersection(screen.choices):
                assert frame.first_highlighted(screen) is None, screen.name


def test_nothing_but_the_token_is_for_bystanders() -> None:
    for machine in MACHINES.values():
        for screen in screens(machine):
            assert not screen.public or screen.name == "answer-visit", screen.name


ACCUSING = re.compile(
    r"\b(fraud|reject\w*|unknown|failed|failure|denied|deny|suspicio\w*|suspect\w*|fake|forged|invalid|illegal|"
    r"refus\w*|wrong person|impostor|cheat\w*|blocked|violation)\b",
    re.IGNORECASE,
)


def test_no_sentence_accuses_anybody() -> None:
    drawn = [screen for machine in MACHINES.values() for screen in screens(machine)]
    said = {plain(text) for screen in drawn for text in (screen.title, *screen.lines)}
    said |= {plain(choice.label) for screen in drawn for choice in screen.choices}
    sources = [*Path(cards.__file__).parent.glob("*.py"), *Path(frame.__file__).parent.glob("*.py")]
    sources += Path(frame.__file__).parents[1].joinpath("page").glob("*.py")
    for source in sources:
        said |= set(re.findall(r'\bsay(?:_many)?\(\s*"([^"]+)"', source.read_text(encoding="utf-8")))
    assert len(said) > 100
    assert [sentence for sentence in said if ACCUSING.search(sentence)] == []


@pytest.mark.parametrize("machine", MACHINES.values(), ids=lambda machine: machine.workflow.value)
def test_the_page_in_the_documentation_is_that_of_the_machine(machine: Machine) -> None:
    committed = DOCS / f"{machine.workflow.value}.md"
    assert committed.read_text(encoding="utf-8") == page(machine), (
        "run: python -m firmware.workflow.diagram docs/workflows"
    )
