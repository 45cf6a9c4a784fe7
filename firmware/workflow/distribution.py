"""The distribution point as a pure state machine: card, standing, collector, hand-over, GIVEN.

A household has collected when staff press GIVEN and at no other time; a claim that is not given expires.
Nobody is sent away by the appliance alone: where it is not sure, an alternate, the card and the person, or
two people decide, and the default is to give, inside the signed loss cap (`distribution_exception`).

The notice was answered at registration: nothing is held of anybody who did not accept it. Who
no longer wants to be compared says so here, which is stored, and goes on by card and sight.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from firmware.workflow import choices
from firmware.workflow.distribution_exception import step_exception, to_help_desk
from firmware.workflow.distribution_screens import screen
from firmware.workflow.distribution_states import (
    AskingCard,
    AskingIfGiven,
    AskingReason,
    AskingSecondPerson,
    AskingSupervisor,
    CheckingSecondPerson,
    CheckingSupervisor,
    Deciding,
    Exceptional,
    FindingHousehold,
    HandingOver,
    HouseholdCase,
    KeepingDecision,
    LookingAtCard,
    NotHereNow,
    NotSure,
    State,
    Step,
    StoringDecline,
    Verifying,
    Why,
    WithCase,
)
from firmware.workflow.effects import (
    Begin,
    Conclude,
    FindHousehold,
    Greet,
    KeepDecision,
    StopCapture,
    StoreAnswer,
    Verify,
)
from firmware.workflow.events import (
    AnswerStored,
    Broken,
    CaptureStopped,
    CardNotUsable,
    DecisionKept,
    Event,
    Guided,
    HouseholdFound,
    NoListLoaded,
    NothingToCompare,
    NotOnList,
    NotVerified,
    Resumed,
    TimeOver,
    Verified,
)
from firmware.workflow.frame import (
    Answered,
    ChoosingConcern,
    Ending,
    NotWrittenDown,
    WaitingForPerson,
    WritingComplaint,
    WritingDown,
    chose,
    conclude,
    is_help,
    offered,
    step_frame,
)
from firmware.workflow.guidance import GUIDING
from firmware.workflow.outcomes import AlreadyGiven, ClaimedElsewhere, Granted, OwnerSilent
from firmware.workflow.screen import Acted, Entry, Text, say, say_many
from trust.consent import Consent
from trust.service import Answer, Basis, Workflow

__all__ = ["FIRST", "State", "screen", "step"]

HOURS_FROM_MIN = 120
FIRST = WaitingForPerson(Workflow.DISTRIBUTION)


def step(state: State, event: Event) -> Step:
    """Return the next state and what to do. An event that means nothing in a state leaves it as it is."""
    if isinstance(event, Acted) and not offered(screen(state), event.act):
        return state, ()
    match state:
        case WritingDown() | NotWrittenDown() | Answered() | ChoosingConcern() | WritingComplaint():
            return step_frame(state, event, Workflow.DISTRIBUTION)
        case WaitingForPerson():
            return _on_waiting(state, event)
        case AskingCard() | FindingHousehold() | NotHereNow():
            if is_help(event):
                return _person_takes_over(state.number if isinstance(state, NotHereNow) else "")
            return _on_card(state, event)
        case _:
            if is_help(event) or chose(event, choices.COLLEAGUE):
                return _on_help(state)
            return _go_on(state, event)


def _on_waiting(state: WaitingForPerson, event: Event) -> Step:
    match event:
        case Acted(act=choices.HELP):
            return _greeted(_person_takes_over(""))
        case Acted(act=choices.LOST_CARD.act):
            return _greeted(_to_desk("", say("Please go to the help desk: it makes a new card.")))
        case Acted(act=choices.REGISTER.act):
            return state, (Begin(Workflow.REGISTRATION),)
        case Acted(act=Entry.CARD.value, value=value):
            return FindingHousehold(), (Greet(), FindHousehold(value))
        case Resumed():
            return _resume(event)
        case HouseholdFound(standing=OwnerSilent(), exceptions_left=0):
            return _on_found(event)  # after a power cut: it may not be given without the owner's word
        case _:
            return step_frame(state, event, Workflow.DISTRIBUTION)


def _greeted(after: Step) -> Step:
    state, effects = after
    return state, (Greet(), *effects)


def _resume(event: Resumed) -> Step:
    """Go on after a power cut: what was decided was given already, is given now, or expires."""
    household = event.household
    case = HouseholdCase(
        event.number, declined=event.declined, owner_desk=event.owner_desk, worst_case=event.worst_case
    )
    if household is not None:
        case = replace(case, size=household.size, rations=household.rations)
    exceptional = (
        Exceptional(event.reason, event.supervisor, event.countersigned_by)
        if event.reason is not None
        else None
    )
    if event.left_s <= 0:
        return AskingIfGiven(case, event.basis, exceptional), ()
    return HandingOver(case, event.basis, exceptional, event.left_s, resumed=True), ()


def _on_card(state: AskingCard | FindingHousehold | NotHereNow, event: Event) -> Step:
    match event:
        case Acted(act=choices.DESK.act):
            number = state.number if isinstance(state, NotHereNow) else ""
            return _to_desk(number, to_help_desk(""))
        case Acted(act=choices.AGAIN.act) if isinstance(state, NotHereNow):
            return FindingHousehold(), (FindHousehold(state.number),)
        case Acted(act=Entry.CARD.value, value=value):
            return FindingHousehold(), (FindHousehold(value),)
        case _:
            return _on_looked_up(state, event) if isinstance(state, FindingHousehold) else (state, ())


def _on_looked_up(state: FindingHousehold, event: Event) -> Step:
    match event:
        case HouseholdFound():
            return _on_found(event)
        case NotOnList(number):
            return NotHereNow(number, say("This number is not on the list of this cycle.")), ()
        case NoListLoaded(number):
            return NotHereNow(number, say("No list is loaded here. Two supervisors load it first.")), ()
        case CardNotUsable(words):
            return AskingCard(words), ()
        case Broken():
            return AskingCard(say("The appliance had a fault. Please try again.")), ()
        case _:
            return state, ()


def _on_found(found: HouseholdFound) -> Step:
    household, standing = found.household, found.standing
    case = HouseholdCase(
        household.number,
        household.size,
        household.collectors,
        household.alternates,
        household.rations,
        found.exceptions_left,
        found.help_desk,
    )
    match standing:
        case Granted():
            return _verify(case)
        case OwnerSilent(desk):
            return _on_silent_owner(replace(case, owner_desk=desk, worst_case=found.networks.worst_case))
        case ClaimedElsewhere(_, desk):
            words = say("Desk {desk} is serving this household.", desk=desk)
            return NotHereNow(case.number, words), ()
        case AlreadyGiven(_, desk):
            return _already_collected(case, found, desk)
        case _:
            assert_never(standing)


def _on_silent_owner(case: HouseholdCase) -> Step:
    if case.exceptions_left > 0:
        return _verify(case)
    words = say("This desk cannot look it up now. Please go to desk {desk}.", desk=case.owner_desk)
    return NotHereNow(case.number, words), ()


def _already_collected(case: HouseholdCase, found: HouseholdFound, desk: str) -> Step:
    """When and at which desk, and never where anybody is."""
    at, ago_s = found.collected_at, found.standing.ago_s if isinstance(found.standing, AlreadyGiven) else None
    if at is None and ago_s is not None:
        title = _collected_ago(int(ago_s // 60), desk)
    elif at is None:
        title = say("This household has collected, at desk {desk}.", desk=desk)
    else:
        title = say(
            "This household has collected: {day}, {time}, desk {desk}.",
            day=at.date(),
            time=at.time(),
            desk=desk,
        )
    ending = Ending(
        Conclude(Answer.ALREADY_COLLECTED, case.number), title, lines=(to_help_desk(case.help_desk),)
    )
    return conclude(ending)


def _collected_ago(minutes: int, desk: str) -> Text:
    if minutes < HOURS_FROM_MIN:
        return say_many(
            "This household collected {number} minute ago, at desk {desk}.",
            "This household collected {number} minutes ago, at desk {desk}.",
            minutes,
            desk=desk,
        )
    return say_many(
        "This household collected {number} hour ago, at desk {desk}.",
        "This household collected {number} hours ago, at desk {desk}.",
        round(minutes / 60),
        desk=desk,
    )


def _verify(case: HouseholdCase) -> Step:
    return Verifying(case), (Verify(case.alternates if case.alternate else case.collectors),)


def _on_help(state: WithCase) -> Step:
    """HELP leads to people: first they look at the card and the person, or decide; then one takes over."""
    case, stop = state.case, (StopCapture(),) if isinstance(state, Verifying) else ()
    match state:
        case Verifying() | NotSure() | StoringDecline():
            return _look(case, Why.HELP), stop
        case _:
            return _person_takes_over(case.number, declined=case.declined)


def _go_on(state: WithCase, event: Event) -> Step:
    match state:
        case Verifying():
            return _on_verifying(state, event)
        case NotSure(case, _, wait_s):
            if chose(event, choices.AGAIN):
                return _verify(case)
            if isinstance(event, TimeOver) and wait_s:
                return NotSure(case, tries_left=1), ()  # the wait is over
            return _another_way(state, event)
        case StoringDecline(case):
            if isinstance(event, AnswerStored):
                return _look(case, Why.DECLINED), ()
            return (_look(case, Why.OWN_FAULT), ()) if isinstance(event, Broken) else (state, ())
        case LookingAtCard(case):
            if chose(event, choices.SEEN):
                return _decide(case, Basis.ALTERNATE if case.alternate else Basis.CARD)
            return _another_way(state, event)
        case (
            AskingReason()
            | AskingSupervisor()
            | CheckingSupervisor()
            | AskingSecondPerson()
            | CheckingSecondPerson()
            | Deciding()
        ):
            return step_exception(state, event)
        case KeepingDecision():
            return _on_kept(state, event)
        case HandingOver() | AskingIfGiven():
            return _on_handing_over(state, event)
        case _:
            assert_never(state)


def _on_verifying(state: Verifying, event: Event) -> Step:
    case = state.case
    if chose(event, choices.WITHOUT):
        declined = replace(case, declined=True)
        return StoringDecline(declined), (StopCapture(), StoreAnswer(Consent.DECLINED))
    match event:
        case Acted():
            after, effects = _another_way(state, event)
            return after, (StopCapture(), *effects)
        case Guided(show) if show.signal in GUIDING:
            return replace(state, show=show), ()
        case Verified():
            return _decide(case, Basis.ALTERNATE if case.alternate else Basis.BIOMETRIC)
        case NotVerified(tries_left, wait_s):
            return NotSure(replace(case, not_sure=True), tries_left, wait_s), ()
        case NothingToCompare():
            return _look(case, Why.NOTHING_TO_COMPARE), ()
        case CaptureStopped():
            return _look(case, Why.HELP), ()
        case Broken():
            return _look(case, Why.OWN_FAULT), ()
        case _:
            return state, ()


def _another_way(state: Verifying | NotSure | LookingAtCard, event: Event) -> Step:
    if chose(event, choices.ALTERNATE):
        return _verify(replace(state.case, alternate=True))
    if chose(event, choices.SUPERVISOR):
        return AskingReason(state.case), ()
    return state, ()


def _look(case: HouseholdCase, why: Why) -> LookingAtCard | AskingReason:
    """Have people look: by card and sight, but once a comparison was not sure, two of them with a reason."""
    return AskingReason(case) if case.not_sure else LookingAtCard(case, why)


def _decide(case: HouseholdCase, basis: Basis) -> Step:
    keep = KeepDecision(case.number, basis, declined=case.declined, owner_desk=case.owner_desk)
    return KeepingDecision(case, basis), (keep,)


def _on_kept(state: KeepingDecision, event: Event) -> Step:
    case = state.case
    match event:
        case DecisionKept(owner_desk, worst_case):
            if owner_desk:
                case = replace(case, owner_desk=owner_desk, worst_case=worst_case)
            return HandingOver(case, state.basis, state.exceptional), ()
        case HouseholdFound(standing=Granted()):
            return state, ()  # then it comes back as DecisionKept
        case HouseholdFound():
            return _on_found(event)
        case Broken():
            if state.exceptional is not None:
                return Deciding(case, state.exceptional), ()
            return _look(case, Why.OWN_FAULT), ()
        case _:
            return state, ()


def _on_handing_over(state: HandingOver | AskingIfGiven, event: Event) -> Step:
    if chose(event, choices.GIVEN):
        return _end(state, Answer.GIVEN, say("Given. Thank you."))
    if chose(event, choices.NOT_GIVEN) or isinstance(event, TimeOver):
        return _end(state, Answer.NOT_GIVEN, say("Nothing was handed over. The household can come again."))
    return state, ()


def _end(state: HandingOver | AskingIfGiven, answer: Answer, title: Text) -> Step:
    case, exceptional = state.case, state.exceptional
    given = answer is Answer.GIVEN
    return conclude(
        Ending(
            Conclude(
                answer,
                case.number,
                state.basis if given else None,
                exceptional.reason if exceptional is not None else None,
                exceptional.supervisor if exceptional is not None else "",
                case.declined,
                owner_silent=bool(case.owner_desk),
                countersigned_by=exceptional.countersigned_by if exceptional is not None else "",
            ),
            title,
            rations=case.rations if given else (),
        )
    )


def _to_desk(number: str, title: Text) -> Step:
    return conclude(Ending(Conclude(Answer.DESK, number), title))


def _person_takes_over(number: str, *, declined: bool = False) -> Step:
    return conclude(
        Ending(Conclude(Answer.PERSON, number, declined=declined), say("A colleague takes over now."))
    )
