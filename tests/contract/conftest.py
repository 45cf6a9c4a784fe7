"""An emulated R503, an opener whose readers are closed at the end, and an aggregator with a channel to it.

Stores lie in a file, and where Debian's PostgreSQL is installed in a server too.
"""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest

from aggregator.store.place import Place
from sensors.emulator.virtual import VirtualSensor
from sensors.fingerprint.opening import DEFAULT_TIMING, FAST_BAUD, ReaderSettings, Timing, open_reader
from sensors.fingerprint.zhiantec import ZhianTecReader
from tests.kit.aggregator_fixture import Running, running_aggregator
from tests.kit.fingers import Opener
from tests.kit.link_device import dialled
from tests.kit.shared_site import Site, site

# Of Debian 13's own programs: `make machine-test` names a root that has them.
OF_DEBIAN_13 = ["test_settings_of_the_image.py", "test_support_of_a_machine.py"]
collect_ignore = [] if os.environ.get("AIDPOST_SYSTEMD_ROOT") else OF_DEBIAN_13


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


@pytest.fixture
async def server(store: Place, tmp_path: Path) -> AsyncIterator[Running]:
    async with running_aggregator(store, files=tmp_path / "files") as running:
        yield running


@pytest.fixture
async def channel(server: Running) -> AsyncIterator[grpc.aio.Channel]:
    async with dialled(server.target) as channel:
        yield channel


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where an empty store is, or will be: in a file where a test does not say `on_either`."""
    found: Place = (
        request.getfixturevalue("store") if "store" in request.fixturenames else tmp_path / "aggregator.db"
    )
    return found


@pytest.fixture
async def shared(place: Place, tmp_path: Path) -> AsyncIterator[Site]:
    """A site whose appliances share a gallery."""
    async with site(tmp_path, place) as running:
        yield running
