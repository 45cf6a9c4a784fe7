"""The short form of failing sensors in sessions, and of a day at a clinic."""

from __future__ import annotations

from pathlib import Path

from tests.torture import clinic, sensors_under_faults


async def test_people_get_an_answer_while_reader_and_camera_fail(tmp_path: Path) -> None:
    (found,) = await sensors_under_faults.scenario(tmp_path, 3, 0.03)
    assert found.wrong == ()
    assert found.shown == 3


async def test_twenty_four_hours_of_a_clinic_lose_nothing_and_keep_nothing_too_long(tmp_path: Path) -> None:
    found = await clinic.days(tmp_path, 1, 60, 3)
    assert found.wrong == ()
    assert found.shown == 60
