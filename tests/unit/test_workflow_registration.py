"""What the registration promises, rule by rule, over its pure machine."""

from __future__ import annotations

import pytest

from firmware.workflow import registration
from firmware.workflow.effects import Register, StoreAnswer
from firmware.workflow.events import AnswerStored, NumberRead, Registered, RegistrationWaits
from firmware.workflow.plain import plain
from tests.kit.played_machines import ACCEPTED, at_registration, concluded, name
from trust.consent import Consent
from trust.service import Answer


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
