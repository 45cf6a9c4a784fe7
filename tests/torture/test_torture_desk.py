"""The short form of failing sensors in sessions."""

from __future__ import annotations

from pathlib import Path

from tests.torture import sensors_under_faults


async def test_people_get_an_answer_while_reader_and_camera_fail(tmp_path: Path) -> None:
    (found,) = await sensors_under_faults.scenario(tmp_path, 3, 0.025)
    assert found.wrong == ()
    assert found.shown == 5
