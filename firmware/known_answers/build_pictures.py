"""`python -m firmware.known_answers.build_pictures`: draw the fingers of the self-test; nobody has them."""

from __future__ import annotations

import sys

import cv2

from firmware.known_answers.judging import ANOTHER_FINGER, ONE_FINGER
from inference.synthesis.condition import Condition
from inference.synthesis.master import make_finger

SEEDS = (20, 21)
SENSOR_SIZE = (192, 192)


def main() -> None:
    """Write two impressions of one finger and one of another."""
    one, other = (make_finger(seed) for seed in SEEDS)
    turned = Condition(rotation_deg=6.0, shift_px=(5.0, -4.0), pressure=0.6)
    pictures = (
        (ONE_FINGER[0], one.impression(0, Condition(), SENSOR_SIZE)),
        (ONE_FINGER[1], one.impression(1, turned, SENSOR_SIZE)),
        (ANOTHER_FINGER, other.impression(0, Condition(), SENSOR_SIZE)),
    )
    for path, pixels in pictures:
        if not cv2.imwrite(str(path), pixels):
            sys.exit(f"{path} cannot be written")


if __name__ == "__main__":
    main()
