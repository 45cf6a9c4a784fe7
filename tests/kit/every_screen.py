"""Every screen that the workflows can show, found by walking their machines from the beginning.

Each screen is kept once for its name, title, tone and lines. The walk hands every event to every state, with
values that are as long as they get, so that what is drawn from them is the worst case.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import date, datetime
from functools import cache

from firmware.lists.terms import Household, Ration
from firmware.session.machine import Presentation, Show
from firmware.workflow import events
from firmware.workflow.machines import MACHINES
from firmware.workflow.outcomes import (
    AlreadyGiven,
    CaregiverLink,
    ClaimedElsewhere,
    Concluded,
    Granted,
    Networks,
    OwnerSilent,
    PinRight,
    PinWaits,
    PinWrong,
    RoleTooLow,
)
from firmware.workflow.screen import Acted, Screen, Shown, say
from inference.operating_point import Strength
from inference.types import FingerPosition, Modality
from sensors.board.signals import Signal
from sensors.frames import RetryReason
from trust.consent import Consent
from trust.service import Basis

NUMBER = "CAMP-3/2025-004711"
FACE = Presentation(Modality.FACE)
FINGER = Presentation(Modality.FINGER, FingerPosition.RIGHT_MIDDLE)
HOUSEHOLD = Household(
    number=NUMBER,
    size=11,
    collectors=("C-1", "C-2"),
    alternates=("A-1",),
    rations=(Ration("Rice", "62.5", "kg"), Ration("Vegetable oil", "12", "l"), Ration("Soap", "22", "piece")),
    cohort="",
)


def _guided() -> Iterator[events.Event]:
    yield events.Guided(Show(Signal.LOOK_HERE, FACE))
    yield from (
        events.Guided(Show(Signal.PLACE_FINGER, Presentation(Modality.FINGER, position)))
        for position in FingerPosition
    )
    yield from (
        events.Guided(Show(signal, FACE))
        for signal in (Signal.TURN_LEFT, Signal.TURN_RIGHT, Signal.COME_CLOSER)
    )
    yield from (
        events.Guided(Show(Signal.TRY_AGAIN, FINGER, reason=reason, tries_left=2)) for reason in RetryReason
    )
    yield events.Guided(Show(Signal.TRY_AGAIN, FINGER, tries_left=1, wait_s=30.0))
    yield events.Guided(Show(Signal.WORKING, FACE))
    yield events.Guided(Show(Signal.DEVICE_FAULT, FACE))


@cache
def _events() -> tuple[events.Event, ...]:
    cut_off = Networks(uplink=False, site=False, worst_case=12)
    link = CaregiverLink("C-1", date(2025, 6, 1), expired=False)
    standings = (
        Granted(),
        AlreadyGiven(0, "3"),
        AlreadyGiven(None, "3", 200.0),
        AlreadyGiven(None, "3", 9000.0),
        ClaimedElsewhere(20.0, "3"),
        OwnerSilent("3"),
    )
    shown = tuple(Shown(f"candidate {at}", NUMBER, strength) for at, strength in enumerate(Strength))
    return (
        events.TimeOver(),
        *_guided(),
        events.CardNotUsable(say("This card is for another service here. Show the person the way.")),
        events.NumberRead(NUMBER),
        events.NotOnList(NUMBER),
        events.AppointmentFound(NUMBER),
        events.AppointmentFound(NUMBER, link),
        events.AppointmentFound(NUMBER, CaregiverLink("C-1", date(2025, 1, 1), expired=True)),
        *(
            events.HouseholdFound(HOUSEHOLD, standing, left, networks, "Help desk 2", collected)
            for standing in standings
            for left, networks in ((0, cut_off), (3, Networks()))
            for collected in (None, datetime(2025, 3, 1, 14, 5))  # noqa: DTZ001 - local time, as on the screen
        ),
        *(events.AnswerStored(consent) for consent in Consent),
        events.Verified(),
        events.NotVerified(2),
        events.NotVerified(0, 30.0),
        events.NothingToCompare(),
        events.Suggested(shown),
        events.Identified(NUMBER),
        events.NotIdentified(),
        events.CaptureStopped(),
        events.Registered(),
        events.Registered(
            (
                FACE,
                *(Presentation(Modality.FINGER, one) for one in FingerPosition if one.value in (1, 2, 3, 6)),
            )
        ),
        events.NumberTaken(),
        events.RegistrationWaits(),
        events.DecisionKept(),
        events.PinChecked(PinRight("supervisor"), "operator"),
        events.PinChecked(PinRight("operator"), "operator"),
        events.PinChecked(PinWrong(2), "operator"),
        events.PinChecked(RoleTooLow(), "operator"),
        events.PinChecked(PinWaits(30.0), "operator"),
        events.ComplaintStored(),
        events.Ended(Concluded(1, "408")),
        events.Broken(),
        events.Resumed(NUMBER, HOUSEHOLD, Basis.BIOMETRIC, None, "", declined=False, left_s=30.0),
        events.Resumed(NUMBER, HOUSEHOLD, Basis.BIOMETRIC, None, "", declined=False, left_s=0.0),
    )


@cache
def every_screen() -> tuple[Screen, ...]:
    """Return the screens, those of registration first."""
    found: dict[object, Screen] = {}
    for machine in MACHINES.values():
        seen, waiting = {machine.first}, deque([machine.first])
        while waiting:
            state = waiting.popleft()
            screen = machine.screen(state)
            lines = tuple(line.message for line in screen.lines)
            found.setdefault(
                (screen.name, screen.tone, screen.pictogram, screen.title.message, lines), screen
            )
            acts = (*(one.act for one in screen.choices), *(one.act for one in screen.candidates), "help")
            entered = () if screen.entry is None else (Acted(screen.entry.value, NUMBER, "operator"),)
            for event in (*(Acted(act, operator="operator") for act in acts), *entered, *_events()):
                after, _ = machine.step(state, event)
                if after not in seen:
                    seen.add(after)
                    waiting.append(after)
    return tuple(found.values())
