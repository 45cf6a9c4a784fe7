"""The emulator against the unmodified library: it answers as a real module does."""

from collections.abc import Iterator

import adafruit_fingerprint as library
import pytest
import serial
from adafruit_fingerprint import Adafruit_Fingerprint

from sensors.board.signals import RingColour, RingLight, RingMode
from sensors.emulator.faults import Fault, FaultKind
from sensors.emulator.virtual import VirtualSensor
from sensors.fingerprint.library import SensorLibrary
from sensors.fingerprint.uart import CheckedUart
from tests.kit.fingers import ridges


@pytest.fixture
def sensor() -> Iterator[VirtualSensor]:
    with VirtualSensor("R503") as sensor:
        sensor.place(ridges(192, 192, seed=1))
        yield sensor


@pytest.fixture(params=["plain port", "checked port"])
def host(request: pytest.FixtureRequest, sensor: VirtualSensor) -> Iterator[Adafruit_Fingerprint]:
    with serial.Serial(sensor.port, sensor.baud, timeout=2) as port:
        yield Adafruit_Fingerprint(port if request.param == "plain port" else CheckedUart(port, sensor.port))


def enrol(host: Adafruit_Fingerprint, page: int) -> None:
    for buffer in (1, 2):
        assert host.get_image() == library.OK
        assert host.image_2_tz(buffer) == library.OK
    assert host.create_model() == library.OK
    assert host.store_model(page) == library.OK


def test_the_library_enrols_searches_lists_and_deletes(
    sensor: VirtualSensor, host: Adafruit_Fingerprint
) -> None:
    enrol(host, 7)
    sensor.place(ridges(192, 192, seed=2))
    enrol(host, 130)
    assert host.count_templates() == library.OK
    assert host.template_count == sensor.stored == 2
    assert host.read_templates() == library.OK
    assert host.templates == [7, 130]
    for search in (host.finger_search, host.finger_fast_search):
        assert search() == library.OK
        assert host.finger_id == 130
    assert host.delete_model(130) == library.OK
    assert host.finger_search() == library.NOTFOUND
    assert host.load_model(7) == library.OK
    assert host.load_model(130) == library.DBRANGEFAIL
    assert host.empty_library() == library.OK
    assert sensor.stored == 0


def test_two_different_fingers_make_no_template(sensor: VirtualSensor, host: Adafruit_Fingerprint) -> None:
    assert (host.get_image(), host.image_2_tz(1)) == (library.OK, library.OK)
    sensor.place(ridges(192, 192, seed=2))
    assert (host.get_image(), host.image_2_tz(2)) == (library.OK, library.OK)
    assert host.create_model() == library.ENROLLMISMATCH
    assert host.compare_templates() == library.NOMATCH


def test_characteristics_go_up_and_come_down_whole(host: Adafruit_Fingerprint) -> None:
    assert (host.get_image(), host.image_2_tz(1)) == (library.OK, library.OK)
    characteristics = host.get_fpdata("char", 1)
    assert len(characteristics) == 768
    assert host.send_fpdata(characteristics, "char", 2)
    assert host.get_fpdata("char", 2) == characteristics
    assert host.compare_templates() == library.OK


def test_an_image_that_was_sent_down_comes_up_again(host: Adafruit_Fingerprint) -> None:
    image = [(7 * at) & 0xFF for at in range(192 * 192 // 2)]
    assert host.send_fpdata(image, "image")
    assert host.get_fpdata("image") == image


def test_an_image_in_small_packets_arrives_where_the_library_recurses_too_deep() -> None:
    with (
        VirtualSensor("R307", packet_bytes=32) as sensor,
        serial.Serial(sensor.port, sensor.baud, timeout=2) as port,
    ):
        sensor.place(ridges(288, 256, seed=1))
        uart = CheckedUart(port, sensor.port)
        host = SensorLibrary(uart, password=0)
        host.get_image()
        assert len(host.upload_image()) == 256 * 288 // 2
        with pytest.raises(RecursionError):
            Adafruit_Fingerprint(uart).get_fpdata("image")


def test_a_full_library_and_a_page_beyond_it_are_refused(
    sensor: VirtualSensor, host: Adafruit_Fingerprint
) -> None:
    enrol(host, 0)
    sensor.arm(Fault(FaultKind.FULL_LIBRARY))
    assert host.store_model(1) == 0x1F
    assert host.store_model(host.library_size) == library.BADLOCATION


def test_what_needs_an_image_is_refused_without_one(
    sensor: VirtualSensor, host: Adafruit_Fingerprint
) -> None:
    sensor.lift()
    assert host.get_image() == library.NOFINGER
    assert host.image_2_tz(1) == library.INVALIDIMAGE
    with pytest.raises(UnboundLocalError):
        host.get_fpdata("image")


def test_echo_ring_and_parameters_answer(sensor: VirtualSensor, host: Adafruit_Fingerprint) -> None:
    assert host.check_module()
    assert host.set_led(color=3, mode=2) == library.OK
    assert sensor.ring == RingLight(RingMode.FLASHING, RingColour.PURPLE)
    assert (host.library_size, host.security_level, host.baudrate, host.data_packet_size) == (200, 3, 6, 2)
    with pytest.raises(RuntimeError, match="Command failed"):
        host.set_sysparam(4, 5)


def test_a_soft_reset_answers_and_then_sends_a_bare_0x55(sensor: VirtualSensor) -> None:
    with serial.Serial(sensor.port, sensor.baud, timeout=2) as port:
        host = Adafruit_Fingerprint(port)
        assert host.get_image() == library.OK
        host.soft_reset()
        assert host.image_2_tz(1) == library.INVALIDIMAGE


def test_a_host_at_another_baud_rate_hears_nothing(sensor: VirtualSensor) -> None:
    with (
        serial.Serial(sensor.port, 9600, timeout=0.05) as port,
        pytest.raises(RuntimeError, match="Failed to read"),
    ):
        Adafruit_Fingerprint(port)


def test_commands_to_another_address_are_not_answered(sensor: VirtualSensor) -> None:
    with (
        VirtualSensor("R503", address=0x11223344) as other,
        serial.Serial(other.port, other.baud, timeout=0.05) as port,
        pytest.raises(RuntimeError, match="Failed to read"),
    ):
        Adafruit_Fingerprint(port)


def test_the_port_keeps_its_path_over_unplugging(sensor: VirtualSensor) -> None:
    sensor.unplug()
    with pytest.raises(serial.SerialException):
        serial.Serial(sensor.port)
    sensor.plug()
    with serial.Serial(sensor.port, sensor.baud, timeout=2) as port:
        assert Adafruit_Fingerprint(port).get_image() == library.OK
