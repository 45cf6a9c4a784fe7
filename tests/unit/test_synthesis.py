"""The synthetic fingers: seeds decide, classes are what they claim, conditions do what they say."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.finger.cylinders import PreparedFinger
from inference.finger.pipeline import build_finger_recogniser
from inference.models.catalogue import Catalogue
from inference.runtime import RuntimeName
from inference.synthesis import Condition, MasterFinger, Pattern, make_finger
from inference.synthesis.pattern import Field
from inference.types import Assessed, FingerPosition, Live
from sensors.frames import DeviceIdentity, FingerFrame, Pixels

STILL = Condition(distortion=0, noise=0)


@pytest.fixture(scope="module")
def finger() -> MasterFinger:
    return make_finger(7, Pattern.LEFT_LOOP)


def turn_around(orientation: Field, x: float, y: float) -> float:
    """Turns of the orientation along a circle of 12 px: the Poincaré index."""
    angles = np.linspace(0, 2 * np.pi, 73)
    xs, ys = np.rint(x + 12 * np.cos(angles)).astype(int), np.rint(y - 12 * np.sin(angles)).astype(int)
    steps = np.diff(orientation[ys, xs])
    return float(((steps + np.pi / 2) % np.pi - np.pi / 2).sum() / (2 * np.pi))


def alike(one: Pixels, other: Pixels) -> float:
    a, b = (p.astype(np.float64) - p.mean() for p in (one, other))
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def darkness(pixels: Pixels) -> float:
    return float((pixels < 128).mean())


def middle(pixels: Pixels) -> Pixels:
    height, width = pixels.shape
    return pixels[height // 2 - 60 : height // 2 + 60, width // 2 - 60 : width // 2 + 60]


def test_a_seed_always_gives_the_same_finger_and_the_same_impression() -> None:
    one, again = make_finger(3), make_finger(3)
    assert np.array_equal(one.pixels, again.pixels)
    assert np.array_equal(one.impression(5), again.impression(5))


def test_impressions_of_one_finger_differ_but_resemble_each_other_more_than_another_finger(
    finger: MasterFinger,
) -> None:
    other = make_finger(8, Pattern.LEFT_LOOP)
    first, second = middle(finger.impression(1, STILL)), middle(finger.impression(2, STILL))
    stranger = middle(other.impression(1, STILL))
    assert not np.array_equal(first, second)
    assert alike(first, second) > 0.5 > abs(alike(first, stranger)) + 0.2


@pytest.mark.parametrize(
    ("pattern", "cores", "deltas"),
    [
        (Pattern.ARCH, 0, 0),
        (Pattern.TENTED_ARCH, 1, 1),
        (Pattern.LEFT_LOOP, 1, 1),
        (Pattern.RIGHT_LOOP, 1, 1),
        (Pattern.WHORL, 2, 2),
    ],
)
def test_each_class_has_its_cores_and_deltas(pattern: Pattern, cores: int, deltas: int) -> None:
    topology = make_finger(11, pattern).topology
    orientation = topology.orientation(400, 520)
    turns = [turn_around(orientation, s.x, s.y) for s in topology.singularities]
    assert sorted(np.round(turns, 1)) == [-0.5] * deltas + [0.5] * cores


def test_a_left_loop_has_its_delta_on_the_right_and_a_right_loop_on_the_left() -> None:
    for pattern, side in ((Pattern.LEFT_LOOP, 1), (Pattern.RIGHT_LOOP, -1)):
        core, delta = make_finger(12, pattern).topology.singularities
        assert side * (delta.x - core.x) > 0


def test_ridges_follow_the_orientation_field_at_about_nine_pixels(finger: MasterFinger) -> None:
    inner = np.s_[60:-60, 60:-60]
    ridges = finger.skin.ridges
    along_x, along_y = cv2.Sobel(ridges, cv2.CV_32F, 1, 0), cv2.Sobel(ridges, cv2.CV_32F, 0, 1)
    xx, yy, xy = (cv2.GaussianBlur(p, (0, 0), 6) for p in (along_x**2, along_y**2, along_x * along_y))
    across = np.arctan2(-2 * xy, xx - yy) / 2  # y up, as the field has it
    field = finger.topology.orientation(400, 520)
    off: NDArray[np.float64] = (across + np.pi / 2 - field + np.pi / 2) % np.pi - np.pi / 2
    assert np.rad2deg(np.median(np.abs(off[inner]))) < 10
    spectrum = np.abs(
        np.fft.fftshift(np.fft.fft2(ridges[inner] * np.hanning(400)[:, None] * np.hanning(280)))
    )
    fy, fx = np.meshgrid(
        np.fft.fftshift(np.fft.fftfreq(400)), np.fft.fftshift(np.fft.fftfreq(280)), indexing="ij"
    )
    power = spectrum**2
    period = 1 / ((np.hypot(fx, fy) * power).sum() / power.sum())
    assert 7.5 < period < 10.5


def test_a_fingers_area_is_dark_and_the_air_around_a_light_touch_is_white(finger: MasterFinger) -> None:
    pixels = finger.impression(1, Condition(pressure=0, noise=0), size=(256, 288))
    assert pixels.shape == (288, 256)
    assert pixels.dtype == np.uint8
    corners = np.concatenate([pixels[:25, :25].ravel(), pixels[-25:, -25:].ravel()])
    assert corners.min() > 240
    assert 0.2 < darkness(middle(pixels)) < 0.6


def test_moisture_and_pressure_darken_a_print(finger: MasterFinger) -> None:
    shares = [darkness(finger.impression(1, Condition(moisture=m))) for m in (-0.9, -0.4, 0, 0.4, 0.9)]
    assert shares == sorted(shares)
    assert shares[0] < 0.24 < 0.3 < shares[2] < 0.6 < shares[4]
    light, hard = (darkness(middle(finger.impression(1, Condition(pressure=p)))) for p in (0.1, 0.9))
    assert hard > light + 0.1


def test_wear_takes_ridges_away_over_a_growing_area(finger: MasterFinger) -> None:
    sound = finger.impression(1, Condition(noise=0))
    resemblance = [alike(sound, finger.impression(1, Condition(noise=0, wear=w))) for w in (0.2, 0.5, 0.8)]
    assert resemblance == sorted(resemblance, reverse=True)
    assert resemblance[0] > 0.8
    assert resemblance[2] < 0.6


def test_rotation_is_counter_clockwise_and_shift_is_right_and_down(finger: MasterFinger) -> None:
    straight = finger.impression(1, STILL, size=(256, 288))
    turned = finger.impression(1, Condition(rotation_deg=15, distortion=0, noise=0), size=(256, 288))
    moved = finger.impression(1, Condition(shift_px=(20, 30), distortion=0, noise=0), size=(256, 288))
    matrix = cv2.getRotationMatrix2D((127.5, 143.5), 15, 1)
    expected = np.asarray(cv2.warpAffine(straight, matrix, (256, 288), borderValue=255), np.uint8)
    assert alike(middle(turned), middle(expected)) > 0.6 > alike(middle(turned), middle(straight)) + 0.2
    assert alike(middle(moved), middle(np.roll(straight, (30, 20), (0, 1)))) > 0.6


def test_distortion_moves_ridges_out_of_register(finger: MasterFinger) -> None:
    def resemblance(distortion: float) -> float:
        condition = Condition(distortion=distortion, noise=0)
        shown = [finger.impression(seed, condition, size=(256, 288)) for seed in range(1, 9)]
        return float(np.mean([alike(*pair) for pair in zip(shown[::2], shown[1::2], strict=True)]))

    # Slow drift alone, which grows with distortion too, takes 0.2.
    assert resemblance(1) < resemblance(0) - 0.3


@pytest.mark.parametrize(
    "wrong", [{"pressure": 1.1}, {"moisture": -1.5}, {"wear": -0.1}, {"distortion": 2.0}, {"noise": -1.0}]
)
def test_a_condition_outside_its_range_is_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Condition(**wrong)  # type: ignore[arg-type]


def test_severity_widens_what_presentations_do() -> None:
    def spread(severity: float) -> float:
        rng = np.random.default_rng(1)
        return float(np.std([Condition.random(rng, severity).rotation_deg for _ in range(200)]))

    assert spread(0) == 0
    assert 2 < spread(0.3) < spread(1) < 15


def test_the_recogniser_tells_synthetic_fingers_apart_on_the_smallest_sensor() -> None:
    recogniser = build_finger_recogniser(Catalogue(), RuntimeName.LITERT)

    def prepared(finger: MasterFinger, seed: int) -> PreparedFinger:
        condition = Condition.random(np.random.default_rng(seed), 0.5)
        pixels = finger.impression(seed, condition) & np.uint8(0xF0)  # as a ZhianTec sensor sends it
        assessed = recogniser.assess(FingerFrame(pixels, 500.0, DeviceIdentity("R503", "synthetic"), 0.0))
        assert isinstance(assessed, Assessed)
        live = Live(assessed.sample, assessed.quality, None)
        template = recogniser.template(live, FingerPosition.RIGHT_INDEX)
        # Real prints of this size have 14 to 33 in the 80 % between the extremes.
        assert 12 <= len(template.minutiae) <= 45
        return recogniser.prepare(template)

    fingers = [make_finger(seed) for seed in range(20, 24)]
    references, probes = ([prepared(finger, take) for finger in fingers] for take in (1, 2))
    scores = np.array([[recogniser.compare(p, r).raw for r in references] for p in probes])
    impostors = scores[~np.eye(len(fingers), dtype=bool)]
    assert np.diag(scores).min() > impostors.max() + 1
