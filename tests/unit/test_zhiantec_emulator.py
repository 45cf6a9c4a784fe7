from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from firmware.commands.emulate import emulate
from sensors.emulator import characteristics
from sensors.emulator.console import HELP, run_console
from sensors.emulator.faults import Fault, FaultKind, FaultSchedule
from sensors.emulator.images import Moisture, fit_to_model, with_moisture
from sensors.emulator.virtual import VirtualSensor
from sensors.fingerprint.models import MODELS, pack_pixels, unpack_pixels
from tests.kit.fingers import ridges

R503 = MODELS["R503"]


def strikes(schedule: FaultSchedule, occasions: int) -> list[int]:
    return [at for at in range(occasions) if schedule.strike(FaultKind.LATE)]


def test_a_fault_strikes_once_after_what_it_skips() -> None:
    schedule = FaultSchedule()
    schedule.arm(Fault(FaultKind.LATE, skip=2))
    assert strikes(schedule, 6) == [2]


def test_a_repeated_fault_strikes_every_nth_time() -> None:
    schedule = FaultSchedule()
    schedule.arm(Fault(FaultKind.LATE, skip=1, every=3))
    assert strikes(schedule, 9) == [1, 4, 7]


def test_faults_of_other_kinds_wait_for_their_own_occasion() -> None:
    schedule = FaultSchedule()
    schedule.arm(Fault(FaultKind.NAK_UPLOAD))
    assert strikes(schedule, 3) == []
    assert schedule.strike(FaultKind.NAK_UPLOAD)


def test_a_large_image_is_cropped_about_its_ridges() -> None:
    finger = ridges(192, 192, seed=1)
    page = np.full((480, 640), 250, np.uint8)
    page[200:392, 400:592] = finger
    shown = fit_to_model(page, R503)
    assert shown.shape == (192, 192)
    # The crop is found in blocks of 16 pixels, so it may lie up to half a block off.
    assert shown.std() == pytest.approx(finger.std(), rel=0.1)


def test_a_small_image_is_padded_with_empty_platen() -> None:
    shown = fit_to_model(ridges(96, 100, seed=1), MODELS["R307"])
    assert shown.shape == (288, 256)
    assert (shown == 240).mean() > 0.85
    assert (shown < 128).mean() > 0.05


def test_an_image_of_the_models_size_is_only_cut_to_four_bits() -> None:
    finger = ridges(192, 192, seed=1)
    assert np.array_equal(fit_to_model(finger, R503), finger & 0xF0)


def test_the_left_of_two_pixels_is_in_the_high_half() -> None:
    pixels = unpack_pixels(b"\x0f\x80" + bytes(R503.image_bytes - 2), R503)
    assert pixels[0, :4].tolist() == [0, 255, 136, 0]


def test_packing_is_undone_by_unpacking() -> None:
    levels = ridges(192, 192, seed=1) // 16 * 17
    assert np.array_equal(unpack_pixels(pack_pixels(levels), R503), levels)


def test_a_dry_finger_is_fainter_and_a_wet_one_darker() -> None:
    finger = ridges(192, 192, seed=1)
    dry, normal, wet = (with_moisture(finger, moisture).mean() for moisture in Moisture)
    assert dry > normal + 40 > normal > wet + 40


@pytest.mark.parametrize("size_bytes", [512, 768, 1536])
def test_characteristics_tell_a_displaced_finger_from_another(size_bytes: int) -> None:
    finger = ridges(240, 240, seed=1)
    reference = characteristics.extract(finger[:192, :192], size_bytes)
    displaced = characteristics.extract(finger[10:202, 15:207], size_bytes)
    other = characteristics.extract(ridges(192, 192, seed=2), size_bytes)
    assert reference is not None
    assert displaced is not None
    assert other is not None
    assert len(reference) == size_bytes
    assert characteristics.compare(displaced, reference) > 2 * characteristics.compare(other, reference)


def test_an_empty_platen_has_no_characteristics() -> None:
    noise = np.random.default_rng(1).integers(224, 256, (192, 192)).astype(np.uint8)
    assert characteristics.extract(noise, 768) is None


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name, seed in (("left.png", 1), ("right.bmp", 2)):
        assert cv2.imwrite(str(tmp_path / name), ridges(192, 192, seed))
    (tmp_path / "broken.png").write_text("no image")
    (tmp_path / "notes.txt").write_text("no image either")
    return tmp_path


def conversation(images: Path, *lines: str) -> list[str]:
    said: list[str] = []
    with VirtualSensor("R503") as sensor:
        run_console(sensor, images, lines, said.append)
    return said[2:]


def test_the_console_shows_fingers_by_number_and_name(images: Path) -> None:
    assert conversation(images, "list", "show 2", "show right", "dry", "lift", "quit", "list") == [
        "   1  broken.png\n   2  left.png\n   3  right.bmp",
        "on the sensor: left.png",
        "on the sensor: right.bmp",
        "on the sensor: right.bmp, dry",
        "no finger on the sensor",
    ]


def test_the_console_answers_wrong_input_with_what_is_right(images: Path) -> None:
    lines = ("dance", "show", "show 9", "show broken", "dry", "fault", "fault tired", "lift now", "", "help")
    *errors, help_text = conversation(images, *lines)
    assert all(error.startswith("error: ") for error in errors)
    words = ("help", "number or a name", "list", "not an image", "show 1", "late", "checksum", "help")
    assert len(errors) == len(words)
    assert all(word in error for word, error in zip(words, errors, strict=True))
    assert help_text == HELP


def test_the_console_unplugs_and_plugs_in(images: Path) -> None:
    said: list[str] = []
    with VirtualSensor("R503") as sensor:
        run_console(sensor, images, ["unplug"], said.append)
        assert not Path(sensor.port).exists()
        run_console(sensor, images, ["plug", "fault short"], said.append)
        assert Path(sensor.port).exists()
    assert said[-1] == "armed: short, once"


def test_the_command_serves_a_chosen_path_and_removes_it(images: Path, tmp_path: Path) -> None:
    link = tmp_path / "ttyFINGER"
    arguments = ["fingerprint", "--images", str(images), "--model", "as608", "--link", str(link)]
    result = CliRunner().invoke(emulate, arguments, input="show 2\nquit\n")
    assert result.exit_code == 0
    assert f"port: {link}" in result.output
    assert not link.is_symlink()


def test_the_command_refuses_a_folder_without_images_and_a_path_that_exists(
    images: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, words in (
        (["--images", str(empty)], "no fingerprint images"),
        (["--images", str(images), "--link", str(images / "notes.txt")], "exists already"),
        (["--images", str(images), "--link", str(tmp_path / "none" / "tty")], "not a folder"),
    ):
        result = CliRunner().invoke(emulate, ["fingerprint", *arguments])
        assert result.exit_code == 2
        assert words in result.output
