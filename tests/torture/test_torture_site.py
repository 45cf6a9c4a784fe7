"""The short form of a day at a distribution point whose network parts."""

from __future__ import annotations

from pathlib import Path

from tests.torture import site_day


async def test_a_site_whose_network_parts_reports_each_double_and_no_other(tmp_path: Path) -> None:
    found = await site_day.day(tmp_path, 4, 24, spell=6)
    assert found.wrong == ()
    assert found.shown >= 24
