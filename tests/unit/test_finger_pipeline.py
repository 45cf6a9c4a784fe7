"""The finger pipeline with its own model: frames in, templates and scores out."""

import dataclasses

import numpy as np
import pytest

from inference.attack import Unchecked
from inference.errors import ComparisonRefused
from inference.finger.pipeline import FingerRecogniser, FingerSample, build_finger_recogniser
from inference.models.catalogue import Catalogue
from inference.runtime import RuntimeName
from inference.synthesis import Condition, make_finger
from inference.types import Assessed, FingerPosition, FingerTemplate
from sensors.frames import DeviceIdentity, FingerFrame, Pixels, Retry, RetryReason

R503 = DeviceIdentity("R503", "test")


@pytest.fixture(scope="module")
def recogniser() -> FingerRecogniser:
    return build_finger_recogniser(Catalogue(), RuntimeName.LITERT)


def frame(pixels: Pixels, resolution_ppi: float = 500.0) -> FingerFrame:
    return FingerFrame(pixels, resolution_ppi, R503, taken_at_s=0.0)


def assessed(recogniser: FingerRecogniser, taken: FingerFrame) -> Assessed[FingerSample]:
    found = recogniser.assess(taken)
    assert isinstance(found, Assessed)
    return found


def extracted(recogniser: FingerRecogniser, taken: FingerFrame) -> FingerTemplate:
    live = Unchecked().check(assessed(recogniser, taken))
    return recogniser.template(live, FingerPosition.RIGHT_INDEX)


def test_an_empty_platen_is_a_retry(recogniser: FingerRecogniser) -> None:
    empty = frame(np.full((192, 192), 240, np.uint8))
    assert recogniser.assess(empty) == Retry(RetryReason.NO_FINGER)


def test_a_sample_outlives_its_frame_until_it_is_wiped_itself(recogniser: FingerRecogniser) -> None:
    taken = frame(make_finger(1).impression(1))
    sample = assessed(recogniser, taken).sample
    taken.wipe()
    assert sample.pixels.any()
    sample.wipe()
    assert not sample.pixels.any()


def test_a_finger_is_told_from_others_in_both_sensor_sizes(recogniser: FingerRecogniser) -> None:
    for size in ((192, 192), (256, 288)):
        turned = Condition(rotation_deg=12, shift_px=(8, -6))
        enrolled = [
            recogniser.prepare(extracted(recogniser, frame(make_finger(k).impression(1, size=size))))
            for k in range(4)
        ]
        probe = recogniser.prepare(
            extracted(recogniser, frame(make_finger(2).impression(5, turned, size=size)))
        )
        scores = [recogniser.compare(probe, reference) for reference in enrolled]
        best, second = sorted(scores, key=lambda score: -score.raw)[:2]
        assert best is scores[2]
        assert best.source == "finger/R503"
        assert best.raw > second.raw + 5


def test_minutiae_lie_in_the_coordinates_of_the_whole_image(recogniser: FingerRecogniser) -> None:
    pixels = make_finger(3).impression(1)
    wide = np.full((384, 448), 255, np.uint8)
    wide[96:288, 160:352] = pixels
    small, large = extracted(recogniser, frame(pixels)), extracted(recogniser, frame(wide))
    assert (large.width, large.height) == (448, 384)
    shifted = small.minutiae[:10, :2] + (160, 96)
    nearest = np.hypot(*(shifted[:, None] - large.minutiae[:, :2]).transpose(2, 0, 1)).min(1)
    # The flat surroundings change what the network sees at the border of the print, so not all come back.
    assert np.median(nearest) < 2


def test_an_image_of_another_resolution_is_brought_to_500_ppi(recogniser: FingerRecogniser) -> None:
    pixels = make_finger(3).impression(1)
    doubled = pixels.repeat(2, axis=0).repeat(2, axis=1)
    one, two = extracted(recogniser, frame(pixels)), extracted(recogniser, frame(doubled, 1000.0))
    assert (two.width, two.height) == (192, 192)
    same = recogniser.compare(recogniser.prepare(one), recogniser.prepare(two))
    assert same.raw > 10


def test_templates_of_another_extractor_are_refused(recogniser: FingerRecogniser) -> None:
    template = extracted(recogniser, frame(make_finger(1).impression(1)))
    other = recogniser.prepare(dataclasses.replace(template, made_by="leader-0000/tflite-runtime"))
    ours = recogniser.prepare(template)
    with pytest.raises(ComparisonRefused, match="enrol the person anew"):
        recogniser.compare(ours, other)
