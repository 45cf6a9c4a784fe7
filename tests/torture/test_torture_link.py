"""The short form of what stands between device and aggregator, and of the aggregator's own faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture import aggregator_faults, clocks, hindrances, links
from tests.torture.disk import compiler
from tests.torture.packets import Quality, unavailable

SEED = 20260101


async def test_portals_silence_and_cut_streams_lose_nothing(tmp_path: Path) -> None:
    for found in await hindrances.hinder(tmp_path, 2, SEED):
        assert found.wrong == ()
        assert found.shown > 0


async def test_an_aggregator_that_is_killed_or_put_back_gets_everything(tmp_path: Path) -> None:
    for number, strike in enumerate((aggregator_faults.killed, aggregator_faults.put_back)):
        found = await aggregator_faults.struck(tmp_path / str(number), strike.__name__, 2, SEED, strike, "")
        assert found.wrong == ()


@pytest.mark.skipif(compiler() is None, reason="the wrong clock is compiled: apt-get install gcc libc6-dev")
async def test_a_device_whose_clock_stands_at_1970_delivers(tmp_path: Path) -> None:
    found = await clocks.device_clock(tmp_path, "1970", clocks.at(1970), SEED)
    assert found.wrong == ()


@pytest.mark.skipif(unavailable() is not None, reason=f"no packets to lose: {unavailable()}")
async def test_a_link_that_loses_packets_loses_no_event(tmp_path: Path) -> None:
    async with links.site_behind_link(tmp_path, SEED) as site:
        await links.through(site, Quality(loss=0.1, delay_s=0.02), 20, 0.02)
        await site.post.stop()
        assert site.ledger.judge(site.post.store, site.post.device) == ()
    assert len(site.ledger.shown) == 20
