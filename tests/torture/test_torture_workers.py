"""The short form of what several workers on one record must bear, on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.nats import PROGRAM
from tests.kit.postgres import PROGRAMS
from tests.torture import workers


@pytest.mark.skipif(PROGRAMS is None or PROGRAM is None, reason="needs Debian's postgresql and nats-server")
async def test_a_worker_a_bus_and_a_primary_that_are_killed_lose_and_double_nothing(tmp_path: Path) -> None:
    findings = await workers.strike_all(tmp_path, workers.FAULTS, 1, workers=2, devices=3, spread=False)
    assert [found.wrong for found in findings] == [()] * 3
    assert sum(found.shown for found in findings) > 10
