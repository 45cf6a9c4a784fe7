"""Who comes to the demonstration, what each presents, and what should come of it. Pure and seeded."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, unique

from firmware.records import Mode
from inference.types import FingerPosition, Modality


@unique
class Finger(Enum):
    """How a finger meets the platen in one presentation."""

    GOOD = "good"
    DRY = "dry"
    WORN = "worn"
    WRONG = "wrong finger"


@unique
class Face(Enum):
    """What stands before the camera."""

    GOOD = "good"
    NOBODY = "nobody"


@unique
class Kind(Enum):
    """The kinds of arrival."""

    GENUINE = "genuine"
    NOT_REGISTERED = "not registered"
    WORN_FINGER = "worn finger"
    WRONG_FINGER = "wrong finger"
    NO_FACE = "no face"
    DRY_FINGER = "dry finger, then good"


@unique
class Answer(Enum):
    """What comes of an arrival, for the people involved."""

    SERVED = "served"
    TO_A_PERSON = "to a person"


@dataclass(frozen=True, slots=True)
class Person:
    """One actor; `photo` is a picture of the demo's assets, None for a person whom no picture shows."""

    subject: str
    seed: int
    photo: str | None


@dataclass(frozen=True, slots=True)
class Arrival:
    """One arrival.

    claim: the subject that the person claims to be, None for 1:few.
    fingers: how the presentations of one finger go, in turn; the last one repeats.
    """

    number: int
    kind: Kind
    person: Person
    mode: Mode
    claim: str | None
    order: tuple[Modality, ...]
    face: Face
    fingers: tuple[Finger, ...]
    expected: Answer


FINGERS = (FingerPosition.RIGHT_INDEX, FingerPosition.LEFT_INDEX)
"""The fingers that the demonstration registers; a wrong finger is another one of the same person."""

FACE_FIRST = (Modality.FACE, Modality.FINGER)
FINGER_FIRST = (Modality.FINGER, Modality.FACE)

_MIX: Sequence[tuple[Kind, int]] = (
    (Kind.GENUINE, 18),
    (Kind.NOT_REGISTERED, 8),
    (Kind.WORN_FINGER, 4),
    (Kind.WRONG_FINGER, 4),
    (Kind.NO_FACE, 4),
    (Kind.DRY_FINGER, 4),
)


def arrivals(registered: Sequence[Person], strangers: Sequence[Person], seed: int) -> list[Arrival]:
    """Return 42 arrivals in a random order that is the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311 -- a scenario, not a secret
    kinds = [kind for kind, count in _MIX for _ in range(count)]
    rng.shuffle(kinds)
    return [_arrival(number, kind, registered, strangers, rng) for number, kind in enumerate(kinds, 1)]


def _arrival(
    number: int, kind: Kind, registered: Sequence[Person], strangers: Sequence[Person], rng: random.Random
) -> Arrival:
    mode = rng.choice((Mode.VERIFY, Mode.IDENTIFY))
    if kind is Kind.NOT_REGISTERED:
        person, expected = rng.choice(strangers), Answer.TO_A_PERSON
        claim = rng.choice(registered).subject
    else:
        person, expected = rng.choice(registered), Answer.SERVED
        claim = person.subject
    fingers: tuple[Finger, ...] = (Finger.GOOD,)
    face, order = Face.GOOD, rng.choice((FACE_FIRST, FINGER_FIRST))
    match kind:
        case Kind.WORN_FINGER:
            fingers, order = (Finger.WORN,), FINGER_FIRST
        case Kind.WRONG_FINGER:
            fingers, order = (Finger.WRONG, Finger.GOOD), FINGER_FIRST
        case Kind.DRY_FINGER:
            fingers, order = (Finger.DRY, Finger.GOOD), FINGER_FIRST
        case Kind.NO_FACE:
            face, order = Face.NOBODY, FACE_FIRST
        case Kind.GENUINE | Kind.NOT_REGISTERED:
            pass
    claimed = claim if mode is Mode.VERIFY else None
    return Arrival(number, kind, person, mode, claimed, order, face, fingers, expected)
