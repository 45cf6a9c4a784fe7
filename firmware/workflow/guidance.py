"""The screen while a person is captured: what to present, and why once more, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from firmware.session.machine import Presentation, Show
from firmware.workflow.screen import Choice, Screen, Text, Tone, say
from inference.types import FingerPosition, Modality
from sensors.board.signals import PRESENTATIONS, Signal
from sensors.frames import RetryReason

FINGERS: Mapping[FingerPosition, Text] = MappingProxyType(
    {
        FingerPosition.UNKNOWN: say("Put a finger on the reader."),
        FingerPosition.RIGHT_THUMB: say("Put your right thumb on the reader."),
        FingerPosition.RIGHT_INDEX: say("Put your right index finger on the reader."),
        FingerPosition.RIGHT_MIDDLE: say("Put your right middle finger on the reader."),
        FingerPosition.RIGHT_RING: say("Put your right ring finger on the reader."),
        FingerPosition.RIGHT_LITTLE: say("Put your right little finger on the reader."),
        FingerPosition.LEFT_THUMB: say("Put your left thumb on the reader."),
        FingerPosition.LEFT_INDEX: say("Put your left index finger on the reader."),
        FingerPosition.LEFT_MIDDLE: say("Put your left middle finger on the reader."),
        FingerPosition.LEFT_RING: say("Put your left ring finger on the reader."),
        FingerPosition.LEFT_LITTLE: say("Put your left little finger on the reader."),
    }
)

CLOCK_UNCHECKED = say("Nobody has checked the clock of this appliance.")
ONCE_MORE: Mapping[RetryReason, Text] = MappingProxyType(
    {
        RetryReason.NO_FINGER: say("Leave your finger on the reader a little longer."),
        RetryReason.TOO_DRY: say("The reader sees too little: moisten your finger a little."),
        RetryReason.TOO_WET: say("The reader sees too much: dry your finger."),
        RetryReason.PRESS_MORE: say("Press a little more."),
        RetryReason.MOVE_FINGER: say("Move your finger to the middle."),
        RetryReason.SAME_FINGER: say("Use the finger that is shown."),
        RetryReason.NO_FACE: say("Look at the camera."),
        RetryReason.SEVERAL_FACES: say("One person at a time, please."),
        RetryReason.COME_CLOSER: say("Please come closer."),
        RetryReason.FACE_CAMERA: say("Look straight at the camera."),
        RetryReason.HOLD_STILL: say("Hold still for a moment."),
        RetryReason.MORE_LIGHT: say("The camera needs more light."),
        RetryReason.LESS_LIGHT: say("There is too much light here for the camera."),
        RetryReason.EVEN_LIGHT: say("Turn a little to the light."),
        RetryReason.SHOW_EYES: say("Let the camera see your eyes."),
        RetryReason.SHOW_MOUTH: say("Let the camera see nose and mouth."),
    }
)

MISSING_FACE = say("face")
MISSING: Mapping[FingerPosition, Text] = MappingProxyType(
    {
        FingerPosition.UNKNOWN: say("a finger"),
        FingerPosition.RIGHT_THUMB: say("right thumb"),
        FingerPosition.RIGHT_INDEX: say("right index finger"),
        FingerPosition.RIGHT_MIDDLE: say("right middle finger"),
        FingerPosition.RIGHT_RING: say("right ring finger"),
        FingerPosition.RIGHT_LITTLE: say("right little finger"),
        FingerPosition.LEFT_THUMB: say("left thumb"),
        FingerPosition.LEFT_INDEX: say("left index finger"),
        FingerPosition.LEFT_MIDDLE: say("left middle finger"),
        FingerPosition.LEFT_RING: say("left ring finger"),
        FingerPosition.LEFT_LITTLE: say("left little finger"),
    }
)

_ORDERS: Mapping[Signal, Text] = MappingProxyType(
    {
        Signal.LOOK_HERE: say("Look at the camera."),
        Signal.TURN_LEFT: say("Turn your head to the left."),
        Signal.TURN_RIGHT: say("Turn your head to the right."),
        Signal.COME_CLOSER: say("Please come closer."),
        Signal.WORKING: say("One moment, please."),
        Signal.DEVICE_FAULT: say("A part of the appliance does not answer. It goes on with the rest."),
    }
)

_TONES: Mapping[Signal, Tone] = MappingProxyType(
    {
        Signal.WORKING: Tone.WORKING,
        Signal.TRY_AGAIN: Tone.AGAIN,
        Signal.DEVICE_FAULT: Tone.FAULT,
    }
)

GUIDING = frozenset(
    {
        Signal.LOOK_HERE,
        Signal.PLACE_FINGER,
        Signal.TURN_LEFT,
        Signal.TURN_RIGHT,
        Signal.COME_CLOSER,
        Signal.WORKING,
        Signal.TRY_AGAIN,
        Signal.DEVICE_FAULT,
    }
)
"""The signals that guide; the others end a capture, and the workflow's next screen says so."""

STARTING = Show(Signal.WORKING)


def capture_screen(name: str, show: Show, choices: tuple[Choice, ...], size: int | None = None) -> Screen:
    """Return the screen for what the capture session shows; size: of the household at hand."""
    return Screen(
        name,
        _TONES.get(show.signal, Tone.CALM),
        _pictogram(show),
        _title(show),
        lines=(_order_again(show),) if show.signal is Signal.TRY_AGAIN and show.presentation else (),
        choices=choices,
        preview=show.presentation.modality.value if show.presentation is not None else "",
        household_size=size,
        tries_left=show.tries_left,
        wait_s=show.wait_s,
        own_answer=True,  # to go on without finger and face
    )


def not_taken(missing: tuple[Presentation, ...]) -> Text:
    """Return what could not be taken, as one sentence."""
    names = dict.fromkeys(
        MISSING_FACE if one.modality is Modality.FACE else MISSING[one.position] for one in missing
    )
    return say("Not taken, and not needed: {parts}", parts=tuple(names))


def _title(show: Show) -> Text:
    if show.signal is Signal.TRY_AGAIN and show.reason is not None:
        return ONCE_MORE[show.reason]
    if show.signal in (Signal.PLACE_FINGER, Signal.TRY_AGAIN):
        return _place(show)
    return _ORDERS.get(show.signal, _ORDERS[Signal.WORKING])


def _order_again(show: Show) -> Text:
    is_face = show.presentation is not None and show.presentation.modality is Modality.FACE
    return _ORDERS[Signal.LOOK_HERE] if is_face else _place(show)


def _place(show: Show) -> Text:
    return FINGERS[show.presentation.position if show.presentation is not None else FingerPosition.UNKNOWN]


def _pictogram(show: Show) -> str:
    if show.signal is Signal.TRY_AGAIN and show.reason is not None:
        return show.reason.value
    if show.signal is Signal.PLACE_FINGER and show.presentation is not None:
        position = show.presentation.position
        if position is not FingerPosition.UNKNOWN:
            return f"finger {position.name.lower().replace('_', ' ')}"
    return PRESENTATIONS[show.signal].pictogram
