"""The screens of the distribution point."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from firmware.workflow import choices
from firmware.workflow.distribution_states import (
    ASKED_S,
    AskingCard,
    AskingIfGiven,
    AskingReason,
    AskingSecondPerson,
    AskingSupervisor,
    CheckingSecondPerson,
    CheckingSupervisor,
    Deciding,
    FindingHousehold,
    HandingOver,
    HouseholdCase,
    KeepingDecision,
    LookingAtCard,
    NotHereNow,
    NotSure,
    State,
    StoringDecline,
    Verifying,
    Why,
)
from firmware.workflow.frame import (
    Answered,
    ChoosingConcern,
    NotWrittenDown,
    WaitingForPerson,
    WritingComplaint,
    WritingDown,
    busy_screen,
    frame_screen,
)
from firmware.workflow.guidance import capture_screen
from firmware.workflow.outcomes import Networks
from firmware.workflow.screen import Choice, Entry, Screen, Text, Tone, say, say_many
from firmware.workflow.terms import Role
from trust.service import Workflow

NAME = Workflow.DISTRIBUTION.value

_GIVEN_BEFORE = say("Was it handed over before the appliance went off? Then give nothing, and press GIVEN.")
WAITING = Screen(
    f"{NAME}-ready",
    Tone.CALM,
    "card",
    say("Show the household's card"),
    choices=(choices.LOST_CARD, choices.REGISTER, choices.COMPLAIN),
    entry=Entry.CARD,
)


def screen(state: State) -> Screen:
    """Return what is shown in a state."""
    match state:
        case WritingDown() | NotWrittenDown() | Answered() | ChoosingConcern() | WritingComplaint():
            return frame_screen(state, WAITING)
        case WaitingForPerson():
            return WAITING
        case AskingCard(words):
            return Screen(
                f"{NAME}-card",
                Tone.AGAIN,
                "card",
                words,
                choices=(choices.DESK,),
                entry=Entry.CARD,
            )
        case FindingHousehold():
            return busy_screen(f"{NAME}-finding")
        case NotHereNow(_, words, lines):
            return Screen(
                f"{NAME}-not-here-now",
                Tone.PERSON,
                "desk",
                words,
                lines=lines,
                choices=(choices.AGAIN, choices.DESK),
            )
        case Verifying(case, show):
            return _verifying_screen(case, show_screen=capture_screen(f"{NAME}-verify", show, ()))
        case NotSure():
            return _not_sure_screen(state)
        case StoringDecline():
            return busy_screen(f"{NAME}-storing-answer")
        case LookingAtCard(case, why):
            return _card_screen(case, why)
        case AskingReason(case):
            return Screen(
                f"{NAME}-reason",
                Tone.PERSON,
                "list",
                say("Why does a supervisor decide?"),
                choices=(*choices.REASONS.values(), choices.COLLEAGUE),
                household_size=case.size,
            )
        case AskingSupervisor(_, _, words, wait_s):
            return Screen(
                f"{NAME}-supervisor",
                Tone.PERSON,
                "pin",
                say("A supervisor enters name and PIN."),
                lines=() if words is None else (words,),
                choices=(choices.COLLEAGUE,),
                entry=Entry.COUNTERSIGN,
                signer=Role.SUPERVISOR,
                wait_s=wait_s or None,
            )
        case AskingSecondPerson(_, _, words, wait_s):
            return Screen(
                f"{NAME}-second-person",
                Tone.PERSON,
                "staff",
                say("A second person enters name and PIN."),
                lines=() if words is None else (words,),
                choices=(choices.COLLEAGUE,),
                entry=Entry.COUNTERSIGN,
                signer=Role.OPERATOR,
                wait_s=wait_s or None,
            )
        case CheckingSupervisor() | CheckingSecondPerson():
            return busy_screen(f"{NAME}-checking-pin")
        case Deciding(case, _):
            return _deciding_screen(case)
        case KeepingDecision():
            return busy_screen(f"{NAME}-keeping-decision")
        case HandingOver(case, _, _, left_s, resumed):
            return Screen(
                f"{NAME}-hand-over",
                Tone.GOOD,
                "hand over",
                say("Give the ration, then press GIVEN."),
                lines=(*((_GIVEN_BEFORE,) if resumed else ()), *_warnings(case)),
                choices=(choices.GIVEN, choices.NOT_GIVEN),
                household_size=case.size,
                rations=case.rations,
                ends_in_s=left_s,
            )
        case AskingIfGiven(case):
            return Screen(
                f"{NAME}-asking-if-given",
                Tone.PERSON,
                "question",
                say("Was the ration handed over before the appliance went off?"),
                lines=(say("Card: {number}", number=case.number), say("Give nothing now.")),
                choices=(choices.GIVEN, choices.NOT_GIVEN),
                own_answer=True,
                ends_in_s=ASKED_S,
            )
        case _:
            assert_never(state)


def _verifying_screen(case: HouseholdCase, show_screen: Screen) -> Screen:
    offers: list[Choice] = [choices.WITHOUT] if not case.not_sure else [choices.SUPERVISOR]
    if case.alternates and not case.alternate:
        offers.append(choices.ALTERNATE)
    return replace(
        show_screen,
        choices=tuple(offers),
        household_size=case.size,
        own_answer=choices.WITHOUT in offers,
    )


def _not_sure_screen(state: NotSure) -> Screen:
    case = state.case
    offers: list[Choice] = []
    if state.tries_left and not state.wait_s:
        offers.append(choices.AGAIN)
    if case.alternates and not case.alternate:
        offers.append(choices.ALTERNATE)
    offers.append(choices.SUPERVISOR)
    return Screen(
        f"{NAME}-not-sure",
        Tone.PERSON,
        "helper",
        say("The appliance is not sure. There are other ways."),
        choices=tuple(offers),
        household_size=case.size,
        tries_left=state.tries_left,
        wait_s=state.wait_s or None,
        ends_in_s=state.wait_s or None,
    )


def _card_screen(case: HouseholdCase, why: Why) -> Screen:
    own_fault = why is Why.OWN_FAULT
    return Screen(
        f"{NAME}-look-at-card",
        Tone.FAULT if own_fault else Tone.PERSON,
        "wrench" if own_fault else "card",
        _why(why),
        lines=(
            say("Look at the card and the person."),
            say("Card: {number}", number=case.number),
        ),
        choices=(choices.SEEN, choices.SUPERVISOR, choices.COLLEAGUE),
        household_size=case.size,
    )


def _why(why: Why) -> Text:
    match why:
        case Why.DECLINED:
            return say("Served without finger and face.")
        case Why.HELP:
            return say("A colleague helps you.")
        case Why.NOTHING_TO_COMPARE:
            return say("There is nothing to compare with yet. A colleague looks.")
        case Why.OWN_FAULT:
            return say("The appliance had a fault. A colleague looks.")
        case _:
            assert_never(why)


def _deciding_screen(case: HouseholdCase) -> Screen:
    may_give = case.exceptions_left > 0
    left = say("The exceptions of this cycle are used up here. The help desk can give the ration.")
    if may_give:
        left = say_many(
            "{number} exception is left for this cycle here.",
            "{number} exceptions are left for this cycle here.",
            case.exceptions_left,
        )
    return Screen(
        f"{NAME}-decide",
        Tone.PERSON,
        "staff",
        say("Both have signed. Give the ration?"),
        lines=(left, *_warnings(case)),
        choices=(choices.GIVE, choices.DESK) if may_give else (choices.DESK,),
        household_size=case.size,
    )


def island_lines(networks: Networks) -> tuple[Text, ...]:
    """Return what staff must know, before anybody is served, of the networks that are down."""
    lines: list[Text] = []
    if not networks.uplink:
        lines.append(say("No connection out of here: the work goes on, and records wait."))
    if not networks.site:
        lines.append(say("Not all desks can be reached."))
        lines.append(_worst_case(networks.worst_case))
    return tuple(lines)


def _worst_case(households: int) -> Text:
    return say_many(
        "At most {number} household could collect twice today.",
        "At most {number} households could collect twice today.",
        households,
    )


def _warnings(case: HouseholdCase) -> tuple[Text, ...]:
    """Return what staff must know while the local network is down, where they decide.

    Never where the person presents finger or face: how far the desks reach is not for those who collect.
    """
    if not case.owner_desk:
        return ()
    return (
        say("Desk {desk} does not answer.", desk=case.owner_desk),
        _worst_case(case.worst_case),
    )
