"""Real fingers and faces from the evaluation data, as actors for the stage."""

from __future__ import annotations

from pathlib import Path

from firmware.demo.scenario import Face, Finger, Person
from inference.types import FingerPosition
from sensors.camera.image_files import read_image
from sensors.emulator.images import Moisture
from sensors.frames import Pixels

NAMES = ("Tony_Blair", "Silvio_Berlusconi", "Megawati_Sukarnoputri", "Tiger_Woods")
"""People with at least ten images in the data set."""
IMPRESSIONS = 8


class RealPeople:
    """Gives person number k the k-th name's face, and fingers 100+k and 105+k of one sensor.

    Each presentation is the next image, so that a session never sees the image that was registered.
    """

    def __init__(self, data: Path) -> None:
        self._faces = {name: sorted((data / "faces" / "lfw" / name).glob("*.jpg")) for name in NAMES}
        self._fingers = data / "fingers" / "fvc2002_db1b"
        self.people = [Person(f"card-{number}", number, name) for number, name in enumerate(NAMES, 1)]

    def finger(
        self, person: Person, position: FingerPosition, how: Finger, take: int
    ) -> tuple[Pixels, Moisture]:
        """One impression."""
        number = person.seed + (100 if position is FingerPosition.RIGHT_INDEX else 105)
        if how is Finger.WRONG:
            number = 110
        path = self._fingers / f"{number}_{1 + take % IMPRESSIONS}.png"
        return read_image(path)[:, :, 0].copy(), Moisture.DRY if how is Finger.DRY else Moisture.NORMAL

    def face(self, person: Person, how: Face, take: int) -> Pixels:
        """One picture; nobody is a plain wall."""
        if how is Face.NOBODY or person.photo is None:
            wall = read_image(self._faces[NAMES[0]][0])
            wall[...] = 140
            return wall
        pictures = self._faces[person.photo]
        return read_image(pictures[take % len(pictures)])
