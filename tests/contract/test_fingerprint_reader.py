"""The contract of a fingerprint reader: the driver with the real library against the emulator, on a pty."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import serial

from sensors.board.signals import RingColour, RingLight, RingMode
from sensors.emulator.faults import Fault, FaultKind
from sensors.emulator.images import Moisture
from sensors.emulator.virtual import VirtualSensor
from sensors.errors import (
    SensorError,
    SensorMisconfigured,
    SensorProtocolError,
    SensorRefused,
    SensorTimeout,
    SensorUnavailable,
)
from sensors.fingerprint.models import MODELS
from sensors.fingerprint.opening import FAST_BAUD, ReaderSettings, Timing, open_reader
from sensors.fingerprint.zhiantec import ZhianTecReader
from sensors.frames import FingerFrame, Pixels, Retry, RetryReason
from tests.kit.fingers import ManualClock, Opener, finger_for

IMPATIENT = Timing(reply_s=0.2)
FIRST_DATA_PACKET = 2  # frames of a capture: the answer to GET_IMAGE, to UPLOAD_IMAGE, then the data


@pytest.fixture(params=list(MODELS))
def sensor(request: pytest.FixtureRequest) -> Iterator[VirtualSensor]:
    with VirtualSensor(request.param, baud=FAST_BAUD) as sensor:
        yield sensor


def as_sent(pixels: Pixels) -> Pixels:
    sent: Pixels = np.multiply(pixels >> 4, 17, dtype=np.uint8)
    return sent


def captured(reader: ZhianTecReader) -> Pixels:
    frame = reader.capture(0.0)
    assert isinstance(frame, FingerFrame)
    return frame.pixels


def test_an_image_arrives_pixel_for_pixel(sensor: VirtualSensor, reader_of: Opener) -> None:
    reader = reader_of(sensor)
    finger = finger_for(sensor)
    sensor.place(finger)
    pixels = captured(reader)
    assert pixels.shape == (reader.info.height, reader.info.width)
    assert np.array_equal(pixels, as_sent(finger))
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_a_reader_says_what_it_is(sensor: VirtualSensor, reader_of: Opener) -> None:
    info = reader_of(sensor).info
    model = sensor.model
    assert (info.identity.model, info.identity.unit) == (model.name, sensor.port)
    assert (info.width, info.height) == ((192, 192) if model.name == "R503" else (256, 288))
    assert (info.resolution_ppi, info.has_ring) == ((508.0, True) if model.name == "R503" else (500.0, False))
    assert (info.baud, info.packet_bytes, info.capacity, info.stored) == (FAST_BAUD, 128, model.capacity, 0)


def test_a_frame_can_be_wiped(r503: VirtualSensor, reader_of: Opener) -> None:
    r503.place(finger_for(r503))
    frame = reader_of(r503).capture(0.0)
    assert isinstance(frame, FingerFrame)
    frame.wipe()
    assert not frame.pixels.any()


def test_without_a_finger_a_capture_waits_its_time_and_no_longer(r503: VirtualSensor) -> None:
    clock = ManualClock()
    settings = ReaderSettings("R503", r503.port, baud=FAST_BAUD)
    reader = open_reader(settings, clock=clock, sleep=clock.sleep)
    started_s = clock()
    assert reader.capture(0.93) == Retry(RetryReason.NO_FINGER)
    assert clock() - started_s == pytest.approx(0.93)
    assert not reader.finger_present()
    reader.close()


def test_a_finger_that_comes_during_the_wait_is_captured_at_the_next_look(r503: VirtualSensor) -> None:
    clock = ManualClock()
    finger = finger_for(r503)
    reader = open_reader(ReaderSettings("R503", r503.port, baud=FAST_BAUD), clock=clock, sleep=clock.sleep)

    def place_on_third_sleep() -> None:
        if len(clock.slept_s) == 3:
            r503.place(finger)

    clock.then = place_on_third_sleep
    frame = reader.capture(60.0)
    assert isinstance(frame, FingerFrame)
    assert len(clock.slept_s) == 3
    assert frame.taken_at_s == clock()
    assert reader.finger_present()
    reader.close()


@pytest.mark.parametrize("moisture", [Moisture.DRY, Moisture.WET])
def test_a_dry_or_wet_finger_is_a_retry_in_the_words_of_the_model(
    sensor: VirtualSensor, reader_of: Opener, moisture: Moisture
) -> None:
    reader = reader_of(sensor)
    sensor.place(finger_for(sensor), moisture)
    named = {Moisture.DRY: RetryReason.TOO_DRY, Moisture.WET: RetryReason.TOO_WET}
    # The R503's data sheet has no code for either: too few features, too disorderly.
    guessed = {Moisture.DRY: RetryReason.PRESS_MORE, Moisture.WET: RetryReason.MOVE_FINGER}
    expected = (guessed if sensor.model.name == "R503" else named)[moisture]
    assert reader.capture(0.0) == Retry(expected)
    assert reader.finger_present()


def test_a_module_without_a_quality_gate_sends_the_dry_image_and_refuses_its_features(
    reader_of: Opener,
) -> None:
    with VirtualSensor("AS608", baud=FAST_BAUD, quality_gate=False) as sensor:
        reader = reader_of(sensor)
        finger = finger_for(sensor)
        sensor.place(finger, Moisture.DRY)
        pixels = captured(reader)
        assert pixels.mean() > as_sent(finger).mean() + 50
        assert reader.extract_characteristics(0.0) == Retry(RetryReason.TOO_DRY)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(FaultKind.LATE, delay_s=0.5), SensorTimeout),
        (Fault(FaultKind.SHORT), SensorTimeout),
        (Fault(FaultKind.SHORT, skip=FIRST_DATA_PACKET + 4), SensorTimeout),
        (Fault(FaultKind.CHECKSUM), SensorProtocolError),
        (Fault(FaultKind.CHECKSUM, skip=FIRST_DATA_PACKET + 4), SensorProtocolError),
        (Fault(FaultKind.ADDRESS), SensorProtocolError),
        (Fault(FaultKind.ADDRESS, skip=FIRST_DATA_PACKET + 4), SensorProtocolError),
        (Fault(FaultKind.GARBAGE, skip=FIRST_DATA_PACKET + 4), SensorProtocolError),
        (Fault(FaultKind.NAK_UPLOAD), SensorRefused),
    ],
)
def test_each_fault_is_a_typed_error_and_a_reopened_reader_works(
    sensor: VirtualSensor, reader_of: Opener, fault: Fault, error: type[SensorError]
) -> None:
    reader = reader_of(sensor, IMPATIENT)
    finger = finger_for(sensor)
    sensor.place(finger)
    sensor.arm(fault)
    with pytest.raises(error):
        reader.capture(0.0)
    with pytest.raises(SensorUnavailable):
        reader.capture(0.0)
    assert np.array_equal(captured(reader_of(sensor)), as_sent(finger))


def test_noise_before_an_answer_does_no_harm(sensor: VirtualSensor, reader_of: Opener) -> None:
    reader = reader_of(sensor)
    finger = finger_for(sensor)
    sensor.place(finger)
    sensor.arm(Fault(FaultKind.GARBAGE))
    assert np.array_equal(captured(reader), as_sent(finger))


def test_a_reader_unplugged_during_a_transfer_is_unavailable_and_works_when_plugged_in_again(
    sensor: VirtualSensor, reader_of: Opener
) -> None:
    reader = reader_of(sensor)
    finger = finger_for(sensor)
    sensor.place(finger)
    sensor.arm(Fault(FaultKind.UNPLUG, skip=FIRST_DATA_PACKET + 40))
    with pytest.raises(SensorUnavailable, match="plug it in again"):
        reader.capture(0.0)
    sensor.plug()
    assert np.array_equal(captured(reader_of(sensor)), as_sent(finger))


def test_a_reader_unplugged_while_idle_is_unavailable(r503: VirtualSensor, reader_of: Opener) -> None:
    reader = reader_of(r503)
    r503.unplug()
    with pytest.raises(SensorUnavailable):
        reader.finger_present()
    reader.close()
    with pytest.raises(SensorUnavailable, match="there is no port"):
        reader_of(r503)


def test_a_port_in_use_says_so(r503: VirtualSensor, reader_of: Opener) -> None:
    reader_of(r503)
    with pytest.raises(SensorUnavailable, match="in use by another program"):
        reader_of(r503)


def test_a_missing_port_says_so(tmp_path: Path) -> None:
    with pytest.raises(SensorUnavailable, match="there is no port"):
        open_reader(ReaderSettings("R503", str(tmp_path / "ttyS9")))


def test_a_file_that_is_no_serial_port_is_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a port")
    with pytest.raises(SensorUnavailable, match="serial port"):
        open_reader(ReaderSettings("R503", str(file)))


def test_an_unknown_model_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SensorMisconfigured, match="R503, AS608, R307"):
        open_reader(ReaderSettings("R999", str(tmp_path / "ttyS9")))


def test_a_silent_port_is_a_timeout_that_names_the_wiring(r503: VirtualSensor) -> None:
    r503.arm(Fault(FaultKind.SHORT, every=1))
    with pytest.raises(SensorTimeout, match="TX and RX"):
        open_reader(ReaderSettings("R503", r503.port), timing=Timing(probe_s=0.01))


def test_the_wrong_model_is_told_from_the_image_and_the_right_one_named(r503: VirtualSensor) -> None:
    r503.place(finger_for(r503))
    reader = open_reader(ReaderSettings("R307", r503.port, baud=FAST_BAUD))
    with pytest.raises(SensorProtocolError, match=r"18432 bytes.*set the model to R503"):
        reader.capture(0.0)


def test_the_baud_rate_is_found_and_raised_to_115200_and_small_packets_to_128(reader_of: Opener) -> None:
    with VirtualSensor("R503", baud=57_600, packet_bytes=32) as sensor:
        reader = reader_of(sensor)
        assert (reader.info.baud, reader.info.packet_bytes) == (115_200, 128)
        assert (sensor.baud, sensor.packet_bytes) == (115_200, 128)
        finger = finger_for(sensor)
        sensor.place(finger)
        assert np.array_equal(captured(reader), as_sent(finger))


@pytest.mark.parametrize(
    ("fault", "baud_kept"),
    [
        # The sensor has changed, and its answer was lost: as from one that answers at the new rate already.
        (FaultKind.CHECKSUM, 115_200),
        # The sensor has not changed.
        (FaultKind.SHORT, 57_600),
    ],
)
def test_a_lost_answer_to_the_baud_change_leaves_both_ends_at_one_rate(
    fault: FaultKind, baud_kept: int
) -> None:
    answers_before = 2  # to the password and to the reading of the parameters
    with VirtualSensor("R503", baud=57_600) as sensor:
        sensor.arm(Fault(fault, skip=answers_before))
        reader = open_reader(ReaderSettings("R503", sensor.port, baud=57_600), timing=IMPATIENT)
        assert reader.info.baud == sensor.baud == baud_kept
        reader.self_test()
        reader.close()


def test_a_password_is_given_and_a_wrong_one_refused() -> None:
    with VirtualSensor("R503", baud=FAST_BAUD, password=0x01020304) as sensor:
        with pytest.raises(SensorRefused, match="password"):
            open_reader(ReaderSettings("R503", sensor.port, baud=FAST_BAUD))
        settings = ReaderSettings("R503", sensor.port, baud=FAST_BAUD, password=0x01020304)
        assert "password" not in repr(settings)
        open_reader(settings).close()


@pytest.mark.parametrize(("model", "expected_s"), [("R503", 1.74), ("AS608", 3.48)])
def test_a_paced_image_takes_as_long_as_its_bytes_at_the_baud_rate(
    reader_of: Opener, model: str, expected_s: float
) -> None:
    paced_s: list[float] = []
    with VirtualSensor(model, baud=FAST_BAUD, paced=True, pause=paced_s.append) as sensor:
        reader = reader_of(sensor)
        sensor.place(finger_for(sensor))
        before_s = sum(paced_s)
        captured(reader)
        assert sum(paced_s) - before_s == pytest.approx(expected_s, abs=0.02)


def test_the_ring_shows_each_light(r503: VirtualSensor, reader_of: Opener) -> None:
    reader = reader_of(r503)
    for mode in RingMode:
        for colour in RingColour:
            reader.show(RingLight(mode, colour))
            assert r503.ring == RingLight(mode, colour)


def test_a_reader_without_a_ring_ignores_the_light(reader_of: Opener) -> None:
    with VirtualSensor("AS608", baud=FAST_BAUD) as sensor:
        reader = reader_of(sensor)
        reader.show(RingLight(RingMode.STEADY, RingColour.RED))
        reader.self_test()
        assert sensor.ring is None


def test_templates_left_by_another_system_are_reported_and_do_no_harm(
    sensor: VirtualSensor, reader_of: Opener
) -> None:
    sensor.fill_library()
    reader = reader_of(sensor)
    assert reader.info.stored == reader.info.capacity == sensor.model.capacity
    finger = finger_for(sensor)
    sensor.place(finger)
    assert np.array_equal(captured(reader), as_sent(finger))
    assert isinstance(reader.extract_characteristics(0.0), bytes)


def test_the_self_test_passes_on_a_well_reader_and_fails_on_a_deaf_one(
    r503: VirtualSensor, reader_of: Opener
) -> None:
    reader = reader_of(r503, IMPATIENT)
    reader.self_test()
    r503.arm(Fault(FaultKind.SHORT))
    with pytest.raises(SensorTimeout):
        reader.self_test()


def test_closing_twice_is_harmless_and_frees_the_port(r503: VirtualSensor, reader_of: Opener) -> None:
    reader = reader_of(r503)
    reader.close()
    reader.close()
    with serial.Serial(r503.port, exclusive=True):
        pass


def test_adafruit_s_library_needs_no_more_of_blinka_than_the_image_s_stand_ins() -> None:
    """The image leaves Blinka out: with the stand-ins before all else the real library talks to a sensor."""
    stand_ins = Path(__file__).parents[2] / "image-build/stand_ins"
    program = (
        f"import sys; sys.path.insert(0, {str(stand_ins)!r})\n"
        "import adafruit_fingerprint, serial\n"
        "with serial.Serial(sys.argv[1], 57600, timeout=2) as port:\n"
        "    print(adafruit_fingerprint.Adafruit_Fingerprint(port).library_size)\n"
        "print(*(name for name in sys.modules if name.startswith('adafruit_')))\n"
    )
    with VirtualSensor("R503") as sensor:
        ran = subprocess.run(
            [sys.executable, "-c", program, str(sensor.port)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.stdout.split() == ["200", "adafruit_fingerprint"], ran.stderr
