"""The short form of `make torture`: the same scenarios, fewer times."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture import kills, power_cuts
from tests.torture.disk import compiler

needs_compiler = pytest.mark.skipif(
    compiler() is None, reason="the disk that loses its cache is compiled: apt-get install gcc libc6-dev"
)
SEED = 20260101


async def test_fifty_kills_of_the_device_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    found = await kills.kill_device(tmp_path, 50, SEED)
    assert found.wrong == ()
    assert found.shown > 200


@needs_compiler
async def test_what_was_shown_as_done_survives_the_loss_of_the_page_cache(tmp_path: Path) -> None:
    recorded = await power_cuts.record(tmp_path / "record", 40, SEED)
    for found in power_cuts.cut(recorded, tmp_path / "cut", 60, SEED):
        assert found.wrong == ()
        assert found.shown >= 80


@needs_compiler
async def test_the_disk_that_loses_its_cache_finds_a_store_that_does_not_flush(tmp_path: Path) -> None:
    recorded = await power_cuts.record(tmp_path / "record", 30, SEED, loose=True)
    device, aggregator = power_cuts.cut(recorded, tmp_path / "cut", 10, SEED)
    assert any("shown as done and are lost" in why for why in device.wrong)
    assert aggregator.wrong == ()
