"""The exception: a reason code, a supervisor's PIN, a second person's sign, and then two people decide.

Two different people stand behind every exception and behind every household that is sent away: the supervisor
and whoever is signed in, or, where that is the same person or nobody, somebody else with a PIN.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias, assert_never

from firmware.workflow import choices
from firmware.workflow.distribution_states import (
    AskingReason,
    AskingSecondPerson,
    AskingSupervisor,
    CheckingSecondPerson,
    CheckingSupervisor,
    Deciding,
    Exceptional,
    HouseholdCase,
    KeepingDecision,
    Step,
)
from firmware.workflow.effects import CheckPin, Conclude, KeepDecision
from firmware.workflow.events import Broken, Event, PinChecked
from firmware.workflow.frame import Ending, chose, conclude
from firmware.workflow.outcomes import PinCheck, PinRight, PinWaits, PinWrong, RoleTooLow
from firmware.workflow.screen import Acted, Entry, Text, say, say_many
from firmware.workflow.terms import Role
from trust.service import Answer, Basis

Exception_: TypeAlias = (
    AskingReason
    | AskingSupervisor
    | CheckingSupervisor
    | AskingSecondPerson
    | CheckingSecondPerson
    | Deciding
)


def step_exception(state: Exception_, event: Event) -> Step:
    """Return the next state and what to do while an exception is asked for."""
    match state:
        case AskingReason(case):
            for reason, choice in choices.REASONS.items():
                if chose(event, choice):
                    return AskingSupervisor(case, Exceptional(reason)), ()
            return state, ()
        case AskingSupervisor(case, exceptional):
            if isinstance(event, Acted) and event.act == Entry.COUNTERSIGN.value:
                return CheckingSupervisor(case, exceptional), (CheckPin(event.value, Role.SUPERVISOR),)
            return state, ()
        case CheckingSupervisor(case, exceptional):
            match event:
                case PinChecked(PinRight(name), operator):
                    signed = replace(exceptional, supervisor=name)
                    if operator and operator != name:
                        return Deciding(case, replace(signed, countersigned_by=operator)), ()
                    return AskingSecondPerson(case, signed), ()
                case PinChecked(check):
                    return AskingSupervisor(case, exceptional, _words(check), _wait_s(check)), ()
                case Broken():
                    return AskingSupervisor(case, exceptional, _OWN_FAULT), ()
                case _:
                    return state, ()
        case AskingSecondPerson(case, exceptional):
            if isinstance(event, Acted) and event.act == Entry.COUNTERSIGN.value:
                return CheckingSecondPerson(case, exceptional), (CheckPin(event.value, Role.OPERATOR),)
            return state, ()
        case CheckingSecondPerson(case, exceptional):
            match event:
                case PinChecked(PinRight(name)) if name == exceptional.supervisor:
                    words = say("Somebody else signs, please: this was the supervisor.")
                    return AskingSecondPerson(case, exceptional, words), ()
                case PinChecked(PinRight(name)):
                    return Deciding(case, replace(exceptional, countersigned_by=name)), ()
                case PinChecked(check):
                    return AskingSecondPerson(case, exceptional, _words(check), _wait_s(check)), ()
                case Broken():
                    return AskingSecondPerson(case, exceptional, _OWN_FAULT), ()
                case _:
                    return state, ()
        case Deciding(case, exceptional):
            if chose(event, choices.GIVE):
                return give_in_exception(case, exceptional)
            return send_to_desk(case, exceptional) if chose(event, choices.DESK) else (state, ())
        case _:
            assert_never(state)


def give_in_exception(case: HouseholdCase, exceptional: Exceptional) -> Step:
    """Keep the decision to give in exception."""
    keep = KeepDecision(
        case.number,
        Basis.EXCEPTION,
        exceptional.reason,
        exceptional.supervisor,
        case.declined,
        case.owner_desk,
        exceptional.countersigned_by,
    )
    return KeepingDecision(case, Basis.EXCEPTION, exceptional), (keep,)


def send_to_desk(case: HouseholdCase, exceptional: Exceptional) -> Step:
    """Two people decided that the help desk settles it."""
    return conclude(
        Ending(
            Conclude(
                Answer.DESK,
                case.number,
                reason=exceptional.reason,
                supervisor=exceptional.supervisor,
                declined=case.declined,
                countersigned_by=exceptional.countersigned_by,
            ),
            to_help_desk(case.help_desk),
        )
    )


def to_help_desk(desk: str) -> Text:
    """Return where the person goes."""
    return say("Please go to desk {desk}.", desk=desk) if desk else say("Please go to the help desk.")


_OWN_FAULT = say("The appliance had a fault. Please try again.")


def _words(check: PinCheck) -> Text:
    match check:
        case PinWrong(tries_left):
            return say_many(
                "Name and PIN do not go together. {number} try is left.",
                "Name and PIN do not go together. {number} tries are left.",
                tries_left,
            )
        case PinWaits():
            return say("Too many wrong PINs. Please wait.")
        case PinRight() | RoleTooLow():
            return say("A supervisor is needed here.")
        case _:
            assert_never(check)


def _wait_s(check: PinCheck) -> float:
    return check.wait_s if isinstance(check, PinWaits) else 0.0
