"""The actors of the demonstration: their synthetic fingers and the camera views of their photographs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from firmware.demo.scenario import FINGERS, Face, Finger, Person
from firmware.demo.views import ViewCondition, empty_room, face_view
from inference.synthesis.condition import Condition
from inference.synthesis.master import MasterFinger, make_finger
from inference.types import FingerPosition
from sensors.camera.image_files import read_image
from sensors.emulator.images import Moisture
from sensors.frames import Pixels

FACES = Path(__file__).parent / "assets" / "faces"
OTHER_FINGER = FingerPosition.RIGHT_MIDDLE
"""What a person puts down who mistakes the finger."""
SENSOR_SIZE = (192, 192)
SEVERITY = 0.45
"""How hurried and difficult presentations are, 0 to 1; 0.5 is about the public test sets' middle."""


def photographs() -> list[str]:
    """Return the names of the pictures of people, in a fixed order."""
    return sorted(path.stem for path in FACES.glob("*.jpg"))


def people() -> tuple[list[Person], list[Person]]:
    """Return who is registered and who is not; each has a photograph of somebody else."""
    names = photographs()
    cast = [Person(f"case-{number:04d}", 1000 + number, name) for number, name in enumerate(names, 1)]
    strangers = max(3, len(cast) // 3)
    return cast[:-strangers], cast[-strangers:]


class Cast:
    """Everything that the actors can present. Fingers are made on all cores; `progress` counts them."""

    def __init__(self, everybody: Sequence[Person], progress: Callable[[int, int], None]) -> None:
        self._photos = {
            person.photo: read_image(FACES / f"{person.photo}.jpg") for person in everybody if person.photo
        }
        wanted = [
            (person.subject, position, person.seed * 16 + position.value)
            for person in everybody
            for position in (*FINGERS, OTHER_FINGER)
        ]
        self._fingers: dict[tuple[str, FingerPosition], MasterFinger] = {}
        masters = _grow([seed for _, _, seed in wanted])
        for count, ((subject, position, _), master) in enumerate(zip(wanted, masters, strict=True), 1):
            self._fingers[subject, position] = master
            progress(count, len(wanted))

    def finger(
        self, person: Person, position: FingerPosition, how: Finger, take: int
    ) -> tuple[Pixels, Moisture]:
        """One impression, and how moist the finger is; take: presentations differ by it."""
        shown = OTHER_FINGER if how is Finger.WRONG else position
        master = self._fingers[person.subject, shown]
        rng = np.random.default_rng([person.seed, position.value, take])
        match how:
            case Finger.GOOD | Finger.WRONG:
                condition, moisture = Condition.random(rng, SEVERITY), Moisture.NORMAL
            case Finger.DRY:
                condition, moisture = Condition(moisture=-0.9, pressure=0.3), Moisture.DRY
            case Finger.WORN:
                condition, moisture = Condition(wear=0.8, pressure=0.4, noise=0.4), Moisture.NORMAL
        return master.impression(take, condition, SENSOR_SIZE), moisture

    def face(self, person: Person, how: Face, take: int) -> Pixels:
        """One camera frame."""
        if how is Face.NOBODY or person.photo is None:
            return empty_room(take)
        rng = np.random.default_rng([person.seed, take])
        view = ViewCondition.random(rng, SEVERITY)
        return face_view(self._photos[person.photo], person.seed * 1000 + take, view)


def _grow(seeds: Sequence[int]) -> Iterator[MasterFinger]:
    # spawn: a fork would copy whatever threads hold at that moment
    with ProcessPoolExecutor(max_workers=os.cpu_count(), mp_context=get_context("spawn")) as pool:
        yield from pool.map(make_finger, seeds)
