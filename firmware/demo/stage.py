"""The actor in front of the appliance: does what the signals ask for, as a person would."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from firmware.demo.scenario import Face, Finger, Person
from firmware.session.machine import Presentation, Show
from inference.types import FingerPosition, Modality
from sensors.board.signals import Signal
from sensors.camera.replay import ReplayCamera
from sensors.emulator.images import Moisture
from sensors.emulator.virtual import VirtualSensor
from sensors.frames import Pixels


class Actors(Protocol):
    """What people present: made up for the demonstration, real in the tests."""

    def finger(
        self, person: Person, position: FingerPosition, how: Finger, take: int
    ) -> tuple[Pixels, Moisture]:
        """Return one impression, and how moist the finger is; take: presentations differ by it."""

    def face(self, person: Person, how: Face, take: int) -> Pixels:
        """Return one camera frame."""


LIFT_S = 0.25
"""How long a finger is off the platen between two presentations."""


class Stage:
    """One person at a time, before one camera and one emulated sensor. Used from the event loop."""

    def __init__(self, cast: Actors, sensor: VirtualSensor, camera: ReplayCamera) -> None:
        self._cast = cast
        self._sensor = sensor
        self._camera = camera
        self._takes = 0
        self._person: Person | None = None
        self._face = Face.GOOD
        self._fingers: Sequence[Finger] = (Finger.GOOD,)
        self._shown: Counter[FingerPosition] = Counter()
        self._hand: asyncio.TimerHandle | None = None

    def enter(self, person: Person, face: Face, fingers: Sequence[Finger]) -> None:
        """Let a person step up; fingers: how the presentations of each finger go, the last one repeats."""
        self._person, self._face, self._fingers = person, face, fingers
        self._shown.clear()

    def leave(self) -> None:
        """The person goes away."""
        self._lift()
        self._camera.show_nothing()
        self._person = None

    def on_signal(self, effect: Show) -> None:
        """Follow a signal."""
        match effect.signal:
            case Signal.LOOK_HERE | Signal.PLACE_FINGER | Signal.TRY_AGAIN:
                if self._person is not None and effect.presentation is not None:
                    self._present(self._person, effect.presentation)
            case Signal.DONE | Signal.GO_TO_A_PERSON:
                self._lift()
            case Signal.TURN_LEFT | Signal.TURN_RIGHT | Signal.COME_CLOSER:
                pass  # a photograph cannot: the demonstration has no active check
            case Signal.IDLE | Signal.CARD_READ | Signal.WORKING | Signal.DEVICE_FAULT:
                pass

    def _present(self, person: Person, presentation: Presentation) -> None:
        self._takes += 1
        self._lift()
        if presentation.modality is Modality.FACE:
            self._camera.show(self._cast.face(person, self._face, self._takes))
            return
        position = presentation.position
        how = self._fingers[min(self._shown[position], len(self._fingers) - 1)]
        self._shown[position] += 1
        pixels, moisture = self._cast.finger(person, position, how, self._takes)
        loop = asyncio.get_running_loop()
        self._hand = loop.call_later(LIFT_S, self._sensor.place, pixels, moisture)

    def _lift(self) -> None:
        if self._hand is not None:
            self._hand.cancel()
            self._hand = None
        self._sensor.lift()
