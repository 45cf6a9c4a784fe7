"""The fast path of 1:1: characteristics and their comparison stay on the sensor."""

from itertools import islice
from pathlib import Path

import pytest

from sensors.emulator.console import load_image
from sensors.emulator.faults import Fault, FaultKind
from sensors.emulator.virtual import VirtualSensor
from sensors.errors import SensorMisconfigured, SensorRefused
from sensors.fingerprint.opening import FAST_BAUD
from tests.kit.fingers import Opener, finger_for


@pytest.mark.parametrize(("model", "template_bytes"), [("R503", 768), ("R503", 1536), ("AS608", 512)])
def test_the_same_finger_matches_on_the_sensor_and_another_does_not(
    reader_of: Opener, model: str, template_bytes: int
) -> None:
    with VirtualSensor(model, baud=FAST_BAUD, template_bytes=template_bytes) as sensor:
        reader = reader_of(sensor)
        sensor.place(finger_for(sensor, seed=1))
        reference = reader.extract_characteristics(0.0)
        assert isinstance(reference, bytes)
        assert len(reference) == template_bytes
        assert reader.compare_on_sensor(reference) > 0
        sensor.place(finger_for(sensor, seed=2))
        assert isinstance(reader.extract_characteristics(0.0), bytes)
        assert reader.compare_on_sensor(reference) == 0


def test_real_fingers_match_on_the_sensor(shared_data: Path, reader_of: Opener) -> None:
    prints = sorted((shared_data / "fingers" / "upek").glob("*_1.png"))
    with VirtualSensor("R503", baud=FAST_BAUD) as sensor:
        reader = reader_of(sensor)
        matched = {}
        for path in islice(prints, 4):
            sensor.place(load_image(path))
            reference = reader.extract_characteristics(0.0)
            assert isinstance(reference, bytes)
            for probe in islice(prints, 4):
                second = probe.with_name(probe.name.replace("_1.png", "_2.png"))
                sensor.place(load_image(second))
                assert isinstance(reader.extract_characteristics(0.0), bytes)
                matched[path.stem, second.stem] = reader.compare_on_sensor(reference) > 0
    genuine = [hit for (a, b), hit in matched.items() if a.split("_")[0] == b.split("_")[0]]
    impostor = [hit for (a, b), hit in matched.items() if a.split("_")[0] != b.split("_")[0]]
    assert sum(genuine) >= 3
    assert sum(impostor) == 0


def test_a_reference_of_another_model_is_refused_with_advice(r503: VirtualSensor, reader_of: Opener) -> None:
    reader = reader_of(r503)
    r503.place(finger_for(r503))
    assert isinstance(reader.extract_characteristics(0.0), bytes)
    with pytest.raises(SensorMisconfigured, match=r"500 bytes.*768"):
        reader.compare_on_sensor(bytes(500))


def test_a_refused_upload_of_characteristics_is_a_refusal(r503: VirtualSensor, reader_of: Opener) -> None:
    reader = reader_of(r503)
    r503.place(finger_for(r503))
    r503.arm(Fault(FaultKind.NAK_UPLOAD))
    with pytest.raises(SensorRefused, match="0x0D"):
        reader.extract_characteristics(0.0)
