"""The attack detector for faces: signs of a picture in the frame, and motion without parallax."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.attack import AttackDetector
from inference.face.picture_signs import PictureSigns, picture_signs
from inference.face.pipeline import FaceSample
from inference.face.pose import flatness
from inference.types import Assessed, Live, Suspect

DETECTOR = "signs of a picture, 1"
"""Names what makes the scores; a change of them gets a new number."""

HELD_BACK_FROM = 0.75
"""Attack score from which on a sample is held back: 3 of 3,805 press photographs (LFW), of which 2 show a
framed picture. What it does on real prints and screens was not measured."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """Runs linearly from 0 at `usual` to 1 at `striking`."""

    usual: float
    striking: float

    def of(self, value: float) -> float:
        return float(np.clip((value - self.usual) / (self.striking - self.usual), 0, 1))


# `usual` is what 99 % to 99.9 % of LFW's photographs stay below; `striking` is what no face there reaches.
_PATTERN_NATS = _Scale(2.5, 5.5)
_GLARE = _Scale(0.01, 0.16)
_BORDER_SIDES = (0.0, 0.1, 0.3, 0.8, 1.0)  # a door or a wall gives one or two sides; 0.5 % of LFW has two


class FaceAttackDetector(AttackDetector[FaceSample]):
    """Scores a face by its most striking sign. Keeps nothing between two samples."""

    def check(self, assessed: Assessed[FaceSample]) -> Live[FaceSample] | Suspect:
        """Let a face pass, or hold it back from `HELD_BACK_FROM` on; about 10 ms on one x86 thread."""
        score = attack_score(assessed.sample)
        if score >= HELD_BACK_FROM:
            return Suspect(score)
        return Live(assessed.sample, assessed.quality, score)


def attack_score(sample: FaceSample) -> float:
    """Return 0 (bona fide) to 1 (attack). It is an ordering, not a probability."""
    flat = flatness(sample.course)
    return max(_of_signs(picture_signs(sample.scene, sample.box)), flat if flat is not None else 0.0)


def _of_signs(signs: PictureSigns) -> float:
    return max(
        _PATTERN_NATS.of(signs.pattern_nats), _GLARE.of(signs.glare), _BORDER_SIDES[signs.border_sides]
    )
