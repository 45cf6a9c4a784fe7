"""What the distribution promises, rule by rule, over its pure machine."""

from __future__ import annotations

import pytest

from firmware.workflow import choices, distribution, frame
from firmware.workflow.distribution_states import CLAIM_S, HandingOver, LookingAtCard
from firmware.workflow.effects import Greet, KeepDecision, Verify
from firmware.workflow.events import (
    Broken,
    DecisionKept,
    Ended,
    HouseholdFound,
    NothingToCompare,
    PinChecked,
    TimeOver,
)
from firmware.workflow.outcomes import AlreadyGiven, ClaimedElsewhere, Concluded, PinRight
from firmware.workflow.plain import plain
from firmware.workflow.screen import Tone
from tests.kit.played_machines import DECLINED, HELP, NAMED, at_camp, concluded, name
from trust.service import Answer, Basis, Reason

VERIFYING = ("card", "free")
NOT_SURE = (*VERIFYING, "not sure")


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
