"""The vocabulary of a service that both ends share: what a person leaves with, on what basis, and why."""

from __future__ import annotations

from enum import Enum, unique

ASKED_FOR_HELP = "asked for a person"
"""The reason of a check-in that ended with a person by choice: whoever says it was not turned away."""


@unique
class Workflow(Enum):
    """What people come for."""

    REGISTRATION = "registration"
    CLINIC = "clinic"
    DISTRIBUTION = "distribution"


@unique
class Answer(Enum):
    """What a person leaves with; nobody leaves without one, and none of them accuses anybody."""

    REGISTERED = "registered"
    VISIT = "visit token given"
    GIVEN = "ration given"
    NOT_GIVEN = "claim expired, nothing handed over"
    ALREADY_COLLECTED = "already collected, sent to the desk"
    DESK = "sent to the help desk"
    PERSON = "a person takes over"


@unique
class Basis(Enum):
    """What a service rests on, as the reconciliation report counts it."""

    BIOMETRIC = "biometric"
    CONFIRMED = "suggestion confirmed by staff"
    CARD = "card only"
    ALTERNATE = "alternate"
    EXCEPTION = "exception"
    PAPER = "paper"


@unique
class Reason(Enum):
    """Why a supervisor lets a service go on that the appliance could not support; one code each."""

    WORN_FINGERS = "worn or injured fingers"
    FACE_NOT_TAKEN = "face could not be taken"
    DEVICE_FAULT = "fault of the appliance"
    COLLECTOR_ABSENT = "collector ill or absent, known to staff"
    KNOWN_TO_STAFF = "known to staff by sight"
    LIST_WRONG = "list is wrong"


@unique
class Concern(Enum):
    """What a complaint is about; a category alone, so that no text about anybody is kept."""

    SERVICE = "not served, or not with what is due"
    WAIT = "too long a wait"
    TREATMENT = "treatment by staff"
    BIOMETRICS = "fingerprint or face"
    DATA = "own data"
    LIST = "list is wrong"
    OTHER = "something else"
