"""What an appliance draws and how long its cells last: by data sheets and a formula, nothing measured."""

from __future__ import annotations

from dataclasses import dataclass

from hardware.wiring import BOARDS, LAMP_OHMS

SUPPLY_V = 5.1  # what Raspberry Pi's own supplies give
REGULATOR = 0.85  # from 5 V to 3.3 V on the board; switching regulators have 0.85 to 0.9
CELL_V, CELL_AH = 3.6, 5.0  # a 21700 cell, nominal
BOOST = 0.85  # of the hat, from the cells to 5 V, at about 1 A
USABLE = 0.8  # of the nominal charge, in a cell two years old that is not run flat
HATS = {"UPS HAT (D), 1 cell": 1, "UPS HAT (E), 4 cells": 4}
LED_FORWARD_V = {"lamp_red": 2.0, "lamp_green": 2.9, "lamp_blue": 2.9}  # at about 5 mA


@dataclass(frozen=True, slots=True)
class Load:
    """One consumer. watts: at the 5 V of the board. source: whose figure."""

    name: str
    watts: float
    source: str


def lamp_milliamperes(name: str) -> float:
    """Return the current through one colour: (3.3 V less the forward voltage) over its resistor."""
    return 1000 * (3.3 - LED_FORWARD_V[name]) / LAMP_OHMS[name]


def loads(board: str) -> tuple[Load, ...]:
    """Return what runs while people are served. The highest of what is typical: nothing of it is peak."""
    board_a = {"Pi 4": 0.6, "Pi 5": 0.8, "Zero 2 W": 0.35}[board]
    amber_ma = lamp_milliamperes("lamp_red") + 0.5 * lamp_milliamperes("lamp_green")
    documentation = "documentation of Raspberry Pi, power supplies"
    return (
        Load(f"{board}, typical active current {board_a * 1000:.0f} mA", board_a * SUPPLY_V, documentation),
        Load("Camera Module 3, 250 mA", 0.25 * SUPPLY_V, documentation),
        Load("R503, 20 mA at 3.3 V", 0.020 * 3.3 / REGULATOR, "user manual of the R503, version 1.2"),
        Load(
            f"lamp, amber, {amber_ma:.1f} mA", amber_ma / 1000 * 3.3 / REGULATOR, "its resistors, see below"
        ),
    )


def watts(board: str) -> float:
    """Return the sum of the loads of `board`."""
    return sum(load.watts for load in loads(board))


def hours(board: str, cells: int) -> float:
    """Return cells x volts x ampere hours x boost x usable, over the load in watts."""
    return cells * CELL_V * CELL_AH * BOOST * USABLE / watts(board)


def table() -> str:
    """Return loads and hours as Markdown, a column for each board."""
    columns = f"{' | '.join(BOARDS)} |"
    lines = [f"| Load, W at 5.1 V | {columns} Source |", f"|---|{'---|' * len(BOARDS)}---|"]
    for kinds in zip(*(loads(board) for board in BOARDS), strict=True):
        name = kinds[0].name if len({load.name for load in kinds}) == 1 else "board, typical active current"
        lines.append(f"| {name} | {' | '.join(f'{load.watts:.2f}' for load in kinds)} | {kinds[0].source} |")
    lines.append(f"| **together** | {' | '.join(f'**{watts(board):.1f}**' for board in BOARDS)} | |")
    for hat, cells in HATS.items():
        name = f"hours on {hat} ({cells * CELL_V * CELL_AH:.0f} Wh)"
        lines.append(f"| {name} | {' | '.join(f'{hours(board, cells):.1f}' for board in BOARDS)} | formula |")
    return "\n".join(lines) + "\n"
