"""Runs the active check over the frames of one presentation and shows what it asks for."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from firmware.session.active_check import (
    Facing,
    NotPassed,
    Order,
    Passed,
    Seen,
    State,
    Track,
    Unseen,
    draw_tasks,
    step,
)
from firmware.session.machine import Presentation, Show
from inference.face.detect import DetectedFace
from inference.face.pose import head_pose
from sensors.board.signals import Signal
from sensors.frames import Retry

_SIGNALS = {
    Order.TURN_LEFT: Signal.TURN_LEFT,
    Order.TURN_RIGHT: Signal.TURN_RIGHT,
    Order.COME_CLOSER: Signal.COME_CLOSER,
    None: Signal.LOOK_HERE,
}


@dataclass(frozen=True, slots=True)
class ActiveCheck:
    """That faces are checked actively: what draws the orders, and how long each may take."""

    source: random.Random
    order_timeout_s: float


class FaceWatch:
    """One active check; used from the event loop. `show` is called with what is asked for."""

    def __init__(self, check: ActiveCheck, presentation: Presentation, show: Callable[[Show], None]) -> None:
        self._presentation = presentation
        self._show = show
        self._state: State = Facing(Track(draw_tasks(check.source), check.order_timeout_s))

    def see(self, face: DetectedFace | Retry, at_s: float) -> bool | NotPassed:
        """Look at the next frame; True once the face may be taken from it. at_s: monotonic, in seconds."""
        event = Unseen(at_s) if isinstance(face, Retry) else Seen(head_pose(face), at_s)
        self._state, asked = step(self._state, event)
        for ask in asked:
            self._show(Show(_SIGNALS[ask.order], self._presentation))
        if isinstance(self._state, NotPassed):
            return self._state
        return isinstance(self._state, Passed)
