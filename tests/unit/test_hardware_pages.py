"""The pages for who builds an appliance say what the code does: pins, figures, sums, commands."""

import re
import shlex
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import click
import pytest

from aggregator.cli import main as aggregator
from firmware.cli import main as appliance
from hardware import power, wiring
from hardware.__main__ import DOCS, filled
from hardware.drawings import draw_all
from hardware.parts import total_usd
from sensors.board.settings import BoardPins

HARDWARE, COMMISSIONING = DOCS / "hardware.md", DOCS / "commissioning.md"
COMMANDS = sorted(
    {
        command
        for page in (HARDWARE, COMMISSIONING)
        for command in re.findall(r"`(aidpost(?:-aggregator)? [^`]+)`", page.read_text())
    }
)
AGAIN = "run: make hardware"


def test_the_page_has_the_tables_of_the_defaults() -> None:
    page = HARDWARE.read_text()

    assert page == filled(page), AGAIN


@pytest.mark.parametrize("name", ["wiring.svg", "hardware-blocks.svg"])
def test_the_figures_are_those_of_the_defaults(tmp_path: Path, name: str) -> None:
    draw_all(BoardPins(), tmp_path)

    assert (DOCS / "figures" / name).read_text() == (tmp_path / name).read_text(), AGAIN


def test_the_wiring_follows_the_pins() -> None:
    moved = {wire.contact: wire for wire in wiring.wires(replace(BoardPins(), buzzer=12))}

    assert (moved["+"].pin, moved["+"].name) == (32, "GPIO12")
    assert "GPIO12" not in wiring.table(BoardPins())


@pytest.mark.parametrize("board", wiring.BOARDS)
def test_the_header_is_the_same_on_each_board(board: str) -> None:
    for bcm in (*asdict(BoardPins()).values(), wiring.UART_TXD, wiring.UART_RXD):
        assert wiring.physical(bcm, board) == wiring.physical(bcm)


def test_no_pin_of_the_header_has_two_wires() -> None:
    uses = Counter(wire.pin for wire in wiring.wires(BoardPins()))

    assert max(uses.values()) == 1


def test_the_lamp_stays_below_what_a_pin_may_give() -> None:
    # 16 mA a pin, as the documentation of Raspberry Pi has it.
    assert all(2 < power.lamp_milliamperes(name) < 16 for name in wiring.LAMP_OHMS)


def test_hours_follow_from_cells_and_load() -> None:
    # 4 cells x 3.6 V x 5 Ah x 0.85 x 0.8 over (0.6 A + 0.25 A) x 5.1 V and 0.11 W
    assert power.hours("Pi 4", 4) == pytest.approx(48.96 / 4.447, abs=0.01)


def test_the_dearest_board_makes_the_dearest_appliance() -> None:
    assert total_usd("Zero 2 W") < total_usd("Pi 4") < total_usd("Pi 5")


@pytest.mark.parametrize("typed", COMMANDS)
def test_each_command_on_the_pages_exists(typed: str) -> None:
    program, *words = shlex.split(typed)
    command: click.Command = {"aidpost": appliance, "aidpost-aggregator": aggregator}[program]
    context = click.Context(command, info_name=program)
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None, typed
        command = found
    known = {option for parameter in command.params for option in parameter.opts}
    used = {word for word in words if word.startswith("--")}
    assert used <= known, f"{typed}: {used - known}"


def test_the_pages_have_commands() -> None:
    assert len(COMMANDS) > 15
