"""What counts as a finger, and what the person is told to change, before any network runs."""

import cv2
import numpy as np
import pytest

from inference.finger.quality import assess_quality, template_quality
from inference.finger.segment import ridge_area
from inference.synthesis import Condition, make_finger
from inference.types import Quality
from sensors.frames import Pixels, RetryReason
from tests.kit.fingers import ridges

HEIGHT, WIDTH = 288, 256


def assess(image: Pixels) -> Quality:
    """Judge an image as a sensor sends it, with 4 bits a pixel."""
    height, width = image.shape
    four_bits = np.asarray((image >> 4) << 4, np.uint8)
    return assess_quality(ridge_area(four_bits), width, height)


def clipped(image: np.ndarray) -> Pixels:
    return np.asarray(np.clip(image, 0, 255), np.uint8)


def stained(seed: int) -> Pixels:
    noise = np.random.default_rng(seed).normal(size=(HEIGHT, WIDTH)).astype(np.float32)
    blobs = cv2.GaussianBlur(noise, (0, 0), 4)
    return clipped(170 + 40 * blobs / blobs.std())


def scratched(seed: int) -> Pixels:
    rng = np.random.default_rng(seed)
    platen = np.full((HEIGHT, WIDTH), 235, np.uint8)
    for _ in range(12):
        x1, y1, x2, y2 = (int(v) for v in rng.integers(0, WIDTH, 4))
        cv2.line(platen, (x1, y1), (x2, y2), int(rng.integers(60, 200)), int(rng.integers(1, 4)))
    return platen


EMPTY = {
    "blank": np.full((HEIGHT, WIDTH), 240, np.uint8),
    "noisy": clipped(np.random.default_rng(1).normal(180, 30, (HEIGHT, WIDTH))),
    "shaded": clipped(np.add.outer(np.arange(HEIGHT) * 0.4, np.arange(WIDTH) * 0.5)),
    **{f"stained {seed}": stained(seed) for seed in range(4)},
    **{f"scratched {seed}": scratched(seed) for seed in range(4)},
}


@pytest.mark.parametrize("platen", EMPTY.values(), ids=EMPTY.keys())
def test_an_empty_or_dirty_platen_is_no_finger(platen: Pixels) -> None:
    quality = assess(platen)
    assert (quality.score, quality.reasons) == (0, (RetryReason.NO_FINGER,))


def test_a_whole_clear_print_has_nothing_to_change() -> None:
    quality = assess(ridges(HEIGHT, WIDTH, seed=3))
    assert quality.score > 85
    assert quality.reasons == ()
    assert all(0 <= value <= 100 for value in quality.components.values())


def test_a_print_in_the_corner_is_to_be_moved() -> None:
    image = np.full((HEIGHT, WIDTH), 240, np.uint8)
    image[:150, :120] = ridges(150, 120, seed=3)
    assert assess(image).reasons[0] is RetryReason.MOVE_FINGER


def test_a_small_print_is_to_be_pressed_more() -> None:
    image = np.full((HEIGHT, WIDTH), 240, np.uint8)
    image[90:200, 75:180] = ridges(110, 105, seed=3)
    assert assess(image).reasons == (RetryReason.PRESS_MORE,)


def test_dry_and_wet_skin_are_told_apart() -> None:
    finger = make_finger(1)
    reasons = {
        moisture: assess(finger.impression(1, Condition(moisture=moisture), size=(WIDTH, HEIGHT))).reasons
        for moisture in (-1.0, 0.0, 1.0)
    }
    assert reasons == {-1.0: (RetryReason.TOO_DRY,), 0.0: (), 1.0: (RetryReason.TOO_WET,)}


def test_quality_falls_with_the_area_shown() -> None:
    whole = make_finger(4).impression(1, Condition(), size=(WIDTH, HEIGHT))
    half = whole.copy()
    half[:, : WIDTH // 2] = 240
    assert assess(whole).score > assess(half).score + 5


def test_a_template_is_better_the_surer_the_network_is_of_its_minutiae() -> None:
    sure, unsure = np.full(30, 0.95, np.float32), np.full(30, 0.6, np.float32)
    assert template_quality(80, sure) == 90
    assert template_quality(80, unsure) < template_quality(80, sure) - 30
    assert template_quality(40, sure) < template_quality(80, sure)
    assert template_quality(80, sure[:0]) == 0


@pytest.mark.parametrize("seed", range(6))
def test_a_saturated_part_of_a_print_is_judged_like_any_other(seed: int) -> None:
    """A wet spot or dead pixels: OpenCV's running sums go below zero where an image is flat black."""
    rng = np.random.default_rng(seed)
    image = make_finger(seed).impression(1, Condition(), (HEIGHT, WIDTH)).copy()
    centre = (int(rng.integers(90, 170)), int(rng.integers(90, 200)))
    cv2.ellipse(image, centre, (int(rng.integers(30, 60)), int(rng.integers(30, 60))), 0, 0, 360, 0, -1)
    area = ridge_area(image)
    assert np.isfinite(area.contrast).all()
    assert 0 <= assess_quality(area, WIDTH, HEIGHT).score <= 100
