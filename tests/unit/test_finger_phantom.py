"""An untouched reader is clean, dirty, or shows what could be taken for a finger."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.evaluation.datasets import read_fingers, read_grey
from inference.evaluation.sensor_like import sensor_like
from inference.finger.phantom import Platen, PlatenFound, check_platen
from inference.synthesis import Condition, make_finger
from sensors.frames import DeviceIdentity, FingerFrame, Pixels

HEIGHT, WIDTH = 288, 256


def check(image: np.ndarray) -> PlatenFound:
    """Judge an image as a sensor sends it, with 4 bits a pixel."""
    pixels: Pixels = (np.clip(image, 0, 255).astype(np.uint8) >> 4) * np.uint8(17)
    return check_platen(FingerFrame(pixels, 500.0, DeviceIdentity("AS608", "test"), taken_at_s=0.0))


def empty(level: float = 235.0) -> np.ndarray:
    """A platen whose light falls off towards the corners, with a little noise."""
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    noise = np.random.default_rng(1).normal(0, 2, (HEIGHT, WIDTH))
    return np.asarray(level - 25 * (x * x + y * y) + noise)


def stains(seed: int) -> np.ndarray:
    rng, platen = np.random.default_rng(seed), empty()
    for _ in range(4):
        centre = tuple(int(v) for v in rng.integers(40, 210, 2))
        blot = cv2.circle(
            np.zeros_like(platen), centre, int(rng.integers(15, 35)), float(rng.uniform(60, 140)), -1
        )
        platen -= cv2.GaussianBlur(blot, (0, 0), float(rng.uniform(1, 6)))
    return platen


def residue(contrast: float) -> np.ndarray:
    """What a finger leaves behind: its ridges, as faint as `contrast` says."""
    print_ = make_finger(5).impression(1, Condition(moisture=0.6), size=(WIDTH, HEIGHT))
    return np.asarray(empty() - contrast * (255.0 - print_))


@pytest.mark.parametrize("level", [150.0, 200.0, 235.0, 255.0])
def test_an_empty_platen_is_clean_under_any_light(level: float) -> None:
    assert check(empty(level)).may_serve


@pytest.mark.parametrize("level", [0.0, 15.0, 60.0, 100.0])
def test_a_reader_without_light_may_not_serve(level: float) -> None:
    for platen in (empty(level), np.full((HEIGHT, WIDTH), level)):
        found = check(platen)
        assert found.platen is Platen.DARK
        assert not found.may_serve


@pytest.mark.parametrize("level", [0.0, 150.0, 200.0, 235.0])
@pytest.mark.parametrize("deviation", [12.0, 20.0, 30.0])
def test_noise_is_no_clean_platen(level: float, deviation: float) -> None:
    noise = np.random.default_rng(3).normal(level, deviation, (HEIGHT, WIDTH))
    assert check(noise).platen is (Platen.DIRTY if level else Platen.DARK)


@pytest.mark.parametrize("seed", range(4))
def test_stains_are_to_be_cleaned_off(seed: int) -> None:
    found = check(stains(seed))
    assert found.platen is Platen.DIRTY
    assert found.dirty_share > 0.03


@pytest.mark.parametrize("contrast", [0.15, 0.3, 0.6])
def test_a_print_that_was_left_behind_holds_the_reader_back(contrast: float) -> None:
    assert not check(residue(contrast)).may_serve
    assert check(residue(0.6)).platen is Platen.FINGER


@pytest.mark.parametrize("size", [(192, 192), (256, 288)])
def test_real_fingers_are_no_clean_platen(shared_data: Path, size: tuple[int, int]) -> None:
    found = []
    for name in ("fvc2002_db1b", "fvc2002_db3b", "fvc2004_db1b", "upek"):
        for impression in read_fingers(shared_data / "fingers" / name)[::8]:
            pixels = read_grey(impression.path)
            assert pixels is not None
            found.append(check(sensor_like(pixels, *size)).platen)
    assert set(found) == {Platen.FINGER}
    assert len(found) == 46
