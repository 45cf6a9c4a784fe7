"""Everything that can be chosen on a screen, each once: what is sent, its words and its shape."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from firmware.workflow.screen import Choice, say
from trust.service import Concern, Reason

HELP = "help"
"""What HELP sends. It is offered on every screen without being one of its choices."""

NEXT = Choice("next", say("Next person"), "next")
NEXT_STEP = Choice("go on", say("Go on"), "next")
BACK = Choice("back", say("Back"), "back")
AGAIN = Choice("again", say("Try again"), "retry")
REGISTER = Choice("register", say("Register a person"), "pencil")
COMPLAIN = Choice("complain", say("Record a complaint"), "report")
COLLEAGUE = Choice("colleague", say("A colleague takes over"), "helper")

ACCEPT = Choice("accept", say("I agree"), "accept")
DECLINE = Choice("decline", say("I do not want this"), "decline")
QUESTION = Choice("question", say("I have a question"), "question")

NO_CARD = Choice("no card", say("No card at hand"), "no card")
LOST_CARD = Choice("lost card", say("Card lost: help desk"), "desk")
WITHOUT = Choice("without", say("Go on without finger and face"), "card")
SEEN = Choice("seen", say("I looked: it is this person"), "tick")
NOBODY = Choice("nobody", say("None of these"), "decline")

UNDER_FIVE = Choice("under five", say("Under 5 years"), "child")
FIVE_OR_OLDER = Choice("five or older", say("5 years or older"), "person")
NO_CAREGIVER = Choice("no caregiver", say("No caregiver is here"), "child")

ALTERNATE = Choice("alternate", say("An alternate is here"), "alternate")
SUPERVISOR = Choice("supervisor", say("Call a supervisor"), "staff")
GIVE = Choice("give", say("Give the ration"), "hand over")
GIVEN = Choice("given", say("GIVEN"), "hand over")
NOT_GIVEN = Choice("not given", say("Nothing was handed over"), "back")
DESK = Choice("desk", say("To the help desk"), "desk")
ON_PAPER = Choice("on paper", say("Go on, on paper"), "pencil")

REASONS: Mapping[Reason, Choice] = MappingProxyType(
    {
        Reason.WORN_FINGERS: Choice("worn fingers", say("Worn or injured fingers"), "finger"),
        Reason.FACE_NOT_TAKEN: Choice("face not taken", say("The face could not be taken"), "face"),
        Reason.DEVICE_FAULT: Choice("device fault", say("The appliance does not work well"), "wrench"),
        Reason.COLLECTOR_ABSENT: Choice("collector absent", say("Collector ill or absent, known"), "people"),
        Reason.KNOWN_TO_STAFF: Choice("known to staff", say("Known to staff by sight"), "staff"),
        Reason.LIST_WRONG: Choice("list wrong", say("The list is wrong"), "list"),
    }
)

CONCERNS: Mapping[Concern, Choice] = MappingProxyType(
    {
        Concern.SERVICE: Choice("about service", say("Not served, or not with what is due"), "bag"),
        Concern.WAIT: Choice("about waiting", say("Too long a wait"), "clock"),
        Concern.TREATMENT: Choice("about treatment", say("How staff treated me"), "staff"),
        Concern.BIOMETRICS: Choice("about biometrics", say("Fingerprint or face"), "finger"),
        Concern.DATA: Choice("about data", say("My data"), "lock"),
        Concern.LIST: Choice("about the list", say("The list is wrong"), "list"),
        Concern.OTHER: Choice("about other things", say("Something else"), "question"),
    }
)


def candidate(index: int) -> str:
    """Return what choosing the candidate at `index` sends."""
    return f"candidate {index}"
