"""What a console shows of the work where no page is served: enough to serve people by the buttons alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.commands.console import ConsoleScreens
from firmware.notices import Notices
from sensors.board.port import Button
from tests.kit.scripted_desk import Ends
from tests.kit.station_rig import Rig, rig
from trust.service import Workflow


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path, Workflow.CLINIC) as made:
        yield made


class Said(list[str]):
    """The lines since the last look."""

    def new(self) -> list[str]:
        lines = [line for line in self if line]
        self.clear()
        return lines


async def test_each_screen_is_said_and_the_highlighted_choice_is_marked(clinic: Rig) -> None:
    await clinic.boot()
    clinic.desk.registered = {"case-0001"}
    clinic.desk.script.append(Ends(suggests=("case-0001",)))
    said = Said()
    screens = ConsoleScreens(clinic.station, Notices(), said.append)
    assert said.new() == [
        "== Show the appointment card",
        "   Nobody has checked the clock of this appliance.",
        "   Hold the card before the camera, or type its number.",
        " > No card at hand",
        "   Register a person",
        "   Record a complaint",
    ]
    await clinic.press(Button.AGAIN)
    assert said.new() == ["   No card at hand", " > Register a person", "   Record a complaint"]
    for button in (Button.AGAIN, Button.AGAIN, Button.OK):
        await clinic.press(button)
    notice = said.new()
    assert "== May we take your face and fingers?" in notice
    assert any("You may say no" in line for line in notice), "the notice itself is shown"
    assert "   Nothing is chosen yet: AGAIN goes to the first answer." in notice
    await clinic.press(Button.AGAIN)
    await clinic.press(Button.OK)
    await clinic.rest()
    assert any(line.startswith("   case-0001 (strong: ") for line in said.new())
    screens.stop()
    await clinic.press(Button.HELP)
    assert said.new() == []


async def test_the_ration_and_the_tries_left_are_said(tmp_path: Path) -> None:
    with rig(tmp_path, Workflow.DISTRIBUTION) as camp:
        await camp.boot()
        said = Said()
        ConsoleScreens(camp.station, Notices(), said.append)
        camp.desk.registered = {"p-0001-1"}
        camp.desk.script.append(Ends())
        await camp.acts("card: hh-0001")
        household = camp.store.lists.household("hh-0001")
        assert household is not None
        first = household.rations[0]
        assert f"   {first.item}: {first.amount} {first.unit}" in said.new()
