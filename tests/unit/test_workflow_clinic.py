"""What the clinic's check-in promises, rule by rule, over its pure machine."""

from __future__ import annotations

from datetime import date

import pytest

from firmware.workflow import choices, clinic
from firmware.workflow.clinic_states import MAX_CANDIDATES
from firmware.workflow.effects import Conclude, Search, Verify
from firmware.workflow.events import (
    AppointmentFound,
    Broken,
    Event,
    Identified,
    NothingToCompare,
    NotOnList,
    NotVerified,
    TimeOver,
    Verified,
)
from firmware.workflow.outcomes import CaregiverLink
from tests.kit.played_machines import ACCEPTED, DECLINED, HELP, at_clinic, concluded, name
from trust.service import Answer, Basis


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
