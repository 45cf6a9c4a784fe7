"""An emulated R503, and an opener whose readers are closed when the test ends."""

from collections.abc import Iterator

import pytest

from sensors.emulator.virtual import VirtualSensor
from sensors.fingerprint.opening import DEFAULT_TIMING, FAST_BAUD, ReaderSettings, Timing, open_reader
from sensors.fingerprint.zhiantec import ZhianTecReader
from tests.kit.fingers import Opener


@pytest.fixture
def r503() -> Iterator[VirtualSensor]:
    with VirtualSensor("R503", baud=FAST_BAUD) as sensor:
        yield sensor


@pytest.fixture
def reader_of() -> Iterator[Opener]:
    opened = []

    def open_one(sensor: VirtualSensor, timing: Timing = DEFAULT_TIMING) -> ZhianTecReader:
        settings = ReaderSettings(sensor.model.name, sensor.port, baud=FAST_BAUD)
        opened.append(open_reader(settings, timing=timing))
        return opened[-1]

    yield open_one
    for reader in opened:
        reader.close()
