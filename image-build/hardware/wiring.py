"""Which wire goes from which part to which pin of the 40-pin header."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gpiozero.pins.pi import PiBoardInfo

from sensors.board.settings import BoardPins

# Revision codes of the boards that the image starts on; the header is the same on each.
BOARDS = {"Pi 4": 0xB03115, "Pi 5": 0xB04170, "Zero 2 W": 0x902120}
LAMP_OHMS = {"lamp_red": 220, "lamp_green": 68, "lamp_blue": 68}
BUZZER_OHMS = 100
UART_TXD, UART_RXD, I2C_SDA, I2C_SCL = 14, 15, 2, 3  # BCM numbers; the same on each board
# Of the pins that are alike, the one that lies nearest to its part's other wires.
GROUND = {"reader": 9, "lamp": 14, "buzzer": 20, "buttons": 30, "tamper": 39, "hat": 6}
SUPPLY_3V3 = {"reader": 1, "touch": 17}
SUPPLY_5V = (2, 4)


@dataclass(frozen=True, slots=True)
class Wire:
    """One wire. pin: physical number on the header. name: what is there. through: what is in series."""

    part: str
    contact: str
    pin: int
    name: str
    through: str = "–"


def physical(bcm: int, board: str = "Pi 4") -> int:
    """Return the number of a pin on the header from its BCM number."""
    info: Any = PiBoardInfo.from_revision(BOARDS[board])
    return next(int(pin.number) for header, pin in info.find_pin(bcm) if header.name == "J8")


def wires(pins: BoardPins) -> tuple[Wire, ...]:
    """Return every wire, part by part."""

    def gpio(part: str, contact: str, bcm: int, through: str = "–", use: str = "") -> Wire:
        return Wire(part, contact, physical(bcm), f"GPIO{bcm}{use}", through)

    def ground(part: str, contact: str, key: str) -> Wire:
        return Wire(part, contact, GROUND[key], "ground")

    lamp = [
        gpio("lamp", f"{name.removeprefix('lamp_')} anode", getattr(pins, name), f"{ohms} Ω")
        for name, ohms in LAMP_OHMS.items()
    ]
    buttons = {
        f"button {name.upper()}": bcm for name, bcm in asdict(pins).items() if name in ("ok", "again", "help")
    } | {"button LANGUAGE": pins.language}
    return (
        Wire("R503", "red: supply", SUPPLY_3V3["reader"], "3.3 V"),
        Wire("R503", "white: touch supply", SUPPLY_3V3["touch"], "3.3 V"),
        ground("R503", "black: ground", "reader"),
        gpio("R503", "yellow: it sends", UART_RXD, use=" (RXD)"),
        gpio("R503", "brown: it receives", UART_TXD, use=" (TXD)"),
        *lamp,
        ground("lamp", "common cathode", "lamp"),
        gpio("buzzer", "+", pins.buzzer, f"{BUZZER_OHMS} Ω"),
        ground("buzzer", "−", "buzzer"),
        *(gpio(name, "one contact", bcm) for name, bcm in buttons.items()),
        ground("buttons", "other contact of all four", "buttons"),
        gpio("tamper switch", "one contact", pins.tamper),
        ground("tamper switch", "other contact", "tamper"),
        *(Wire("UPS hat", "5 V output", pin, "5 V") for pin in SUPPLY_5V),
        ground("UPS hat", "ground", "hat"),
        gpio("UPS hat", "battery gauge", I2C_SDA, use=" (SDA)"),
        gpio("UPS hat", "battery gauge", I2C_SCL, use=" (SCL)"),
    )


def table(pins: BoardPins) -> str:
    """Return the wires as Markdown."""
    rows = "".join(
        f"| {wire.part} | {wire.contact} | {wire.pin} | {wire.name} | {wire.through} |\n"
        for wire in wires(pins)
    )
    return "| Part | Contact | Header pin | Name | In series |\n|---|---|---|---|---|\n" + rows
